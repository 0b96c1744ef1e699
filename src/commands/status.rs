//! `painwatch status`: how it is.

use std::process::ExitCode;

use anyhow::Result;
use painwatch_domain::{AlertState, TenantId};
use painwatch_store::{AlertFilter, ClockRow, Consumer};

use super::Context;
use crate::operator;

/// How the installation is: server, books, alerts, lake.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  painwatch status --data ./painwatch-data")]
pub struct Args {}

pub async fn run(_: Args, context: Context) -> Result<ExitCode> {
    let running = operator::running(&context.config).await;
    let store = painwatch_store::open(&context.config.store_url(), &context.config.lake_dir()).await?;
    let tenant = TenantId::default();
    let (books, counts) = (store.books(tenant.clone()).await?, store.counts(tenant.clone()).await?);
    let open = AlertFilter { tenant, states: vec![AlertState::Open], limit: 10_000, ..AlertFilter::default() };
    let open = store.alerts(open).await?.len();
    let applied = store.applied(Consumer::Processor).await?;
    let alerts = store.applied(Consumer::Alerts).await?;
    let clocks: Vec<ClockRow> =
        store.clocks(TenantId::default()).await?.into_iter().filter(|clock| clock.ahead_ms != 0).collect();
    let lake = store.lake_files().await?.len();
    let balanced = books.submitted == books.stored + books.duplicate + books.conflict + books.quarantined;
    let offset = |applied: Option<painwatch_store::Applied>| applied.map(|applied| applied.next.0);
    if context.json {
        println!(
            "{}",
            serde_json::json!({
                "running": running,
                "books": {"submitted": books.submitted, "stored": books.stored, "duplicate": books.duplicate,
                    "conflict": books.conflict, "quarantined": books.quarantined, "balanced": balanced},
                "identities": counts.identities, "open_alerts": open, "lake_files": lake,
                "clocks": clocks.iter().map(clock_json).collect::<Vec<_>>(),
                "processor_next_offset": offset(applied), "alerts_next_offset": offset(alerts),
            })
        );
        return Ok(ExitCode::SUCCESS);
    }
    match running {
        Some(addresses) => {
            println!("server       running: mqtt {}, grpc {}, http {}", addresses.mqtt, addresses.grpc, addresses.http)
        }
        None => println!("server       not running"),
    }
    println!("data         {}", context.config.data.display());
    println!(
        "books        {} submitted = {} stored + {} duplicate + {} conflict + {} quarantined{}",
        books.submitted,
        books.stored,
        books.duplicate,
        books.conflict,
        books.quarantined,
        if balanced { "" } else { "  (DO NOT BALANCE)" }
    );
    println!("readings     {} identities, {} files in the lake", counts.identities, lake);
    println!("alerts       {open} open");
    for clock in &clocks {
        println!("clock        {} {} is {:+} s off", clock.kind, clock.subject, clock.ahead_ms / 1000);
    }
    match applied {
        Some(applied) => println!("journal      applied up to offset {} at {}", applied.next, applied.journal_time),
        None => println!("journal      nothing applied yet"),
    }
    Ok(ExitCode::SUCCESS)
}

fn clock_json(clock: &ClockRow) -> serde_json::Value {
    serde_json::json!({
        "kind": clock.kind, "id": clock.subject, "ahead_ms": clock.ahead_ms, "boot_id": clock.boot_id,
        "sightings": clock.sightings, "spread_ms": clock.spread_ms, "seen_from": clock.seen_from.to_string(),
        "seen_to": clock.seen_to.to_string(),
    })
}
