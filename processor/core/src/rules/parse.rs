//! From TOML text to rules, or to the list of everything that is wrong with it, each fault with its line.

use std::collections::BTreeSet;

use painwatch_domain::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use painwatch_domain::{Measure, Priority, RuleDomain, RuleId, Shape, unit};
use toml::de::DeTable;

use super::nearest::nearest;
use super::reader::{Reader, Table, Value};
use super::words::{parse_days, parse_days_of, parse_duration, parse_min_data};
use super::{
    Circumstance, Clear, Comparison, Condition, DaysOf, Direction, MinData, MinDataUnit, PriorityWhen, Rule, Signal,
};
use crate::metrics::catalogue;

/// Why a rule file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}{}", suggestion.as_ref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
pub struct RuleError {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub message: String,
    /// The nearest known word.
    pub suggestion: Option<String>,
}

const RULE_KEYS: &[&str] = &[
    "id",
    "title",
    "domain",
    "signal",
    "condition",
    "for",
    "max_gap",
    "clear",
    "priority",
    "priority_when",
    "stale_after",
    "refractory",
    "min_data",
    "escalation_policy",
    "audience",
    "action",
    "source",
    "accepted_by",
];
/// `within` is what clears `outside`; as a condition it would alarm about health.
const CLEAR_KEYS: &[&str] = &["below", "at_most", "above", "at_least", "outside", "within"];
const CONDITION_KEYS: &[&str] = &["below", "at_most", "above", "at_least", "outside", "deviates", "changes", "missed"];
/// Words of the grammar that this version cannot evaluate: refused by name, so that no rule is silently half obeyed.
const LATER_CONDITIONS: &[&str] = &["absent", "score", "any_of", "all_of", "n_of"];
const LATER_CIRCUMSTANCES: &[&str] = &["started", "event", "within"];
const DIRECTIONS: &[&str] = &["up", "down", "either"];
const PRIORITIES: &[&str] = &["high", "medium", "low", "info"];

const DEFAULT_REFRACTORY_MS: i64 = 60 * MINUTE_MS;
const CONTINUOUS_HOLD_MS: i64 = 90 * SECOND_MS;
const SPOT_HOLD_MS: i64 = 12 * HOUR_MS;

/// Parses a rule file. The file's name without `.toml` is the pack.
///
/// # Errors
/// Every fault found, in the order of the text.
pub fn parse(text: &str, file_name: &str) -> Result<Vec<Rule>, Vec<RuleError>> {
    let mut reader = Reader::new(file_name, text);
    let (document, faults) = DeTable::parse_recoverable(text);
    if !faults.is_empty() {
        faults.iter().for_each(|fault| reader.syntax(fault));
        return Err(reader.errors);
    }
    let base = file_name.rsplit(['/', '\\']).next().unwrap_or(file_name);
    let rules = read_document(&mut reader, document.get_ref(), base.strip_suffix(".toml").unwrap_or(base));
    reader.errors.sort_by_key(|error| (error.line, error.column));
    if reader.errors.is_empty() { Ok(rules) } else { Err(reader.errors) }
}

fn read_document(reader: &mut Reader<'_>, document: &DeTable<'_>, pack: &str) -> Vec<Rule> {
    let document = Table { entries: document, at: 0 };
    reader.only(document, &["rule"]);
    let Some(list) = document.get("rule") else { return Vec::new() };
    let Some(items) = list.get_ref().as_array() else {
        reader.error(list.span().start, "`rule` is one table, expected [[rule]] for each rule", None);
        return Vec::new();
    };
    let (mut rules, mut ids) = (Vec::new(), BTreeSet::new());
    for item in items {
        let Some(table) = reader.table(item, "rule") else { continue };
        let Some(rule) = read_rule(reader, table, pack) else { continue };
        if !ids.insert(rule.id.clone()) {
            reader.error(table.at, format!("a second rule has the id `{}`", rule.id), None);
        }
        rules.push(rule);
    }
    rules
}

fn read_rule(reader: &mut Reader<'_>, table: Table<'_>, pack: &str) -> Option<Rule> {
    reader.only(table, RULE_KEYS);
    let id = reader.required(table, "id").and_then(|(text, at)| {
        RuleId::parse(text).map_err(|error| reader.error(at, format!("`id`: {error}"), None)).ok()
    });
    let title = reader.required(table, "title").map(|(text, _)| text.to_owned());
    let domain = read_domain(reader, table);
    let signal = read_signal(reader, table);
    let condition = read_condition(reader, table, signal);
    let priority = reader.required(table, "priority");
    let priority = reader.word(priority, "priority", PRIORITIES, Priority::parse);
    let action = reader.required(table, "action").map(|(text, _)| text.to_owned());
    let source = reader.required(table, "source").map(|(text, _)| text.to_owned());
    let timing = read_timing(reader, table, signal.zip(condition).map(|(_, (signal, condition))| (signal, condition)));
    let clear = table.get("clear").map(|value| read_clear(reader, value));
    let priority_when = read_priority_when(reader, table);
    let audience = table.get("audience").map_or(Some(Vec::new()), |value| reader.texts(value, "audience"));
    let escalation_policy = reader.string(table, "escalation_policy").map(|(text, _)| text.to_owned());
    let accepted_by = reader.string(table, "accepted_by").map(|(text, _)| text.trim().to_owned());
    let (signal, condition) = condition?;
    if let (Some(_), false) = (table.get("clear"), holds_on_samples(signal, condition)) {
        reader.error(table.get("clear")?.span().start, "`clear` belongs to a threshold on a measure", None);
    }
    let timing = timing?;
    Some(Rule {
        id: id?,
        title: title?,
        domain: domain?,
        signal,
        condition,
        for_ms: timing.for_ms,
        max_gap_ms: timing.max_gap_ms,
        clear: clear.unwrap_or(Some(None))?,
        priority: priority?,
        priority_when: priority_when?,
        stale_after_ms: timing.stale_after_ms,
        refractory_ms: timing.refractory_ms,
        min_data: timing.min_data,
        audience: audience?,
        action: action?,
        source: source?,
        accepted_by: accepted_by.filter(|name| !name.is_empty()),
        escalation_policy: escalation_policy.filter(|policy| !policy.is_empty()),
        pack: pack.to_owned(),
    })
}

fn read_domain(reader: &mut Reader<'_>, table: Table<'_>) -> Option<RuleDomain> {
    let known: Vec<_> = RuleDomain::ALL.iter().map(|domain| domain.as_str()).collect();
    let found = reader.required(table, "domain");
    reader.word(found, "domain", &known, RuleDomain::parse)
}

fn find_signal(name: &str) -> Option<Signal> {
    match name {
        "blood_pressure_systolic" => Some(Signal::Systolic),
        "blood_pressure_diastolic" => Some(Signal::Diastolic),
        _ => Measure::parse(name)
            .map(Signal::Measure)
            .or_else(|| catalogue::find(name).map(|metric| Signal::Metric(metric.name))),
    }
}

fn read_signal(reader: &mut Reader<'_>, table: Table<'_>) -> Option<Signal> {
    let (name, at) = reader.required(table, "signal")?;
    let signal = find_signal(name);
    if signal.is_none() {
        let parts = ["blood_pressure_systolic", "blood_pressure_diastolic"];
        let measures = Measure::ALL.iter().map(|measure| measure.name());
        let known = measures.chain(catalogue::list().iter().map(|metric| metric.name)).chain(parts);
        let near = nearest(name, known).map(str::to_owned);
        reader.error(at, format!("unknown signal `{name}`: neither a measure nor a metric"), near);
    }
    signal
}

/// The condition and the signal it really looks at: `deviates` and `changes` of a measure mean its daily metric.
fn read_condition(reader: &mut Reader<'_>, table: Table<'_>, signal: Option<Signal>) -> Option<(Signal, Condition)> {
    let Some(value) = table.get("condition") else {
        reader.error(table.at, "`condition` is missing", None);
        return None;
    };
    let fields = reader.table(value, "condition")?;
    let mut later = fields.entries.keys().filter(|key| LATER_CONDITIONS.contains(&key.get_ref().as_ref()));
    if let Some(key) = later.next() {
        reader.error(
            key.span().start,
            format!("not supported yet by this version: condition `{}`", key.get_ref()),
            None,
        );
        return None;
    }
    reader.only(fields, CONDITION_KEYS);
    let mut known = fields.entries.iter().filter(|(key, _)| CONDITION_KEYS.contains(&key.get_ref().as_ref()));
    let (first, second) = (known.next(), known.next());
    let Some((key, inner)) = first else {
        if fields.entries.is_empty() {
            reader.error(
                value.span().start,
                format!("`condition` is empty, expected one of: {}", CONDITION_KEYS.join(" ")),
                None,
            );
        }
        return None;
    };
    if let Some((extra, _)) = second {
        reader.error(
            extra.span().start,
            "a condition has one part; combinations are not supported yet by this version",
            None,
        );
        return None;
    }
    let key = key.get_ref().as_ref();
    let signal = signal?;
    match key {
        "deviates" => read_deviates(reader, inner, signal),
        "changes" => read_changes(reader, inner, signal),
        "missed" => read_missed(reader, inner, signal),
        _ => {
            let comparison = read_comparison(reader, key, inner)?;
            if !has_numbers(signal) {
                let name = signal.name();
                reader.error(value.span().start, format!("`{name}` has no number to compare"), None);
                return None;
            }
            Some((signal, Condition::Threshold(comparison)))
        }
    }
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
        Signal::Systolic | Signal::Diastolic => None,
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

fn read_clear(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Option<Clear>> {
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
        Some(_) => reader.parsed(fields, "for", "5m", parse_duration)?,
    };
    Some(Some(Clear { comparison, for_ms }))
}

fn read_priority_when(reader: &mut Reader<'_>, table: Table<'_>) -> Option<Vec<PriorityWhen>> {
    let Some(value) = table.get("priority_when") else { return Some(Vec::new()) };
    let Some(items) = value.get_ref().as_array() else {
        reader.wrong_type(value, "priority_when", "a list such as [{ exposure = \"opioid\", priority = \"high\" }]");
        return None;
    };
    let read: Vec<_> = items.iter().map(|item| read_raise(reader, item)).collect();
    read.into_iter().collect()
}

fn read_raise(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<PriorityWhen> {
    let fields = reader.table(value, "priority_when")?;
    let mut later = fields.entries.keys().filter(|key| LATER_CIRCUMSTANCES.contains(&key.get_ref().as_ref()));
    if let Some(key) = later.next() {
        reader.error(
            key.span().start,
            format!("not supported yet by this version: priority_when `{}`", key.get_ref()),
            None,
        );
        return None;
    }
    reader.only(fields, &["exposure", "condition", "priority"]);
    let priority = reader.required(fields, "priority");
    let priority = reader.word(priority, "priority", PRIORITIES, Priority::parse)?;
    let when = match (fields.get("exposure"), fields.get("condition")) {
        (Some(_), None) => {
            let (class, at) = reader.string(fields, "exposure")?;
            if class != "opioid" {
                reader.error(
                    at,
                    format!("not supported yet by this version: exposure `{class}`"),
                    Some("opioid".into()),
                );
                return None;
            }
            Circumstance::Exposure(class.to_owned())
        }
        (None, Some(conditions)) => {
            let mut conditions = reader.texts(conditions, "condition")?;
            conditions.sort();
            conditions.dedup();
            Circumstance::Condition(conditions)
        }
        _ => {
            reader.error(fields.at, "`priority_when` needs one of: exposure condition", None);
            return None;
        }
    };
    Some(PriorityWhen { when, priority })
}

struct Timing {
    for_ms: i64,
    max_gap_ms: i64,
    stale_after_ms: i64,
    refractory_ms: i64,
    min_data: MinData,
}

const fn holds_on_samples(signal: Signal, condition: Condition) -> bool {
    matches!(condition, Condition::Threshold(_)) && !matches!(signal, Signal::Metric(_))
}

fn read_timing(reader: &mut Reader<'_>, table: Table<'_>, known: Option<(Signal, Condition)>) -> Option<Timing> {
    let mut duration = |key: &str, default: i64| match table.get(key) {
        None => Some(default),
        Some(_) => reader.parsed(table, key, "3m", parse_duration),
    };
    let (continuous, on_samples) = known.map_or((true, true), |(signal, condition)| {
        (is_continuous(signal.measure()), holds_on_samples(signal, condition))
    });
    let hold = if continuous { CONTINUOUS_HOLD_MS } else { SPOT_HOLD_MS };
    let stale = match (on_samples, continuous) {
        (true, true) => 30 * MINUTE_MS,
        (true, false) => 12 * HOUR_MS,
        (false, _) => 48 * HOUR_MS,
    };
    let (for_ms, max_gap_ms) = (duration("for", 0), duration("max_gap", hold));
    let (stale_after_ms, refractory_ms) =
        (duration("stale_after", stale), duration("refractory", DEFAULT_REFRACTORY_MS));
    if let (false, Some(value)) = (on_samples, table.get("for").or(table.get("max_gap"))) {
        reader.error(value.span().start, "`for` and `max_gap` belong to a threshold on a measure", None);
    }
    let min_data = match table.get("min_data") {
        Some(_) => reader.parsed(table, "min_data", "2 samples", parse_min_data)?,
        None => default_min_data(known),
    };
    Some(Timing {
        for_ms: for_ms?,
        max_gap_ms: max_gap_ms?,
        stale_after_ms: stale_after_ms?,
        refractory_ms: refractory_ms?,
        min_data,
    })
}

const fn default_min_data(known: Option<(Signal, Condition)>) -> MinData {
    match known {
        Some((_, Condition::Deviates { .. })) => MinData { count: 7, unit: MinDataUnit::Days },
        Some((Signal::Metric(_), _)) => MinData { count: 1, unit: MinDataUnit::Days },
        _ => MinData { count: 1, unit: MinDataUnit::Samples },
    }
}

/// Sampled while worn, as opposed to now and then: decides how long a sample speaks (semantics 12, clinical catalogue A2).
const fn is_continuous(measure: Measure) -> bool {
    use Measure as M;
    matches!(
        measure,
        M::HeartRate
            | M::RespiratoryRate
            | M::OxygenSaturation
            | M::SkinTemperature
            | M::RrInterval
            | M::OxygenFlow
            | M::StepCount
            | M::ActivityCount
    )
}
