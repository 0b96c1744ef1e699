//! MedicationAdministration and MedicationStatement: one dose, taken or not.

use painwatch_proto::ingest::v1::Reading;
use painwatch_proto::json::shown;

use super::super::node::Node;
use super::medication::medication;
use super::value::quantity_of;
use super::{Resource, time};
use crate::reading::Refusal;

/// Dose forms of HL7 as the units in which they are counted.
const FORMS: [(&str, &str); 4] = [("TAB", "{tablet}"), ("CAP", "{capsule}"), ("PATCH", "{patch}"), ("DROP", "[drp]")];
const FORM_SYSTEMS: [&str; 2] =
    ["http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm", "http://hl7.org/fhir/v3/orderableDrugForm"];

pub(super) fn administration(resource: &Resource<'_>) -> Result<Reading, Refusal> {
    let status = resource.node.text("status")?;
    let given = match status {
        "completed" | "entered-in-error" => true,
        "not-done" => false,
        other => {
            let expected = "expected completed not-done entered-in-error";
            return Err(Refusal::unreadable(format!("status {:?} is no dose, {expected}", shown(other))));
        }
    };
    let reading = event(resource, given)?;
    let dosage = resource.node.get("dosage").and_then(|dosage| dosage.get("dose"));
    dose(dosage.filter(|_| given), time::effective(resource.node, reading)?)
}

/// A statement is adherence as somebody tells it. Only one about an instant is a dose; one over weeks is none.
pub(super) fn statement(resource: &Resource<'_>) -> Result<Reading, Refusal> {
    let status = resource.node.text("status")?;
    let given = match status {
        "completed" | "entered-in-error" => true,
        "not-taken" => false,
        other => {
            let detail = format!("status {:?} says nothing of one dose, expected completed or not-taken", shown(other));
            return Err(Refusal::unreadable(detail));
        }
    };
    if resource.node.get("effectivePeriod").is_some() {
        let detail =
            "a statement over a period is no dose: send one with effectiveDateTime for each, or administrations";
        return Err(Refusal::unreadable(detail));
    }
    let reading = Reading { modality: "self_reported".to_owned(), ..event(resource, given)? };
    let dosage = resource.node.list("dosage").first();
    let amount = dosage.and_then(|dosage| dosage.list("doseAndRate").first()).and_then(|rate| rate.get("doseQuantity"));
    dose(amount.filter(|_| given), time::effective(resource.node, reading)?)
}

fn event(resource: &Resource<'_>, given: bool) -> Result<Reading, Refusal> {
    let medication = medication(resource)?;
    let in_error = resource.node.text("status")? == "entered-in-error";
    let is_patch = resource.roster.medications.get(&medication).is_some_and(|known| known.release == "patch");
    let event = match (given, is_patch) {
        (false, _) => "skipped",
        (true, true) => "applied",
        (true, false) => "taken",
    };
    Ok(Reading {
        medication: medication.to_string(),
        event: event.to_owned(),
        status: if in_error { "entered_in_error" } else { "final" }.to_owned(),
        revision: resource.revision(in_error)?,
        ..resource.reading("medication_event")?
    })
}

fn dose(amount: Option<&Node<'_>>, reading: Reading) -> Result<Reading, Refusal> {
    let Some(amount) = amount else { return Ok(reading) };
    let (value, _) = quantity_of(amount, "dose")?;
    Ok(Reading { value: Some(value), unit: dose_unit(amount)?.to_owned(), ..reading })
}

/// The unit of a dose, as the roster writes it.
pub(super) fn dose_unit<'a>(amount: &'a Node<'_>) -> Result<&'a str, Refusal> {
    let (system, code) = (amount.text("system")?, amount.text("code")?);
    if FORM_SYSTEMS.contains(&system) {
        let form = FORMS.iter().find(|(form, _)| *form == code).map(|(_, unit)| *unit);
        return form.ok_or_else(|| Refusal::unreadable(format!("the dose form {:?} is not known", shown(code))));
    }
    quantity_of(amount, "dose").map(|(_, unit)| unit)
}
