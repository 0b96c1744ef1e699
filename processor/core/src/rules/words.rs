//! The small words of a rule's text, both ways: durations, "2 of 3 days", "2 samples", and the condition in words.

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

use super::{Comparison, Condition, DaysOf, MinData, MinDataUnit, Part, Rule, Signal};
use crate::metrics::catalogue;

const UNITS: [(&str, i64); 5] = [("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS), ("ms", 1)];

/// Longest time that a rule may look over or wait for: nobody's baseline is longer, and what is kept for rules stays bounded.
pub const DURATION_MAX_MS: i64 = 90 * DAY_MS;

/// `3m`, `90s`, `28d`, `60m`, `12h`, `500ms` in milliseconds, at most [`DURATION_MAX_MS`].
pub fn parse_duration(text: &str) -> Option<i64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let (_, ms) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    number.parse::<i64>().ok()?.checked_mul(ms).filter(|ms| *ms <= DURATION_MAX_MS)
}

/// The shortest spelling: in the largest unit that divides it.
pub fn format_duration(ms: i64) -> String {
    let whole = UNITS.into_iter().find(|(_, unit)| ms != 0 && ms % unit == 0);
    let (name, unit) = whole.unwrap_or(("s", SECOND_MS));
    format!("{}{name}", ms / unit)
}

/// `28d` as whole days.
pub fn parse_days(text: &str) -> Option<i32> {
    let ms = parse_duration(text)?;
    (ms > 0 && ms % DAY_MS == 0).then(|| i32::try_from(ms / DAY_MS).ok())?
}

/// `2 of 3 days` (or nights).
pub fn parse_days_of(text: &str) -> Option<DaysOf> {
    let words: Vec<_> = text.split_whitespace().collect();
    let [k, "of", n, "days" | "day" | "nights"] = words[..] else { return None };
    let (k, n) = (k.parse().ok()?, n.parse().ok()?);
    (1 <= k && k <= n && n <= 32).then_some(DaysOf { k, n })
}

/// `2 samples`, `7 days`.
pub fn parse_min_data(text: &str) -> Option<MinData> {
    let words: Vec<_> = text.split_whitespace().collect();
    let [count, unit] = words[..] else { return None };
    let unit = match unit {
        "sample" | "samples" => MinDataUnit::Samples,
        "day" | "days" => MinDataUnit::Days,
        _ => return None,
    };
    let count = count.parse().ok().filter(|count| *count > 0)?;
    Some(MinData { count, unit })
}

pub fn format_min_data(min: MinData) -> String {
    match min.unit {
        MinDataUnit::Samples => format!("{} samples", min.count),
        MinDataUnit::Days => format!("{} days", min.count),
    }
}

fn unit_suffix(signal: Signal) -> String {
    match signal.unit() {
        "" | "1" => String::new(),
        unit if unit.starts_with('{') => String::new(),
        unit => format!(" {unit}"),
    }
}

/// A number for people: at most three decimals, the finest that a reading has.
pub fn number(x: f64) -> String {
    let text = format!("{x:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn code(signal: Signal, x: f64) -> Option<&'static str> {
    let Signal::Metric(name) = signal else { return None };
    catalogue::find(name)?.code(x)
}

/// Whether the numbers of a signal stand for words, between which there is no distance.
pub fn stands_for_words(signal: Signal) -> bool {
    code(signal, 1.0).is_some()
}

/// A value for people: with its unit, or the word it stands for.
pub fn value_text(signal: Signal, x: f64) -> String {
    code(signal, x).map_or_else(|| format!("{}{}", number(x), unit_suffix(signal)), str::to_owned)
}

/// A value that a threshold was held against: `news2.band medium (rule: >= medium)`, `pain_nrs.flare: yes`.
pub fn judged_text(signal: Signal, x: f64, comparison: Comparison) -> String {
    let (name, value) = (signal.name(), value_text(signal, x));
    if value == "yes" {
        return format!("{name}: yes");
    }
    format!("{name} {value} (rule: {})", limit_text(signal, comparison))
}

/// The limit of a comparison: as a word where the signal's numbers stand for words.
fn limit_text(signal: Signal, comparison: Comparison) -> String {
    let (sign, limit) = match comparison {
        Comparison::Below(limit) => ("<", limit),
        Comparison::AtMost(limit) => ("<=", limit),
        Comparison::Above(limit) => (">", limit),
        Comparison::AtLeast(limit) => (">=", limit),
        Comparison::Outside { .. } | Comparison::Within { .. } => return comparison.to_string(),
    };
    code(signal, limit).map_or_else(|| comparison.to_string(), |word| format!("{sign} {word}"))
}

pub fn condition_text(rule: &Rule) -> String {
    let (name, unit) = (rule.signal.name(), unit_suffix(rule.signal));
    match rule.condition {
        Condition::Threshold(comparison) => {
            let lasting = Some(rule.for_ms).filter(|ms| *ms > 0).map(|ms| format!(" for {}", format_duration(ms)));
            format!("{name} {}{unit}{}", limit_text(rule.signal, comparison), lasting.unwrap_or_default())
        }
        Condition::Deviates { robust_z, direction, of_days, on } => {
            let (k, n) = (on.k, on.n);
            format!("{name} robust z >= {robust_z} {} against {of_days} days, on {k} of {n} days", direction.as_str())
        }
        Condition::Changes { by, within_days, direction } => {
            format!("{name} {} by more than {by}{unit} within {within_days} d", direction.as_str())
        }
        Condition::Missed { doses } => format!("{doses} scheduled doses missed in a row"),
        Condition::Absent { for_ms } => format!("no {name} for {}", format_duration(for_ms)),
        Condition::Combined { n, within_ms } => combined_text(rule, n, within_ms),
    }
}

fn combined_text(rule: &Rule, n: u32, within_ms: i64) -> String {
    let part = |part: &Part| match part {
        Part::Named(id) => id.to_string(),
        Part::Inline(rule) => format!("({})", condition_text(rule)),
    };
    let parts: Vec<String> = rule.parts.iter().map(part).collect();
    let within = if within_ms > 0 { format!(" within {}", format_duration(within_ms)) } else { String::new() };
    match n as usize {
        1 => parts.join(" or "),
        n if n == parts.len() => format!("{}{within}", parts.join(" and ")),
        n => format!("{n} of {}{within}", parts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print_in_their_largest_whole_unit() {
        for (text, ms, printed) in [
            ("3m", 180_000, "3m"),
            ("90s", 90_000, "90s"),
            ("28d", 2_419_200_000, "28d"),
            ("60m", 3_600_000, "1h"),
            ("0s", 0, "0s"),
        ] {
            assert_eq!(parse_duration(text), Some(ms));
            assert_eq!(format_duration(ms), printed);
        }
        for wrong in ["", "3", "m", "-3m", "3 m", "3min", "1.5h", "99999999999999999d"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn values_are_said_in_words_and_without_digits_that_nobody_needs() {
        let metric = |name| Signal::Metric(catalogue::find(name).unwrap().name);
        let at_least = Comparison::AtLeast(3.0);
        assert_eq!(judged_text(metric("news2.band"), 4.0, at_least), "news2.band high (rule: >= medium)");
        assert_eq!(judged_text(metric("pain_nrs.flare"), 1.0, Comparison::AtLeast(1.0)), "pain_nrs.flare: yes");
        let trend = judged_text(metric("step_count.trend_28d"), -4_147.393_939_4, Comparison::AtMost(-1000.0));
        assert_eq!(trend, "step_count.trend_28d -4147.394 (rule: <= -1000)");
        let rules = super::super::default_packs();
        let band = rules.iter().find(|rule| rule.id.as_str() == "news2-medium").unwrap();
        assert_eq!(condition_text(band), "news2.band >= medium");
        assert_eq!(value_text(metric("body_weight.day_value"), 81.0), "81 kg");
        assert_eq!(number(-0.000_04), "0");
    }

    #[test]
    fn days_of_and_minimum_data_refuse_what_makes_no_sense() {
        assert_eq!(parse_days_of("2 of 3 days"), Some(DaysOf { k: 2, n: 3 }));
        assert_eq!(parse_days_of("4 of 3 days"), None);
        assert_eq!(parse_min_data("2 samples"), Some(MinData { count: 2, unit: MinDataUnit::Samples }));
        assert_eq!(parse_min_data("0 days"), None);
    }
}
