//! A clinic: the alert service and the console over one journal and one store.

#![allow(dead_code, reason = "shared by tests and the preview, which need different parts")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use painwatch_access::Access;
use painwatch_alerts::{Alerts, AlertsHandle, LinkBase, WebhookConfig, WebhookSecret};
use painwatch_console::{Check, Console, Deps};
use painwatch_domain::finding::alert_id;
use painwatch_domain::{
    AlertId, AlertKind, Clock, DeviceId, Episode, EventTime, Finding, FindingKind, GatewayId, Hash128, JournalTime,
    Offset, PatientId, Priority, ReceivedAt, Roster, RuleDomain, RuleId, TenantId,
};
use painwatch_journal::{AppendOptions, Appended, Class, Journal as _, MemoryJournal, NewRecord};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::encode_finding;
use painwatch_store::{Commit, DeviceRow, MemoryStore, PatientRow, ReadingRow, RosterRows, Rows, Store as _};
use prost::Message as _;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// 2026-01-01.
pub const NOW_MS: i64 = 1_767_225_600_000;

pub struct HandClock(pub AtomicI64);

impl Clock for HandClock {
    fn wall_ms(&self) -> i64 {
        NOW_MS + self.monotonic_ms()
    }

    fn monotonic_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

pub struct Rig {
    pub journal: Arc<MemoryJournal>,
    pub store: Arc<MemoryStore>,
    pub clock: Arc<HandClock>,
    pub console: Console,
    pub url: String,
    pub http: reqwest::Client,
    pub alerts: AlertsHandle,
    credentials: String,
    epoch: u64,
    _data: tempfile::TempDir,
}

impl Rig {
    pub async fn new() -> Self {
        Self::on("127.0.0.1:0").await
    }

    pub async fn on(address: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock = Arc::new(HandClock(AtomicI64::new(0)));
        let journal = Arc::new(MemoryJournal::new(1, clock.clone()));
        let store = Arc::new(MemoryStore::new());
        let epoch = store.take_ownership().await.unwrap();
        let alerts = start_alerts(&journal, &store, &clock, epoch).await;
        let data = tempfile::tempdir().unwrap();
        let access = Arc::new(Access::open(data.path()).unwrap());
        let credentials = std::fs::read_to_string(access.credentials_path()).unwrap();
        let console = Console::new(Deps {
            store: store.clone(),
            journal: journal.clone(),
            access,
            clock: clock.clone(),
            people_clock: clock.clone(),
            alerts_applied: alerts.applied.clone(),
            logic_version: 1,
            secure_cookies: false,
            checks: vec![Check { name: "store", well: Box::new(|| true), to_serve: true }],
        });
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = console.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { journal, store, clock, console, url, http, alerts, credentials, epoch, _data: data }
    }

    pub fn token(&self, role: &str) -> &str {
        let section = self.credentials.split(&format!("[{role}]")).nth(1).expect("a section per role");
        section.split("token = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token")
    }

    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// As the clinician, by token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(self.token("clinician"))
    }

    pub async fn get(&self, path: &str) -> Value {
        let response = self.request(Method::GET, path).send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.json().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let response = self.request(Method::POST, path).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Journalled in one record and applied.
    pub async fn findings(&self, findings: &[Finding]) {
        let findings = findings.iter().map(encode_finding).collect();
        let payload = pb::Findings { cause_offset: 0, findings }.encode_to_vec().into();
        let tenant = TenantId::default();
        let record = NewRecord { class: Class::Finding, tenant, key_id: 0, logic_version: 1, payload };
        let Appended::Durable { first, .. } = self.journal.append(vec![record], AppendOptions::default()).await else {
            panic!("a kind journal");
        };
        self.applied(first).await;
    }

    pub async fn applied(&self, offset: Offset) {
        let mut applied = self.alerts.applied.clone();
        let wait = tokio::time::timeout(Duration::from_secs(20), applied.wait_for(|next| *next > offset));
        wait.await.expect("in time").expect("a running service");
    }

    pub async fn rows(&self, rows: Rows) {
        let commit = Commit { epoch: self.epoch, rows, ..Commit::default() };
        self.store.commit(&commit).await.unwrap();
    }

    pub async fn roster(&self, patients: &[&str]) {
        let patient = |id: &&str| PatientRow {
            patient: PatientId::parse(id).unwrap(),
            mrn: String::new(),
            birth_date: "1961-04-02".to_owned(),
            sex: "f".to_owned(),
            zone: "Europe/Paris".to_owned(),
            care_team: "acute-pain".to_owned(),
            packs: "opioid-safety,post-op".to_owned(),
            synthetic: true,
        };
        let device = DeviceRow { device: device(), kind: "watch".to_owned(), serial: String::new() };
        let patients = patients.iter().map(patient).collect();
        let roster = RosterRows { patients, devices: vec![device], ..RosterRows::default() };
        self.rows(Rows { roster: Some(roster), ..Rows::default() }).await;
    }
}

async fn start_alerts(
    journal: &Arc<MemoryJournal>,
    store: &Arc<MemoryStore>,
    clock: &Arc<HandClock>,
    epoch: u64,
) -> AlertsHandle {
    let deps = painwatch_alerts::Deps {
        journal: journal.clone(),
        store: store.clone(),
        epoch,
        clock: clock.clone(),
        logic_version: 1,
        parse_roster: |_| Ok(Roster::default()),
        webhook: WebhookConfig {
            secret: WebhookSecret::parse(&WebhookSecret::format(&[1; 32])).unwrap(),
            link_base: LinkBase("http://127.0.0.1".to_owned()),
            timeout: Duration::from_secs(1),
            allow_plain_loopback: true,
        },
        on_opened: None,
    };
    let (alerts, handle) = Alerts::recover(deps).await.unwrap();
    tokio::spawn(async { alerts.run(std::future::pending()).await });
    handle
}

fn device() -> DeviceId {
    DeviceId::parse("watch-0001").unwrap()
}

pub fn id(patient: &str, rule: &str, start_ms: i64) -> AlertId {
    alert_id(&TenantId::default(), patient, &RuleId::parse(rule).unwrap(), EventTime(start_ms))
}

/// A live finding about `patient`, unique by (patient, rule, start).
pub fn finding(patient: &str, rule: &str, start_ms: i64, peak: Priority) -> Finding {
    Finding {
        kind: FindingKind::Opened,
        alert_id: id(patient, rule, start_ms),
        tenant: TenantId::default(),
        patient: Some(PatientId::parse(patient).unwrap()),
        rule: RuleId::parse(rule).unwrap(),
        rule_version: "5f2c".repeat(8),
        title: "Oxygen saturation low".to_owned(),
        action: "Call the patient; no answer in 5 min: emergency pathway.".to_owned(),
        alert_kind: AlertKind::Physiological,
        domain: RuleDomain::Safety,
        episode: Episode {
            start: EventTime(start_ms),
            last_held: EventTime(start_ms + 180_000),
            end: None,
            peak,
            evidence: Vec::new(),
            why: "oxygen_saturation 85 % < 90 % for 3 min".to_owned(),
        },
        detected_at: JournalTime(start_ms + 180_000),
        retrospective: false,
        historical: false,
        shadow: false,
    }
}

pub fn reading(patient: &str, measure: &str, unit: &str, time_ms: i64, value: f64) -> ReadingRow {
    ReadingRow {
        tenant: TenantId::default(),
        time: EventTime(time_ms),
        end_time: None,
        device_time: time_ms,
        zone: "UTC".to_owned(),
        received_at: ReceivedAt(time_ms),
        patient: Some(PatientId::parse(patient).unwrap()),
        device: device(),
        gateway: GatewayId::parse("gw-1").unwrap(),
        measure: measure.to_owned(),
        value: Some(value),
        value_code: None,
        unit: unit.to_owned(),
        body_site: None,
        laterality: None,
        modality: None,
        status: "final",
        revision: 0,
        quality: String::new(),
        seq: None,
        reading_id: Hash128::of(&[patient.as_bytes(), measure.as_bytes(), &time_ms.to_le_bytes()]),
        batch_id: String::new(),
        known_from: Offset(0),
        attributes: String::new(),
        effective: true,
        conflict: false,
        supersedes: false,
    }
}
