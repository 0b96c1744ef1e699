//! `painwatch sql`: a question to the tables.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use painwatch_query::{Options, QueryEngine};

use super::{Context, OfClinic, Usage};
use crate::operator;

/// Asks the tables, recent rows and lake together. Read-only. After a crash the journal's tail is applied first.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  painwatch sql \"SELECT measure, count(*) FROM readings GROUP BY measure\"\n  painwatch sql --format csv \"SELECT * FROM alerts\""
)]
pub struct Args {
    /// One statement that reads; `SHOW TABLES` names what there is.
    query: String,
    /// table, csv, json or arrow; a table when left out, JSON with `--json`.
    #[arg(long)]
    format: Option<String>,
    #[command(flatten)]
    clinic: OfClinic,
    /// Most memory the query may take, in MiB.
    #[arg(long, default_value_t = 1024)]
    memory_mib: usize,
    /// Longest time the query may take, in seconds.
    #[arg(long, default_value_t = 300)]
    timeout_s: u64,
}

pub async fn run(args: Args, context: Context) -> Result<ExitCode> {
    let format = args.format.as_deref().unwrap_or(if context.json { "json" } else { "table" });
    if !["table", "csv", "json", "arrow"].contains(&format) {
        bail!(Usage(format!("--format {format}: expected table, csv, json or arrow")));
    }
    let tenant = args.clinic.id()?;
    operator::catch_up(&context.config).await?;
    let store = painwatch_store::open(&context.config.store_url(), &context.config.lake_dir()).await?;
    let options = Options {
        memory_bytes: args.memory_mib << 20,
        timeout: Duration::from_secs(args.timeout_s),
        tenant,
        ..Options::default()
    };
    let result = QueryEngine::new(store, options)?.sql(&args.query).await?;
    let mut out = std::io::stdout().lock();
    match format {
        "csv" => result.csv(&mut out)?,
        "json" => result.json(&mut out)?,
        "arrow" => result.arrow_ipc(&mut out)?,
        _ => result.table(&mut out)?,
    }
    Ok(ExitCode::SUCCESS)
}
