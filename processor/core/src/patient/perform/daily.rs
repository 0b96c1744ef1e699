//! Daily values: computed, told, judged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use painwatch_domain::roster::Patient;
use painwatch_domain::{JournalTime, LocalDay};

use super::super::by_metric::ByMetric;
use super::super::calendar::Calendar;
use super::super::circumstances::Around;
use super::super::daily::trends;
use super::super::daily::{self, Book, Derived, WITHDRAWAL_MISSED};
use super::super::day::evidence::is_forgotten;
use super::super::day::reporting;
use super::super::day::{self, DailyValue, Frame, Group, Observation, Values};
use super::super::derived::Facts;
use super::super::episodes::{Judged, Subject};
use super::super::past::Past;
use super::super::state::Work;
use super::super::{Clinic, FINAL_AFTER_MS, closes_after_ms};
use super::{MetricOut, Performed};
use crate::metrics::catalogue;
use crate::metrics::numbers::Number;
use crate::rules::Condition;

/// Why a value that was told is none any more: the readings it came from were taken back. Such a row is as good as none.
const WITHDRAWN: &str = "withdrawn";

/// Which metrics a piece of work concerns.
#[derive(Clone, Copy)]
pub(in super::super) struct Scope {
    group: Option<Group>,
    closed: bool,
}

impl Scope {
    pub(in super::super) const ALL: Self = Self { group: None, closed: true };

    pub(in super::super) const MEDICATION: Self = Self { group: Some(Group::Medication), closed: true };

    /// A day that is not over changes no trend.
    fn includes(self, metric: &str) -> bool {
        let Some(group) = self.group else { return true };
        let of_pair = trends::is_rank(metric) && matches!(group, Group::Pain | Group::Activity | Group::Sleep);
        (of_pair || group_of(metric) == Some(group)) && (self.closed || !trends::is_trend(metric))
    }
}

impl Clinic {
    /// Computes one group's values of one day.
    pub(in super::super) fn evaluate(
        &mut self,
        person: &Patient,
        past: &mut Past,
        (group, day): (Group, i32),
        history: &[Observation],
        now: JournalTime,
        out: &mut Performed,
    ) {
        let calendar = Calendar::of(person);
        let (start, end) = calendar.bounds(day);
        let (closed, roster) = (end + closes_after_ms(&person.id) <= now.0, Arc::clone(&self.roster));
        let (day_of, zone) = (LocalDay(day), calendar.zone_of(day));
        let frame = Frame { day: day_of, start, end, zone, now: now.0, closed, roster: &roster, person };
        if group == Group::Coverage {
            return self.hold_coverage(person, past, &frame, history, now, out);
        }
        let mut values = match group {
            Group::Medication => self.medication(person, past, &frame, history, now),
            _ => day::evaluate(group, &frame, history),
        };
        values.extend(reporting::devices(group, &frame, history));
        if day < self.horizon(calendar, now) {
            return tell_old_day(person, past, group, &frame, values, out);
        }
        keep(past, group, day, values);
        let scope = Scope { group: Some(group), closed };
        self.tell(person, past, scope, day, now, out);
        self.publish_daily(person, past, scope, now, out);
        if closed {
            self.daily_coverage(person, past, group, &frame, now, out);
            self.mark_combined_days(person, group, day, now);
        }
        if closed && group != Group::Composite {
            // At the close it comes after the groups it looks at; later, after whatever was computed again.
            self.owe(&person.id, now, Work::Evaluate(Group::Composite, day));
        }
        if end + FINAL_AFTER_MS > now.0 {
            self.owe(&person.id, JournalTime(end + FINAL_AFTER_MS), Work::Finish(day));
        }
    }

    /// The day's values are final now.
    pub(in super::super) fn finish(
        &mut self,
        person: &Patient,
        past: &mut Past,
        day: i32,
        now: JournalTime,
        out: &mut Performed,
    ) {
        let due = Calendar::of(person).start(day + 1) + FINAL_AFTER_MS;
        if due > now.0 {
            // The patient's zone changed since it was owed.
            return self.owe(&person.id, JournalTime(due), Work::Finish(day));
        }
        self.tell(person, past, Scope::ALL, day, now, out);
    }

    /// Tells every value (of the group) that differs from what was told: the day's, and what derives from it later.
    fn tell(&self, person: &Patient, past: &mut Past, scope: Scope, day: i32, now: JournalTime, out: &mut Performed) {
        let calendar = Calendar::of(person);
        let since = self.horizon(calendar, now).max(day);
        let wanted = |name: &str| scope.includes(name);
        let facts = Facts::of(&self.roster, person);
        let mut all: BTreeMap<(i32, &'static str), Derived> = BTreeMap::new();
        let told_as_it_is = |name: &str| wanted(name) && reporting::group_of(name).is_none();
        let own = past.days.get(&day).into_iter().flat_map(ByMetric::iter).filter(|(name, _)| told_as_it_is(name));
        for (name, value) in own {
            all.insert((day, name), Derived { value: value.clone(), baseline: None, deviation: None });
        }
        all.extend(daily::derive(&past.kept(&facts), since, wanted));
        let told = past.told.get(&day).into_iter().flat_map(ByMetric::names).filter(|name| wanted(name));
        let of_day = told.map(|name| (day, name));
        let later = past.told.range(day.saturating_add(1).max(since)..);
        let derived = later.flat_map(|(later, told)| told.names().map(|name| (*later, name)));
        let derived = derived.filter(|(_, name)| daily::is_derived(name) && wanted(name));
        for key in of_day.chain(derived).filter(|key| !all.contains_key(key)).collect::<Vec<_>>() {
            all.insert(key, withdrawn());
        }
        for ((day, metric), told) in all {
            let window = calendar.bounds(day);
            tell_one(person, past, (day, metric), window, told, now, out);
        }
    }

    /// Judges every daily rule (of the group) over all kept days.
    pub(super) fn publish_daily(
        &mut self,
        person: &Patient,
        past: &mut Past,
        scope: Scope,
        now: JournalTime,
        out: &mut Performed,
    ) {
        let calendar = Calendar::of(person);
        let horizon = self.horizon(calendar, now);
        let since = calendar.start(horizon);
        let mut again = BTreeSet::new();
        let rules = Arc::clone(self.rules_of(&person.id));
        let judged_here = |rule: &&super::super::compiled::Ruled| {
            rule.applies_to(person) && rule.metric().is_some_and(|metric| scope.includes(metric))
        };
        let rules: Vec<_> = rules.iter().filter(judged_here).collect();
        if rules.iter().any(|rule| self.is_child(rule)) {
            self.owe(&person.id, now, Work::Combine);
        }
        let rules: Vec<_> = rules.into_iter().filter(|rule| rule.is_told()).collect();
        let missed = |rule: &super::super::compiled::Ruled| {
            matches!(rule.newest().rule.condition, Condition::Missed { .. }) || rule.metric() == Some(WITHDRAWAL_MISSED)
        };
        let doses_wait = rules.iter().any(|rule| missed(rule)) && self.doses_wait(person, now);
        let facts = Facts::of(&self.roster, person);
        let around = Around::of(&self.roster, person);
        if rules.is_empty() {
            return;
        }
        let of_rules = |name: &str| rules.iter().any(|rule| rule.metric() == Some(name));
        let derived = daily::derive(&past.kept(&facts), daily::FIRST_DAY, of_rules);
        let open_from = calendar.day_of(now.0 - closes_after_ms(&person.id));
        let watched_from = self.watched_from(person).unwrap_or(open_from).max(calendar.day_of(since));
        let frozen = &facts.frozen;
        let book = Book { calendar, days: &past.days, derived: &derived, frozen, open_from, watched_from };
        let exposure = past.exposure();
        let subject = Subject { tenant: &self.tenant, patient: &person.id, now };
        for rule in rules {
            let Some(metric) = rule.metric() else { continue };
            let mut spans = daily::episodes(rule, metric, &book);
            let told = spans.iter().filter(|span| span.until() >= since);
            let forgotten: Vec<_> = told.flat_map(|span| &span.evidence).filter_map(is_forgotten).collect();
            if forgotten.iter().any(|(_, day)| *day >= horizon) {
                // Told when the readings that show it are found: at this instant, by work that is owed now.
                let groups = |from: Number| [group_of(from.name()), group_of(metric)];
                let days = forgotten.into_iter().filter(|(_, day)| *day >= horizon);
                again.extend(days.flat_map(|(from, day)| groups(from).into_iter().flatten().map(move |of| (of, day))));
                continue;
            }
            spans.iter_mut().for_each(|span| span.evidence.retain(|id| is_forgotten(id).is_none()));
            if doses_wait && missed(rule) {
                // Waiting for upload: nothing new is told (semantics 16).
                spans.retain(|span| past.reports.knows(rule.id(), span));
            }
            let judged = spans.into_iter().map(|span| {
                let version = rule.speaking_at(span.start);
                Judged { peak: version.peak(&around, &exposure, &span), face: &version.face, span }
            });
            past.reports.publish(&subject, &rule.newest().face, since, judged.collect(), &mut out.episodes);
        }
        for (group, day) in again {
            self.owe(&person.id, now, Work::Evaluate(group, day));
        }
    }
}

fn tell_one(
    person: &Patient,
    past: &mut Past,
    (day, metric): (i32, &'static str),
    window: (i64, i64),
    told: Derived,
    now: JournalTime,
    out: &mut Performed,
) {
    let unit = catalogue::find(metric).map_or("", |info| info.unit);
    let is_final = window.1 + FINAL_AFTER_MS <= now.0;
    let before = past.told.get(&day).and_then(|of_day| of_day.get(metric)).cloned();
    let Some(revision) = past.revise(day, metric, &told, is_final, window) else { return };
    let row = |window: (i64, i64), told: Derived, revision: i64| {
        let (patient, metric) = (person.id.clone(), metric.to_owned());
        MetricOut { patient, metric, unit, window, told, is_final, revision }
    };
    // The patient's zone changed: the row of the old window is not the row of the new one.
    if let Some(old) = before.filter(|old| old.window.0 != window.0) {
        out.metrics.push(row(old.window, withdrawn(), old.revision + 1));
    }
    out.metrics.push(row(window, told, revision));
}

/// Beyond the horizon values are told once more and nothing else changes (semantics 13). One that is known and is none any
/// more is told as well.
fn tell_old_day(person: &Patient, past: &mut Past, group: Group, frame: &Frame, values: Values, out: &mut Performed) {
    out.beyond_horizon += 1;
    let is_told = |metric: &str| reporting::group_of(metric).is_none();
    let kept = past.days.get(&frame.day.0).into_iter().flat_map(ByMetric::names);
    let told = past.told.get(&frame.day.0).into_iter().flat_map(ByMetric::names);
    let known: BTreeSet<&str> = kept.chain(told).filter(|name| group_of(name) == Some(group)).collect();
    let lost = known.into_iter().filter(|name| is_told(name) && !daily::is_derived(name));
    let lost = lost.filter(|name| values.iter().all(|(metric, _)| metric != name));
    let lost: Vec<_> = lost.map(|name| (name.to_owned(), withdrawn())).collect();
    let there = values.into_iter().filter(|(metric, _)| is_told(metric));
    let there = there.map(|(metric, value)| (metric, Derived { value, baseline: None, deviation: None }));
    for (metric, told) in there.chain(lost) {
        let unit = catalogue::find(&metric).map_or("", |info| info.unit);
        let window = (frame.start, frame.end);
        let Some(revision) = past.revise(frame.day.0, &metric, &told, true, window) else { continue };
        let patient = person.id.clone();
        out.metrics.push(MetricOut { patient, metric, unit, window, told, is_final: true, revision });
    }
}

/// Replaces the group's values of the day.
fn keep(past: &mut Past, group: Group, day: i32, values: Values) {
    let kept = past.days.entry(day).or_default();
    kept.retain(|name| group_of(name) != Some(group));
    kept.extend(values);
    if kept.is_empty() {
        past.days.remove(&day);
    }
}

fn withdrawn() -> Derived {
    let value = DailyValue { reason: WITHDRAWN.to_owned(), ..DailyValue::default() };
    Derived { value, baseline: None, deviation: None }
}

/// The group a metric is computed in.
pub(in super::super) fn group_of(metric: &str) -> Option<Group> {
    catalogue::find(metric).and_then(Group::of_metric).or_else(|| reporting::group_of(metric))
}
