//! `painwatch quarantine`: what was refused, and why.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use painwatch_domain::ProblemCode;
use painwatch_store::QuarantineRow;

use super::{Context, OfClinic, Usage};
use crate::operator;
use crate::redrive::{Report, Wanted};

/// Readings that could not be admitted, kept with their bytes.
#[derive(Debug, clap::Subcommand)]
pub enum Quarantine {
    /// Lists them, newest first.
    #[command(after_help = "Example:\n  painwatch quarantine list")]
    List {
        /// At most so many, the newest.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        #[command(flatten)]
        clinic: OfClinic,
    },
    /// Shows one with its reason, and writes its bytes to standard output.
    #[command(after_help = "Example:\n  painwatch quarantine show q-9f2")]
    Show {
        /// Id of the item, as `list` has it.
        id: String,
        #[command(flatten)]
        clinic: OfClinic,
    },
    /// Submits them again, after what stood in their way was mended: all of them, those named, or those of one code.
    ///
    /// Readings keep the receipt they came with. What would still be refused stays as it is.
    #[command(after_help = "Example:\n  painwatch quarantine redrive --code unknown_measure")]
    Redrive {
        /// Ids of items, as `list` has them; none for all.
        ids: Vec<String>,
        /// Only items refused with this code, such as time_in_future.
        #[arg(long)]
        code: Option<String>,
        #[command(flatten)]
        clinic: OfClinic,
    },
}

pub async fn run(command: Quarantine, context: Context) -> Result<ExitCode> {
    if let Quarantine::Redrive { ids, code, clinic } = command {
        return redrive(Wanted { ids, code, tenant: Some(clinic.id()?.to_string()) }, &context).await;
    }
    let store = painwatch_store::open(&context.config.store_url(), &context.config.lake_dir()).await?;
    match command {
        Quarantine::List { limit, clinic } => {
            let mut rows = store.quarantine(clinic.id()?, None).await?;
            rows.sort_by_key(|row| std::cmp::Reverse(row.cause));
            for row in rows.iter().take(limit) {
                if context.json {
                    println!("{}", as_json(row));
                } else {
                    println!(
                        "{}  {}  {}  {}  {}: {}",
                        row.id, row.received_at, row.gateway, row.device, row.code, row.detail
                    );
                }
            }
            if rows.is_empty() && !context.json {
                println!("nothing is in quarantine");
            }
            if rows.len() > limit {
                eprintln!("{} more; use --limit", rows.len() - limit);
            }
        }
        Quarantine::Show { id, clinic } => {
            let rows = store.quarantine(clinic.id()?, Some(id.clone())).await?;
            let Some(row) = rows.first() else { bail!("nothing in quarantine is called {id:?}") };
            show(row, context.json)?;
        }
        Quarantine::Redrive { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn show(row: &QuarantineRow, json: bool) -> Result<()> {
    if json {
        let mut shown = as_json(row);
        shown["format"] = row.format.as_str().into();
        // Bytes that are no text are told as digits: nothing of them may be lost.
        match std::str::from_utf8(&row.payload) {
            Ok(text) => shown["payload"] = text.into(),
            Err(_) => shown["payload_hex"] = hex::encode(&row.payload).into(),
        }
        println!("{shown}");
        return Ok(());
    }
    eprintln!("received {} from gateway {}, device {:?}, as {}", row.received_at, row.gateway, row.device, row.format);
    eprintln!("{}: {}", row.code, row.detail);
    std::io::stdout().write_all(&row.payload)?;
    println!();
    Ok(())
}

fn as_json(row: &QuarantineRow) -> serde_json::Value {
    serde_json::json!({
        "id": row.id, "received_at": row.received_at.to_string(), "gateway": row.gateway.as_str(),
        "device": row.device, "code": row.code, "detail": row.detail, "count": row.count,
    })
}

async fn redrive(wanted: Wanted, context: &Context) -> Result<ExitCode> {
    if let Some(code) = wanted.code.as_deref().filter(|code| ProblemCode::parse(code).is_none()) {
        bail!(Usage(format!(
            "--code {code}: no reading is refused for that; `painwatch quarantine list` shows the codes"
        )));
    }
    let report = operator::redrive(&context.config, &wanted).await?;
    if context.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(if report.unknown.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report) {
    for item in &report.items {
        match (item.code.as_str(), item.still_refused) {
            ("", 0) => println!("{}  left: {} admitted", item.id, item.admitted),
            ("", refused) => println!("{}  left: {} admitted, {refused} refused again", item.id, item.admitted),
            (code, _) => println!("{}  stays: {code}: {}", item.id, item.detail),
        }
    }
    let left = report.items.iter().filter(|item| item.code.is_empty()).count();
    println!("{left} left quarantine, {} stay", report.items.len() - left);
    for id in &report.unknown {
        eprintln!("nothing in quarantine is called {id:?}: it left already, or never was there");
    }
}
