//! What the people of the clinic measure and report, and what their gateways send when: a function of the seed. It holds
//! what intake has to tell apart (repeats, corrections, contradictions, impossible values, devices nobody wears) and what
//! the rules have to find (oxygen at night, missed doses, pain, weight).

use painwatch_domain::time::{DAY_MS, MINUTE_MS, SECOND_MS, format_utc};
use painwatch_domain::{LocalDay, Measure, Zone};
use painwatch_gateway::outgoing::{Payload, Protocol, Step};
use painwatch_proto::ingest::v1::{Mode, Reading, ReadingBatch};

use crate::clinic::{AS_NEEDED, PATIENTS, SCHEDULED, START_DAY, STRAY_DEVICE, device, gateway};
use crate::dice::Dice;

/// At night, when oxygen matters, a gateway sends every quarter of an hour; by day once an hour.
const NIGHT_WINDOW_MS: i64 = 15 * MINUTE_MS;
const DAY_WINDOW_MS: i64 = 60 * MINUTE_MS;

/// Only single readings are.
pub const NEVER_CORRECTED: [Measure; 2] = [Measure::OxygenSaturation, Measure::RespiratoryRate];

/// Everything one gateway will send, in order.
pub struct Story {
    pub gateway: String,
    pub steps: Vec<Step>,
}

/// The stories of all gateways over `days` local days.
pub fn stories(seed: u64, days: i32) -> Vec<Story> {
    (0..PATIENTS.len()).map(|number| Writer::new(seed, number).write(days)).collect()
}

struct Writer {
    number: usize,
    zone: Zone,
    dice: Dice,
    protocol: Protocol,
    steps: Vec<Step>,
    batches: u32,
    /// Single readings sent before, which later ones repeat, correct or contradict.
    told: Vec<Reading>,
    revisions: i64,
}

/// Half-open, UTC milliseconds.
type Span = (i64, i64);

impl Writer {
    fn new(seed: u64, number: usize) -> Self {
        let dice = Dice::new(seed, &format!("person {number}"));
        let protocol = if dice.chance(0.5) { Protocol::Mqtt } else { Protocol::Grpc };
        let zone = Zone::parse(PATIENTS[number].zone).expect("a zone of the bundled database");
        Self { number, zone, dice, protocol, steps: Vec::new(), batches: 0, told: Vec::new(), revisions: 0 }
    }

    fn write(mut self, days: i32) -> Story {
        self.history();
        let gains = self.dice.between(0, 4);
        for day in 0..days {
            self.day(START_DAY.plus(day), i64::from(day).min(gains) as f64 * 0.9);
        }
        Story { gateway: gateway(self.number), steps: self.steps }
    }

    /// What the phone and the scale still held from before: imported, never paged.
    fn history(&mut self) {
        let start = self.zone.day_start(START_DAY).ms();
        let days = (1..=3).map(|back| START_DAY.plus(-back));
        let readings: Vec<Reading> =
            days.flat_map(|day| [self.weight(day, 0.0), self.pain(day, 9 * 60, false)]).collect();
        self.send(start + MINUTE_MS, Mode::Historical, readings);
    }

    fn day(&mut self, day: LocalDay, gained_kg: f64) {
        let (start, end) = (self.zone.day_start(day).ms(), self.zone.day_start(day.plus(1)).ms());
        let low_oxygen = self.low_oxygen(start, end);
        let mut spots = self.spots(day, gained_kg);
        spots.sort_by_key(|reading| reading.time_ms);
        let mut at = start;
        while at < end {
            let night = self.is_night(at);
            let until = (at + if night { NIGHT_WINDOW_MS } else { DAY_WINDOW_MS }).min(end);
            let mut readings = self.packed((at, until), night, low_oxygen);
            readings.extend(
                spots.iter().filter(|spot| spot.time_ms.is_some_and(|time| (at..until).contains(&time))).cloned(),
            );
            self.trouble(at, &mut readings);
            self.send(until + self.dice.between(1, 20) * SECOND_MS, Mode::Live, readings);
            at = until;
        }
    }

    fn is_night(&self, at: i64) -> bool {
        !(6 * 60..22 * 60).contains(&self.zone.minute_of_day(painwatch_domain::EventTime(at)))
    }

    /// Some minutes of the early night, on two nights of five.
    fn low_oxygen(&self, start: i64, end: i64) -> Span {
        let from = start + self.dice.between(30, 300) * MINUTE_MS;
        let length = if self.dice.chance(0.4) { self.dice.between(2, 40) * MINUTE_MS } else { 0 };
        (from, (from + length).min(end))
    }

    fn packed(&self, window: Span, night: bool, low_oxygen: Span) -> Vec<Reading> {
        let dice = &self.dice;
        let mut readings = Vec::new();
        let heart = if night { 58.0 } else { 76.0 };
        readings.extend(self.series("watch", "heart_rate", 10 * MINUTE_MS, window, |_| heart + dice.real(-6.0, 6.0)));
        if night {
            let depressed = |at| (low_oxygen.0..low_oxygen.1).contains(&at);
            let oxygen = |at| if depressed(at) { dice.real(82.0, 88.0) } else { dice.real(94.0, 98.0) };
            readings.extend(self.series("oximeter", "oxygen_saturation", MINUTE_MS, window, oxygen));
            let breaths = |at| if depressed(at) { dice.real(6.0, 8.0) } else { dice.real(12.0, 17.0) };
            readings.extend(self.series("oximeter", "respiratory_rate", 5 * MINUTE_MS, window, breaths));
        } else {
            readings.extend(self.series("watch", "step_count", 15 * MINUTE_MS, window, |_| dice.real(0.0, 400.0)));
        }
        readings
    }

    /// Samples at multiples of `period` within the window, some of them missing; nothing where the device was taken off.
    fn series(
        &self,
        kind: &str,
        measure: &str,
        period: i64,
        window: Span,
        value: impl Fn(i64) -> f64,
    ) -> Option<Reading> {
        let first = window.0.div_euclid(period) * period + if window.0.rem_euclid(period) == 0 { 0 } else { period };
        let times = (first..window.1).step_by(usize::try_from(period).unwrap_or(1));
        let sample = |at| if self.dice.chance(0.02) { f64::NAN } else { value(at).round() };
        let values: Vec<f64> = times.map(sample).collect();
        let worn = !self.dice.chance(0.03) && values.iter().any(|value| !value.is_nan());
        let reading =
            Reading { values, value: None, period_ms: Some(period), ..self.reading(kind, measure, first, 0.0) };
        worn.then_some(reading)
    }

    fn reading(&self, kind: &str, measure: &str, at: i64, value: f64) -> Reading {
        let unit = Measure::parse(measure).map_or("", |measure| measure.spec().unit);
        Reading {
            device: device(self.number, kind),
            measure: measure.to_owned(),
            time_ms: Some(at),
            value: Some(value),
            unit: unit.to_owned(),
            ..Reading::default()
        }
    }

    fn spots(&self, day: LocalDay, gained_kg: f64) -> Vec<Reading> {
        let mut spots = vec![self.weight(day, gained_kg)];
        let flare = self.dice.chance(0.3);
        spots.extend([9, 14, 20].map(|hour| self.pain(day, hour * 60, flare)));
        for due in [8 * 60, 20 * 60] {
            if !self.dice.chance(0.3) {
                let taken = self.minute(day, due, 40);
                spots.push(self.dose(SCHEDULED, taken, format_utc(self.zone.at(day, due).ms())));
            }
        }
        if self.dice.chance(0.4) {
            spots.push(self.dose(AS_NEEDED, self.minute(day, 22 * 60, 60), String::new()));
        }
        spots
    }

    fn minute(&self, day: LocalDay, minute: u32, spread: i64) -> i64 {
        self.zone.at(day, minute).ms() + self.dice.between(0, spread) * MINUTE_MS
    }

    fn weight(&self, day: LocalDay, gained_kg: f64) -> Reading {
        let kg = 61.0 + 9.0 * self.number as f64 + gained_kg + self.dice.real(-0.1, 0.1);
        self.reading("scale", "body_weight", self.minute(day, 7 * 60, 20), (kg * 10.0).round() / 10.0)
    }

    fn pain(&self, day: LocalDay, minute: u32, flare: bool) -> Reading {
        let score = if flare { self.dice.real(6.6, 10.0) } else { self.dice.real(1.0, 4.0) };
        let mut reading = self.reading("phone", "pain_nrs", self.minute(day, minute, 25), score.round());
        "lower_back".clone_into(&mut reading.body_site);
        "self_reported".clone_into(&mut reading.modality);
        "now".clone_into(&mut reading.recall);
        reading.prompted = Some(true);
        reading
    }

    fn dose(&self, medication: &str, at: i64, scheduled_for: String) -> Reading {
        let mut reading = self.reading("cap", "medication_event", at, 1.0);
        "{tablet}".clone_into(&mut reading.unit);
        "taken".clone_into(&mut reading.event);
        medication.clone_into(&mut reading.medication);
        reading.scheduled_for = scheduled_for;
        reading
    }

    /// What a batch holds beside the plain truth.
    fn trouble(&mut self, at: i64, readings: &mut Vec<Reading>) {
        let singles: Vec<Reading> = readings.iter().filter(|reading| reading.values.is_empty()).cloned().collect();
        let earlier = self.dice.pick(&self.told).cloned();
        if let Some(reading) = earlier {
            if self.dice.chance(0.06) {
                readings.push(reading.clone());
            }
            if self.dice.chance(0.04) {
                readings.push(Reading { value: reading.value.map(|value| value + 1.0), ..reading.clone() });
            }
            if self.dice.chance(0.04) {
                self.revisions += 1;
                let (value, status) = (Some(2.0 + self.revisions as f64 / 8.0), "corrected".to_owned());
                let weight = if reading.measure == "body_weight" { 61.0 } else { 0.0 };
                let value = value.map(|value| value + weight);
                readings.push(Reading { revision: self.revisions, value, status, ..reading });
            }
        }
        if self.dice.chance(0.02) {
            readings.push(Reading { unit: "furlong".to_owned(), ..self.reading("watch", "heart_rate", at, 70.0) });
        }
        if self.dice.chance(0.02) {
            readings.push(self.reading("watch", "heart_rate", at, 900.0));
        }
        if self.dice.chance(0.02) {
            let stray = device(self.number, STRAY_DEVICE);
            readings.push(Reading { device: stray, ..self.reading("watch", "heart_rate", at, 71.0) });
        }
        self.told.extend(singles);
    }

    fn send(&mut self, at: i64, mode: Mode, readings: Vec<Reading>) {
        let gateway = gateway(self.number);
        if self.dice.chance(0.01) {
            // Field number 0 does not exist: no protobuf decoder accepts it.
            let garbage = vec![0x02, self.dice.below(256) as u8, self.batches as u8];
            self.step(at, Payload::Raw(garbage));
        }
        if readings.is_empty() {
            return;
        }
        let batch_id = format!("{gateway}/{}", self.batches);
        self.batches += 1;
        self.step(
            at,
            Payload::Batch(ReadingBatch { gateway, batch_id, sent_at: format_utc(at), mode: mode.into(), readings }),
        );
    }

    fn step(&mut self, clock_ms: i64, payload: Payload) {
        self.steps.push(Step { clock_ms, gateway: gateway(self.number), protocol: self.protocol, payload });
    }
}

/// When the last of it has been measured, whatever the zone.
pub const fn over_ms(days: i32) -> i64 {
    crate::clinic::START_MS + (days as i64 + 1) * DAY_MS
}
