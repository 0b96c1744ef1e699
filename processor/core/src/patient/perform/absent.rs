//! Absence rules (semantics 16): silences found, told, or held back while they may still turn out to be none.

use std::collections::BTreeSet;
use std::sync::Arc;

use painwatch_domain::roster::Patient;
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{EventTime, JournalTime, Measure};

use super::super::absence::{self, Found};
use super::super::calendar::Calendar;
use super::super::circumstances::Around;
use super::super::compiled::Ruled;
use super::super::coverage::both;
use super::super::coverage::{Interval, merged, spells};
use super::super::day::{Group, Observation};
use super::super::episodes::{Judged, Span, Subject};
use super::super::past::Past;
use super::super::paths::Wait;
use super::super::state::Work;
use super::super::{Clinic, closes_after_ms};
use super::daily::Scope;
use super::{Performed, is_true};
use crate::rules::format_duration;

impl Clinic {
    /// The readings of a UTC day are those of the history, now that some were taken back or changed hands.
    pub(in super::super) fn recount(
        &mut self,
        person: &Patient,
        measure_name: &str,
        utc_day: i32,
        history: &[Observation],
        now: JournalTime,
    ) {
        let Some(measure) = Measure::parse(measure_name) else { return };
        let Some(pause) = self.index.pauses.get(&measure).copied() else { return };
        let Some(state) = self.patients.get_mut(&person.id) else { return };
        let from = i64::from(utc_day) * DAY_MS;
        let times: Vec<i64> = history.iter().map(|seen| seen.time).collect();
        let runs = state.watch.seen.entry(measure_name.to_owned()).or_default();
        let before = runs.clone();
        runs.replace((from, from + DAY_MS), &times, pause);
        if *runs != before {
            self.owe(&person.id, now, Work::Absent(measure_name.to_owned()));
            self.silence_moved(person, measure, from, now);
        }
    }

    /// Silences from a moment of event time on may be others now: combinations that look at them could see other things.
    pub(in super::super) fn silence_moved(&mut self, person: &Patient, measure: Measure, from: i64, now: JournalTime) {
        let rules = Arc::clone(self.rules_of(&person.id));
        let looked_at = rules.iter().filter(|rule| rule.measure_missed() == Some(measure) && self.is_child(rule));
        let Some(limit) = looked_at.flat_map(|rule| rule.limits()).map(|(_, limit)| limit).max() else { return };
        self.mark_combined(person, from.saturating_sub(limit), now);
    }

    /// A device said when it had lost its phone or hub: silences from then on may be others.
    pub(in super::super) fn link_moved(&mut self, person: &Patient, from: i64, now: JournalTime) {
        let rules = Arc::clone(self.rules_of(&person.id));
        let missed = rules.iter().filter(|rule| rule.applies_to(person)).filter_map(Ruled::measure_missed);
        for measure in missed.collect::<BTreeSet<_>>() {
            self.owe(&person.id, now, Work::Absent(measure.name().to_owned()));
            self.silence_moved(person, measure, from, now);
        }
    }

    /// Marks what combinations could see on the closed days from a moment on.
    pub(in super::super) fn mark_combined(&mut self, person: &Patient, from: i64, now: JournalTime) {
        let calendar = Calendar::of(person);
        let last = calendar.day_of(now.0 - closes_after_ms(&person.id));
        let first = calendar.day_of(from).max(self.horizon(calendar, now));
        (first..=last).for_each(|day| self.mark(person, Group::Coverage, day, now));
    }

    /// Tells the silences of a measure, and owes a look when the one that lasts will be too long.
    pub(in super::super) fn absent(
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
        let over = |rule: &&Ruled| rule.measure_missed() == Some(measure) && rule.applies_to(person);
        for rule in rules.iter().filter(over) {
            let found = self.silences(person, rule, measure, history, now);
            match found.next {
                Some(i64::MAX) => self.hold_back(&person.id),
                Some(at) => self.owe(&person.id, JournalTime(at.max(now.0 + 1)), Work::Absent(measure_name.to_owned())),
                None => {}
            }
            if self.is_child(rule) {
                self.owe(&person.id, now, Work::Combine);
            }
            if rule.is_told() {
                self.tell_silences(person, past, rule, (measure, &found), now, out);
            }
        }
    }

    /// The silences that a rule over a measure finds, as of `now`.
    pub(in super::super) fn silences(
        &self,
        person: &Patient,
        rule: &Ruled,
        measure: Measure,
        history: &[Observation],
        now: JournalTime,
    ) -> Found {
        let Some(state) = self.patients.get(&person.id) else { return Found::default() };
        let Some(since) = state.watch.since.get(rule.id()).copied() else { return Found::default() };
        let runs = state.watch.seen.get(measure.name()).cloned().unwrap_or_default();
        let down = self.down(person, measure, history, now);
        absence::find(&rule.limits(), &runs, since, &down, now.0)
    }

    /// When nothing of a measure could reach us, by the devices that were worn at the time.
    pub(super) fn down(
        &self,
        person: &Patient,
        measure: Measure,
        history: &[Observation],
        now: JournalTime,
    ) -> Vec<Interval> {
        let down = self.stretches(person, now.0).into_iter().flat_map(|(from, until)| {
            let devices = self.carriers(person, measure, from);
            let unlinked = devices.iter().map(|(device, _)| unlinked(history, device, now.0));
            let link = unlinked.reduce(|one, other| both(&one, &other)).unwrap_or_default();
            both(&self.paths.down(&devices, &link), &[(from, until)])
        });
        merged(down.collect())
    }

    fn tell_silences(
        &mut self,
        person: &Patient,
        past: &mut Past,
        rule: &Ruled,
        (measure, found): (Measure, &Found),
        now: JournalTime,
        out: &mut Performed,
    ) {
        let calendar = Calendar::of(person);
        let since = calendar.start(self.horizon(calendar, now));
        let around = Around::of(&self.roster, person);
        let exposure = if rule.depends_on_exposure() { past.exposure() } else { Vec::new() };
        let judged = silence_spans(rule, measure, found, now.0).into_iter().map(|span| {
            let version = rule.speaking_at(span.start);
            Judged { peak: version.peak(&around, &exposure, &span), face: &version.face, span }
        });
        let judged = judged.collect();
        let subject = Subject { tenant: &self.tenant, patient: &person.id, now };
        past.reports.publish(&subject, &rule.newest().face, since, judged, &mut out.episodes);
        // What something of ours or a gateway's delayed depends on more than readings: told, and no canonical history.
        let delayed = |start: i64| found.absences.iter().any(|one| one.delayed && one.start == start);
        let id = &rule.newest().face.id;
        out.episodes.rows.retain(|row| &row.rule != id || !delayed(row.start));
    }

    /// A gateway came back, or has sent what it held.
    pub(in super::super) fn resume(
        &mut self,
        person: &Patient,
        past: &mut Past,
        now: JournalTime,
        out: &mut Performed,
    ) {
        self.look_for_silence(person, now);
        self.publish_daily(person, past, Scope::MEDICATION, now, out);
    }

    /// Owes a look at everything that is told of silence.
    pub(super) fn look_for_silence(&mut self, person: &Patient, now: JournalTime) {
        let rules = Arc::clone(self.rules_of(&person.id));
        for measure in rules.iter().filter(|rule| rule.applies_to(person)).filter_map(Ruled::measure_missed) {
            self.owe(&person.id, now, Work::Absent(measure.name().to_owned()));
        }
        let streams = self.patients.get(&person.id).is_some_and(|state| !state.watch.streams.is_empty());
        if streams {
            self.owe(&person.id, now, Work::Streams);
        }
    }

    /// Whether doses that were not reported may still be on their way; then a look is owed for when they are not.
    pub(super) fn doses_wait(&mut self, person: &Patient, now: JournalTime) -> bool {
        match self.paths.waits(&self.carriers(person, Measure::MedicationEvent, now.0), now.0) {
            Wait::No => false,
            Wait::Until(at) => {
                self.owe(&person.id, JournalTime(at), Work::Resume);
                true
            }
            Wait::ForGateway => {
                self.hold_back(&person.id);
                true
            }
        }
    }
}

pub(super) fn silence_spans(rule: &Ruled, measure: Measure, found: &Found, now: i64) -> Vec<Span> {
    let span = |one: &absence::Absence| {
        let last_held = one.end.unwrap_or(now);
        let limit = rule.speaking_at(one.start).limit_ms();
        let why = format!("no {} since {} (rule: {})", measure.name(), EventTime(one.last), format_duration(limit));
        Span {
            start: one.start,
            last_held,
            fresh_from: last_held,
            end: one.end,
            evidence: Vec::new(),
            why,
            historical: false,
        }
    };
    found.absences.iter().map(span).collect()
}

/// When a device said that it had lost its phone or hub.
pub(super) fn unlinked(history: &[Observation], device: &str, until: i64) -> Vec<Interval> {
    let link = history.iter().filter(|seen| seen.reading.measure == Measure::DeviceLink);
    let changes: Vec<(i64, bool)> = link
        .filter(|seen| seen.reading.device.as_str() == device)
        .filter_map(|seen| Some((seen.time, is_true(seen)?)))
        .collect();
    merged(spells(&changes, false, until))
}
