//! What is measured all the time: by the watch, and at night by the oximeter.

use painwatch_domain::Measure;
use painwatch_domain::time::{MINUTE_MS, SECOND_MS};
use rand::Rng as _;

use super::person::{Person, Signal};
use super::scatter;
use crate::simulate::sending::{Packed, Samples};
use crate::truth::EpisodeKind;

const STEP_PERIOD_MS: i64 = 5 * MINUTE_MS;
const OXIMETER_PERIOD_MS: i64 = 30 * SECOND_MS;
/// Falls and rises again within this long.
const SLOPE_MS: f64 = 3.0 * 60_000.0;
/// Parts of the samples that a moving finger loses.
const LOST: f64 = 0.03;
/// Of samples in an ordinary day, how many begin with a loose probe that reads low.
const LOOSE_A_DAY: f64 = 1.5;

impl Person {
    pub(super) fn packed(&self, day: u32, bounds: (i64, i64)) -> Vec<Packed> {
        let (watch, oximeter) = (self.device("watch"), self.device("oximeter"));
        let (oxygen, breaths) = (Measure::OxygenSaturation, Measure::RespiratoryRate);
        let packed = |device: &String, measure, period_ms, samples| Packed {
            device: device.clone(),
            measure,
            period_ms,
            samples,
        };
        vec![
            packed(&watch, Measure::HeartRate, MINUTE_MS, self.heart_rate(day, bounds)),
            packed(&watch, Measure::StepCount, STEP_PERIOD_MS, self.steps(day, bounds)),
            packed(&oximeter, oxygen, OXIMETER_PERIOD_MS, self.oxygen(day, bounds)),
            packed(&oximeter, breaths, OXIMETER_PERIOD_MS, self.breaths(day, bounds)),
        ]
    }

    /// A day is higher or lower as a whole; a flare shows from the night before it on.
    pub(super) fn heart_rate_of(&self, day: u32) -> f64 {
        let flare = self.felt(EpisodeKind::PainFlare, day).max(0.5 * self.felt(EpisodeKind::PainFlare, day + 1));
        let own = scatter(&mut self.dice(day, Signal::Heart)) * self.habits.heart_rate_sd;
        self.habits.heart_rate + own + 5.0 * flare
    }

    fn heart_rate(&self, day: u32, (start, end): (i64, i64)) -> Samples {
        let (mut dice, level) = (self.dice(day, Signal::Minutes), self.heart_rate_of(day));
        let mut wander = 0.0;
        let minutes = (start..end).step_by(MINUTE_MS as usize);
        let samples: Samples = minutes
            .map(|at| {
                wander = f64::clamp(wander * 0.95 + dice.random_range(-1.5..1.5), -9.0, 9.0);
                (at, (level + if self.is_night(at) { -6.0 } else { 9.0 } + wander).round())
            })
            .collect();
        samples.into_iter().filter(|(at, _)| !self.watch_is_off(*at)).collect()
    }

    fn steps(&self, day: u32, (start, end): (i64, i64)) -> Samples {
        let mut dice = self.dice(day, Signal::Steps);
        let own = f64::clamp(1.0 + self.habits.steps_sd * scatter(&mut dice), 0.15, 2.2);
        let flare = 1.0 - 0.45 * self.felt(EpisodeKind::PainFlare, day);
        let drop = 1.0 - 0.8 * self.felt(EpisodeKind::StepDrop, day);
        let mean = self.habits.steps_a_day * own * flare * drop / 192.0;
        let mut samples = Vec::new();
        for at in (start..end).step_by(STEP_PERIOD_MS as usize) {
            let (walks, size) = (dice.random_bool(0.4), dice.random_range(0.2..1.8));
            let steps = if walks && !self.is_night(at) { (mean / 0.4 * size).round() } else { 0.0 };
            samples.push((at, steps));
        }
        samples.retain(|(at, _)| !self.watch_is_off(*at) && !self.watch_is_off(at + STEP_PERIOD_MS - 1));
        samples
    }

    /// How deep in a depression an instant lies, 0 to 1, and how bad that one is.
    fn depressed(&self, at: i64) -> Option<(f64, f64)> {
        let episode = self.during(EpisodeKind::Spo2Depression, at)?;
        let in_ms = (at - episode.start_ms) as f64 / SLOPE_MS;
        let out_ms = (episode.end_ms - at) as f64 / SLOPE_MS;
        let course = self
            .of_kind(EpisodeKind::Spo2Depression)
            .find(|course| self.zone.at(self.date(course.day), course.minute).ms() == episode.start_ms)?;
        Some((in_ms.min(out_ms).min(1.0), course.severity))
    }

    fn oxygen(&self, day: u32, bounds: (i64, i64)) -> Samples {
        let mut dice = self.dice(day, Signal::Oxygen);
        let low = self.looks_low(day, bounds);
        let mut samples = Vec::new();
        for at in self.night(bounds) {
            let (noise, lost) = (0.7 * scatter(&mut dice), dice.random_bool(LOST));
            let usual = self.habits.oxygen + noise;
            let value = match self.depressed(at) {
                // At its worst between 88 and 78 %.
                Some((depth, severity)) => usual - depth * (self.habits.oxygen - (88.0 - 10.0 * severity)),
                None => low.iter().find(|(from, until, _)| (*from..*until).contains(&at)).map_or(usual, |low| low.2),
            };
            if !lost {
                samples.push((at, value.clamp(60.0, 100.0).round()));
            }
        }
        samples
    }

    fn breaths(&self, day: u32, bounds: (i64, i64)) -> Samples {
        let mut dice = self.dice(day, Signal::Breaths);
        // One night in eight the count is wrong for some seconds.
        let miscounted = dice.random_bool(0.12).then(|| dice.random_range(bounds.0..bounds.1));
        let mut samples = Vec::new();
        for at in self.night(bounds) {
            let (noise, lost) = (1.1 * scatter(&mut dice), dice.random_bool(LOST));
            let usual = self.habits.breaths + noise;
            let value = match self.depressed(at) {
                // At its slowest between 8 and 4 a minute.
                Some((depth, severity)) => usual - depth * (self.habits.breaths - (8.0 - 4.0 * severity)),
                None if miscounted.is_some_and(|from| (from..from + 60_000).contains(&at)) => 7.0,
                None => usual,
            };
            if !lost {
                samples.push((at, value.max(2.0).round()));
            }
        }
        samples
    }

    fn night(&self, (start, end): (i64, i64)) -> impl Iterator<Item = i64> {
        (start..end).step_by(OXIMETER_PERIOD_MS as usize).filter(|at| self.is_night(*at))
    }

    /// What looks like low saturation and is none, or none that matters: (from, until, %).
    fn looks_low(&self, day: u32, (start, end): (i64, i64)) -> Vec<(i64, i64, f64)> {
        let mut dice = self.dice(day, Signal::Night);
        let mut low = Vec::new();
        while dice.random_bool(LOOSE_A_DAY / (1.0 + LOOSE_A_DAY)) {
            let from = dice.random_range(start..end);
            low.push((from, from + dice.random_range(15..90) * SECOND_MS, dice.random_range(70.0..89.0)));
        }
        let clusters = if self.habits.pauses { dice.random_range(1..4) } else { 0 };
        for _ in 0..clusters {
            let from = dice.random_range(start..end);
            for pause in 0..dice.random_range(8..20) {
                let at = from + pause * 90 * SECOND_MS;
                low.push((at, at + dice.random_range(20..40) * SECOND_MS, dice.random_range(83.0..90.0)));
            }
        }
        low
    }
}
