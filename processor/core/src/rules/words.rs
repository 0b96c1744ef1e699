//! The small words of a rule's text, both ways: durations, "2 of 3 days", "2 samples", and the condition in words.

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

use super::{Condition, DaysOf, MinData, MinDataUnit, Rule, Signal};

const UNITS: [(&str, i64); 5] = [("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS), ("ms", 1)];

/// `3m`, `90s`, `28d`, `60m`, `12h`, `500ms` in milliseconds.
pub fn parse_duration(text: &str) -> Option<i64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let (_, ms) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    number.parse::<i64>().ok()?.checked_mul(ms)
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

pub fn condition_text(rule: &Rule) -> String {
    let (name, unit) = (rule.signal.name(), unit_suffix(rule.signal));
    match rule.condition {
        Condition::Threshold(comparison) if rule.for_ms > 0 => {
            format!("{name} {comparison}{unit} for {}", format_duration(rule.for_ms))
        }
        Condition::Threshold(comparison) => format!("{name} {comparison}{unit}"),
        Condition::Deviates { robust_z, direction, of_days, on } => {
            let (k, n) = (on.k, on.n);
            format!("{name} robust z >= {robust_z} {} against {of_days} days, on {k} of {n} days", direction.as_str())
        }
        Condition::Changes { by, within_days, direction } => {
            format!("{name} {} by more than {by}{unit} within {within_days} d", direction.as_str())
        }
        Condition::Missed { doses } => format!("{doses} scheduled doses missed in a row"),
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
    fn days_of_and_minimum_data_refuse_what_makes_no_sense() {
        assert_eq!(parse_days_of("2 of 3 days"), Some(DaysOf { k: 2, n: 3 }));
        assert_eq!(parse_days_of("4 of 3 days"), None);
        assert_eq!(parse_min_data("2 samples"), Some(MinData { count: 2, unit: MinDataUnit::Samples }));
        assert_eq!(parse_min_data("0 days"), None);
    }
}
