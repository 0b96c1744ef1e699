//! A rule over a measure's samples.

use std::collections::BTreeMap;

use painwatch_domain::Measure;
use painwatch_domain::roster::Patient;
use painwatch_domain::time::DAY_MS;

use super::super::Clinic;
use super::super::calendar::Calendar;
use super::super::compiled::{Compiled, Ruled};
use super::super::day::{Group, Observation};
use super::super::hold::{self, HoldRule, HoldSample, HoldState};
use super::super::past::Past;
use super::super::perform::Performed;
use super::super::signal::{HOUR, hour_of};
use super::{Asked, Need, Saw, Standing, Value};
use crate::metrics::hysteresis::HeldEpisode;
use crate::rules::{Margin, value_text};

/// So far before the moment the last value is looked for, so that an old one can be shown.
pub(super) const LOOK_BACK_MS: i64 = DAY_MS;
/// A fold that finds no earlier state begins with the samples of so many days: an episode that had lasted longer by then
/// is not seen as one.
const FOLD_BACK_DAYS: i64 = 7;

impl Clinic {
    /// Samples from the state that the fold can begin with, and what the devices said about themselves.
    pub(super) fn hold_needs(&self, person: &Patient, past: &Past, at: i64) -> Vec<(Measure, i64, i64)> {
        let mut windows: Vec<_> =
            Group::Coverage.measures().iter().map(|measure| (*measure, at - LOOK_BACK_MS, at + 1)).collect();
        let mut starts: BTreeMap<Measure, i64> = BTreeMap::new();
        let rules = self.rules_of(&person.id).iter().filter(|rule| rule.applies_to(person));
        for (measure, hold) in rules.filter_map(Ruled::measure_held) {
            let from = i64::from(self.fold_from(person, past, measure, at)) * HOUR;
            let start = from.min(at - LOOK_BACK_MS - hold.max_gap_ms);
            starts.entry(measure).and_modify(|known| *known = start.min(*known)).or_insert(start);
        }
        windows.extend(starts.into_iter().map(|(measure, start)| (measure, start, at + 1)));
        windows
    }

    /// The hour from which samples have to be folded to know the state at `at`.
    fn fold_from(&self, person: &Patient, past: &Past, measure: Measure, at: i64) -> i32 {
        let hour = hour_of(at);
        let signal = self.patients.get(&person.id).and_then(|state| state.holds.get(measure.name()));
        let stale = signal.and_then(|signal| signal.stale.first().copied());
        let from = stale.map_or(hour, |stale| stale.min(hour));
        let known = past.folded.get(measure.name()).is_some_and(|folded| folded.hours().any(|hour| hour < from));
        if known { from } else { from.min(hour_of(at - FOLD_BACK_DAYS * DAY_MS)) }
    }

    pub(super) fn hold_saw(
        &self,
        rule: &Ruled,
        version: &Compiled,
        (measure, limits): (Measure, &HoldRule),
        asked: &Asked,
    ) -> Saw {
        let seen = |seen: &&Observation| seen.reading.measure == measure && seen.time <= asked.at;
        let number = |seen: &Observation| version.number(measure, &seen.reading.value);
        let last = asked.history.iter().filter(seen).filter_map(|seen| Some((seen, number(seen)?))).next_back();
        // A sample speaks for exactly so long, as the coverage ledger has it.
        let fresh = last.filter(|(seen, _)| asked.at < seen.time.saturating_add(limits.max_gap_ms));
        let versions = rule.over(measure);
        let held = self.folded_until(rule, measure, asked).zip(versions).map(|(state, of)| state.at(of, asked.at).0);
        let run = held.as_ref().and_then(HeldEpisode::run);
        let active = held.as_ref().and_then(|held| held.active(asked.at));
        let standing = match (active, run, fresh) {
            (Some(_), ..) => Standing::Rings,
            (None, Some(_), _) => Standing::Holds,
            (None, None, Some(_)) => Standing::Quiet,
            (None, None, None) => Standing::Blind,
        };
        let samples = Need::Samples { have: run.map_or(0, |(_, samples)| samples), need: limits.min_samples };
        let unit = version.rule.signal.unit();
        Saw {
            standing,
            sees: fresh.is_some(),
            cause: if fresh.is_some() {
                ""
            } else {
                self.causes(asked.person, measure, (asked.at, asked.at + 1), asked.history).at(asked.at)
            },
            values: last.iter().map(|(seen, value)| self.value_of(version, seen, *value, limits)).collect(),
            margin: fresh.map(|(_, value)| Margin::of_comparison(limits.enter, value, unit)),
            held_since: run.map(|(start, _)| start).or(active.map(|active| active.start)),
            needs: (limits.min_samples > 1).then_some(samples).into_iter().collect(),
            why: last
                .map(|(_, value)| why(version, value, held.and_then(|held| held.clearing_since())))
                .unwrap_or_default(),
        }
    }

    /// The day's ledger up to the moment.
    pub(super) fn seen_so_far(&self, rule: &Ruled, version: &Compiled, asked: &Asked) -> Vec<(i64, i64, &'static str)> {
        let calendar = Calendar::of(asked.person);
        let from = calendar.start(calendar.day_of(asked.at)).max(asked.at - LOOK_BACK_MS);
        let until = asked.history.partition_point(|seen| seen.time <= asked.at);
        let (window, seen) = ((from, asked.at + 1), &asked.history[..until]);
        self.seen_by_hold(asked.person, (rule, version), window, seen, &mut Performed::default())
    }

    fn value_of(&self, version: &Compiled, seen: &Observation, value: f64, limits: &HoldRule) -> Value {
        let signal = version.rule.signal;
        Value {
            name: signal.name().to_owned(),
            number: Some(value),
            text: value_text(signal, value),
            unit: signal.unit(),
            from: seen.time,
            until: seen.time.saturating_add(limits.max_gap_ms),
            is_day: false,
            readings: vec![seen.id(&self.tenant).0],
            note: seen.reading.flags.to_string(),
        }
    }

    /// The state that the samples up to the moment lead to.
    fn folded_until(&self, rule: &Ruled, measure: Measure, asked: &Asked) -> Option<HoldState> {
        let from = self.fold_from(asked.person, &asked.past, measure, asked.at);
        let before = asked.past.folded.get(measure.name()).and_then(|folded| folded.before(from, rule.id()));
        let start = i64::from(from) * HOUR;
        let of_rule = asked.history.iter().filter(|seen| seen.reading.measure == measure);
        let samples = of_rule.filter(|seen| (start..=asked.at).contains(&seen.time)).filter_map(|seen| {
            let value = rule.newest().number(measure, &seen.reading.value)?;
            Some(HoldSample::of(&self.tenant, seen, value))
        });
        hold::fold(rule.over(measure)?, measure, before, &samples.collect::<Vec<_>>()).0
    }
}

fn why(version: &Compiled, value: f64, clearing_since: Option<i64>) -> String {
    let (signal, unit) = (version.rule.signal, version.rule.signal.unit());
    let (name, value) = (signal.name(), value_text(signal, value));
    match (clearing_since, version.rule.clear) {
        (Some(_), Some(clear)) => format!("{name} {value}; it clears at {} {unit}", clear.comparison),
        _ => format!("{name} {value}"),
    }
}
