//! The catalog's rows. A flush is one snapshot: the snapshot, what it changed, its data files with their statistics, and
//! the table's statistics.

use std::path::PathBuf;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::{max, max_string, min, min_string};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use painwatch_domain::JournalTime;

use super::layout::{Written, column_id};
use super::{Footers, LakeDir};
use crate::codec::{Field, Kind, micros};
use crate::records::LakeSuperseded;
use crate::rows::ReadingRow;
use crate::schema::{Record, TableDef, from_batch};
use crate::tables::{Arg, Dialect, Tx, column_list, integers};
use crate::{Result, StoreError};

/// The one table of the lake.
const READINGS: i64 = 1;
const SCHEMA_VERSION: i64 = 1;
const NEXT_CATALOG_ID: i64 = 2;

/// A file of the newest snapshot.
#[derive(Clone, Debug)]
pub(crate) struct LakeFile {
    pub id: i64,
    pub path: PathBuf,
    pub(super) footers: Footers,
}

/// A file that a flush wrote.
pub(super) struct NewFile {
    pub name: String,
    pub rows: i64,
    pub written: Written,
    pub stats: Vec<ColumnStats>,
}

pub(super) struct ColumnStats {
    column: i64,
    values: i64,
    nulls: i64,
    bounds: Option<(String, String)>,
    is_real: bool,
}

/// Where the next snapshot begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub snapshot: i64,
    pub file: i64,
    pub row: i64,
}

impl LakeDir {
    /// Readers find the files under `data_path`; it follows the directory wherever that was moved.
    pub async fn found(&self, tx: &mut Tx) -> Result<()> {
        let path = format!("{}/", self.root.display());
        tx.execute("UPDATE ducklake_metadata SET value = $1 WHERE key = 'data_path'", &[path.into()]).await.map(drop)
    }

    /// Names of all files that any snapshot lists.
    pub async fn listed_names(&self, tx: &mut Tx) -> Result<Vec<String>> {
        let shape = TableDef::shape(&[("path", Kind::Text)]);
        let batch = tx.fetch(&shape, "SELECT path FROM ducklake_data_file", &[]).await?;
        (0..batch.num_rows()).map(|row| Field::get(batch.column(0), row)).collect()
    }

    pub async fn current_files(&self, tx: &mut Tx) -> Result<Vec<LakeFile>> {
        let shape = TableDef::shape(&[("id", Kind::Int), ("path", Kind::Text)]);
        let sql = "SELECT data_file_id, path FROM ducklake_data_file WHERE end_snapshot IS NULL ORDER BY data_file_id";
        let batch = tx.fetch(&shape, sql, &[]).await?;
        let file = |row| {
            let name: String = Field::get(batch.column(1), row)?;
            let id = Field::get(batch.column(0), row)?;
            Ok(LakeFile { id, path: self.table().join(name), footers: self.footers.clone() })
        };
        (0..batch.num_rows()).map(file).collect()
    }
}

/// Rows of current files that newer versions have replaced.
pub(crate) async fn superseded(tx: &mut Tx) -> Result<Vec<LakeSuperseded>> {
    let def = LakeSuperseded::table();
    let sql = format!("SELECT {} FROM {} ORDER BY data_file, reading_id, measure", column_list(def), def.name);
    from_batch(&tx.fetch(def, sql, &[]).await?)
}

pub(super) async fn next(tx: &mut Tx) -> Result<Next> {
    let sql = "SELECT s.snapshot_id + 1, s.next_file_id, t.next_row_id FROM ducklake_snapshot s, ducklake_table_stats t
               WHERE s.snapshot_id = (SELECT MAX(snapshot_id) FROM ducklake_snapshot) AND t.table_id = $1";
    let answer = integers(tx, sql, &[READINGS.into()], 3).await?;
    match answer.first().map(Vec::as_slice) {
        Some(&[Some(snapshot), Some(file), Some(row)]) => Ok(Next { snapshot, file, row }),
        _ => Err(StoreError::Failed("the lake's catalog has no snapshot".into())),
    }
}

/// Lists `new` and ends `old` in one snapshot at `at`, which is the journal's time.
pub(super) async fn record(tx: &mut Tx, next: Next, at: JournalTime, new: &[NewFile], old: &[i64]) -> Result<()> {
    let snapshot = "INSERT INTO ducklake_snapshot VALUES ($1, $2, $3, $4, $5)";
    let files = next.file + new.len() as i64;
    let args = [next.snapshot.into(), stamp(tx, at), SCHEMA_VERSION.into(), NEXT_CATALOG_ID.into(), files.into()];
    tx.execute(snapshot, &args).await?;
    for file in old {
        let end = "UPDATE ducklake_data_file SET end_snapshot = $1 WHERE data_file_id = $2";
        tx.execute(end, &[next.snapshot.into(), (*file).into()]).await?;
    }
    let mut row = next.row;
    for (file, id) in new.iter().zip(next.file..) {
        list(tx, next.snapshot, id, row, file).await?;
        row += file.rows;
    }
    let mut changes = Vec::new();
    if !new.is_empty() {
        changes.push(format!("inserted_into_table:{READINGS}"));
    }
    if !old.is_empty() {
        changes.push(format!("deleted_from_table:{READINGS}"));
    }
    let change = "INSERT INTO ducklake_snapshot_changes (snapshot_id, changes_made) VALUES ($1, $2)";
    tx.execute(change, &[next.snapshot.into(), changes.join(",").into()]).await?;
    let totals = "UPDATE ducklake_table_stats SET next_row_id = $1,
            record_count = (SELECT COALESCE(SUM(record_count), 0) FROM ducklake_data_file WHERE end_snapshot IS NULL),
            file_size_bytes = (SELECT COALESCE(SUM(file_size_bytes), 0) FROM ducklake_data_file WHERE end_snapshot IS NULL)
        WHERE table_id = $2";
    tx.execute(totals, &[row.into(), READINGS.into()]).await.map(drop)
}

async fn list(tx: &mut Tx, snapshot: i64, id: i64, first_row: i64, file: &NewFile) -> Result<()> {
    let sql = "INSERT INTO ducklake_data_file (data_file_id, table_id, begin_snapshot, path, path_is_relative,
                   file_format, record_count, file_size_bytes, footer_size, row_id_start)
               VALUES ($1, $2, $3, $4, TRUE, 'parquet', $5, $6, $7, $8)";
    let bytes = [file.written.bytes as i64, file.written.footer_bytes as i64].map(Arg::Int);
    let [size, footer] = bytes;
    let name = Arg::Text(file.name.clone());
    let args = [id.into(), READINGS.into(), snapshot.into(), name, file.rows.into(), size, footer, first_row.into()];
    tx.execute(sql, &args).await?;
    for stats in &file.stats {
        let sql = "INSERT INTO ducklake_file_column_stats (data_file_id, table_id, column_id, value_count, null_count)
                   VALUES ($1, $2, $3, $4, $5)";
        let key = [Arg::Int(id), READINGS.into(), stats.column.into()];
        let [file, table, column] = key.clone();
        tx.execute(sql, &[file, table, column, stats.values.into(), stats.nulls.into()]).await?;
        let [file, table, column] = key;
        if let Some((low, high)) = &stats.bounds {
            let sql = "UPDATE ducklake_file_column_stats SET min_value = $4, max_value = $5
                       WHERE data_file_id = $1 AND table_id = $2 AND column_id = $3";
            tx.execute(sql, &[file, table, column, low.as_str().into(), high.as_str().into()]).await?;
        }
        if stats.is_real {
            let sql = "UPDATE ducklake_file_column_stats SET contains_nan = FALSE
                       WHERE data_file_id = $1 AND column_id = $2";
            tx.execute(sql, &[id.into(), stats.column.into()]).await?;
        }
    }
    Ok(())
}

/// A time as the catalog keeps it: native in PostgreSQL, text in SQLite.
fn stamp(tx: &Tx, at: JournalTime) -> Arg {
    match tx.dialect() {
        Dialect::Postgres => at.into(),
        Dialect::Sqlite => Arg::Text(catalog_time(micros(at.0))),
    }
}

/// `2026-03-01 12:00:05.25+00`: how the catalog's format writes a timestamp as text.
fn catalog_time(micros: i64) -> String {
    let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let whole = painwatch_domain::time::format_utc(seconds.saturating_mul(1_000));
    let whole = whole.trim_end_matches('Z').replace('T', " ");
    if rest == 0 {
        return format!("{whole}+00");
    }
    format!("{whole}.{}+00", format!("{rest:06}").trim_end_matches('0'))
}

/// Smallest and greatest value of each column, by which readers skip files.
pub(super) fn column_stats(batch: &RecordBatch) -> Vec<ColumnStats> {
    let stats = |(position, (column, array)): (usize, (&crate::Column, &ArrayRef))| ColumnStats {
        column: column_id(position),
        values: (array.len() - array.null_count()) as i64,
        nulls: array.null_count() as i64,
        bounds: bounds(column.kind, array),
        is_real: column.kind == Kind::Real,
    };
    ReadingRow::table().columns.iter().zip(batch.columns()).enumerate().map(stats).collect()
}

/// Longer texts than identifiers and codes have are not worth a place in the catalog.
const BOUND_BYTES_MAX: usize = 64;

fn bounds(kind: Kind, array: &ArrayRef) -> Option<(String, String)> {
    match kind {
        Kind::Text => {
            let texts = array.as_string::<i32>();
            let (low, high) = (min_string(texts)?, max_string(texts)?);
            (low.len().max(high.len()) <= BOUND_BYTES_MAX).then(|| (low.into(), high.into()))
        }
        Kind::Time => {
            let times = array.as_primitive::<TimestampMicrosecondType>();
            Some((catalog_time(min(times)?), catalog_time(max(times)?)))
        }
        Kind::Int => {
            let numbers = array.as_primitive::<Int64Type>();
            Some((min(numbers)?.to_string(), max(numbers)?.to_string()))
        }
        Kind::Real => {
            let numbers = array.as_primitive::<Float64Type>();
            Some((min(numbers)?.to_string(), max(numbers)?.to_string()))
        }
        Kind::Bool | Kind::Bytes => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_catalogs_format_writes_them() {
        assert_eq!(catalog_time(1_772_366_405_250_000), "2026-03-01 12:00:05.25+00");
        assert_eq!(catalog_time(0), "1970-01-01 00:00:00+00");
        assert_eq!(catalog_time(-1), "1969-12-31 23:59:59.999999+00");
    }
}
