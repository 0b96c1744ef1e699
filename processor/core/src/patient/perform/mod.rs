//! The work itself: folding, evaluating, publishing.

mod absent;
mod combine;
mod coverage;
mod daily;
mod doses;
mod fills;
mod hold;
mod medication;
mod streams;

pub(super) use combine::combined;
pub(super) use coverage::cause_of;
pub(super) use daily::group_of;
use painwatch_domain::roster::Patient;
use painwatch_domain::{DeviceId, JournalTime, Measure, PatientId, Value};

use super::Clinic;
use super::coverage::DeviceStates;
use super::daily::Derived;
use super::day::Observation;
use super::episodes::{EpisodeChanges, Subject};
use super::past::Past;
use super::paths::Paths;
use super::state::Work;

/// What a task led to.
#[derive(Debug, Default)]
pub struct Performed {
    pub metrics: Vec<MetricOut>,
    pub coverage: Vec<CoverageOut>,
    pub episodes: EpisodeChanges,
    /// Covered and blind intervals that did not fill a day: a defect of ours, counted and shown.
    pub coverage_defects: u32,
    /// Days beyond the horizon that were computed again without consequence for any alert.
    pub beyond_horizon: u32,
}

/// A metric row to write.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricOut {
    pub patient: PatientId,
    pub metric: String,
    pub unit: &'static str,
    pub window: (i64, i64),
    pub told: Derived,
    pub is_final: bool,
    pub revision: i64,
}

/// What one rule could see on one day: intervals with an empty cause are covered.
#[derive(Clone, Debug, PartialEq)]
pub struct CoverageOut {
    pub patient: PatientId,
    pub rule: painwatch_domain::RuleId,
    pub window: (i64, i64),
    pub intervals: Vec<(i64, i64, &'static str)>,
}

impl Clinic {
    /// Reports everything of the patient again, under the rules as they are now; what no rule looks at any more ends.
    pub(super) fn republish(&mut self, person: &Patient, past: &mut Past, now: JournalTime, out: &mut Performed) {
        self.fold_all(person, now);
        self.look_for_silence(person, now);
        self.publish_daily(person, past, daily::Scope::ALL, now, out);
        let subject = Subject { tenant: &self.tenant, patient: &person.id, now };
        let reported: Vec<String> = past.reports.rules().map(str::to_owned).collect();
        for rule in
            self.rules.iter().filter(|rule| !rule.applies_to(person) && reported.iter().any(|id| id == rule.id()))
        {
            past.reports.retire(&subject, &rule.newest().face, &mut out.episodes);
        }
        if self.rules.iter().any(|rule| rule.is_combined() && rule.applies_to(person)) {
            self.owe(&person.id, now, Work::Combine);
        }
        self.owe_next_numbers(person, now);
    }
}

/// What a device said of itself, in time order, and what its gateway said of it.
fn states_of(paths: &Paths, history: &[Observation], device: &DeviceId) -> [DeviceStates; 2] {
    let changes = |measure: Measure| {
        let own = history.iter().filter(move |seen| seen.reading.measure == measure && seen.reading.device == *device);
        own.filter_map(|seen| Some((seen.time, is_true(seen)?))).collect()
    };
    let own = DeviceStates {
        worn: changes(Measure::DeviceWorn),
        charging: changes(Measure::DeviceCharging),
        link: changes(Measure::DeviceLink),
    };
    [own, paths.states_of(device.as_str())]
}

/// A state that a device sends as a word.
fn is_true(seen: &Observation) -> Option<bool> {
    match &seen.reading.value {
        Value::Code(code) => Some(matches!(&**code, "true" | "connected" | "up")),
        _ => None,
    }
}
