//! The coverage ledger (semantics 15): what each rule could see on a day that is over.

use std::sync::Arc;

use painwatch_domain::roster::Patient;
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{JournalTime, Measure};

use super::super::calendar::Calendar;
use super::super::compiled::{Compiled, Kind};
use super::super::coverage::{self, DeviceStates};
use super::super::daily::{self, Book};
use super::super::day::{DailyValue, Frame, Group, Observation};
use super::super::derived::Facts;
use super::super::past::Past;
use super::super::{Clinic, closes_after_ms};
use super::daily::group_of;
use super::{CoverageOut, Performed};

impl Clinic {
    /// What each hold rule could see on the day, from the readings themselves.
    pub(super) fn hold_coverage(&self, person: &Patient, frame: &Frame, history: &[Observation], out: &mut Performed) {
        if !frame.closed {
            return;
        }
        let states = device_states(history);
        for rule in self.rules_of(&person.id).iter().filter(|rule| rule.applies_to(person)) {
            let Some(version) = rule.at(frame.end - 1) else { continue };
            let Kind::Hold(measure, hold) = &version.kind else { continue };
            let seen = history.iter().filter(|seen| {
                seen.reading.measure == *measure && version.number(*measure, &seen.reading.value).is_some()
            });
            let times: Vec<i64> = seen.map(|seen| seen.time).collect();
            let window = (frame.start, frame.end);
            let covered = coverage::covered(&times, hold.max_gap_ms, window);
            let blind = coverage::blind(&times, hold.max_gap_ms, window);
            out.coverage_defects += u32::from(!coverage::adds_up(&covered, &blind, window));
            let mut intervals: Vec<_> = covered.into_iter().map(|(from, to)| (from, to, "")).collect();
            intervals.extend(blind.into_iter().flat_map(|gap| states.causes_in(gap)));
            intervals.sort_unstable();
            out.coverage.push(told(person, version, self.replaced(person, frame), intervals));
        }
    }

    /// What of the ledger the day takes the place of: before the first watched day there is nothing, but what an earlier
    /// zone of the patient may have left.
    fn replaced(&self, person: &Patient, frame: &Frame) -> (i64, i64) {
        let first = self.watched_from(person) == Some(frame.day.0);
        (if first { frame.start - 2 * DAY_MS } else { frame.start }, frame.end)
    }

    /// A daily rule saw the day iff its metric has a value. Later days that are over are told again: what they derive from
    /// this one may have come or gone with it.
    pub(super) fn daily_coverage(
        &self,
        person: &Patient,
        past: &Past,
        group: Group,
        frame: &Frame,
        now: JournalTime,
        out: &mut Performed,
    ) {
        let facts = Facts::of(&self.roster, person);
        let all = Arc::clone(self.rules_of(&person.id));
        let judged_here = |metric: &str| group_of(metric) == Some(group);
        let rules = all.iter().filter(|rule| rule.applies_to(person) && rule.metric().is_some_and(judged_here));
        let rules: Vec<_> = rules.filter_map(|rule| Some((rule, rule.metric()?))).collect();
        let of_rules = |name: &str| rules.iter().any(|(_, metric)| *metric == name);
        let derived = daily::derive(&past.kept(&facts), frame.day.0, of_rules);
        let (calendar, open_from) = (Calendar::of(person), frame.day.0);
        let book = Book { calendar, days: &past.days, derived: &derived, frozen: &facts.frozen, open_from };
        let first_open = calendar.day_of(now.0 - closes_after_ms(&person.id));
        let first_later = self.watched_from(person).map_or(first_open, |watched| watched.max(frame.day.0 + 1));
        for day in std::iter::once(frame.day.0).chain(first_later..first_open) {
            let window = calendar.bounds(day);
            let replaced = if day == frame.day.0 { self.replaced(person, frame) } else { window };
            for (rule, metric) in &rules {
                let Some(version) = rule.at(window.1 - 1) else { continue };
                let intervals = vec![(window.0, window.1, cause_of(book.value(day, metric)))];
                out.coverage.push(told(person, version, replaced, intervals));
            }
        }
    }
}

/// Empty where the rule could see.
pub(in super::super) fn cause_of(value: Option<&DailyValue>) -> &'static str {
    match value {
        Some(value) if value.value.is_some() => "",
        Some(value) if value.reason == "not_worn" || value.reason == "zero_without_wear" => "not_worn",
        _ => "unknown",
    }
}

fn told(
    person: &Patient,
    version: &Compiled,
    window: (i64, i64),
    intervals: Vec<(i64, i64, &'static str)>,
) -> CoverageOut {
    CoverageOut { patient: person.id.clone(), rule: version.face.id.clone(), window, intervals }
}

pub(in super::super) fn device_states(history: &[Observation]) -> DeviceStates {
    let changes = |measure: Measure| {
        let of_measure = history.iter().filter(move |seen| seen.reading.measure == measure);
        of_measure.filter_map(|seen| match &seen.reading.value {
            painwatch_domain::Value::Code(code) => Some((seen.time, &**code == "true")),
            _ => None,
        })
    };
    DeviceStates { worn: changes(Measure::DeviceWorn).collect(), charging: changes(Measure::DeviceCharging).collect() }
}
