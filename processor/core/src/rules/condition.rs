//! The condition of a rule, and what clears it.

use painwatch_domain::time::{DAY_MS, MINUTE_MS};
use painwatch_domain::{Measure, Shape, unit};

use super::combination::{COMBINATIONS, INLINE_KEYS, read_combination};
use super::nearest::nearest;
use super::reader::{Reader, Table, Value};
use super::words::{parse_days, parse_days_of, parse_duration};
use super::{Clear, Comparison, Condition, DaysOf, Direction, Part, Signal};
use crate::metrics::catalogue;

/// `within` is what clears `outside`; as a condition it would alarm about health.
const CLEAR_KEYS: &[&str] = &["below", "at_most", "above", "at_least", "outside", "within"];
pub const CONDITION_KEYS: &[&str] = &[
    "below", "at_most", "above", "at_least", "outside", "deviates", "changes", "missed", "score", "absent", "any_of",
    "all_of", "n_of",
];
/// Silence shorter than this is the pause between two uploads.
const LEAST_ABSENCE_MS: i64 = MINUTE_MS;
const DIRECTIONS: &[&str] = &["up", "down", "either"];

/// What a rule looks at, in full: the signal (`deviates` and `changes` of a measure mean its daily metric), the condition,
/// and the parts of a combination.
pub type Read = (Signal, Condition, Vec<Part>);

pub fn read_condition(reader: &mut Reader<'_>, table: Table<'_>, signal: Option<Signal>) -> Option<Read> {
    let Some(value) = table.get("condition") else {
        reader.error(table.at, "`condition` is missing", None);
        return None;
    };
    let fields = reader.table(value, "condition")?;
    let mut known = CONDITION_KEYS.to_vec();
    // What a combination's episodes are counted within stands beside its list.
    known.extend(fields.has_any(COMBINATIONS).then_some("within"));
    reader.only(fields, &known);
    read_fields(reader, fields, signal)
}

/// The one condition among the fields of a table.
pub fn read_fields(reader: &mut Reader<'_>, fields: Table<'_>, signal: Option<Signal>) -> Option<Read> {
    let mut known = fields.entries.iter().filter(|(key, _)| CONDITION_KEYS.contains(&key.get_ref().as_ref()));
    let (first, second) = (known.next(), known.next());
    let Some((key, inner)) = first else {
        if fields.entries.keys().all(|key| INLINE_KEYS.contains(&key.get_ref().as_ref())) {
            reader.error(fields.at, format!("no condition, expected one of: {}", CONDITION_KEYS.join(" ")), None);
        }
        return None;
    };
    if let Some((extra, _)) = second {
        let message = "a condition has one part; `any_of`, `all_of` and `n_of` combine several";
        reader.error(extra.span().start, message, None);
        return None;
    }
    let key = key.get_ref().as_ref();
    if COMBINATIONS.contains(&key) {
        return read_combination(reader, fields, key, inner);
    }
    let (signal, condition) = match key {
        "score" => read_score(reader, inner, signal),
        "deviates" => read_deviates(reader, inner, signal?),
        "changes" => read_changes(reader, inner, signal?),
        "missed" => read_missed(reader, inner, signal?),
        "absent" => read_absent(reader, fields, inner, signal?),
        _ => read_threshold(reader, key, inner, signal?),
    }?;
    Some((signal, condition, Vec::new()))
}

fn read_threshold(
    reader: &mut Reader<'_>,
    key: &str,
    value: &Value<'_>,
    signal: Signal,
) -> Option<(Signal, Condition)> {
    let comparison = read_comparison(reader, key, value)?;
    if !has_numbers(signal) {
        reader.error(value.span().start, format!("`{}` has no number to compare", signal.name()), None);
        return None;
    }
    Some((signal, Condition::Threshold(comparison)))
}

/// `absent = "24h"`: of a measure any time from a minute on; of a daily metric whole days, because a day is judged whole.
fn read_absent(
    reader: &mut Reader<'_>,
    fields: Table<'_>,
    value: &Value<'_>,
    signal: Signal,
) -> Option<(Signal, Condition)> {
    let for_ms = reader.parsed(fields, "absent", "24h", parse_duration)?;
    let Signal::Metric(name) = signal else {
        if for_ms < LEAST_ABSENCE_MS {
            reader.error(value.span().start, "`absent` is at least a minute", None);
            return None;
        }
        return Some((signal, Condition::Absent { for_ms }));
    };
    if !catalogue::find(name).is_some_and(|metric| metric.daily) {
        reader.error(value.span().start, format!("`absent` needs a measure or a daily metric, `{name}` is none"), None);
        return None;
    }
    if for_ms == 0 || for_ms % DAY_MS != 0 || for_ms > 30 * DAY_MS {
        let message = format!("`absent` of the daily metric `{name}` is whole days, from \"1d\" to \"30d\"");
        reader.error(value.span().start, message, None);
        return None;
    }
    Some((signal, Condition::Absent { for_ms }))
}

const SCORE_LIMITS: &[&str] = &["below", "at_most", "above", "at_least", "outside"];

/// The metric that a rule's `score` names, as it is written.
pub fn scored_metric(table: Table<'_>) -> Option<&str> {
    let condition = Table::of(table.get("condition")?)?;
    Table::of(condition.get("score")?)?.get("metric")?.get_ref().as_str()
}

/// `score = { metric = "news2.total", at_least = 7 }`: a threshold on a metric; the rule's signal, where it has one, must
/// be that metric or its measure.
fn read_score(reader: &mut Reader<'_>, value: &Value<'_>, signal: Option<Signal>) -> Option<(Signal, Condition)> {
    let fields = reader.table(value, "score")?;
    let known: Vec<_> = SCORE_LIMITS.iter().copied().chain(["metric"]).collect();
    reader.only(fields, &known);
    let (name, at) = reader.required(fields, "metric")?;
    let Some(metric) = catalogue::find(name) else {
        let near = nearest(name, catalogue::list().iter().map(|metric| metric.name)).map(str::to_owned);
        reader.error(at, format!("unknown metric `{name}`"), near);
        return None;
    };
    let looks_at = [Signal::Metric(metric.name), Signal::Measure(metric.measure)];
    if let Some(signal) = signal.filter(|signal| !looks_at.contains(signal)) {
        let message = format!("`score` looks at `{name}`, the rule's signal is `{}`", signal.name());
        reader.error(at, message, None);
        return None;
    }
    let mut limits = fields.entries.iter().filter(|(key, _)| SCORE_LIMITS.contains(&key.get_ref().as_ref()));
    let (Some((key, limit)), None) = (limits.next(), limits.next()) else {
        reader.error(fields.at, format!("`score` needs one of: {}", SCORE_LIMITS.join(" ")), None);
        return None;
    };
    let comparison = read_comparison(reader, key.get_ref(), limit)?;
    Some((Signal::Metric(metric.name), Condition::Threshold(comparison)))
}

fn has_numbers(signal: Signal) -> bool {
    match signal {
        Signal::Measure(measure) => matches!(measure.spec().shape, Shape::Spot | Shape::Interval),
        _ => true,
    }
}

fn read_comparison(reader: &mut Reader<'_>, key: &str, value: &Value<'_>) -> Option<Comparison> {
    if !matches!(key, "outside" | "within") {
        let limit = reader.number(value, key)?;
        return Some(match key {
            "below" => Comparison::Below(limit),
            "at_most" => Comparison::AtMost(limit),
            "above" => Comparison::Above(limit),
            _ => Comparison::AtLeast(limit),
        });
    }
    let items = value.get_ref().as_array().filter(|items| items.len() == 2);
    let Some(items) = items else {
        reader.wrong_type(value, key, "two numbers, [lo, hi]");
        return None;
    };
    let mut ends = items.iter().map(|item| reader.number(item, key));
    let (lo, hi) = (ends.next()??, ends.next()??);
    if lo > hi {
        reader.error(value.span().start, format!("`{key}` has lo {lo} above hi {hi}"), None);
        return None;
    }
    Some(if key == "within" { Comparison::Within { lo, hi } } else { Comparison::Outside { lo, hi } })
}

fn daily_signal(reader: &mut Reader<'_>, at: usize, signal: Signal, word: &str) -> Option<Signal> {
    let metric = match signal {
        Signal::Measure(measure) => catalogue::daily_of(measure),
        Signal::Metric(name) => catalogue::find(name).filter(|metric| metric.daily),
        Signal::Systolic | Signal::Diastolic | Signal::Rules => None,
    };
    if metric.is_none() {
        let known: Vec<_> = catalogue::list().iter().filter(|metric| metric.daily).map(|metric| metric.name).collect();
        let message =
            format!("`{word}` needs a daily metric, `{}` has none; daily metrics: {}", signal.name(), known.join(" "));
        reader.error(at, message, None);
    }
    metric.map(|metric| Signal::Metric(metric.name))
}

fn read_deviates(reader: &mut Reader<'_>, value: &Value<'_>, signal: Signal) -> Option<(Signal, Condition)> {
    let fields = reader.table(value, "deviates")?;
    reader.only(fields, &["robust_z", "direction", "of", "on"]);
    let signal = daily_signal(reader, value.span().start, signal, "deviates");
    let direction = read_direction(reader, fields)?;
    let of_days = read_days(reader, fields, "of", 28)?;
    let on = match fields.get("on") {
        Some(_) => reader.parsed(fields, "on", "2 of 3 days", parse_days_of)?,
        None => DaysOf { k: 1, n: 1 },
    };
    let Some(limit) = fields.get("robust_z") else {
        reader.error(fields.at, "`deviates` needs `robust_z`", None);
        return None;
    };
    let robust_z = reader.number(limit, "robust_z")?;
    if robust_z <= 0.0 {
        reader.error(
            limit.span().start,
            "`robust_z` is a distance, expected a number above 0; `direction` says which way",
            None,
        );
        return None;
    }
    Some((signal?, Condition::Deviates { robust_z, direction, of_days, on }))
}

fn read_changes(reader: &mut Reader<'_>, value: &Value<'_>, signal: Signal) -> Option<(Signal, Condition)> {
    let fields = reader.table(value, "changes")?;
    reader.only(fields, &["by", "unit", "within", "direction"]);
    let signal = daily_signal(reader, value.span().start, signal, "changes");
    let direction = read_direction(reader, fields)?;
    let within_days = read_days(reader, fields, "within", 1)?;
    let Some(by) = fields.get("by") else {
        reader.error(fields.at, "`changes` needs `by`", None);
        return None;
    };
    let by = reader.number(by, "by")?;
    let signal = signal?;
    let Some((text, at)) = reader.string(fields, "unit") else {
        return Some((signal, Condition::Changes { by, within_days, direction }));
    };
    let Some(step) = unit::conversion(unit::alias(text), signal.unit()) else {
        reader.error(
            at,
            format!("unit `{text}` is not convertible to `{}`, the unit of `{}`", signal.unit(), signal.name()),
            None,
        );
        return None;
    };
    // A difference has no offset: 1 degF of change is 5/9 degC.
    Some((signal, Condition::Changes { by: by * step.factor, within_days, direction }))
}

fn read_missed(reader: &mut Reader<'_>, value: &Value<'_>, signal: Signal) -> Option<(Signal, Condition)> {
    let fields = reader.table(value, "missed")?;
    reader.only(fields, &["doses", "in_a_row"]);
    if signal != Signal::Measure(Measure::MedicationEvent) {
        reader.error(value.span().start, "`missed` looks at the signal `medication_event`", None);
        return None;
    }
    if let Some(in_a_row) = fields.get("in_a_row")
        && in_a_row.get_ref().as_bool() != Some(true)
    {
        reader.error(
            in_a_row.span().start,
            "not supported yet by this version: `missed` with in_a_row other than true",
            None,
        );
        return None;
    }
    let Some(doses) = fields.get("doses") else {
        reader.error(fields.at, "`missed` needs `doses`", None);
        return None;
    };
    let number = reader.number(doses, "doses")?;
    if !(1.0..=100.0).contains(&number) || number.fract() != 0.0 {
        reader.error(doses.span().start, format!("`doses` is {number}, expected a whole number from 1 to 100"), None);
        return None;
    }
    Some((signal, Condition::Missed { doses: number as u32 }))
}

fn read_direction(reader: &mut Reader<'_>, fields: Table<'_>) -> Option<Direction> {
    match fields.get("direction") {
        None => Some(Direction::Either),
        Some(_) => {
            let found = reader.string(fields, "direction");
            reader.word(found, "direction", DIRECTIONS, Direction::parse)
        }
    }
}

fn read_days(reader: &mut Reader<'_>, fields: Table<'_>, key: &str, default: i32) -> Option<i32> {
    match fields.get(key) {
        None => Some(default),
        Some(_) => reader.parsed(fields, key, "28d", |text| parse_days(text).filter(|days| *days <= 90)),
    }
}

pub fn read_clear(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Clear> {
    let fields = reader.table(value, "clear")?;
    let known: Vec<_> = CLEAR_KEYS.iter().copied().chain(["for"]).collect();
    reader.only(fields, &known);
    let mut limits = fields.entries.iter().filter(|(key, _)| CLEAR_KEYS.contains(&key.get_ref().as_ref()));
    let (Some((key, limit)), None) = (limits.next(), limits.next()) else {
        reader.error(fields.at, format!("`clear` needs one of: {}", CLEAR_KEYS.join(" ")), None);
        return None;
    };
    let comparison = read_comparison(reader, key.get_ref(), limit)?;
    let for_ms = match fields.get("for") {
        None => 0,
        Some(_) => reader.parsed(fields, "for", "5m` up to `90d", parse_duration)?,
    };
    Some(Clear { comparison, for_ms })
}
