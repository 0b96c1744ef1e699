//! How one value of ours becomes one cell of a column, and back. Arrow arrays are the common form of rows: databases are
//! filled from them, Parquet is written from them, and the query engine reads them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use painwatch_domain::{
    AlertKind, AlertState, Condition, DeviceId, Disposition, EventTime, GatewayId, Hash128, JournalTime, Offset,
    PatientId, Priority, ReceivedAt, RuleDomain, RuleId, SequenceRanges, TenantId,
};

use crate::{Result, StoreError};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// UTC microseconds since 1970.
    Time,
    Int,
    Real,
    Bool,
    Bytes,
}

impl Kind {
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Int => DataType::Int64,
            Self::Real => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Bytes => DataType::Binary,
        }
    }
}

/// Milliseconds as stored microseconds; the ends of time stay the ends of time.
pub(crate) fn micros(ms: i64) -> i64 {
    ms.saturating_mul(1_000)
}

pub(crate) fn millis(micros: i64) -> i64 {
    match micros {
        i64::MAX => i64::MAX,
        i64::MIN => i64::MIN,
        inside => inside.div_euclid(1_000),
    }
}

/// Grows one column.
pub(crate) enum Builder {
    Text(StringBuilder),
    Time(TimestampMicrosecondBuilder),
    Int(Int64Builder),
    Real(Float64Builder),
    Bool(BooleanBuilder),
    Bytes(BinaryBuilder),
}

impl Builder {
    pub fn new(kind: Kind, rows: usize) -> Self {
        match kind {
            Kind::Text => Self::Text(StringBuilder::with_capacity(rows, rows * 12)),
            Kind::Time => {
                Self::Time(TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(Kind::Time.data_type()))
            }
            Kind::Int => Self::Int(Int64Builder::with_capacity(rows)),
            Kind::Real => Self::Real(Float64Builder::with_capacity(rows)),
            Kind::Bool => Self::Bool(BooleanBuilder::with_capacity(rows)),
            Kind::Bytes => Self::Bytes(BinaryBuilder::new()),
        }
    }

    pub fn null(&mut self) {
        match self {
            Self::Text(column) => column.append_null(),
            Self::Time(column) => column.append_null(),
            Self::Int(column) => column.append_null(),
            Self::Real(column) => column.append_null(),
            Self::Bool(column) => column.append_null(),
            Self::Bytes(column) => column.append_null(),
        }
    }

    fn text(&mut self, value: &str) {
        match self {
            Self::Text(column) => column.append_value(value),
            _ => unreachable!("a text goes into a text column"),
        }
    }

    fn time(&mut self, ms: i64) {
        match self {
            Self::Time(column) => column.append_value(micros(ms)),
            _ => unreachable!("a time goes into a time column"),
        }
    }

    fn int(&mut self, value: i64) {
        match self {
            Self::Int(column) => column.append_value(value),
            _ => unreachable!("an integer goes into an integer column"),
        }
    }

    pub fn finish(mut self) -> ArrayRef {
        match &mut self {
            Self::Text(column) => Arc::new(column.finish()),
            Self::Time(column) => Arc::new(column.finish()),
            Self::Int(column) => Arc::new(column.finish()),
            Self::Real(column) => Arc::new(column.finish()),
            Self::Bool(column) => Arc::new(column.finish()),
            Self::Bytes(column) => Arc::new(column.finish()),
        }
    }
}

/// A value that fits in a column.
pub(crate) trait Field: Sized {
    const KIND: Kind;
    const NULLABLE: bool = false;
    fn put(&self, out: &mut Builder);
    fn get(column: &dyn Array, row: usize) -> Result<Self>;
}

fn unreadable(what: &str) -> StoreError {
    StoreError::Failed(format!("a stored value is no {what}"))
}

impl<T: Field> Field for Option<T> {
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;

    fn put(&self, out: &mut Builder) {
        match self {
            Some(value) => value.put(out),
            None => out.null(),
        }
    }

    fn get(column: &dyn Array, row: usize) -> Result<Self> {
        if column.is_null(row) { Ok(None) } else { T::get(column, row).map(Some) }
    }
}

fn text_at(column: &dyn Array, row: usize) -> &str {
    column.as_string::<i32>().value(row)
}

macro_rules! texts {
    ($($type:ty, $what:literal, |$value:ident| $as_text:expr, |$text:ident| $parse:expr;)+) => {$(
        impl Field for $type {
            const KIND: Kind = Kind::Text;

            fn put(&self, out: &mut Builder) {
                let $value = self;
                out.text($as_text);
            }

            fn get(column: &dyn Array, row: usize) -> Result<Self> {
                let $text = text_at(column, row);
                $parse.ok_or_else(|| unreadable($what))
            }
        }
    )+};
}

texts! {
    String, "text", |value| value, |text| Some(text.to_owned());
    &'static str, "known word", |value| value, |text| known_word(text);
    TenantId, "tenant id", |value| value.as_str(), |text| Self::parse(text).ok();
    PatientId, "patient id", |value| value.as_str(), |text| Self::parse(text).ok();
    DeviceId, "device id", |value| value.as_str(), |text| Self::parse(text).ok();
    GatewayId, "gateway id", |value| value.as_str(), |text| Self::parse(text).ok();
    RuleId, "rule id", |value| value.as_str(), |text| Self::parse(text).ok();
    Priority, "priority", |value| value.as_str(), |text| Self::parse(text);
    AlertKind, "alert kind", |value| value.as_str(), |text| Self::parse(text);
    RuleDomain, "rule domain", |value| value.as_str(), |text| Self::parse(text);
    AlertState, "alert state", |value| value.as_str(), |text| Self::parse(text);
    Condition, "condition", |value| value.as_str(), |text| Self::parse(text);
    SequenceRanges, "list of ranges", |value| &value.to_string(), |text| Self::parse(text);
    Disposition, "disposition", |value| value.as_str(), |text| Self::parse(text);
}

impl Field for Hash128 {
    const KIND: Kind = Kind::Text;

    /// As `Display` writes it, without its formatting machinery: each reading has one.
    fn put(&self, out: &mut Builder) {
        let mut digits = [0; 32];
        if hex::encode_to_slice(self.0, &mut digits).is_ok() {
            out.text(std::str::from_utf8(&digits).unwrap_or_default());
        }
    }

    fn get(column: &dyn Array, row: usize) -> Result<Self> {
        Self::parse(text_at(column, row)).ok_or_else(|| unreadable("hash"))
    }
}

/// Every word that a row type holds as `&'static str`.
const WORDS: &[&str] = &[
    "",
    "final",
    "corrected",
    "entered_in_error",
    "taken",
    "skipped",
    "dispensed",
    "opened",
    "applied",
    "removed",
    "refused",
    "provisional",
    "self",
    "gateway",
    "link",
    "charging",
    "not_worn",
    "quality",
    "unknown",
    "superseded",
    "outranked",
    "conflict",
    "device",
];

fn known_word(text: &str) -> Option<&'static str> {
    WORDS.iter().copied().find(|word| *word == text)
}

macro_rules! times {
    ($($type:ident),+) => {$(
        impl Field for $type {
            const KIND: Kind = Kind::Time;

            fn put(&self, out: &mut Builder) {
                out.time(self.0);
            }

            fn get(column: &dyn Array, row: usize) -> Result<Self> {
                Ok(Self(millis(column.as_primitive::<TimestampMicrosecondType>().value(row))))
            }
        }
    )+};
}

/// A device's own claim in UTC milliseconds: no event time, but a time in the tables.
pub(crate) struct Claimed(pub i64);

times!(EventTime, JournalTime, ReceivedAt, Claimed);

macro_rules! integers {
    ($($type:ty, |$value:ident| $as_int:expr, |$int:ident| $parse:expr;)+) => {$(
        impl Field for $type {
            const KIND: Kind = Kind::Int;

            fn put(&self, out: &mut Builder) {
                let $value = *self;
                out.int($as_int);
            }

            fn get(column: &dyn Array, row: usize) -> Result<Self> {
                let $int = column.as_primitive::<Int64Type>().value(row);
                $parse.ok_or_else(|| unreadable("number of its column"))
            }
        }
    )+};
}

integers! {
    i64, |value| value, |int| Some(int);
    u32, |value| i64::from(value), |int| u32::try_from(int).ok();
    // Sequence numbers and counts use the whole range of u64; the bits are kept.
    u64, |value| value as i64, |int| Some(int as u64);
    Offset, |value| value.0 as i64, |int| Some(Offset(int as u64));
}

impl Field for f64 {
    const KIND: Kind = Kind::Real;

    fn put(&self, out: &mut Builder) {
        match out {
            Builder::Real(column) => column.append_value(*self),
            _ => unreachable!("a number goes into a number column"),
        }
    }

    fn get(column: &dyn Array, row: usize) -> Result<Self> {
        Ok(column.as_primitive::<Float64Type>().value(row))
    }
}

impl Field for bool {
    const KIND: Kind = Kind::Bool;

    fn put(&self, out: &mut Builder) {
        match out {
            Builder::Bool(column) => column.append_value(*self),
            _ => unreachable!("a truth goes into a truth column"),
        }
    }

    fn get(column: &dyn Array, row: usize) -> Result<Self> {
        Ok(column.as_boolean().value(row))
    }
}

impl Field for Vec<u8> {
    const KIND: Kind = Kind::Bytes;

    fn put(&self, out: &mut Builder) {
        match out {
            Builder::Bytes(column) => column.append_value(self),
            _ => unreachable!("bytes go into a bytes column"),
        }
    }

    fn get(column: &dyn Array, row: usize) -> Result<Self> {
        Ok(column.as_binary::<i32>().value(row).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_as_it_is_shown_and_read_back() {
        let hash = Hash128::of(&[b"x"]);
        let mut out = Builder::new(Kind::Text, 1);
        hash.put(&mut out);
        let column = out.finish();
        assert_eq!(text_at(&column, 0), hash.to_string());
        assert_eq!(Hash128::get(&column, 0).unwrap(), hash);
    }

    #[test]
    fn the_ends_of_time_are_the_ends_in_every_unit() {
        for ms in [i64::MIN, i64::MAX, -1, 0, 1, 1_772_323_200_000] {
            assert_eq!(millis(micros(ms)), ms);
        }
    }
}
