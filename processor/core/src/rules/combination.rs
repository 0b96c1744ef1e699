//! Conditions over the episodes of other rules: `any_of`, `all_of`, `n_of`.

use std::collections::BTreeSet;

use painwatch_domain::{Priority, RuleDomain, RuleId};

use super::condition::{CONDITION_KEYS, Read, read_clear, read_fields};
use super::parse::{find_signal, known_signal, timing_of};
use super::print::inline_id;
use super::reader::{Reader, Table, Value};
use super::words::parse_duration;
use super::{Condition, Part, Rule, Signal};

pub const COMBINATIONS: &[&str] = &["any_of", "all_of", "n_of"];
/// What belongs to a condition that stands inside a combination.
pub const INLINE_KEYS: &[&str] = &["signal", "for", "max_gap", "clear", "min_data", "within"];
/// Parts of one combination: more is a list that nobody reads.
const PARTS_MAX: usize = 16;
/// Combinations within combinations.
const DEPTH_MAX: usize = 4;

/// The combination that `key` of `fields` begins; `within` of `any_of` and `all_of` stands beside it.
pub fn read_combination(reader: &mut Reader<'_>, fields: Table<'_>, key: &str, value: &Value<'_>) -> Option<Read> {
    let (list, within, n) = if key == "n_of" {
        let inner = reader.table(value, key)?;
        reader.only(inner, &["n", "rules", "within"]);
        let Some(list) = inner.get("rules") else {
            reader.error(inner.at, "`n_of` needs `rules`", None);
            return None;
        };
        (list, inner, Some(read_count(reader, inner)?))
    } else {
        (value, fields, None)
    };
    if let (Some(_), Some(beside)) = (n, fields.get("within")) {
        reader.error(beside.span().start, "`within` of `n_of` stands inside it", None);
        return None;
    }
    let within_ms = match within.get("within") {
        None => 0,
        Some(_) => reader.parsed(within, "within", "1d", parse_duration)?,
    };
    let parts = read_parts(reader, key, list)?;
    let n = match (key, n) {
        ("all_of", _) => parts.len() as u32,
        (_, Some((n, at))) => {
            if n as usize > parts.len() {
                reader.error(at, format!("`n` is {n}, and there are {} rules", parts.len()), None);
                return None;
            }
            n
        }
        _ => 1,
    };
    Some((Signal::Rules, Condition::Combined { n, within_ms }, parts))
}

/// The rules that tell that nothing came, alone or as a part: what stood between us and the devices bears on them (semantics 10).
pub fn waiting(rules: &[Rule]) -> BTreeSet<RuleId> {
    fn waits(rule: &Rule, known: &BTreeSet<RuleId>) -> bool {
        let by_part = |part: &Part| match part {
            Part::Named(id) => known.contains(id),
            Part::Inline(rule) => waits(rule, known),
        };
        let of_measure = !matches!(rule.signal, Signal::Metric(_));
        (of_measure && matches!(rule.condition, Condition::Absent { .. })) || rule.parts.iter().any(by_part)
    }
    let mut known = BTreeSet::new();
    loop {
        let more = rules.iter().filter(|rule| !known.contains(&rule.id) && waits(rule, &known));
        let more: Vec<RuleId> = more.map(|rule| rule.id.clone()).collect();
        if more.is_empty() {
            return known;
        }
        known.extend(more);
    }
}

fn read_count(reader: &mut Reader<'_>, fields: Table<'_>) -> Option<(u32, usize)> {
    let Some(value) = fields.get("n") else {
        reader.error(fields.at, "`n_of` needs `n`", None);
        return None;
    };
    let n = reader.number(value, "n")?;
    if !(1.0..=PARTS_MAX as f64).contains(&n) || n.fract() != 0.0 {
        reader.error(value.span().start, format!("`n` is {n}, expected a whole number from 1 to {PARTS_MAX}"), None);
        return None;
    }
    Some((n as u32, value.span().start))
}

fn read_parts(reader: &mut Reader<'_>, key: &str, list: &Value<'_>) -> Option<Vec<Part>> {
    let Some(items) = list.get_ref().as_array() else {
        reader.wrong_type(list, key, "a list of rule ids and conditions");
        return None;
    };
    if !(1..=PARTS_MAX).contains(&items.len()) {
        let message = format!("`{key}` has {} parts, expected 1 to {PARTS_MAX}", items.len());
        reader.error(list.span().start, message, None);
        return None;
    }
    reader.depth += 1;
    let parts: Vec<Option<Part>> = items.iter().map(|item| read_part(reader, key, item)).collect();
    reader.depth -= 1;
    let parts: Vec<Part> = parts.into_iter().collect::<Option<_>>()?;
    for (nth, part) in parts.iter().enumerate() {
        if parts[..nth].iter().any(|other| other.id() == part.id()) {
            reader.error(items[nth].span().start, format!("`{key}` names `{}` twice", part.id()), None);
            return None;
        }
    }
    Some(parts)
}

fn read_part(reader: &mut Reader<'_>, key: &str, item: &Value<'_>) -> Option<Part> {
    let at = item.span().start;
    if let Some(name) = item.get_ref().as_str() {
        return match RuleId::parse(name) {
            Ok(id) => {
                reader.names.push((id.clone(), at));
                Some(Part::Named(id))
            }
            Err(error) => {
                reader.error(at, format!("`{key}`: {error}"), None);
                None
            }
        };
    }
    let Some(fields) = Table::of(item) else {
        reader.wrong_type(item, key, "rule ids and conditions such as { signal = \"respiratory_rate\", below = 8 }");
        return None;
    };
    if reader.depth > DEPTH_MAX {
        reader.error(at, format!("combinations more than {DEPTH_MAX} deep"), None);
        return None;
    }
    read_inline(reader, fields).map(|rule| Part::Inline(Box::new(rule)))
}

/// A condition with what belongs to it, as a rule that is never told.
fn read_inline(reader: &mut Reader<'_>, fields: Table<'_>) -> Option<Rule> {
    let known: Vec<_> = CONDITION_KEYS.iter().chain(INLINE_KEYS).copied().collect();
    reader.only(fields, &known);
    let combined = fields.has_any(COMBINATIONS);
    if let (false, Some(within)) = (combined, fields.get("within")) {
        reader.error(within.span().start, "`within` belongs to `any_of`, `all_of` or `n_of`", None);
        return None;
    }
    let signal = inline_signal(reader, fields, combined)?;
    let (signal, condition, parts) = read_fields(reader, fields, signal)?;
    let timing = timing_of(reader, fields, Some((signal, condition)))?;
    let clear = match fields.get("clear") {
        None => None,
        Some(value) => Some(read_clear(reader, value)?),
    };
    super::parse::check_clear(reader, fields, signal, condition, clear);
    let mut rule = Rule {
        id: RuleId::parse("inline").ok()?,
        title: String::new(),
        domain: RuleDomain::Safety,
        signal,
        condition,
        parts,
        for_ms: timing.for_ms,
        max_gap_ms: timing.max_gap_ms,
        clear,
        priority: Priority::Info,
        priority_when: Vec::new(),
        stale_after_ms: timing.stale_after_ms,
        refractory_ms: 0,
        min_data: timing.min_data,
        audience: Vec::new(),
        action: String::new(),
        source: String::new(),
        accepted_by: None,
        shadow_because: None,
        escalation_policy: None,
        pack: reader.pack.clone(),
    };
    rule.id = inline_id(&rule)?;
    Some(rule)
}

/// A combination and a score say themselves what they look at.
fn inline_signal(reader: &mut Reader<'_>, fields: Table<'_>, combined: bool) -> Option<Option<Signal>> {
    if let (true, Some(signal)) = (combined, fields.get("signal")) {
        reader.error(signal.span().start, "a combination looks at rules: it has no `signal`", None);
        return None;
    }
    if combined || (fields.get("score").is_some() && fields.get("signal").is_none()) {
        return Some(None);
    }
    let (name, at) = reader.required(fields, "signal")?;
    known_signal(reader, name, at, find_signal(name)).map(Some)
}
