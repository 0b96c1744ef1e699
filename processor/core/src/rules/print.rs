//! The normal form of a rule: TOML with its keys in one order and one spelling. What hashes to the version, and parses
//! back to the rule.

use std::fmt::Write as _;

use painwatch_domain::Hash128;

use super::words::{format_duration, format_min_data};
use super::{Circumstance, Clear, Comparison, Condition, Rule};

/// Hexadecimal digits of the version: 64 bits tell a clinic's rules apart and still fit a column on a page.
const VERSION_DIGITS: usize = 16;

pub fn version(rule: &Rule) -> String {
    let mut hash = Hash128::of(&[b"rule", content(rule).as_bytes()]).to_string();
    hash.truncate(VERSION_DIGITS);
    hash
}

pub fn to_toml(rule: &Rule) -> String {
    let accepted = rule.accepted_by.as_deref().unwrap_or("");
    let because = rule.shadow_because.as_deref().map(|reason| format!("shadow_because = {}\n", quoted(reason)));
    format!("{}accepted_by = {}\n{}", content(rule), quoted(accepted), because.unwrap_or_default())
}

/// Everything but who accepted it, why it should stay in shadow, and which pack it came in.
fn content(rule: &Rule) -> String {
    let mut text = String::from("[[rule]]\n");
    let mut line = |key: &str, value: String| {
        let _ = writeln!(text, "{key} = {value}");
    };
    line("id", quoted(rule.id.as_str()));
    line("title", quoted(&rule.title));
    line("domain", quoted(rule.domain.as_str()));
    line("signal", quoted(rule.signal.name()));
    line("condition", condition(rule.condition));
    if matches!(rule.condition, Condition::Threshold(_)) && !matches!(rule.signal, super::Signal::Metric(_)) {
        line("for", duration(rule.for_ms));
        line("max_gap", duration(rule.max_gap_ms));
    }
    if let Some(Clear { comparison, for_ms }) = rule.clear {
        line("clear", format!("{{ {}, for = {} }}", limit(comparison), duration(for_ms)));
    }
    line("priority", quoted(rule.priority.as_str()));
    line(
        "priority_when",
        list(rule.priority_when.iter().map(|raise| {
            let when = match &raise.when {
                Circumstance::Exposure(class) => format!("exposure = {}", quoted(class)),
                Circumstance::Condition(names) => {
                    format!("condition = {}", list(names.iter().map(|name| quoted(name))))
                }
                Circumstance::Started { class, within_ms } => {
                    format!("started = {}, within = {}", quoted(class), duration(*within_ms))
                }
                Circumstance::Event { kind, within_ms } => {
                    format!("event = {}, within = {}", quoted(kind), duration(*within_ms))
                }
            };
            format!("{{ {when}, priority = {} }}", quoted(raise.priority.as_str()))
        })),
    );
    line("stale_after", duration(rule.stale_after_ms));
    line("refractory", duration(rule.refractory_ms));
    line("min_data", quoted(&format_min_data(rule.min_data)));
    line("escalation_policy", quoted(rule.escalation_policy.as_deref().unwrap_or("")));
    line("audience", list(rule.audience.iter().map(|role| quoted(role))));
    line("action", quoted(&rule.action));
    line("source", quoted(&rule.source));
    text
}

/// The condition as a rule file has it.
pub fn condition_line(rule: &Rule) -> String {
    condition(rule.condition)
}

fn condition(condition: Condition) -> String {
    match condition {
        Condition::Threshold(comparison) => format!("{{ {} }}", limit(comparison)),
        Condition::Deviates { robust_z, direction, of_days, on } => format!(
            "{{ deviates = {{ robust_z = {robust_z:?}, direction = {}, of = \"{of_days}d\", on = \"{} of {} days\" }} }}",
            quoted(direction.as_str()),
            on.k,
            on.n
        ),
        Condition::Changes { by, within_days, direction } => format!(
            "{{ changes = {{ by = {by:?}, within = \"{within_days}d\", direction = {} }} }}",
            quoted(direction.as_str())
        ),
        Condition::Missed { doses } => format!("{{ missed = {{ doses = {doses}, in_a_row = true }} }}"),
    }
}

/// `{:?}` of a float is its shortest exact decimal: `90.0`, and 90 and 90.0 print the same.
fn limit(comparison: Comparison) -> String {
    match comparison {
        Comparison::Below(limit) => format!("below = {limit:?}"),
        Comparison::AtMost(limit) => format!("at_most = {limit:?}"),
        Comparison::Above(limit) => format!("above = {limit:?}"),
        Comparison::AtLeast(limit) => format!("at_least = {limit:?}"),
        Comparison::Outside { lo, hi } => format!("outside = [{lo:?}, {hi:?}]"),
        Comparison::Within { lo, hi } => format!("within = [{lo:?}, {hi:?}]"),
    }
}

fn duration(ms: i64) -> String {
    quoted(&format_duration(ms))
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
