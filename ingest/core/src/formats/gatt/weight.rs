//! Weight Measurement, 2A9D. Body mass index and height in it come from what somebody typed into the scale: not measured.

use painwatch_proto::ingest::v1::Reading;

use super::super::value_missing;
use super::Frame;
use super::bytes::{Bytes, steps};
use super::clock::{self, place};
use crate::reading::Refusal;

const IMPERIAL: u8 = 1;
const STAMPED: u8 = 1 << 1;
const USER: u8 = 1 << 2;
const INDEX_AND_HEIGHT: u8 = 1 << 3;
/// In place of a weight: the scale gave up.
pub(super) const UNSUCCESSFUL: u16 = 0xffff;

pub(super) fn measurement(bytes: &mut Bytes<'_>, frame: &Frame) -> Result<Vec<Reading>, Refusal> {
    let flags = bytes.u8("flags")?;
    let raw = bytes.u16("weight")?;
    let stamp = bytes.when(flags & STAMPED != 0, clock::stamp)?;
    bytes.when(flags & USER != 0, |bytes| bytes.u8("user"))?;
    bytes.when(flags & INDEX_AND_HEIGHT != 0, |bytes| bytes.take::<4>("body mass index and height"))?;
    if raw == UNSUCCESSFUL {
        return Err(value_missing("the scale says: measurement unsuccessful"));
    }
    place(weight(raw, flags & IMPERIAL != 0, frame), stamp.as_ref(), frame).map(|reading| vec![reading])
}

/// Steps of 0.005 kg or of 0.01 lb.
pub(super) fn weight(raw: u16, imperial: bool, frame: &Frame) -> Reading {
    let (per_unit, unit) = if imperial { (100.0, "[lb_av]") } else { (200.0, "kg") };
    frame.number("body_weight", steps(raw, per_unit), unit)
}
