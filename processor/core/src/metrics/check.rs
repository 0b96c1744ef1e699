//! Recomputes golden-vector files with the code that production runs.
//!
//! A file holds cases of input, expected output and tolerance. `null` is missing, a field ending in `_rle` is a list of
//! `[value, count]`. A float passes iff |got - expected| <= abs + rel · |expected|; integers, booleans and texts are exact.
//! Each case is computed as it stands and once more after its readings came one at a time and shuffled.

mod cases;
mod safety_medication_pain;
mod shuffled;
#[cfg(test)]
mod tests;
mod trends_activity;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// What came of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    pub metric: String,
    pub passed: usize,
    pub failed: usize,
    /// Of those that passed, how many passed as well after their readings came in another order; the others have none.
    pub shuffled: usize,
    /// Why the file could not be checked at all: not a golden file, or a metric that is not built yet.
    pub unsupported: Option<String>,
    /// One line for each failed case: its name and the first difference.
    pub failures: Vec<String>,
}

impl CheckReport {
    /// Everything in the file was recomputed and agreed.
    pub const fn is_ok(&self) -> bool {
        self.unsupported.is_none() && self.failed == 0
    }
}

#[derive(Deserialize)]
struct File {
    metric: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    input: Map<String, Value>,
    expected: Value,
    #[serde(default)]
    tolerance: Tolerance,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Tolerance {
    #[serde(default)]
    abs: f64,
    #[serde(default)]
    rel: f64,
}

/// The names of the golden files that can be recomputed.
pub fn supported() -> impl Iterator<Item = &'static str> {
    cases::METRICS.iter().map(|(name, _)| *name)
}

pub fn check(file_json: &str) -> CheckReport {
    let file: File = match serde_json::from_str(file_json) {
        Ok(file) => file,
        Err(error) => {
            return CheckReport { unsupported: Some(format!("not a golden file: {error}")), ..CheckReport::default() };
        }
    };
    let mut report = CheckReport { metric: file.metric, ..CheckReport::default() };
    let Some((_, compute)) = cases::METRICS.iter().find(|(name, _)| *name == report.metric) else {
        report.unsupported = Some("not built yet".to_owned());
        return report;
    };
    for case in &file.cases {
        let input = cases::Input(expand_fields(&case.input));
        let expected = expand(&case.expected);
        let agrees = |input: &cases::Input| {
            let mut got = compute(input)?;
            trends_activity::settle_ties(&report.metric, input, &expected, &mut got);
            differs(&expected, &got, case.tolerance, "").map_or(Ok(()), Err)
        };
        let in_another_order = || {
            let again = shuffled::shuffled(&report.metric, &input)?;
            again.as_ref().map_or(Ok(()), &agrees).map(|()| usize::from(again.is_some()))
        };
        match agrees(&input).and_then(|()| in_another_order().map_err(|why| format!("shuffled: {why}"))) {
            Ok(shuffled) => {
                report.passed += 1;
                report.shuffled += shuffled;
            }
            Err(why) => {
                report.failed += 1;
                report.failures.push(format!("{}: {why}", case.name));
            }
        }
    }
    report
}

/// Run lengths written out, at any depth.
fn expand(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(expand_fields(fields).into_iter().collect()),
        Value::Array(items) => Value::Array(items.iter().map(expand).collect()),
        other => other.clone(),
    }
}

/// Longest series a file may ask for: a year of minutes.
const EXPANDED_MAX: usize = 366 * 1440;

fn expand_fields(fields: &Map<String, Value>) -> BTreeMap<String, Value> {
    fields
        .iter()
        .map(|(key, value)| match key.strip_suffix("_rle").zip(value.as_array()) {
            Some((name, runs)) => (name.to_owned(), Value::Array(written_out(runs))),
            None => (key.clone(), expand(value)),
        })
        .collect()
}

fn written_out(runs: &[Value]) -> Vec<Value> {
    let mut series = Vec::new();
    for run in runs {
        let count = run.get(1).and_then(Value::as_u64).unwrap_or(0) as usize;
        let room = EXPANDED_MAX - series.len();
        series.extend(std::iter::repeat_n(run.get(0).cloned().unwrap_or(Value::Null), count.min(room)));
    }
    series
}

/// What stands beside the expectation for information: the numbers that a device's own program printed.
const INFORMATION: &[&str] = &["vendor"];

/// The first difference, if there is one.
fn differs(expected: &Value, got: &Value, tolerance: Tolerance, at: &str) -> Option<String> {
    let said = || Some(format!("{} expected {expected}, got {got}", if at.is_empty() { "the result" } else { at }));
    match (expected, got) {
        (Value::Object(fields), Value::Object(_)) => fields.iter().filter(is_asked).find_map(|(key, value)| {
            let place = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            match got.get(key) {
                Some(found) => differs(value, found, tolerance, &place),
                None => Some(format!("{place} is not computed")),
            }
        }),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            let pairs = wanted.iter().zip(found).enumerate();
            pairs.into_iter().find_map(|(index, (w, f))| differs(w, f, tolerance, &format!("{at}[{index}]")))
        }
        (Value::Number(wanted), Value::Number(found)) => {
            let (w, f) = (wanted.as_f64()?, found.as_f64()?);
            let allowed = if wanted.is_f64() { tolerance.rel.mul_add(w.abs(), tolerance.abs) } else { 0.0 };
            if (f - w).abs() <= allowed { None } else { said() }
        }
        _ if expected == got => None,
        _ => said(),
    }
}

fn is_asked((key, _): &(&String, &Value)) -> bool {
    !INFORMATION.contains(&key.as_str())
}
