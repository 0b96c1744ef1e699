//! `value[x]` of an Observation or of one of its components.

use painwatch_domain::{Measure, Shape};
use painwatch_proto::ingest::v1::Reading;
use painwatch_proto::json::shown;

use super::super::node::Node;
use super::super::value_missing;
use super::codes;
use super::coding::{codings, named};
use crate::reading::Refusal;

const UCUM: &str = "http://unitsofmeasure.org";

/// Puts the value that `node` carries into `reading`.
pub(super) fn put(node: &Node<'_>, measure: Measure, reading: Reading) -> Result<Reading, Refusal> {
    if let Some(absent) = node.get("dataAbsentReason") {
        let why = named(&codings(absent)?);
        return Err(value_missing(format!("{} was not measured: dataAbsentReason {why}", measure.name())));
    }
    if let Some(quantity) = node.get("valueQuantity") {
        let (value, unit) = quantity_of(quantity, "valueQuantity")?;
        return Ok(Reading { value: Some(value), unit: unit.to_owned(), ..reading });
    }
    if let Some(value) = node.number("valueInteger")? {
        return Ok(Reading { value: Some(value), ..reading });
    }
    if let Some(sampled) = node.get("valueSampledData") {
        return samples(sampled, reading);
    }
    coded(node, measure, reading)
}

/// Value and unit of a Quantity: its UCUM code, or where it has none the unit as written, which is judged as such.
pub(super) fn quantity_of<'a>(node: &'a Node<'_>, name: &str) -> Result<(f64, &'a str), Refusal> {
    if !node.text("comparator")?.is_empty() {
        return Err(value_missing(format!("{name} has a comparator: a bound is no value")));
    }
    let value = node.number("value")?.ok_or_else(|| value_missing(format!("{name} needs value")))?;
    Ok((value, unit_of(node)?))
}

fn unit_of<'a>(node: &'a Node<'_>) -> Result<&'a str, Refusal> {
    let (system, code, unit) = (node.text("system")?, node.text("code")?, node.text("unit")?);
    Ok(match (system, code) {
        (_, "") => unit,
        (UCUM | "", code) => without_annotation(code),
        // Of another system the code means what that system says; only its words can be judged.
        _ => unit,
    })
}

/// An annotation in braces says what is counted and changes no quantity (UCUM §6).
fn without_annotation(code: &str) -> &str {
    match code {
        "{beats}/min" | "{Beats}/min" | "{beat}/min" | "{breaths}/min" | "{Breaths}/min" | "{breath}/min" => "/min",
        other => other,
    }
}

/// Equally spaced samples become a packed series.
fn samples(node: &Node<'_>, reading: Reading) -> Result<Reading, Refusal> {
    let missing = |what: &str| value_missing(format!("valueSampledData needs {what}"));
    if node.number("dimensions")? != Some(1.0) {
        return Err(Refusal::unreadable("valueSampledData of other than one dimension is not taken"));
    }
    let origin = node.get("origin").ok_or_else(|| missing("origin"))?;
    let (zero, unit) = quantity_of(origin, "origin")?;
    let period = node.number("period")?.filter(|period| *period > 0.0 && *period < 9.0e12);
    let period = period.ok_or_else(|| missing("period, in milliseconds and greater than 0"))?;
    let factor = node.number("factor")?.unwrap_or(1.0);
    let values: Result<Vec<f64>, Refusal> = node
        .text("data")?
        .split_ascii_whitespace()
        .map(|word| sample(word).map(|value| zero + factor * value))
        .collect();
    let values = values?;
    if values.is_empty() {
        return Err(missing("data"));
    }
    let whole = period.fract() == 0.0;
    let offsets = (0..values.len()).filter(|_| !whole).map(|nth| (nth as f64 * period).round() as i64);
    Ok(Reading {
        offsets_ms: offsets.collect(),
        period_ms: whole.then_some(period as i64),
        values,
        unit: unit.to_owned(),
        ..reading
    })
}

/// `E` is no sample. What lies beyond a limit of detection was measured, and is refused rather than forgotten.
fn sample(word: &str) -> Result<f64, Refusal> {
    match word {
        "E" => Ok(f64::NAN),
        "U" => Ok(f64::INFINITY),
        "L" => Ok(f64::NEG_INFINITY),
        number => {
            let plain = number.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
            let value = number.parse().ok().filter(|_| plain);
            value.ok_or_else(|| Refusal::unreadable(format!("valueSampledData holds {:?}", shown(number))))
        }
    }
}

fn coded(node: &Node<'_>, measure: Measure, reading: Reading) -> Result<Reading, Refusal> {
    let code = match (node.get("valueCodeableConcept"), node.get("valueBoolean")) {
        (Some(concept), _) => {
            let codings = codings(concept)?;
            let unknown = || {
                let detail =
                    format!("{} has no code {}; urn:painwatch:code takes ours", measure.name(), named(&codings));
                Refusal::unreadable(detail)
            };
            codes::value(measure, &codings).ok_or_else(unknown)?.to_owned()
        }
        (None, Some(Node::Bool(yes))) if measure.spec().shape == Shape::Code => yes.to_string(),
        _ => return Err(value_missing(format!("{} needs a value", measure.name()))),
    };
    Ok(Reading { code, ..reading })
}
