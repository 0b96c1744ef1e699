//! The engine over a SQLite store with a lake, as the program runs it.

mod anything;
mod functions;
mod limits;
mod reading;
mod refusals;

use std::path::Path;
use std::sync::Arc;

use painwatch_domain::*;
use painwatch_store::*;

use crate::{Options, QueryEngine, QueryError, QueryResult};

/// 2026-03-01T00:00:00Z.
const START: i64 = 1_772_323_200_000;

struct House {
    store: Arc<dyn Store>,
    epoch: u64,
    engine: QueryEngine,
    // After the store: its files go last.
    _directory: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        // A name that would be a pattern, if paths were patterns.
        let directory = tempfile::Builder::new().prefix("pain watch[*]%20").tempdir().unwrap();
        let store = sqlite(directory.path()).await;
        let epoch = store.take_ownership().await.unwrap();
        let engine = QueryEngine::new(store.clone(), options).unwrap();
        Self { store, epoch, engine, _directory: directory }
    }

    /// Three hundred readings of a patient, and ten of somebody else's patient with the same names.
    async fn furnished(options: Options) -> Self {
        let house = Self::with(options).await;
        let foreign = |number| ReadingRow { tenant: elsewhere(), ..reading(number, 3) };
        let readings = (0..300).map(|number| reading(number, 1)).chain((1_000..1_010).map(foreign));
        house.write(Rows { readings: readings.collect(), alerts: vec![alert()], ..Rows::default() }).await;
        house
    }

    async fn write(&self, rows: Rows) {
        self.store.commit(&Commit { epoch: self.epoch, rows, ..Commit::default() }).await.unwrap();
    }

    async fn replace(&self, numbers: std::ops::Range<u64>, known_from: u64, value: f64) {
        let newer = |number| ReadingRow {
            value: Some(value),
            revision: 1,
            status: "corrected",
            supersedes: true,
            ..reading(number, known_from)
        };
        self.write(Rows { readings: numbers.map(newer).collect(), ..Rows::default() }).await;
    }

    async fn rows(&self, sql: &str) -> QueryResult {
        self.engine.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The lines of the answer, without the header.
    async fn lines(&self, sql: &str) -> Vec<String> {
        let mut out = Vec::new();
        self.rows(sql).await.csv(&mut out).unwrap();
        String::from_utf8(out).unwrap().lines().skip(1).map(Into::into).collect()
    }

    async fn line(&self, sql: &str) -> String {
        self.lines(sql).await.join("|")
    }

    async fn refusal(&self, sql: &str) -> QueryError {
        match self.engine.sql(sql).await {
            Ok(result) => panic!("{sql} was answered with {} rows", result.rows()),
            Err(error) => error,
        }
    }
}

async fn sqlite(directory: &Path) -> Arc<dyn Store> {
    let url = format!("sqlite:{}", directory.join("painwatch.db").display().to_string().replace('%', "%25"));
    open(&url, &directory.join("lake")).await.unwrap()
}

fn elsewhere() -> TenantId {
    TenantId::parse("elsewhere").unwrap()
}

fn reading(number: u64, known_from: u64) -> ReadingRow {
    let time = START + number as i64 * 60_000;
    ReadingRow {
        tenant: TenantId::default(),
        time: EventTime(time),
        end_time: None,
        device_time: time,
        zone: "Europe/Paris".into(),
        received_at: ReceivedAt(time),
        patient: Some(PatientId::parse("p-1").unwrap()),
        device: DeviceId::parse("watch-0001").unwrap(),
        gateway: GatewayId::parse("gw-17").unwrap(),
        measure: if number.is_multiple_of(3) { "step_count" } else { "heart_rate" }.into(),
        value: Some(number as f64),
        value_code: None,
        unit: "/min".into(),
        body_site: None,
        laterality: None,
        modality: None,
        status: "final",
        revision: 0,
        quality: String::new(),
        seq: Some(number),
        reading_id: Hash128::of(&[&number.to_le_bytes()]),
        batch_id: "gw-17/1".into(),
        known_from: Offset(known_from),
        attributes: String::new(),
        effective: true,
        supersedes: false,
        conflict: false,
    }
}

fn alert() -> AlertRow {
    AlertRow {
        tenant: TenantId::default(),
        alert_id: Hash128::of(&[b"alert"]),
        patient: Some(PatientId::parse("p-1").unwrap()),
        rule: RuleId::parse("spo2-sustained-low").unwrap(),
        rule_version: "v1".into(),
        title: "Oxygen saturation low".into(),
        action: "Call the patient".into(),
        why: "85 % < 90 %".into(),
        kind: AlertKind::Physiological,
        domain: RuleDomain::Safety,
        priority: Priority::High,
        state: AlertState::Open,
        condition: Condition::Active,
        onset_at: EventTime(START),
        last_held_at: EventTime(START + 60_000),
        cleared_at: None,
        opened_at: JournalTime(START),
        detected_at: JournalTime(START),
        resolved_at: None,
        acknowledged_by: None,
        acknowledged_at: None,
        assignee: None,
        care_team: None,
        disposition: None,
        retrospective: false,
        historical: false,
        shadow: true,
        changed_at: Offset(1),
    }
}
