//! What the roster says of a simulated person.

use painwatch_domain::{LocalDay, Measure, Zone};

use crate::roster::{MedicationEntry, PatientEntry, PrescriptionEntry, PrnEntry, RosterDraft, stream, stream_between};

pub const SCHEDULED: &str = "morphine-er-15mg";
pub const AS_NEEDED: &str = "oxycodone-5mg";
/// Minutes of the local day at which a scheduled dose is due.
pub const DOSE_TIMES_MIN: [u32; 2] = [8 * 60, 20 * 60];

/// A person of whom so much is declared.
pub(super) struct Declared<'a> {
    pub id: &'a str,
    pub zone: &'a Zone,
    pub care_team: &'a str,
    pub start: LocalDay,
    pub days: u32,
}

impl Declared<'_> {
    fn device(&self, kind: &str) -> String {
        format!("{}-{kind}", self.id)
    }

    pub fn roster(&self) -> RosterDraft {
        let mut draft = RosterDraft::default();
        draft.patient.push(PatientEntry {
            id: self.id.to_owned(),
            zone: self.zone.name().to_owned(),
            care_team: self.care_team.to_owned(),
            packs: ["opioid-safety", "pain", "function", "adherence", "fluid", "sleep"].map(String::from).to_vec(),
            conditions: Vec::new(),
            opioid_naive: false,
            synthetic: true,
        });
        let start = self.start.plus(-1).to_string();
        let at_night = |measure| stream_between(measure, "30s", ("22:00", "06:00"));
        let devices = [
            ("watch", vec![stream(Measure::HeartRate, "1m"), stream(Measure::StepCount, "5m")]),
            ("oximeter", vec![at_night(Measure::OxygenSaturation), at_night(Measure::RespiratoryRate)]),
            ("scale", vec![stream(Measure::BodyWeight, "1d")]),
            ("cap", vec![stream(Measure::MedicationEvent, "12h")]),
            ("phone", vec![stream(Measure::PainNrs, "8h")]),
        ];
        for (priority, (kind, streams)) in (1..).zip(devices) {
            draft.add_device(&self.device(kind), kind, streams, priority, self.id, &start);
        }
        let end = self.start.plus(self.days as i32);
        self.prescribe(&mut draft, &self.start.to_string(), &end.to_string());
        draft
    }

    /// For the simulated days and no longer: what nobody simulates nobody can take.
    fn prescribe(&self, draft: &mut RosterDraft, start: &str, end: &str) {
        let medication = |id: &str, ingredient: &str, strength, release: &str| MedicationEntry {
            id: id.to_owned(),
            ingredient: ingredient.to_owned(),
            strength,
            unit: "{tablet}".to_owned(),
            release: release.to_owned(),
        };
        draft.medication =
            vec![medication(SCHEDULED, "morphine", 15.0, "er"), medication(AS_NEEDED, "oxycodone", 5.0, "ir")];
        let prescription = |medication: &str| PrescriptionEntry {
            patient: self.id.to_owned(),
            medication: medication.to_owned(),
            dose: 1.0,
            start: start.to_owned(),
            end: end.to_owned(),
            times: Vec::new(),
            prn: None,
        };
        let times = DOSE_TIMES_MIN.map(|minute| format!("{:02}:{:02}", minute / 60, minute % 60)).to_vec();
        let as_needed = PrnEntry { max_per_day: 4, min_interval: "4h".to_owned() };
        draft.prescription = vec![
            PrescriptionEntry { times, ..prescription(SCHEDULED) },
            PrescriptionEntry { prn: Some(as_needed), ..prescription(AS_NEEDED) },
        ];
    }
}
