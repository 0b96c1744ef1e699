//! What a FHIR payload may say besides readings: an order (MedicationRequest) and a fill (MedicationDispense). Neither is
//! a reading and neither is counted in the books; the shell journals them as control records, as a change of the roster is.

use painwatch_domain::roster::Prescription;
use painwatch_domain::{EventTime, MedicationId, PatientId};

/// An order as the roster would hold it, its person and its medication already those of the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Position of the entry in the payload.
    pub index: u32,
    /// What the sender calls it: a later order of the same id replaces it.
    pub id: String,
    pub state: OrderState,
    pub prescription: Prescription,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderState {
    Active,
    /// Stopped, completed or cancelled: `prescription.end` says when.
    Ended,
    EnteredInError,
}

/// Supply handed over to a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Position of the entry in the payload.
    pub index: u32,
    pub id: String,
    pub patient: PatientId,
    pub medication: MedicationId,
    pub handed_over: EventTime,
    pub days_supply: u32,
    pub entered_in_error: bool,
}
