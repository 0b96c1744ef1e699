//! What both databases can do, said once: transactions, batches in, batches out. Values travel as arguments, never in
//! the text of a statement.

use std::path::Path;

use arrow::array::RecordBatch;
use painwatch_domain::{
    AlertId, AlertState, Condition, DeviceId, EventTime, GatewayId, JournalTime, Offset, PatientId, Priority, RuleId,
    TenantId,
};
use sqlx::{AssertSqlSafe, PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use super::{postgres, sqlite};
use crate::codec::micros;
use crate::schema::{Record, TableDef, from_batch};
use crate::{Result, StoreError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

#[derive(Debug)]
pub(crate) enum Engine {
    Sqlite { write: SqlitePool, read: SqlitePool },
    Postgres(PgPool),
}

impl Engine {
    pub async fn connect(url: &str) -> Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let (write, read) = sqlite::connect(Path::new(path)).await?;
            return Ok(Self::Sqlite { write, read });
        }
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return Ok(Self::Postgres(postgres::connect(url).await?));
        }
        Err(StoreError::Failed("a store URL begins with sqlite: or postgres://".into()))
    }

    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite { .. } => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// A transaction whose statements all see one moment.
    pub async fn read(&self) -> Result<Tx> {
        match self {
            Self::Sqlite { read, .. } => Ok(Tx::Sqlite(read.begin().await.map_err(mapped)?)),
            Self::Postgres(pool) => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                Ok(Tx::Postgres(pool.begin_with(begin).await.map_err(mapped)?))
            }
        }
    }

    pub async fn write(&self) -> Result<Tx> {
        match self {
            Self::Sqlite { write, .. } => Ok(Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await.map_err(mapped)?)),
            Self::Postgres(pool) => Ok(Tx::Postgres(pool.begin().await.map_err(mapped)?)),
        }
    }
}

/// A value of a statement.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Text(String),
    /// UTC microseconds.
    Time(i64),
    Int(i64),
    Bytes(Vec<u8>),
}

macro_rules! args {
    ($($type:ty, |$value:ident| $arg:expr;)+) => {$(
        impl From<$type> for Arg {
            fn from($value: $type) -> Self {
                $arg
            }
        }
    )+};
}

args! {
    &str, |value| Self::Text(value.into());
    String, |value| Self::Text(value);
    &TenantId, |value| Self::Text(value.as_str().into());
    &PatientId, |value| Self::Text(value.as_str().into());
    &RuleId, |value| Self::Text(value.as_str().into());
    &DeviceId, |value| Self::Text(value.as_str().into());
    &GatewayId, |value| Self::Text(value.as_str().into());
    AlertId, |value| Self::Text(value.to_string());
    AlertState, |value| Self::Text(value.as_str().into());
    Condition, |value| Self::Text(value.as_str().into());
    Priority, |value| Self::Text(value.as_str().into());
    EventTime, |value| Self::Time(micros(value.0));
    JournalTime, |value| Self::Time(micros(value.0));
    Offset, |value| Self::Int(value.0 as i64);
    i64, |value| Self::Int(value);
    Vec<u8>, |value| Self::Bytes(value);
}

/// What an insert does with a row whose key is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    Fail,
    Skip,
    Replace,
}

impl Conflict {
    pub fn clause(self, def: &TableDef) -> String {
        let key = def.key.join(", ");
        match self {
            Self::Fail => String::new(),
            Self::Skip => " ON CONFLICT DO NOTHING".into(),
            Self::Replace => {
                let others = def.columns.iter().filter(|column| !def.key.contains(&column.name));
                let sets: Vec<_> = others.map(|column| format!("{0} = excluded.{0}", column.name)).collect();
                if sets.is_empty() {
                    return format!(" ON CONFLICT ({key}) DO NOTHING");
                }
                format!(" ON CONFLICT ({key}) DO UPDATE SET {}", sets.join(", "))
            }
        }
    }
}

pub(crate) fn column_list(def: &TableDef) -> String {
    def.columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

#[derive(Debug)]
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

macro_rules! on_either {
    ($tx:expr, $call:ident ( $($arg:expr),* )) => {
        match $tx {
            Tx::Sqlite(tx) => sqlite::$call(&mut *tx, $($arg),*).await,
            Tx::Postgres(tx) => postgres::$call(&mut *tx, $($arg),*).await,
        }
    };
}

impl Tx {
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await.map_err(mapped),
            Self::Postgres(tx) => tx.commit().await.map_err(mapped),
        }
    }

    /// Statements without arguments or answers, separated by semicolons.
    pub async fn script(&mut self, sql: &str) -> Result<()> {
        match self {
            Self::Sqlite(tx) => sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **tx).await.map(drop).map_err(mapped),
            Self::Postgres(tx) => sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **tx).await.map(drop).map_err(mapped),
        }
    }

    pub async fn execute(&mut self, sql: impl Into<String>, args: &[Arg]) -> Result<u64> {
        on_either!(self, execute(sql.into(), args))
    }

    /// The answer's columns must be those of `def`, in order.
    pub async fn fetch(&mut self, def: &TableDef, sql: impl Into<String>, args: &[Arg]) -> Result<RecordBatch> {
        on_either!(self, fetch(def, sql.into(), args))
    }

    pub async fn select<R: Record>(&mut self, query: Select) -> Result<Vec<R>> {
        from_batch(&self.fetch(R::table(), query.sql, &query.args).await?)
    }

    pub async fn insert(&mut self, def: &TableDef, batch: &RecordBatch, mode: Conflict) -> Result<u64> {
        if batch.num_rows() == 0 {
            return Ok(0);
        }
        on_either!(self, insert(def, batch, mode))
    }

    /// Rows whose columns equal those of a row of `keys`, column by name.
    pub async fn fetch_keyed(&mut self, def: &TableDef, keys: &RecordBatch) -> Result<RecordBatch> {
        on_either!(self, fetch_keyed(def, keys))
    }

    pub async fn delete_keyed(&mut self, table: &str, keys: &RecordBatch) -> Result<u64> {
        if keys.num_rows() == 0 {
            return Ok(0);
        }
        on_either!(self, delete_keyed(table, keys))
    }

    pub async fn delete_ranges(&mut self, table: &str, time: &str, ranges: &RecordBatch) -> Result<u64> {
        on_either!(self, delete_ranges(table, time, ranges))
    }
}

/// A query over one table and one tenant, condition by condition.
pub(crate) struct Select {
    pub sql: String,
    pub args: Vec<Arg>,
}

impl Select {
    pub fn of<R: Record>(tenant: &TenantId) -> Self {
        let def = R::table();
        let sql = format!("SELECT {} FROM {} WHERE tenant_id = $1", column_list(def), def.name);
        Self { sql, args: vec![tenant.into()] }
    }

    /// `condition` ends where its value goes: `"time >= "`.
    pub fn and(mut self, condition: &'static str, value: impl Into<Arg>) -> Self {
        self.args.push(value.into());
        self.sql.push_str(&format!(" AND {condition}${}", self.args.len()));
        self
    }

    pub fn and_some(self, condition: &'static str, value: Option<impl Into<Arg>>) -> Self {
        match value {
            Some(value) => self.and(condition, value),
            None => self,
        }
    }

    pub fn and_any(mut self, column: &'static str, values: impl IntoIterator<Item = impl Into<Arg>>) -> Self {
        let before = self.args.len();
        self.args.extend(values.into_iter().map(Into::into));
        if self.args.len() > before {
            let places: Vec<_> = (before + 1..=self.args.len()).map(|place| format!("${place}")).collect();
            self.sql.push_str(&format!(" AND {column} IN ({})", places.join(", ")));
        }
        self
    }

    pub fn order(mut self, by: &'static str) -> Self {
        self.sql.push_str(" ORDER BY ");
        self.sql.push_str(by);
        self
    }

    /// 0 is no limit.
    pub fn limit(mut self, rows: usize) -> Self {
        if rows > 0 {
            self.args.push(Arg::Int(i64::try_from(rows).unwrap_or(i64::MAX)));
            self.sql.push_str(&format!(" LIMIT ${}", self.args.len()));
        }
        self
    }
}

/// Which errors pass by themselves. No text that could quote a value is taken over.
pub(crate) fn mapped(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default().into_owned();
            let what = match (database.constraint(), code.starts_with("22")) {
                (Some(constraint), _) => format!("constraint {constraint} ({code})"),
                (None, true) => format!("unfit value ({code})"),
                (None, false) => format!("{} ({code})", database.message()),
            };
            if passes(&code) { StoreError::Unavailable(what) } else { StoreError::Failed(what) }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Failed(error.to_string()),
    }
}

/// SQLite: busy, locked, full, a file that cannot be opened (mostly for want of file descriptors), also in their extended forms. PostgreSQL: connection lost, resources, operator
/// intervention, serialisation, lock not available, read-only for now.
fn passes(code: &str) -> bool {
    if let (true, Ok(number)) = (code.len() < 5, code.parse::<u32>()) {
        return matches!(number & 0xff, 5 | 6 | 13 | 14);
    }
    ["08", "53", "57P", "40001", "40P01", "55P03", "25006"].iter().any(|prefix| code.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f11_a_file_that_sqlite_cannot_open_for_now_is_waited_for_like_a_full_disk() {
        let (cannot_open, cannot_open_its_folder, full, corrupt) = ("14", "526", "13", "11");
        assert!(passes(cannot_open) && passes(cannot_open_its_folder) && passes(full) && !passes(corrupt));
    }
}
