//! What the server's books must say after a sequence of payloads: a model of semantics 1, 2, 4 and 6, kept apart from the
//! code that does the real accounting so that the two can be compared. It knows nothing of receipt times: payloads whose
//! verdict depends on them (far future, before 2000) do not belong in a ledger.

use std::collections::HashMap;
use std::sync::Arc;

use painwatch_domain::ids::{DeviceId, MedicationId};
use painwatch_domain::measure::{DIASTOLIC, PULSE_PRESSURE_MIN, STEPS_PER_MIN_MAX, SYSTOLIC, Shape};
use painwatch_domain::reading::{Dose, DoseEvent};
use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, parse_stamp};
use painwatch_domain::{EventTime, Measure, Meta, Series, Status, Value, Zone, unit};
use painwatch_proto::ingest::v1::Reading;
use serde::{Deserialize, Serialize};

use crate::outgoing::{Payload, sample_count};

/// The books, and how many identities they speak of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    pub submitted: u64,
    pub stored: u64,
    pub duplicate: u64,
    pub conflict: u64,
    pub quarantined: u64,
    pub identities: u64,
}

#[derive(Default)]
pub struct Ledger {
    books: Books,
    texts: HashMap<Arc<str>, u32>,
    zones: HashMap<String, Option<Zone>>,
    kept: HashMap<Key, Vec<(Value, i64)>>,
}

/// Semantics 2, with texts as small numbers. A gateway's own id stands in `text` alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    device: u32,
    measure: Option<Measure>,
    time: i64,
    end: Option<i64>,
    text: u32,
}

/// Why an entry would be refused; the model needs no more than that.
struct Refused;

impl Ledger {
    pub fn books(&self) -> Books {
        Books { identities: self.kept.len() as u64, ..self.books }
    }

    pub fn submit(&mut self, payload: &Payload) {
        match payload {
            Payload::Batch(batch) => batch.readings.iter().for_each(|reading| self.submit_reading(reading)),
            Payload::Raw(_) => {
                self.books.submitted += 1;
                self.books.quarantined += 1;
            }
        }
    }

    pub fn submit_reading(&mut self, reading: &Reading) {
        let count = sample_count(reading);
        self.books.submitted += count;
        if self.judge(reading).is_err() {
            self.books.quarantined += count;
        }
    }

    fn judge(&mut self, reading: &Reading) -> Result<(), Refused> {
        let measure = Measure::parse(&reading.measure).ok_or(Refused)?;
        let (start, end) = self.span(reading)?;
        let (key, status) = self.key(reading, measure)?;
        if reading.values.is_empty() {
            let value = single_value(reading, measure)?;
            if too_fast(measure, &value, start, end) {
                return Err(Refused);
            }
            self.keep(Key { time: start, end, ..key }, value, reading.revision, status);
            return Ok(());
        }
        for (position, &raw) in reading.values.iter().enumerate().filter(|(_, raw)| !raw.is_nan()) {
            let offset =
                reading.offsets_ms.get(position).copied().unwrap_or(position as i64 * reading.period_ms.unwrap_or(0));
            let time = start + offset;
            let end = reading.period_ms.filter(|_| measure.spec().shape == Shape::Interval).map(|period| time + period);
            match number(measure, raw, &reading.unit) {
                Ok(value) if !too_fast(measure, &value, time, end) => {
                    self.keep(Key { time, end, ..key }, value, reading.revision, status)
                }
                _ => self.books.quarantined += 1,
            }
        }
        Ok(())
    }

    fn keep(&mut self, key: Key, value: Value, revision: i64, status: Status) {
        let kept = self.kept.entry(key).or_default();
        if let Some((_, known)) = kept.iter_mut().find(|(known, _)| *known == value) {
            *known = revision.max(*known);
            self.books.duplicate += 1;
        } else if status == Status::Final && kept.iter().any(|(_, known)| *known == revision) {
            self.books.conflict += 1;
            kept.push((value, revision));
        } else {
            self.books.stored += 1;
            kept.push((value, revision));
        }
    }

    fn key(&mut self, reading: &Reading, measure: Measure) -> Result<(Key, Status), Refused> {
        let status =
            if reading.status.is_empty() { Status::Final } else { Status::parse(&reading.status).ok_or(Refused)? };
        let device = self.text(&format!("device {}", reading.device));
        let key = if reading.id.is_empty() {
            let text = self.text(&format!("discriminator {}", discriminator(reading, measure)?));
            Key { device, measure: Some(measure), time: 0, end: None, text }
        } else {
            Key { device, measure: None, time: 0, end: None, text: self.text(&format!("id {}", reading.id)) }
        };
        Ok((key, status))
    }

    fn text(&mut self, text: &str) -> u32 {
        if let Some(&known) = self.texts.get(text) {
            return known;
        }
        let next = self.texts.len() as u32;
        self.texts.insert(text.into(), next);
        next
    }

    /// Claimed time and end in UTC milliseconds; a bare date spans its local day.
    fn span(&mut self, reading: &Reading) -> Result<(i64, Option<i64>), Refused> {
        if !reading.id.is_empty() {
            return Ok((0, None));
        }
        let start = match reading.time_ms {
            Some(ms) => ms,
            None => self.utc_ms(&reading.time, &reading.zone)?,
        };
        let end = match (reading.end_time_ms, reading.end_time.as_str()) {
            (Some(ms), _) => Some(ms),
            (None, "") if reading.time_ms.is_none() && !reading.time.contains(['T', ' ']) => {
                let zone = self.zone(&reading.zone).ok_or(Refused)?;
                let day = zone.local_day(EventTime(start + DAY_MS / 2));
                Some(zone.day_start(day.plus(1)).ms())
            }
            (None, "") => None,
            (None, text) => Some(self.utc_ms(text, &reading.zone)?),
        };
        if end.is_some_and(|end| end < start) { Err(Refused) } else { Ok((start, end)) }
    }

    fn utc_ms(&mut self, text: &str, zone: &str) -> Result<i64, Refused> {
        let zone = self.zone(zone).ok_or(Refused)?;
        parse_stamp(text, zone).map(|stamp| stamp.utc_ms).map_err(|_| Refused)
    }

    fn zone(&mut self, name: &str) -> Option<&Zone> {
        let name = if name.is_empty() { "UTC" } else { name };
        self.zones.entry(name.to_owned()).or_insert_with(|| Zone::parse(name).ok()).as_ref()
    }
}

fn optional(text: &str) -> Option<Box<str>> {
    if text.is_empty() { None } else { Some(text.into()) }
}

fn discriminator(reading: &Reading, measure: Measure) -> Result<String, Refused> {
    let dose = if measure == Measure::MedicationEvent {
        let medication = MedicationId::parse(&reading.medication).map_err(|_| Refused)?;
        Some(Dose { medication, event: DoseEvent::parse(&reading.event).ok_or(Refused)?, scheduled_for: None })
    } else {
        None
    };
    let meta = Meta {
        body_site: optional(&reading.body_site),
        laterality: optional(&reading.laterality),
        recall: optional(&reading.recall),
        instrument: optional(&reading.instrument),
        algorithm: optional(&reading.algorithm),
        dose,
        ..Meta::default()
    };
    let device = DeviceId::parse(&reading.device).map_err(|_| Refused)?;
    Ok(Series { device, measure, meta, samples: Vec::new() }.discriminator())
}

fn single_value(reading: &Reading, measure: Measure) -> Result<Value, Refused> {
    match measure.spec().shape {
        Shape::Code => optional(&reading.code).map(Value::Code).ok_or(Refused),
        Shape::Dose => {
            let amount = reading.value.map(|value| (value * 1_000.0).round() as i64);
            Ok(Value::Dose { amount, unit: unit::alias(&reading.unit).into() })
        }
        Shape::Panel => {
            let panel = reading.components.ok_or(Refused)?;
            let convert = |value| canonical(measure, value, &reading.unit);
            let (systolic, diastolic) = (convert(panel.systolic)?, convert(panel.diastolic)?);
            let inside = |value: f64, (low, high): (f64, f64)| (low..=high).contains(&value);
            if inside(systolic, SYSTOLIC.0)
                && inside(diastolic, DIASTOLIC.0)
                && systolic - diastolic >= PULSE_PRESSURE_MIN
            {
                Ok(Value::Pressure { systolic: measure.to_scaled(systolic), diastolic: measure.to_scaled(diastolic) })
            } else {
                Err(Refused)
            }
        }
        Shape::Spot | Shape::Interval => number(measure, reading.value.ok_or(Refused)?, &reading.unit),
    }
}

fn canonical(measure: Measure, value: f64, given: &str) -> Result<f64, Refused> {
    let expected = measure.spec().unit;
    // A count has but one unit, and may leave it out.
    let given = if given.is_empty() && expected.starts_with('{') { expected } else { unit::alias(given) };
    let conversion = unit::conversion(given, expected).ok_or(Refused)?;
    Ok(conversion.apply(value))
}

fn number(measure: Measure, raw: f64, given: &str) -> Result<Value, Refused> {
    let value = canonical(measure, raw, given)?;
    let (low, high) = measure.spec().reject;
    if value.is_finite() && (low..=high).contains(&value) {
        Ok(Value::Number(measure.to_scaled(value)))
    } else {
        Err(Refused)
    }
}

/// More steps a minute than legs can make, claimed for an hour or less.
fn too_fast(measure: Measure, value: &Value, start: i64, end: Option<i64>) -> bool {
    let (Measure::StepCount, Some(steps), Some(end)) = (measure, value.number(), end) else { return false };
    let length = end - start;
    length <= HOUR_MS && steps as f64 * MINUTE_MS as f64 > STEPS_PER_MIN_MAX * length as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(value: f64, revision: i64) -> Reading {
        Reading {
            device: "d".into(),
            measure: "step_count".into(),
            time: "2016-04-12T00:00:00".into(),
            end_time: "2016-04-13T00:00:00".into(),
            zone: "America/New_York".into(),
            value: Some(value),
            unit: "{steps}".into(),
            revision,
            ..Reading::default()
        }
    }

    fn books_of(readings: &[Reading]) -> Books {
        let mut ledger = Ledger::default();
        readings.iter().for_each(|reading| ledger.submit_reading(reading));
        ledger.books()
    }

    #[test]
    fn semantics_4_a_greater_revision_is_a_version_the_same_value_a_duplicate_and_the_same_revision_a_conflict() {
        let books = books_of(&[reading(224.0, 1), reading(13_162.0, 2), reading(224.0, 3), reading(9.0, 2)]);
        assert_eq!(books, Books { submitted: 4, stored: 2, duplicate: 1, conflict: 1, quarantined: 0, identities: 1 });
    }

    #[test]
    fn semantics_2_each_sample_of_a_packed_series_is_the_reading_it_would_be_alone() {
        let minute = |time: &str, end: &str| Reading { time: time.into(), end_time: end.into(), ..reading(5.0, 0) };
        let packed = Reading {
            time: "2016-04-12T00:00:00".into(),
            end_time: String::new(),
            value: None,
            values: vec![5.0, f64::NAN, 5.0],
            period_ms: Some(60_000),
            ..reading(0.0, 0)
        };
        let alone = [
            minute("2016-04-12T00:00:00", "2016-04-12T00:01:00"),
            minute("2016-04-12T00:02:00", "2016-04-12T00:03:00"),
        ];
        let books = books_of(&[packed, alone[0].clone(), alone[1].clone()]);
        assert_eq!((books.stored, books.duplicate), (2, 2));
    }

    #[test]
    fn semantics_6_unknown_units_and_impossible_values_are_quarantined() {
        let furlong = Reading { unit: "furlong".into(), ..reading(1.0, 0) };
        let minute = Reading { end_time: "2016-04-12T00:01:00".into(), ..reading(301.0, 0) };
        let books = books_of(&[furlong, minute, reading(-1.0, 0)]);
        assert_eq!((books.quarantined, books.stored), (3, 0));
    }
}
