//! Who a simulated person is, and what will happen to them.

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{EventTime, LocalDay, Zone};
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::SimulationOptions;
use super::declared::Declared;
use crate::roster::RosterDraft;
use crate::truth::{Episode, EpisodeKind};

/// Days of ordinary life before the first episode, so that a personal baseline can form.
const QUIET_DAYS: u32 = 15;
/// Ordinary days after an episode, before the next of the same person.
const RECOVERY_DAYS: u32 = 7;

/// A person: habits, and the episodes that were decided beforehand.
#[derive(Clone, Debug)]
pub struct SimulatedPatient {
    pub(super) seed: u64,
    pub(super) number: u32,
    pub(super) id: String,
    pub(super) zone: Zone,
    pub(super) start: LocalDay,
    pub(super) habits: Habits,
    pub(super) plans: Vec<Plan>,
    pub(super) episodes: Vec<Episode>,
}

#[derive(Clone, Copy, Debug)]
pub struct Habits {
    pub heart_rate: f64,
    pub weight_kg: f64,
    pub steps_a_day: f64,
    pub pain: f64,
    pub oxygen: f64,
    pub breaths: f64,
}

/// An episode by day number; the minutes are of the first day.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub kind: EpisodeKind,
    pub day: u32,
    pub days: u32,
    pub minute: u32,
    pub minutes: u32,
}

/// A stream of random numbers of its own for each (seed, patient, day, signal).
pub fn dice(seed: u64, number: u32, day: u32, signal: u8) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&number.to_le_bytes());
    key[12..16].copy_from_slice(&day.to_le_bytes());
    key[16] = signal;
    ChaCha8Rng::from_seed(key)
}

impl SimulatedPatient {
    pub fn new(options: &SimulationOptions, zone: &Zone, number: u32) -> Self {
        let mut dice = dice(options.seed, number, u32::MAX, 0);
        let habits = Habits {
            heart_rate: dice.random_range(58.0..72.0),
            weight_kg: dice.random_range(58.0..98.0),
            steps_a_day: dice.random_range(5_500.0..8_500.0),
            pain: dice.random_range(2.0..4.0),
            oxygen: dice.random_range(95.5..97.5),
            breaths: dice.random_range(13.0..16.0),
        };
        let plans = plans(&mut dice, number, options.days);
        let mut patient = Self {
            seed: options.seed,
            number,
            id: format!("synthetic-{:03}", number + 1),
            zone: zone.clone(),
            start: options.start,
            habits,
            plans,
            episodes: Vec::new(),
        };
        patient.episodes = patient.plans.iter().map(|plan| patient.episode(plan)).collect();
        patient
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn gateway(&self) -> String {
        format!("gw-{}", self.id)
    }

    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    pub(super) fn device(&self, kind: &str) -> String {
        format!("{}-{kind}", self.id)
    }

    /// The plan of this kind that covers `day`, and the how-manieth day of it that is.
    pub(super) fn plan_on(&self, kind: EpisodeKind, day: u32) -> Option<(Plan, u32)> {
        let covering =
            self.plans.iter().find(|plan| plan.kind == kind && (plan.day..plan.day + plan.days).contains(&day))?;
        Some((*covering, day - covering.day))
    }

    fn episode(&self, plan: &Plan) -> Episode {
        let first = self.start.plus(plan.day as i32);
        let start = self.zone.at(first, plan.minute);
        let end = match plan.kind {
            EpisodeKind::Spo2Depression | EpisodeKind::DeviceOff | EpisodeKind::MissedDoses => {
                start.plus(i64::from(plan.minutes) * MINUTE_MS)
            }
            EpisodeKind::WeightGain | EpisodeKind::PainFlare | EpisodeKind::StepDrop | EpisodeKind::HouseholdMixUp => {
                self.zone.day_start(first.plus(plan.days as i32))
            }
        };
        Episode { patient: self.id.clone(), kind: plan.kind, start_ms: start.ms(), end_ms: end.ms() }
    }

    /// Whether the watch is off at that instant.
    pub(super) fn watch_is_off(&self, time: EventTime) -> bool {
        let off = self.episodes.iter().filter(|episode| episode.kind == EpisodeKind::DeviceOff);
        off.into_iter().any(|episode| (episode.start_ms..episode.end_ms).contains(&time.ms()))
    }

    pub fn roster(&self, options: &SimulationOptions) -> RosterDraft {
        let start = self.start;
        Declared { id: &self.id, zone: &self.zone, care_team: &options.care_team, start, days: options.days }.roster()
    }
}

/// Kinds in a random order that begins with a different one for each patient number, one after the other with ordinary
/// weeks between, as many as fit.
fn plans(dice: &mut ChaCha8Rng, number: u32, days: u32) -> Vec<Plan> {
    use EpisodeKind::{DeviceOff, MissedDoses, PainFlare, Spo2Depression, StepDrop, WeightGain};
    let kinds = [Spo2Depression, WeightGain, MissedDoses, PainFlare, StepDrop, DeviceOff];
    let first = kinds[number as usize % kinds.len()];
    let mut rest: Vec<EpisodeKind> = kinds.into_iter().filter(|kind| *kind != first).collect();
    rest.shuffle(dice);
    let mut plans = Vec::new();
    let mut day = QUIET_DAYS + dice.random_range(0..4);
    for kind in std::iter::once(first).chain(rest) {
        let plan = plan(dice, kind, day);
        if plan.day + plan.days + 2 > days {
            break;
        }
        day = plan.day + plan.days + RECOVERY_DAYS + dice.random_range(0..3);
        plans.push(plan);
    }
    plans
}

fn plan(dice: &mut ChaCha8Rng, kind: EpisodeKind, day: u32) -> Plan {
    let (days, minute, minutes) = match kind {
        EpisodeKind::Spo2Depression => (1, dice.random_range(22 * 60 + 5..23 * 60 + 40), dice.random_range(6..11)),
        EpisodeKind::WeightGain => (4, 0, 0),
        // From three hours before the first missed dose to three hours after the last.
        EpisodeKind::MissedDoses => (2, 5 * 60, if dice.random_bool(0.5) { 18 * 60 } else { 30 * 60 }),
        EpisodeKind::PainFlare => (2, 0, 0),
        EpisodeKind::StepDrop => (7, 0, 0),
        EpisodeKind::HouseholdMixUp => (1, 0, 0),
        EpisodeKind::DeviceOff => (2, dice.random_range(9 * 60..15 * 60), dice.random_range(14 * 60..26 * 60)),
    };
    debug_assert!(i64::from(minutes) * MINUTE_MS < 2 * DAY_MS + HOUR_MS);
    Plan { kind, day, days, minute, minutes }
}
