//! Messages to text. Fields come in a fixed order, so that the same message is always the same bytes.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::field::Object;
use crate::ingest::v1::{BatchVerdict, Components, Mode, Problem, Reading, ReadingBatch};

/// The batch as gateways send it.
pub fn batch_to_json(batch: &ReadingBatch) -> String {
    text(&BatchJson(batch))
}

/// One reading, which is a payload by itself.
pub fn reading_to_json(reading: &Reading) -> String {
    text(&ObjectJson(reading))
}

/// The verdict exactly as the contract shows it: every count is there, also when it is 0.
pub fn verdict_to_json(verdict: &BatchVerdict) -> String {
    text(&VerdictJson(verdict))
}

/// Cannot fail: keys are texts, and writing into memory does not fail.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

struct BatchJson<'a>(&'a ReadingBatch);

impl Serialize for BatchJson<'_> {
    fn serialize<S: Serializer>(&self, sink: S) -> Result<S::Ok, S::Error> {
        let batch = self.0;
        let mut map = sink.serialize_map(None)?;
        for (name, text) in [("gateway", &batch.gateway), ("batch_id", &batch.batch_id), ("sent_at", &batch.sent_at)] {
            if !text.is_empty() {
                map.serialize_entry(name, text)?;
            }
        }
        let mode = if batch.mode() == Mode::Historical { "historical" } else { "live" };
        map.serialize_entry("mode", mode)?;
        map.serialize_entry("readings", &List(&batch.readings))?;
        map.end()
    }
}

struct ObjectJson<'a, T>(&'a T);

impl<T: Object> Serialize for ObjectJson<'_, T> {
    fn serialize<S: Serializer>(&self, sink: S) -> Result<S::Ok, S::Error> {
        let mut map = sink.serialize_map(None)?;
        self.0.write_fields(&mut map)?;
        map.end()
    }
}

struct List<'a, T>(&'a [T]);

impl<T: Object> Serialize for List<'_, T> {
    fn serialize<S: Serializer>(&self, sink: S) -> Result<S::Ok, S::Error> {
        sink.collect_seq(self.0.iter().map(ObjectJson))
    }
}

pub(super) struct ComponentsJson<'a>(pub &'a Components);

impl Serialize for ComponentsJson<'_> {
    fn serialize<S: Serializer>(&self, sink: S) -> Result<S::Ok, S::Error> {
        let mut map = sink.serialize_map(None)?;
        for (name, value) in [("systolic", self.0.systolic), ("diastolic", self.0.diastolic)] {
            if value.is_finite() {
                map.serialize_entry(name, &value)?;
            }
        }
        map.end()
    }
}

struct VerdictJson<'a>(&'a BatchVerdict);

impl Serialize for VerdictJson<'_> {
    fn serialize<S: Serializer>(&self, sink: S) -> Result<S::Ok, S::Error> {
        let verdict = self.0;
        let mut map = sink.serialize_map(Some(8))?;
        map.serialize_entry("batch_id", &verdict.batch_id)?;
        map.serialize_entry("server_time", &verdict.server_time)?;
        map.serialize_entry("final", &verdict.r#final)?;
        map.serialize_entry("stored", &verdict.stored)?;
        map.serialize_entry("duplicate", &verdict.duplicate)?;
        map.serialize_entry("conflict", &verdict.conflict)?;
        map.serialize_entry("quarantined", &verdict.quarantined)?;
        let problems: Vec<_> = verdict.problems.iter().map(ProblemJson).collect();
        map.serialize_entry("problems", &problems)?;
        map.end()
    }
}

struct ProblemJson<'a>(&'a Problem);

impl Serialize for ProblemJson<'_> {
    fn serialize<S: Serializer>(&self, sink: S) -> Result<S::Ok, S::Error> {
        let mut map = sink.serialize_map(None)?;
        // Written even when 0: the first entry is an entry.
        map.serialize_entry("index", &self.0.index)?;
        Problem { index: 0, ..self.0.clone() }.write_fields(&mut map)?;
        map.end()
    }
}
