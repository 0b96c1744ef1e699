//! A roster of which one patient is left.

use anyhow::{Context as _, Result};
use painwatch_domain::PatientId;
use painwatch_processor::rerun::Devices;
use toml::{Table, Value};

/// Tables whose entries name a patient.
const OF_PATIENTS: [&str; 5] = ["pairing", "prescription", "dispense", "patient_event", "override"];

/// Nobody else, no contact, and no name: what the rules need and not more.
pub fn of_patient(text: &str, patient: &PatientId, devices: &Devices) -> Result<String> {
    let mut roster: Table = text.parse().context("roster record")?;
    keep(&mut roster, "patient", |entry| is(entry, "id", patient.as_str()));
    keep(&mut roster, "device", |entry| text_of(entry, "id").is_some_and(|id| devices.contains(id)));
    for table in OF_PATIENTS {
        keep(&mut roster, table, |entry| is(entry, "patient", patient.as_str()));
    }
    for unneeded in ["contact", "care_team", "schedule", "escalation_policy"] {
        roster.remove(unneeded);
    }
    for person in roster.get_mut("patient").and_then(Value::as_array_mut).into_iter().flatten() {
        person.as_table_mut().map(|person| person.remove("mrn"));
    }
    Ok(toml::to_string(&roster)?)
}

fn keep(roster: &mut Table, table: &str, wanted: impl Fn(&Value) -> bool) {
    if let Some(entries) = roster.get_mut(table).and_then(Value::as_array_mut) {
        entries.retain(wanted);
    }
}

fn is(entry: &Value, key: &str, wanted: &str) -> bool {
    text_of(entry, key) == Some(wanted)
}

fn text_of<'a>(entry: &'a Value, key: &str) -> Option<&'a str> {
    entry.get(key).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use painwatch_domain::TenantId;

    const CLINIC: &str = r#"
[[patient]]
id = "p-1"
mrn = "0815"
zone = "Europe/Paris"
packs = ["pain"]
[[patient]]
id = "p-2"
mrn = "4711"
zone = "Europe/Paris"
[[device]]
id = "watch-1"
[[device]]
id = "watch-2"
[[pairing]]
device = "watch-1"
patient = "p-1"
from = 2026-03-01
[[pairing]]
device = "watch-2"
patient = "p-2"
from = 2026-03-01
[[contact]]
id = "nurse"
care_team = "ward"
webhook_url = "https://pages.example/secret"
"#;

    #[test]
    fn nobody_else_and_no_name_is_left_in_a_roster_of_one_patient() {
        let patient = PatientId::parse("p-1").unwrap();
        let roster = crate::roster::parse(CLINIC, &TenantId::default()).unwrap();
        let mut devices = Devices::default();
        devices.note(&roster, &patient);
        let text = of_patient(CLINIC, &patient, &devices).unwrap();
        for private in ["p-2", "watch-2", "0815", "4711", "nurse", "secret"] {
            assert!(!text.contains(private), "{text}");
        }
        let narrow = crate::roster::parse(&text, &TenantId::default()).unwrap();
        assert_eq!(
            (narrow.patients.len(), narrow.devices.len(), narrow.pairings.to_vec()),
            (1, 1, roster.pairings[..1].to_vec())
        );
        assert_eq!(narrow.patients[&patient].zones, roster.patients[&patient].zones);
    }
}
