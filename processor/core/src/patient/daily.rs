//! Across days: what follows from a patient's daily values, and the episodes of rules that judge days.
//!
//! Everything here is computed again over all kept days whenever one of them changed: a few hundred numbers a patient,
//! and no state that late data could leave wrong.

use std::collections::BTreeMap;

use super::compiled::Compiled;
use super::day::{DailyValue, Values};
use super::episodes::Span;
use crate::metrics::daily_change::{DailyChange, Direction, exceeds};
use crate::metrics::days_of::PositiveDays;
use crate::metrics::robust_z::DailyBaseline;
use crate::metrics::weight_gain::WeightGain;
use crate::rules::{Condition, Rule, Signal};

/// Values of the kept days, by local day.
pub type Days = BTreeMap<i32, Values>;

/// Daily metrics that have a personal baseline of their own, and the name of the deviation.
pub const BASELINES: [(&str, &str); 5] = [
    ("step_count.daily_sum", "step_count.robust_z"),
    ("resting_heart_rate.daily_median", "resting_heart_rate.robust_z"),
    ("pain_nrs.daily_mean", "pain_nrs.robust_z"),
    ("pain_scale_other.daily_mean", "pain_scale_other.robust_z"),
    ("total_sleep_time.daily_sum", "total_sleep_time.robust_z"),
];

/// A value derived from other days.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    pub value: DailyValue,
    pub baseline: Option<f64>,
    pub deviation: Option<f64>,
}

/// Values of `days` from `since` on that derive from earlier days: (day, metric) to value.
pub fn derive(days: &Days, since: i32) -> BTreeMap<(i32, &'static str), Derived> {
    let mut derived = BTreeMap::new();
    for (source, target) in BASELINES {
        let mut baseline = DailyBaseline::default();
        for (day, value) in each(days, source) {
            let judged = baseline.handle(day, value.value);
            let told = DailyValue { value: judged.z, reason: judged.method.reason().to_owned(), n: judged.n as u32, ..value.clone() };
            derived.insert((day, target), Derived { value: told, baseline: judged.median, deviation: judged.z });
        }
    }
    let mut gains = WeightGain::default();
    for (day, value) in each(days, "body_weight.day_value") {
        for gain in gains.handle(day, value.value).unwrap_or_default() {
            let name = match gain.limit.days {
                1 => "body_weight.gain_1d",
                3 => "body_weight.gain_3d",
                _ => "body_weight.gain_7d",
            };
            let reason = if gain.kg.is_some() { "" } else { "insufficient" };
            let told = DailyValue { value: gain.kg, reason: reason.to_owned(), ..value.clone() };
            derived.insert((day, name), Derived { value: told, baseline: None, deviation: None });
        }
    }
    derived.retain(|(day, _), _| *day >= since);
    derived
}

fn each<'a>(days: &'a Days, metric: &str) -> Vec<(i32, &'a DailyValue)> {
    days.iter().filter_map(|(day, values)| Some((*day, values.get(metric)?))).collect()
}

/// A day's verdict: whether the rule holds and why; `None` where it cannot tell.
struct Verdict {
    holds: bool,
    clears: bool,
    why: String,
}

/// The episodes of a daily rule over all kept days: maximal runs of days on which it holds. A day without a value neither
/// begins nor ends one.
pub fn episodes(compiled: &Compiled, metric: &'static str, days: &Days, derived: &BTreeMap<(i32, &'static str), Derived>) -> Vec<Span> {
    let rule = &compiled.rule;
    let mut judge = Judge::new(rule);
    let mut spans: Vec<Span> = Vec::new();
    let mut active = false;
    let names: Vec<i32> = days.keys().copied().collect();
    for day in names {
        let value = days[&day].get(metric).or_else(|| derived.get(&(day, metric)).map(|found| &found.value));
        let Some(value) = value else { continue };
        let Some(verdict) = judge.day(rule, day, value) else { continue };
        if verdict.holds {
            if !active {
                spans.push(begin(value));
                active = true;
            }
            if let Some(span) = spans.last_mut() {
                extend(span, value, verdict.why);
            }
        } else if active && verdict.clears {
            active = false;
            if let Some(span) = spans.last_mut() {
                span.end = Some(value.held_at);
            }
        }
    }
    spans
}

fn begin(value: &DailyValue) -> Span {
    Span { start: value.held_at, last_held: value.held_at, end: None, evidence: Vec::new(), why: String::new(), historical: true }
}

fn extend(span: &mut Span, value: &DailyValue, why: String) {
    span.last_held = span.last_held.max(value.held_at);
    span.historical &= value.historical;
    span.why = why;
    let room = painwatch_domain::finding::EVIDENCE_MAX.saturating_sub(span.evidence.len());
    span.evidence.extend(value.evidence.iter().take(room));
}

/// Streams over days in ascending order.
struct Judge {
    baseline: DailyBaseline,
    change: DailyChange,
    positive: Option<PositiveDays>,
}

impl Judge {
    fn new(rule: &Rule) -> Self {
        let (window, keep, on) = match rule.condition {
            Condition::Deviates { of_days, on, .. } => (of_days, 0, Some(on)),
            Condition::Changes { within_days, .. } => (0, within_days, None),
            _ => (0, 0, None),
        };
        Self { baseline: DailyBaseline::new(window), change: DailyChange::new(keep), positive: on.map(PositiveDays::new) }
    }

    fn day(&mut self, rule: &Rule, day: i32, value: &DailyValue) -> Option<Verdict> {
        let name = rule.signal.name();
        let (holds, why) = match rule.condition {
            Condition::Threshold(comparison) => {
                let x = value.value?;
                (comparison.holds(x), format!("{name} {x} {} {comparison}", rule.signal.unit()))
            }
            Condition::Deviates { robust_z, direction, .. } => self.deviates(day, value, name, robust_z, direction)?,
            Condition::Changes { by, within_days, direction } => {
                let x = value.value?;
                let change = self.change.change(day, x, within_days, direction);
                self.change.push(day, x);
                let change = change?;
                let unit = rule.signal.unit();
                (exceeds(change, by), format!("{name} {} by {change:.2} {unit} within {within_days} d (limit {by:.2} {unit})", direction.as_str()))
            }
            Condition::Missed { doses } => {
                let run = value.value?;
                (run >= f64::from(doses), format!("{run} scheduled doses of {} missed in a row", value.quality))
            }
        };
        let clears = match (rule.clear, value.value, rule.signal) {
            (Some(clear), Some(x), Signal::Metric(_)) => clear.comparison.holds(x),
            _ => !holds,
        };
        Some(Verdict { holds, clears, why })
    }

    fn deviates(&mut self, day: i32, value: &DailyValue, name: &str, limit: f64, direction: Direction) -> Option<(bool, String)> {
        let judged = self.baseline.handle(day, value.value);
        let beyond = judged.z.map(|z| match direction {
            Direction::Up => z >= limit,
            Direction::Down => z <= -limit,
            Direction::Either => z.abs() >= limit,
        });
        let enough = self.positive.as_mut().is_some_and(|positive| positive.handle(day, beyond));
        let (z, x) = (judged.z?, value.value?);
        let usual = judged.median.unwrap_or(x);
        Some((enough && beyond == Some(true), format!("{name} {x} against a usual {usual}: robust z {z:.1} (limit {limit})")))
    }
}
