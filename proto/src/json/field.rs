//! One table of the fields of each message: the reader and the writer are both made from it.

use serde::Deserialize;
use serde::ser::SerializeMap;

use super::JsonError;
use crate::ingest::v1::{Components, Problem, Reading};

/// How one kind of field is read and written.
pub(super) trait Field: Sized {
    const EXPECTED: &'static str;
    fn read(text: &str) -> Option<Self>;
    fn write<M: SerializeMap>(&self, name: &'static str, map: &mut M) -> Result<(), M::Error>;
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// An integer, also one that a sender keeps as a floating-point number (`5000.0`).
fn integer(text: &str) -> Option<i64> {
    parse(text).or_else(|| {
        let number: f64 = parse(text)?;
        let exact = number.fract() == 0.0 && number.abs() < 9.0e15;
        exact.then_some(number as i64)
    })
}

macro_rules! optional_field {
    ($($kind:ty, $expected:literal, $read:expr;)+) => {$(
        impl Field for Option<$kind> {
            const EXPECTED: &'static str = $expected;
            fn read(text: &str) -> Option<Self> {
                let read: fn(&str) -> Option<$kind> = $read;
                read(text).map(Some)
            }
            fn write<M: SerializeMap>(&self, name: &'static str, map: &mut M) -> Result<(), M::Error> {
                self.as_ref().map_or(Ok(()), |value| map.serialize_entry(name, value))
            }
        }
    )+};
}

optional_field! {
    i64, "an integer", integer;
    u32, "an integer from 0 to 4294967295", |text| integer(text).and_then(|number| number.try_into().ok());
    u64, "an integer from 0", |text| parse(text).or_else(|| integer(text).and_then(|number| number.try_into().ok()));
    bool, "true or false", |text| parse(text);
}

impl Field for Option<f64> {
    const EXPECTED: &'static str = "a number";
    fn read(text: &str) -> Option<Self> {
        parse(text).map(Some)
    }
    fn write<M: SerializeMap>(&self, name: &'static str, map: &mut M) -> Result<(), M::Error> {
        self.filter(|number| number.is_finite()).map_or(Ok(()), |number| map.serialize_entry(name, &number))
    }
}

impl Field for String {
    const EXPECTED: &'static str = "a text";
    fn read(text: &str) -> Option<Self> {
        parse(text)
    }
    fn write<M: SerializeMap>(&self, name: &'static str, map: &mut M) -> Result<(), M::Error> {
        if self.is_empty() { Ok(()) } else { map.serialize_entry(name, self) }
    }
}

macro_rules! plain_integer {
    ($($kind:ty),+) => {$(
        impl Field for $kind {
            const EXPECTED: &'static str = <Option<$kind> as Field>::EXPECTED;
            fn read(text: &str) -> Option<Self> {
                <Option<$kind> as Field>::read(text).flatten()
            }
            fn write<M: SerializeMap>(&self, name: &'static str, map: &mut M) -> Result<(), M::Error> {
                if *self == 0 { Ok(()) } else { map.serialize_entry(name, self) }
            }
        }
    )+};
}

plain_integer!(i64, u32, u64);

/// The samples of a packed series: `null` is a missing one.
impl Field for Vec<f64> {
    const EXPECTED: &'static str = "an array of numbers and nulls";
    fn read(text: &str) -> Option<Self> {
        let samples: Vec<Sample> = parse(text)?;
        Some(samples.into_iter().map(|sample| sample.0).collect())
    }
    fn write<M: SerializeMap>(&self, name: &'static str, map: &mut M) -> Result<(), M::Error> {
        // serde_json writes what is not finite as null.
        if self.is_empty() { Ok(()) } else { map.serialize_entry(name, self) }
    }
}

/// As wide as an f64, so that the vector of samples is reused instead of copied.
#[repr(transparent)]
struct Sample(f64);

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: serde::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        Option::<f64>::deserialize(source).map(|number| Self(number.unwrap_or(f64::NAN)))
    }
}

impl Field for Vec<i64> {
    const EXPECTED: &'static str = "an array of integers";
    fn read(text: &str) -> Option<Self> {
        parse(text)
    }
    fn write<M: SerializeMap>(&self, name: &'static str, map: &mut M) -> Result<(), M::Error> {
        if self.is_empty() { Ok(()) } else { map.serialize_entry(name, self) }
    }
}

/// A pressure that is not given is NaN: the message has no other way to say missing.
impl Field for Option<Components> {
    const EXPECTED: &'static str = "an object of the numbers systolic and diastolic";
    fn read(text: &str) -> Option<Self> {
        let mut components = Components { systolic: f64::NAN, diastolic: f64::NAN };
        let members = super::read::members(text, "components").ok()?;
        for (name, value) in members.iter().filter(|(_, value)| *value != "null") {
            match name {
                "systolic" => components.systolic = parse(value)?,
                "diastolic" => components.diastolic = parse(value)?,
                _ => return None,
            }
        }
        Some(Some(components))
    }
    fn write<M: SerializeMap>(&self, name: &'static str, map: &mut M) -> Result<(), M::Error> {
        let Some(components) = self else { return Ok(()) };
        map.serialize_entry(name, &super::write::ComponentsJson(components))
    }
}

/// A message all of whose fields are [`Field`]s.
pub(super) trait Object: Default {
    const NAMES: &'static [&'static str];
    fn set(&mut self, name: &str, value: &str) -> Result<(), JsonError>;
    fn write_fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error>;
}

macro_rules! object {
    ($message:ty { $($field:ident),+ $(,)? }) => {
        impl Object for $message {
            const NAMES: &'static [&'static str] = &[$(stringify!($field)),+];

            fn set(&mut self, name: &str, value: &str) -> Result<(), JsonError> {
                match name {
                    $(stringify!($field) => set(&mut self.$field, name, value),)+
                    _ => Err(unknown::<Self>(name)),
                }
            }

            fn write_fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
                $(self.$field.write(stringify!($field), map)?;)+
                Ok(())
            }
        }
    };
}

fn set<F: Field>(slot: &mut F, name: &str, value: &str) -> Result<(), JsonError> {
    if value != "null" {
        let wrong = || JsonError::WrongType { what: name.to_owned(), expected: F::EXPECTED };
        *slot = F::read(value).ok_or_else(wrong)?;
    }
    Ok(())
}

pub(super) fn unknown<T: Object>(name: &str) -> JsonError {
    JsonError::UnknownField { name: super::shown(name), nearest: super::nearest(name, T::NAMES.iter().copied()) }
}

object!(Reading {
    device,
    boot_id,
    seq,
    id,
    measure,
    time,
    time_ms,
    end_time,
    end_time_ms,
    age_ms,
    zone,
    value,
    components,
    period_ms,
    offsets_ms,
    values,
    unit,
    code,
    event,
    medication,
    scheduled_for,
    body_site,
    laterality,
    modality,
    recall,
    instrument,
    algorithm,
    posture,
    prompted,
    quality,
    status,
    revision,
});

object!(Problem { index, sample, result, code, detail, quarantine_id });
