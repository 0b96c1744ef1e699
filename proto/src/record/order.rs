//! Orders and fills as they stand in the journal.

use painwatch_domain::order::{Fill, Order, OrderState};
use painwatch_domain::roster::{F64Bits, Prescription, Prn};
use painwatch_domain::{EventTime, MedicationId, PatientId};

use super::RecordError;
use crate::journal::v1 as pb;

pub fn encode_order(order: &Order) -> pb::OrderWritten {
    let Prescription { patient, medication, dose, start, end, times_min, prn } = &order.prescription;
    pb::OrderWritten {
        id: order.id.clone(),
        revision: order.revision,
        state: order.state.as_str().to_owned(),
        patient: patient.to_string(),
        medication: medication.to_string(),
        dose: dose.get(),
        start_ms: start.0,
        end_ms: end.map(EventTime::ms),
        times_min: times_min.clone(),
        prn: prn.map(|Prn { max_per_day, min_interval_ms }| pb::Prn { max_per_day, min_interval_ms }),
    }
}

/// # Errors
/// [`RecordError`] when the message is damaged or of a version with other words.
pub fn decode_order(message: &pb::OrderWritten) -> Result<Order, RecordError> {
    let state = OrderState::parse(&message.state);
    let state = state.ok_or_else(|| RecordError::UnknownWord { field: "state", found: message.state.clone() })?;
    let prn = message.prn.map(|pb::Prn { max_per_day, min_interval_ms }| Prn { max_per_day, min_interval_ms });
    let prescription = Prescription {
        patient: patient(&message.patient)?,
        medication: medication(&message.medication)?,
        dose: F64Bits::new(message.dose),
        start: EventTime(message.start_ms),
        end: message.end_ms.map(EventTime),
        times_min: message.times_min.clone(),
        prn,
    };
    Ok(Order { id: message.id.clone(), revision: message.revision, state, prescription })
}

pub fn encode_fill(fill: &Fill) -> pb::FillWritten {
    pb::FillWritten {
        id: fill.id.clone(),
        revision: fill.revision,
        patient: fill.patient.to_string(),
        medication: fill.medication.to_string(),
        handed_over_ms: fill.handed_over.0,
        days_supply: fill.days_supply,
        entered_in_error: fill.entered_in_error,
    }
}

/// # Errors
/// As [`decode_order`].
pub fn decode_fill(message: &pb::FillWritten) -> Result<Fill, RecordError> {
    Ok(Fill {
        id: message.id.clone(),
        revision: message.revision,
        patient: patient(&message.patient)?,
        medication: medication(&message.medication)?,
        handed_over: EventTime(message.handed_over_ms),
        days_supply: message.days_supply,
        entered_in_error: message.entered_in_error,
    })
}

fn patient(text: &str) -> Result<PatientId, RecordError> {
    PatientId::parse(text).map_err(|error| RecordError::Id { field: "patient", error })
}

fn medication(text: &str) -> Result<MedicationId, RecordError> {
    MedicationId::parse(text).map_err(|error| RecordError::Id { field: "medication", error })
}
