//! Decided readings as the store's rows.

use painwatch_domain::time::DAY_MS;
use painwatch_domain::{
    BatchVerdict, EventTime, GatewayId, JournalTime, Measure, Offset, PatientId, ReceivedAt, Roster, Sample, Series,
    TenantId, Value,
};
use painwatch_processor_core::metrics::catalogue;
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::encode_verdict;
use painwatch_store::{
    BatchRow, ConditionRow, DeviceRow, DispenseRow, EpisodeRow, GoalRow, LedgerRow, MedicationEventRow, PairingRow,
    PatientEventRow, PatientRow, PrescriptionRow, ReadingRow, RosterRows, Rows, VerdictRow,
};
use prost::Message as _;
use serde_json::{Map, json};

/// How long a verdict can be asked for: 30 days of journal time (semantics 3).
const VERDICTS_KEPT_MS: i64 = 30 * DAY_MS;

/// The submission a reading came in.
pub struct Source<'a> {
    pub tenant: &'a TenantId,
    pub gateway: &'a GatewayId,
    pub batch_id: &'a str,
    pub received_at: ReceivedAt,
    pub cause: Offset,
}

/// What was decided about one sample.
#[derive(Clone, Copy)]
pub struct Standing {
    pub effective: bool,
    pub supersedes: bool,
    pub conflict: bool,
    pub mark: Option<Mark>,
}

/// What to be careful with that is seen beside other readings only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A weight that may be somebody else's (semantics 6).
    WeightDoubtful,
    /// Stands a second time, so many hours away.
    PossibleCopy { hours: i64 },
}

impl std::fmt::Display for Mark {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::WeightDoubtful => to.write_str("weight_doubtful"),
            Self::PossibleCopy { hours } => write!(to, "possible_copy_{hours}h"),
        }
    }
}

/// Adds the rows of one sample: two for a blood-pressure panel, a medication event beside a dose.
pub fn add_reading(
    rows: &mut Rows,
    source: &Source,
    roster: &Roster,
    series: &Series,
    sample: &Sample,
    patient: Option<&PatientId>,
    standing: Standing,
) {
    let base = reading_row(source, roster, series, sample, patient, standing);
    match &sample.value {
        Value::Pressure { systolic, diastolic } => {
            for (part, scaled) in [("systolic", systolic), ("diastolic", diastolic)] {
                let value = Some(series.measure.to_canonical(*scaled));
                rows.readings.push(ReadingRow { measure: format!("blood_pressure_{part}"), value, ..base.clone() });
            }
        }
        _ => rows.readings.push(base),
    }
    if standing.effective && series.measure == Measure::MedicationEvent {
        rows.medication_events.extend(medication_row(source, series, sample, patient));
    }
}

fn reading_row(
    source: &Source,
    roster: &Roster,
    series: &Series,
    sample: &Sample,
    patient: Option<&PatientId>,
    standing: Standing,
) -> ReadingRow {
    let meta = &series.meta;
    let correction = sample.time.0 - sample.device_time;
    let (value, value_code, unit) = match &sample.value {
        Value::Number(scaled) => {
            (Some(series.measure.to_canonical(*scaled)), None, series.measure.spec().unit.to_owned())
        }
        Value::Code(code) => (None, Some(code.to_string()), String::new()),
        Value::Dose { amount, unit } => {
            let event = meta.dose.as_ref().map(|dose| dose.event.as_str().to_owned());
            (amount.map(|milli| milli as f64 / 1000.0), event, unit.to_string())
        }
        Value::Pressure { .. } => (None, None, series.measure.spec().unit.to_owned()),
    };
    let zone =
        patient.and_then(|patient| roster.patients.get(patient)).map(|person| person.zone_at(sample.time).name());
    let text = |part: &Option<Box<str>>| part.as_deref().filter(|text| !text.is_empty()).map(str::to_owned);
    ReadingRow {
        tenant: source.tenant.clone(),
        time: sample.time,
        end_time: sample.end.map(|end| EventTime(end.saturating_add(correction))),
        device_time: sample.device_time,
        zone: zone.or(meta.zone.as_deref()).unwrap_or("UTC").to_owned(),
        received_at: source.received_at,
        patient: patient.cloned(),
        device: series.device.clone(),
        gateway: source.gateway.clone(),
        measure: series.measure.name().to_owned(),
        value,
        value_code,
        unit,
        body_site: text(&meta.body_site),
        laterality: text(&meta.laterality),
        modality: text(&meta.modality),
        status: meta.status.as_str(),
        revision: meta.revision,
        quality: quality(sample, standing),
        seq: meta.seq,
        reading_id: series.reading_id(source.tenant, sample),
        batch_id: source.batch_id.to_owned(),
        known_from: source.cause,
        attributes: attributes(series),
        effective: standing.effective,
        supersedes: standing.supersedes,
        conflict: standing.conflict,
    }
}

fn quality(sample: &Sample, standing: Standing) -> String {
    let flags = Some(sample.flags.to_string()).filter(|flags| !flags.is_empty());
    let mark = standing.mark.map(|mark| mark.to_string());
    let conflict = standing.conflict.then(|| "conflict".to_owned());
    [flags, mark, conflict].into_iter().flatten().collect::<Vec<_>>().join(",")
}

/// What has no column of its own, as a JSON object; empty for none.
fn attributes(series: &Series) -> String {
    let meta = &series.meta;
    let mut map = Map::new();
    let texts = [
        ("recall", &meta.recall),
        ("instrument", &meta.instrument),
        ("algorithm", &meta.algorithm),
        ("posture", &meta.posture),
        ("id", &meta.id),
    ];
    for (name, text) in texts {
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
            map.insert(name.to_owned(), json!(text));
        }
    }
    if let Some(prompted) = meta.prompted {
        map.insert("prompted".to_owned(), json!(prompted));
    }
    if let Some(boot_id) = meta.boot_id {
        map.insert("boot_id".to_owned(), json!(boot_id));
    }
    if let Some(dose) = &meta.dose {
        map.insert("medication".to_owned(), json!(dose.medication.as_str()));
    }
    if map.is_empty() { String::new() } else { serde_json::Value::Object(map).to_string() }
}

fn medication_row(
    source: &Source,
    series: &Series,
    sample: &Sample,
    patient: Option<&PatientId>,
) -> Option<MedicationEventRow> {
    let dose = series.meta.dose.as_ref()?;
    let Value::Dose { amount, unit } = &sample.value else { return None };
    Some(MedicationEventRow {
        tenant: source.tenant.clone(),
        time: sample.time,
        received_at: source.received_at,
        patient: patient.cloned(),
        device: series.device.clone(),
        reading_id: series.reading_id(source.tenant, sample),
        medication: dose.medication.to_string(),
        event: dose.event.as_str(),
        dose: amount.map(|milli| milli as f64 / 1000.0),
        dose_unit: unit.to_string(),
        scheduled_for: dose.scheduled_for,
        status: series.meta.status.as_str(),
        known_from: source.cause,
    })
}

/// The book of one submission.
pub fn batch_row(source: &Source, protocol: &str, verdict: &BatchVerdict) -> BatchRow {
    BatchRow {
        tenant: source.tenant.clone(),
        cause: source.cause,
        batch_id: source.batch_id.to_owned(),
        gateway: source.gateway.clone(),
        protocol: protocol.to_owned(),
        received_at: source.received_at,
        stored: verdict.stored,
        duplicate: verdict.duplicate,
        conflict: verdict.conflict,
        quarantined: verdict.quarantined,
    }
}

/// What a submission adds to the books of its gateway and day, from which as many readings as `left` quarantine with it
/// go: they were counted when they came.
pub fn ledger_row(source: &Source, verdict: &BatchVerdict, left: u64) -> LedgerRow {
    LedgerRow {
        tenant: source.tenant.clone(),
        day: day_of(source.received_at.ms()),
        gateway: source.gateway.to_string(),
        reason: String::new(),
        submitted: verdict.submitted().cast_signed() - left.cast_signed(),
        stored: verdict.stored,
        duplicate: verdict.duplicate,
        conflict: verdict.conflict,
        quarantined: verdict.quarantined.cast_signed() - left.cast_signed(),
        refused: 0,
    }
}

/// What was refused before it was durable, as ingest counted it.
pub fn refusals(rows: &mut Rows, tenant: &TenantId, refusals: &pb::Refusals) {
    let row = |count: &pb::RefusalCount| LedgerRow {
        tenant: tenant.clone(),
        day: day_of(count.day_ms),
        gateway: count.gateway.clone(),
        reason: count.reason.clone(),
        refused: count.count,
        ..LedgerRow::default()
    };
    rows.ledger.extend(refusals.counts.iter().map(row));
}

fn day_of(ms: i64) -> EventTime {
    EventTime(ms.div_euclid(DAY_MS) * DAY_MS)
}

/// The verdict for who asks later; those that were kept long enough go (semantics 3).
pub fn keep_verdict(rows: &mut Rows, source: &Source, at: JournalTime, verdict: &BatchVerdict) {
    rows.verdicts.push(VerdictRow {
        tenant: source.tenant.clone(),
        cause: source.cause,
        gateway: source.gateway.clone(),
        batch_id: source.batch_id.to_owned(),
        at,
        verdict: encode_verdict(verdict).encode_to_vec(),
    });
    rows.verdicts_gone_before = Some(JournalTime(at.0.saturating_sub(VERDICTS_KEPT_MS)));
}

/// The roster as tables.
pub fn roster_rows(roster: &Roster) -> RosterRows {
    let patients = roster.patients.values().map(|patient| PatientRow {
        patient: patient.id.clone(),
        mrn: patient.mrn.clone().unwrap_or_default(),
        birth_date: patient.birth_date.clone().unwrap_or_default(),
        sex: patient.sex.clone().unwrap_or_default(),
        zone: patient.zone_at(EventTime::MAX).name().to_owned(),
        care_team: patient.care_team.clone().unwrap_or_default(),
        packs: patient.packs.join(","),
        synthetic: patient.synthetic,
    });
    let devices = roster.devices.values().map(|device| DeviceRow {
        device: device.id.clone(),
        kind: device.kind.clone(),
        serial: device.serial.clone().unwrap_or_default(),
    });
    let pairings = roster.pairings.iter().map(|pairing| PairingRow {
        device: pairing.device.clone(),
        patient: pairing.patient.clone(),
        from: pairing.from,
        until: pairing.until,
    });
    let clock = |minute: &u32| format!("{:02}:{:02}", minute / 60, minute % 60);
    let prescriptions = roster.prescriptions.iter().map(|prescription| PrescriptionRow {
        patient: prescription.patient.clone(),
        medication: prescription.medication.to_string(),
        dose_milli: (prescription.dose.get() * 1000.0).round() as i64,
        start: prescription.start,
        end: prescription.end,
        times: match prescription.times_min.as_slice() {
            [] => "prn".to_owned(),
            times => times.iter().map(clock).collect::<Vec<_>>().join(","),
        },
    });
    RosterRows {
        tenant: roster.tenant.clone(),
        patients: patients.collect(),
        devices: devices.collect(),
        pairings: pairings.collect(),
        prescriptions: prescriptions.collect(),
        ..about_patients(roster)
    }
}

/// What happened to patients, what they have and where they want to be.
fn about_patients(roster: &Roster) -> RosterRows {
    let dispenses = roster.dispenses.iter().map(|dispense| DispenseRow {
        patient: dispense.patient.clone(),
        medication: dispense.medication.to_string(),
        date: dispense.date,
        days_supply: i64::from(dispense.days_supply),
    });
    let events = roster.patient_events.iter().map(|event| PatientEventRow {
        patient: event.patient.clone(),
        kind: event.kind.clone(),
        start: event.start,
        end: event.end,
    });
    let conditions = roster.patients.values().flat_map(|patient| {
        let row = |condition: &String| ConditionRow { patient: patient.id.clone(), condition: condition.clone() };
        patient.conditions.iter().map(row)
    });
    let unit = |metric: &str| catalogue::find(metric).map_or("", |info| info.unit).to_owned();
    let goals = roster.goals.iter().map(|goal| GoalRow {
        patient: goal.patient.clone(),
        metric: goal.metric.clone(),
        target: goal.target.get(),
        unit: unit(&goal.metric),
        by: goal.by,
    });
    RosterRows {
        dispenses: dispenses.collect(),
        patient_events: events.collect(),
        conditions: conditions.collect(),
        goals: goals.collect(),
        ..RosterRows::default()
    }
}

/// Adds the rows of a later record to those of earlier ones in the same commit.
pub(crate) fn append_rows(all: &mut Rows, mut rows: Rows) {
    all.readings.append(&mut rows.readings);
    all.medication_events.append(&mut rows.medication_events);
    all.metrics.append(&mut rows.metrics);
    all.coverage.append(&mut rows.coverage);
    // Deletions are applied before insertions: one that comes later in the group takes back what the group inserted.
    let gone = |row: &EpisodeRow| {
        rows.episodes_gone.contains(&(row.tenant.clone(), row.patient.clone(), row.rule.clone(), row.start))
    };
    all.episodes.retain(|row| !gone(row));
    all.episodes_gone.append(&mut rows.episodes_gone);
    all.episodes.append(&mut rows.episodes);
    all.batches.append(&mut rows.batches);
    all.quarantine.append(&mut rows.quarantine);
    all.quarantine_gone.append(&mut rows.quarantine_gone);
    all.clocks.append(&mut rows.clocks);
    all.rules.append(&mut rows.rules);
    all.verdicts.append(&mut rows.verdicts);
    all.verdicts_gone_before = all.verdicts_gone_before.max(rows.verdicts_gone_before);
    all.sequences.retain(|row| !rows.sequences_gone.contains(&(row.tenant.clone(), row.device.clone(), row.boot_id)));
    all.sequences_gone.append(&mut rows.sequences_gone);
    all.sequences.append(&mut rows.sequences);
    all.ledger.append(&mut rows.ledger);
    if rows.roster.is_some() {
        all.roster = rows.roster;
    }
}
