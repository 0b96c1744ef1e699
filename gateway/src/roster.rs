//! Roster text for the people and devices of this crate: what `roster apply` takes.

use painwatch_domain::Measure;
use serde::Serialize;

use crate::import::ImportedSubject;

/// A roster document under construction; documents can be put one after the other. Stamps are ISO 8601 texts; without an offset they mean the patient's zone.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RosterDraft {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patient: Vec<PatientEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device: Vec<DeviceEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pairing: Vec<PairingEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub medication: Vec<MedicationEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prescription: Vec<PrescriptionEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contact: Vec<ContactEntry>,
}

#[derive(Clone, Debug, Serialize)]
pub struct PatientEntry {
    pub id: String,
    pub zone: String,
    pub care_team: String,
    pub packs: Vec<String>,
    pub conditions: Vec<String>,
    pub opioid_naive: bool,
    pub synthetic: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct DeviceEntry {
    pub id: String,
    pub kind: String,
    pub streams: Vec<StreamEntry>,
    pub source_priority: u32,
}

#[derive(Clone, Debug, Serialize)]
pub struct StreamEntry {
    pub measure: String,
    pub every: String,
    /// Local time from when until when it is expected; none: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct PairingEntry {
    pub device: String,
    pub patient: String,
    pub from: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct MedicationEntry {
    pub id: String,
    pub ingredient: String,
    /// Milligrams in one unit.
    pub strength: f64,
    pub unit: String,
    pub release: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct PrescriptionEntry {
    pub patient: String,
    pub medication: String,
    pub dose: f64,
    pub start: String,
    pub end: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prn: Option<PrnEntry>,
}

#[derive(Clone, Debug, Serialize)]
pub struct PrnEntry {
    pub max_per_day: u32,
    pub min_interval: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct ContactEntry {
    pub id: String,
    pub care_team: String,
    pub webhook_url: String,
    pub min_priority: String,
}

impl RosterDraft {
    /// One document of several.
    pub fn extend(&mut self, other: Self) {
        let known: Vec<String> = self.medication.iter().map(|medication| medication.id.clone()).collect();
        self.patient.extend(other.patient);
        self.device.extend(other.device);
        self.pairing.extend(other.pairing);
        self.medication.extend(other.medication.into_iter().filter(|medication| !known.contains(&medication.id)));
        self.prescription.extend(other.prescription);
        self.contact.extend(other.contact);
    }

    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// A recorded person with the devices of the export, worn since long before the recording.
    pub fn of_recording(subject: &ImportedSubject, care_team: &str) -> Self {
        let mut draft = Self::default();
        draft.patient.push(PatientEntry {
            id: subject.patient.clone(),
            zone: subject.zone.name().to_owned(),
            care_team: care_team.to_owned(),
            packs: ["pain", "function", "sleep", "fluid"].map(String::from).to_vec(),
            conditions: Vec::new(),
            opioid_naive: true,
            synthetic: false,
        });
        for (priority, device) in (10..).zip(&subject.devices) {
            let streams = device.measures.iter().map(|measure| stream(*measure, "1d")).collect();
            draft.add_device(&device.id, device.kind, streams, priority, &subject.patient, "2000-01-01");
        }
        draft
    }

    pub fn add_device(
        &mut self,
        id: &str,
        kind: &str,
        streams: Vec<StreamEntry>,
        source_priority: u32,
        patient: &str,
        from: &str,
    ) {
        self.device.push(DeviceEntry { id: id.to_owned(), kind: kind.to_owned(), streams, source_priority });
        self.pairing.push(PairingEntry { device: id.to_owned(), patient: patient.to_owned(), from: from.to_owned() });
    }
}

pub fn stream(measure: Measure, every: &str) -> StreamEntry {
    StreamEntry { measure: measure.name().to_owned(), every: every.to_owned(), from: None, until: None }
}

/// A stream that is expected at some hours of the patient's day.
pub fn stream_between(measure: Measure, every: &str, (from, until): (&str, &str)) -> StreamEntry {
    StreamEntry { from: Some(from.to_owned()), until: Some(until.to_owned()), ..stream(measure, every) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_toml_with_one_table_for_each_entry() {
        let mut draft = RosterDraft::default();
        draft.add_device("w-1", "watch", vec![stream(Measure::HeartRate, "60s")], 1, "synthetic-1", "2026-01-05");
        let read: toml::Table = draft.to_toml().parse().unwrap();
        assert_eq!(read["device"][0]["streams"][0]["measure"].as_str(), Some("heart_rate"));
        assert_eq!(read["pairing"][0]["patient"].as_str(), Some("synthetic-1"));
    }

    #[test]
    fn a_medication_that_several_drafts_share_is_declared_once() {
        let tablet = MedicationEntry {
            id: "oxycodone-5mg".into(),
            ingredient: "oxycodone".into(),
            strength: 5.0,
            unit: "{tablet}".into(),
            release: "ir".into(),
        };
        let mut both = RosterDraft { medication: vec![tablet.clone()], ..RosterDraft::default() };
        both.extend(RosterDraft { medication: vec![tablet], ..RosterDraft::default() });
        assert_eq!(both.medication.len(), 1);
    }
}
