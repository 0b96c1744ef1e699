//! Intake as a whole: the rules of semantics by name, and everything at once against a model.

mod model;
mod rules;
mod sequence;
mod size;

use painwatch_domain::reading::{Dose, DoseEvent, Mode};
use painwatch_domain::roster::Pairing;
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{
    BatchVerdict, Class, DeviceId, EventTime, Flags, Measure, MedicationId, Meta, PatientId, ProblemCode, ReadingId,
    Roster, Sample, Series, Status, TenantId, Value,
};

use super::*;

/// 2026-03-01T00:00:00Z.
pub const DAY_START: i64 = 20_513 * DAY_MS;

/// A cache over a store that loses nothing, and all that intake said.
#[derive(Default)]
pub struct Bench {
    pub cache: BlockCache,
    pub store: std::collections::HashMap<String, Vec<u8>>,
    pub roster: Roster,
    pub tally: BatchVerdict,
    pub changes: Vec<Change>,
}

impl Bench {
    pub fn load(&mut self, keys: Vec<BlockKey>) {
        for key in keys {
            let stored = self.store.get(&key.to_string());
            self.cache.load(key, stored.map(Vec::as_slice)).unwrap();
        }
    }

    /// Takes a series in and returns what it changed.
    pub fn take(&mut self, series: &Series, sent_at: Option<i64>) -> &[Change] {
        let tenant = TenantId::default();
        loop {
            match missing(&self.cache, &tenant, series) {
                none if none.is_empty() => break,
                keys => self.load(keys),
            }
        }
        let incoming = incoming(&tenant, series, sent_at);
        let before = self.changes.len();
        handle(&mut self.cache, &self.roster, &incoming, &mut self.changes, &mut self.tally).unwrap();
        &self.changes[before..]
    }

    /// Writes everything out and forgets it.
    pub fn restart(&mut self) {
        self.store.extend(self.cache.take_changed().into_iter().map(|(key, bytes)| (key.to_string(), bytes)));
        self.cache.evict(0);
        assert!(self.cache.is_empty());
    }

    pub fn effective(&mut self, series: &Series, from: i64, to: i64) -> Vec<EffectiveReading> {
        let (tenant, from, to) = (TenantId::default(), EventTime(from), EventTime(to));
        loop {
            match self.cache.missing_for(&tenant, &series.device, series.measure, from, to) {
                none if none.is_empty() => break,
                keys => self.load(keys),
            }
        }
        self.cache.effective(&tenant, &series.device, series.measure, from, to)
    }

    pub fn counts(&self) -> (u64, u64, u64) {
        (self.tally.stored, self.tally.duplicate, self.tally.conflict)
    }
}

pub fn incoming<'a>(tenant: &'a TenantId, series: &'a Series, sent_at: Option<i64>) -> Incoming<'a> {
    let packed = series.samples.len() > 1;
    Incoming { tenant, series, sent_at, mode: Mode::Live, index: 0, packed, positions: &[] }
}

pub fn sample(at: i64, value: Value) -> Sample {
    let device_time = DAY_START + at;
    Sample { time: EventTime(device_time), device_time, end: None, value, flags: Flags::default() }
}

pub fn series(measure: Measure, samples: Vec<Sample>) -> Series {
    Series { device: DeviceId::parse("watch-0001").unwrap(), measure, meta: Meta::default(), samples }
}

pub fn heart_rate(at: i64, bpm: &[i64]) -> Series {
    let samples = bpm.iter().zip(0..).map(|(bpm, place)| sample(at + place * 5_000, Value::Number(bpm * 1_000)));
    series(Measure::HeartRate, samples.collect())
}

pub fn with(series: Series, change: impl FnOnce(&mut Meta)) -> Series {
    let mut series = series;
    change(&mut series.meta);
    series
}

pub fn dose(at: i64, amount: i64) -> Series {
    let value = Value::Dose { amount: Some(amount), unit: "{tablet}".into() };
    let medication = MedicationId::parse("oxycodone-5mg").unwrap();
    let dose = Dose { medication, event: DoseEvent::Taken, scheduled_for: Some(EventTime(DAY_START)) };
    with(series(Measure::MedicationEvent, vec![sample(at, value)]), |meta| meta.dose = Some(dose))
}

pub fn patient(name: &str) -> PatientId {
    PatientId::parse(name).unwrap()
}

pub fn pairing(name: &str, from: i64, until: Option<i64>) -> Pairing {
    let device = DeviceId::parse("watch-0001").unwrap();
    let at = |offset| EventTime(DAY_START + offset);
    Pairing { device, patient: patient(name), from: at(from), until: until.map(at) }
}
