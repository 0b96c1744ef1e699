//! Blood Pressure Measurement, 2A35: a panel, and the pulse the cuff felt.

use painwatch_proto::ingest::v1::{Components, Reading};

use super::super::value_missing;
use super::bytes::Bytes;
use super::clock::{self, place};
use super::{Frame, doubt};
use crate::reading::Refusal;

const KILOPASCAL: u8 = 1;
const STAMPED: u8 = 1 << 1;
const PULSE: u8 = 1 << 2;
const USER: u8 = 1 << 3;
const STATUS: u8 = 1 << 4;
/// What the cuff says against its own measurement, by bit of its status.
const DOUBTS: [(u16, &str); 4] =
    [(1, "body_movement"), (1 << 1, "cuff_too_loose"), (1 << 2, "irregular_pulse"), (1 << 5, "improper_position")];

pub(super) fn measurement(bytes: &mut Bytes<'_>, frame: &Frame) -> Result<Vec<Reading>, Refusal> {
    let flags = bytes.u8("flags")?;
    let systolic = bytes.sfloat("systolic pressure")?;
    let diastolic = bytes.sfloat("diastolic pressure")?;
    // The mean pressure: no measure of ours, and often NaN.
    bytes.sfloat("mean pressure")?;
    let stamp = bytes.when(flags & STAMPED != 0, clock::stamp)?;
    let pulse = bytes.when(flags & PULSE != 0, |bytes| bytes.sfloat("pulse rate"))?;
    bytes.when(flags & USER != 0, |bytes| bytes.u8("user"))?;
    let status = bytes.when(flags & STATUS != 0, |bytes| bytes.u16("status"))?.unwrap_or(0);
    if systolic.is_nan() || diastolic.is_nan() {
        return Err(value_missing("the cuff found no systolic or no diastolic pressure"));
    }
    let unit = if flags & KILOPASCAL == 0 { "mm[Hg]" } else { "kPa" }.to_owned();
    let components = Some(Components { systolic, diastolic });
    let mut readings = vec![Reading { components, unit, ..frame.reading("blood_pressure") }];
    readings.extend(pulse.filter(|pulse| !pulse.is_nan()).map(|pulse| frame.number("heart_rate", pulse, "/min")));
    for (_, word) in DOUBTS.iter().filter(|(bit, _)| status & bit != 0) {
        readings.iter_mut().for_each(|reading| doubt(reading, word));
    }
    readings.into_iter().map(|reading| place(reading, stamp.as_ref(), frame)).collect()
}
