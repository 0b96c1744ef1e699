//! The rows of the tables, as every engine keeps them. Times are UTC milliseconds; values are in the canonical unit.

mod answers;

use painwatch_domain::{
    AlertId, AlertKind, AlertState, Condition, DeviceId, Disposition, EventTime, GatewayId, Hash128, JournalTime,
    Offset, PatientId, Priority, ReadingId, ReceivedAt, RuleDomain, RuleId, TenantId,
};

pub use answers::*;

/// Everything one commit writes. Upserts by the key named at each row type.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub readings: Vec<ReadingRow>,
    pub medication_events: Vec<MedicationEventRow>,
    pub metrics: Vec<MetricRow>,
    /// Replaces all intervals of (patient, rule) that start in `[from, to)`.
    pub coverage: Vec<CoverageDay>,
    pub episodes: Vec<EpisodeRow>,
    pub episodes_gone: Vec<(TenantId, PatientId, RuleId, EventTime)>,
    pub alerts: Vec<AlertRow>,
    pub alert_events: Vec<AlertEventRow>,
    pub alert_evidence: Vec<(TenantId, AlertId, ReadingId)>,
    pub notifications: Vec<NotificationRow>,
    pub batches: Vec<BatchRow>,
    pub quarantine: Vec<QuarantineRow>,
    /// Applied after `batches` and `quarantine`.
    pub quarantine_gone: Vec<QuarantineGone>,
    pub clocks: Vec<ClockRow>,
    /// Replaces the whole roster tables of the tenant.
    pub roster: Option<RosterRows>,
    pub rules: Vec<RuleRow>,
    pub verdicts: Vec<VerdictRow>,
    /// Verdicts given before this are forgotten.
    pub verdicts_gone_before: Option<JournalTime>,
    pub sequences: Vec<SequenceRow>,
    pub sequences_gone: Vec<(TenantId, DeviceId, u32)>,
    /// Added to what is stored, not put in its place: a commit must hold each record's part exactly once.
    pub ledger: Vec<LedgerRow>,
}

impl Rows {
    pub fn is_empty(&self) -> bool {
        self.readings.is_empty()
            && self.medication_events.is_empty()
            && self.metrics.is_empty()
            && self.coverage.is_empty()
            && self.episodes.is_empty()
            && self.episodes_gone.is_empty()
            && self.alerts.is_empty()
            && self.alert_events.is_empty()
            && self.alert_evidence.is_empty()
            && self.notifications.is_empty()
            && self.batches.is_empty()
            && self.quarantine.is_empty()
            && self.quarantine_gone.is_empty()
            && self.clocks.is_empty()
            && self.roster.is_none()
            && self.rules.is_empty()
            && self.verdicts.is_empty()
            && self.verdicts_gone_before.is_none()
            && self.sequences.is_empty()
            && self.sequences_gone.is_empty()
            && self.ledger.is_empty()
    }
}

/// Key of the current row: (tenant, reading_id, measure), `time` in every unique index. A new row for a key moves the
/// old one to `readings_history` with `known_to` = the new one's `known_from`. One that is not `effective` (an accepted
/// version that an earlier-received one outranks) goes to history at once, with `known_to` = its own `known_from`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadingRow {
    pub tenant: TenantId,
    pub time: EventTime,
    pub end_time: Option<EventTime>,
    pub device_time: i64,
    pub zone: String,
    pub received_at: ReceivedAt,
    /// `None`: stored, but nobody wore the device then.
    pub patient: Option<PatientId>,
    pub device: DeviceId,
    pub gateway: GatewayId,
    /// `blood_pressure` appears as `blood_pressure_systolic` and `blood_pressure_diastolic` with one `reading_id`.
    pub measure: String,
    pub value: Option<f64>,
    pub value_code: Option<String>,
    pub unit: String,
    pub body_site: Option<String>,
    pub laterality: Option<String>,
    pub modality: Option<String>,
    pub status: &'static str,
    pub revision: i64,
    /// Names of flags, comma-separated; empty when nothing is odd. `conflict` marks an undecided identity.
    pub quality: String,
    pub seq: Option<u64>,
    pub reading_id: ReadingId,
    pub batch_id: String,
    pub known_from: Offset,
    /// What has no column of its own, as a JSON object; empty string for none.
    pub attributes: String,
    /// Not a column: see the type's comment.
    pub effective: bool,
    /// Not a column. An earlier version of this identity has been committed: only then the lake is searched for the row
    /// that this one replaces. An identity's first version says `false`.
    pub supersedes: bool,
    /// An undecided value of a known identity: kept in `readings_history` with status as sent and quality `conflict`,
    /// counted in no `stored` figure.
    pub conflict: bool,
}

/// Key: (tenant, reading_id, time). Replaced in place.
#[derive(Clone, Debug, PartialEq)]
pub struct MedicationEventRow {
    pub tenant: TenantId,
    pub time: EventTime,
    pub received_at: ReceivedAt,
    pub patient: Option<PatientId>,
    pub device: DeviceId,
    pub reading_id: ReadingId,
    pub medication: String,
    pub event: &'static str,
    pub dose: Option<f64>,
    pub dose_unit: String,
    pub scheduled_for: Option<EventTime>,
    pub status: &'static str,
    pub known_from: Offset,
}

/// Key: (tenant, patient, metric, time). A new revision moves the old row to `metrics_history`.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricRow {
    pub tenant: TenantId,
    /// For daily metrics the start of the local day.
    pub time: EventTime,
    pub window_start: EventTime,
    pub window_end: EventTime,
    pub patient: PatientId,
    pub metric: String,
    pub value: Option<f64>,
    pub value_code: Option<String>,
    pub unit: String,
    pub n: i64,
    pub baseline: Option<f64>,
    pub deviation: Option<f64>,
    /// Fraction of the window that was observed, 0 to 1, where it means something.
    pub coverage: Option<f64>,
    /// `provisional` or `final`.
    pub state: &'static str,
    pub revision: i64,
    /// Why `value` is null: insufficient, degenerate, not_worn, incomplete, …; empty otherwise.
    pub reason: String,
    pub quality: String,
    pub definition_version: i64,
    pub computed_at: JournalTime,
    pub known_from: Offset,
}

/// All intervals of one (patient, rule) whose start lies in `[from, to)`, replacing those stored before.
#[derive(Clone, Debug, PartialEq)]
pub struct CoverageDay {
    pub tenant: TenantId,
    pub patient: PatientId,
    pub rule: RuleId,
    pub from: EventTime,
    pub to: EventTime,
    pub intervals: Vec<CoverageInterval>,
}

/// Half-open. `covered` with an empty cause, or `blind` with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageInterval {
    pub start: EventTime,
    pub end: EventTime,
    pub covered: bool,
    /// self, gateway, link, charging, not_worn, quality, unknown; empty when covered.
    pub cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageRow {
    pub tenant: TenantId,
    pub patient: PatientId,
    pub rule: RuleId,
    pub start: EventTime,
    pub end: EventTime,
    pub state: String,
    pub cause: String,
}

/// Canonical history (semantics 10). Key: (tenant, patient, rule, start).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpisodeRow {
    pub tenant: TenantId,
    pub patient: PatientId,
    pub rule: RuleId,
    pub start: EventTime,
    pub end: Option<EventTime>,
    pub peak: Priority,
    pub rule_version: String,
    pub evidence_hash: Hash128,
    pub alert_id: AlertId,
}

/// Key: (tenant, alert_id). Replaced in place; its story is in `alert_events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRow {
    pub tenant: TenantId,
    pub alert_id: AlertId,
    pub patient: Option<PatientId>,
    pub rule: RuleId,
    pub rule_version: String,
    pub title: String,
    pub action: String,
    pub why: String,
    pub kind: AlertKind,
    pub domain: RuleDomain,
    pub priority: Priority,
    pub state: AlertState,
    pub condition: Condition,
    pub onset_at: EventTime,
    pub last_held_at: EventTime,
    pub cleared_at: Option<EventTime>,
    pub opened_at: JournalTime,
    pub detected_at: JournalTime,
    pub resolved_at: Option<JournalTime>,
    pub acknowledged_by: Option<String>,
    pub acknowledged_at: Option<JournalTime>,
    pub assignee: Option<String>,
    pub care_team: Option<String>,
    pub disposition: Option<Disposition>,
    pub retrospective: bool,
    pub historical: bool,
    pub shadow: bool,
    /// Offset of the last change: cursor and resume point.
    pub changed_at: Offset,
}

/// Key: (tenant, alert_id, seq): the transition number within the alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertEventRow {
    pub tenant: TenantId,
    pub alert_id: AlertId,
    pub seq: u32,
    pub at: JournalTime,
    pub event: String,
    pub actor: String,
    pub note: String,
}

/// One attempt. Key: (tenant, notification_id, attempt).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationRow {
    pub tenant: TenantId,
    pub notification_id: Hash128,
    pub alert_id: AlertId,
    pub channel: String,
    pub recipient: String,
    pub attempt: u32,
    pub at: JournalTime,
    /// pending, delivered, failed, abandoned.
    pub outcome: String,
    pub detail: String,
}

/// Key: (tenant, cause). The book of one submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRow {
    pub tenant: TenantId,
    pub cause: Offset,
    pub batch_id: String,
    pub gateway: GatewayId,
    pub protocol: String,
    pub received_at: ReceivedAt,
    pub stored: u64,
    pub duplicate: u64,
    pub conflict: u64,
    pub quarantined: u64,
}

/// Key: (tenant, id).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineRow {
    pub tenant: TenantId,
    pub id: String,
    pub cause: Offset,
    pub received_at: ReceivedAt,
    pub gateway: GatewayId,
    pub device: String,
    pub code: String,
    pub detail: String,
    pub format: String,
    pub payload: Vec<u8>,
    pub count: u64,
}

/// An item that was submitted again: its row goes, and the book of the submission that brought it no longer counts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineGone {
    pub tenant: TenantId,
    pub id: String,
    pub cause: Offset,
    pub count: u64,
}

/// Key: (tenant, kind, subject). How far a clock is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockRow {
    pub tenant: TenantId,
    /// `device` or `gateway`.
    pub kind: &'static str,
    pub subject: String,
    /// Milliseconds ahead of ours; negative is behind, 0 is right again.
    pub ahead_ms: i64,
    pub boot_id: Option<i64>,
    /// What it rests on: so many submissions in a row, received between these two, agreeing within `spread_ms`.
    pub sightings: i64,
    pub seen_from: ReceivedAt,
    pub seen_to: ReceivedAt,
    pub spread_ms: i64,
    pub known_from: Offset,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RosterRows {
    pub tenant: TenantId,
    pub patients: Vec<PatientRow>,
    pub devices: Vec<DeviceRow>,
    pub pairings: Vec<PairingRow>,
    pub prescriptions: Vec<PrescriptionRow>,
    pub dispenses: Vec<DispenseRow>,
    pub patient_events: Vec<PatientEventRow>,
    pub conditions: Vec<ConditionRow>,
    pub goals: Vec<GoalRow>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatientRow {
    pub patient: PatientId,
    pub mrn: String,
    pub birth_date: String,
    pub sex: String,
    pub zone: String,
    pub care_team: String,
    /// Comma-separated.
    pub packs: String,
    pub synthetic: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    pub device: DeviceId,
    pub kind: String,
    pub serial: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairingRow {
    pub device: DeviceId,
    pub patient: PatientId,
    pub from: EventTime,
    pub until: Option<EventTime>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrescriptionRow {
    pub patient: PatientId,
    pub medication: String,
    /// In thousandths of the medication's unit.
    pub dose_milli: i64,
    pub start: EventTime,
    pub end: Option<EventTime>,
    /// `08:00,20:00` or `prn`.
    pub times: String,
}

/// A supply that was handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispenseRow {
    pub patient: PatientId,
    pub medication: String,
    pub date: EventTime,
    pub days_supply: i64,
}

/// What a person entered about a patient: surgery, admission, flare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatientEventRow {
    pub patient: PatientId,
    pub kind: String,
    pub start: EventTime,
    /// `None` while it lasts, or for a moment.
    pub end: Option<EventTime>,
}

/// One entry of a problem list, in the clinic's words or codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionRow {
    pub patient: PatientId,
    pub condition: String,
}

/// Where a patient wants to be.
#[derive(Clone, Debug, PartialEq)]
pub struct GoalRow {
    pub patient: PatientId,
    pub metric: String,
    pub target: f64,
    /// Canonical unit of the metric.
    pub unit: String,
    pub by: Option<EventTime>,
}

/// Key: (tenant, rule, version).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRow {
    pub tenant: TenantId,
    pub rule: RuleId,
    pub version: String,
    pub pack: String,
    pub accepted_by: String,
    pub toml: String,
    pub known_from: Offset,
}

/// Which alerts to list, newest change first.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    pub tenant: TenantId,
    pub states: Vec<AlertState>,
    pub condition: Option<Condition>,
    pub priority: Option<Priority>,
    pub patient: Option<PatientId>,
    pub rule: Option<RuleId>,
    pub since: Option<JournalTime>,
    /// Only alerts whose last change is older than this offset: the cursor of the previous page.
    pub before: Option<Offset>,
    pub limit: usize,
}

/// The books of semantics 1, summed over `batches`. `refused` is kept by ingest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    pub submitted: u64,
    pub stored: u64,
    pub duplicate: u64,
    pub conflict: u64,
    pub quarantined: u64,
}

/// Counted from the rows themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Distinct reading_id in `readings`, hot and lake together.
    pub identities: u64,
    /// Accepted versions in `readings` and `readings_history`, conflicts apart: one row is one version, but of the two
    /// rows of a pressure panel only the systolic one counts.
    pub versions: u64,
    pub conflicts: u64,
    pub quarantined: u64,
}

/// The row of a pressure panel that is not counted: a panel is one reading.
pub const SECOND_ROW_OF_A_PANEL: &str = "blood_pressure_diastolic";
