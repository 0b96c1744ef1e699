//! Simulated people with ground truth: six kinds of signal and episodes decided before anything is sent. Nobody here is
//! real: every patient id begins with `synthetic-` and the roster says so. The values are plausible, not fitted to anyone.
//!
//! All of it is a function of (seed, patient number, day): the same on any machine, in any order.

pub mod cohort;
mod day;
mod declared;
pub mod faults;
mod patient;
mod sending;

use painwatch_domain::time::ZoneError;
use painwatch_domain::{LocalDay, Zone};

pub use patient::SimulatedPatient;

use crate::outgoing::Step;
use crate::roster::RosterDraft;
use crate::truth::{Episode, GroundTruth};

#[derive(Clone, Debug)]
pub struct SimulationOptions {
    pub seed: u64,
    pub patients: u32,
    /// First local day.
    pub start: LocalDay,
    pub days: u32,
    pub zone: String,
    pub care_team: String,
}

/// One patient's local day as it is sent: hourly, at night (22:00 to 06:00) every quarter of an hour.
#[derive(Clone, Debug)]
pub struct SimulatedDay {
    pub patient: String,
    pub day: LocalDay,
    pub steps: Vec<Step>,
}

pub struct Simulation {
    options: SimulationOptions,
    patients: Vec<SimulatedPatient>,
}

impl Simulation {
    /// # Errors
    /// [`ZoneError`] when the zone is unknown.
    pub fn new(options: SimulationOptions) -> Result<Self, ZoneError> {
        let zone = Zone::parse(&options.zone)?;
        let patients = (0..options.patients).map(|number| SimulatedPatient::new(&options, &zone, number)).collect();
        Ok(Self { options, patients })
    }

    pub fn patients(&self) -> &[SimulatedPatient] {
        &self.patients
    }

    /// Every patient's every day, lazily, patient by patient.
    pub fn days(&self) -> impl Iterator<Item = SimulatedDay> + '_ {
        self.patients.iter().flat_map(|patient| (0..self.options.days).map(move |day| patient.day(day)))
    }

    /// Every step, in clock order.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = self.days().flat_map(|day| day.steps).collect();
        steps.sort_by(|a, b| (a.clock_ms, &a.gateway).cmp(&(b.clock_ms, &b.gateway)));
        steps
    }

    pub fn episodes(&self) -> Vec<Episode> {
        self.patients.iter().flat_map(|patient| patient.episodes().iter().cloned()).collect()
    }

    /// The truth but for faults and books, which depend on how it is sent.
    pub fn truth(&self) -> GroundTruth {
        GroundTruth {
            synthetic: true,
            seed: self.options.seed,
            patients: self.patients.iter().map(|patient| patient.id().to_owned()).collect(),
            episodes: self.episodes(),
            ..GroundTruth::default()
        }
    }

    pub fn roster(&self) -> RosterDraft {
        let mut draft = RosterDraft::default();
        for patient in &self.patients {
            draft.extend(patient.roster(&self.options));
        }
        draft
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::outgoing::Payload;
    use crate::truth::EpisodeKind;
    use painwatch_domain::time::{DAY_MS, MINUTE_MS};
    use painwatch_proto::ingest::v1::Reading;
    use std::collections::BTreeSet;

    fn simulation(seed: u64, patients: u32, days: u32) -> Simulation {
        let options = SimulationOptions {
            seed,
            patients,
            start: LocalDay(20_458),
            days,
            zone: "Europe/Paris".into(),
            care_team: "pain-clinic".into(),
        };
        Simulation::new(options).unwrap()
    }

    fn readings(steps: &[Step]) -> Vec<&Reading> {
        let batch = |step| match step {
            &Step { payload: Payload::Batch(ref batch), .. } => batch.readings.iter().collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        steps.iter().flat_map(batch).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let encode = |seed| simulation(seed, 2, 5).steps().iter().map(|step| step.payload.encode()).collect::<Vec<_>>();
        assert_eq!(encode(7), encode(7));
        assert_ne!(encode(7), encode(8));
    }

    #[test]
    fn a_day_alone_is_the_same_as_that_day_within_the_whole() {
        let simulation = simulation(3, 1, 6);
        let whole: Vec<_> = simulation.days().collect();
        assert_eq!(simulation.patients()[0].day(4).steps, whole[4].steps);
    }

    #[test]
    fn every_patient_has_all_six_kinds_of_signal_and_nothing_is_sent_before_it_happened() {
        let simulation = simulation(1, 3, 3);
        for patient in simulation.patients() {
            let steps: Vec<Step> = (0..3).flat_map(|day| patient.day(day).steps).collect();
            let measures: BTreeSet<&str> =
                readings(&steps).into_iter().map(|reading| reading.measure.as_str()).collect();
            for measure in [
                "heart_rate",
                "oxygen_saturation",
                "respiratory_rate",
                "step_count",
                "body_weight",
                "pain_nrs",
                "medication_event",
                "total_sleep_time",
            ] {
                assert!(measures.contains(measure), "{measure} of {}", patient.id());
            }
            for step in &steps {
                let Payload::Batch(batch) = &step.payload else { continue };
                let newest = batch.readings.iter().map(|reading| {
                    let series = reading.values.len() as i64 * reading.period_ms.unwrap_or(0);
                    reading.end_time_ms.unwrap_or(0).max(reading.time_ms.unwrap_or(0) + series)
                });
                assert!(newest.max().unwrap_or(0) <= step.clock_ms);
            }
        }
    }

    #[test]
    fn every_reading_is_admissible_and_none_is_sent_twice() {
        let mut ledger = Ledger::default();
        simulation(5, 2, 40).steps().iter().for_each(|step| ledger.submit(&step.payload));
        let books = ledger.books();
        assert_eq!((books.stored, books.quarantined + books.duplicate + books.conflict), (books.submitted, 0));
    }

    #[test]
    fn an_episode_is_visible_in_what_is_sent() {
        let simulation = simulation(11, 12, 42);
        let kinds: BTreeSet<EpisodeKind> = simulation.episodes().iter().map(|episode| episode.kind).collect();
        assert_eq!(kinds.len(), 6, "{kinds:?}");
        for patient in simulation.patients() {
            let steps: Vec<Step> = (0..42).flat_map(|day| patient.day(day).steps).collect();
            patient.episodes().iter().for_each(|episode| check(episode, &readings(&steps)));
        }
    }

    fn check(episode: &Episode, readings: &[&Reading]) {
        let during = |measure: &str| {
            let spots = readings.iter().filter(|reading| reading.measure == measure).flat_map(|reading| {
                let start = reading.time_ms.unwrap_or(0);
                let values =
                    if reading.values.is_empty() { vec![reading.value.unwrap_or(0.0)] } else { reading.values.clone() };
                values
                    .into_iter()
                    .enumerate()
                    .map(move |(at, value)| (start + at as i64 * reading.period_ms.unwrap_or(0), value))
            });
            spots
                .filter(|(at, _)| (episode.start_ms..episode.end_ms).contains(at))
                .map(|(_, value)| value)
                .collect::<Vec<_>>()
        };
        match episode.kind {
            EpisodeKind::Spo2Depression => {
                assert!(episode.end_ms - episode.start_ms >= 4 * MINUTE_MS);
                assert!(
                    during("oxygen_saturation").iter().all(|value| *value < 90.0)
                        && !during("oxygen_saturation").is_empty()
                );
            }
            EpisodeKind::WeightGain => {
                let weights = during("body_weight");
                let gain = weights.last().unwrap() - weights[0];
                assert!(gain > 2.0, "{weights:?}");
            }
            EpisodeKind::MissedDoses => {
                let doses = readings.iter().filter(|reading| !reading.scheduled_for.is_empty());
                assert_eq!(
                    doses
                        .filter(|dose| (episode.start_ms..episode.end_ms).contains(&dose.time_ms.unwrap_or(0)))
                        .count(),
                    0
                );
            }
            EpisodeKind::PainFlare => assert!(during("pain_nrs").iter().filter(|score| **score >= 7.0).count() >= 2),
            EpisodeKind::StepDrop => {
                let days = (episode.end_ms - episode.start_ms) as f64 / DAY_MS as f64;
                assert!(during("step_count").iter().sum::<f64>() / days < 3_000.0);
            }
            EpisodeKind::DeviceOff => assert!(during("heart_rate").is_empty()),
            EpisodeKind::HouseholdMixUp => unreachable!("only cohorts have it"),
        }
    }

    #[test]
    fn the_roster_says_that_nobody_is_real() {
        let draft = simulation(1, 2, 1).roster();
        assert!(draft.patient.iter().all(|patient| patient.synthetic && patient.id.starts_with("synthetic-")));
        assert_eq!(draft.pairing.len(), 10);
        assert_eq!(draft.medication.len(), 2);
    }
}
