//! What the roster says about patients beside orders: supplies, what happened to them, and where they want to be.

use anyhow::{Result, bail};
use painwatch_domain::roster::{Dispense, F64Bits, Goal, PatientEvent, Roster};
use painwatch_domain::{MedicationId, PatientId};
use painwatch_processor_core::patient::derived::goals::GOALS;
use painwatch_processor_core::rules::nearest;
use serde::Deserialize;

use super::{instant, zone_of};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DispenseEntry {
    pub(super) patient: String,
    pub(super) medication: String,
    date: toml::Value,
    days_supply: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PatientEventEntry {
    pub(super) patient: String,
    kind: String,
    start: toml::Value,
    end: Option<toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GoalEntry {
    pub(super) patient: String,
    metric: String,
    target: f64,
    by: Option<toml::Value>,
}

pub(super) fn dispense(entry: &DispenseEntry, roster: &Roster) -> Result<Dispense> {
    let patient = PatientId::parse(&entry.patient)?;
    let date = instant(&entry.date, zone_of(&patient, roster)?)?;
    let medication = MedicationId::parse(&entry.medication)?;
    if !roster.medications.contains_key(&medication) {
        bail!("no [[medication]] {medication}");
    }
    if entry.days_supply > 366 {
        bail!("days_supply is {}, expected at most 366", entry.days_supply);
    }
    Ok(Dispense { patient, medication, date, days_supply: entry.days_supply })
}

pub(super) fn patient_event(entry: &PatientEventEntry, roster: &Roster) -> Result<PatientEvent> {
    if !PatientEvent::KINDS.contains(&entry.kind.as_str()) {
        bail!("kind is {:?}, expected one of {}", entry.kind, PatientEvent::KINDS.join(" "));
    }
    let patient = PatientId::parse(&entry.patient)?;
    let zone = zone_of(&patient, roster)?;
    let (start, end) =
        (instant(&entry.start, zone)?, entry.end.as_ref().map(|value| instant(value, zone)).transpose()?);
    if end.is_some_and(|end| end <= start) {
        bail!("it ends before it begins");
    }
    Ok(PatientEvent { patient, kind: entry.kind.clone(), start, end })
}

pub(super) fn goal(entry: &GoalEntry, roster: &Roster) -> Result<Goal> {
    let patient = PatientId::parse(&entry.patient)?;
    let zone = zone_of(&patient, roster)?;
    if !GOALS.iter().any(|(metric, _)| *metric == entry.metric) {
        let known: Vec<&str> = GOALS.iter().map(|(metric, _)| *metric).collect();
        let near = nearest(&entry.metric, known.iter().copied()).map(|near| format!("; did you mean {near}?"));
        bail!(
            "no goal can be set on {:?}, expected one of {}{}",
            entry.metric,
            known.join(" "),
            near.unwrap_or_default()
        );
    }
    if !entry.target.is_finite() {
        bail!("target is {}, expected a number", entry.target);
    }
    let by = entry.by.as_ref().map(|value| instant(value, zone)).transpose()?;
    Ok(Goal { patient, metric: entry.metric.clone(), target: F64Bits::new(entry.target), by })
}
