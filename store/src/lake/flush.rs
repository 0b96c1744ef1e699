//! Moving rows into files. Files are written while others commit; then one short transaction lists the files and deletes
//! the rows, provided that they are still the same rows.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::{DatePart, SortColumn, date_part, lexsort_to_indices, partition, take_record_batch};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use fail::fail_point;
use painwatch_domain::JournalTime;

use super::catalog::{self, LakeFile, NewFile, Next};
use super::scan::{self, Hidden};
use super::{blocking, layout, superseded};
use crate::records::LakeSuperseded;
use crate::rows::ReadingRow;
use crate::schema::{Record, defect};
use crate::tables::{Arg, SqlStore, Tx, applied, column_list, fence, integers};
use crate::{Consumer, LakeReport, Result, StoreError};

/// Rows moved at once: bounds the size of a file and the memory, which is some hundred MiB.
const SLICE_ROWS: i64 = 250_000;
/// Without `all`, fewer hot rows than this stay where they are.
const HOT_ROWS_MIN: i64 = 200_000;
/// … and more than this go whatever their age.
const HOT_ROWS_MAX: i64 = 1_000_000;
/// Rows received within this time before the newest stay hot: most corrections come soon.
const KEEP_MS: i64 = 24 * 60 * 60 * 1_000;
/// Commits that replaced the very rows being moved make it start again; so often in a row means something else.
const ATTEMPTS: usize = 8;

/// What one step moves.
struct Step {
    /// Rows known before this offset.
    before: i64,
    rows: RecordBatch,
    rewrite: Vec<LakeFile>,
    hidden: Vec<LakeSuperseded>,
    next: Next,
    at: JournalTime,
}

enum Outcome {
    Done(LakeReport),
    /// The rows changed while the files were written.
    Overtaken,
}

pub(crate) async fn flush(store: &SqlStore, all: bool) -> Result<LakeReport> {
    let _one_at_a_time = store.flushing.lock().await;
    let mut total = LakeReport::default();
    let mut overtaken = 0;
    // Fixed at the start: what is committed meanwhile waits for the next flush, or this one might never end.
    let Some(end) = end(store, all).await? else { return Ok(total) };
    while let Some(step) = Box::pin(plan(store, end)).await? {
        match Box::pin(take(store, step)).await? {
            Outcome::Done(report) => {
                total.files += report.files;
                total.rows += report.rows;
                total.bytes += report.bytes;
                overtaken = 0;
            }
            Outcome::Overtaken if overtaken < ATTEMPTS => overtaken += 1,
            Outcome::Overtaken => return Err(StoreError::Unavailable("the rows to move keep changing".into())),
        }
    }
    Ok(total)
}

async fn end(store: &SqlStore, all: bool) -> Result<Option<i64>> {
    let mut tx = store.engine.read().await?;
    if !all {
        return due(&mut tx).await;
    }
    let end = integers(&mut tx, "SELECT MAX(known_from) + 1 FROM readings", &[], 1).await?;
    Ok(Some(end.first().and_then(|row| row[0]).unwrap_or(0)))
}

async fn plan(store: &SqlStore, end: i64) -> Result<Option<Step>> {
    let mut tx = store.engine.read().await?;
    let before = sliced(&mut tx, end).await?;
    let hidden = superseded(&mut tx).await?;
    let def = ReadingRow::table();
    let sql = format!("SELECT {} FROM readings WHERE known_from < $1", column_list(def));
    let rows = tx.fetch(def, sql, &[before.into()]).await?;
    if rows.num_rows() == 0 && hidden.is_empty() {
        return Ok(None);
    }
    let mut rewrite = store.lake.current_files(&mut tx).await?;
    rewrite.retain(|file| hidden.iter().any(|row| row.data_file == file.id));
    let next = catalog::next(&mut tx).await?;
    let at = applied(&mut tx, Consumer::Processor).await?.map_or(JournalTime(0), |applied| applied.journal_time);
    Ok(Some(Step { before, rows, rewrite, hidden, next, at }))
}

/// The offset before which rows are due to move, if any are.
async fn due(tx: &mut Tx) -> Result<Option<i64>> {
    let counted = integers(tx, "SELECT COUNT(*), MAX(known_from) + 1 FROM readings", &[], 2).await?;
    let Some([Some(hot), Some(end)]) = counted.first().map(Vec::as_slice) else { return Ok(None) };
    if *hot < HOT_ROWS_MIN {
        return Ok(None);
    }
    if *hot > HOT_ROWS_MAX {
        return Ok(Some(*end));
    }
    let newest = tx.fetch(&shape_of_time(), "SELECT MAX(received_at) FROM readings", &[]).await?;
    let newest = newest.column(0).as_primitive::<TimestampMicrosecondType>().value(0);
    let sql = "SELECT MIN(known_from) FROM readings WHERE received_at >= $1";
    let first_kept = integers(tx, sql, &[Arg::Time(newest.saturating_sub(KEEP_MS * 1_000))], 1).await?;
    let first_kept = first_kept.first().and_then(|row| row[0]).unwrap_or(*end);
    let older = integers(tx, "SELECT COUNT(*) FROM readings WHERE known_from < $1", &[first_kept.into()], 1).await?;
    let older = older.first().and_then(|row| row[0]).unwrap_or(0);
    // A few old rows do not make a file.
    Ok((older >= HOT_ROWS_MIN / 2).then_some(first_kept))
}

fn shape_of_time() -> crate::TableDef {
    crate::TableDef::shape(&[("time", crate::Kind::Time)])
}

/// At most about [`SLICE_ROWS`] rows at once, but never part of what one record caused.
async fn sliced(tx: &mut Tx, before: i64) -> Result<i64> {
    let sql = "SELECT known_from FROM readings WHERE known_from < $1 ORDER BY known_from LIMIT 1 OFFSET $2";
    let cut = integers(tx, sql, &[before.into(), SLICE_ROWS.into()], 1).await?;
    let Some(cut) = cut.first().and_then(|row| row[0]) else { return Ok(before) };
    let first = integers(tx, "SELECT MIN(known_from) FROM readings", &[], 1).await?;
    let first = first.first().and_then(|row| row[0]).unwrap_or(cut);
    Ok(if cut > first { cut } else { cut + 1 })
}

async fn take(store: &SqlStore, step: Step) -> Result<Outcome> {
    let names = Names { epoch: store.epoch(), snapshot: step.next.snapshot, directory: store.lake.table() };
    match Box::pin(prepare(store, step, &names)).await {
        Ok(Some((tx, report))) => {
            // From here on a failure does not tell whether the files are listed: they stay.
            tx.commit().await?;
            fail_point!("lake::after_commit", |_| Err(StoreError::Unavailable("failpoint".into())));
            Ok(Outcome::Done(report))
        }
        Ok(None) => {
            names.remove_all();
            Ok(Outcome::Overtaken)
        }
        Err(error) => {
            names.remove_all();
            Err(error)
        }
    }
}

/// Everything but the commit itself; `None` when the rows changed while the files were written.
async fn prepare(store: &SqlStore, step: Step, names: &Names) -> Result<Option<(Tx, LakeReport)>> {
    let Step { before, rows, rewrite, hidden, next, at } = step;
    let (moved, replaced) = (rows.num_rows() as u64, hidden.len() as u64);
    let old: Vec<i64> = rewrite.iter().map(|file| file.id).collect();
    let new = {
        let names = names.clone();
        blocking(move || write_files(&names, &rows, &rewrite, hidden)).await?
    };
    fail_point!("lake::file_written", |_| Err(StoreError::Unavailable("failpoint".into())));
    let mut tx = store.engine.write().await?;
    fence(&mut tx, names.epoch).await?;
    let deleted = tx.execute("DELETE FROM readings WHERE known_from < $1", &[before.into()]).await?;
    let forgotten = tx.execute(format!("DELETE FROM {}", LakeSuperseded::table().name), &[]).await?;
    if (deleted, forgotten) != (moved, replaced) || catalog::next(&mut tx).await? != next {
        return Ok(None);
    }
    catalog::record(&mut tx, next, at, &new, &old).await?;
    let bytes = new.iter().map(|file| file.written.bytes).sum();
    Ok(Some((tx, LakeReport { files: new.len() as u64, rows: moved, bytes })))
}

/// Names of a step's files. They carry the owner's epoch: an older owner that still writes cannot touch the files of a
/// newer one.
#[derive(Clone)]
struct Names {
    epoch: u64,
    snapshot: i64,
    directory: std::path::PathBuf,
}

impl Names {
    fn of(&self, number: usize) -> String {
        layout::stem(self.epoch, self.snapshot, number)
    }

    /// After a step that surely did not commit. What this misses, the sweep at the next start finds.
    fn remove_all(&self) {
        let prefix = self.of(0);
        let prefix = prefix.trim_end_matches('0');
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

fn write_files(
    names: &Names,
    rows: &RecordBatch,
    rewrite: &[LakeFile],
    hidden: Vec<LakeSuperseded>,
) -> Result<Vec<NewFile>> {
    let mut new = Vec::new();
    let mut put = |part: &RecordBatch| -> Result<()> {
        if part.num_rows() > 0 {
            let (name, written) = layout::write(&names.directory, &names.of(new.len()), part)?;
            let stats = catalog::column_stats(part);
            new.push(NewFile { name, rows: part.num_rows() as i64, written, stats });
        }
        Ok(())
    };
    sorted_parts(rows)?.iter().try_for_each(&mut put)?;
    let hidden = Hidden::of(hidden);
    for file in rewrite {
        put(&scan::remaining(file, &hidden)?)?;
    }
    Ok(new)
}

/// One part for each tenant and UTC month, sorted by (patient, time); those of nobody last.
fn sorted_parts(rows: &RecordBatch) -> Result<Vec<RecordBatch>> {
    if rows.num_rows() == 0 {
        return Ok(Vec::new());
    }
    let def = ReadingRow::table();
    let column = |name| def.position(name).map(|place| rows.column(place).clone());
    let time = column("time")?;
    let part = parts(&column("tenant_id")?, &time)?;
    let order = [part, ranks(&column("patient_id")?), time, column("reading_id")?, column("measure")?];
    let order: Vec<SortColumn> = order.into_iter().map(|values| SortColumn { values, options: None }).collect();
    let indices = lexsort_to_indices(&order, None).map_err(defect)?;
    let sorted = take_record_batch(rows, &indices).map_err(defect)?;
    let part = arrow::compute::take(&order[0].values, &indices, None).map_err(defect)?;
    let ranges = partition(&[part]).map_err(defect)?.ranges();
    Ok(ranges.into_iter().map(|range| sorted.slice(range.start, range.len())).collect())
}

/// A number for each row's tenant and UTC month: numbers sort faster than the texts and dates they stand for.
fn parts(tenants: &ArrayRef, times: &ArrayRef) -> Result<ArrayRef> {
    // Without a zone: the parts of a date are those of UTC.
    let naive = times.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<&str>);
    let year = date_part(&naive, DatePart::Year).map_err(defect)?;
    let month = date_part(&naive, DatePart::Month).map_err(defect)?;
    let (year, month, tenants) = (year.as_primitive::<Int32Type>(), month.as_primitive::<Int32Type>(), ranks(tenants));
    let tenants = tenants.as_primitive::<Int64Type>();
    let month_of = |row| i64::from(year.value(row)) * 12 + i64::from(month.value(row));
    let number = |row| (tenants.value(row) << 32) + month_of(row);
    Ok(Arc::new((0..naive.len()).map(number).collect::<Int64Array>()))
}

/// The place of each text among all of them in order; no text comes last.
fn ranks(texts: &ArrayRef) -> ArrayRef {
    let texts = texts.as_string::<i32>();
    let distinct: BTreeSet<&str> = texts.iter().flatten().collect();
    let ranks: HashMap<&str, i64> = distinct.into_iter().zip(0..).collect();
    let rank = |text: Option<&str>| text.and_then(|text| ranks.get(text).copied()).unwrap_or(i64::from(i32::MAX));
    Arc::new(texts.iter().map(rank).collect::<Int64Array>())
}
