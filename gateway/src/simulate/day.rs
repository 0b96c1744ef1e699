//! One simulated day: the signals that a hub sends.

use painwatch_domain::time::{MINUTE_MS, SECOND_MS, format_utc};
use painwatch_domain::{EventTime, LocalDay, Measure};
use painwatch_proto::ingest::v1::Reading;
use rand::Rng as _;

use super::SimulatedDay;
use super::declared::{AS_NEEDED, DOSE_TIMES_MIN, SCHEDULED};
use super::patient::{SimulatedPatient, dice};
use super::sending::{Hub, Packed, Samples, is_night};
use crate::truth::EpisodeKind;

const STEP_PERIOD_MS: i64 = 5 * MINUTE_MS;
const OXIMETER_PERIOD_MS: i64 = 30 * SECOND_MS;

/// Random numbers of one day, apart for each signal: a change in one leaves the others as they were.
#[repr(u8)]
enum Signal {
    Heart = 1,
    Steps,
    Oximeter,
    Weight,
    Pain,
    Doses,
    Sleep,
    Sending,
}

impl SimulatedPatient {
    /// Day number `day`, counted from the first.
    pub fn day(&self, day: u32) -> SimulatedDay {
        let date = self.start.plus(day as i32);
        let bounds = (self.zone.day_start(date).ms(), self.zone.day_start(date.plus(1)).ms());
        let packed = self.packed(day, bounds);
        let mut spots = self.spots(day, date);
        spots.retain(|(at, _)| (bounds.0..bounds.1).contains(at));
        spots.sort_by_key(|(at, _)| *at);
        let mut dice = self.dice(day, Signal::Sending);
        let steps = self.hub().send(bounds, &packed, &spots, &mut dice);
        SimulatedDay { patient: self.id.clone(), day: date, steps }
    }

    fn hub(&self) -> Hub<'_> {
        Hub { gateway: self.gateway(), number: self.number, zone: &self.zone }
    }

    fn dice(&self, day: u32, signal: Signal) -> rand_chacha::ChaCha8Rng {
        dice(self.seed, self.number, day, signal as u8)
    }

    fn packed(&self, day: u32, bounds: (i64, i64)) -> Vec<Packed> {
        let watch = self.device("watch");
        let oximeter = self.device("oximeter");
        let (oxygen, breaths) = self.oximeter(day, bounds);
        vec![
            Packed {
                device: watch.clone(),
                measure: Measure::HeartRate,
                period_ms: MINUTE_MS,
                samples: self.heart_rate(day, bounds),
            },
            Packed {
                device: watch,
                measure: Measure::StepCount,
                period_ms: STEP_PERIOD_MS,
                samples: self.steps(day, bounds),
            },
            Packed {
                device: oximeter.clone(),
                measure: Measure::OxygenSaturation,
                period_ms: OXIMETER_PERIOD_MS,
                samples: oxygen,
            },
            Packed {
                device: oximeter,
                measure: Measure::RespiratoryRate,
                period_ms: OXIMETER_PERIOD_MS,
                samples: breaths,
            },
        ]
    }

    fn heart_rate(&self, day: u32, (start, end): (i64, i64)) -> Samples {
        let mut dice = self.dice(day, Signal::Heart);
        let mut wander = 0.0;
        let minutes = (start..end).step_by(MINUTE_MS as usize);
        let rate = minutes.map(|at| {
            wander = f64::clamp(wander * 0.95 + dice.random_range(-1.5..1.5), -9.0, 9.0);
            let level = if is_night(&self.zone, at) { -6.0 } else { 9.0 };
            (at, (self.habits.heart_rate + level + wander).round())
        });
        rate.collect::<Vec<_>>().into_iter().filter(|(at, _)| !self.watch_is_off(EventTime(*at))).collect()
    }

    fn steps(&self, day: u32, (start, end): (i64, i64)) -> Samples {
        let mut dice = self.dice(day, Signal::Steps);
        let ability =
            if self.plan_on(EpisodeKind::StepDrop, day).is_some() { 0.25 } else { dice.random_range(0.85..1.15) };
        let mean = self.habits.steps_a_day * ability / 192.0;
        let mut samples = Vec::new();
        for at in (start..end).step_by(STEP_PERIOD_MS as usize) {
            let walks = dice.random_bool(0.4);
            let size = dice.random_range(0.2..1.8);
            let steps = if walks && !is_night(&self.zone, at) { (mean / 0.4 * size).round() } else { 0.0 };
            samples.push((at, steps));
        }
        samples.retain(|(at, _)| {
            !self.watch_is_off(EventTime(*at)) && !self.watch_is_off(EventTime(at + STEP_PERIOD_MS - 1))
        });
        samples
    }

    /// Worn at night. During a depression both fall, far enough and long enough to matter.
    fn oximeter(&self, day: u32, (start, end): (i64, i64)) -> (Samples, Samples) {
        let mut dice = self.dice(day, Signal::Oximeter);
        let depressions: Vec<(i64, i64)> = self
            .episodes
            .iter()
            .filter(|episode| episode.kind == EpisodeKind::Spo2Depression)
            .map(|episode| (episode.start_ms, episode.end_ms))
            .collect();
        let (mut oxygen, mut breaths) = (Vec::new(), Vec::new());
        for at in (start..end).step_by(OXIMETER_PERIOD_MS as usize).filter(|at| is_night(&self.zone, *at)) {
            let (o_noise, b_noise) = (dice.random_range(-0.9..0.9), dice.random_range(-1.2..1.2));
            let depressed = depressions.iter().any(|(from, to)| (*from..*to).contains(&at));
            oxygen
                .push((at, if depressed { 85.5 + o_noise } else { (self.habits.oxygen + o_noise).min(100.0) }.round()));
            breaths.push((at, if depressed { 6.5 + b_noise / 2.0 } else { self.habits.breaths + b_noise }.round()));
        }
        (oxygen, breaths)
    }

    fn spots(&self, day: u32, date: LocalDay) -> Vec<(i64, Reading)> {
        let mut spots = self.weight(day, date);
        spots.extend(self.pain(day, date));
        spots.extend(self.doses(day, date));
        spots.extend(self.sleep(day, date));
        spots
    }

    fn reading(&self, kind: &str, measure: Measure, at: i64, value: f64) -> (i64, Reading) {
        let reading = Reading {
            device: self.device(kind),
            measure: measure.name().to_owned(),
            time_ms: Some(at),
            value: Some(value),
            unit: measure.spec().unit.to_owned(),
            ..Reading::default()
        };
        (at, reading)
    }

    /// Gains 0.9 kg a day for three days, then loses it over five.
    fn weight(&self, day: u32, date: LocalDay) -> Vec<(i64, Reading)> {
        let mut dice = self.dice(day, Signal::Weight);
        let at = self.zone.at(date, 7 * 60 + dice.random_range(0..20)).ms();
        let fluid: f64 = self
            .plans
            .iter()
            .filter(|plan| plan.kind == EpisodeKind::WeightGain && day >= plan.day)
            .map(|plan| {
                let since = f64::from(day - plan.day);
                if since <= 3.0 { since * 0.9 } else { (2.7 - (since - 3.0) * 0.54).max(0.0) }
            })
            .sum();
        let kg = self.habits.weight_kg + fluid + dice.random_range(-0.15..0.15);
        vec![self.reading("scale", Measure::BodyWeight, at, (kg * 10.0).round() / 10.0)]
    }

    fn pain(&self, day: u32, date: LocalDay) -> Vec<(i64, Reading)> {
        let mut dice = self.dice(day, Signal::Pain);
        let flare = self.plan_on(EpisodeKind::PainFlare, day).is_some();
        let asked = [9 * 60, 14 * 60, 20 * 60 + 30];
        let mut reports = Vec::new();
        for minute in asked {
            let at = self.zone.at(date, minute + dice.random_range(0..25)).ms();
            let score =
                if flare { dice.random_range(7.0..9.4) } else { self.habits.pain + dice.random_range(-1.0..1.4) };
            let (at, mut reading) = self.reading("phone", Measure::PainNrs, at, score.round());
            "lower_back".clone_into(&mut reading.body_site);
            "self_reported".clone_into(&mut reading.modality);
            "now".clone_into(&mut reading.recall);
            reading.prompted = Some(true);
            reports.push((at, reading));
        }
        reports
    }

    fn doses(&self, day: u32, date: LocalDay) -> Vec<(i64, Reading)> {
        let mut dice = self.dice(day, Signal::Doses);
        let missed: Vec<(i64, i64)> = self
            .episodes
            .iter()
            .filter(|episode| episode.kind == EpisodeKind::MissedDoses)
            .map(|episode| (episode.start_ms, episode.end_ms))
            .collect();
        let mut events = Vec::new();
        for due_min in DOSE_TIMES_MIN {
            let due = self.zone.at(date, due_min).ms();
            let taken = due + dice.random_range(-15..30) * MINUTE_MS;
            if !missed.iter().any(|(from, to)| (*from..*to).contains(&due)) {
                events.push(self.dose(SCHEDULED, taken, Some(due)));
            }
        }
        let flare = self.plan_on(EpisodeKind::PainFlare, day).is_some();
        if flare || dice.random_bool(0.3) {
            events.push(self.dose(AS_NEEDED, self.zone.at(date, 12 * 60 + dice.random_range(0..120)).ms(), None));
        }
        events
    }

    fn dose(&self, medication: &str, at: i64, due: Option<i64>) -> (i64, Reading) {
        let (at, mut reading) = self.reading("cap", Measure::MedicationEvent, at, 1.0);
        "{tablet}".clone_into(&mut reading.unit);
        "taken".clone_into(&mut reading.event);
        medication.clone_into(&mut reading.medication);
        reading.scheduled_for = due.map(format_utc).unwrap_or_default();
        (at, reading)
    }

    /// Last night's sleep and the resting heart rate, both known in the morning.
    fn sleep(&self, day: u32, date: LocalDay) -> Vec<(i64, Reading)> {
        let mut dice = self.dice(day, Signal::Sleep);
        let woke = self.zone.at(date, 6 * 60 + dice.random_range(10..50)).ms();
        let in_bed = self.zone.at(date.plus(-1), 22 * 60 + dice.random_range(15..60)).ms();
        let minutes = ((woke - in_bed) / MINUTE_MS) as f64 * dice.random_range(0.78..0.92);
        let resting = (self.habits.heart_rate - 7.0 + dice.random_range(-1.5..1.5)).round();
        if self.watch_is_off(EventTime(woke)) || self.watch_is_off(EventTime(in_bed)) {
            return Vec::new();
        }
        let (_, mut asleep) = self.reading("watch", Measure::TotalSleepTime, in_bed, minutes.round());
        asleep.end_time_ms = Some(woke);
        vec![(woke, asleep), self.reading("watch", Measure::RestingHeartRate, woke + MINUTE_MS, resting)]
    }
}
