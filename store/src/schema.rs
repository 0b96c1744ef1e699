//! The tables as data: one list of columns per row type, from which inserts, selects, Arrow batches and Parquet follow.
//! The migrations create the same columns; a test holds the two together.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};
use painwatch_domain::{AlertId, EventTime, Measure, Offset, ReadingId, TenantId};

use crate::codec::{Builder, Claimed, Field, Kind};
use crate::rows::*;
use crate::{Result, StoreError};

#[derive(Clone, Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub nullable: bool,
}

/// One table: its name, its columns in order, the columns that name one current row (none where there is no such key).
#[derive(Debug)]
pub struct TableDef {
    pub name: &'static str,
    pub columns: Vec<Column>,
    pub key: &'static [&'static str],
    schema: SchemaRef,
}

impl TableDef {
    fn new(name: &'static str, key: &'static [&'static str], columns: Vec<Column>) -> Self {
        let fields: Vec<_> = columns.iter().map(|c| ArrowField::new(c.name, c.kind.data_type(), c.nullable)).collect();
        Self { name, columns, key, schema: Arc::new(Schema::new(fields)) }
    }

    /// Old rows of `current`: from when they were known, until when, and why they are no longer current.
    fn history(name: &'static str, current: &Self) -> Self {
        let mut columns = current.columns.clone();
        columns.push(Column { name: "known_to", kind: Kind::Int, nullable: false });
        columns.push(Column { name: "moved", kind: Kind::Text, nullable: false });
        Self::new(name, &[], columns)
    }

    /// A part of a table or the answer to a query, with columns named and typed like a table's.
    pub(crate) fn shape(columns: &[(&'static str, Kind)]) -> Self {
        let columns = columns.iter().map(|&(name, kind)| Column { name, kind, nullable: true }).collect();
        Self::new("", &[], columns)
    }

    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    pub(crate) fn builders(&self, rows: usize) -> Vec<Builder> {
        self.columns.iter().map(|column| Builder::new(column.kind, rows)).collect()
    }

    pub(crate) fn finish(&self, builders: Vec<Builder>) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = builders.into_iter().map(Builder::finish).collect();
        RecordBatch::try_new(self.schema(), columns).map_err(defect)
    }

    pub(crate) fn position(&self, name: &str) -> Result<usize> {
        let found = self.columns.iter().position(|column| column.name == name);
        found.ok_or_else(|| StoreError::Failed(format!("table {} has no column {name}", self.name)))
    }
}

pub(crate) fn defect(error: impl std::fmt::Display) -> StoreError {
    StoreError::Failed(error.to_string())
}

/// A row type that has a table.
pub(crate) trait Record: Sized {
    fn table() -> &'static TableDef;
    fn put(&self, out: &mut [Builder]);
    fn get(batch: &RecordBatch, row: usize) -> Result<Self>;
}

pub(crate) fn to_batch<'a, R: Record + 'a>(rows: impl IntoIterator<Item = &'a R>) -> Result<RecordBatch> {
    let rows = rows.into_iter();
    let mut out = R::table().builders(rows.size_hint().0);
    rows.for_each(|row| row.put(&mut out));
    R::table().finish(out)
}

pub(crate) fn from_batch<R: Record>(batch: &RecordBatch) -> Result<Vec<R>> {
    (0..batch.num_rows()).map(|row| R::get(batch, row)).collect()
}

/// A version that is no longer, or never was, the current one.
#[derive(Debug)]
pub(crate) struct Past<T> {
    pub row: T,
    pub known_to: Offset,
    /// Why: `superseded`, `outranked` or `conflict`.
    pub moved: &'static str,
}

/// `past` in the columns of the history table `def`.
pub(crate) fn history_batch<R: Record, T: Borrow<R>>(past: &[Past<T>], def: &TableDef) -> Result<RecordBatch> {
    let mut out = def.builders(past.len());
    let current = R::table().columns.len();
    for version in past {
        version.row.borrow().put(&mut out[..current]);
        version.known_to.put(&mut out[current]);
        version.moved.put(&mut out[current + 1]);
    }
    def.finish(out)
}

/// The roster's rows are kept without a tenant by their type; in the tables they have one.
pub(crate) struct Of<T> {
    pub tenant: TenantId,
    pub row: T,
}

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

fn column<R, F: Field>(name: &'static str, _: fn(&R) -> &F) -> Column {
    Column { name, kind: F::KIND, nullable: F::NULLABLE }
}

macro_rules! record {
    (@column $type:ty, $name:literal, $field:ident) => { column($name, |row: &$type| &row.$field) };
    (@column $type:ty, $name:literal, $field:ident $wrap:ident) => {
        Column { name: $name, kind: <$wrap as Field>::KIND, nullable: false }
    };
    (@put $value:expr, $out:ident) => { $value.put($out) };
    (@put $value:expr, $out:ident $wrap:ident) => { $wrap($value).put($out) };
    (@get $next:expr, $row:ident) => { Field::get($next, $row)? };
    (@get $next:expr, $row:ident $wrap:ident) => { <$wrap as Field>::get($next, $row)?.0 };

    ($type:ty, $name:literal, key $key:expr, { $($field:ident $(as $wrap:ident)? => $column:literal),+ $(,)? }
     $(also { $($rest:ident: $value:expr),+ })?) => {
        impl Record for $type {
            fn table() -> &'static TableDef {
                static DEF: LazyLock<TableDef> = LazyLock::new(|| {
                    TableDef::new($name, &$key, vec![$(record!(@column $type, $column, $field $($wrap)?)),+])
                });
                &DEF
            }

            fn put(&self, out: &mut [Builder]) {
                let mut out = out.iter_mut();
                $(if let Some(column) = out.next() { record!(@put self.$field, column $($wrap)?); })+
            }

            fn get(batch: &RecordBatch, row: usize) -> Result<Self> {
                let mut cells = Cells { columns: batch.columns().iter() };
                $(let $field = record!(@get cells.next()?, row $($wrap)?);)+
                Ok(Self { $($field),+ $(, $($rest: $value),+)? })
            }
        }
    };
}

macro_rules! roster_record {
    ($type:ident, $name:literal, key $key:expr, { $($field:ident => $column:literal),+ $(,)? }) => {
        impl Record for Of<$type> {
            fn table() -> &'static TableDef {
                static DEF: LazyLock<TableDef> = LazyLock::new(|| {
                    let tenant = column("tenant_id", |row: &Of<$type>| &row.tenant);
                    TableDef::new($name, &$key, vec![tenant, $(column($column, |row: &$type| &row.$field)),+])
                });
                &DEF
            }

            fn put(&self, out: &mut [Builder]) {
                let mut out = out.iter_mut();
                if let Some(column) = out.next() { self.tenant.put(column); }
                $(if let Some(column) = out.next() { self.row.$field.put(column); })+
            }

            fn get(batch: &RecordBatch, row: usize) -> Result<Self> {
                let mut cells = Cells { columns: batch.columns().iter() };
                let tenant = Field::get(cells.next()?, row)?;
                $(let $field = Field::get(cells.next()?, row)?;)+
                Ok(Self { tenant, row: $type { $($field),+ } })
            }
        }
    };
}

struct Cells<'a> {
    columns: std::slice::Iter<'a, ArrayRef>,
}

impl<'a> Cells<'a> {
    fn next(&mut self) -> Result<&'a ArrayRef> {
        self.columns.next().ok_or_else(|| StoreError::Failed("a column is missing".into()))
    }
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

record!(RuleRow, "rules", key ["tenant_id", "rule_id", "version"], {
    tenant => "tenant_id", rule => "rule_id", version => "version", pack => "pack", accepted_by => "accepted_by",
    toml => "toml", known_from => "known_from",
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
            RuleRow::table(),
            BatchRow::table(),
            QuarantineRow::table(),
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
