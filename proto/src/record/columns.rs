//! The samples of a series as columns: times and numbers as differences, so that a steady stream takes few bytes each.

use painwatch_domain::{EventTime, Flags, Measure, Sample, Shape, Value};

use super::RecordError;
use crate::journal::v1 as pb;

/// Marks a sample without an end in `duration_ms`.
const NO_END: i64 = -1;

pub(super) fn encode(samples: &[Sample], out: &mut pb::Series) {
    out.device_time_ms = differences(samples.iter().map(|sample| sample.device_time));
    out.clock_correction_ms =
        unless_all(0, samples.iter().map(|sample| sample.time.0.wrapping_sub(sample.device_time)));
    out.duration_ms = unless_all(NO_END, samples.iter().map(duration));
    out.flags = unless_all(0, samples.iter().map(|sample| u32::from(sample.flags.0)));
    encode_values(samples, out);
}

fn duration(sample: &Sample) -> i64 {
    sample.end.map_or(NO_END, |end| end.wrapping_sub(sample.device_time))
}

fn encode_values(samples: &[Sample], out: &mut pb::Series) {
    let (mut number, mut diastolic) = (Differences::default(), Differences::default());
    let mut units = Vec::new();
    for (nth, sample) in (0u32..).zip(samples) {
        match &sample.value {
            Value::Number(value) => out.number.push(number.next(*value)),
            Value::Pressure { systolic, diastolic: lower } => {
                out.number.push(number.next(*systolic));
                out.diastolic.push(diastolic.next(*lower));
            }
            Value::Code(code) => out.code.push(code.to_string()),
            Value::Dose { amount, unit } => {
                if amount.is_none() {
                    out.dose_without_amount.push(nth);
                }
                out.number.push(number.next(amount.unwrap_or(0)));
                units.push(unit.to_string());
            }
        }
    }
    if units.iter().any(|unit| !unit.is_empty()) {
        out.dose_unit = units;
    }
}

pub(super) fn decode(measure: Measure, message: &pb::Series) -> Result<Vec<Sample>, RecordError> {
    let count = message.device_time_ms.len();
    let optional = |column, found| if found == 0 { Ok(()) } else { expect_length(measure, column, found, count) };
    optional("clock_correction_ms", message.clock_correction_ms.len())?;
    optional("duration_ms", message.duration_ms.len())?;
    optional("flags", message.flags.len())?;

    let mut values = Values::new(measure, message, count)?;
    let mut time = Sum::default();
    let mut samples = Vec::with_capacity(count);
    for (nth, difference) in message.device_time_ms.iter().enumerate() {
        let device_time = time.next(*difference);
        let correction = message.clock_correction_ms.get(nth).copied().unwrap_or(0);
        samples.push(Sample {
            time: EventTime(device_time.wrapping_add(correction)),
            device_time,
            end: end(device_time, message.duration_ms.get(nth).copied().unwrap_or(NO_END))?,
            value: values.next(nth),
            flags: flags(message.flags.get(nth).copied().unwrap_or(0))?,
        });
    }
    Ok(samples)
}

pub(super) fn expect_length(
    measure: Measure,
    column: &'static str,
    found: usize,
    samples: usize,
) -> Result<(), RecordError> {
    if found == samples {
        return Ok(());
    }
    Err(RecordError::ColumnLength { measure: measure.name(), column, found, samples })
}

fn end(device_time: i64, duration: i64) -> Result<Option<i64>, RecordError> {
    match duration {
        NO_END => Ok(None),
        0.. => Ok(Some(device_time.wrapping_add(duration))),
        found => Err(RecordError::OutOfRange { field: "duration_ms", found }),
    }
}

fn flags(bits: u32) -> Result<Flags, RecordError> {
    let narrow = u16::try_from(bits).map_err(|_| RecordError::OutOfRange { field: "flags", found: bits.into() })?;
    Ok(Flags(narrow))
}

/// Reads the value columns side by side. Their lengths are checked once, before the first sample.
struct Values<'a> {
    shape: Shape,
    message: &'a pb::Series,
    number: Sum,
    diastolic: Sum,
    without_amount: std::iter::Peekable<std::slice::Iter<'a, u32>>,
}

impl<'a> Values<'a> {
    fn new(measure: Measure, message: &'a pb::Series, count: usize) -> Result<Self, RecordError> {
        let shape = measure.spec().shape;
        let is = |wanted: bool| if wanted { count } else { 0 };
        let dose_units = is(shape == Shape::Dose && !message.dose_unit.is_empty());
        expect_length(measure, "number", message.number.len(), is(shape != Shape::Code))?;
        expect_length(measure, "diastolic", message.diastolic.len(), is(shape == Shape::Panel))?;
        expect_length(measure, "code", message.code.len(), is(shape == Shape::Code))?;
        expect_length(measure, "dose_unit", message.dose_unit.len(), dose_units)?;
        let without_amount = message.dose_without_amount.iter().peekable();
        Ok(Self { shape, message, number: Sum::default(), diastolic: Sum::default(), without_amount })
    }

    fn next(&mut self, nth: usize) -> Value {
        match self.shape {
            Shape::Spot | Shape::Interval => Value::Number(self.number.next(self.message.number[nth])),
            Shape::Panel => Value::Pressure {
                systolic: self.number.next(self.message.number[nth]),
                diastolic: self.diastolic.next(self.message.diastolic[nth]),
            },
            Shape::Code => Value::Code(self.message.code[nth].as_str().into()),
            Shape::Dose => self.dose(nth),
        }
    }

    fn dose(&mut self, nth: usize) -> Value {
        let amount = self.number.next(self.message.number[nth]);
        let absent = self.without_amount.next_if(|position| **position as usize == nth).is_some();
        let unit = self.message.dose_unit.get(nth).map_or("", String::as_str);
        Value::Dose { amount: (!absent).then_some(amount), unit: unit.into() }
    }
}

/// Turns values into differences; wraps, so that no input is lost.
#[derive(Default)]
struct Differences(i64);

impl Differences {
    fn next(&mut self, value: i64) -> i64 {
        let difference = value.wrapping_sub(self.0);
        self.0 = value;
        difference
    }
}

/// Turns differences back into values.
#[derive(Default)]
struct Sum(i64);

impl Sum {
    fn next(&mut self, difference: i64) -> i64 {
        self.0 = self.0.wrapping_add(difference);
        self.0
    }
}

fn differences(values: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut last = Differences::default();
    values.map(|value| last.next(value)).collect()
}

fn unless_all<T: PartialEq>(usual: T, values: impl Iterator<Item = T> + Clone) -> Vec<T> {
    if values.clone().all(|value| value == usual) { Vec::new() } else { values.collect() }
}
