//! The circumstances of a series.

use painwatch_domain::reading::{Dose, DoseEvent};
use painwatch_domain::{EventTime, MedicationId, Meta, Status};

use super::RecordError;
use crate::journal::v1 as pb;

pub(super) fn encode(meta: &Meta) -> pb::Meta {
    let text = |part: &Option<Box<str>>| part.as_deref().unwrap_or("").to_owned();
    let dose = meta.dose.as_ref();
    pb::Meta {
        body_site: text(&meta.body_site),
        laterality: text(&meta.laterality),
        modality: text(&meta.modality),
        recall: text(&meta.recall),
        instrument: text(&meta.instrument),
        algorithm: text(&meta.algorithm),
        posture: text(&meta.posture),
        prompted: meta.prompted,
        status: if meta.status == Status::Final { String::new() } else { meta.status.as_str().to_owned() },
        revision: meta.revision,
        id: text(&meta.id),
        boot_id: meta.boot_id,
        seq: meta.seq,
        zone: text(&meta.zone),
        medication: dose.map_or_else(String::new, |dose| dose.medication.to_string()),
        dose_event: dose.map_or_else(String::new, |dose| dose.event.as_str().to_owned()),
        scheduled_for_ms: dose.and_then(|dose| dose.scheduled_for).map(EventTime::ms),
    }
}

pub(super) fn decode(message: Option<&pb::Meta>) -> Result<Meta, RecordError> {
    let Some(message) = message else { return Ok(Meta::default()) };
    let text = |part: &str| (!part.is_empty()).then(|| part.into());
    Ok(Meta {
        body_site: text(&message.body_site),
        laterality: text(&message.laterality),
        modality: text(&message.modality),
        recall: text(&message.recall),
        instrument: text(&message.instrument),
        algorithm: text(&message.algorithm),
        posture: text(&message.posture),
        prompted: message.prompted,
        status: status(&message.status)?,
        revision: message.revision,
        id: text(&message.id),
        boot_id: message.boot_id,
        seq: message.seq,
        zone: text(&message.zone),
        dose: dose(message)?,
    })
}

fn status(word: &str) -> Result<Status, RecordError> {
    if word.is_empty() {
        return Ok(Status::Final);
    }
    Status::parse(word).ok_or_else(|| RecordError::UnknownWord { field: "status", found: word.to_owned() })
}

fn dose(message: &pb::Meta) -> Result<Option<Dose>, RecordError> {
    if message.medication.is_empty() && message.dose_event.is_empty() {
        return Ok(None);
    }
    let medication =
        MedicationId::parse(&message.medication).map_err(|error| RecordError::Id { field: "medication", error })?;
    let event = DoseEvent::parse(&message.dose_event)
        .ok_or_else(|| RecordError::UnknownWord { field: "dose_event", found: message.dose_event.clone() })?;
    Ok(Some(Dose { medication, event, scheduled_for: message.scheduled_for_ms.map(EventTime) }))
}
