//! What the store's tests share: rows to write and databases to write them to.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use painwatch_domain::*;
use painwatch_store::*;

pub fn tenant() -> TenantId {
    TenantId::default()
}

pub fn patient(number: u32) -> PatientId {
    PatientId::parse(&format!("p-{number}")).unwrap()
}

pub fn rule(name: &str) -> RuleId {
    RuleId::parse(name).unwrap()
}

pub fn id(number: u64) -> Hash128 {
    Hash128::of(&[&number.to_le_bytes()])
}

/// 2026-03-01T00:00:00Z.
pub const START: i64 = 1_772_323_200_000;

pub fn reading(number: u64, known_from: u64) -> ReadingRow {
    ReadingRow {
        tenant: tenant(),
        time: EventTime(START + number as i64 * 1_000),
        end_time: None,
        device_time: START + number as i64 * 1_000,
        zone: "Europe/Paris".into(),
        received_at: ReceivedAt(START + known_from as i64 * 60_000),
        patient: Some(patient(1)),
        device: DeviceId::parse("watch-0001").unwrap(),
        gateway: GatewayId::parse("gw-17").unwrap(),
        measure: "heart_rate".into(),
        value: Some(60.0 + number as f64 / 8.0),
        value_code: None,
        unit: "/min".into(),
        body_site: None,
        laterality: None,
        modality: None,
        status: "final",
        revision: 0,
        quality: String::new(),
        seq: Some(number),
        reading_id: id(number),
        batch_id: format!("gw-17/{known_from}"),
        known_from: Offset(known_from),
        attributes: String::new(),
        effective: true,
        conflict: false,
        supersedes: false,
    }
}

pub fn metric(day: i64, revision: i64, value: f64) -> MetricRow {
    let start = EventTime(START + day * 86_400_000);
    MetricRow {
        tenant: tenant(),
        time: start,
        window_start: start,
        window_end: start.plus(86_400_000),
        patient: patient(1),
        metric: "step_count.daily_sum".into(),
        value: Some(value),
        value_code: None,
        unit: "{steps}".into(),
        n: 3,
        baseline: None,
        deviation: None,
        coverage: Some(0.5),
        state: "provisional",
        revision,
        reason: String::new(),
        quality: String::new(),
        definition_version: 1,
        computed_at: JournalTime(START + revision),
        known_from: Offset(10 + revision as u64),
    }
}

pub fn alert(number: u64, changed_at: u64) -> AlertRow {
    AlertRow {
        tenant: tenant(),
        alert_id: id(number),
        patient: Some(patient(1)),
        rule: rule("spo2-sustained-low"),
        rule_version: "v1".into(),
        title: "Oxygen saturation low".into(),
        action: "Call the patient".into(),
        why: "oxygen_saturation 85 % < 90 % for 3 min".into(),
        kind: AlertKind::Physiological,
        domain: RuleDomain::Safety,
        priority: Priority::Medium,
        state: AlertState::Open,
        condition: Condition::Active,
        onset_at: EventTime(START),
        last_held_at: EventTime(START + 60_000),
        cleared_at: None,
        opened_at: JournalTime(START + number as i64),
        detected_at: JournalTime(START + number as i64),
        resolved_at: None,
        acknowledged_by: None,
        acknowledged_at: None,
        assignee: None,
        care_team: Some("pain".into()),
        disposition: None,
        retrospective: false,
        historical: false,
        shadow: true,
        changed_at: Offset(changed_at),
    }
}

pub fn interval(from: i64, to: i64, cause: &'static str) -> CoverageInterval {
    CoverageInterval { start: EventTime(from), end: EventTime(to), covered: cause.is_empty(), cause }
}

pub fn coverage_day(from: i64, to: i64, intervals: Vec<CoverageInterval>) -> CoverageDay {
    CoverageDay {
        tenant: tenant(),
        patient: patient(1),
        rule: rule("r"),
        from: EventTime(from),
        to: EventTime(to),
        intervals,
    }
}

pub fn episode(start: i64, peak: Priority) -> EpisodeRow {
    EpisodeRow {
        tenant: tenant(),
        patient: patient(1),
        rule: rule("r"),
        start: EventTime(start),
        end: None,
        peak,
        rule_version: "v1".into(),
        evidence_hash: id(7),
        alert_id: id(8),
    }
}

pub fn batch(cause: u64, stored: u64) -> BatchRow {
    BatchRow {
        tenant: tenant(),
        cause: Offset(cause),
        batch_id: format!("gw-17/{cause}"),
        gateway: GatewayId::parse("gw-17").unwrap(),
        protocol: "mqtt".into(),
        received_at: ReceivedAt(START),
        stored,
        duplicate: 1,
        conflict: 0,
        quarantined: 2,
    }
}

pub async fn write(store: &dyn Store, epoch: u64, rows: Rows) {
    store.commit(&Commit { epoch, rows, ..Commit::default() }).await.unwrap();
}

pub async fn sqlite(directory: &Path) -> Arc<dyn Store> {
    let url = format!("sqlite:{}", directory.join("painwatch.db").display());
    open(&url, &directory.join("lake")).await.unwrap()
}

/// A PostgreSQL of this test alone; stopped when dropped.
pub struct Postgres {
    directory: tempfile::TempDir,
    pub url: String,
}

impl Postgres {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = Self::script("start", directory.path());
        Self { directory, url }
    }

    pub fn restart(&self) {
        Self::script("restart", self.directory.path());
    }

    fn script(command: &str, directory: &Path) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/support/postgres.sh");
        // The server must not inherit a pipe of ours, or reading it would wait for the server's end.
        let answer = directory.with_extension(command);
        let out = std::fs::File::create(&answer).unwrap();
        let log = std::process::Stdio::null();
        let done = Command::new(script).arg(command).arg(directory).stdout(out).stderr(log).status().unwrap();
        let text = std::fs::read_to_string(&answer).unwrap();
        std::fs::remove_file(&answer).unwrap();
        assert!(done.success(), "postgres.sh {command} failed");
        text.trim().to_owned()
    }

    /// A store in a schema of its own, so that one server carries many tests.
    pub async fn store(&self, schema: &str, lake: &Path) -> Arc<dyn Store> {
        self.create_schema(schema);
        open(&self.schema_url(schema), lake).await.unwrap()
    }

    pub fn schema_url(&self, schema: &str) -> String {
        format!("{}?options=-csearch_path%3D{schema}", self.url)
    }

    fn create_schema(&self, schema: &str) {
        let status = Command::new("psql")
            .args([self.url.as_str(), "-q", "-c", &format!("CREATE SCHEMA {schema}")])
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        Self::script("stop", self.directory.path());
    }
}

pub fn parquet_files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory.join("main/readings")) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
