//! Simulated people with ground truth: which episodes are found, how soon, and what rings without one.

use std::collections::BTreeMap;

use anyhow::Result;
use painwatch_alerts_core::AlertView;
use painwatch_domain::time::{DAY_MS, HOUR_MS};
use painwatch_domain::{FindingKind, LocalDay};
use painwatch_gateway::simulate::cohort::{Cohort, CohortOptions, Person};
use painwatch_gateway::truth::{Episode, EpisodeKind};

use crate::follow::{Followed, RingsByRule, add_rings, follow};

/// How a kind of episode is to be found, and what it may set off besides.
pub struct Target {
    pub kind: EpisodeKind,
    pub name: &'static str,
    /// Rules of which any one finds it.
    pub found_by: &'static [&'static str],
    /// Rules that may ring because of it and are not false then.
    pub explains: &'static [&'static str],
    /// So long after its end it still counts as the cause, in milliseconds.
    pub aftermath_ms: i64,
}

const RESPIRATORY: &[&str] = &[
    "spo2-sustained-low",
    "spo2-critical",
    "respiratory-rate-low",
    "respiratory-rate-critical",
    "breathing-slow-and-saturation-slightly-low",
    "sedated-with-impaired-breathing",
];

/// A silence is told after a day (clinical catalogue G4): shorter ones are no targets.
const OFF_FOR_MS: i64 = 25 * HOUR_MS;

pub const TARGETS: [Target; 7] = [
    Target {
        kind: EpisodeKind::Spo2Depression,
        name: "respiratory depression",
        found_by: RESPIRATORY,
        explains: &[
            "news2-high",
            "news2-medium",
            "news2-single-red",
            "breathing-slow-and-saturation-low",
            "opioid-too-soon-with-impaired-breathing",
        ],
        aftermath_ms: HOUR_MS,
    },
    Target {
        kind: EpisodeKind::PainFlare,
        name: "flare",
        found_by: &["pain-flare", "pain-worsening", "pain-severe-lasting", "pain-flare-signals"],
        explains: &[
            "pain-severe",
            "flare-three-signals",
            "severe-pain-and-then-silence",
            "pain-level-up",
            "pain-worse-2-points",
            "pain-trend-up",
            "rescue-escalation",
            "rescue-3",
            "rescue-5",
            "mme-taken-90",
            "mme-rise",
            "opioid-too-soon",
            "steps-drop",
            "steps-level-down",
            "steps-trend-down",
            "resting-heart-rate-up",
            "night-heart-rate-yellow",
            "night-heart-rate-red",
            "sleep-short",
            "sleep-broken",
        ],
        aftermath_ms: 7 * DAY_MS,
    },
    Target {
        kind: EpisodeKind::WeightGain,
        name: "weight gain",
        found_by: &["weight-gain-1d", "weight-gain-3d", "weight-gain-7d"],
        explains: &[],
        aftermath_ms: 3 * DAY_MS,
    },
    Target {
        kind: EpisodeKind::MissedDoses,
        name: "missed doses",
        found_by: &["withdrawal-doses-missed-2", "withdrawal-doses-missed-3"],
        explains: &["doses-missed-2", "doses-missed-3"],
        aftermath_ms: DAY_MS,
    },
    Target {
        kind: EpisodeKind::StepDrop,
        name: "walking less",
        found_by: &["steps-drop", "steps-level-down", "steps-trend-down"],
        explains: &["pain-flare-signals"],
        aftermath_ms: 14 * DAY_MS,
    },
    Target {
        kind: EpisodeKind::HouseholdMixUp,
        name: "household mix-up",
        found_by: &["technical-weight-doubtful", "technical-weight-unassigned"],
        // Whoever stands on the scale seems to have gained or lost weight.
        explains: &["weight-gain-1d", "weight-gain-3d", "weight-gain-7d", "weight-loss-30d", "weight-loss-180d"],
        aftermath_ms: 8 * DAY_MS,
    },
    Target {
        kind: EpisodeKind::DeviceOff,
        name: "watch off for more than a day",
        found_by: &["technical-stream-silent"],
        explains: &[],
        aftermath_ms: HOUR_MS,
    },
];

#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub seed: u64,
    pub people: u32,
    pub days: u32,
}

/// What was found of one kind.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub episodes: u32,
    pub found: u32,
    /// Of those found, from its beginning to the first finding, in milliseconds.
    pub delays_ms: Vec<i64>,
    /// Of those found, so many paged somebody.
    pub paged: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Trial {
    pub people: u32,
    pub patient_weeks: f64,
    pub readings: u64,
    pub found: BTreeMap<EpisodeKind, Found>,
    /// What rang without any episode that could have been the cause.
    pub wrong: RingsByRule,
    /// The same, of rules that ship in shadow.
    pub wrong_of_shadow: RingsByRule,
}

/// Follows every person of a cohort and compares what was told with what is true.
///
/// # Errors
/// The pipeline does not take what the simulator sends.
pub fn run(size: Size) -> Result<Trial> {
    let cohort = Cohort::new(&CohortOptions {
        seed: size.seed,
        people: size.people,
        start: LocalDay(20_500),
        days: size.days,
        zone: "Europe/Paris".to_owned(),
        care_team: "evidence".to_owned(),
    })?;
    let mut trial = Trial::default();
    for one in in_parallel(cohort.people(), judge_person)? {
        trial.add(one);
    }
    Ok(trial)
}

/// Runs `work` over all of `items` on as many threads as there are cores; results in the order of the items.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut done: Vec<(usize, Result<R>)> = std::thread::scope(|scope| {
        let worker = || {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(item) = items.get(index) else { return done };
                done.push((index, work(item)));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker does not panic")).collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

fn is_target(target: &Target, episode: &Episode) -> bool {
    target.kind == episode.kind
        && (episode.kind != EpisodeKind::DeviceOff || episode.end_ms - episode.start_ms > OFF_FOR_MS)
}

fn judge_person(person: &Person) -> Result<Trial> {
    let story = person.story();
    let span = story.steps.first().zip(story.steps.last()).map_or(0, |(first, last)| last.clock_ms - first.clock_ms);
    let followed = follow(story.roster, &story.steps)?;
    let mut trial = Trial {
        people: 1,
        patient_weeks: span as f64 / (7 * DAY_MS) as f64,
        readings: followed.admitted,
        ..Trial::default()
    };
    for target in &TARGETS {
        for episode in person.episodes().iter().filter(|episode| is_target(target, episode)) {
            trial.episode(target, episode, &followed);
        }
    }
    trial.count_wrong(person.episodes(), &followed);
    Ok(trial)
}

impl Trial {
    fn episode(&mut self, target: &Target, episode: &Episode, followed: &Followed) {
        let found = self.found.entry(target.kind).or_default();
        found.episodes += 1;
        let until = episode.end_ms + target.aftermath_ms;
        let of_it = followed.findings.iter().filter(|finding| {
            let in_time = (episode.start_ms..until).contains(&finding.detected_at.0);
            // One finding tells all streams of a patient that are silent: of a further one it says so by changing.
            let tells = finding.kind == FindingKind::Opened
                || (finding.kind == FindingKind::Changed && target.kind == EpisodeKind::DeviceOff);
            in_time && tells && target.found_by.contains(&finding.rule.as_str()) && !finding.shadow
        });
        let Some(first) = of_it.clone().map(|finding| finding.detected_at.0).min() else { return };
        found.found += 1;
        found.delays_ms.push(first - episode.start_ms);
        let paged = of_it.into_iter().any(|finding| followed.rung.pages.iter().any(|(id, ..)| *id == finding.alert_id));
        found.paged += u32::from(paged);
    }

    fn count_wrong(&mut self, truth: &[Episode], followed: &Followed) {
        let unexplained =
            |alert: &AlertView| !truth.iter().any(|episode| explains(episode, alert.rule.as_str(), alert.opened_at.0));
        self.wrong = followed.rung.by_rule(unexplained);
        self.wrong_of_shadow = followed.of_shadow.by_rule(unexplained);
    }

    fn add(&mut self, other: Self) {
        self.people += other.people;
        self.patient_weeks += other.patient_weeks;
        self.readings += other.readings;
        for (kind, found) in other.found {
            let known = self.found.entry(kind).or_default();
            known.episodes += found.episodes;
            known.found += found.found;
            known.paged += found.paged;
            known.delays_ms.extend(found.delays_ms);
        }
        add_rings(&mut self.wrong, other.wrong);
        add_rings(&mut self.wrong_of_shadow, other.wrong_of_shadow);
    }

    pub fn false_pages_a_week(&self) -> f64 {
        f64::from(self.wrong.values().map(|wrong| wrong.pages).sum::<u32>()) / self.patient_weeks
    }

    pub fn false_items_a_week(&self) -> f64 {
        f64::from(self.wrong.values().map(|wrong| wrong.items).sum::<u32>()) / self.patient_weeks
    }

    pub fn sensitivity(&self, kind: EpisodeKind) -> f64 {
        self.found.get(&kind).map_or(0.0, |found| f64::from(found.found) / f64::from(found.episodes.max(1)))
    }
}

fn explains(episode: &Episode, rule: &str, opened: i64) -> bool {
    TARGETS.iter().any(|target| {
        let concerned = target.found_by.contains(&rule) || target.explains.contains(&rule);
        target.kind == episode.kind
            && concerned
            && (episode.start_ms..episode.end_ms + target.aftermath_ms).contains(&opened)
    })
}
