//! From TOML text to rules, or to the list of everything that is wrong with it, each fault with its line.

use std::collections::BTreeSet;

use painwatch_domain::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use painwatch_domain::{Measure, Priority, RuleDomain, RuleId};
use toml::de::DeTable;

use super::circumstance::read_priority_when;
use super::combination::COMBINATIONS;
use super::condition::{read_clear, read_condition, scored_metric};
use super::default_packs::default_ids;
use super::names::check_names;
use super::nearest::nearest;
use super::reader::{Reader, Table};
use super::words::{parse_duration, parse_min_data};
use super::{Clear, Condition, MinData, MinDataUnit, Rule, Signal};
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
    "shadow_because",
];
pub(super) const PRIORITIES: &[&str] = &["high", "medium", "low", "info"];

/// Every reading is held against every rule of its measure: ten times as many as the packs that ship have together.
const RULES_MAX: usize = 500;

const DEFAULT_REFRACTORY_MS: i64 = 60 * MINUTE_MS;
const CONTINUOUS_HOLD_MS: i64 = 90 * SECOND_MS;
const SPOT_HOLD_MS: i64 = 12 * HOUR_MS;

/// Parses a rule file. The file's name without `.toml` is the pack. A combination may name rules of the file and of the
/// default packs.
///
/// # Errors
/// Every fault found, in the order of the text.
pub fn parse(text: &str, file_name: &str) -> Result<Vec<Rule>, Vec<RuleError>> {
    parse_beside(text, file_name, Some(default_ids()))
}

/// As [`parse`], beside rules with these ids; `None`: whatever a combination names may stand in another document. Such a
/// part is blind until it does.
///
/// # Errors
/// As [`parse`].
pub fn parse_beside(text: &str, file_name: &str, beside: Option<&[String]>) -> Result<Vec<Rule>, Vec<RuleError>> {
    let mut reader = Reader::new(file_name, text);
    let (document, faults) = DeTable::parse_recoverable(text);
    if !faults.is_empty() {
        faults.iter().for_each(|fault| reader.syntax(fault));
        return Err(reader.errors);
    }
    let rules = read_document(&mut reader, document.get_ref(), beside);
    reader.errors.sort_by_key(|error| (error.line, error.column));
    if reader.errors.is_empty() { Ok(rules) } else { Err(reader.errors) }
}

fn read_document(reader: &mut Reader<'_>, document: &DeTable<'_>, beside: Option<&[String]>) -> Vec<Rule> {
    let document = Table { entries: document, at: 0 };
    reader.only(document, &["rule"]);
    let Some(list) = document.get("rule") else { return Vec::new() };
    let Some(items) = list.get_ref().as_array() else {
        reader.error(list.span().start, "`rule` is one table, expected [[rule]] for each rule", None);
        return Vec::new();
    };
    if items.len() > RULES_MAX {
        reader.error(list.span().start, format!("{} rules, at most {RULES_MAX} in a pack", items.len()), None);
        return Vec::new();
    }
    let (mut rules, mut ids, mut names) = (Vec::new(), BTreeSet::new(), Vec::new());
    for item in items {
        let Some(table) = reader.table(item, "rule") else { continue };
        let read = read_rule(reader, table);
        let named = std::mem::take(&mut reader.names);
        let Some(rule) = read else { continue };
        names.push((rule.id.clone(), named));
        if !ids.insert(rule.id.clone()) {
            reader.error(table.at, format!("a second rule has the id `{}`", rule.id), None);
        }
        rules.push(rule);
    }
    check_names(reader, &names, beside);
    rules
}

fn read_rule(reader: &mut Reader<'_>, table: Table<'_>) -> Option<Rule> {
    reader.only(table, RULE_KEYS);
    let id = reader.required(table, "id").and_then(|(text, at)| {
        RuleId::parse(text).map_err(|error| reader.error(at, format!("`id`: {error}"), None)).ok()
    });
    let title = reader.required(table, "title").map(|(text, _)| text.to_owned());
    let domain = read_domain(reader, table);
    let signal = if is_combination(table) { None } else { read_signal(reader, table) };
    let condition = read_condition(reader, table, signal);
    let priority = reader.required(table, "priority");
    let priority = reader.word(priority, "priority", PRIORITIES, Priority::parse);
    let action = reader.required(table, "action").map(|(text, _)| text.to_owned());
    let source = reader.required(table, "source").map(|(text, _)| text.to_owned());
    let timing = timing_of(reader, table, condition.as_ref().map(|(signal, condition, _)| (*signal, *condition)));
    let clear = match table.get("clear") {
        None => Some(None),
        Some(value) => read_clear(reader, value).map(Some),
    };
    let priority_when = read_priority_when(reader, table);
    let audience = table.get("audience").map_or(Some(Vec::new()), |value| reader.texts(value, "audience"));
    let escalation_policy = reader.string(table, "escalation_policy").map(|(text, _)| text.to_owned());
    let accepted_by = reader.string(table, "accepted_by").map(|(text, _)| text.trim().to_owned());
    let shadow_because = reader.string(table, "shadow_because").map(|(text, _)| text.trim().to_owned());
    let (signal, condition, parts) = condition?;
    if let (Signal::Rules, Some(value)) = (signal, table.get("signal")) {
        reader.error(value.span().start, "a combination looks at rules: it has no `signal`", None);
    }
    check_clear(reader, table, signal, condition, clear.flatten());
    let timing = timing?;
    Some(Rule {
        id: id?,
        title: title?,
        domain: domain?,
        signal,
        condition,
        parts,
        for_ms: timing.for_ms,
        max_gap_ms: timing.max_gap_ms,
        clear: clear?,
        priority: priority?,
        priority_when: priority_when?,
        stale_after_ms: timing.stale_after_ms,
        refractory_ms: timing.refractory_ms,
        min_data: timing.min_data,
        audience: audience?,
        action: action?,
        source: source?,
        accepted_by: accepted_by.filter(|name| !name.is_empty()),
        shadow_because: shadow_because.filter(|reason| !reason.is_empty()),
        escalation_policy: escalation_policy.filter(|policy| !policy.is_empty()),
        pack: reader.pack.clone(),
    })
}

/// Only a threshold can be cleared by another one, and a day is cleared by a day.
pub fn check_clear(
    reader: &mut Reader<'_>,
    table: Table<'_>,
    signal: Signal,
    condition: Condition,
    clear: Option<Clear>,
) {
    let (Some(value), Some(clear)) = (table.get("clear"), clear) else { return };
    if !matches!(condition, Condition::Threshold(_)) {
        reader.error(value.span().start, "`clear` belongs to a threshold", None);
    } else if clear.for_ms > 0 && !holds_on_samples(signal, condition) {
        reader.error(value.span().start, "`clear` of a daily metric has no `for`", None);
    }
}

fn read_domain(reader: &mut Reader<'_>, table: Table<'_>) -> Option<RuleDomain> {
    let known: Vec<_> = RuleDomain::ALL.iter().map(|domain| domain.as_str()).collect();
    let found = reader.required(table, "domain");
    reader.word(found, "domain", &known, RuleDomain::parse)
}

fn is_combination(table: Table<'_>) -> bool {
    table.get("condition").and_then(Table::of).is_some_and(|condition| condition.has_any(COMBINATIONS))
}

pub fn find_signal(name: &str) -> Option<Signal> {
    match name {
        "blood_pressure_systolic" => Some(Signal::Systolic),
        "blood_pressure_diastolic" => Some(Signal::Diastolic),
        _ => Measure::parse(name)
            .map(Signal::Measure)
            .or_else(|| catalogue::find(name).map(|metric| Signal::Metric(metric.name))),
    }
}

fn read_signal(reader: &mut Reader<'_>, table: Table<'_>) -> Option<Signal> {
    // A score names the metric it looks at: the signal may be left out.
    if let (None, Some(metric)) = (table.get("signal"), scored_metric(table)) {
        return find_signal(metric);
    }
    let (name, at) = reader.required(table, "signal")?;
    known_signal(reader, name, at, find_signal(name))
}

/// The signal, or why no rule may look at what was named.
pub fn known_signal(reader: &mut Reader<'_>, name: &str, at: usize, signal: Option<Signal>) -> Option<Signal> {
    if signal.is_none() {
        let parts = ["blood_pressure_systolic", "blood_pressure_diastolic"];
        let measures = Measure::ALL.iter().map(|measure| measure.name());
        let known = measures.chain(catalogue::list().iter().map(|metric| metric.name)).chain(parts);
        let near = nearest(name, known).map(str::to_owned);
        reader.error(at, format!("unknown signal `{name}`: neither a measure nor a metric"), near);
    }
    if catalogue::find(name).is_some_and(catalogue::MetricInfo::is_shown_only) {
        reader.error(at, format!("`{name}` is shown to people, no rule may look at it"), None);
        return None;
    }
    signal
}

pub struct Timing {
    pub for_ms: i64,
    pub max_gap_ms: i64,
    pub stale_after_ms: i64,
    pub refractory_ms: i64,
    pub min_data: MinData,
}

pub const fn holds_on_samples(signal: Signal, condition: Condition) -> bool {
    matches!(condition, Condition::Threshold(_)) && !matches!(signal, Signal::Metric(_))
}

pub fn timing_of(reader: &mut Reader<'_>, table: Table<'_>, known: Option<(Signal, Condition)>) -> Option<Timing> {
    let mut duration = |key: &str, default: i64| match table.get(key) {
        None => Some(default),
        Some(_) => reader.parsed(table, key, "3m` up to `90d", parse_duration),
    };
    let (continuous, on_samples) = known.map_or((true, true), |(signal, condition)| {
        (is_continuous(signal.measure()), holds_on_samples(signal, condition))
    });
    let hold = if continuous { CONTINUOUS_HOLD_MS } else { SPOT_HOLD_MS };
    let at_once = known.is_some_and(|(signal, condition)| match condition {
        Condition::Absent { .. } => !matches!(signal, Signal::Metric(_)),
        Condition::Combined { .. } => true,
        _ => false,
    });
    let stale = match (on_samples, continuous) {
        (true, true) => 30 * MINUTE_MS,
        (true, false) => 12 * HOUR_MS,
        (false, _) if at_once => 12 * HOUR_MS,
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
