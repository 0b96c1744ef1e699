//! Heart Rate Measurement, 2A37: a rate, and the RR intervals since the notification before.

use painwatch_proto::ingest::v1::Reading;

use super::super::value_missing;
use super::Frame;
use super::bytes::Bytes;
use crate::reading::Refusal;

const WIDE: u8 = 1;
/// Bits 1 and 2: whether the strap feels skin; the upper of them says that it can tell.
const CONTACT_FELT: u8 = 1 << 1;
const CONTACT_TOLD: u8 = 1 << 2;
const ENERGY: u8 = 1 << 3;
const INTERVALS: u8 = 1 << 4;
/// RR intervals come in 1/1024 s.
const TICKS_PER_S: f64 = 1024.0;

pub(super) fn measurement(bytes: &mut Bytes<'_>, frame: &Frame) -> Result<Vec<Reading>, Refusal> {
    let received = frame.received_at()?;
    let flags = bytes.u8("flags")?;
    let rate = match flags & WIDE {
        0 => u16::from(bytes.u8("heart rate")?),
        _ => bytes.u16("heart rate")?,
    };
    bytes.when(flags & ENERGY != 0, |bytes| bytes.u16("energy"))?;
    let intervals = if flags & INTERVALS == 0 { Vec::new() } else { intervals(bytes) };
    let worn = flags & CONTACT_TOLD == 0 || flags & CONTACT_FELT != 0;
    if !worn {
        let code = "false".to_owned();
        return Ok(vec![Reading { time_ms: Some(received), code, ..off_the_skin(frame) }]);
    }
    if rate == 0 {
        return Err(value_missing("heart rate 0 is what a strap sends that has found no pulse"));
    }
    let rate = Reading { time_ms: Some(received), ..frame.number("heart_rate", f64::from(rate), "/min") };
    Ok(std::iter::once(rate).chain(series(&intervals, received, frame)).collect())
}

/// Without contact a strap's numbers are of its own making; what it does say is that nobody wears it.
fn off_the_skin(frame: &Frame) -> Reading {
    frame.reading("device_worn")
}

/// Oldest first. A last one that was cut in the middle is none.
fn intervals(bytes: &mut Bytes<'_>) -> Vec<f64> {
    std::iter::from_fn(|| bytes.u16("interval").ok()).map(|ticks| f64::from(ticks) * 1_000.0 / TICKS_PER_S).collect()
}

/// The beat that ends the last interval is the newest thing the strap knew when it spoke.
fn series(intervals: &[f64], received: i64, frame: &Frame) -> Option<Reading> {
    if intervals.is_empty() {
        return None;
    }
    let newest: f64 = intervals.iter().skip(1).sum();
    let mut elapsed = 0.0;
    let offsets = intervals.iter().enumerate().map(|(nth, interval)| {
        elapsed += if nth == 0 { 0.0 } else { *interval };
        elapsed.round() as i64
    });
    Some(Reading {
        time_ms: Some(received.saturating_sub(newest.round() as i64)),
        offsets_ms: offsets.collect(),
        values: intervals.to_vec(),
        unit: "ms".to_owned(),
        ..frame.reading("rr_interval")
    })
}
