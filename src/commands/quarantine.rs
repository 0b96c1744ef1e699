//! `painwatch quarantine`: what was refused, and why.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use painwatch_domain::TenantId;

use super::Context;

/// Readings that could not be admitted, kept with their bytes.
#[derive(Debug, clap::Subcommand)]
pub enum Quarantine {
    /// Lists them, newest first.
    #[command(after_help = "Example:\n  painwatch quarantine list")]
    List {
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Shows one with its reason, and writes its bytes to standard output.
    #[command(after_help = "Example:\n  painwatch quarantine show q-9f2")]
    Show { id: String },
}

pub async fn run(command: Quarantine, context: Context) -> Result<ExitCode> {
    let store = painwatch_store::open(&context.config.store_url(), &context.config.lake_dir()).await?;
    match command {
        Quarantine::List { limit } => {
            let mut rows = store.quarantine(TenantId::default(), None).await?;
            rows.sort_by_key(|row| std::cmp::Reverse(row.cause));
            for row in rows.iter().take(limit) {
                if context.json {
                    println!(
                        "{}",
                        serde_json::json!({"id": row.id, "received_at": row.received_at.to_string(), "gateway": row.gateway.as_str(),
                        "device": row.device, "code": row.code, "detail": row.detail, "count": row.count})
                    );
                } else {
                    println!(
                        "{}  {}  {}  {}  {}: {}",
                        row.id, row.received_at, row.gateway, row.device, row.code, row.detail
                    );
                }
            }
            if rows.len() > limit {
                eprintln!("{} more; use --limit", rows.len() - limit);
            }
        }
        Quarantine::Show { id } => {
            let rows = store.quarantine(TenantId::default(), Some(id.clone())).await?;
            let Some(row) = rows.first() else { bail!("nothing in quarantine is called {id:?}") };
            eprintln!(
                "received {} from gateway {}, device {:?}, as {}",
                row.received_at, row.gateway, row.device, row.format
            );
            eprintln!("{}: {}", row.code, row.detail);
            std::io::stdout().write_all(&row.payload)?;
            println!();
        }
    }
    Ok(ExitCode::SUCCESS)
}
