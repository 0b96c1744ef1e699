//! The Date Time of a device: seven bytes, civil time, no zone.

use painwatch_proto::ingest::v1::Reading;

use super::Frame;
use super::bytes::Bytes;
use crate::reading::Refusal;

/// When a device says it measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// As ISO 8601 without an offset.
    Civil(String),
    /// The device says that it does not know.
    Unknown,
}

pub(super) fn stamp(bytes: &mut Bytes<'_>) -> Result<Stamp, Refusal> {
    let year = bytes.u16("time stamp")?;
    let [month, day, hour, minute, second] = bytes.take("time stamp")?;
    if year == 0 || month == 0 || day == 0 {
        return Ok(Stamp::Unknown);
    }
    let civil = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    // The calendar itself is checked where all stamps are; here only that two digits are two digits.
    if year > 9999 || month > 12 || day > 31 || hour > 23 || minute > 59 || second > 59 {
        return Err(Refusal::unreadable(format!("the time stamp {civil} is none: vendor framing, or not this layout")));
    }
    Ok(Stamp::Civil(civil))
}

/// Gives a reading the device's time, or where that is not known the gateway's.
pub(super) fn place(mut reading: Reading, stamp: Option<&Stamp>, frame: &Frame) -> Result<Reading, Refusal> {
    match stamp {
        Some(Stamp::Civil(civil)) => reading.time.clone_from(civil),
        Some(Stamp::Unknown) | None => reading.time_ms = Some(frame.received_at()?),
    }
    Ok(reading)
}
