//! PostgreSQL: rows go in as one array per column. Times are `timestamptz`; those beyond its range are its infinities.

use std::str::FromStr;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use futures::TryStreamExt;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{
    PgArgumentBuffer, PgArguments, PgConnectOptions, PgHasArrayType, PgPool, PgPoolOptions, PgRow, PgTypeInfo,
    PgValueRef,
};
use sqlx::{Arguments, AssertSqlSafe, Decode, Encode, PgConnection, Postgres, Row, Type};

use super::sql::{Arg, Conflict, column_list, mapped};
use crate::Result;
use crate::codec::Builder;
use crate::schema::{TableDef, defect};

const CONNECTIONS: u32 = 8;
/// Rows of one statement.
const CHUNK: usize = 2_000;

pub(super) async fn connect(url: &str) -> Result<PgPool> {
    let options = PgConnectOptions::from_str(url).map_err(mapped)?.options([("TimeZone", "UTC")]);
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(Duration::from_secs(10));
    pool.connect_with(options).await.map_err(mapped)
}

/// UTC microseconds since 1970 as a `timestamptz`.
#[derive(Clone, Copy)]
struct Stamp(i64);

const MICROS_1970_TO_2000: i64 = 946_684_800_000_000;
/// What `timestamptz` can hold, in microseconds since 2000.
const FIRST: i64 = -211_813_488_000_000_000;
const LAST: i64 = 9_223_371_331_199_999_999;

impl Type<Postgres> for Stamp {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1184))
    }
}

impl PgHasArrayType for Stamp {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1185))
    }
}

impl Encode<'_, Postgres> for Stamp {
    fn encode_by_ref(&self, out: &mut PgArgumentBuffer) -> std::result::Result<IsNull, BoxDynError> {
        let since_2000 = match self.0.saturating_sub(MICROS_1970_TO_2000) {
            early if early < FIRST => i64::MIN,
            late if late > LAST => i64::MAX,
            inside => inside,
        };
        Encode::<Postgres>::encode(since_2000, out)
    }
}

impl<'r> Decode<'r, Postgres> for Stamp {
    fn decode(value: PgValueRef<'r>) -> std::result::Result<Self, BoxDynError> {
        let since_2000: i64 = Decode::<Postgres>::decode(value)?;
        Ok(Self(match since_2000 {
            i64::MIN | i64::MAX => since_2000,
            inside => inside + MICROS_1970_TO_2000,
        }))
    }
}

fn arguments(args: &[Arg]) -> Result<PgArguments> {
    let mut out = PgArguments::default();
    for arg in args {
        match arg {
            Arg::Text(value) => out.add(value.as_str()),
            Arg::Time(value) => out.add(Stamp(*value)),
            Arg::Int(value) => out.add(*value),
            Arg::Bytes(value) => out.add(value.as_slice()),
        }
        .map_err(defect)?;
    }
    Ok(out)
}

pub(super) async fn execute(db: &mut PgConnection, sql: String, args: &[Arg]) -> Result<u64> {
    let done = sqlx::query_with(AssertSqlSafe(sql), arguments(args)?).execute(db).await.map_err(mapped)?;
    Ok(done.rows_affected())
}

pub(super) async fn fetch(db: &mut PgConnection, def: &TableDef, sql: String, args: &[Arg]) -> Result<RecordBatch> {
    let mut out = def.builders(0);
    fetch_into(db, &mut out, sql, arguments(args)?).await?;
    def.finish(out)
}

async fn fetch_into(db: &mut PgConnection, out: &mut [Builder], sql: String, args: PgArguments) -> Result<()> {
    let mut rows = sqlx::query_with(AssertSqlSafe(sql), args).fetch(db);
    while let Some(row) = rows.try_next().await.map_err(mapped)? {
        for (index, column) in out.iter_mut().enumerate() {
            append(&row, index, column).map_err(mapped)?;
        }
    }
    Ok(())
}

fn append(row: &PgRow, index: usize, out: &mut Builder) -> sqlx::Result<()> {
    match out {
        Builder::Text(column) => column.append_option(row.try_get_unchecked::<Option<&str>, _>(index)?),
        Builder::Time(column) => {
            column.append_option(row.try_get_unchecked::<Option<Stamp>, _>(index)?.map(|stamp| stamp.0));
        }
        Builder::Int(column) => column.append_option(row.try_get_unchecked::<Option<i64>, _>(index)?),
        Builder::Real(column) => column.append_option(row.try_get_unchecked::<Option<f64>, _>(index)?),
        Builder::Bool(column) => column.append_option(row.try_get_unchecked::<Option<bool>, _>(index)?),
        Builder::Bytes(column) => column.append_option(row.try_get_unchecked::<Option<&[u8]>, _>(index)?),
    }
    Ok(())
}

pub(super) async fn insert(db: &mut PgConnection, def: &TableDef, batch: &RecordBatch, mode: Conflict) -> Result<u64> {
    let arrays = unnest(batch);
    let sql = format!("INSERT INTO {} ({}) SELECT * FROM {arrays}{}", def.name, column_list(def), mode.clause(def));
    each_chunk(db, &sql, batch).await
}

pub(super) async fn delete_keyed(db: &mut PgConnection, table: &str, keys: &RecordBatch) -> Result<u64> {
    each_chunk(db, &format!("DELETE FROM {table}{}", keyed(keys)), keys).await
}

pub(super) async fn fetch_keyed(db: &mut PgConnection, def: &TableDef, keys: &RecordBatch) -> Result<RecordBatch> {
    let sql = format!("SELECT {} FROM {}{}", column_list(def), def.name, keyed(keys));
    let mut out = def.builders(0);
    for from in (0..keys.num_rows()).step_by(CHUNK) {
        let part = keys.slice(from, CHUNK.min(keys.num_rows() - from));
        fetch_into(db, &mut out, sql.clone(), arrays(&part)?).await?;
    }
    def.finish(out)
}

/// Deletes the rows that match the first columns of a range and whose `time` lies in the half-open last two.
pub(super) async fn delete_ranges(db: &mut PgConnection, table: &str, time: &str, ranges: &RecordBatch) -> Result<u64> {
    let schema = ranges.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let equal: String = names[..names.len() - 2].iter().map(|name| format!("t.{name} = r.{name} AND ")).collect();
    let (first, end) = (names[names.len() - 2], names[names.len() - 1]);
    let sql = format!(
        "DELETE FROM {table} t USING {} AS r ({}) WHERE {equal}t.{time} >= r.{first} AND t.{time} < r.{end}",
        unnest(ranges),
        names.join(", ")
    );
    each_chunk(db, &sql, ranges).await
}

async fn each_chunk(db: &mut PgConnection, sql: &str, batch: &RecordBatch) -> Result<u64> {
    let mut affected = 0;
    for from in (0..batch.num_rows()).step_by(CHUNK) {
        let part = batch.slice(from, CHUNK.min(batch.num_rows() - from));
        let query = sqlx::query_with(AssertSqlSafe(sql), arrays(&part)?);
        affected += query.execute(&mut *db).await.map_err(mapped)?.rows_affected();
    }
    Ok(affected)
}

fn keyed(keys: &RecordBatch) -> String {
    let schema = keys.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    format!(" WHERE ({}) IN (SELECT * FROM {})", names.join(", "), unnest(keys))
}

fn unnest(batch: &RecordBatch) -> String {
    let schema = batch.schema();
    let cast = |(index, field): (usize, &std::sync::Arc<arrow::datatypes::Field>)| {
        let name = match field.data_type() {
            DataType::Utf8 => "text",
            DataType::Timestamp(..) => "timestamptz",
            DataType::Float64 => "float8",
            DataType::Boolean => "bool",
            DataType::Binary => "bytea",
            _ => "bigint",
        };
        format!("${}::{name}[]", index + 1)
    };
    let casts: Vec<String> = schema.fields().iter().enumerate().map(cast).collect();
    format!("UNNEST({})", casts.join(", "))
}

/// One array per column.
fn arrays(batch: &RecordBatch) -> Result<PgArguments> {
    let mut out = PgArguments::default();
    for column in batch.columns() {
        let column: &dyn Array = column.as_ref();
        match column.data_type() {
            DataType::Utf8 => out.add(column.as_string::<i32>().iter().collect::<Vec<_>>()),
            DataType::Timestamp(..) => {
                let stamps = column.as_primitive::<TimestampMicrosecondType>().iter();
                out.add(stamps.map(|micros| micros.map(Stamp)).collect::<Vec<_>>())
            }
            DataType::Float64 => out.add(column.as_primitive::<Float64Type>().iter().collect::<Vec<_>>()),
            DataType::Boolean => out.add(column.as_boolean().iter().collect::<Vec<_>>()),
            DataType::Binary => out.add(column.as_binary::<i32>().iter().collect::<Vec<_>>()),
            _ => out.add(column.as_primitive::<Int64Type>().iter().collect::<Vec<_>>()),
        }
        .map_err(defect)?;
    }
    Ok(out)
}
