//! Brings a database to this program's schema, one numbered step after the other, all in one transaction.
//!
//! Never: a change to a step that a release has applied; a step that a database of a newer program would lose data by.

use arrow::array::RecordBatch;

use super::sql::{Conflict, Dialect, Tx};
use crate::codec::{Field, Kind};
use crate::records::{MeasureRow, measure_rows};
use crate::schema::{Record, TableDef, to_batch};
use crate::{Result, StoreError};

const STEPS: [&str; 5] = [
    include_str!("../../migrations/0001_tables.sql"),
    include_str!("../../migrations/0002_lake_catalog.sql"),
    include_str!("../../migrations/0003_gateway_answers.sql"),
    include_str!("../../migrations/0004_clocks.sql"),
    include_str!("../../migrations/0005_roster.sql"),
];

/// The schema this program works with.
pub(super) const SCHEMA_VERSION: i64 = STEPS.len() as i64;

/// Serialises programs that start at once against one PostgreSQL database. An arbitrary number that is ours alone.
const MIGRATION_LOCK: i64 = 0x7061_696e_7761_7463;

fn words(dialect: Dialect) -> [(&'static str, &'static str); 11] {
    match dialect {
        Dialect::Sqlite => [
            ("{text}", "TEXT"),
            ("{time}", "INTEGER"),
            ("{int}", "INTEGER"),
            ("{real}", "REAL"),
            ("{bool}", "INTEGER"),
            ("{bytes}", "BLOB"),
            ("{lake_time}", "VARCHAR"),
            ("{lake_uuid}", "VARCHAR"),
            ("{lake_bool}", "BIGINT"),
            ("{sqlite}", ""),
            ("{postgres}", "--"),
        ],
        // Byte order, so that both databases and the memory store sort alike.
        Dialect::Postgres => [
            ("{text}", "TEXT COLLATE \"C\""),
            ("{time}", "TIMESTAMPTZ"),
            ("{int}", "BIGINT"),
            ("{real}", "DOUBLE PRECISION"),
            ("{bool}", "BOOLEAN"),
            ("{bytes}", "BYTEA"),
            ("{lake_time}", "TIMESTAMPTZ"),
            ("{lake_uuid}", "UUID"),
            ("{lake_bool}", "BOOLEAN"),
            ("{sqlite}", "--"),
            ("{postgres}", ""),
        ],
    }
}

fn spelled(step: &str, dialect: Dialect) -> String {
    words(dialect).iter().fold(step.to_owned(), |sql, (word, spelling)| sql.replace(word, spelling))
}

pub(super) async fn migrate(tx: &mut Tx) -> Result<()> {
    if tx.dialect() == Dialect::Postgres {
        tx.execute("SELECT pg_advisory_xact_lock($1)", &[MIGRATION_LOCK.into()]).await?;
    }
    tx.script("CREATE TABLE IF NOT EXISTS meta (key VARCHAR(64) PRIMARY KEY, value BIGINT NOT NULL)").await?;
    tx.script("INSERT INTO meta VALUES ('schema_version', 0), ('epoch', 0) ON CONFLICT DO NOTHING").await?;
    let found = meta(tx, "schema_version").await?;
    if !(0..=SCHEMA_VERSION).contains(&found) {
        let text = format!("the database has schema version {found}, this program knows up to {SCHEMA_VERSION}");
        return Err(StoreError::Failed(text));
    }
    for step in &STEPS[found as usize..] {
        let sql = spelled(step, tx.dialect());
        tx.script(&sql).await?;
    }
    set_meta(tx, "schema_version", SCHEMA_VERSION).await?;
    tx.execute("DELETE FROM measures", &[]).await?;
    tx.insert(MeasureRow::table(), &to_batch(&measure_rows())?, Conflict::Fail).await?;
    Ok(())
}

pub(super) async fn meta(tx: &mut Tx, key: &'static str) -> Result<i64> {
    let answer = integers(tx, "SELECT value FROM meta WHERE key = $1", &[key.into()], 1).await?;
    answer.first().and_then(|row| row[0]).ok_or_else(|| StoreError::Failed(format!("meta has no {key}")))
}

pub(super) async fn set_meta(tx: &mut Tx, key: &'static str, value: i64) -> Result<()> {
    tx.execute("UPDATE meta SET value = $1 WHERE key = $2", &[value.into(), key.into()]).await.map(drop)
}

/// The answer to a query all of whose columns are integers.
pub(crate) async fn integers(
    tx: &mut Tx,
    sql: impl Into<String>,
    args: &[super::sql::Arg],
    columns: usize,
) -> Result<Vec<Vec<Option<i64>>>> {
    let shape = TableDef::shape(&vec![("integer", Kind::Int); columns]);
    let batch: RecordBatch = tx.fetch(&shape, sql, args).await?;
    let row = |row| batch.columns().iter().map(|column| Option::<i64>::get(column, row)).collect();
    (0..batch.num_rows()).map(row).collect()
}
