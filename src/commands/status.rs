//! `painwatch status`: how it is.

mod behind;

use std::process::ExitCode;

use anyhow::Result;
use painwatch_domain::{AlertState, Clock as _, TenantId};
use painwatch_store::{AlertFilter, ClockRow, LedgerRow, Store};

use super::{Context, OfClinic};
use crate::canary::{self, Seen};
use crate::clock::SystemClock;
use crate::operator;
use behind::{Behind, Missing, Refused, free_disk_bytes};

/// How the installation is: server, books, what is refused, missing or behind, alerts, lake, disk.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  painwatch status --data ./painwatch-data")]
pub struct Args {
    #[command(flatten)]
    clinic: OfClinic,
}

pub async fn run(args: Args, context: Context) -> Result<ExitCode> {
    let running = operator::running(&context.config).await;
    let store = painwatch_store::open(&context.config.store_url(), &context.config.lake_dir()).await?;
    let tenant = args.clinic.id()?;
    let (books, counts) = (store.books(tenant.clone()).await?, store.counts(tenant.clone()).await?);
    let (refused, missing) = (Refused::of(&*store, &tenant).await?, Missing::of(&*store, &tenant).await?);
    let clocks: Vec<ClockRow> =
        store.clocks(tenant.clone()).await?.into_iter().filter(|clock| clock.ahead_ms != 0).collect();
    let open = AlertFilter { tenant, states: vec![AlertState::Open], limit: 10_000, ..AlertFilter::default() };
    let open = store.alerts(open).await?.len();
    let behind = Behind::of(&context.config, &*store).await?;
    let lake = store.lake_files().await?.len();
    let balanced = books.submitted == books.stored + books.duplicate + books.conflict + books.quarantined;
    let inputs = Inputs::of(&context, &*store).await?;
    let free = free_disk_bytes(&context.config.data);
    if context.json {
        println!(
            "{}",
            serde_json::json!({
                "running": running,
                "books": {"submitted": books.submitted, "stored": books.stored, "duplicate": books.duplicate,
                    "conflict": books.conflict, "quarantined": books.quarantined, "refused": refused.total(),
                    "balanced": balanced},
                "refused": refused.0, "missing": missing, "lag": behind.lag,
                "identities": counts.identities, "open_alerts": open, "lake_files": lake,
                "clocks": clocks.iter().map(clock_json).collect::<Vec<_>>(),
                "inputs": inputs.as_json(), "canary_book": inputs.book_as_json(),
                "processor_next_offset": behind.processor.map(|applied| applied.next.0),
                "alerts_next_offset": behind.alerts.map(|applied| applied.next.0), "disk_free_bytes": free,
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
    println!("data         {}{}", context.config.data.display(), free.map(behind::free_text).unwrap_or_default());
    println!(
        "books        {} submitted = {} stored + {} duplicate + {} conflict + {} quarantined{}",
        books.submitted,
        books.stored,
        books.duplicate,
        books.conflict,
        books.quarantined,
        if balanced { "" } else { "  (DO NOT BALANCE)" }
    );
    println!("refused      {}", refused.text());
    println!("missing      {}", missing.text());
    println!("readings     {} identities, {} files in the lake", counts.identities, lake);
    println!("alerts       {open} open");
    for clock in &clocks {
        println!("clock        {} {} is {:+} s off", clock.kind, clock.subject, clock.ahead_ms / 1000);
    }
    inputs.print();
    println!("journal      {}", behind.text());
    Ok(ExitCode::SUCCESS)
}

/// What the canaries saw of each input, and their own book.
struct Inputs {
    seen: Vec<Seen>,
    book: LedgerRow,
    now_ms: i64,
}

impl Inputs {
    async fn of(context: &Context, store: &dyn Store) -> Result<Self> {
        let there = operator::is_there(&context.config).await;
        let seen = if there { canary::read(&context.config.data) } else { Vec::new() };
        let add = |sum: LedgerRow, row: LedgerRow| LedgerRow {
            submitted: sum.submitted + row.submitted,
            stored: sum.stored + row.stored,
            duplicate: sum.duplicate + row.duplicate,
            conflict: sum.conflict + row.conflict,
            quarantined: sum.quarantined + row.quarantined,
            ..sum
        };
        let book = store.ledger(TenantId::canary()).await?.into_iter().fold(LedgerRow::default(), add);
        Ok(Self { seen, book, now_ms: SystemClock::new().wall_ms() })
    }

    fn print(&self) {
        for seen in &self.seen {
            let age =
                seen.age_ms(self.now_ms).map_or("never answered".to_owned(), |age| format!("{} s ago", age / 1000));
            let (input, took) = (&seen.input, seen.took_ms);
            match (seen.is_alive(self.now_ms), seen.missed) {
                (true, 0) => println!("input        {input} answered {age}, within {took} ms"),
                (true, missed) => println!("input        {input} answered {age}, missed {missed}: {}", seen.why),
                (false, _) => println!("input        {input} IS DEAD, last canary {age}: {}", seen.why),
            }
        }
        if self.book.submitted > 0 {
            println!("canaries     {} sent, {} judged", self.book.submitted, self.book.stored + self.book.duplicate);
        }
    }

    fn as_json(&self) -> Vec<serde_json::Value> {
        let of = |seen: &Seen| {
            serde_json::json!({
                "input": seen.input, "alive": seen.is_alive(self.now_ms), "age_ms": seen.age_ms(self.now_ms),
                "took_ms": seen.took_ms, "missed": seen.missed, "why": seen.why,
            })
        };
        self.seen.iter().map(of).collect()
    }

    fn book_as_json(&self) -> serde_json::Value {
        let book = &self.book;
        serde_json::json!({
            "submitted": book.submitted, "stored": book.stored, "duplicate": book.duplicate, "conflict": book.conflict,
            "quarantined": book.quarantined,
        })
    }
}

fn clock_json(clock: &ClockRow) -> serde_json::Value {
    serde_json::json!({
        "kind": clock.kind, "id": clock.subject, "ahead_ms": clock.ahead_ms, "boot_id": clock.boot_id,
        "sightings": clock.sightings, "spread_ms": clock.spread_ms, "seen_from": clock.seen_from.to_string(),
        "seen_to": clock.seen_to.to_string(),
    })
}
