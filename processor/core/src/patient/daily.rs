//! Across days: what follows from a patient's daily values, and the episodes of rules that judge days.
//!
//! Everything here is computed again over all kept days whenever one of them changed: a few hundred numbers a patient,
//! and no state that late data could leave wrong.

pub mod trends;

use std::collections::BTreeMap;

use super::by_metric::ByMetric;
use super::calendar::Calendar;
use super::compiled::{Compiled, Ruled};
use super::day::DailyValue;
use super::derived::{self, Facts};
use super::episodes::{Span, VERIFY_SENSOR};
use super::frozen::Frozen;
use super::past::{Missed, MissedDose};
use crate::metrics::daily_change::{DailyChange, Direction, exceeds};
use crate::metrics::days_of::{DaysOf, PositiveDays};
use crate::metrics::numbers::Number;
use crate::metrics::robust_z::{DailyBaseline, RobustZ};
use crate::metrics::weight_gain::WeightGain;
use crate::rules::words::{judged_text, value_text};
use crate::rules::{Condition, Margin, Rule, Signal};

/// Values of the kept days, by local day.
pub type Days = BTreeMap<i32, ByMetric<DailyValue>>;

/// No day is kept before this one, and arithmetic on it does not overflow.
pub(super) const FIRST_DAY: i32 = i32::MIN / 2;

pub const MISSED: &str = "medication_event.missed_in_a_row";
/// The same of medicines whose sudden stop brings withdrawal or relapse.
pub const WITHDRAWAL_MISSED: &str = "medication_event.withdrawal_missed_in_a_row";

/// Daily metrics that have a personal baseline of their own, and the name of the deviation.
pub const BASELINES: [(&str, &str); 7] = [
    ("step_count.daily_sum", "step_count.robust_z"),
    ("resting_heart_rate.daily_median", "resting_heart_rate.robust_z"),
    ("pain_nrs.daily_mean", "pain_nrs.robust_z"),
    ("pain_scale_other.daily_mean", "pain_scale_other.robust_z"),
    ("total_sleep_time.daily_sum", "total_sleep_time.robust_z"),
    ("sleep_stage.sleep_efficiency", "sleep_stage.efficiency_z"),
    WASO_BASELINE,
];

const WASO_BASELINE: (&str, &str) = ("sleep_stage.wake_after_sleep_onset", "sleep_stage.waso_z");

/// A value derived from other days.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    pub value: DailyValue,
    pub baseline: Option<f64>,
    pub deviation: Option<f64>,
}

/// Values by day and metric.
pub type DerivedDays = BTreeMap<(i32, &'static str), Derived>;

/// What values are derived from.
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    pub days: &'a Days,
    pub missed: &'a Missed,
    pub facts: &'a Facts,
}

static NOTHING_MISSED: Missed = Missed::new();
static NO_FACTS: Facts = Facts::NONE;

impl<'a> Kept<'a> {
    /// Of the days alone.
    pub const fn of(days: &'a Days) -> Self {
        Self { days, missed: &NOTHING_MISSED, facts: &NO_FACTS }
    }
}

/// Values from day `since` on that derive from other days, of the metrics that are `wanted`.
pub fn derive(past: &Kept, since: i32, wanted: impl Fn(&str) -> bool) -> DerivedDays {
    let Kept { days, missed, facts } = *past;
    let frozen = &facts.frozen;
    let mut derived = BTreeMap::new();
    derived::derive(days, facts, since, &wanted, &mut derived);
    for (source, target) in BASELINES.into_iter().filter(|(_, target)| wanted(target)) {
        derive_baseline(days, frozen, since, (source, target), &mut derived);
    }
    if wanted(trends::POOR_NIGHTS) {
        let mut waso_z = DerivedDays::new();
        derive_baseline(days, frozen, since.saturating_sub(trends::NIGHTS), WASO_BASELINE, &mut waso_z);
        trends::poor_nights(days, since, &waso_z, &mut derived);
    }
    trends::derive(days, frozen, since, &wanted, &mut derived);
    if wanted("body_weight.gain_1d") {
        derive_gains(days, since, &mut derived);
    }
    let of_withdrawal = |medication: &str| facts.withdrawal.contains(medication);
    for metric in [MISSED, WITHDRAWAL_MISSED].into_iter().filter(|metric| wanted(metric)) {
        let runs = missed_runs(missed, &|medication| metric == MISSED || of_withdrawal(medication));
        let runs = runs.into_iter().filter(|(day, _)| *day >= since);
        derived.extend(runs.map(|(day, value)| ((day, metric), Derived { value, baseline: None, deviation: None })));
    }
    derived
}

/// Whether a metric follows from values of several days, so that a day it was told of may lose it by another's change.
pub fn is_derived(metric: &str) -> bool {
    let of_baseline = || BASELINES.iter().any(|(_, target)| *target == metric);
    let gains = ["body_weight.gain_1d", "body_weight.gain_3d", "body_weight.gain_7d"];
    [MISSED, WITHDRAWAL_MISSED].contains(&metric)
        || gains.contains(&metric)
        || of_baseline()
        || trends::is_trend(metric)
        || derived::is_derived(metric)
}

fn derive_baseline(
    days: &Days,
    frozen: &Frozen,
    since: i32,
    (source, target): (&str, &'static str),
    derived: &mut DerivedDays,
) {
    let mut baseline = DailyBaseline::default();
    for (day, value) in each(days, source) {
        if day < since {
            remember(&mut baseline, frozen, day, value.value);
            continue;
        }
        let judged = baseline.judge(day, value.value);
        remember(&mut baseline, frozen, day, value.value);
        let told = DailyValue {
            value: judged.z,
            reason: judged.method.reason().to_owned(),
            n: judged.n as u32,
            ..value.clone()
        };
        derived.insert((day, target), Derived { value: told, baseline: judged.median, deviation: judged.z });
    }
}

/// A frozen day is judged and makes no baseline.
fn remember(baseline: &mut DailyBaseline, frozen: &Frozen, day: i32, x: Option<f64>) {
    if !frozen.contains(day) {
        baseline.remember(day, x);
    }
}

fn derive_gains(days: &Days, since: i32, derived: &mut DerivedDays) {
    let mut gains = WeightGain::default();
    let values = each(days, "body_weight.day_value");
    let weights: Vec<(i32, f64)> = values.iter().filter_map(|(day, value)| Some((*day, value.value?))).collect();
    for (day, value) in values {
        let is_far = |kg| derived::weight::is_to_be_verified(&weights, (day, kg));
        let far = day >= since && value.value.is_some_and(is_far);
        for gain in gains.handle(day, value.value).unwrap_or_default() {
            let name = match gain.limit.days {
                1 => "body_weight.gain_1d",
                3 => "body_weight.gain_3d",
                _ => "body_weight.gain_7d",
            };
            let reason = if gain.kg.is_some() { "" } else { "insufficient" };
            let verify = value.verify || far;
            let told = DailyValue { value: gain.kg, reason: reason.to_owned(), verify, ..value.clone() };
            if day >= since {
                derived.insert((day, name), Derived { value: told, baseline: None, deviation: None });
            }
        }
    }
}

/// For each day with scheduled doses, the longest run of missed ones that ends on it: two missed in the morning stay two
/// missed when the third is taken at night.
fn missed_runs(missed: &Missed, is: &dyn Fn(&str) -> bool) -> BTreeMap<i32, DailyValue> {
    let mut running: BTreeMap<&str, u32> = BTreeMap::new();
    let mut runs = BTreeMap::new();
    for (day, medications) in missed {
        let medications = || medications.iter().filter(|(medication, _)| is(medication));
        let longest = medications()
            .map(|(medication, doses)| longest_run(running.entry(medication).or_default(), medication, doses));
        let worst = longest.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(a.1)));
        let Some((run, medication, held_at)) = worst else { continue };
        let n = medications().map(|(_, doses)| doses.len() as u32).sum();
        let value = Some(f64::from(run));
        runs.insert(*day, DailyValue { value, n, held_at, quality: medication.to_owned(), ..DailyValue::default() });
    }
    runs
}

fn longest_run<'a>(running: &mut u32, medication: &'a str, doses: &[MissedDose]) -> (u32, &'a str, i64) {
    let mut longest = (0, doses.first().map_or(0, |dose| dose.scheduled));
    for dose in doses {
        *running = if dose.missed { *running + 1 } else { 0 };
        if *running >= longest.0 {
            longest = (*running, dose.scheduled);
        }
    }
    (longest.0, medication, longest.1)
}

pub(super) fn each<'a>(days: &'a Days, metric: &str) -> Vec<(i32, &'a DailyValue)> {
    let Some(number) = Number::of(metric) else { return Vec::new() };
    days.iter().filter_map(|(day, values)| Some((*day, values.of(number)?))).collect()
}

/// A day's verdict: whether the rule holds, why, and how near it is.
pub struct Verdict {
    pub holds: bool,
    clears: bool,
    pub why: String,
    pub margin: Option<Margin>,
    /// On how many of the last n days the condition held, where one is not enough.
    pub on: Option<(u32, DaysOf)>,
}

/// What a rule's days are looked up in.
pub struct Book<'a> {
    pub calendar: Calendar<'a>,
    pub days: &'a Days,
    pub derived: &'a DerivedDays,
    pub frozen: &'a Frozen,
    /// Days before this one are over: only they can end an episode.
    pub open_from: i32,
    /// The first day on which a value was expected.
    pub watched_from: i32,
}

impl<'a> Book<'a> {
    pub fn value(&self, day: i32, metric: &'static str) -> Option<&'a DailyValue> {
        let kept = self.days.get(&day).and_then(|values| values.get(metric));
        kept.or_else(|| self.derived.get(&(day, metric)).map(|found| &found.value))
    }

    fn values(&self, metric: &'static str) -> BTreeMap<i32, &'a DailyValue> {
        let kept = each(self.days, metric);
        let derived = self.derived.iter().filter(|((_, name), _)| *name == metric);
        derived.map(|((day, _), found)| (*day, &found.value)).chain(kept).collect()
    }
}

/// One day of a daily rule.
pub struct JudgedDay<'a> {
    pub day: i32,
    pub value: &'a DailyValue,
    /// By the version in force when the value became true; `None` where that cannot tell.
    pub verdict: Option<Verdict>,
}

/// What a daily rule says of each kept day with a value, ascending.
pub fn judged_days<'a>(ruled: &Ruled, metric: &'static str, book: &Book<'a>) -> Vec<JudgedDay<'a>> {
    let mut judges: Vec<(&Compiled, Judge)> = ruled.all().map(|version| (version, Judge::new(&version.rule))).collect();
    let judged = book.values(metric).into_iter().map(|(day, value)| {
        let in_force = ruled.at(value.held_at).map(|version| &version.face.version);
        let verdicts = judges
            .iter_mut()
            .map(|(version, judge)| (&version.face.version, judge.day(&version.rule, day, value, book.frozen)));
        // Every judge sees every day, whichever is in force.
        let verdicts: Vec<_> = verdicts.collect();
        let verdict = verdicts.into_iter().find(|(version, _)| Some(*version) == in_force);
        JudgedDay { day, value, verdict: verdict.and_then(|(_, verdict)| verdict) }
    });
    judged.collect()
}

/// Whether an episode lasts on the last of these days: one without a value, that neither holds nor clears, or that is not
/// over by `open_from` ends none.
pub fn lasts(days: &[JudgedDay], open_from: i32) -> bool {
    let verdicts = days.iter().rev().filter_map(|judged| Some((judged.day, judged.verdict.as_ref()?)));
    let decides = |(day, verdict): &(i32, &Verdict)| verdict.holds || (verdict.clears && *day < open_from);
    { verdicts }.find(decides).is_some_and(|(_, verdict)| verdict.holds)
}

/// The episodes of a daily rule over all kept days: maximal runs of days on which it holds, from the start of the first to
/// the start of the day that ends them. A day without a value neither begins nor ends one.
pub fn episodes(ruled: &Ruled, metric: &'static str, book: &Book) -> Vec<Span> {
    let mut spans = if ruled.newest().awaits() { missing(ruled, metric, book) } else { holding(ruled, metric, book) };
    spans.iter_mut().for_each(|span| span.start = span.start.max(ruled.earliest()));
    spans
}

fn holding(ruled: &Ruled, metric: &'static str, book: &Book) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut active = false;
    for JudgedDay { day, value, verdict } in judged_days(ruled, metric, book) {
        let Some(verdict) = verdict else { continue };
        let (start, end) = book.calendar.bounds(day);
        if verdict.holds {
            if !active {
                spans.push(begin(start, value));
                active = true;
            }
            if let Some(span) = spans.last_mut() {
                extend(span, value, end, verdict.why);
            }
        } else if active && verdict.clears && day < book.open_from {
            active = false;
            if let Some(span) = spans.last_mut() {
                span.end = Some(start);
            }
        }
    }
    spans
}

/// The episodes of an absence rule: runs of so many days that are over and have no value, from the last of so many to the
/// day that has one again.
fn missing(ruled: &Ruled, metric: &'static str, book: &Book) -> Vec<Span> {
    let values = book.values(metric);
    let (mut spans, mut without): (Vec<Span>, i32) = (Vec::new(), 0);
    for day in book.watched_from..book.open_from {
        let (start, end) = book.calendar.bounds(day);
        if values.get(&day).is_some_and(|value| value.value.is_some()) {
            spans.last_mut().filter(|span| span.end.is_none()).into_iter().for_each(|span| span.end = Some(start));
            without = 0;
            continue;
        }
        without += 1;
        let in_force = ruled.at(end - 1).filter(|version| version.awaits());
        let limit = in_force.map(Compiled::lookback_days).filter(|limit| without >= *limit);
        let Some(limit) = limit else { continue };
        if spans.last().is_none_or(|span| span.end.is_some()) {
            let (last_held, evidence, historical) = (end, Vec::new(), false);
            let why = format!("no {metric} on {limit} days in a row");
            spans.push(Span { start, last_held, fresh_from: end, end: None, evidence, why, historical });
        }
        spans.last_mut().into_iter().for_each(|span| (span.last_held, span.fresh_from) = (end, end));
    }
    spans
}

fn begin(start: i64, value: &DailyValue) -> Span {
    let (last_held, evidence, why) = (value.held_at, Vec::new(), String::new());
    Span { start, last_held, fresh_from: last_held, end: None, evidence, why, historical: true }
}

fn extend(span: &mut Span, value: &DailyValue, window_end: i64, why: String) {
    span.last_held = span.last_held.max(value.held_at);
    span.fresh_from = window_end;
    span.historical &= value.historical;
    span.why = why + if value.verify { VERIFY_SENSOR } else { "" };
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
        Self {
            baseline: DailyBaseline::new(window),
            change: DailyChange::new(keep),
            positive: on.map(PositiveDays::new),
        }
    }

    fn day(&mut self, rule: &Rule, day: i32, value: &DailyValue, frozen: &Frozen) -> Option<Verdict> {
        let (name, unit) = (rule.signal.name(), rule.signal.unit());
        let (holds, margin, why) = match rule.condition {
            Condition::Threshold(comparison) => {
                let x = value.value?;
                let why = judged_text(rule.signal, x, comparison);
                (comparison.holds(x), Margin::of_comparison(comparison, x, unit), why)
            }
            Condition::Deviates { robust_z, direction, .. } => {
                let judged = self.baseline.judge(day, value.value);
                remember(&mut self.baseline, frozen, day, value.value);
                self.deviates(day, value, rule.signal, judged, (robust_z, direction))?
            }
            Condition::Changes { by, within_days, direction } => {
                let x = value.value?;
                let change = self.change.change(day, x, within_days, direction);
                self.change.push(day, x);
                let change = change?;
                let direction = direction.as_str();
                let why =
                    format!("{name} {direction} by {change:.2} {unit} within {within_days} d (rule: {by:.2} {unit})");
                (exceeds(change, by), Margin::up_to(by, change, unit), why)
            }
            Condition::Missed { doses } => {
                let (run, doses) = (value.value?, f64::from(doses));
                let why = format!("{run} scheduled doses of {} missed in a row", value.quality);
                (run >= doses, Margin::up_to(doses, run, "{dose}"), why)
            }
            // Days without a value are no verdict of a day, and a combination judges no days.
            Condition::Absent { .. } | Condition::Combined { .. } => return None,
        };
        let clears = match (rule.clear, value.value, rule.signal) {
            (Some(clear), Some(x), Signal::Metric(_)) => clear.comparison.holds(x),
            _ => !holds,
        };
        let on = self.positive.as_ref().filter(|positive| positive.rule().n > 1);
        let on = on.map(|positive| (positive.count(day), positive.rule()));
        Some(Verdict { holds, clears, why, margin: Some(margin), on })
    }

    fn deviates(
        &mut self,
        day: i32,
        value: &DailyValue,
        signal: Signal,
        judged: RobustZ,
        (limit, direction): (f64, Direction),
    ) -> Option<(bool, Margin, String)> {
        let beyond = judged.z.map(|z| match direction {
            Direction::Up => z >= limit,
            Direction::Down => z <= -limit,
            Direction::Either => z.abs() >= limit,
        });
        let enough = self.positive.as_mut().is_some_and(|positive| positive.handle(day, beyond));
        let (z, x) = (judged.z?, value.value?);
        let (name, usual) = (signal.name(), value_text(signal, judged.median.unwrap_or(x)));
        let x = value_text(signal, x);
        let why = format!("{name} {x} against a usual {usual}: robust z {z:.1} (rule: {limit})");
        Some((enough && beyond == Some(true), Margin::of_deviation(limit, direction, z), why))
    }
}
