//! One commit: the fence, the rows, the blobs and the position, in one transaction.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use arrow::array::RecordBatch;
use painwatch_domain::{Offset, ReadingId, TenantId};

use super::migrate::{integers, meta};
use super::sql::{Arg, Conflict, Dialect, Tx};
use crate::codec::{Field, Kind, micros};
use crate::lake::LakeDir;
use crate::records::{self, EvidenceRow};
use crate::rows::*;
use crate::schema::{self, Of, Past, Record, TableDef, history_batch, to_batch};
use crate::{Applied, Blob, Commit, Consumer, Result, StoreError};

/// Fails unless `ours` is the epoch of the newest owner. In PostgreSQL the row stays locked to the transaction's end, so
/// that owners, commits and flushes come one after the other; in SQLite the transaction already excludes the others.
pub(crate) async fn fence(tx: &mut Tx, ours: u64) -> Result<()> {
    if tx.dialect() == Dialect::Postgres {
        tx.execute("SELECT value FROM meta WHERE key = 'epoch' FOR UPDATE", &[]).await?;
    }
    let current = meta(tx, "epoch").await? as u64;
    // Nobody owns a store at epoch 0: it has to be taken first.
    if ours == current && ours > 0 { Ok(()) } else { Err(StoreError::Fenced { ours, current }) }
}

pub(super) async fn apply(tx: &mut Tx, lake: &LakeDir, commit: &Commit) -> Result<()> {
    fence(tx, commit.epoch).await?;
    if let Some((consumer, applied)) = commit.applied
        && !advance(tx, consumer, applied).await?
    {
        return Ok(());
    }
    let rows = &commit.rows;
    readings(tx, lake, &rows.readings).await?;
    metrics(tx, &rows.metrics).await?;
    medication_events(tx, &rows.medication_events).await?;
    coverage(tx, &rows.coverage).await?;
    episodes(tx, rows).await?;
    alerts(tx, rows).await?;
    upsert(tx, &rows.batches, |row| (&row.tenant, row.cause)).await?;
    upsert(tx, &rows.quarantine, |row| (&row.tenant, &row.id)).await?;
    quarantine_gone(tx, &rows.quarantine_gone).await?;
    upsert(tx, &rows.clocks, |row| (&row.tenant, row.kind, &row.subject)).await?;
    upsert(tx, &rows.rules, |row| (&row.tenant, &row.rule, &row.version)).await?;
    gateway_answers(tx, rows).await?;
    if let Some(new) = &rows.roster {
        roster(tx, new).await?;
    }
    for blob in &commit.blobs {
        put_blob(tx, blob).await?;
    }
    Ok(())
}

/// Moves the consumer's position. False where the processor, whose every commit moves it, stands there already: this commit
/// was made durable and its answer was lost.
async fn advance(tx: &mut Tx, consumer: Consumer, applied: Applied) -> Result<bool> {
    let sql = "SELECT next_offset FROM applied WHERE consumer = $1";
    let before = integers(tx, sql, &[consumer.as_str().into()], 1).await?;
    let before = before.first().and_then(|row| row[0]).map(|before| before as u64);
    if before.is_some_and(|before| applied.next.0 < before) {
        return Err(StoreError::Failed(format!("{} would go back to {}", consumer.as_str(), applied.next)));
    }
    if consumer == Consumer::Processor && before == Some(applied.next.0) {
        return Ok(false);
    }
    let sql = "INSERT INTO applied VALUES ($1, $2, $3) ON CONFLICT (consumer) DO UPDATE
               SET next_offset = excluded.next_offset, journal_time = excluded.journal_time";
    let args: [Arg; 3] = [consumer.as_str().into(), applied.next.into(), applied.journal_time.into()];
    tx.execute(sql, &args).await.map(|_| true)
}

async fn put_blob(tx: &mut Tx, blob: &Blob) -> Result<()> {
    let key: [Arg; 2] = [blob.kind.into(), blob.key.clone().into()];
    let Some(bytes) = &blob.bytes else {
        return tx.execute("DELETE FROM blobs WHERE kind = $1 AND key = $2", &key).await.map(drop);
    };
    let sql = "INSERT INTO blobs VALUES ($1, $2, $3) ON CONFLICT (kind, key) DO UPDATE SET bytes = excluded.bytes";
    let [kind, key] = key;
    tx.execute(sql, &[kind, key, bytes.clone().into()]).await.map(drop)
}

/// The last row of each key, in the order of those last ones: no statement may meet a key twice.
fn last_of_each<'a, R, K: Eq + Hash>(rows: &'a [R], key: impl Fn(&'a R) -> K) -> Vec<&'a R> {
    let mut seen = HashSet::with_capacity(rows.len());
    let mut kept: Vec<&R> = rows.iter().rev().filter(|row| seen.insert(key(row))).collect();
    kept.reverse();
    kept
}

async fn upsert<'a, R: Record, K: Eq + Hash>(tx: &mut Tx, rows: &'a [R], key: impl Fn(&'a R) -> K) -> Result<()> {
    let batch = to_batch(last_of_each(rows, key))?;
    tx.insert(R::table(), &batch, Conflict::Replace).await.map(drop)
}

/// Where the versions of a commit go when its rows of one key are taken in order.
struct Plan<'a, R> {
    past: Vec<Past<&'a R>>,
    current: Vec<&'a R>,
    /// For each of `current`: the first current version of its key in this commit, which ends whatever was stored before.
    first: Vec<&'a R>,
}

impl<'a, R> Plan<'a, R> {
    fn of<K: Eq + Hash>(
        rows: &'a [R],
        key: impl Fn(&'a R) -> K,
        known_from: impl Fn(&R) -> Offset,
        aside: impl Fn(&R) -> Option<&'static str>,
    ) -> Self {
        let mut plan = Self { past: Vec::new(), current: Vec::with_capacity(rows.len()), first: Vec::new() };
        let mut places = HashMap::with_capacity(rows.len());
        for row in rows {
            if let Some(moved) = aside(row) {
                plan.past.push(Past { row, known_to: known_from(row), moved });
                continue;
            }
            let place = *places.entry(key(row)).or_insert(plan.current.len());
            if place == plan.current.len() {
                plan.current.push(row);
                plan.first.push(row);
            } else {
                let old = std::mem::replace(&mut plan.current[place], row);
                plan.past.push(Past { row: old, known_to: known_from(row), moved: "superseded" });
            }
        }
        plan
    }
}

type ReadingKey = (TenantId, ReadingId, String);

fn reading_key(row: &ReadingRow) -> ReadingKey {
    (row.tenant.clone(), row.reading_id, row.measure.clone())
}

async fn readings(tx: &mut Tx, lake: &LakeDir, rows: &[ReadingRow]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let aside = |row: &ReadingRow| match (row.conflict, row.effective) {
        (true, _) => Some("conflict"),
        (_, false) => Some("outranked"),
        _ => None,
    };
    let plan = Plan::of(rows, |row| (&row.tenant, row.reading_id, row.measure.as_str()), |row| row.known_from, aside);
    let past = history_batch::<ReadingRow, _>(&plan.past, records::readings_history())?;
    tx.insert(records::readings_history(), &past, Conflict::Fail).await?;

    let replacing = |row: &&&ReadingRow| row.supersedes;
    retire_readings(tx, lake, plan.first.iter().filter(replacing).copied()).await?;
    let current = to_batch(plan.current.iter().copied())?;
    let inserted = tx.insert(ReadingRow::table(), &current, Conflict::Skip).await?;
    if inserted < plan.current.len() as u64 {
        insert_over_others(tx, &plan).await?;
    }
    Ok(())
}

/// What stood before this commit under keys of its rows, although they did not say so, goes to the history, and they stand.
async fn insert_over_others(tx: &mut Tx, plan: &Plan<'_, ReadingRow>) -> Result<()> {
    let of_key = |rows: &[&ReadingRow]| -> HashMap<ReadingKey, Offset> {
        rows.iter().map(|row| (reading_key(row), row.known_from)).collect()
    };
    let (ours, first) = (of_key(&plan.current), of_key(&plan.first));
    let stored = tx.fetch_keyed(ReadingRow::table(), &reading_keys(ours.keys())?).await?;
    let stored: Vec<ReadingRow> = schema::from_batch(&stored)?;
    let others = stored.into_iter().filter(|row| ours.get(&reading_key(row)) != Some(&row.known_from));
    let known_to = |row: ReadingRow| first.get(&reading_key(&row)).map(|&until| (row, until));
    let past = others.filter_map(known_to).map(|(row, known_to)| Past { row, known_to, moved: "superseded" });
    let past: Vec<Past<ReadingRow>> = past.collect();
    let keys: HashSet<ReadingKey> = past.iter().map(|past| reading_key(&past.row)).collect();
    let batch = history_batch::<ReadingRow, _>(&past, records::readings_history())?;
    tx.insert(records::readings_history(), &batch, Conflict::Fail).await?;
    // Under a key whose time moved both stand by now.
    tx.delete_keyed(ReadingRow::table().name, &reading_keys(keys.iter())?).await?;
    let again = plan.current.iter().filter(|row| keys.contains(&reading_key(row)));
    tx.insert(ReadingRow::table(), &to_batch(again.copied())?, Conflict::Fail).await.map(drop)
}

/// Moves what is stored as current under the keys of `new` to the history, known until `new` was known.
async fn retire_readings<'a>(tx: &mut Tx, lake: &LakeDir, new: impl Iterator<Item = &'a ReadingRow>) -> Result<()> {
    let mut until: HashMap<ReadingKey, Offset> = new.map(|row| (reading_key(row), row.known_from)).collect();
    if until.is_empty() {
        return Ok(());
    }
    let keys = reading_keys(until.keys())?;
    let hot: Vec<ReadingRow> = schema::from_batch(&tx.fetch_keyed(ReadingRow::table(), &keys).await?)?;
    tx.delete_keyed(ReadingRow::table().name, &keys).await?;
    let mut past = Vec::with_capacity(until.len());
    let retire = |row: ReadingRow, until: &mut HashMap<ReadingKey, Offset>, past: &mut Vec<Past<ReadingRow>>| {
        if let Some(known_to) = until.remove(&reading_key(&row)) {
            past.push(Past { row, known_to, moved: "superseded" });
        }
    };
    hot.into_iter().for_each(|row| retire(row, &mut until, &mut past));
    if !until.is_empty() {
        let found = lake.retire(tx, until.keys().cloned().collect()).await?;
        found.into_iter().for_each(|row| retire(row, &mut until, &mut past));
    }
    let batch = history_batch::<ReadingRow, _>(&past, records::readings_history())?;
    tx.insert(records::readings_history(), &batch, Conflict::Fail).await.map(drop)
}

fn reading_keys<'a>(keys: impl Iterator<Item = &'a ReadingKey>) -> Result<RecordBatch> {
    let shape = TableDef::shape(&[("tenant_id", Kind::Text), ("reading_id", Kind::Text), ("measure", Kind::Text)]);
    let mut out = shape.builders(0);
    let mut keys: Vec<_> = keys.collect();
    keys.sort();
    for (tenant, id, measure) in keys {
        tenant.put(&mut out[0]);
        id.put(&mut out[1]);
        measure.put(&mut out[2]);
    }
    shape.finish(out)
}

async fn metrics(tx: &mut Tx, rows: &[MetricRow]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let key = |row: &MetricRow| (row.tenant.clone(), row.patient.clone(), row.metric.clone(), row.time);
    let plan = Plan::of(rows, key, |row| row.known_from, |_| None);
    let until: HashMap<_, Offset> = plan.first.iter().map(|row| (key(row), row.known_from)).collect();
    let current = to_batch(plan.current.iter().copied())?;
    let keys = projected(MetricRow::table(), &current)?;
    let stored: Vec<MetricRow> = schema::from_batch(&tx.fetch_keyed(MetricRow::table(), &keys).await?)?;
    let ended = stored
        .iter()
        .filter_map(|row| until.get(&key(row)).map(|&known_to| Past { row, known_to, moved: "superseded" }));
    let past: Vec<_> = ended.chain(plan.past).collect();
    let past = history_batch::<MetricRow, _>(&past, records::metrics_history())?;
    tx.insert(records::metrics_history(), &past, Conflict::Fail).await?;
    tx.insert(MetricRow::table(), &current, Conflict::Replace).await.map(drop)
}

/// The key columns of a batch.
fn projected(def: &TableDef, batch: &RecordBatch) -> Result<RecordBatch> {
    let places = def.key.iter().map(|name| def.position(name)).collect::<Result<Vec<_>>>()?;
    batch.project(&places).map_err(schema::defect)
}

async fn medication_events(tx: &mut Tx, rows: &[MedicationEventRow]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let def = MedicationEventRow::table();
    let batch = to_batch(last_of_each(rows, |row| (&row.tenant, row.reading_id)))?;
    let identity = [def.position("tenant_id")?, def.position("reading_id")?];
    tx.delete_keyed(def.name, &batch.project(&identity).map_err(schema::defect)?).await?;
    tx.insert(def, &batch, Conflict::Fail).await.map(drop)
}

async fn coverage(tx: &mut Tx, days: &[CoverageDay]) -> Result<()> {
    if days.is_empty() {
        return Ok(());
    }
    let shape = TableDef::shape(&[
        ("tenant_id", Kind::Text),
        ("patient_id", Kind::Text),
        ("rule_id", Kind::Text),
        ("range_from", Kind::Time),
        ("range_to", Kind::Time),
    ]);
    let mut out = shape.builders(days.len());
    for day in days {
        day.tenant.put(&mut out[0]);
        day.patient.put(&mut out[1]);
        day.rule.put(&mut out[2]);
        day.from.put(&mut out[3]);
        day.to.put(&mut out[4]);
    }
    let ranges = shape.finish(out)?;
    tx.delete_ranges(CoverageRow::table().name, "start_time", &ranges).await?;
    let rows = records::coverage_rows(days);
    upsert(tx, &rows, |row| (&row.tenant, &row.patient, &row.rule, row.start)).await
}

async fn episodes(tx: &mut Tx, rows: &Rows) -> Result<()> {
    for (tenant, patient, rule, start) in &rows.episodes_gone {
        let sql = "DELETE FROM episodes WHERE tenant_id = $1 AND patient_id = $2 AND rule_id = $3 AND start_time = $4";
        tx.execute(sql, &[tenant.into(), patient.into(), rule.into(), Arg::Time(micros(start.0))]).await?;
    }
    upsert(tx, &rows.episodes, |row| (&row.tenant, &row.patient, &row.rule, row.start)).await
}

async fn quarantine_gone(tx: &mut Tx, gone: &[QuarantineGone]) -> Result<()> {
    for QuarantineGone { tenant, id, cause, count } in gone {
        let sql = "DELETE FROM quarantine WHERE tenant_id = $1 AND id = $2";
        tx.execute(sql, &[tenant.into(), id.clone().into()]).await?;
        let sql = "UPDATE batches SET quarantined = quarantined - $1 WHERE tenant_id = $2 AND cause = $3";
        tx.execute(sql, &[(*count as i64).into(), tenant.into(), (*cause).into()]).await?;
    }
    Ok(())
}

async fn alerts(tx: &mut Tx, rows: &Rows) -> Result<()> {
    upsert(tx, &rows.alerts, |row| (&row.tenant, row.alert_id)).await?;
    upsert(tx, &rows.alert_events, |row| (&row.tenant, row.alert_id, row.seq)).await?;
    let evidence = |(tenant, alert_id, reading_id): &(TenantId, _, _)| EvidenceRow {
        tenant: tenant.clone(),
        alert_id: *alert_id,
        reading_id: *reading_id,
    };
    let evidence: Vec<EvidenceRow> = rows.alert_evidence.iter().map(evidence).collect();
    upsert(tx, &evidence, |row| (&row.tenant, row.alert_id, row.reading_id)).await?;
    upsert(tx, &rows.notifications, |row| (&row.tenant, row.notification_id, row.attempt)).await
}

/// What gateways ask for later, and their books.
async fn gateway_answers(tx: &mut Tx, rows: &Rows) -> Result<()> {
    upsert(tx, &rows.verdicts, |row| (&row.tenant, row.cause)).await?;
    if let Some(before) = rows.verdicts_gone_before {
        tx.execute("DELETE FROM verdicts WHERE at < $1", &[before.into()]).await?;
    }
    upsert(tx, &rows.sequences, |row| (&row.tenant, &row.device, row.boot_id)).await?;
    for (tenant, device, boot_id) in &rows.sequences_gone {
        let sql = "DELETE FROM sequences WHERE tenant_id = $1 AND device_id = $2 AND boot_id = $3";
        tx.execute(sql, &[tenant.into(), device.into(), i64::from(*boot_id).into()]).await?;
    }
    ledger(tx, &rows.ledger).await
}

/// Adds to the books that are there.
async fn ledger(tx: &mut Tx, rows: &[LedgerRow]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let added = ledger_sums(rows);
    let keys = projected(LedgerRow::table(), &to_batch(&added)?)?;
    let stored: Vec<LedgerRow> = schema::from_batch(&tx.fetch_keyed(LedgerRow::table(), &keys).await?)?;
    let sums = ledger_sums(stored.iter().chain(&added));
    tx.insert(LedgerRow::table(), &to_batch(&sums)?, Conflict::Replace).await.map(drop)
}

/// One row a key.
fn ledger_sums<'a>(rows: impl IntoIterator<Item = &'a LedgerRow>) -> Vec<LedgerRow> {
    let mut sums: BTreeMap<_, LedgerRow> = BTreeMap::new();
    for row in rows {
        let key = (&row.tenant, row.day, &row.gateway, &row.reason);
        sums.entry(key).and_modify(|sum| sum.add(row)).or_insert_with(|| row.clone());
    }
    sums.into_values().collect()
}

async fn roster(tx: &mut Tx, roster: &RosterRows) -> Result<()> {
    replace(tx, &roster.tenant, &roster.patients).await?;
    replace(tx, &roster.tenant, &roster.devices).await?;
    replace(tx, &roster.tenant, &roster.pairings).await?;
    replace(tx, &roster.tenant, &roster.prescriptions).await?;
    replace(tx, &roster.tenant, &roster.dispenses).await?;
    replace(tx, &roster.tenant, &roster.patient_events).await?;
    replace(tx, &roster.tenant, &roster.conditions).await?;
    replace(tx, &roster.tenant, &roster.goals).await
}

async fn replace<T: Clone>(tx: &mut Tx, tenant: &TenantId, rows: &[T]) -> Result<()>
where
    Of<T>: Record,
{
    let def = Of::<T>::table();
    tx.execute(format!("DELETE FROM {} WHERE tenant_id = $1", def.name), &[tenant.into()]).await?;
    let rows: Vec<Of<T>> = rows.iter().map(|row| Of { tenant: tenant.clone(), row: row.clone() }).collect();
    tx.insert(def, &to_batch(&rows)?, Conflict::Fail).await.map(drop)
}
