//! The roster file: the clinic as a declarative TOML document, read into the words of the domain. Every error names the
//! table, the entry and what was expected.

#[path = "roster/about.rs"]
mod about;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use painwatch_domain::measure::Measure;
use painwatch_domain::roster::{
    Contact, Device, F64Bits, Hours, Medication, Override, Pairing, Patient, Prescription, Prn, Roster, Stream,
};
use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, parse_stamp};
use painwatch_domain::{DeviceId, EventTime, GatewayId, MedicationId, PatientId, Priority, RuleId, TenantId, Zone};
use painwatch_processor_core::rules::check_keys;
use serde::Deserialize;

use about::{DispenseEntry, GoalEntry, PatientEventEntry, dispense, goal, patient_event};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    patient: Vec<PatientEntry>,
    #[serde(default)]
    device: Vec<DeviceEntry>,
    #[serde(default)]
    pairing: Vec<PairingEntry>,
    #[serde(default)]
    medication: Vec<MedicationEntry>,
    #[serde(default)]
    prescription: Vec<PrescriptionEntry>,
    #[serde(default)]
    dispense: Vec<DispenseEntry>,
    #[serde(default)]
    patient_event: Vec<PatientEventEntry>,
    #[serde(default)]
    goal: Vec<GoalEntry>,
    #[serde(default, rename = "override")]
    overrides: Vec<OverrideEntry>,
    #[serde(default)]
    contact: Vec<ContactEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatientEntry {
    id: String,
    mrn: Option<String>,
    birth_date: Option<String>,
    sex: Option<String>,
    zone: ZoneEntry,
    care_team: Option<String>,
    #[serde(default)]
    packs: Vec<String>,
    #[serde(default)]
    conditions: Vec<String>,
    #[serde(default)]
    opioid_naive: bool,
    #[serde(default = "scale_1")]
    spo2_scale: u8,
    #[serde(default)]
    synthetic: bool,
    #[serde(default)]
    consent: ConsentEntry,
}

const fn scale_1() -> u8 {
    1
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ZoneEntry {
    One(String),
    Dated(Vec<DatedZone>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DatedZone {
    from: toml::Value,
    zone: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsentEntry {
    #[serde(rename = "monitoring")]
    _monitoring: Option<toml::Value>,
    research: Option<toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceEntry {
    id: String,
    #[serde(default)]
    kind: String,
    serial: Option<String>,
    #[serde(default)]
    streams: Vec<StreamEntry>,
    #[serde(default)]
    gateways: Vec<String>,
    #[serde(default)]
    source_priority: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamEntry {
    measure: String,
    every: String,
    alert_after: Option<String>,
    from: Option<String>,
    until: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PairingEntry {
    device: String,
    patient: String,
    from: toml::Value,
    until: Option<toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MedicationEntry {
    id: String,
    ingredient: String,
    strength: Option<StrengthEntry>,
    #[serde(default = "tablet")]
    unit: String,
    #[serde(default = "immediate")]
    release: String,
    rxnorm: Option<String>,
    atc: Option<String>,
}

/// Milligrams in one unit (of a patch, micrograms an hour); for a combination as a text, `5/325`, in the order of the
/// ingredients.
#[derive(Deserialize)]
#[serde(untagged)]
enum StrengthEntry {
    One(f64),
    Several(String),
}

fn tablet() -> String {
    "{tablet}".into()
}

fn immediate() -> String {
    "ir".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrescriptionEntry {
    patient: String,
    medication: String,
    dose: f64,
    start: toml::Value,
    end: Option<toml::Value>,
    #[serde(default)]
    times: Vec<String>,
    prn: Option<PrnEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrnEntry {
    max_per_day: u32,
    min_interval: String,
}

#[derive(Deserialize)]
struct OverrideEntry {
    patient: String,
    rule: String,
    from: toml::Value,
    by: String,
    reason: String,
    /// Every other key has to be a number of the rule.
    #[serde(flatten)]
    numbers: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactEntry {
    id: String,
    care_team: String,
    webhook_url: Option<String>,
    #[serde(default = "low")]
    min_priority: String,
}

fn low() -> String {
    "low".into()
}

/// Reads a roster document.
///
/// # Errors
/// What is wrong, with the table and the entry it is in.
pub fn parse(text: &str, tenant: &TenantId) -> Result<Roster> {
    let file: File = toml::from_str(text).context("roster")?;
    let mut roster = Roster { tenant: tenant.clone(), source: text.to_owned(), ..Roster::default() };
    for entry in &file.patient {
        let patient = patient(entry).with_context(|| format!("[[patient]] {:?}", entry.id))?;
        roster.patients.insert(patient.id.clone(), patient);
    }
    for entry in &file.device {
        let device = device(entry).with_context(|| format!("[[device]] {:?}", entry.id))?;
        roster.devices.insert(device.id.clone(), device);
    }
    for entry in &file.medication {
        let medication = medication(entry).with_context(|| format!("[[medication]] {:?}", entry.id))?;
        roster.medications.insert(medication.id.clone(), medication);
    }
    for entry in &file.pairing {
        let pairing = pairing(entry, &roster);
        roster.pairings.push(pairing.with_context(|| format!("[[pairing]] of device {:?}", entry.device))?);
    }
    for entry in &file.prescription {
        let prescription = prescription(entry, &roster);
        roster.prescriptions.push(prescription.with_context(|| format!("[[prescription]] of {:?}", entry.medication))?);
    }
    for entry in &file.dispense {
        let dispense = dispense(entry, &roster);
        roster.dispenses.push(dispense.with_context(|| format!("[[dispense]] of {:?}", entry.medication))?);
    }
    for entry in &file.patient_event {
        let event = patient_event(entry, &roster);
        roster.patient_events.push(event.with_context(|| format!("[[patient_event]] of {:?}", entry.patient))?);
    }
    for entry in &file.goal {
        let goal = goal(entry, &roster).with_context(|| format!("[[goal]] of {:?}", entry.patient))?;
        roster.goals.push(goal);
    }
    for entry in &file.overrides {
        let set = own_numbers(entry, &roster);
        let set = set.with_context(|| format!("[[override]] of {:?} for {:?}", entry.rule, entry.patient))?;
        let is_same = |known: &Override| known.rule == set.rule && known.from == set.from;
        if roster.overrides.of_patient(&set.patient).any(is_same) {
            bail!("[[override]] of {:?} for {:?}: two from the same moment", entry.rule, entry.patient);
        }
        roster.overrides.push(set);
    }
    // The one that begins last stands over those before it.
    let mut by_begin = roster.overrides.to_vec();
    by_begin.sort_by_key(|set| set.from);
    roster.overrides = by_begin.into();
    for entry in &file.contact {
        roster.contacts.push(contact(entry).with_context(|| format!("[[contact]] {:?}", entry.id))?);
    }
    Ok(roster)
}

fn patient(entry: &PatientEntry) -> Result<Patient> {
    let zones = match &entry.zone {
        ZoneEntry::One(name) => vec![(EventTime::MIN, Zone::parse(name)?)],
        ZoneEntry::Dated(list) => {
            let mut zones = Vec::new();
            for dated in list {
                let zone = Zone::parse(&dated.zone)?;
                zones.push((instant(&dated.from, &zone)?, zone));
            }
            zones.sort_by_key(|(from, _)| *from);
            zones
        }
    };
    let Some((_, first)) = zones.first() else { bail!("zone: at least one is needed") };
    if !matches!(entry.spo2_scale, 1 | 2) {
        bail!("spo2_scale is {}, expected 1, or 2 where a clinician has set hypercapnic failure", entry.spo2_scale);
    }
    Ok(Patient {
        id: PatientId::parse(&entry.id)?,
        mrn: entry.mrn.clone(),
        birth_date: entry.birth_date.clone(),
        sex: entry.sex.clone(),
        care_team: entry.care_team.clone(),
        packs: entry.packs.clone(),
        conditions: entry.conditions.clone(),
        opioid_naive: entry.opioid_naive,
        spo2_scale_2: entry.spo2_scale == 2,
        synthetic: entry.synthetic,
        research_consent: consent_from(entry.consent.research.as_ref(), first)?,
        zones,
    })
}

/// `false` or absent: never; a date: from then on.
fn consent_from(value: Option<&toml::Value>, zone: &Zone) -> Result<Option<EventTime>> {
    match value {
        None | Some(toml::Value::Boolean(false)) => Ok(None),
        Some(toml::Value::Boolean(true)) => Ok(Some(EventTime::MIN)),
        Some(value) => instant(value, zone).map(Some),
    }
}

fn device(entry: &DeviceEntry) -> Result<Device> {
    let stream = |stream: &StreamEntry| -> Result<Stream> {
        let measure =
            Measure::parse(&stream.measure).with_context(|| format!("unknown measure {:?}", stream.measure))?;
        let alert_after_ms = stream.alert_after.as_deref().map(duration_ms).transpose()?;
        let hours = hours(stream).with_context(|| format!("stream of {}", stream.measure))?;
        Ok(Stream { measure, every_ms: duration_ms(&stream.every)?, alert_after_ms, hours })
    };
    Ok(Device {
        id: DeviceId::parse(&entry.id)?,
        kind: entry.kind.clone(),
        serial: entry.serial.clone(),
        streams: entry.streams.iter().map(stream).collect::<Result<_>>()?,
        gateways: entry.gateways.iter().map(|id| Ok(GatewayId::parse(id)?)).collect::<Result<_>>()?,
        source_priority: entry.source_priority,
    })
}

/// Hours of the patient's day, over midnight where they end before they begin.
fn hours(stream: &StreamEntry) -> Result<Option<Hours>> {
    let (from, until) = match (&stream.from, &stream.until) {
        (None, None) => return Ok(None),
        (Some(from), Some(until)) => (time_of_day(from)?, time_of_day(until)?),
        _ => bail!("`from` and `until` come together, such as from = \"22:00\", until = \"07:00\""),
    };
    if from == until {
        bail!(
            "`from` and `until` are both {}: leave them out for a stream that is expected all day",
            stream.from.as_deref().unwrap_or_default()
        );
    }
    Ok(Some(Hours { from_min: from, until_min: until }))
}

fn medication(entry: &MedicationEntry) -> Result<Medication> {
    if !["ir", "er", "patch"].contains(&entry.release.as_str()) {
        bail!("release is {:?}, expected ir, er or patch", entry.release);
    }
    let (ingredient, strength_mg) = match &entry.strength {
        None => (entry.ingredient.clone(), None),
        Some(StrengthEntry::One(strength)) => (entry.ingredient.clone(), Some(F64Bits::new(*strength))),
        Some(StrengthEntry::Several(strengths)) => (with_strengths(&entry.ingredient, strengths)?, None),
    };
    Ok(Medication {
        id: MedicationId::parse(&entry.id)?,
        ingredient,
        strength_mg,
        unit: entry.unit.clone(),
        release: entry.release.clone(),
        rxnorm: entry.rxnorm.clone(),
        atc: entry.atc.clone(),
    })
}

/// `oxycodone/acetaminophen` of `5/325` is `oxycodone 5 mg/acetaminophen 325 mg`.
fn with_strengths(ingredients: &str, strengths: &str) -> Result<String> {
    let (names, amounts): (Vec<&str>, Vec<&str>) = (ingredients.split('/').collect(), strengths.split('/').collect());
    let amounts: Option<Vec<f64>> = amounts.iter().map(|amount| amount.trim().parse().ok()).collect();
    let amounts = amounts.filter(|amounts| amounts.len() == names.len() && amounts.iter().all(|mg| mg.is_finite()));
    let Some(amounts) = amounts else {
        bail!("strength is {strengths:?}, expected one number of milligrams for each ingredient of {ingredients:?}");
    };
    let parts = names.iter().zip(amounts).map(|(name, mg)| format!("{} {mg} mg", name.trim()));
    Ok(parts.collect::<Vec<_>>().join("/"))
}

fn pairing(entry: &PairingEntry, roster: &Roster) -> Result<Pairing> {
    let patient = PatientId::parse(&entry.patient)?;
    let zone = zone_of(&patient, roster)?;
    let device = DeviceId::parse(&entry.device)?;
    if !roster.devices.contains_key(&device) {
        bail!("no [[device]] {device}");
    }
    let until = entry.until.as_ref().map(|value| instant(value, zone)).transpose()?;
    Ok(Pairing { device, patient, from: instant(&entry.from, zone)?, until })
}

fn prescription(entry: &PrescriptionEntry, roster: &Roster) -> Result<Prescription> {
    let patient = PatientId::parse(&entry.patient)?;
    let zone = zone_of(&patient, roster)?;
    let medication = MedicationId::parse(&entry.medication)?;
    if !roster.medications.contains_key(&medication) {
        bail!("no [[medication]] {medication}");
    }
    if entry.times.is_empty() == entry.prn.is_none() {
        bail!("give either times = [\"08:00\", …] or prn = {{ max_per_day = 4, min_interval = \"4h\" }}");
    }
    let mut times_min = entry.times.iter().map(|text| time_of_day(text)).collect::<Result<Vec<_>>>()?;
    times_min.sort_unstable();
    let prn = entry.prn.as_ref().map(|prn| -> Result<Prn> {
        Ok(Prn { max_per_day: prn.max_per_day, min_interval_ms: duration_ms(&prn.min_interval)? })
    });
    Ok(Prescription {
        start: instant(&entry.start, zone)?,
        end: entry.end.as_ref().map(|value| instant(value, zone)).transpose()?,
        dose: F64Bits::new(entry.dose),
        prn: prn.transpose()?,
        patient,
        medication,
        times_min,
    })
}

fn own_numbers(entry: &OverrideEntry, roster: &Roster) -> Result<Override> {
    let patient = PatientId::parse(&entry.patient)?;
    let zone = zone_of(&patient, roster)?;
    for (key, text) in [("by", &entry.by), ("reason", &entry.reason)] {
        if text.trim().is_empty() {
            bail!("{key} is empty: a clinician's name and a reason are needed");
        }
    }
    check_keys(entry.numbers.keys().map(String::as_str))?;
    Ok(Override {
        from: instant(&entry.from, zone)?,
        rule: RuleId::parse(&entry.rule)?,
        numbers: entry.numbers.iter().map(|(key, value)| (key.clone(), value.to_string())).collect(),
        by: entry.by.clone(),
        reason: entry.reason.clone(),
        patient,
    })
}

fn contact(entry: &ContactEntry) -> Result<Contact> {
    let min_priority = Priority::parse(&entry.min_priority)
        .with_context(|| format!("min_priority is {:?}, expected high, medium, low or info", entry.min_priority))?;
    Ok(Contact {
        id: entry.id.clone(),
        care_team: entry.care_team.clone(),
        webhook_url: entry.webhook_url.clone(),
        min_priority,
    })
}

fn zone_of<'a>(patient: &PatientId, roster: &'a Roster) -> Result<&'a Zone> {
    let known = roster.patients.get(patient).with_context(|| format!("no [[patient]] {patient}"))?;
    Ok(known.zone_at(EventTime::MAX))
}

/// A TOML date, date-time or a text; without an offset it is read in `zone`.
fn instant(value: &toml::Value, zone: &Zone) -> Result<EventTime> {
    let text = match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Datetime(stamp) => stamp.to_string(),
        other => bail!("expected a date such as 2026-03-01, found {other}"),
    };
    Ok(EventTime(parse_stamp(&text, zone)?.utc_ms))
}

fn time_of_day(text: &str) -> Result<u32> {
    let parsed = text.split_once(':').and_then(|(hours, minutes)| {
        let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
        (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    });
    parsed.with_context(|| format!("{text:?} is not a time of day such as 08:00"))
}

/// `90s`, `30m`, `4h`, `28d`.
pub fn duration_ms(text: &str) -> Result<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => SECOND_MS,
        "m" => MINUTE_MS,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        _ => bail!("{text:?} is not a duration such as 90s, 30m, 4h or 28d"),
    };
    let number: i64 =
        number.parse().with_context(|| format!("{text:?} is not a duration such as 90s, 30m, 4h or 28d"))?;
    Ok(number.saturating_mul(unit_ms))
}

#[cfg(test)]
#[path = "roster/tests.rs"]
mod tests;
