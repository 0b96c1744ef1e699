//! `painwatch verify`: every built-in checker, with figures.

mod coverage;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use painwatch_domain::TenantId;
use painwatch_domain::time::DAY_MS;
use painwatch_journal::{Class, Journal};
use painwatch_proto::journal::v1 as pb;
use painwatch_store::{LakeFileState, Store};
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
    let whole = lake(&*system.store).await?;
    if !whole.passed {
        // What reads the lake would only say so less clearly.
        system.stop().await?;
        return Ok(report(&[whole], context.json));
    }
    system.settle().await?;
    let mut checks = books(&*system.store, &*system.journal).await?;
    checks.insert(0, whole);
    checks.push(ledger(&*system.store, &*system.journal).await?);
    checks.push(coverage::check(&*system.store, &*system.journal).await?);
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

/// Every file of the lake is read once.
async fn lake(store: &dyn Store) -> Result<Check> {
    let files = store.lake_files().await?;
    let (mut unnamed, mut damaged) = (0, Vec::new());
    for file in &files {
        match painwatch_store::check_lake_file(file) {
            LakeFileState::AsWritten => {}
            LakeFileState::WithoutDigest => unnamed += 1,
            LakeFileState::Damaged => damaged.push(format!("{} is not what was written", file.display())),
            LakeFileState::Unreadable(why) => damaged.push(format!("{}: {why}", file.display())),
        }
    }
    let mut figure = format!("{} files, {} damaged, {unnamed} without a digest", files.len(), damaged.len());
    if !damaged.is_empty() {
        let told = damaged.join("; ");
        figure += &format!(
            ": {told}. Restore them from a backup: a name ends with the first 32 digits of its file's SHA-256"
        );
    }
    Ok(Check { name: "the lake's files are what was written", passed: damaged.is_empty(), figure })
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
            passed: submitted == books.submitted.cast_signed(),
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

async fn submitted_in_journal(journal: &dyn Journal) -> Result<i64> {
    let (mut submitted, mut redriven) = (0, Redriven::default());
    let mut at = journal.oldest_offset();
    while at < journal.next_offset() {
        for record in journal.read(at, 1 << 20).await? {
            at = record.offset.next();
            if record.class != Class::Batch || record.tenant != TenantId::default() {
                continue;
            }
            let batch = pb::Batch::decode(record.payload).context("batch record")?;
            submitted += redriven.adds(&batch)?;
        }
    }
    Ok(submitted)
}

/// What left quarantine so far.
#[derive(Default)]
struct Redriven(BTreeSet<String>);

impl Redriven {
    /// What a record adds to the books. What is submitted again was counted when it came, and leaves quarantine once.
    fn adds(&mut self, batch: &pb::Batch) -> Result<i64> {
        if !batch.redrives.iter().all(|item| self.0.insert(item.id.clone())) {
            return Ok(0);
        }
        let left: u64 = batch.redrives.iter().map(|item| item.count).sum();
        Ok(readings_of(batch)?.cast_signed() - left.cast_signed())
    }
}

fn readings_of(batch: &pb::Batch) -> Result<u64> {
    let mut count = batch.quarantined.iter().map(|refused| refused.count).sum::<u64>();
    for section in &batch.sections {
        let readings = pb::DeviceReadings::decode(section.readings.clone())?;
        count += readings.series.iter().map(|series| series.device_time_ms.len() as u64).sum::<u64>();
    }
    Ok(count)
}

/// Start of the UTC day, gateway, reason of refusal: submitted and refused.
type DailyBooks = BTreeMap<(i64, String, String), (i64, u64)>;

/// The books of each gateway and day are what the journal adds up to, and each of them balances.
async fn ledger(store: &dyn Store, journal: &dyn Journal) -> Result<Check> {
    let rows = store.ledger(TenantId::default()).await?;
    let balanced = rows
        .iter()
        .all(|row| row.submitted == (row.stored + row.duplicate + row.conflict).cast_signed() + row.quarantined);
    let booked: DailyBooks = rows
        .iter()
        .map(|row| ((row.day.0, row.gateway.clone(), row.reason.clone()), (row.submitted, row.refused)))
        .collect();
    let journalled = daily_books(journal).await?;
    let differ = journalled.iter().filter(|(key, sums)| booked.get(key) != Some(sums)).count();
    let surplus = booked.keys().filter(|key| !journalled.contains_key(key)).count();
    Ok(Check {
        name: "the ledger of each gateway and day equals the journal",
        passed: balanced && differ == 0 && surplus == 0,
        figure: format!("{} rows, {differ} differ, {surplus} have no record", rows.len()),
    })
}

async fn daily_books(journal: &dyn Journal) -> Result<DailyBooks> {
    let (mut books, mut redriven) = (DailyBooks::new(), Redriven::default());
    let day_of = |ms: i64| ms.div_euclid(DAY_MS) * DAY_MS;
    let mut at = journal.oldest_offset();
    while at < journal.next_offset() {
        for record in journal.read(at, 1 << 20).await? {
            at = record.offset.next();
            if record.tenant != TenantId::default() {
                continue;
            }
            if record.class == Class::Batch {
                let batch = pb::Batch::decode(record.payload).context("batch record")?;
                let submitted = redriven.adds(&batch)?;
                books.entry((day_of(batch.received_at_ms), batch.gateway, String::new())).or_default().0 += submitted;
            } else if record.class == Class::Control {
                let control = pb::Control::decode(record.payload).context("control record")?;
                let Some(pb::control::Action::Refusals(refusals)) = control.action else { continue };
                for count in refusals.counts {
                    books.entry((day_of(count.day_ms), count.gateway, count.reason)).or_default().1 += count.count;
                }
            }
        }
    }
    Ok(books)
}
