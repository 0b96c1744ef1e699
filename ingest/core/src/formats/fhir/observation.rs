//! Observation: one measure, a pressure panel, or a score with its questions.

use painwatch_domain::measure::Discriminator;
use painwatch_domain::{Measure, Shape};
use painwatch_proto::ingest::v1::{Components, Reading};
use painwatch_proto::json::shown;

use super::super::node::Node;
use super::super::value_missing;
use super::codes::{self, DIASTOLIC, LOINC, MEAN, Meant, SYSTOLIC};
use super::coding::{Coding, codings, named};
use super::value::{self, quantity_of};
use super::{Resource, time};
use crate::reading::Refusal;

pub(super) fn readings(resource: &Resource<'_>) -> Result<Vec<Reading>, Refusal> {
    let node = resource.node;
    let status = status(node)?;
    let meant = codes::measure(&coded(node)?)?;
    let frame = Reading {
        revision: resource.revision(status != "final")?,
        status: status.to_owned(),
        modality: modality(resource)?,
        ..resource.reading(meant.0.name())?
    };
    let frame = circumstances(node, meant, time::effective(node, frame)?)?;
    let is_panel = meant.0.spec().shape == Shape::Panel;
    let mut readings = Vec::new();
    if is_panel {
        readings.push(pressure(node, frame.clone())?);
    } else if has_value(node) || node.list("component").is_empty() {
        readings.push(value::put(node, meant.0, frame.clone())?);
    }
    for component in node.list("component") {
        if !(is_panel && is_pressure(component)?) {
            readings.push(part(component, &frame)?);
        }
    }
    distinct(&readings)?;
    Ok(readings)
}

/// What was said, as our own status; what is not yet or no longer a result is none.
fn status(node: &Node<'_>) -> Result<&'static str, Refusal> {
    match node.text("status")? {
        "final" => Ok("final"),
        "amended" | "corrected" => Ok("corrected"),
        "entered-in-error" => Ok("entered_in_error"),
        "" => Err(Refusal::unreadable("status is missing")),
        other => {
            let expected = "expected final amended corrected entered-in-error";
            Err(Refusal::unreadable(format!("status {:?} is no result, {expected}", shown(other))))
        }
    }
}

fn coded<'a>(node: &'a Node<'_>) -> Result<Vec<Coding<'a>>, Refusal> {
    node.get("code").map_or(Ok(Vec::new()), codings)
}

fn has_value(node: &Node<'_>) -> bool {
    node.members().any(|(name, _)| name.starts_with("value") || name == "dataAbsentReason")
}

/// A person speaks for themselves; a device measures.
fn modality(resource: &Resource<'_>) -> Result<String, Refusal> {
    let is_person = |node: &Node<'_>| -> Result<bool, Refusal> {
        let by_type = matches!(node.text("type")?, "Patient" | "RelatedPerson");
        let address = node.text("reference")?;
        Ok(by_type || address.contains("Patient/") || address.contains("RelatedPerson/"))
    };
    if resource.node.get("device").is_some() {
        return Ok("sensed".to_owned());
    }
    let spoken = resource.node.list("performer").iter().map(is_person).collect::<Result<Vec<_>, _>>()?;
    Ok(if spoken.contains(&true) { "self_reported".to_owned() } else { String::new() })
}

fn circumstances(node: &Node<'_>, (measure, instrument): Meant, mut reading: Reading) -> Result<Reading, Refusal> {
    if let Some(site) = node.get("bodySite") {
        let codings = codings(site)?;
        reading.laterality =
            codings.iter().find_map(|coding| codes::laterality(*coding)).unwrap_or_default().to_owned();
        let place = codings.iter().find(|coding| codes::laterality(**coding).is_none());
        let own = codings.iter().find_map(|coding| coding.own("body-site"));
        reading.body_site = match (own, place) {
            (Some(own), _) => own.to_owned(),
            (None, Some(place)) => place.code.to_owned(),
            (None, None) => label(site.text("text")?),
        };
    }
    reading.instrument = instrument.to_owned();
    if measure.spec().discriminator == Discriminator::Instrument
        && instrument.is_empty()
        && let Some(method) = node.get("method")
    {
        let coded = codings(method)?.first().map(|coding| coding.code.to_owned());
        let word = coded.map_or_else(|| method.text("text").map(label), Ok)?;
        if measure == Measure::SleepStage { reading.algorithm = word } else { reading.instrument = word }
    }
    Ok(reading)
}

fn label(text: &str) -> String {
    text.trim().to_lowercase().replace(char::is_whitespace, "_")
}

/// A component that is a measure of its own: at the same instant, from the same device. One that is no measure, or was
/// not measured, is refused by itself when it is judged; the others stay.
fn part(component: &Node<'_>, whole: &Reading) -> Result<Reading, Refusal> {
    let codings = coded(component)?;
    let Ok(meant @ (measure, instrument)) = codes::measure(&codings) else {
        return Ok(Reading { measure: named(&codings), instrument: String::new(), ..whole.clone() });
    };
    let suffix = if instrument.is_empty() { measure.name() } else { instrument };
    let id = if whole.id.is_empty() { String::new() } else { format!("{}.{suffix}", whole.id) };
    let reading = Reading { measure: measure.name().to_owned(), instrument: String::new(), id, ..whole.clone() };
    let reading = circumstances(component, meant, reading)?;
    if component.get("dataAbsentReason").is_some() {
        return Ok(reading);
    }
    value::put(component, measure, reading)
}

/// Two values for one thing at one instant: one of them would be lost.
fn distinct(readings: &[Reading]) -> Result<(), Refusal> {
    for (nth, reading) in readings.iter().enumerate() {
        let same = |other: &Reading| other.measure == reading.measure && other.instrument == reading.instrument;
        if readings[..nth].iter().any(same) {
            return Err(Refusal::unreadable(format!("{} is given twice in one Observation", reading.measure)));
        }
    }
    Ok(())
}

/// The pressures of a panel: the two that are its reading, and their mean, which is worked out of them.
fn is_pressure(component: &Node<'_>) -> Result<bool, Refusal> {
    let known = |coding: &Coding<'_>| coding.system == LOINC && [SYSTOLIC, DIASTOLIC, MEAN].contains(&coding.code);
    Ok(coded(component)?.iter().any(known))
}

fn pressure(node: &Node<'_>, frame: Reading) -> Result<Reading, Refusal> {
    let (systolic, unit) = pressure_part(node, SYSTOLIC, "systolic")?;
    let (diastolic, other) = pressure_part(node, DIASTOLIC, "diastolic")?;
    if unit != other {
        return Err(Refusal::unreadable("systolic and diastolic pressure need the same unit"));
    }
    let unit = unit.to_owned();
    Ok(Reading { components: Some(Components { systolic, diastolic }), unit, ..frame })
}

fn pressure_part<'a>(node: &'a Node<'_>, code: &str, name: &str) -> Result<(f64, &'a str), Refusal> {
    let mut found = Vec::new();
    for component in node.list("component") {
        let coded = coded(component)?;
        if coded.iter().any(|coding| coding.system == LOINC && coding.code == code) {
            found.push(component);
        }
    }
    let [component] = found.as_slice() else {
        return Err(value_missing(format!("a blood pressure needs one {name} component, LOINC {code}")));
    };
    match component.get("valueQuantity") {
        Some(quantity) => quantity_of(quantity, name),
        None => Err(value_missing(format!("the {name} component has no valueQuantity"))),
    }
}
