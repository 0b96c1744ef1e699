//! SQLite: one writer, a few readers, WAL with a sync at every commit. Rows go in by multi-row inserts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use futures::TryStreamExt;
use rustix::process::{Pid, getpriority_process, setpriority_process};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Arguments, AssertSqlSafe, Connection as _, Row, SqliteConnection};

use super::sql::{Arg, Conflict, column_list, mapped};
use crate::codec::{Builder, Kind};
use crate::schema::{TableDef, defect};
use crate::{Result, StoreError};

const READERS: u32 = 4;
/// Which thread writes, to the machine: at most 15 bytes.
const WRITER_NAME: &str = "tables-writer";
/// Where the processor is short, acknowledgements and findings go before tables (decision 0047).
const WRITER_NICENESS: i32 = 10;
/// Rows of one statement: a few fixed sizes, so that the prepared ones are found again.
const CHUNKS: [usize; 4] = [256, 32, 4, 1];

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10))
        .pragma("cache_size", "-65536")
        .pragma("temp_store", "memory")
        .pragma("wal_autocheckpoint", "16000")
}

/// The pool of the one writer, then the pool of the readers.
pub(super) async fn connect(path: &Path) -> Result<(SqlitePool, SqlitePool)> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|error| StoreError::Failed(format!("data directory: {error}")))?;
    }
    // On a full disk SQLite itself ends a transaction, and the rollback that follows fails: to such a connection it looks
    // begun for ever.
    let pool = |connections| {
        let options = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(30));
        options.before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
    };
    let writer = options(path).thread_name(|_| WRITER_NAME.to_owned());
    let writers = pool(1).after_connect(|_, _| {
        stand_back();
        Box::pin(async { Ok(()) })
    });
    let write = writers.connect_with(writer).await.map_err(mapped)?;
    let read =
        pool(READERS).connect_with(options(path).create_if_missing(false).read_only(true)).await.map_err(mapped)?;
    Ok((write, read))
}

/// Lowers the priority of the threads that write. Linux has one for each thread; elsewhere, and where it may not be, they
/// keep theirs.
fn stand_back() {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let named = |task: &std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim_end() == WRITER_NAME)
    };
    for task in tasks.filter(named) {
        let id = task.file_name().to_str().and_then(|id| Pid::from_raw(id.parse().ok()?));
        if getpriority_process(id).is_ok_and(|niceness| niceness < WRITER_NICENESS) {
            let _ = setpriority_process(id, WRITER_NICENESS);
        }
    }
}

fn arguments(args: &[Arg]) -> Result<SqliteArguments> {
    let mut out = SqliteArguments::default();
    for arg in args {
        match arg {
            Arg::Text(value) => out.add(value.as_str()),
            Arg::Time(value) | Arg::Int(value) => out.add(*value),
            Arg::Bytes(value) => out.add(value.as_slice()),
        }
        .map_err(defect)?;
    }
    Ok(out)
}

pub(super) async fn execute(db: &mut SqliteConnection, sql: String, args: &[Arg]) -> Result<u64> {
    let done = sqlx::query_with(AssertSqlSafe(sql), arguments(args)?).execute(db).await.map_err(mapped)?;
    Ok(done.rows_affected())
}

pub(super) async fn fetch(db: &mut SqliteConnection, def: &TableDef, sql: String, args: &[Arg]) -> Result<RecordBatch> {
    let mut out = def.builders(0);
    fetch_into(db, &mut out, sql, arguments(args)?).await?;
    def.finish(out)
}

async fn fetch_into(db: &mut SqliteConnection, out: &mut [Builder], sql: String, args: SqliteArguments) -> Result<()> {
    let mut rows = sqlx::query_with(AssertSqlSafe(sql), args).fetch(db);
    while let Some(row) = rows.try_next().await.map_err(mapped)? {
        for (index, column) in out.iter_mut().enumerate() {
            append(&row, index, column).map_err(mapped)?;
        }
    }
    Ok(())
}

fn append(row: &SqliteRow, index: usize, out: &mut Builder) -> sqlx::Result<()> {
    match out {
        Builder::Text(column) => column.append_option(row.try_get_unchecked::<Option<&str>, _>(index)?),
        Builder::Time(column) => column.append_option(row.try_get_unchecked::<Option<i64>, _>(index)?),
        Builder::Int(column) => column.append_option(row.try_get_unchecked::<Option<i64>, _>(index)?),
        Builder::Real(column) => column.append_option(row.try_get_unchecked::<Option<f64>, _>(index)?),
        Builder::Bool(column) => column.append_option(row.try_get_unchecked::<Option<bool>, _>(index)?),
        Builder::Bytes(column) => column.append_option(row.try_get_unchecked::<Option<&[u8]>, _>(index)?),
    }
    Ok(())
}

pub(super) async fn insert(
    db: &mut SqliteConnection,
    def: &TableDef,
    batch: &RecordBatch,
    mode: Conflict,
) -> Result<u64> {
    // What fails rolls the whole transaction back, so a statement needs no way back of its own: with one, SQLite would copy
    // each page that a statement is the first to touch.
    let head = format!("INSERT OR FAIL INTO {} ({}) VALUES ", def.name, column_list(def));
    let tail = mode.clause(def);
    let mut cells = Cells::of(batch);
    let mut inserted = 0;
    for (from, rows) in chunks(batch.num_rows()) {
        let sql = format!("{head}{}{tail}", placeholders(rows, batch.num_columns()));
        let args = cells.arguments(from, rows)?;
        let done = sqlx::query_with(AssertSqlSafe(sql), args).execute(&mut *db).await.map_err(mapped)?;
        inserted += done.rows_affected();
    }
    Ok(inserted)
}

pub(super) async fn fetch_keyed(db: &mut SqliteConnection, def: &TableDef, keys: &RecordBatch) -> Result<RecordBatch> {
    let mut out = def.builders(0);
    let mut cells = Cells::of(keys);
    for (from, rows) in chunks(keys.num_rows()) {
        let sql = format!("SELECT {} FROM {}{}", column_list(def), def.name, keyed(def.name, keys, rows));
        fetch_into(db, &mut out, sql, cells.arguments(from, rows)?).await?;
    }
    def.finish(out)
}

pub(super) async fn delete_keyed(db: &mut SqliteConnection, table: &str, keys: &RecordBatch) -> Result<u64> {
    let mut cells = Cells::of(keys);
    let mut deleted = 0;
    for (from, rows) in chunks(keys.num_rows()) {
        let sql = format!("DELETE FROM {table}{}", keyed(table, keys, rows));
        let args = cells.arguments(from, rows)?;
        let done = sqlx::query_with(AssertSqlSafe(sql), args).execute(&mut *db).await.map_err(mapped)?;
        deleted += done.rows_affected();
    }
    Ok(deleted)
}

/// Deletes the rows that match the first columns of a range and whose `time` lies in the half-open last two.
pub(super) async fn delete_ranges(
    db: &mut SqliteConnection,
    table: &str,
    time: &str,
    ranges: &RecordBatch,
) -> Result<u64> {
    let schema = ranges.schema();
    let equal: String =
        schema.fields().iter().take(ranges.num_columns() - 2).map(|f| format!("{} = ? AND ", f.name())).collect();
    let sql = format!("DELETE FROM {table} WHERE {equal}{time} >= ? AND {time} < ?");
    let mut cells = Cells::of(ranges);
    let mut deleted = 0;
    for row in 0..ranges.num_rows() {
        let query = sqlx::query_with(AssertSqlSafe(sql.as_str()), cells.arguments(row, 1)?);
        deleted += query.execute(&mut *db).await.map_err(mapped)?.rows_affected();
    }
    Ok(deleted)
}

/// The rows of `table` that equal one of `rows` keys. The keys come first, so that each is one search in an index.
fn keyed(table: &str, keys: &RecordBatch, rows: usize) -> String {
    let schema = keys.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut equal: Vec<String> = names.iter().map(|name| format!("t.{name} = k.{name}")).collect();
    if table == "readings" {
        equal.push("substr(t.reading_id, 1, 8) = substr(k.reading_id, 1, 8)".into());
    }
    let (list, values) = (names.join(", "), placeholders(rows, names.len()));
    let equal = equal.join(" AND ");
    format!(
        " WHERE rowid IN (WITH k ({list}) AS (VALUES {values}) SELECT t.rowid FROM k CROSS JOIN {table} t WHERE {equal})"
    )
}

fn placeholders(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    vec![row.as_str(); rows].join(",")
}

/// Where each statement's rows begin and how many they are.
fn chunks(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let size = CHUNKS.into_iter().find(|size| *size <= rows - from)?;
        from += size;
        Some((from - size, size))
    })
}

/// Binds the cells of a batch. Neighbouring rows repeat most texts, so each column shares its last one.
struct Cells<'a> {
    columns: Vec<(Kind, &'a dyn Array, Option<Arc<str>>)>,
}

impl<'a> Cells<'a> {
    fn of(batch: &'a RecordBatch) -> Self {
        let kind = |column: &dyn Array| match column.data_type() {
            arrow::datatypes::DataType::Utf8 => Kind::Text,
            arrow::datatypes::DataType::Timestamp(..) => Kind::Time,
            arrow::datatypes::DataType::Float64 => Kind::Real,
            arrow::datatypes::DataType::Boolean => Kind::Bool,
            arrow::datatypes::DataType::Binary => Kind::Bytes,
            _ => Kind::Int,
        };
        Self { columns: batch.columns().iter().map(|column| (kind(column), column.as_ref(), None)).collect() }
    }

    fn arguments(&mut self, from: usize, rows: usize) -> Result<SqliteArguments> {
        let mut out = SqliteArguments::default();
        out.reserve(rows * self.columns.len(), 0);
        for row in from..from + rows {
            for (kind, column, last) in &mut self.columns {
                add(&mut out, *kind, *column, row, last).map_err(|error| StoreError::Failed(error.to_string()))?;
            }
        }
        Ok(out)
    }
}

fn add(
    out: &mut SqliteArguments,
    kind: Kind,
    column: &dyn Array,
    row: usize,
    last: &mut Option<Arc<str>>,
) -> std::result::Result<(), sqlx::error::BoxDynError> {
    if column.is_null(row) {
        return out.add(None::<i64>);
    }
    match kind {
        Kind::Text => {
            let text = column.as_string::<i32>().value(row);
            let shared = match last {
                Some(shared) if shared.as_ref() == text => shared.clone(),
                _ => last.insert(text.into()).clone(),
            };
            out.add(shared)
        }
        Kind::Time => out.add(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        Kind::Int => out.add(column.as_primitive::<Int64Type>().value(row)),
        Kind::Real => out.add(column.as_primitive::<Float64Type>().value(row)),
        Kind::Bool => out.add(column.as_boolean().value(row)),
        Kind::Bytes => out.add(column.as_binary::<i32>().value(row)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::LakeSuperseded;
    use crate::rows::ReadingRow;
    use crate::schema::Record;
    use crate::tables::SqlStore;

    async fn plan(store: &SqlStore, sql: String) -> String {
        let shape =
            TableDef::shape(&[("id", Kind::Int), ("parent", Kind::Int), ("x", Kind::Int), ("detail", Kind::Text)]);
        let mut tx = store.engine.read().await.unwrap();
        let rows = tx.fetch(&shape, format!("EXPLAIN QUERY PLAN {sql}"), &[]).await.unwrap();
        rows.column(3).as_string::<i32>().iter().map(|line| line.unwrap_or_default().to_owned() + "; ").collect()
    }

    fn keys(names: &[&'static str]) -> RecordBatch {
        let columns: Vec<_> = names.iter().map(|name| (*name, Kind::Text)).collect();
        let shape = TableDef::shape(&columns);
        shape.finish(shape.builders(0)).unwrap()
    }

    #[tokio::test]
    async fn the_thread_that_writes_stands_back_and_those_that_read_do_not() {
        let directory = tempfile::tempdir().unwrap();
        let _pools = connect(&directory.path().join("painwatch.db")).await.unwrap();
        let task = |entry: std::fs::DirEntry| {
            let (name, path) = (std::fs::read_to_string(entry.path().join("comm")).ok()?, entry.file_name());
            let niceness = getpriority_process(Pid::from_raw(path.to_str()?.parse().ok()?)).ok()?;
            Some((name.trim_end().to_owned(), niceness))
        };
        let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return };
        let tasks: Vec<(String, i32)> = tasks.flatten().filter_map(task).collect();
        let own = getpriority_process(None).unwrap();
        let mut seen = 0;
        for (name, niceness) in tasks {
            let expected = if name == WRITER_NAME { own.max(WRITER_NICENESS) } else { own };
            seen += usize::from(name == WRITER_NAME);
            assert_eq!(niceness, expected, "{name}");
        }
        assert!(seen > 0);
    }

    #[tokio::test]
    async fn a_row_is_found_by_its_key_and_a_series_by_its_patient_through_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("painwatch.db").display());
        let store = SqlStore::open(&url, directory.path()).await.unwrap();
        let readings = keyed(ReadingRow::table().name, &keys(&["tenant_id", "reading_id", "measure"]), 2);
        let found = plan(&store, format!("DELETE FROM readings{readings}")).await;
        assert!(found.contains("SEARCH t USING INDEX readings_identity"), "{found}");
        let def = LakeSuperseded::table();
        let found = plan(&store, format!("DELETE FROM {}{}", def.name, keyed(def.name, &keys(def.key), 2))).await;
        assert!(found.contains("SEARCH t USING COVERING INDEX"), "{found}");
        let series =
            "SELECT * FROM readings WHERE tenant_id = ? AND patient_id = ? AND measure = ? AND time >= ? AND time < ?
                      ORDER BY time, reading_id";
        let found = plan(&store, series.into()).await;
        assert!(found.contains("readings_series (patient_id=? AND measure=? AND time>? AND time<?)"), "{found}");
        assert!(!found.contains("TEMP B-TREE"), "{found}");
    }
}
