//! FHIR R4 as JSON: Observation and MedicationAdministration are readings, MedicationRequest is an order, MedicationDispense
//! a fill. Alone, in an array, or in a Bundle, of which each entry is judged by itself: also in one called `transaction`,
//! because a bad reading must not take its neighbours with it.

mod bundle;
mod codes;
mod coding;
mod intake;
mod medication;
mod observation;
mod order;
mod time;
mod value;

pub(crate) use bundle::{Bundle, is_order, is_referred_to};

use painwatch_domain::{Hash128, Roster};
use painwatch_proto::ingest::v1::Reading;
use painwatch_proto::json::shown;

use super::Meaning;
use super::node::Node;
use crate::reading::Refusal;
use coding::{identifier, reference};

/// Where we ourselves say what a code or an identifier means: `urn:painwatch:measure`, `…:patient`, `…:medication`.
const OWN: &str = "urn:painwatch:";
/// What readings refer to. Not readings themselves.
const CONTEXT: [&str; 9] = [
    "Device",
    "DeviceMetric",
    "Encounter",
    "Medication",
    "MessageHeader",
    "Organization",
    "Patient",
    "Practitioner",
    "RelatedPerson",
];
const TAKEN: &str = "Observation MedicationAdministration MedicationStatement MedicationRequest MedicationDispense";

/// A resource with what is around it.
pub(super) struct Resource<'a> {
    node: &'a Node<'a>,
    bundle: &'a Bundle<'a>,
    roster: &'a Roster,
}

pub(super) fn translate(text: &str, bundle: &Bundle<'_>, roster: &Roster) -> Result<Meaning, Refusal> {
    let node = Node::object(text, "a resource")?;
    let resource = Resource { node: &node, bundle, roster };
    let kind = node.text("resourceType")?;
    if CONTEXT.contains(&kind) {
        return Ok(Meaning::Context);
    }
    if !node.list("modifierExtension").is_empty() || node.get("implicitRules").is_some() {
        return Err(Refusal::unreadable("modifierExtension and implicitRules change what a resource means: not taken"));
    }
    match kind {
        "Observation" => observation::readings(&resource).map(Meaning::Readings),
        "MedicationAdministration" => intake::administration(&resource).map(Meaning::from),
        "MedicationStatement" => intake::statement(&resource).map(Meaning::from),
        "MedicationRequest" => order::order(&resource).map(|order| Meaning::Order(Box::new(order))),
        "MedicationDispense" => order::fill(&resource).map(|fill| Meaning::Fill(Box::new(fill))),
        "" => Err(Refusal::unreadable("resourceType is missing")),
        "Bundle" => Err(Refusal::unreadable("a Bundle in a Bundle or an array is not taken: send it by itself")),
        other => Err(Refusal::unreadable(format!("resourceType {:?} is not taken; there are {TAKEN}", shown(other)))),
    }
}

pub(super) fn subject(text: &str, bundle: &Bundle<'_>, roster: &Roster) -> Result<String, Refusal> {
    let node = Node::object(text, "a resource")?;
    Ok(Resource { node: &node, bundle, roster }.subject()?.unwrap_or_default())
}

impl Resource<'_> {
    /// What measured. Without a device the subject speaks, and is a device of its own that the roster pairs.
    fn device(&self) -> Result<String, Refusal> {
        let device = self.node.get("device");
        let device = if let Some(Node::List(several)) = device { several.first() } else { device };
        if let Some(device) = device {
            return reference(device, "Device", self)?.ok_or_else(|| {
                Refusal::unreadable("device has neither a reference that leads somewhere nor an identifier")
            });
        }
        self.subject()?
            .map(|subject| format!("subject:{subject}"))
            .ok_or_else(|| Refusal::unreadable("neither device nor subject is named: nobody would know whose it is"))
    }

    /// Whom it is about.
    fn subject(&self) -> Result<Option<String>, Refusal> {
        Ok(self.node.get("subject").map(|subject| reference(subject, "Patient", self)).transpose()?.flatten())
    }

    /// The sender's own name for it: its business identifier, else its id, which is one of its kind. Empty when it has none.
    fn id(&self) -> Result<String, Refusal> {
        let named = self.node.list("identifier").first().map(identifier).transpose()?.flatten();
        let whole = match (named, self.node.text("id")?) {
            (Some(("", value)), _) => value.to_owned(),
            (Some((system, value)), _) => format!("{system}|{value}"),
            (None, "") => String::new(),
            (None, id) => format!("{}/{id}", self.node.text("resourceType")?),
        };
        // Ids are short here; a long one is told apart by its hash.
        Ok(if whole.len() > ID_MAX { Hash128::of(&[b"fhir", whole.as_bytes()]).to_string() } else { whole })
    }

    /// A reading of this resource, without a value yet.
    fn reading(&self, measure: &str) -> Result<Reading, Refusal> {
        let mut reading = Reading { device: self.device()?, measure: measure.to_owned(), ..Reading::default() };
        reading.id = self.id()?;
        Ok(reading)
    }

    /// Greater for what the sender said later: the version the server counts.
    fn revision(&self, corrected: bool) -> Result<i64, Refusal> {
        const NONE: &Node<'_> = &Node::Null;
        let meta = self.node.get("meta").unwrap_or(NONE);
        let version = meta.text("versionId")?.parse::<i64>().ok().filter(|version| *version >= 0);
        Ok(version.unwrap_or(i64::from(corrected)))
    }
}

/// Leaves room behind an id for the name of one of several readings.
const ID_MAX: usize = 40;
