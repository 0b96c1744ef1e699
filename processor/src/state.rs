//! What is kept between two runs beside patients and blocks: the engine's part of a checkpoint.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use painwatch_processor_core::intake::clock::Clocks;
use painwatch_processor_core::patient::OwnNumbers;
use painwatch_processor_core::rules::{self, Rule};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::history::Index;
use crate::technical::Raised;

/// The first byte: raise it with every change to the form of [`EngineState`]. A form that only has fewer fields at its
/// end is read; what it lacks is empty.
const FORMAT: u8 = 4;
const FORMAT_WITH_CLOCKS: u8 = 2;
const FORMAT_WITH_OWN_NUMBERS: u8 = 3;
const FORMAT_WITH_ORDERS: u8 = 4;

#[derive(Default, Serialize)]
pub(crate) struct EngineState {
    /// Everything below this offset is in the checkpoint.
    pub next: u64,
    /// Declared rosters by tenant, as documents.
    pub rosters: BTreeMap<String, String>,
    /// Rules that were accepted or added, by tenant, in order.
    pub rules: BTreeMap<String, Vec<RuleDocument>>,
    pub raised: Raised,
    pub index: Index,
    pub clocks: Clocks,
    /// Numbers of rules that patients have of their own, by tenant.
    pub own_numbers: BTreeMap<String, Vec<OwnNumbers>>,
    /// Orders and fills by tenant, each an encoded `OrdersWritten`.
    pub written: Vec<(String, Vec<u8>)>,
}

impl EngineState {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.extend(postcard::to_stdvec(self).unwrap_or_default());
        bytes
    }

    /// # Errors
    /// The checkpoint is of another version, or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (&format, mut rest) = bytes.split_first().context("engine checkpoint is empty")?;
        if !(1..=FORMAT).contains(&format) {
            bail!("engine checkpoint format {format}, this program reads {FORMAT}");
        }
        let rest = &mut rest;
        let state = Self {
            next: take(rest)?,
            rosters: take(rest)?,
            rules: take(rest)?,
            raised: take(rest)?,
            index: take(rest)?,
            clocks: since(FORMAT_WITH_CLOCKS, format, rest)?,
            own_numbers: since(FORMAT_WITH_OWN_NUMBERS, format, rest)?,
            written: since(FORMAT_WITH_ORDERS, format, rest)?,
        };
        ensure!(rest.is_empty(), "engine checkpoint damaged: {} bytes too many", rest.len());
        Ok(state)
    }
}

fn take<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T> {
    let (value, rest) = postcard::take_from_bytes(bytes).context("engine checkpoint damaged")?;
    *bytes = rest;
    Ok(value)
}

fn since<T: DeserializeOwned + Default>(first: u8, format: u8, bytes: &mut &[u8]) -> Result<T> {
    if format < first { Ok(T::default()) } else { take(bytes) }
}

/// A rule as a control record brought it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RuleDocument {
    pub pack: String,
    pub toml: String,
    /// Journal time from which it is in force.
    pub from: i64,
}

impl RuleDocument {
    pub fn read(&self) -> Result<Rule> {
        // What it names beside itself was there when it was accepted, or comes with a later record.
        let parsed = rules::parse_beside(&self.toml, &format!("{}.toml", self.pack), None);
        let parsed = parsed.map_err(|errors| {
            anyhow::anyhow!("rule record: {}", errors.first().map_or(String::new(), ToString::to_string))
        })?;
        parsed.into_iter().next().context("rule record is empty")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> EngineState {
        EngineState {
            next: 7,
            rosters: [("main".to_owned(), "[[patient]]".to_owned())].into(),
            written: vec![("main".to_owned(), vec![1, 2, 3])],
            ..EngineState::default()
        }
    }

    #[test]
    fn what_was_kept_is_read_back_and_so_is_a_form_that_had_less() {
        let bytes = state().encode();
        let read = EngineState::decode(&bytes).unwrap();
        assert_eq!((read.next, read.rosters, read.written), (7, state().rosters, state().written));
        // Of an empty list a form without it lacks one byte.
        let none = EngineState { written: Vec::new(), ..state() }.encode();
        let clocks = postcard::to_stdvec(&Clocks::default()).unwrap().len();
        for (format, lacking) in [(3, 1), (2, 2), (1, 2 + clocks)] {
            let mut older = none[..none.len() - lacking].to_vec();
            older[0] = format;
            assert_eq!(EngineState::decode(&older).unwrap().next, 7, "format {format}");
        }
    }

    #[test]
    fn what_is_damaged_or_of_another_version_is_said() {
        let bytes = state().encode();
        let said = |bytes: &[u8]| format!("{:#}", EngineState::decode(bytes).err().unwrap());
        assert!(said(&[]).contains("empty"));
        assert!(said(&[9, 0]).contains("format 9"));
        assert!(said(&bytes[..bytes.len() - 1]).contains("damaged"));
        assert!(said(&[&bytes[..], b"x"].concat()).contains("too many"));
    }
}
