//! What is forgotten of a past when a day closes.

use std::collections::BTreeSet;

use painwatch_domain::JournalTime;
use painwatch_domain::roster::Patient;

use super::calendar::Calendar;
use super::compiled::Ruled;
use super::day::{Group, evidence};
use super::past::Past;
use super::perform::group_of;
use super::signal::hour_of;
use super::{Clinic, FINAL_AFTER_MS, derived};
use crate::metrics::numbers::Number;
use crate::metrics::weight_loss;

/// And what some look further back for: three months of analgesics, the steps before surgery, the first of a course.
const FAR_DAYS: i32 = 90;
const LOOKED_AT_FROM_AFAR: [&str; 10] = [
    "blood_pressure.daily_diastolic",
    "blood_pressure.daily_systolic",
    FARTHEST,
    "medication_event.acute_analgesic",
    "medication_event.mme_prescribed",
    "medication_event.simple_analgesic",
    "pain_nrs.daily_mean",
    "pain_nrs.headache",
    "peg.score",
    "step_count.daily_sum",
];
/// A loss of weight is told against the heaviest week of half a year, and that week's first day is a week before it.
const FARTHEST: &str = "body_weight.day_value";
const FARTHEST_DAYS: i32 = weight_loss::LONGEST_DAYS + 7;
/// Opioid doses are kept this long beyond the horizon: the longest wear of a patch and its exposure after removal.
const OPIOID_DAYS: i32 = 8;
/// Days are closed in order and seldom late: those that settled within the last week are looked through.
const SETTLES_WITHIN_DAYS: i32 = 7;

/// Whether a value is needed once it is final: for a baseline, by what derives from it, or by a rule. The others are told and
/// forgotten; a late reading computes them again.
pub(super) fn is_looked_back_on(metric: &str, rules: &[Ruled]) -> bool {
    crate::metrics::catalogue::find(metric).is_none_or(|info| info.daily)
        || derived::SOURCES.contains(&metric)
        || rules.iter().any(|rule| rule.metric() == Some(metric))
}

impl Clinic {
    /// Forgets what lies beyond the horizon and what looks back from it.
    pub(super) fn prune(&mut self, person: &Patient, past: &mut Past, now: JournalTime) {
        let calendar = Calendar::of(person);
        let horizon = self.horizon(calendar, now);
        let kept_from = horizon - self.lookback_days;
        // The level of day 0 is kept for ever.
        let day_0 = derived::goals::day_0(&past.days);
        let is_day_0 = |day: i32, name: &str| day_0.iter().any(|(of, source)| *of == day && *source == name);
        for (day, values) in past.days.range_mut(..kept_from.min(horizon - FARTHEST_DAYS)) {
            values.retain(|name| is_day_0(*day, name));
        }
        for (day, values) in past.days.range_mut(..kept_from.min(horizon - FAR_DAYS)) {
            values.retain(|name| name == FARTHEST || is_day_0(*day, name));
        }
        for (day, values) in past.days.range_mut(..kept_from) {
            values.retain(|name| LOOKED_AT_FROM_AFAR.contains(&name) || is_day_0(*day, name));
            // What showed it is no evidence of anything that may still change.
            values.values_mut().for_each(|(_, value)| value.evidence.clear());
        }
        let settled = calendar.day_of(now.0 - FINAL_AFTER_MS) - 1;
        for (_, values) in past.days.range_mut(settled - SETTLES_WITHIN_DAYS..settled) {
            values.retain(|name| is_looked_back_on(name, &self.rules));
        }
        past.days.retain(|_, values| !values.is_empty());
        self.forget_evidence(person, past, calendar.day_of(now.0) - 1);
        past.told = past.told.split_off(&horizon);
        past.opioids = past.opioids.split_off(&(horizon - OPIOID_DAYS));
        let start = calendar.start(horizon);
        let hour = hour_of(start);
        past.folded.values_mut().for_each(|hours| hours.forget_before(hour));
        let Some(state) = self.patients.get_mut(&person.id) else { return };
        state.holds.values_mut().for_each(|signal| signal.stale = signal.stale.split_off(&hour));
        state.watch.seen.values_mut().for_each(|runs| runs.forget_before(start));
        state.watch.streams.values_mut().for_each(|stream| stream.runs.forget_before(start));
        state.watch.told.retain(|_, told| told.end.is_none_or(|end| end >= start));
    }

    /// Of days before `until`, keeps what shows a value only where an episode that was told stands on it. All else can be
    /// found again: [`evidence`] says of which value.
    fn forget_evidence(&self, person: &Patient, past: &mut Past, until: i32) {
        let (shown, named) = (self.shown(person, past), self.named_by_combinations(person, past));
        for (day, values) in past.days.range_mut(..until) {
            for (metric, value) in values.values_mut().filter(|(_, value)| !value.evidence.is_empty()) {
                if !value.evidence.iter().any(|id| named.contains(id))
                    && !shown.contains(&(*day, Shown::Metric(metric)))
                    && group_of(metric.name()).is_none_or(|group| !shown.contains(&(*day, Shown::Group(group))))
                {
                    value.evidence = vec![evidence::forgotten(metric, *day)];
                }
            }
        }
    }

    /// The readings that told combinations name: a part that is never told by itself shows what stands on it only there.
    fn named_by_combinations(&self, person: &Patient, past: &Past) -> BTreeSet<[u8; 16]> {
        let combined = self.rules_of(&person.id).iter().filter(|rule| rule.is_combined() && rule.applies_to(person));
        combined.flat_map(|rule| past.reports.spans(rule.id())).flat_map(|span| span.evidence.iter().copied()).collect()
    }

    /// Which values of which days the told episodes of daily rules stand on.
    fn shown(&self, person: &Patient, past: &Past) -> BTreeSet<(i32, Shown)> {
        let (calendar, mut shown) = (Calendar::of(person), BTreeSet::new());
        for rule in self.rules_of(&person.id).iter().filter(|rule| rule.applies_to(person)) {
            let Some(metric) = rule.metric() else { continue };
            for span in past.reports.spans(rule.id()) {
                for (day, values) in past.days.range(calendar.day_of(span.start)..) {
                    if calendar.start(*day) >= span.until() {
                        break;
                    }
                    match (Number::of(metric).filter(|metric| values.of(*metric).is_some()), group_of(metric)) {
                        (Some(metric), _) => drop(shown.insert((*day, Shown::Metric(metric)))),
                        (None, Some(Group::Composite)) => {
                            shown.extend(Group::ALL.map(|group| (*day, Shown::Group(group))));
                        }
                        (None, group) => shown.extend(group.map(|group| (*day, Shown::Group(group)))),
                    }
                }
            }
        }
        shown
    }
}

/// What an episode stands on: a kept value, or whatever of a group its metric derives from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    Metric(Number),
    Group(Group),
}
