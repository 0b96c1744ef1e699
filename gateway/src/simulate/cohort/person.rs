//! Who somebody is, and their story.

use painwatch_domain::time::MINUTE_MS;
use painwatch_domain::{EventTime, LocalDay, Measure, Zone};
use painwatch_proto::ingest::v1::Reading;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::course::{Course, courses};
use super::diary::UPLOADS_LATE;
use super::{CohortOptions, Story};
use crate::outgoing::Step;
use crate::simulate::declared::Declared;
use crate::simulate::patient::dice;
use crate::simulate::sending::Hub;
use crate::truth::{Episode, EpisodeKind};

/// Random numbers of one day, apart for each signal: a change in one leaves the others as they were.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Signal {
    Heart = 64,
    Steps,
    Oxygen,
    Breaths,
    Night,
    Weight,
    Household,
    Uploads,
    Minutes,
    PainOfDay,
    Reports,
    Doses,
    Sleep,
    Sending,
}

#[derive(Clone, Debug)]
pub struct Person {
    pub(super) seed: u64,
    pub(super) number: u32,
    pub(super) id: String,
    pub(super) zone: Zone,
    pub(super) start: LocalDay,
    pub(super) days: u32,
    pub(super) habits: Habits,
    pub(super) courses: Vec<Course>,
    care_team: String,
    episodes: Vec<Episode>,
}

/// What is usual, and how much it varies from day to day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    pub heart_rate: f64,
    pub heart_rate_sd: f64,
    pub weight_kg: f64,
    /// Of the other person of the household.
    pub other_weight_kg: f64,
    pub steps_a_day: f64,
    /// As a part of the usual.
    pub steps_sd: f64,
    pub pain: f64,
    pub pain_sd: f64,
    pub oxygen: f64,
    pub breaths: f64,
    /// Breathing pauses in sleep: saturation dips again and again, each for less than a minute.
    pub pauses: bool,
    pub sleep_min: f64,
    pub awake_min: f64,
    pub rescue_a_day: f64,
}

fn habits(dice: &mut ChaCha8Rng) -> Habits {
    let weight_kg = dice.random_range(55.0..105.0);
    let apart = dice.random_range(0.1..0.35) * if dice.random_bool(0.5) { 1.0 } else { -1.0 };
    Habits {
        heart_rate: dice.random_range(54.0..76.0),
        heart_rate_sd: dice.random_range(1.2..3.0),
        weight_kg,
        other_weight_kg: f64::max(weight_kg * (1.0 + apart), 42.0),
        steps_a_day: dice.random_range(2_500.0..8_500.0),
        steps_sd: dice.random_range(0.2..0.5),
        pain: dice.random_range(2.5..5.5),
        pain_sd: dice.random_range(0.4..1.0),
        // One in ten has sick lungs.
        oxygen: if dice.random_bool(0.1) { dice.random_range(92.0..93.5) } else { dice.random_range(94.5..97.5) },
        breaths: dice.random_range(12.0..18.0),
        pauses: dice.random_bool(0.25),
        sleep_min: dice.random_range(350.0..440.0),
        awake_min: dice.random_range(35.0..75.0),
        rescue_a_day: dice.random_range(0.3..1.2),
    }
}

impl Person {
    pub(super) fn new(options: &CohortOptions, zone: &Zone, number: u32) -> Self {
        let mut dice = dice(options.seed, number, u32::MAX, Signal::Sending as u8);
        let mut person = Self {
            seed: options.seed,
            number,
            id: format!("synthetic-{:04}", number + 1),
            zone: zone.clone(),
            start: options.start,
            days: options.days,
            habits: habits(&mut dice),
            courses: courses(&mut dice, options.days),
            care_team: options.care_team.clone(),
            episodes: Vec::new(),
        };
        person.episodes = person.courses.iter().map(|course| person.episode(course)).collect();
        person
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is true of this person, in order.
    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    pub fn story(&self) -> Story {
        let declared =
            Declared { id: &self.id, zone: &self.zone, care_team: &self.care_team, start: self.start, days: self.days };
        let mut steps: Vec<Step> = (0..self.days).flat_map(|day| self.day(day)).collect();
        steps.sort_by_key(|step| step.clock_ms);
        Story { roster: declared.roster(), steps }
    }

    fn day(&self, day: u32) -> Vec<Step> {
        let date = self.date(day);
        let bounds = (self.zone.day_start(date).ms(), self.zone.day_start(date.plus(1)).ms());
        let mut spots = self.diary(day);
        spots.retain(|(at, _)| (bounds.0..bounds.1).contains(at));
        spots.sort_by_key(|(at, _)| *at);
        let gateway = format!("gw-{}", self.id);
        let hub = Hub { gateway, number: self.number, zone: &self.zone };
        let mut steps = hub.send(bounds, &self.packed(day, bounds), &spots, &mut self.dice(day, Signal::Sending));
        let doses = self.doses(day);
        if self.dice(day, Signal::Uploads).random_bool(UPLOADS_LATE) && !doses.is_empty() {
            let next_morning = self.minute(day + 1, 9 * 60);
            steps.push(hub.step(next_morning, -next_morning, doses.into_iter().map(|(_, dose)| dose).collect()));
        } else {
            // Numbers of their own beside those of the day's windows.
            steps.extend(doses.into_iter().map(|(sent, dose)| hub.step(sent, -sent, vec![dose])));
        }
        steps
    }

    pub(super) fn date(&self, day: u32) -> LocalDay {
        self.start.plus(day as i32)
    }

    pub(super) fn dice(&self, day: u32, signal: Signal) -> ChaCha8Rng {
        dice(self.seed, self.number, day, signal as u8)
    }

    pub(super) fn device(&self, kind: &str) -> String {
        format!("{}-{kind}", self.id)
    }

    /// Courses of a kind; ascending.
    pub(super) fn of_kind(&self, kind: EpisodeKind) -> impl Iterator<Item = &Course> {
        self.courses.iter().filter(move |course| course.kind == kind)
    }

    /// How much of a flare, or of a time with little walking, is felt.
    pub(super) fn felt(&self, kind: EpisodeKind, day: u32) -> f64 {
        self.of_kind(kind).map(|course| course.felt(day) * (0.4 + 0.6 * course.severity)).fold(0.0, f64::max)
    }

    fn episode(&self, course: &Course) -> Episode {
        let first = self.date(course.day);
        let start = self.zone.at(first, course.minute);
        let end = if course.minutes > 0 {
            // What falls and rises again does each within three minutes.
            let slopes = if course.kind == EpisodeKind::Spo2Depression { 6 } else { 0 };
            start.plus(i64::from(course.minutes + slopes) * MINUTE_MS)
        } else {
            self.zone.day_start(first.plus(course.days as i32))
        };
        Episode { patient: self.id.clone(), kind: course.kind, start_ms: start.ms(), end_ms: end.ms() }
    }

    pub(super) fn during(&self, kind: EpisodeKind, time: i64) -> Option<&Episode> {
        self.episodes.iter().find(|episode| episode.kind == kind && (episode.start_ms..episode.end_ms).contains(&time))
    }

    pub(super) fn watch_is_off(&self, time: i64) -> bool {
        self.during(EpisodeKind::DeviceOff, time).is_some()
    }

    pub(super) fn reading(&self, kind: &str, measure: Measure, at: i64, value: f64) -> Reading {
        Reading {
            device: self.device(kind),
            measure: measure.name().to_owned(),
            time_ms: Some(at),
            value: Some(value),
            unit: measure.spec().unit.to_owned(),
            ..Reading::default()
        }
    }

    pub(super) fn minute(&self, day: u32, minute: u32) -> i64 {
        self.zone.at(self.date(day), minute).ms()
    }

    pub(super) fn is_night(&self, at: i64) -> bool {
        !(6 * 60..22 * 60).contains(&self.zone.minute_of_day(EventTime(at)))
    }
}
