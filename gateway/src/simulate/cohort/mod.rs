//! Simulated people of a pain clinic as they might be, for measuring what the rules find and what they find wrongly. Where
//! [`super::SimulatedPatient`] shows clear-cut stories, here severities differ, values scatter and much looks like an
//! episode and is none: loose probes, pauses in breathing, a meal on the scale, a forgotten report, a late upload. Nobody
//! is real.
//!
//! Sources: the scatter from day to day is that of the recordings that the tests read (median of the wearers: steps 0.4 of
//! the usual, weight 0.47 kg between two days, resting heart rate 1.2 /min between two days and 1.3 to 4 over months, sleep
//! 50 min, sleep efficiency 2.5 points, correlation of a pain diary with the day before 0.8). Episodes have the size that
//! the clinical catalogue's sources name (PRODIGY: breathing 5 /min or less, saturation 85 % or less for 3 min; flares of
//! hours to weeks; fluid: 2 kg within days). The rest is general knowledge, to be confirmed by a clinician.
//!
//! All of it is a function of (seed, number, day), like everything that is simulated.

mod course;
mod diary;
mod person;
mod watch;

use painwatch_domain::time::ZoneError;
use painwatch_domain::{LocalDay, Zone};

pub use person::Person;

use crate::outgoing::Step;
use crate::roster::RosterDraft;
use crate::truth::{Episode, GroundTruth};

#[derive(Clone, Debug)]
pub struct CohortOptions {
    pub seed: u64,
    pub people: u32,
    /// First local day.
    pub start: LocalDay,
    pub days: u32,
    pub zone: String,
    pub care_team: String,
}

pub struct Cohort {
    people: Vec<Person>,
    seed: u64,
}

impl Cohort {
    /// # Errors
    /// [`ZoneError`] when the zone is unknown.
    pub fn new(options: &CohortOptions) -> Result<Self, ZoneError> {
        let zone = Zone::parse(&options.zone)?;
        let people = (0..options.people).map(|number| Person::new(options, &zone, number)).collect();
        Ok(Self { people, seed: options.seed })
    }

    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// What is true, but for faults and books.
    pub fn truth(&self) -> GroundTruth {
        GroundTruth {
            synthetic: true,
            seed: self.seed,
            patients: self.people.iter().map(|person| person.id().to_owned()).collect(),
            episodes: self.people.iter().flat_map(|person| person.episodes().to_vec()).collect::<Vec<Episode>>(),
            ..GroundTruth::default()
        }
    }
}

/// Everything about one person: what is sent in clock order, and the roster that says who they are.
pub struct Story {
    pub roster: RosterDraft,
    pub steps: Vec<Step>,
}

/// A deviation that scatters like a normal one with standard deviation 1: sums and no function of the machine's.
fn scatter(dice: &mut rand_chacha::ChaCha8Rng) -> f64 {
    use rand::Rng as _;
    (0..12).map(|_| dice.random_range(0.0..1.0)).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::outgoing::Payload;
    use crate::truth::EpisodeKind;
    use painwatch_domain::time::MINUTE_MS;
    use std::collections::BTreeMap;

    fn cohort(seed: u64, people: u32) -> Cohort {
        let (zone, care_team) = ("Europe/Paris".to_owned(), "clinic".to_owned());
        let options = CohortOptions { seed, people, start: LocalDay(20_500), days: DAYS, zone, care_team };
        Cohort::new(&options).unwrap()
    }

    const DAYS: u32 = 84;

    /// (device kind, measure and whether it was due, time, value) of everything a person sends.
    fn values(person: &Person) -> Vec<(String, String, i64, f64)> {
        let mut values = Vec::new();
        for step in person.story().steps {
            let Payload::Batch(batch) = step.payload else { continue };
            for reading in batch.readings {
                let kind = reading.device.rsplit('-').next().unwrap().to_owned();
                let start = reading.time_ms.unwrap();
                let due = if reading.scheduled_for.is_empty() { "" } else { " due" };
                let of = |at, value| (kind.clone(), format!("{}{due}", reading.measure), at, value);
                values.extend(reading.value.map(|value| of(start, value)));
                let period_ms = reading.period_ms.unwrap_or(0);
                values.extend((0..).zip(&reading.values).map(|(nth, value)| of(start + nth * period_ms, *value)));
            }
        }
        values
    }

    #[test]
    fn the_same_seed_tells_the_same_story_and_another_seed_another() {
        // Bytes, because a missing sample is not equal to itself.
        let sent = |seed| {
            let steps = cohort(seed, 1).people()[0].story().steps;
            steps.into_iter().map(|step| (step.clock_ms, step.payload.encode())).collect::<Vec<_>>()
        };
        assert!(sent(7) == sent(7));
        assert!(sent(7) != sent(8));
    }

    #[test]
    fn every_kind_of_episode_occurs_and_shows_in_what_is_sent() {
        let cohort = cohort(3, 8);
        let mut shown: BTreeMap<EpisodeKind, usize> = BTreeMap::new();
        for person in cohort.people() {
            let values = values(person);
            for episode in person.episodes() {
                let during = |kind: &str, measure: &str| -> Vec<f64> {
                    let inside = values.iter().filter(|(device, of, at, value)| {
                        device == kind
                            && of == measure
                            && (episode.start_ms..episode.end_ms).contains(at)
                            && value.is_finite()
                    });
                    inside.map(|(.., value)| *value).collect()
                };
                let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
                match episode.kind {
                    EpisodeKind::Spo2Depression => {
                        assert!(during("oximeter", "oxygen_saturation").iter().any(|value| *value < 90.0));
                        assert!(episode.end_ms - episode.start_ms >= 8 * MINUTE_MS);
                    }
                    EpisodeKind::PainFlare => assert!(mean(during("phone", "pain_nrs")) > 3.5),
                    EpisodeKind::WeightGain => {
                        let weights = during("scale", "body_weight");
                        assert!(weights.last().unwrap() - weights[0] > 0.5, "{weights:?}");
                    }
                    EpisodeKind::MissedDoses => {
                        assert_eq!(during("cap", "medication_event due").len(), 0);
                    }
                    EpisodeKind::StepDrop => {}
                    EpisodeKind::DeviceOff => assert!(during("watch", "heart_rate").is_empty()),
                    EpisodeKind::HouseholdMixUp => {
                        let weights = during("scale", "body_weight");
                        let (low, high) =
                            weights.iter().fold((500.0_f64, 0.0_f64), |(low, high), kg| (low.min(*kg), high.max(*kg)));
                        assert!(high - low > 4.0 || weights.len() == 1, "{weights:?}");
                    }
                }
                *shown.entry(episode.kind).or_default() += 1;
            }
        }
        assert_eq!(shown.len(), 7, "{shown:?}");
    }

    #[test]
    fn every_reading_is_admissible_and_none_is_sent_twice() {
        let mut ledger = Ledger::default();
        for person in cohort(5, 2).people() {
            person.story().steps.iter().for_each(|step| ledger.submit(&step.payload));
        }
        let books = ledger.books();
        assert_eq!((books.stored, books.quarantined + books.duplicate + books.conflict), (books.submitted, 0));
    }

    #[test]
    fn nothing_is_sent_before_it_happened() {
        for step in cohort(1, 1).people()[0].story().steps {
            let Payload::Batch(batch) = step.payload else { continue };
            for reading in batch.readings {
                let series = reading.values.len().saturating_sub(1) as i64 * reading.period_ms.unwrap_or(0);
                let newest = reading.end_time_ms.unwrap_or(0).max(reading.time_ms.unwrap_or(0) + series);
                assert!(newest <= step.clock_ms, "{reading:?} at {}", step.clock_ms);
            }
        }
    }
}
