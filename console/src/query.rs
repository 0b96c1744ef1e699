//! Query parameters as values of the domain, each refusal naming the parameter.

use painwatch_domain::time::parse_stamp;
use painwatch_domain::{AlertId, PatientId, Zone};

use crate::problem::{Problem, Result};

pub fn word<T>(name: &str, text: &str, parse: fn(&str) -> Option<T>, all: &[impl ToString]) -> Result<T> {
    let words = || all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    parse(text).ok_or_else(|| Problem::unusable(format!("{name} is one of {}", words())))
}

pub fn time_ms(name: &str, text: &str) -> Result<i64> {
    let stamp = parse_stamp(text, &Zone::utc()).map(|stamp| stamp.utc_ms);
    stamp.map_err(|_| Problem::unusable(format!("{name} is a time such as 2026-03-01T12:00:00Z")))
}

pub fn alert_id(text: &str) -> Result<AlertId> {
    AlertId::parse(text).ok_or_else(|| Problem::not_found("alert"))
}

pub fn patient_id(text: &str) -> Result<PatientId> {
    PatientId::parse(text).map_err(|_| Problem::not_found("patient"))
}

/// `90s`, `5m`, `1h`, `1d` in milliseconds.
pub fn duration_ms(name: &str, text: &str) -> Result<i64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[digits.len()..] {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => 0,
    };
    let number: i64 = digits.parse().unwrap_or(0);
    match number.checked_mul(unit_ms) {
        Some(ms) if ms > 0 => Ok(ms),
        _ => Err(Problem::unusable(format!("{name} is raw or a duration such as 5m, 1h or 1d"))),
    }
}
