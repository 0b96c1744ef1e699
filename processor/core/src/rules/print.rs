//! The normal form of a rule: TOML with its keys in one order and one spelling. What hashes to the version, and parses
//! back to the rule.

use std::fmt::Write as _;

use painwatch_domain::{Hash128, RuleId};

use super::parse::holds_on_samples;
use super::words::{format_duration, format_min_data};
use super::{Circumstance, Clear, Comparison, Condition, Part, Rule, Signal};

/// Hexadecimal digits of the version: 64 bits tell a clinic's rules apart and still fit a column on a page.
const VERSION_DIGITS: usize = 16;

pub fn version(rule: &Rule) -> String {
    let mut hash = Hash128::of(&[b"rule", content(rule).as_bytes()]).to_string();
    hash.truncate(VERSION_DIGITS);
    hash
}

/// Names a condition inside a combination by what it says and the pack it stands in.
pub fn inline_id(rule: &Rule) -> Option<RuleId> {
    let mut hash = Hash128::of(&[b"inline", rule.pack.as_bytes(), inline(rule).as_bytes()]).to_string();
    hash.truncate(VERSION_DIGITS);
    RuleId::parse(&format!("inline-{hash}")).ok()
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
    if rule.signal != Signal::Rules {
        line("signal", quoted(rule.signal.name()));
    }
    line("condition", format!("{{ {} }}", condition(rule)));
    if holds_on_samples(rule.signal, rule.condition) {
        line("for", duration(rule.for_ms));
        line("max_gap", duration(rule.max_gap_ms));
    }
    if let Some(clear) = rule.clear {
        line("clear", self::clear(clear));
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
    format!("{{ {} }}", condition(rule))
}

fn clear(Clear { comparison, for_ms }: Clear) -> String {
    format!("{{ {}, for = {} }}", limit(comparison), duration(for_ms))
}

/// The condition without the braces around it.
fn condition(rule: &Rule) -> String {
    match rule.condition {
        Condition::Threshold(comparison) => limit(comparison),
        Condition::Deviates { robust_z, direction, of_days, on } => format!(
            "deviates = {{ robust_z = {robust_z:?}, direction = {}, of = \"{of_days}d\", on = \"{} of {} days\" }}",
            quoted(direction.as_str()),
            on.k,
            on.n
        ),
        Condition::Changes { by, within_days, direction } => format!(
            "changes = {{ by = {by:?}, within = \"{within_days}d\", direction = {} }}",
            quoted(direction.as_str())
        ),
        Condition::Missed { doses } => format!("missed = {{ doses = {doses}, in_a_row = true }}"),
        Condition::Absent { for_ms } => format!("absent = {}", duration(for_ms)),
        Condition::Combined { n, within_ms } => {
            let part = |part: &Part| match part {
                Part::Named(id) => quoted(id.as_str()),
                Part::Inline(rule) => inline(rule),
            };
            format!(
                "n_of = {{ n = {n}, rules = {}, within = {} }}",
                list(rule.parts.iter().map(part)),
                duration(within_ms)
            )
        }
    }
}

/// A condition inside a combination, with what belongs to it.
fn inline(rule: &Rule) -> String {
    let mut fields = Vec::new();
    if rule.signal != Signal::Rules {
        fields.push(format!("signal = {}", quoted(rule.signal.name())));
    }
    fields.push(condition(rule));
    if holds_on_samples(rule.signal, rule.condition) {
        fields.push(format!("for = {}, max_gap = {}", duration(rule.for_ms), duration(rule.max_gap_ms)));
    }
    fields.extend(rule.clear.map(|clear| format!("clear = {}", self::clear(clear))));
    fields.push(format!("min_data = {}", quoted(&format_min_data(rule.min_data))));
    format!("{{ {} }}", fields.join(", "))
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
