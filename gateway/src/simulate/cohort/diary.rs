//! What is measured, taken and said now and then: weight, pain, doses, nights, and what a device says of itself.

use painwatch_domain::Measure;
use painwatch_domain::time::{MINUTE_MS, format_utc};
use painwatch_proto::ingest::v1::Reading;
use rand::Rng as _;

use super::course::Form;
use super::person::{Person, Signal};
use super::scatter;
use crate::simulate::declared::{AS_NEEDED, DOSE_TIMES_MIN, SCHEDULED};
use crate::truth::EpisodeKind;

/// Days on which the cap has no connection and tells its doses the next morning.
pub(super) const UPLOADS_LATE: f64 = 0.03;
/// Of the reports that are asked for.
const ANSWERED: f64 = 0.85;
/// Of the days.
const WEIGHED: f64 = 0.9;
/// Every other day: a scheduled dose is forgotten outside of any episode.
const FORGETS: f64 = 0.15;
/// How much pain of yesterday is left today.
const LINGERS: f64 = 0.8;
/// After so many days nothing of it is left that would show.
const LINGERS_DAYS: u32 = 25;

type Spots = Vec<(i64, Reading)>;

impl Person {
    pub(super) fn diary(&self, day: u32) -> Spots {
        let mut spots = self.weights(day);
        spots.extend(self.reports(day));
        spots.extend(self.sleep(day));
        spots.extend(self.said_by_the_watch(day));
        spots
    }

    /// Fluid comes at half a kilogram to more than one a day and goes at half a kilogram.
    fn fluid_kg(&self, day: u32) -> f64 {
        let of = |course: &super::course::Course| {
            let a_day = 0.5 + 0.7 * course.severity;
            let gained = f64::from(course.days) * a_day;
            match day.checked_sub(course.day) {
                Some(since) if since < course.days => f64::from(since + 1) * a_day,
                Some(since) => (gained - 0.5 * f64::from(since + 1 - course.days)).max(0.0),
                None => 0.0,
            }
        };
        self.of_kind(EpisodeKind::WeightGain).map(of).sum()
    }

    fn weights(&self, day: u32) -> Spots {
        let mut dice = self.dice(day, Signal::Weight);
        let at = self.minute(day, 7 * 60 + dice.random_range(0..25));
        let own = self.habits.weight_kg + self.fluid_kg(day) + 0.33 * scatter(&mut dice);
        let weighed = dice.random_bool(WEIGHED);
        let other = self.habits.other_weight_kg + 0.33 * scatter(&mut dice);
        let (first, minutes) = (dice.random_bool(0.5), dice.random_range(10..30) * MINUTE_MS);
        let tenths = |kg: f64| (kg * 10.0).round() / 10.0;
        let mixed_up = self.of_kind(EpisodeKind::HouseholdMixUp).any(|course| course.covers(day));
        let mut spots = Vec::new();
        if weighed {
            spots.push((at, self.reading("scale", Measure::BodyWeight, at, tenths(own))));
        }
        if mixed_up {
            let at = if first { at - minutes } else { at + minutes };
            spots.push((at, self.reading("scale", Measure::BodyWeight, at, tenths(other))));
        }
        spots
    }

    /// The day's level: what lingers of the days before, and a flare of 2 to 4.5 points.
    fn pain_of(&self, day: u32) -> f64 {
        let fresh = (1.0 - LINGERS * LINGERS).sqrt() * self.habits.pain_sd;
        let mut lingering = 0.0;
        for back in (0..LINGERS_DAYS).rev() {
            // Days before the first have their dice too.
            let of_day = 1_000_000 + day - back;
            lingering = LINGERS * lingering + fresh * scatter(&mut self.dice(of_day, Signal::PainOfDay));
        }
        let flares = self.of_kind(EpisodeKind::PainFlare);
        let flare = flares.map(|course| course.felt(day) * (2.0 + 2.5 * course.severity)).fold(0.0, f64::max);
        self.habits.pain + lingering + flare
    }

    fn reports(&self, day: u32) -> Spots {
        let (mut dice, level) = (self.dice(day, Signal::Reports), self.pain_of(day));
        let mut reports = Vec::new();
        for asked in [9 * 60, 14 * 60, 20 * 60 + 30] {
            let at = self.minute(day, asked + dice.random_range(0..40));
            let (score, answered) = (level + 0.7 * scatter(&mut dice), dice.random_bool(ANSWERED));
            if answered {
                let mut reading = self.reading("phone", Measure::PainNrs, at, score.clamp(0.0, 10.0).round());
                "lower_back".clone_into(&mut reading.body_site);
                "self_reported".clone_into(&mut reading.modality);
                "now".clone_into(&mut reading.recall);
                reading.prompted = Some(true);
                reports.push((at, reading));
            }
        }
        reports
    }

    /// Doses with the moment at which each is sent.
    pub(super) fn doses(&self, day: u32) -> Spots {
        let mut dice = self.dice(day, Signal::Doses);
        let mut events = Vec::new();
        let forgotten = self.forgotten(day);
        for (nth, due_min) in DOSE_TIMES_MIN.into_iter().enumerate() {
            let due = self.minute(day, due_min);
            let late = if dice.random_bool(0.06) { dice.random_range(60..200) } else { 0 };
            let taken = due + (dice.random_range(-20..35) + late) * MINUTE_MS;
            if forgotten != Some(nth) && self.during(EpisodeKind::MissedDoses, due).is_none() {
                events.push(self.dose(SCHEDULED, taken, Some(due)));
            }
        }
        let wanted = self.habits.rescue_a_day + 2.0 * self.felt(EpisodeKind::PainFlare, day);
        for from_min in [10 * 60, 15 * 60, 17 * 60 + 30] {
            let at = self.minute(day, from_min + dice.random_range(0..100));
            if dice.random_bool((wanted / 3.0).min(0.95)) {
                events.push(self.dose(AS_NEEDED, at, None));
            }
        }
        events.sort_by_key(|(sent, _)| *sent);
        events
    }

    /// Which dose of the day is forgotten outside of any episode: never two in a row, so at most one, on every other day
    /// and not beside an episode.
    fn forgotten(&self, day: u32) -> Option<usize> {
        let beside = |course: &super::course::Course| (course.day..course.day + course.days + 2).contains(&(day + 1));
        let mut dice = self.dice(day, Signal::Household);
        let forgets = dice.random_bool(FORGETS);
        (day.is_multiple_of(2) && forgets && !self.of_kind(EpisodeKind::MissedDoses).any(beside))
            .then(|| dice.random_range(0..2))
    }

    fn dose(&self, medication: &str, at: i64, due: Option<i64>) -> (i64, Reading) {
        let mut reading = self.reading("cap", Measure::MedicationEvent, at, 1.0);
        "{tablet}".clone_into(&mut reading.unit);
        "taken".clone_into(&mut reading.event);
        medication.clone_into(&mut reading.medication);
        reading.scheduled_for = due.map(format_utc).unwrap_or_default();
        (at + 20_000, reading)
    }

    /// Last night by stages and in sum, and the resting heart rate, all known in the morning.
    fn sleep(&self, day: u32) -> Spots {
        let mut dice = self.dice(day, Signal::Sleep);
        let woke = self.minute(day, 6 * 60 + 5) + dice.random_range(0..50) * MINUTE_MS;
        let flare = self.felt(EpisodeKind::PainFlare, day);
        let wanted = self.habits.sleep_min + 45.0 * scatter(&mut dice) - 60.0 * flare;
        let awake = (self.habits.awake_min + 13.0 * scatter(&mut dice) + 45.0 * flare).max(10.0);
        let (asleep_min, awake_min) = (wanted.clamp(150.0, 560.0).round() as i64, awake.round() as i64);
        let in_bed = woke - (asleep_min + awake_min) * MINUTE_MS;
        if self.watch_is_off(woke) || self.watch_is_off(in_bed) {
            return Vec::new();
        }
        let mut total = self.reading("watch", Measure::TotalSleepTime, in_bed, asleep_min as f64);
        total.end_time_ms = Some(woke);
        let resting = (self.heart_rate_of(day) - 7.0).round();
        let mut spots = vec![
            (woke + MINUTE_MS, self.reading("watch", Measure::RestingHeartRate, woke + MINUTE_MS, resting)),
            (woke, total),
        ];
        let times_awake = dice.random_range(5..10);
        let (mut at, mut left) = (in_bed, (asleep_min, awake_min));
        for nth in 0..times_awake {
            let parts = times_awake - nth;
            for (code, left) in [("awake", &mut left.1), ("light", &mut left.0)] {
                let minutes = if parts == 1 { *left } else { (*left / parts).max(1).min(*left) };
                if minutes > 0 {
                    spots.push((woke, self.stage(code, at, at + minutes * MINUTE_MS)));
                }
                (at, *left) = (at + minutes * MINUTE_MS, *left - minutes);
            }
        }
        spots
    }

    fn stage(&self, code: &str, from: i64, until: i64) -> Reading {
        Reading {
            device: self.device("watch"),
            measure: Measure::SleepStage.name().to_owned(),
            time_ms: Some(from),
            end_time_ms: Some(until),
            code: code.to_owned(),
            algorithm: "vendor".to_owned(),
            ..Reading::default()
        }
    }

    /// Off the wrist and on again, or into the charger and out: most watches tell.
    fn said_by_the_watch(&self, day: u32) -> Spots {
        let mut spots = Vec::new();
        for course in self.of_kind(EpisodeKind::DeviceOff) {
            let start = self.minute(course.day, course.minute);
            let end = start + i64::from(course.minutes) * MINUTE_MS;
            let (measure, off) = match course.form {
                Form::NotWorn => (Measure::DeviceWorn, ["false", "true"]),
                Form::Charging => (Measure::DeviceCharging, ["true", "false"]),
                Form::Silent => continue,
            };
            for (at, code) in [start, end].into_iter().zip(off) {
                let mut reading = self.reading("watch", measure, at, 0.0);
                (reading.value, reading.code, reading.unit) = (None, code.to_owned(), String::new());
                spots.push((at, reading));
            }
        }
        let bounds = (self.minute(day, 0), self.minute(day + 1, 0));
        spots.retain(|(at, _)| (bounds.0..bounds.1).contains(at));
        spots
    }
}
