//! Journal messages and domain values: the only conversions between them. Whatever is encoded decodes to the same.
//!
//! Empty text in [`Meta`] stands for absent, on the wire and after decoding.

mod columns;
mod finding;
mod meta;
mod order;

#[cfg(test)]
mod tests;

pub use finding::{decode_finding, decode_problem, decode_verdict, encode_finding, encode_problem, encode_verdict};
pub use order::{decode_fill, decode_order, encode_fill, encode_order};

use painwatch_domain::ids::IdError;
use painwatch_domain::{DeviceId, Measure, Series};

use crate::journal::v1 as pb;

/// A series as it travels in the journal: with its place in the submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Position of the entry in the submitted batch.
    pub index: u32,
    pub series: Series,
    /// Position of each sample in the submitted packed series; empty for a reading submitted alone.
    pub positions: Vec<u32>,
}

impl Entry {
    /// The `sample` of a verdict's problem: `None` for a reading submitted alone.
    pub fn sample(&self, nth: usize) -> Option<u32> {
        self.positions.get(nth).copied()
    }
}

/// Why a journal message is not what we write: damage, or a version we do not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("no measure is called {0:?}")]
    UnknownMeasure(String),
    #[error("series of {measure}: column {column} has {found} values for {samples} samples")]
    ColumnLength { measure: &'static str, column: &'static str, found: usize, samples: usize },
    #[error("field {field} holds {found:?}, which is none of its words")]
    UnknownWord { field: &'static str, found: String },
    #[error("field {field}: {error}")]
    Id { field: &'static str, error: IdError },
    #[error("field {field} holds {found} bytes, a hash has 16")]
    HashLength { field: &'static str, found: usize },
    #[error("field {field} holds {found}, which is out of its range")]
    OutOfRange { field: &'static str, found: i64 },
}

/// One device's part of a submission.
///
/// The samples of a series hold the kind of value its measure has, and no end lies before its device time: `ingest/core`
/// admits nothing else, and decoding refuses anything else.
pub fn encode_series(entries: &[Entry]) -> pb::DeviceReadings {
    pb::DeviceReadings { series: entries.iter().map(encode_entry).collect() }
}

/// # Errors
/// [`RecordError`] when the message is damaged.
pub fn decode_series(device: &DeviceId, readings: &pb::DeviceReadings) -> Result<Vec<Entry>, RecordError> {
    readings.series.iter().map(|series| decode_entry(device, series)).collect()
}

fn encode_entry(entry: &Entry) -> pb::Series {
    let Entry { index, series, positions } = entry;
    let consecutive = positions.iter().zip(0..).all(|(position, nth)| *position == nth);
    let mut out = pb::Series {
        measure: series.measure.name().to_owned(),
        meta: Some(meta::encode(&series.meta)),
        index: *index,
        position: if consecutive { Vec::new() } else { positions.clone() },
        packed: !positions.is_empty(),
        ..pb::Series::default()
    };
    columns::encode(&series.samples, &mut out);
    out
}

fn decode_entry(device: &DeviceId, message: &pb::Series) -> Result<Entry, RecordError> {
    let measure =
        Measure::parse(&message.measure).ok_or_else(|| RecordError::UnknownMeasure(message.measure.clone()))?;
    let samples = columns::decode(measure, message)?;
    let positions = match (message.packed, message.position.is_empty()) {
        (false, _) => Vec::new(),
        (true, true) => (0u32..).take(samples.len()).collect(),
        (true, false) => {
            columns::expect_length(measure, "position", message.position.len(), samples.len())?;
            message.position.clone()
        }
    };
    let meta = meta::decode(message.meta.as_ref())?;
    Ok(Entry { index: message.index, series: Series { device: device.clone(), measure, meta, samples }, positions })
}
