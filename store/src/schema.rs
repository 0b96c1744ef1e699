//! What a table is, and how a row type says which one is its own: one list of columns, from which inserts, selects,
//! Arrow batches and Parquet follow. The lists are in `records`.

use std::borrow::Borrow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};
use painwatch_domain::{Offset, TenantId};

use crate::codec::{Builder, Field, Kind};
use crate::{Result, StoreError};

#[derive(Clone, Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub nullable: bool,
}

/// One table: its name, its columns in order, the columns that name one current row (none where there is no such key).
#[derive(Debug)]
pub struct TableDef {
    pub name: &'static str,
    pub columns: Vec<Column>,
    pub key: &'static [&'static str],
    schema: SchemaRef,
}

impl TableDef {
    pub(crate) fn new(name: &'static str, key: &'static [&'static str], columns: Vec<Column>) -> Self {
        let fields: Vec<_> = columns.iter().map(|c| ArrowField::new(c.name, c.kind.data_type(), c.nullable)).collect();
        Self { name, columns, key, schema: Arc::new(Schema::new(fields)) }
    }

    /// Old rows of `current`: from when they were known, until when, and why they are no longer current.
    pub(crate) fn history(name: &'static str, current: &Self) -> Self {
        let mut columns = current.columns.clone();
        columns.push(Column { name: "known_to", kind: Kind::Int, nullable: false });
        columns.push(Column { name: "moved", kind: Kind::Text, nullable: false });
        Self::new(name, &[], columns)
    }

    /// A part of a table or the answer to a query, with columns named and typed like a table's.
    pub(crate) fn shape(columns: &[(&'static str, Kind)]) -> Self {
        let columns = columns.iter().map(|&(name, kind)| Column { name, kind, nullable: true }).collect();
        Self::new("", &[], columns)
    }

    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    pub(crate) fn builders(&self, rows: usize) -> Vec<Builder> {
        self.columns.iter().map(|column| Builder::new(column.kind, rows)).collect()
    }

    pub(crate) fn finish(&self, builders: Vec<Builder>) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = builders.into_iter().map(Builder::finish).collect();
        RecordBatch::try_new(self.schema(), columns).map_err(defect)
    }

    pub(crate) fn position(&self, name: &str) -> Result<usize> {
        let found = self.columns.iter().position(|column| column.name == name);
        found.ok_or_else(|| StoreError::Failed(format!("table {} has no column {name}", self.name)))
    }
}

pub(crate) fn defect(error: impl std::fmt::Display) -> StoreError {
    StoreError::Failed(error.to_string())
}

/// A row type that has a table.
pub(crate) trait Record: Sized {
    fn table() -> &'static TableDef;
    fn put(&self, out: &mut [Builder]);
    fn get(batch: &RecordBatch, row: usize) -> Result<Self>;
}

pub(crate) fn to_batch<'a, R: Record + 'a>(rows: impl IntoIterator<Item = &'a R>) -> Result<RecordBatch> {
    let rows = rows.into_iter();
    let mut out = R::table().builders(rows.size_hint().0);
    rows.for_each(|row| row.put(&mut out));
    R::table().finish(out)
}

pub(crate) fn from_batch<R: Record>(batch: &RecordBatch) -> Result<Vec<R>> {
    (0..batch.num_rows()).map(|row| R::get(batch, row)).collect()
}

/// A version that is no longer, or never was, the current one.
#[derive(Debug)]
pub(crate) struct Past<T> {
    pub row: T,
    pub known_to: Offset,
    /// Why: `superseded`, `outranked` or `conflict`.
    pub moved: &'static str,
}

/// `past` in the columns of the history table `def`.
pub(crate) fn history_batch<R: Record, T: Borrow<R>>(past: &[Past<T>], def: &TableDef) -> Result<RecordBatch> {
    let mut out = def.builders(past.len());
    let current = R::table().columns.len();
    for version in past {
        version.row.borrow().put(&mut out[..current]);
        version.known_to.put(&mut out[current]);
        version.moved.put(&mut out[current + 1]);
    }
    def.finish(out)
}

/// The roster's rows are kept without a tenant by their type; in the tables they have one.
pub(crate) struct Of<T> {
    pub tenant: TenantId,
    pub row: T,
}

pub(crate) fn column<R, F: Field>(name: &'static str, _: fn(&R) -> &F) -> Column {
    Column { name, kind: F::KIND, nullable: F::NULLABLE }
}

macro_rules! record {
    (@column $type:ty, $name:literal, $field:ident) => { column($name, |row: &$type| &row.$field) };
    (@column $type:ty, $name:literal, $field:ident $wrap:ident) => {
        Column { name: $name, kind: <$wrap as Field>::KIND, nullable: false }
    };
    (@put $value:expr, $out:ident) => { $value.put($out) };
    (@put $value:expr, $out:ident $wrap:ident) => { $wrap($value).put($out) };
    (@get $next:expr, $row:ident) => { Field::get($next, $row)? };
    (@get $next:expr, $row:ident $wrap:ident) => { <$wrap as Field>::get($next, $row)?.0 };

    ($type:ty, $name:literal, key $key:expr, { $($field:ident $(as $wrap:ident)? => $column:literal),+ $(,)? }
     $(also { $($rest:ident: $value:expr),+ })?) => {
        impl Record for $type {
            fn table() -> &'static TableDef {
                static DEF: LazyLock<TableDef> = LazyLock::new(|| {
                    TableDef::new($name, &$key, vec![$(record!(@column $type, $column, $field $($wrap)?)),+])
                });
                &DEF
            }

            fn put(&self, out: &mut [Builder]) {
                let mut out = out.iter_mut();
                $(if let Some(column) = out.next() { record!(@put self.$field, column $($wrap)?); })+
            }

            fn get(batch: &RecordBatch, row: usize) -> Result<Self> {
                let mut cells = Cells { columns: batch.columns().iter() };
                $(let $field = record!(@get cells.next()?, row $($wrap)?);)+
                Ok(Self { $($field),+ $(, $($rest: $value),+)? })
            }
        }
    };
}

macro_rules! roster_record {
    ($type:ident, $name:literal, key $key:expr, { $($field:ident => $column:literal),+ $(,)? }) => {
        impl Record for Of<$type> {
            fn table() -> &'static TableDef {
                static DEF: LazyLock<TableDef> = LazyLock::new(|| {
                    let tenant = column("tenant_id", |row: &Of<$type>| &row.tenant);
                    TableDef::new($name, &$key, vec![tenant, $(column($column, |row: &$type| &row.$field)),+])
                });
                &DEF
            }

            fn put(&self, out: &mut [Builder]) {
                let mut out = out.iter_mut();
                if let Some(column) = out.next() { self.tenant.put(column); }
                $(if let Some(column) = out.next() { self.row.$field.put(column); })+
            }

            fn get(batch: &RecordBatch, row: usize) -> Result<Self> {
                let mut cells = Cells { columns: batch.columns().iter() };
                let tenant = Field::get(cells.next()?, row)?;
                $(let $field = Field::get(cells.next()?, row)?;)+
                Ok(Self { tenant, row: $type { $($field),+ } })
            }
        }
    };
}

pub(crate) struct Cells<'a> {
    pub columns: std::slice::Iter<'a, ArrayRef>,
}

impl<'a> Cells<'a> {
    pub fn next(&mut self) -> Result<&'a ArrayRef> {
        self.columns.next().ok_or_else(|| StoreError::Failed("a column is missing".into()))
    }
}

pub(crate) use {record, roster_record};
