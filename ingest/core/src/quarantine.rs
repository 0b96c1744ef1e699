//! What is kept of a refused reading: its own bytes, in a form that can be submitted again, under an id that is the same
//! whenever the same submission is judged, and no other submission's.

use painwatch_domain::{Hash128, Measure, Shape};
use painwatch_proto::ingest::v1::{Mode, Reading, ReadingBatch};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::json::Header;
use prost::Message as _;

use crate::envelope::{Envelope, Format, Limits};
use crate::reading::{BadSample, Refusal};

/// Hexadecimal digits of an id: 64 bits, so that two of a million items meet by chance once in forty million clinics.
const ID_DIGITS: usize = 16;

/// Something refused: an entry, a sample of one, or a whole payload.
pub(crate) struct Item<'a> {
    pub index: u32,
    pub sample: Option<u32>,
    pub device: &'a str,
    /// The boot and sequence number it came with.
    pub mark: Option<(u32, u64)>,
    /// How many readings it stands for.
    pub count: u64,
    /// In what `payload` is written: for one reading out of an entry that meant several it is not that of the entry.
    pub format: Format,
    pub payload: &'a [u8],
    pub refusal: Refusal,
}

impl Item<'_> {
    pub(crate) fn into_message(self, id: String, limits: &Limits) -> pb::Quarantined {
        let kept = &self.payload[..self.payload.len().min(limits.max_quarantined_bytes)];
        pb::Quarantined {
            id,
            index: self.index,
            sample: self.sample,
            code: self.refusal.code.as_str().to_owned(),
            detail: self.refusal.detail,
            format: self.format.as_str().to_owned(),
            payload: kept.to_vec().into(),
            count: self.count,
            device: self.device.to_owned(),
            payload_length: self.payload.len() as u64,
            boot_id: self.mark.map(|(boot_id, _)| boot_id).or(self.refusal.boot_id),
            seq: self.mark.map(|(_, seq)| seq),
            device_time_ms: self.refusal.device_time,
        }
    }
}

/// Which sequence number arrived with a reading, where its device counts.
pub(crate) fn mark_of(reading: &Reading) -> Option<(u32, u64)> {
    reading.boot_id.zip(reading.seq)
}

pub(crate) fn id(item: &Item<'_>, batch_id: &str, envelope: &Envelope<'_>) -> String {
    let (received_at, index) = (envelope.received_at.0.to_le_bytes(), item.index.to_le_bytes());
    let (sample, number) = (item.sample.map_or(-1, i64::from).to_le_bytes(), envelope.number.to_le_bytes());
    let mut parts = vec![
        b"quarantine".as_slice(),
        envelope.tenant.as_str().as_bytes(),
        envelope.gateway.as_str().as_bytes(),
        &received_at,
        batch_id.as_bytes(),
        &index,
        &sample,
        item.payload,
    ];
    // The first has the ids of before there were numbers.
    if envelope.number > 0 {
        parts.push(&number);
    }
    let hash = Hash128::of(&parts);
    format!("q-{}", &hash.to_string()[..ID_DIGITS])
}

/// A reading as a payload of its own.
pub(crate) fn message_bytes(reading: Reading, header: &Header) -> Vec<u8> {
    // The header is repeated for each item, so a text that is no time, and may be long, is left out.
    let sent_at = if header.sent_at.len() <= 64 { header.sent_at.clone() } else { String::new() };
    ReadingBatch {
        gateway: String::new(),
        batch_id: header.batch_id.clone(),
        sent_at,
        mode: if header.mode == Mode::Historical { Mode::Historical.into() } else { Mode::Live.into() },
        readings: vec![reading],
    }
    .encode_to_vec()
}

/// One sample of a packed series as a reading by itself, with the identity it would have had in the series.
pub(crate) fn single_reading(packed: &Reading, bad: &BadSample) -> Reading {
    let BadSample { position, device_time, ref id, .. } = *bad;
    let lasts = packed
        .period_ms
        .filter(|_| Measure::parse(&packed.measure).is_some_and(|measure| measure.spec().shape == Shape::Interval));
    Reading {
        device: packed.device.clone(),
        measure: packed.measure.clone(),
        time_ms: Some(device_time),
        end_time_ms: lasts.and_then(|period| device_time.checked_add(period)),
        value: packed.values.get(position as usize).copied(),
        unit: packed.unit.clone(),
        body_site: packed.body_site.clone(),
        laterality: packed.laterality.clone(),
        modality: packed.modality.clone(),
        recall: packed.recall.clone(),
        instrument: packed.instrument.clone(),
        algorithm: packed.algorithm.clone(),
        posture: packed.posture.clone(),
        prompted: packed.prompted,
        quality: packed.quality.clone(),
        id: id.clone().unwrap_or_default(),
        boot_id: packed.boot_id,
        seq: packed.seq,
        status: packed.status.clone(),
        revision: packed.revision,
        ..Reading::default()
    }
}

/// A packed series of which only the samples of `bad` are left, so that what is submitted again is what was refused.
/// Positions, and with them identities, stay as they were.
pub(crate) fn remainder<'a>(packed: &Reading, bad: impl Iterator<Item = &'a BadSample>) -> Reading {
    let mut left = Reading { values: vec![f64::NAN; packed.values.len()], ..packed.clone() };
    for sample in bad {
        let position = sample.position as usize;
        if let (Some(kept), Some(value)) = (left.values.get_mut(position), packed.values.get(position)) {
            *kept = *value;
        }
    }
    left
}
