//! Payloads in the words of others. Each entry is translated into readings of our own, which are then judged exactly like
//! those that came as JSON: a translation decides nothing about units, bounds, times or identity.

pub(crate) mod fhir;
pub(crate) mod gatt;
mod node;
pub(crate) mod omh;

use painwatch_domain::{ProblemCode, Roster};
use painwatch_proto::ingest::v1::Reading;

use crate::reading::Refusal;
use painwatch_domain::order::{Fill, Order};

pub(crate) use fhir::{Bundle, is_order, is_referred_to};

/// What one entry of a payload says.
#[derive(Debug)]
pub(crate) enum Meaning {
    Readings(Vec<Reading>),
    Order(Box<Order>),
    Fill(Box<Fill>),
    /// About people and things, for the entries beside it: counted in no book.
    Context,
}

impl From<Reading> for Meaning {
    fn from(reading: Reading) -> Self {
        Self::Readings(vec![reading])
    }
}

/// The language an entry is in, with what it may refer to.
#[derive(Clone, Copy)]
pub(crate) enum Language<'a> {
    Omh,
    Fhir(&'a Bundle<'a>),
    Gatt,
}

impl Language<'_> {
    pub(crate) fn translate(self, text: &str, roster: &Roster) -> Result<Meaning, Refusal> {
        match self {
            Self::Omh => omh::translate(text),
            Self::Fhir(bundle) => fhir::translate(text, bundle, roster),
            Self::Gatt => gatt::translate(text),
        }
    }

    /// Whom an entry is about, in its own words; empty where it does not tell.
    pub(crate) fn subject(self, text: &str, roster: &Roster) -> Result<String, Refusal> {
        match self {
            Self::Omh => omh::subject(text),
            Self::Fhir(bundle) => fhir::subject(text, bundle, roster),
            Self::Gatt => Ok(String::new()),
        }
    }
}

fn unknown_measure(detail: impl Into<String>) -> Refusal {
    Refusal::new(ProblemCode::UnknownMeasure, detail)
}

fn value_missing(detail: impl Into<String>) -> Refusal {
    Refusal::new(ProblemCode::ValueMissing, detail)
}

fn time_missing(detail: impl Into<String>) -> Refusal {
    Refusal::new(ProblemCode::TimeMissing, detail)
}
