//! The hot path: readings of one patient as they are judged, and the work that follows from them.
//!
//! An in-order sample of a measure under no rule costs a look at its day; one under a rule, a step of its automaton.

use std::sync::Arc;

use painwatch_domain::roster::Patient;
use painwatch_domain::time::{DAY_MS, MINUTE_MS};
use painwatch_domain::{EventTime, JournalTime, Measure, PatientId, Value};

use super::calendar::Calendar;
use super::compiled::Ruled;
use super::day::{self, AHEAD_MS, Group, Observation, Reach, rhythm};
use super::hold::HoldVersions;
use super::perform::group_of;
use super::signal::{HoldSignal, Live, Look, hour_of};
use super::state::{Quiet, Work};
use super::{Clinic, GATHER_MS, HORIZON_DAYS, closes_after_ms};
use crate::metrics::dose_adherence::LONGEST_KEPT_MS;
use crate::metrics::hysteresis::EpisodeChange;

/// What a run of readings has in common.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    pub measure: Measure,
    /// No version of these identities stood before.
    pub new: bool,
    /// Came with `mode: historical`.
    pub historical: bool,
}

/// What a run of readings asks of hold rules.
#[derive(Default)]
struct Asked {
    fold_at: Option<i64>,
    look_at: Option<i64>,
}

/// How long telling samples of a continuous signal are gathered before a day is judged for them: a set is fetched and
/// scored whole, and the single-signal rules speak at once.
const SET_GATHER_MS: i64 = 5 * MINUTE_MS;

const fn is_continuous(measure: Measure) -> bool {
    matches!(measure, Measure::RespiratoryRate | Measure::OxygenSaturation | Measure::HeartRate)
}

impl Asked {
    fn fold(&mut self, at: i64) {
        self.fold_at = Some(self.fold_at.map_or(at, |known| known.min(at)));
    }

    fn look(&mut self, at: i64) {
        self.look_at = Some(self.look_at.map_or(at, |known| known.min(at)));
    }
}

impl Clinic {
    /// Takes readings whose standing value changed: (event time, the value that stands now, if any).
    pub fn observe<'a>(
        &mut self,
        patient: &PatientId,
        sight: Sight,
        seen: impl Iterator<Item = (EventTime, Option<&'a Value>)>,
        now: JournalTime,
    ) {
        let roster = Arc::clone(&self.roster);
        let Some(person) = roster.patients.get(patient) else { return };
        let seen: Vec<(i64, Option<&Value>)> = seen.map(|(time, value)| (time.0, value)).collect();
        let Some(span) = bounds(seen.iter().map(|(time, _)| *time)) else { return };
        if !self.is_quiet(patient, sight.measure, span, now) {
            let days = self.days_of(person, seen.iter().map(|(time, _)| *time));
            let horizon = self.horizon(Calendar::of(person), now);
            for day in days {
                self.watch(person, day, horizon, now);
                self.mark_day(person, sight.measure, day.0, now);
            }
            self.note_quiet(person, span.1);
        }
        if sight.measure == Measure::DeviceLink {
            self.link_moved(person, span.0, now);
        }
        self.judge_set(person, sight.measure, &seen, now);
        self.note_seen(person, sight, &seen, now);
        self.mark_held_over(person, sight.measure, span, now);
        self.judge_samples(person, sight, &seen, now);
    }

    /// Readings that became the patient's by a back-dated roster: late, all of them.
    pub(super) fn notice(&mut self, person: &Patient, history: &[Observation], now: JournalTime) {
        let Some(first) = history.first() else { return };
        let historical = history.iter().all(|seen| seen.historical);
        let sight = Sight { measure: first.reading.measure, new: false, historical };
        let seen = history.iter().map(|seen| (EventTime(seen.time), Some(&seen.reading.value)));
        self.observe(&person.id, sight, seen, now);
    }

    /// Whether readings within `span` ask for no day to be judged again: most readings do not, and the calendar is dear.
    fn is_quiet(&self, patient: &PatientId, measure: Measure, (first, last): (i64, i64), now: JournalTime) -> bool {
        let quiet = self.patients.get(patient).and_then(|state| state.quiet);
        let at_once = || Group::affected_by(measure).iter().any(|(group, _)| group.is_judged_on_arrival());
        // The first counts of a day bear on the day before, which may be closed.
        let since = |quiet: Quiet| quiet.from + if measure == Measure::ActivityCount { AHEAD_MS } else { 0 };
        quiet.is_some_and(|quiet| since(quiet) <= first && last < quiet.to && now.0 < quiet.until) && !at_once()
    }

    fn note_quiet(&mut self, person: &Patient, time: i64) {
        let Some(state) = self.patients.get_mut(&person.id) else { return };
        let today = state.today.filter(|(_, start, end)| (*start..*end).contains(&time));
        state.quiet = today.zip(state.agenda.watched_since).map(|((_, start, end), since)| Quiet {
            from: start.max(since),
            to: end,
            until: end + closes_after_ms(&person.id),
        });
    }

    /// The local days of the readings, each with its earliest reading.
    fn days_of(&mut self, person: &Patient, times: impl Iterator<Item = i64>) -> Vec<(i32, i64)> {
        let calendar = Calendar::of(person);
        let state = self.patients.entry(person.id.clone()).or_default();
        let mut days: Vec<(i32, i64)> = Vec::new();
        for time in times {
            let known = state.today.filter(|(_, start, end)| (*start..*end).contains(&time));
            let (day, ..) = known.unwrap_or_else(|| {
                let day = calendar.day_of(time);
                let (start, end) = calendar.bounds(day);
                *state.today.insert((day, start, end))
            });
            match days.last_mut() {
                Some((last, first)) if *last == day => *first = time.min(*first),
                _ => days.push((day, time)),
            }
        }
        days
    }

    /// Watches the patient from `since` on, which is on `day`: days that are over by then are closed like any other.
    pub(super) fn watch(&mut self, person: &Patient, (day, since): (i32, i64), horizon: i32, now: JournalTime) {
        let calendar = Calendar::of(person);
        let state = self.patients.entry(person.id.clone()).or_default();
        if state.agenda.watched_since.is_some_and(|from| from <= since) || day < horizon {
            return;
        }
        let watched_from = state.watched_from(calendar);
        state.agenda.watched_since = Some(since);
        match (watched_from, state.agenda.next_close) {
            (Some(from), Some(next)) => {
                state.agenda.to_close.extend(day..from.min(next));
                state.agenda.next_close = Some(next.max(day));
            }
            _ => state.agenda.next_close = Some(day),
        }
        self.owe_close(person, now);
        self.owe(&person.id, now, Work::Evaluate(Group::Medication, calendar.day_of(now.0)));
    }

    /// Marks what must be computed again because of a reading on `day`.
    pub(super) fn mark_day(&mut self, person: &Patient, measure: Measure, day: i32, now: JournalTime) {
        let calendar = Calendar::of(person);
        let reached = |by_ms: i64| calendar.day_of(calendar.start(day + 1) - 1 + by_ms);
        let next = reached(DAY_MS);
        for &(group, reach) in Group::affected_by(measure) {
            let days = match reach {
                Reach::Day => day..=day,
                Reach::Beside => day - 1..=reached(LONGEST_KEPT_MS).max(day + 1),
                Reach::Hours24 => day..=next,
                Reach::Midnights => day - 1..=next,
                Reach::Week => day..=day + rhythm::DAYS,
            };
            days.for_each(|day| self.mark(person, group, day, now));
        }
    }

    /// Vital signs are judged together at the day's close, and before it where a rule looks at them and a sample tells
    /// enough by itself: at once what is measured now and then, gathered what is measured all the time.
    fn judge_set(&mut self, person: &Patient, measure: Measure, seen: &[(i64, Option<&Value>)], now: JournalTime) {
        let bears = |(_, value): &&(i64, Option<&Value>)| day::is_telling(measure, *value);
        let Some(newest) = seen.iter().filter(bears).map(|(time, _)| *time).max() else { return };
        let looked_at = |rule: &Ruled| {
            rule.applies_to(person) && rule.metric().is_some_and(|metric| group_of(metric) == Some(Group::Safety))
        };
        let calendar = Calendar::of(person);
        let day = calendar.day_of(newest);
        let open = calendar.start(day + 1) + closes_after_ms(&person.id) > now.0;
        let watched = self.watched_from(person).is_some_and(|from| from <= day);
        if open && watched && newest <= now.0 && self.rules.iter().any(looked_at) {
            let gather = if is_continuous(measure) { SET_GATHER_MS } else { 0 };
            self.owe(&person.id, JournalTime(now.0 + gather), Work::Evaluate(Group::Safety, day));
        }
    }

    /// A day that is closed is computed again; one that is not, now if its group is judged on arrival, else at its close.
    pub(super) fn mark(&mut self, person: &Patient, group: Group, day: i32, now: JournalTime) {
        let (start, end) = Calendar::of(person).bounds(day);
        let watched = self.watched_from(person).is_some_and(|from| from <= day);
        let old = day < self.horizon(Calendar::of(person), now);
        if start > now.0 || !(watched || old) || !group.concerns(day) {
            return;
        }
        let closed = end + closes_after_ms(&person.id) <= now.0;
        let due = match (group.is_judged_on_arrival(), closed) {
            (true, _) => now.0,
            (false, true) => now.0 + GATHER_MS,
            (false, false) => return,
        };
        self.owe(&person.id, JournalTime(due), Work::Evaluate(group, day));
    }

    /// What hold rules could see of a closed day changes with its samples, and with those held into it.
    pub(super) fn mark_held_over(
        &mut self,
        person: &Patient,
        measure: Measure,
        (first, last): (i64, i64),
        now: JournalTime,
    ) {
        if first + closes_after_ms(&person.id) > now.0 {
            return;
        }
        let Some(gap) = self
            .rules_of(&person.id)
            .iter()
            .filter(|rule| rule.applies_to(person))
            .filter_map(|rule| {
                rule.measure_held().filter(|(held, _)| *held == measure).map(|(_, hold)| hold.max_gap_ms)
            })
            .max()
        else {
            return;
        };
        let calendar = Calendar::of(person);
        for day in calendar.day_of(first)..=calendar.day_of(last + gap) {
            self.mark(person, Group::Coverage, day, now);
        }
    }

    /// Event time from which readings are judged by hold rules. What is surely within the horizon asks no calendar.
    fn earliest_judged(&self, person: &Patient, seen: &[(i64, Option<&Value>)], now: JournalTime) -> i64 {
        let sure = now.0.saturating_sub(SURELY_WITHIN_MS);
        if seen.iter().all(|(time, _)| *time >= sure) {
            return sure;
        }
        let calendar = Calendar::of(person);
        calendar.start(self.horizon(calendar, now))
    }

    fn judge_samples(&mut self, person: &Patient, sight: Sight, seen: &[(i64, Option<&Value>)], now: JournalTime) {
        let rules = Arc::clone(self.rules_of(&person.id));
        let held = |rule: &&Ruled| rule.over(sight.measure).is_some() && rule.applies_to(person);
        let rules: Vec<&Ruled> = rules.iter().filter(held).collect();
        if rules.is_empty() {
            return;
        }
        let horizon = self.earliest_judged(person, seen, now);
        let Some(state) = self.patients.get_mut(&person.id) else { return };
        if !std::mem::replace(&mut state.is_noted, true) {
            self.changed.insert(person.id.clone());
        }
        if !state.holds.contains_key(sight.measure.name()) {
            state.holds.insert(sight.measure.name().to_owned(), HoldSignal::default());
        }
        let Some(signal) = state.holds.get_mut(sight.measure.name()) else { return };
        let (mut asked, mut changes, mut in_order) = (Asked::default(), Vec::new(), Vec::with_capacity(seen.len()));
        let mut hour = None;
        for &(time, value) in seen.iter().filter(|(time, _)| *time >= horizon) {
            if hour.replace(hour_of(time)) != Some(hour_of(time)) {
                signal.stale.insert(hour_of(time));
            }
            if sight.new && signal.newest.is_none_or(|newest| time > newest) {
                signal.newest = Some(time);
                in_order.push((time, value));
            } else {
                late(&rules, sight, value, now, &mut asked);
            }
        }
        let recent = !sight.historical && signal.dormant;
        for rule in &rules {
            let Some(versions) = rule.over(sight.measure) else { continue };
            ready_live(signal, rule, versions, now);
            let Some(live) = signal.live.get_mut(rule.id()) else { continue };
            for &(time, value) in &in_order {
                let number = value.and_then(|value| rule.newest().number(sight.measure, value));
                // The live automaton has the limits in force now: what others judge is for the fold.
                if number.is_some() && !versions.agree(time, now.0) {
                    asked.fold(now.0 + GATHER_MS);
                }
                step(rule, live, (time, number), recent, now, &mut changes, &mut asked);
            }
        }
        let look = asked.look_at.filter(|at| signal.look_at.is_none_or(|known| *at < known));
        signal.look_at = look.or(signal.look_at);
        let measure = || sight.measure.name().to_owned();
        if let Some(at) = asked.fold_at {
            self.owe(&person.id, JournalTime(at), Work::Fold(measure()));
        }
        if let Some(at) = look {
            self.owe(&person.id, JournalTime(at), Work::Look(measure()));
        }
    }
}

/// Longer than any horizon's days can last, whatever the patient's travels.
const SURELY_WITHIN_MS: i64 = (HORIZON_DAYS as i64 - 5) * DAY_MS;

fn bounds(times: impl Iterator<Item = i64>) -> Option<(i64, i64)> {
    times.fold(None, |known, time| {
        Some(known.map_or((time, time), |(first, last): (i64, i64)| (first.min(time), last.max(time))))
    })
}

/// Puts the live automaton of a rule where it is missing.
fn ready_live(signal: &mut HoldSignal, rule: &Ruled, versions: &HoldVersions, now: JournalTime) {
    if !signal.live.contains_key(rule.id())
        && let Some(at_rest) = versions.at_rest(now.0)
    {
        signal.live.insert(rule.id().to_owned(), Live(at_rest));
    }
}

/// One in-order sample under one rule.
fn step(
    rule: &Ruled,
    live: &mut Live,
    (time, number): (i64, Option<f64>),
    recent: bool,
    now: JournalTime,
    changes: &mut Vec<EpisodeChange>,
    asked: &mut Asked,
) {
    let Some(number) = number else { return };
    match live.handle(time, number, changes) {
        Look::No => {}
        Look::Now => asked.fold(now.0),
        Look::At(at) => asked.look(at.max(now.0)),
    }
    // An episode that was told as old or historical goes on before our eyes: now it may page (semantics 12).
    if recent && live.is_active() && time >= now.0.saturating_sub(rule.newest().face.stale_after_ms) {
        asked.fold(now.0);
    }
}

/// A late, changed or withdrawn reading: judged at once if it bears on an episode, else gathered with others.
fn late(rules: &[&Ruled], sight: Sight, value: Option<&Value>, now: JournalTime, asked: &mut Asked) {
    let numbers = rules.iter().map(|rule| (rule, value.and_then(|value| rule.newest().number(sight.measure, value))));
    let bears = |(rule, number): (&&Ruled, Option<f64>)| {
        let concerns = number.zip(rule.measure_held()).is_some_and(|(number, (_, hold))| hold.concerns(number));
        concerns || !sight.new
    };
    let at_once = { numbers }.any(bears);
    asked.fold(if at_once { now.0 } else { now.0 + GATHER_MS });
}
