//! PLX Spot-Check Measurement, 2A5E, and PLX Continuous Measurement, 2A5F: saturation and pulse rate.

use painwatch_domain::ProblemCode;
use painwatch_proto::ingest::v1::Reading;

use super::super::value_missing;
use super::bytes::Bytes;
use super::clock::{self, Stamp, place};
use super::{Frame, doubt};
use crate::reading::Refusal;

const SPOT_STAMPED: u8 = 1;
const SPOT_STATUS: u8 = 1 << 1;
const SPOT_SENSOR: u8 = 1 << 2;
const SPOT_AMPLITUDE: u8 = 1 << 3;
const SPOT_CLOCK_NOT_SET: u8 = 1 << 4;

const FAST: u8 = 1;
const SLOW: u8 = 1 << 1;
const STATUS: u8 = 1 << 2;
const SENSOR: u8 = 1 << 3;
const AMPLITUDE: u8 = 1 << 4;

/// Measurement Status: what makes a value none, and what makes it doubtful.
const NO_VALUE: [(u32, &str); 5] = [
    (1 << 10, "data for demonstration"),
    (1 << 11, "data for testing"),
    (1 << 12, "calibration is going on"),
    (1 << 13, "the measurement is unavailable"),
    (1 << 15, "an invalid measurement"),
];
const DOUBTFUL: [(u32, &str); 3] =
    [(1 << 5, "measurement_ongoing"), (1 << 6, "early_estimate"), (1 << 14, "questionable")];
const FROM_MEMORY: u32 = 1 << 9;

/// Device and Sensor Status, likewise.
const NO_SENSOR: [(u32, &str); 4] = [
    (1 << 1, "the equipment malfunctions"),
    (1 << 11, "the sensor is not on the person"),
    (1 << 14, "the sensor malfunctions"),
    (1 << 15, "the sensor is disconnected"),
];
const SENSOR_DOUBTFUL: [(u32, &str); 9] = [
    (1 << 2, "signal_irregular"),
    (1 << 3, "signal_inadequate"),
    (1 << 4, "signal_poor"),
    (1 << 5, "perfusion_low"),
    (1 << 6, "signal_erratic"),
    (1 << 7, "signal_nonpulsatile"),
    (1 << 8, "pulse_questionable"),
    (1 << 10, "sensor_interference"),
    (1 << 13, "sensor_displaced"),
];

/// What was measured, and what the device says about it.
struct Measured {
    saturation: f64,
    pulse: f64,
    status: u32,
    sensor: u32,
}

impl Measured {
    fn readings(&self, frame: &Frame) -> Result<Vec<Reading>, Refusal> {
        let against = |list: &[(u32, &'static str)], bits: u32| list.iter().find(|(bit, _)| bits & bit != 0).copied();
        if let Some((_, why)) = against(&NO_VALUE, self.status).or_else(|| against(&NO_SENSOR, self.sensor)) {
            return Err(value_missing(format!("the oximeter says: {why}")));
        }
        let parts = [("oxygen_saturation", self.saturation, "%"), ("heart_rate", self.pulse, "/min")];
        let known = parts.into_iter().filter(|(_, value, _)| !value.is_nan());
        let mut readings: Vec<_> = known.map(|(measure, value, unit)| frame.number(measure, value, unit)).collect();
        let words =
            |list: &'static [(u32, &'static str)], bits: u32| list.iter().filter(move |(bit, _)| bits & bit != 0);
        for (_, word) in words(&DOUBTFUL, self.status).chain(words(&SENSOR_DOUBTFUL, self.sensor)) {
            readings.iter_mut().for_each(|reading| doubt(reading, word));
        }
        if readings.is_empty() {
            return Err(value_missing("the oximeter found neither a saturation nor a pulse"));
        }
        Ok(readings)
    }
}

pub(super) fn spot_check(bytes: &mut Bytes<'_>, frame: &Frame) -> Result<Vec<Reading>, Refusal> {
    let flags = bytes.u8("flags")?;
    let (saturation, pulse) = (bytes.sfloat("saturation")?, bytes.sfloat("pulse rate")?);
    let stamp = bytes.when(flags & SPOT_STAMPED != 0, clock::stamp)?;
    let status = bytes.when(flags & SPOT_STATUS != 0, |bytes| bytes.u16("measurement status"))?;
    let sensor = bytes.when(flags & SPOT_SENSOR != 0, |bytes| bytes.u24("sensor status"))?;
    bytes.when(flags & SPOT_AMPLITUDE != 0, |bytes| bytes.sfloat("pulse amplitude"))?;
    let measured = Measured { saturation, pulse, status: u32::from(status.unwrap_or(0)), sensor: sensor.unwrap_or(0) };
    let stamp = if flags & SPOT_CLOCK_NOT_SET == 0 { stamp } else { Some(Stamp::Unknown) };
    if stamp == Some(Stamp::Unknown) && measured.status & FROM_MEMORY != 0 {
        let detail = "out of the oximeter's memory, and its clock is not set: set it, or delete what it remembers";
        return Err(Refusal::new(ProblemCode::ClockNotSet, detail));
    }
    let readings = measured.readings(frame)?;
    readings.into_iter().map(|reading| place(reading, stamp.as_ref(), frame)).collect()
}

pub(super) fn continuous(bytes: &mut Bytes<'_>, frame: &Frame) -> Result<Vec<Reading>, Refusal> {
    let flags = bytes.u8("flags")?;
    let (saturation, pulse) = (bytes.sfloat("saturation")?, bytes.sfloat("pulse rate")?);
    // The same again, averaged over less or more time.
    bytes.when(flags & FAST != 0, |bytes| bytes.take::<4>("fast values"))?;
    bytes.when(flags & SLOW != 0, |bytes| bytes.take::<4>("slow values"))?;
    let status = bytes.when(flags & STATUS != 0, |bytes| bytes.u16("measurement status"))?;
    let sensor = bytes.when(flags & SENSOR != 0, |bytes| bytes.u24("sensor status"))?;
    bytes.when(flags & AMPLITUDE != 0, |bytes| bytes.sfloat("pulse amplitude"))?;
    let measured = Measured { saturation, pulse, status: u32::from(status.unwrap_or(0)), sensor: sensor.unwrap_or(0) };
    measured.readings(frame)?.into_iter().map(|reading| place(reading, None, frame)).collect()
}
