//! What leaves a gateway: readings grouped into batches of a bounded size.

use painwatch_proto::ingest::v1::{Mode, Reading, ReadingBatch};
use prost::Message as _;
use serde::{Deserialize, Serialize};

/// Largest encoded batch in bytes: half of the 256 KiB that an MQTT endpoint accepts, so that a topic and headers fit.
pub const BATCH_BYTES_MAX: usize = 128 * 1024;
/// Most readings in one batch: bounds the work that one acknowledgement waits for.
pub const BATCH_READINGS_MAX: u64 = 5_000;

/// Which door a batch goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Mqtt,
    Grpc,
}

/// What is sent: a batch, or bytes that are none (a fault).
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    Batch(ReadingBatch),
    /// Only MQTT can carry it: gRPC frames are messages by construction.
    Raw(Vec<u8>),
}

impl Payload {
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Batch(batch) => batch.encode_to_vec(),
            Self::Raw(bytes) => bytes.clone(),
        }
    }

    /// An undecodable payload counts as one reading (semantics 1).
    pub fn readings(&self) -> u64 {
        match self {
            Self::Batch(batch) => batch.readings.iter().map(sample_count).sum(),
            Self::Raw(_) => 1,
        }
    }
}

/// One thing to do: at `clock_ms` of the driven clock, `gateway` sends `payload`.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub clock_ms: i64,
    pub gateway: String,
    pub protocol: Protocol,
    pub payload: Payload,
}

/// How many readings an entry is: the non-null samples of a packed series, else one (semantics 1).
pub fn sample_count(reading: &Reading) -> u64 {
    if reading.values.is_empty() { 1 } else { reading.values.iter().filter(|value| !value.is_nan()).count() as u64 }
}

/// Cuts `readings`, in their order, into batches within both limits, numbered `{gateway}/{n}` from `first`.
pub fn batches(
    gateway: &str,
    mode: Mode,
    readings: impl IntoIterator<Item = Reading>,
    first: u64,
) -> Vec<ReadingBatch> {
    let mut cut = Batches::new(gateway, mode, first);
    let mut done: Vec<ReadingBatch> = readings.into_iter().filter_map(|reading| cut.push(reading)).collect();
    done.extend(cut.close());
    done
}

/// The same, for readings that come one by one: holds the batch that is being filled.
pub struct Batches {
    gateway: String,
    mode: Mode,
    next: u64,
    open: Vec<Reading>,
    bytes: usize,
    count: u64,
}

impl Batches {
    pub fn new(gateway: &str, mode: Mode, first: u64) -> Self {
        Self { gateway: gateway.to_owned(), mode, next: first, open: Vec::new(), bytes: 0, count: 0 }
    }

    /// Takes one reading; the batch before it, if that has no room for it.
    pub fn push(&mut self, reading: Reading) -> Option<ReadingBatch> {
        let (bytes, count) = (reading.encoded_len() + 4, sample_count(&reading));
        let is_full = self.bytes + bytes > BATCH_BYTES_MAX || self.count + count > BATCH_READINGS_MAX;
        let done = if is_full { self.close() } else { None };
        self.bytes += bytes;
        self.count += count;
        self.open.push(reading);
        done
    }

    /// The last batch, unless it is empty.
    pub fn close(&mut self) -> Option<ReadingBatch> {
        if self.open.is_empty() {
            return None;
        }
        let batch = ReadingBatch {
            gateway: self.gateway.clone(),
            batch_id: format!("{}/{}", self.gateway, self.next),
            sent_at: String::new(),
            mode: self.mode.into(),
            readings: std::mem::take(&mut self.open),
        };
        self.next += 1;
        (self.bytes, self.count) = (0, 0);
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(samples: usize) -> Reading {
        Reading { values: vec![70.0; samples], ..Reading::default() }
    }

    #[test]
    fn semantics_1_a_packed_series_counts_its_non_null_samples() {
        let mut series = packed(4);
        series.values[2] = f64::NAN;
        assert_eq!((sample_count(&series), sample_count(&Reading::default())), (3, 1));
        assert_eq!(Payload::Raw(vec![0xff]).readings(), 1);
    }

    #[test]
    fn no_batch_exceeds_its_limits_and_no_reading_is_lost_or_moved() {
        let sizes = [4_000, 900, 200, 5_000, 1, 4_999];
        let cut = batches("gw", Mode::Live, sizes.map(packed), 7);
        let counts: Vec<u64> = cut.iter().map(|batch| Payload::Batch(batch.clone()).readings()).collect();
        assert_eq!(counts, [4_900, 200, 5_000, 5_000]);
        assert_eq!(cut[0].batch_id, "gw/7");
        assert!(cut.iter().all(|batch| batch.encoded_len() <= BATCH_BYTES_MAX + 64));
    }
}
