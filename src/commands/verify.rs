//! `painwatch verify`: every built-in checker, with figures.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use painwatch_domain::TenantId;
use painwatch_journal::{Class, Journal};
use painwatch_proto::journal::v1 as pb;
use painwatch_store::Store;
use prost::Message as _;

use super::{Context, replay};
use crate::operator;

/// Runs every built-in checker: the books balance, rows equal the books, the history derived again is the history stored.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  painwatch verify --data ./painwatch-data")]
pub struct Args {}

/// One checker's answer.
pub struct Check {
    pub name: &'static str,
    pub passed: bool,
    pub figure: String,
}

pub async fn run(_: Args, context: Context) -> Result<ExitCode> {
    if operator::running(&context.config).await.is_some() {
        anyhow::bail!("a server runs on {}; stop it first", context.config.data.display());
    }
    let mut system = operator::look(&context.config).await?;
    system.settle().await?;
    let mut checks = books(&*system.store, &*system.journal).await?;
    checks.extend(coverage(&*system.store).await?);
    checks.extend(replay::compare(Arc::clone(&system.journal), Arc::clone(&system.store)).await?);
    system.stop().await?;
    Ok(report(&checks, context.json))
}

/// Prints the checks; 1 where any failed.
pub fn report(checks: &[Check], json: bool) -> ExitCode {
    for check in checks {
        if json {
            println!("{}", serde_json::json!({"check": check.name, "passed": check.passed, "figure": check.figure}));
        } else {
            println!("{} {}: {}", if check.passed { "ok    " } else { "FAILED" }, check.name, check.figure);
        }
    }
    if checks.iter().all(|check| check.passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Promise 2: every submitted reading is accounted for exactly once, in the journal, the books and the rows.
async fn books(store: &dyn Store, journal: &dyn Journal) -> Result<Vec<Check>> {
    let tenant = TenantId::default();
    let (books, counts) = (store.books(tenant.clone()).await?, store.counts(tenant).await?);
    let sum = books.stored + books.duplicate + books.conflict + books.quarantined;
    let submitted = submitted_in_journal(journal).await?;
    Ok(vec![
        Check {
            name: "books balance",
            passed: books.submitted == sum,
            figure: format!("{} submitted, {sum} accounted for", books.submitted),
        },
        Check {
            name: "the journal holds what the books count",
            passed: submitted == books.submitted,
            figure: format!("{submitted} in the journal, {} in the books", books.submitted),
        },
        Check {
            name: "rows equal the books",
            passed: counts.versions == books.stored,
            figure: format!(
                "{} stored, {} distinct versions, {} identities",
                books.stored, counts.versions, counts.identities
            ),
        },
        Check {
            name: "conflicts equal the books",
            passed: counts.conflicts == books.conflict,
            figure: format!("{} in the books, {} in the rows", books.conflict, counts.conflicts),
        },
        Check {
            name: "quarantine equals the books",
            passed: counts.quarantined == books.quarantined,
            figure: format!("{} in the books, {} in the rows", books.quarantined, counts.quarantined),
        },
    ])
}

async fn submitted_in_journal(journal: &dyn Journal) -> Result<u64> {
    let mut submitted: u64 = 0;
    let mut redriven = BTreeSet::new();
    let mut at = journal.oldest_offset();
    while at < journal.next_offset() {
        for record in journal.read(at, 1 << 20).await? {
            at = record.offset.next();
            if record.class != Class::Batch {
                continue;
            }
            let batch = pb::Batch::decode(record.payload).context("batch record")?;
            // What is submitted again was counted when it came, and leaves quarantine once.
            if !batch.redrives.iter().all(|item| redriven.insert(item.id.clone())) {
                continue;
            }
            submitted = submitted.saturating_sub(batch.redrives.iter().map(|item| item.count).sum());
            submitted += batch.quarantined.iter().map(|refused| refused.count).sum::<u64>();
            for section in &batch.sections {
                let readings = pb::DeviceReadings::decode(section.readings.clone())?;
                submitted += readings.series.iter().map(|series| series.device_time_ms.len() as u64).sum::<u64>();
            }
        }
    }
    Ok(submitted)
}

/// Promise 5: a rule is blind or covered at every instant of a closed day.
async fn coverage(store: &dyn Store) -> Result<Vec<Check>> {
    let (from, to) = (painwatch_domain::EventTime::MIN, painwatch_domain::EventTime::MAX);
    let mut rows = store.coverage(TenantId::default(), None, from, to).await?;
    rows.sort_by(|a, b| (&a.patient, &a.rule, a.start).cmp(&(&b.patient, &b.rule, b.start)));
    let same =
        |a: &painwatch_store::CoverageRow, b: &painwatch_store::CoverageRow| a.patient == b.patient && a.rule == b.rule;
    let overlaps = rows.windows(2).filter(|pair| same(&pair[0], &pair[1]) && pair[1].start < pair[0].end).count();
    let empty = rows.iter().filter(|row| row.end <= row.start).count();
    Ok(vec![Check {
        name: "coverage intervals do not overlap",
        passed: overlaps == 0 && empty == 0,
        figure: format!("{} intervals, {overlaps} overlaps, {empty} empty", rows.len()),
    }])
}
