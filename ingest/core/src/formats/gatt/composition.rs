//! Body Composition Measurement, 2A9C: body fat and, where it is told again, the weight.

use painwatch_proto::ingest::v1::Reading;

use super::super::value_missing;
use super::Frame;
use super::bytes::{Bytes, steps};
use super::clock::{self, place};
use super::weight::{UNSUCCESSFUL, weight};
use crate::reading::Refusal;

const IMPERIAL: u16 = 1;
const STAMPED: u16 = 1 << 1;
const USER: u16 = 1 << 2;
/// Bits 3 to 9, two bytes each, none of them a measure of ours: metabolism, muscle share and mass, fat-free mass, soft
/// lean mass, body water, impedance.
const BETWEEN: [u16; 7] = [1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8, 1 << 9];
const WEIGHT: u16 = 1 << 10;
const HEIGHT: u16 = 1 << 11;

pub(super) fn measurement(bytes: &mut Bytes<'_>, frame: &Frame) -> Result<Vec<Reading>, Refusal> {
    let flags = bytes.u16("flags")?;
    let fat = bytes.u16("body fat")?;
    let stamp = bytes.when(flags & STAMPED != 0, clock::stamp)?;
    bytes.when(flags & USER != 0, |bytes| bytes.u8("user"))?;
    for bit in BETWEEN {
        bytes.when(flags & bit != 0, |bytes| bytes.u16("composition"))?;
    }
    let raw_weight = bytes.when(flags & WEIGHT != 0, |bytes| bytes.u16("weight"))?;
    bytes.when(flags & HEIGHT != 0, |bytes| bytes.u16("height"))?;
    // Scales fill frames in which they measured nothing with zeros.
    let told = |raw: u16| raw != 0 && raw != UNSUCCESSFUL;
    let fat = Some(fat).filter(|raw| told(*raw));
    let fat = fat.map(|raw| frame.number("body_fat_percentage", steps(raw, 10.0), "%"));
    let weight = raw_weight.filter(|raw| told(*raw)).map(|raw| weight(raw, flags & IMPERIAL != 0, frame));
    let readings: Vec<_> = fat.into_iter().chain(weight).collect();
    if readings.is_empty() {
        return Err(value_missing("the scale measured no body fat: 0 or unsuccessful"));
    }
    readings.into_iter().map(|reading| place(reading, stamp.as_ref(), frame)).collect()
}
