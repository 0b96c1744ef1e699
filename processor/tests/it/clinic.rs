//! Rosters in code. A roster record's text is only a name here: the program's parser of the real document lives elsewhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use painwatch_domain::roster::{
    Device, Dispense, F64Bits, Medication, Override, Pairing, Patient, PatientEvent, Prescription, Prn, Stream,
};
use painwatch_domain::{DeviceId, EventTime, Measure, MedicationId, PatientId, Roster, RuleId, TenantId, Zone};

static KNOWN: Mutex<BTreeMap<String, Roster>> = Mutex::new(BTreeMap::new());

/// Makes a roster known by a text that a control record can carry.
pub fn publish(mut roster: Roster) -> String {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let text = format!("roster {}", known.len());
    roster.source.clone_from(&text);
    known.insert(text.clone(), roster);
    text
}

pub fn parse(text: &str, _tenant: &TenantId) -> Result<Roster> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.get(text).cloned().context("no such roster")
}

pub const PACKS: [&str; 7] = ["opioid-safety", "post-op", "function", "adherence", "sleep", "fluid", "pain"];

pub fn patient_id(name: &str) -> PatientId {
    PatientId::parse(name).unwrap()
}

pub fn device_id(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap()
}

pub fn patient(name: &str, zone: &str, packs: &[&str]) -> Patient {
    Patient {
        packs: packs.iter().map(|pack| (*pack).to_owned()).collect(),
        synthetic: true,
        ..Patient::new(patient_id(name), Zone::parse(zone).unwrap())
    }
}

pub fn with_patient(mut roster: Roster, patient: Patient) -> Roster {
    roster.patients.insert(patient.id.clone(), patient);
    roster
}

pub fn with_device(mut roster: Roster, name: &str, source_priority: u32) -> Roster {
    let id = device_id(name);
    let (kind, streams, gateways) = (String::new(), Vec::new(), Vec::new());
    roster.devices.insert(id.clone(), Device { id, kind, serial: None, streams, gateways, source_priority });
    roster
}

/// A device with a stream that it is prescribed to send.
pub fn with_stream(mut roster: Roster, name: &str, measure: Measure, every_ms: i64) -> Roster {
    roster = with_device(roster, name, 1);
    if let Some(device) = roster.devices.get_mut(&device_id(name)) {
        device.streams.push(Stream { measure, every_ms, alert_after_ms: None, hours: None });
    }
    roster
}

pub fn paired(mut roster: Roster, device: &str, patient: &str, from: i64, until: Option<i64>) -> Roster {
    let (device, patient) = (device_id(device), patient_id(patient));
    roster.pairings.push(Pairing { device, patient, from: EventTime(from), until: until.map(EventTime) });
    roster
}

pub fn with_medication(mut roster: Roster, name: &str, ingredient: &str, release: &str) -> Roster {
    let id = MedicationId::parse(name).unwrap();
    let medication = Medication { release: release.to_owned(), ..Medication::tablets(id.clone(), ingredient, 5.0) };
    roster.medications.insert(id, medication);
    roster
}

pub fn prescribed(mut roster: Roster, patient: &str, medication: &str, start: i64, times_min: &[u32]) -> Roster {
    roster.prescriptions.push(Prescription {
        patient: patient_id(patient),
        medication: MedicationId::parse(medication).unwrap(),
        dose: F64Bits::new(1.0),
        start: EventTime(start),
        end: None,
        times_min: times_min.to_vec(),
        prn: None,
    });
    roster
}

pub fn as_needed(mut roster: Roster, patient: &str, medication: &str, start: i64) -> Roster {
    roster = prescribed(roster, patient, medication, start, &[]);
    let mut orders = roster.prescriptions.to_vec();
    if let Some(order) = orders.last_mut() {
        order.prn = Some(Prn { max_per_day: 4, min_interval_ms: 4 * 3_600_000 });
    }
    roster.prescriptions = orders.into();
    roster
}

pub fn dispensed(mut roster: Roster, patient: &str, medication: &str, date: i64, days_supply: u32) -> Roster {
    let (patient, medication) = (patient_id(patient), MedicationId::parse(medication).unwrap());
    roster.dispenses.push(Dispense { patient, medication, date: EventTime(date), days_supply });
    roster
}

/// A number of a rule that is `name`'s alone.
pub fn with_own(mut roster: Roster, name: &str, rule: &str, from: i64, numbers: &[(&str, &str)]) -> Roster {
    roster.overrides.push(Override {
        patient: patient_id(name),
        rule: RuleId::parse(rule).unwrap(),
        from: EventTime(from),
        numbers: numbers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        by: "Dr. A. Example".to_owned(),
        reason: "chronic hypercapnia".to_owned(),
    });
    roster
}

pub fn happened(mut roster: Roster, patient: &str, kind: &str, start: i64) -> Roster {
    let (patient, kind, start) = (patient_id(patient), kind.to_owned(), EventTime(start));
    roster.patient_events.push(PatientEvent { patient, kind, start, end: None });
    roster
}
