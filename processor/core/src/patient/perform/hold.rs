//! Hold rules: folds, looks, and what follows from them.

use std::sync::Arc;

use painwatch_domain::roster::Patient;
use painwatch_domain::{JournalTime, Measure, TenantId};

use super::super::Clinic;
use super::super::calendar::Calendar;
use super::super::circumstances::{Around, beside_dose};
use super::super::compiled::Ruled;
use super::super::day::Observation;
use super::super::episodes::{Judged, Subject};
use super::super::hold::{self, HoldSample};
use super::super::past::Past;
use super::super::signal::{Folded, FoldedHours, HOUR, Live, Look};
use super::super::state::Work;
use super::Performed;
use crate::metrics::hysteresis::EpisodeChange;

impl Clinic {
    /// Folds the oldest stale hours of a measure under every hold rule on it; when none is stale, publishes.
    pub(in super::super) fn fold(
        &mut self,
        person: &Patient,
        past: &mut Past,
        measure_name: &str,
        history: &[Observation],
        now: JournalTime,
        out: &mut Performed,
    ) {
        let Some(measure) = Measure::parse(measure_name) else { return };
        let rules = Arc::clone(self.rules_of(&person.id));
        let rules: Vec<&Ruled> =
            rules.iter().filter(|rule| rule.over(measure).is_some() && rule.applies_to(person)).collect();
        let Some(signal) = self.patients.get_mut(&person.id).and_then(|state| state.holds.get_mut(measure_name)) else {
            return;
        };
        let hours = past.folded.entry(measure_name.to_owned()).or_default();
        let folded_hours = signal.next_stale();
        let last = folded_hours.map(|(_, last)| last);
        let lasting = folded_hours.and_then(|(first, _)| {
            let before = rules.iter().filter_map(|rule| hours.before(first, rule.id())?.last_held());
            before.min()
        });
        while let Some(hour) = signal.stale.first().copied().filter(|hour| Some(*hour) <= last) {
            signal.stale.remove(&hour);
            let samples = of_hour(history, hour);
            let folded = rules
                .iter()
                .filter_map(|rule| Some((rule.id(), fold_hour(hours, rule, (measure, hour), samples, &self.tenant)?)));
            let folded = folded.collect();
            signal.stale.extend(hours.set(hour, folded));
        }
        let stale = !signal.stale.is_empty();
        let first = folded_hours.map(|(first, _)| i64::from(first) * HOUR);
        let first = first.map(|first| lasting.map_or(first, |held| held.min(first)));
        let by_time = proven_by_time(hours, &rules, measure, now);
        if let Some(first) = first.into_iter().chain(by_time).min() {
            self.hours_changed(person, &rules, first, now);
        }
        if stale {
            return self.owe(&person.id, now, Work::Fold(measure_name.to_owned()));
        }
        for rule in rules {
            self.publish_hold(person, past, rule, measure, now, out);
            if self.is_child(rule) {
                self.owe(&person.id, now, Work::Combine);
            }
        }
        self.wait(person, measure_name, now);
    }

    /// What combinations over these rules could see on closed days may be something else now: from the first sample that was
    /// folded again or the last before it that an episode stands on, and on, because an episode may last.
    fn hours_changed(&mut self, person: &Patient, rules: &[&Ruled], first: i64, now: JournalTime) {
        let held = rules.iter().filter(|rule| self.is_child(rule)).filter_map(|rule| rule.measure_held());
        if let Some(before) = held.map(|(_, hold)| hold.enter_for_ms + hold.max_gap_ms).max() {
            self.mark_combined(person, first - before, now);
        }
    }

    /// Readies every measure under hold rules to be published again.
    pub(super) fn fold_all(&mut self, person: &Patient, now: JournalTime) {
        let measures = self.patients.get(&person.id).map(|state| state.holds.keys().cloned().collect::<Vec<_>>());
        for measure in measures.unwrap_or_default() {
            self.owe(&person.id, now, Work::Fold(measure));
        }
    }

    /// Publishes one rule over a measure of which nothing is stale, and puts the live automaton where the fold is.
    fn publish_hold(
        &mut self,
        person: &Patient,
        past: &mut Past,
        rule: &Ruled,
        measure: Measure,
        now: JournalTime,
        out: &mut Performed,
    ) {
        let calendar = Calendar::of(person);
        let since = calendar.start(self.horizon(calendar, now));
        let around = Around::of(&self.roster, person);
        let Some((hours, versions)) = past.folded.get(measure.name()).zip(rule.over(measure)) else { return };
        let exposure = if rule.depends_on_exposure() { past.exposure() } else { Vec::new() };
        let spans = hours.spans(rule.id(), versions, measure, now.0).into_iter();
        let judged = spans.map(|span| {
            let version = rule.speaking_at(span.start);
            let span = if exposure.is_empty() { span } else { beside_dose(span, past) };
            Judged { peak: version.peak(&around, &exposure, &span), face: &version.face, span }
        });
        let judged = judged.collect();
        let subject = Subject { tenant: &self.tenant, patient: &person.id, now };
        if rule.is_told() {
            past.reports.publish(&subject, &rule.newest().face, since, judged, &mut out.episodes);
        }
        let newest = past.folded.get(measure.name()).and_then(|hours| hours.newest_state(rule.id()));
        let dormant = self.rules.iter().any(|rule| rule.over(measure).is_some() && past.reports.is_dormant(rule.id()));
        let signal = self.patients.get_mut(&person.id).and_then(|state| state.holds.get_mut(measure.name()));
        let Some(signal) = signal else { return };
        // Under the limits in force now: what runs, runs on under them, and samples are judged by them.
        let live = newest.map(|state| state.live(versions, now.0)).or_else(|| versions.at_rest(now.0));
        if let Some(live) = live {
            signal.follow_fold(rule.id(), Live(live));
        }
        signal.dormant = dormant;
    }

    /// Time may have proved what no sample did.
    pub(in super::super) fn look(&mut self, person: &Patient, measure_name: &str, now: JournalTime) {
        let Some(signal) = self.patients.get_mut(&person.id).and_then(|state| state.holds.get_mut(measure_name)) else {
            return;
        };
        signal.look_at = None;
        if signal.live.values().any(|live| live.wait(now.0) == Look::Now) {
            self.owe(&person.id, now, Work::Fold(measure_name.to_owned()));
        } else {
            self.wait(person, measure_name, now);
        }
    }

    /// Looks again when time alone may have proved something.
    fn wait(&mut self, person: &Patient, measure_name: &str, now: JournalTime) {
        let Some(signal) = self.patients.get_mut(&person.id).and_then(|state| state.holds.get_mut(measure_name)) else {
            return;
        };
        let waits = signal.live.values().filter_map(|live| match live.wait(now.0) {
            Look::At(time) => Some(time),
            Look::No | Look::Now => None,
        });
        if let Some(time) = waits.min() {
            signal.look_at = Some(time);
            self.owe(&person.id, JournalTime(time), Work::Look(measure_name.to_owned()));
        }
    }
}

/// From when an episode is another by the time that has passed since the newest sample, with no sample at all: it began then, or
/// it was over then, and that could not be known before.
fn proven_by_time(hours: &FoldedHours, rules: &[&Ruled], measure: Measure, now: JournalTime) -> Option<i64> {
    let states = rules.iter().filter_map(|rule| hours.newest_state(rule.id()).zip(rule.over(measure)));
    let changes = states.flat_map(|(state, versions)| state.at(versions, now.0).1);
    let from = |change: EpisodeChange| match change {
        EpisodeChange::Began { start, .. } => start,
        EpisodeChange::Ended { last_held, .. } => last_held,
    };
    changes.map(from).min()
}

/// The part of a history, ascending by time, that lies in one hour.
fn of_hour(history: &[Observation], hour: i32) -> &[Observation] {
    let (from, until) = (i64::from(hour) * HOUR, (i64::from(hour) + 1) * HOUR);
    let first = |time: i64| history.partition_point(|seen| seen.time < time);
    &history[first(from)..first(until)]
}

fn fold_hour(
    hours: &FoldedHours,
    rule: &Ruled,
    (measure, hour): (Measure, i32),
    history: &[Observation],
    tenant: &TenantId,
) -> Option<Folded> {
    let versions = rule.over(measure)?;
    let samples = history.iter().filter_map(|seen| {
        let value = rule.newest().number(measure, &seen.reading.value)?;
        Some(HoldSample::of(tenant, seen, value))
    });
    let samples: Vec<HoldSample> = samples.collect();
    let (after, ended) = hold::fold(versions, measure, hours.before(hour, rule.id()), &samples);
    Some(Folded { after, ended })
}
