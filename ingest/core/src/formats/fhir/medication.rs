//! Which medication and which patient of the roster is meant. Never a guess: what is not named by one of our own ids or by
//! a code that exactly one row of the roster has, is not known.

use painwatch_domain::roster::{Medication, Patient};
use painwatch_domain::{MedicationId, PatientId, ProblemCode};
use painwatch_proto::json::shown;

use super::super::node::Node;
use super::coding::{Coding, codings, identifier, named, target};
use super::{OWN, Resource};
use crate::reading::Refusal;

const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
const ATC: &str = "http://www.whocc.no/atc";

fn unknown(detail: String) -> Refusal {
    Refusal::new(ProblemCode::UnknownMedication, detail)
}

/// The medication that a resource is about.
pub(super) fn medication(resource: &Resource<'_>) -> Result<MedicationId, Refusal> {
    if let Some(concept) = resource.node.get("medicationCodeableConcept") {
        return named_by(&codings(concept)?, resource);
    }
    let reference = resource.node.get("medicationReference");
    let reference = reference.ok_or_else(|| unknown("no medication is named".to_owned()))?;
    if let Some((system, value)) = reference.get("identifier").map(identifier).transpose()?.flatten() {
        return named_by(&[Coding { system, code: value }], resource);
    }
    let through = |medication: &Node<'_>| {
        let code = medication.get("code").map(codings).transpose()?.unwrap_or_default();
        named_by(&code, resource).map(Some)
    };
    let lost = || unknown("medicationReference leads to no Medication in this payload".to_owned());
    target(reference.text("reference")?, resource, through)?.ok_or_else(lost)
}

fn named_by(codings: &[Coding<'_>], resource: &Resource<'_>) -> Result<MedicationId, Refusal> {
    if let Some(id) = codings.iter().find_map(|coding| coding.own("medication")) {
        return MedicationId::parse(id).map_err(|error| Refusal::unreadable(format!("medication: {error}")));
    }
    let has = |medication: &&Medication| {
        codings.iter().any(|coding| match coding.system {
            RXNORM => medication.rxnorm.as_deref() == Some(coding.code),
            ATC => medication.atc.as_deref() == Some(coding.code),
            _ => false,
        })
    };
    let mut found = resource.roster.medications.values().filter(has);
    match (found.next(), found.next()) {
        (Some(medication), None) => Ok(medication.id.clone()),
        (None, _) => Err(unknown(format!("no medication of the roster has the code {}", named(codings)))),
        (Some(first), Some(second)) => Err(unknown(format!(
            "{} is the code of {} and of {}: name one by urn:painwatch:medication",
            named(codings),
            first.id,
            second.id
        ))),
    }
}

/// The patient of the roster that a resource is about: by our own id, or by the medical record number.
pub(super) fn patient<'a>(resource: &'a Resource<'_>) -> Result<&'a Patient, Refusal> {
    let lost = || Refusal::unreadable("subject has no identifier of a patient of the roster");
    let subject = resource.node.get("subject").ok_or_else(lost)?;
    let mut names: Vec<(String, String)> = Vec::new();
    let own = |(system, value): (&str, &str)| (system.to_owned(), value.to_owned());
    names.extend(subject.get("identifier").map(identifier).transpose()?.flatten().map(own));
    let all = target(subject.text("reference")?, resource, |patient| {
        let identifiers = patient.list("identifier").iter().map(identifier).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(identifiers.into_iter().flatten().map(own).collect::<Vec<_>>()))
    })?;
    names.extend(all.unwrap_or_default());
    let found = names.iter().find_map(|(system, value)| by_name(system, value, resource));
    found.ok_or_else(|| match names.first() {
        Some((system, _)) => {
            Refusal::unreadable(format!("no patient of the roster has that identifier of {:?}", shown(system)))
        }
        None => lost(),
    })
}

fn by_name<'a>(system: &str, value: &str, resource: &'a Resource<'_>) -> Option<&'a Patient> {
    let patients = &resource.roster.patients;
    if system.strip_prefix(OWN) == Some("patient") {
        return PatientId::parse(value).ok().and_then(|id| patients.get(&id));
    }
    let mut holders = patients.values().filter(|patient| patient.mrn.as_deref() == Some(value));
    // A number that two patients have tells neither.
    holders.next().filter(|_| holders.next().is_none())
}
