//! Combinations: the episodes of the rules they look at, put together and told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use painwatch_domain::JournalTime;
use painwatch_domain::finding::EVIDENCE_MAX;
use painwatch_domain::roster::Patient;

use super::super::calendar::Calendar;
use super::super::circumstances::{Around, beside_dose};
use super::super::combine;
use super::super::compiled::{Compiled, Kind, Ruled};
use super::super::daily::{self, Book};
use super::super::day::evidence::is_forgotten;
use super::super::day::{Group, Observation};
use super::super::derived::Facts;
use super::super::episodes::{Judged, Span, Subject};
use super::super::past::Past;
use super::super::state::Work;
use super::super::{Clinic, closes_after_ms};
use super::Performed;
use super::absent::silence_spans;
use super::daily::group_of;
use crate::rules::{Condition, Part};

/// Episodes by rule, as they are known so far.
pub(in super::super) type Episodes = BTreeMap<String, Vec<Span>>;

impl Clinic {
    /// Tells every combination of the patient, once nothing that it looks at is stale.
    pub(in super::super) fn combine(
        &mut self,
        person: &Patient,
        past: &mut Past,
        history: &[Observation],
        now: JournalTime,
        out: &mut Performed,
    ) {
        let rules = Arc::clone(self.rules_of(&person.id));
        let stale = self.stale_children(person);
        if !stale.is_empty() {
            stale.into_iter().for_each(|measure| self.owe(&person.id, now, Work::Fold(measure)));
            return self.owe(&person.id, now, Work::Combine);
        }
        let calendar = Calendar::of(person);
        let open_from = calendar.day_of(now.0 - closes_after_ms(&person.id));
        let mut known = self.child_episodes(person, past, history, (now, open_from));
        let horizon = self.horizon(calendar, now);
        let (mut wake, mut again): (Option<i64>, BTreeSet<(Group, i32)>) = (None, BTreeSet::new());
        for rule in rules.iter().filter(|rule| rule.is_combined() && rule.is_told() && rule.applies_to(person)) {
            let next = combined(&rules, person, rule.id(), &mut known, &mut BTreeSet::new(), now.0);
            wake = wake.into_iter().chain(next).min();
            let spans = known.get(rule.id()).cloned().unwrap_or_default();
            let told = spans.iter().filter(|span| span.until() >= calendar.start(horizon));
            let forgotten = told.flat_map(|span| &span.evidence).filter_map(is_forgotten);
            let forgotten = forgotten.filter(|(_, day)| *day >= horizon);
            let found_by: Vec<_> = forgotten.filter_map(|(of, day)| Some((group_of(of.name())?, day))).collect();
            if found_by.is_empty() {
                self.tell_combined(person, past, rule, spans, now, out);
            }
            again.extend(found_by);
        }
        if !again.is_empty() {
            // Told when the readings that show it are found: at this instant, by work that is owed now.
            again.into_iter().for_each(|(group, day)| self.owe(&person.id, now, Work::Evaluate(group, day)));
            self.owe(&person.id, now, Work::Combine);
        }
        if let Some(at) = wake {
            self.owe(&person.id, JournalTime(at.max(now.0 + 1)), Work::Combine);
        }
    }

    /// Measures of which hours must be folded before their episodes mean anything.
    fn stale_children(&self, person: &Patient) -> Vec<String> {
        let Some(state) = self.patients.get(&person.id) else { return Vec::new() };
        let held = self.rules_of(&person.id).iter().filter(|rule| self.is_child(rule) && rule.applies_to(person));
        let measures: BTreeSet<&str> = held.filter_map(|rule| Some(rule.measure_held()?.0.name())).collect();
        let stale = |name: &&str| state.holds.get(*name).is_some_and(|signal| !signal.stale.is_empty());
        measures.into_iter().filter(stale).map(str::to_owned).collect()
    }

    /// The episodes of every rule that some combination looks at and that is none itself, where days before `open_from` are over.
    pub(in super::super) fn child_episodes(
        &self,
        person: &Patient,
        past: &Past,
        history: &[Observation],
        (now, open_from): (JournalTime, i32),
    ) -> Episodes {
        let children: Vec<&Ruled> =
            self.rules_of(&person.id).iter().filter(|rule| self.is_child(rule) && rule.applies_to(person)).collect();
        let calendar = Calendar::of(person);
        let facts = Facts::of(&self.roster, person);
        let of_rules = |name: &str| children.iter().any(|rule| rule.metric() == Some(name));
        let derived = daily::derive(&past.kept(&facts), daily::FIRST_DAY, of_rules);
        let watched_from = self.watched_from(person).unwrap_or(open_from).max(self.horizon(calendar, now));
        let frozen = &facts.frozen;
        let book = Book { calendar, days: &past.days, derived: &derived, frozen, open_from, watched_from };
        let spans = |rule: &&Ruled| match &rule.newest().kind {
            Kind::Hold(measure, _) => {
                let hours = past.folded.get(measure.name()).zip(rule.over(*measure));
                hours.map_or_else(Vec::new, |(hours, versions)| hours.spans(rule.id(), versions, *measure, now.0))
            }
            Kind::Daily(metric) => daily::episodes(rule, metric, &book),
            Kind::Absent(measure, _) => {
                silence_spans(rule, *measure, &self.silences(person, rule, *measure, history, now), now.0)
            }
            Kind::Combined => Vec::new(),
        };
        let leaves = children.iter().filter(|rule| !rule.is_combined());
        leaves.map(|rule| (rule.id().to_owned(), spans(rule))).collect()
    }

    fn tell_combined(
        &mut self,
        person: &Patient,
        past: &mut Past,
        rule: &Ruled,
        spans: Vec<Span>,
        now: JournalTime,
        out: &mut Performed,
    ) {
        let calendar = Calendar::of(person);
        let since = calendar.start(self.horizon(calendar, now));
        let around = Around::of(&self.roster, person);
        let exposure = if rule.depends_on_exposure() { past.exposure() } else { Vec::new() };
        let judged = spans.into_iter().map(|mut span| {
            span.evidence.retain(|id| is_forgotten(id).is_none());
            span.evidence.truncate(EVIDENCE_MAX);
            let version = rule.speaking_at(span.start);
            let span = if exposure.is_empty() { span } else { beside_dose(span, past) };
            Judged { peak: version.peak(&around, &exposure, &span), face: &version.face, span }
        });
        let judged = judged.collect();
        let subject = Subject { tenant: &self.tenant, patient: &person.id, now };
        past.reports.publish(&subject, &rule.newest().face, since, judged, &mut out.episodes);
    }

    /// A closed day's values changed: what combinations over them could see on it and later may be something else.
    pub(super) fn mark_combined_days(&mut self, person: &Patient, group: Group, day: i32, now: JournalTime) {
        let looked_at = |rule: &&Ruled| {
            self.is_child(rule) && rule.applies_to(person) && rule.metric().and_then(group_of) == Some(group)
        };
        if self.rules_of(&person.id).iter().any(|rule| looked_at(&rule)) {
            self.mark_combined(person, Calendar::of(person).start(day), now);
        }
    }
}

/// Puts the episodes of a combination beside those that are known, and says when one that lasts ends by itself. Whatever
/// looks at itself sees nothing there.
pub(in super::super) fn combined(
    rules: &[Ruled],
    person: &Patient,
    id: &str,
    known: &mut Episodes,
    visiting: &mut BTreeSet<String>,
    now: i64,
) -> Option<i64> {
    let rule = rules.iter().find(|rule| rule.id() == id && rule.is_combined() && rule.applies_to(person))?;
    if known.contains_key(id) || !visiting.insert(id.to_owned()) {
        return None;
    }
    let (mut all, mut wake): (Vec<Span>, Option<i64>) = (Vec::new(), None);
    for (from, until, version) in rule.spans_of_force() {
        let Condition::Combined { n, within_ms } = version.rule.condition else { continue };
        for part in &version.rule.parts {
            wake = wake.into_iter().chain(combined(rules, person, part.id().as_str(), known, visiting, now)).min();
        }
        let children: Vec<Vec<Span>> = parts_of(version, known);
        let (spans, next) = combine::episodes(&children, n, within_ms, now);
        wake = wake.into_iter().chain(next).min();
        spans.into_iter().filter_map(|span| in_force(span, from, until)).for_each(|span| join(&mut all, span));
    }
    visiting.remove(id);
    known.insert(id.to_owned(), all);
    wake
}

fn parts_of(version: &Compiled, known: &Episodes) -> Vec<Vec<Span>> {
    version.rule.parts.iter().map(|part: &Part| known.get(part.id().as_str()).cloned().unwrap_or_default()).collect()
}

/// What of an episode lies in the time in which its version was in force.
fn in_force(mut span: Span, from: i64, until: i64) -> Option<Span> {
    if span.start >= until || span.end.is_some_and(|end| end < from) {
        return None;
    }
    span.start = span.start.max(from);
    if until < i64::MAX && span.end.is_none_or(|end| end >= until) {
        span.end = Some(until - 1);
        span.last_held = span.last_held.clamp(span.start, until - 1);
    }
    Some(span)
}

/// An episode that goes on under the next version is one.
fn join(all: &mut Vec<Span>, next: Span) {
    match all.last_mut().filter(|last| last.end.is_some_and(|end| end + 1 == next.start)) {
        Some(last) => *last = Span { start: last.start, ..next },
        None => all.push(next),
    }
}
