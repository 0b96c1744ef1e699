//! The tables: each row type's columns, in the order of its table. The migrations create the same columns; the suite for
//! every engine holds the two together.

use std::collections::HashMap;
use std::sync::LazyLock;

use arrow::array::RecordBatch;
use painwatch_domain::{AlertId, EventTime, Measure, Offset, ReadingId, TenantId};

use crate::codec::{Builder, Claimed, Field};
use crate::rows::*;
use crate::schema::{Cells, Column, Of, Record, TableDef, column, record, roster_record};
use crate::{Result, StoreError};

pub(crate) struct EvidenceRow {
    pub tenant: TenantId,
    pub alert_id: AlertId,
    pub reading_id: ReadingId,
}

/// A row of the lake that a newer version replaced and that no flush has taken out yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LakeSuperseded {
    pub tenant: TenantId,
    pub reading_id: ReadingId,
    pub measure: String,
    pub known_from: Offset,
    pub data_file: i64,
}

pub(crate) struct MeasureRow {
    pub tenant: TenantId,
    pub measure: String,
    pub loinc: Option<String>,
    pub unit: String,
    pub reject_low: f64,
    pub reject_high: f64,
    pub verify_low: f64,
    pub verify_high: f64,
}

record!(ReadingRow, "readings", key ["tenant_id", "reading_id", "measure", "time"], {
    tenant => "tenant_id", time => "time", end_time => "end_time", device_time as Claimed => "device_time",
    zone => "zone", received_at => "received_at", patient => "patient_id", device => "device_id",
    gateway => "gateway_id", measure => "measure", value => "value", value_code => "value_code", unit => "unit",
    body_site => "body_site", laterality => "laterality", modality => "modality", status => "status",
    revision => "revision", quality => "quality", seq => "seq", reading_id => "reading_id", batch_id => "batch_id",
    known_from => "known_from", attributes => "attributes",
} also { effective: true, conflict: false, supersedes: false });

record!(MedicationEventRow, "medication_events", key ["tenant_id", "reading_id", "time"], {
    tenant => "tenant_id", time => "time", received_at => "received_at", patient => "patient_id",
    device => "device_id", reading_id => "reading_id", medication => "medication", event => "event", dose => "dose",
    dose_unit => "dose_unit", scheduled_for => "scheduled_for", status => "status", known_from => "known_from",
});

record!(MetricRow, "metrics", key ["tenant_id", "patient_id", "metric", "time"], {
    tenant => "tenant_id", time => "time", window_start => "window_start", window_end => "window_end",
    patient => "patient_id", metric => "metric", value => "value", value_code => "value_code", unit => "unit",
    n => "n", baseline => "baseline", deviation => "deviation", coverage => "coverage", state => "state",
    revision => "revision", reason => "reason", quality => "quality", definition_version => "definition_version",
    computed_at => "computed_at", known_from => "known_from",
});

record!(CoverageRow, "coverage", key ["tenant_id", "patient_id", "rule_id", "start_time"], {
    tenant => "tenant_id", patient => "patient_id", rule => "rule_id", start => "start_time", end => "end_time",
    state => "state", cause => "cause",
});

record!(EpisodeRow, "episodes", key ["tenant_id", "patient_id", "rule_id", "start_time"], {
    tenant => "tenant_id", patient => "patient_id", rule => "rule_id", start => "start_time", end => "end_time",
    peak => "peak", rule_version => "rule_version", evidence_hash => "evidence_hash", alert_id => "alert_id",
});

record!(AlertRow, "alerts", key ["tenant_id", "alert_id"], {
    tenant => "tenant_id", alert_id => "alert_id", patient => "patient_id", rule => "rule_id",
    rule_version => "rule_version", title => "title", action => "action", why => "why", kind => "kind",
    domain => "domain", priority => "priority", state => "state", condition => "condition", onset_at => "onset_at",
    last_held_at => "last_held_at", cleared_at => "cleared_at", opened_at => "opened_at",
    detected_at => "detected_at", resolved_at => "resolved_at", acknowledged_by => "acknowledged_by",
    acknowledged_at => "acknowledged_at", assignee => "assignee", care_team => "care_team",
    disposition => "disposition", retrospective => "retrospective", historical => "historical", shadow => "shadow",
    changed_at => "changed_at",
});

record!(AlertEventRow, "alert_events", key ["tenant_id", "alert_id", "seq"], {
    tenant => "tenant_id", alert_id => "alert_id", seq => "seq", at => "at", event => "event", actor => "actor",
    note => "note",
});

record!(EvidenceRow, "alert_evidence", key ["tenant_id", "alert_id", "reading_id"], {
    tenant => "tenant_id", alert_id => "alert_id", reading_id => "reading_id",
});

record!(NotificationRow, "notifications", key ["tenant_id", "notification_id", "attempt"], {
    tenant => "tenant_id", notification_id => "notification_id", alert_id => "alert_id", channel => "channel",
    recipient => "recipient", attempt => "attempt", at => "at", outcome => "outcome", detail => "detail",
});

record!(BatchRow, "batches", key ["tenant_id", "cause"], {
    tenant => "tenant_id", cause => "cause", batch_id => "batch_id", gateway => "gateway_id",
    protocol => "protocol", received_at => "received_at", stored => "stored", duplicate => "duplicate",
    conflict => "conflict", quarantined => "quarantined",
});

record!(QuarantineRow, "quarantine", key ["tenant_id", "id"], {
    tenant => "tenant_id", id => "id", cause => "cause", received_at => "received_at", gateway => "gateway_id",
    device => "device_id", code => "code", detail => "detail", format => "format", payload => "payload",
    count => "readings",
});

record!(ClockRow, "clocks", key ["tenant_id", "kind", "subject"], {
    tenant => "tenant_id", kind => "kind", subject => "subject", ahead_ms => "ahead_ms", boot_id => "boot_id",
    sightings => "sightings", seen_from => "seen_from", seen_to => "seen_to", spread_ms => "spread_ms",
    known_from => "known_from",
});

record!(RuleRow, "rules", key ["tenant_id", "rule_id", "version"], {
    tenant => "tenant_id", rule => "rule_id", version => "version", pack => "pack", accepted_by => "accepted_by",
    toml => "toml", known_from => "known_from",
});

record!(VerdictRow, "verdicts", key ["tenant_id", "cause"], {
    tenant => "tenant_id", cause => "cause", gateway => "gateway_id", batch_id => "batch_id", at => "at",
    verdict => "verdict",
});

record!(SequenceRow, "sequences", key ["tenant_id", "device_id", "boot_id"], {
    tenant => "tenant_id", device => "device_id", boot_id => "boot_id", gateway => "gateway_id",
    first_seq => "first_seq", last_seq => "last_seq", missing => "missing", told_from => "told_from",
});

record!(LedgerRow, "ledger", key ["tenant_id", "day", "gateway_id", "reason"], {
    tenant => "tenant_id", day => "day", gateway => "gateway_id", reason => "reason", submitted => "submitted",
    stored => "stored", duplicate => "duplicate", conflict => "conflict", quarantined => "quarantined",
    refused => "refused",
});

roster_record!(PatientRow, "patients", key ["tenant_id", "patient_id"], {
    patient => "patient_id", mrn => "mrn", birth_date => "birth_date", sex => "sex", zone => "zone",
    care_team => "care_team", packs => "packs", synthetic => "synthetic",
});

roster_record!(DeviceRow, "devices", key ["tenant_id", "device_id"], {
    device => "device_id", kind => "kind", serial => "serial",
});

roster_record!(PairingRow, "pairings", key [], {
    device => "device_id", patient => "patient_id", from => "from_time", until => "until_time",
});

roster_record!(PrescriptionRow, "prescriptions", key [], {
    patient => "patient_id", medication => "medication", dose_milli => "dose_milli", start => "start_time",
    end => "end_time", times => "times",
});

roster_record!(DispenseRow, "dispenses", key [], {
    patient => "patient_id", medication => "medication", date => "date", days_supply => "days_supply",
});

roster_record!(PatientEventRow, "patient_events", key [], {
    patient => "patient_id", kind => "kind", start => "start_time", end => "end_time",
});

roster_record!(GoalRow, "goals", key [], {
    patient => "patient_id", metric => "metric", target => "target", unit => "unit", by => "by_time",
});

roster_record!(ConditionRow, "conditions", key [], {
    patient => "patient_id", condition => "condition",
});

record!(MeasureRow, "measures", key ["tenant_id", "measure"], {
    tenant => "tenant_id", measure => "measure", loinc => "loinc", unit => "unit", reject_low => "reject_low",
    reject_high => "reject_high", verify_low => "verify_low", verify_high => "verify_high",
});

record!(LakeSuperseded, "lake_superseded", key ["tenant_id", "reading_id", "measure", "known_from"], {
    tenant => "tenant_id", reading_id => "reading_id", measure => "measure", known_from => "known_from",
    data_file => "data_file",
});

static READINGS_HISTORY: LazyLock<TableDef> =
    LazyLock::new(|| TableDef::history("readings_history", ReadingRow::table()));
static METRICS_HISTORY: LazyLock<TableDef> = LazyLock::new(|| TableDef::history("metrics_history", MetricRow::table()));

pub(crate) fn readings_history() -> &'static TableDef {
    &READINGS_HISTORY
}

pub(crate) fn metrics_history() -> &'static TableDef {
    &METRICS_HISTORY
}

/// Every table an analyst may read, in the order of the contract.
pub fn tables() -> &'static [&'static TableDef] {
    static ALL: LazyLock<Vec<&'static TableDef>> = LazyLock::new(|| {
        vec![
            ReadingRow::table(),
            readings_history(),
            MedicationEventRow::table(),
            MetricRow::table(),
            metrics_history(),
            AlertRow::table(),
            AlertEventRow::table(),
            EvidenceRow::table(),
            NotificationRow::table(),
            CoverageRow::table(),
            EpisodeRow::table(),
            MeasureRow::table(),
            Of::<PatientRow>::table(),
            Of::<DeviceRow>::table(),
            Of::<PairingRow>::table(),
            Of::<PrescriptionRow>::table(),
            Of::<DispenseRow>::table(),
            Of::<PatientEventRow>::table(),
            Of::<ConditionRow>::table(),
            Of::<GoalRow>::table(),
            RuleRow::table(),
            BatchRow::table(),
            QuarantineRow::table(),
            ClockRow::table(),
            LedgerRow::table(),
        ]
    });
    &ALL
}

/// The table of that name.
///
/// # Errors
/// [`StoreError::Failed`] when there is none.
pub fn table(name: &str) -> Result<&'static TableDef> {
    let found = tables().iter().copied().find(|def| def.name == name);
    found.ok_or_else(|| StoreError::Failed(format!("there is no table {name}")))
}

/// The catalogue of measures, the same in every store.
pub(crate) fn measure_rows() -> Vec<MeasureRow> {
    let row = |&measure: &Measure| {
        let spec = measure.spec();
        MeasureRow {
            tenant: TenantId::default(),
            measure: spec.name.into(),
            loinc: spec.loinc.map(Into::into),
            unit: spec.unit.into(),
            reject_low: spec.reject.0,
            reject_high: spec.reject.1,
            verify_low: spec.verify.0,
            verify_high: spec.verify.1,
        }
    };
    Measure::ALL.iter().map(row).collect()
}

/// What a commit's coverage days amount to: of two days that claim the same start, the later one counts.
pub(crate) fn coverage_rows(days: &[CoverageDay]) -> Vec<CoverageRow> {
    let mut claimed: HashMap<_, Vec<(EventTime, EventTime)>> = HashMap::new();
    let mut rows = Vec::new();
    for day in days.iter().rev() {
        let later = claimed.entry((&day.tenant, &day.patient, &day.rule)).or_default();
        let free = |start: EventTime| !later.iter().any(|&(from, to)| from <= start && start < to);
        let kept = day.intervals.iter().rev().filter(|interval| free(interval.start));
        rows.extend(kept.map(|interval| coverage_row(day, interval)));
        later.push((day.from, day.to));
    }
    rows.reverse();
    rows
}

pub(crate) fn coverage_row(day: &CoverageDay, interval: &CoverageInterval) -> CoverageRow {
    CoverageRow {
        tenant: day.tenant.clone(),
        patient: day.patient.clone(),
        rule: day.rule.clone(),
        start: interval.start,
        end: interval.end,
        state: if interval.covered { "covered" } else { "blind" }.into(),
        cause: interval.cause.into(),
    }
}
