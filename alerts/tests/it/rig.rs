//! A clinic with one nurse, and the service that may be stopped and started over the same journal and store.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use painwatch_alerts::{Alerts, AlertsError, AlertsHandle, Deps, LinkBase, WebhookConfig, WebhookSecret};
use painwatch_domain::finding::alert_id;
use painwatch_domain::roster::{Contact, Patient};
use painwatch_domain::{
    AlertId, AlertKind, Clock, Episode, EventTime, Finding, FindingKind, Hash128, JournalTime, Offset, PatientId,
    Priority, Roster, RuleDomain, RuleId, TenantId, Zone,
};
use painwatch_journal::file::Options;
use painwatch_journal::{AppendOptions, Appended, Class, FileJournal, Journal, JournalError, MemoryJournal, NewRecord};
use painwatch_proto::journal::v1::{self as pb, control::Action};
use painwatch_proto::record::encode_finding;
use painwatch_store::{AlertEventRow, AlertRow, MemoryStore, NotificationRow, Store};
use prost::Message as _;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::receiver::Receiver;

/// A test that waits longer than this for an attempt to fail waits too long.
const TIMEOUT: Duration = Duration::from_millis(500);

type Seen = Vec<(AlertId, Option<Offset>)>;

pub struct Rig {
    pub journal: Arc<dyn Journal>,
    /// The journal, where it is one that can be told to be unkind.
    unkind: Option<Arc<MemoryJournal>>,
    clock: Arc<HandClock>,
    pub store: Arc<dyn Store>,
    /// Where journal and store are, if they are on a disk.
    dir: Option<tempfile::TempDir>,
    pub receiver: Receiver,
    secret: WebhookSecret,
    pub opened: Arc<Mutex<Seen>>,
}

pub struct Service {
    pub handle: AlertsHandle,
    stop: oneshot::Sender<()>,
    pub task: JoinHandle<Result<(), AlertsError>>,
}

impl Service {
    pub async fn stop(self) {
        self.stop.send(()).expect("a running service");
        self.task.await.expect("no panic").expect("a clean end");
    }

    /// As a crash: whatever was being done is not finished.
    pub async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err());
    }
}

/// Moves when it is told to.
#[derive(Debug, Default)]
pub struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn wall_ms(&self) -> i64 {
        1_767_225_600_000 + self.monotonic_ms()
    }

    fn monotonic_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Rig {
    /// In memory.
    pub async fn new() -> Self {
        let clock = Arc::new(HandClock::default());
        let journal = Arc::new(MemoryJournal::new(7, clock.clone()));
        Self::with(clock, journal.clone(), Some(journal), Arc::new(MemoryStore::new()), None).await
    }

    /// On the engines of the embedded default.
    pub async fn on_disk() -> Self {
        let clock = Arc::new(HandClock::default());
        let dir = tempfile::tempdir().unwrap();
        let (journal, store) = engines(dir.path(), &clock).await;
        Self::with(clock, journal, None, store, Some(dir)).await
    }

    async fn with(
        clock: Arc<HandClock>,
        journal: Arc<dyn Journal>,
        unkind: Option<Arc<MemoryJournal>>,
        store: Arc<dyn Store>,
        dir: Option<tempfile::TempDir>,
    ) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let secret = WebhookSecret::parse(&WebhookSecret::format(&[7; 32])).unwrap();
        let receiver = Receiver::start(secret.clone()).await;
        let rig = Self { journal, unkind, clock, store, dir, receiver, secret, opened: Arc::default() };
        rig.nurse_at(&rig.receiver.url.clone()).await;
        rig
    }

    pub fn unkind(&self) -> &MemoryJournal {
        self.unkind.as_ref().expect("a journal in memory")
    }

    /// As a new process does.
    pub async fn reopen(&mut self) {
        let Some(dir) = &self.dir else { return };
        // The directory's lock goes with the last handle.
        self.journal = Arc::new(MemoryJournal::new(7, self.clock.clone()));
        (self.journal, self.store) = engines(dir.path(), &self.clock).await;
    }

    /// What the "roster" of these tests says is the nurse's address, and nothing else.
    pub async fn nurse_at(&self, url: &str) -> Offset {
        self.control("clinic", "", Action::Roster(pb::RosterApplied { toml: url.to_owned() })).await
    }

    pub async fn deps(&self) -> Deps {
        let opened = self.opened.clone();
        Deps {
            journal: self.journal.clone(),
            store: self.store.clone(),
            epoch: self.store.take_ownership().await.unwrap(),
            clock: self.clock.clone(),
            logic_version: 1,
            parse_roster: one_nurse,
            webhook: WebhookConfig {
                secret: self.secret.clone(),
                link_base: LinkBase("https://painwatch.example/".to_owned()),
                timeout: TIMEOUT,
                allow_plain_loopback: true,
            },
            on_opened: Some(Box::new(move |it| opened.lock().unwrap().push((it.row.alert_id, it.cause)))),
        }
    }

    pub async fn start(&self) -> Service {
        let deps = self.deps().await;
        let (alerts, handle) = Alerts::recover(deps).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(alerts.run(async {
            let _ = stopped.await;
        }));
        Service { handle, stop, task }
    }

    pub async fn finding(&self, finding: &Finding) -> Offset {
        let findings = pb::Findings { cause_offset: 77, findings: vec![encode_finding(finding)] };
        self.append(Class::Finding, findings.encode_to_vec()).await
    }

    pub async fn person(&self, alert: AlertId, actor: &str, verb: &str) -> Offset {
        let (alert_id, verb) = (alert.0.to_vec().into(), verb.to_owned());
        let command = pb::AlertCommand { alert_id, verb, note: String::new(), disposition: String::new() };
        self.control(actor, "", Action::Alert(command)).await
    }

    /// Time passes in the journal.
    pub async fn tick(&self, ms: i64) -> Offset {
        self.clock.0.fetch_add(ms, Ordering::SeqCst);
        self.append(Class::Tick, Vec::new()).await
    }

    async fn control(&self, actor: &str, key: &str, action: Action) -> Offset {
        let (actor, idempotency_key) = (actor.to_owned(), key.to_owned());
        let control = pb::Control { actor, wall_ms: 0, idempotency_key, action: Some(action) };
        self.append(Class::Control, control.encode_to_vec()).await
    }

    /// Again where the journal lost its answer: what it then holds twice must count once.
    async fn append(&self, class: Class, payload: Vec<u8>) -> Offset {
        let tenant = TenantId::default();
        let record = NewRecord { class, tenant, key_id: 0, logic_version: 1, payload: payload.into() };
        loop {
            match self.journal.append(vec![record.clone()], AppendOptions::default()).await {
                Appended::Durable { first, .. } => return first,
                Appended::Unknown => {}
                refused @ Appended::Refused(_) => panic!("{refused:?}"),
            }
        }
    }

    pub async fn alert(&self, id: AlertId) -> AlertRow {
        self.store.alert(TenantId::default(), id).await.unwrap().expect("the alert")
    }

    pub async fn events(&self, id: AlertId) -> Vec<String> {
        let rows: Vec<AlertEventRow> = self.store.alert_events(TenantId::default(), id).await.unwrap();
        rows.into_iter().map(|row| row.event).collect()
    }

    pub async fn notifications(&self, id: AlertId) -> Vec<NotificationRow> {
        self.store.notifications(TenantId::default(), Some(id)).await.unwrap()
    }

    /// Until the table says so; every way there is through the journal, which says when to look again.
    pub async fn until_event(&self, service: &Service, id: AlertId, event: &str) {
        let mut applied = service.handle.applied.clone();
        let seen = async {
            while !self.events(id).await.iter().any(|it| it == event) {
                applied.changed().await.expect("a running service");
            }
        };
        tokio::time::timeout(Duration::from_secs(20), seen).await.unwrap_or_else(|_| panic!("no {event}"));
    }
}

async fn engines(dir: &std::path::Path, clock: &Arc<HandClock>) -> (Arc<dyn Journal>, Arc<dyn Store>) {
    let mut options = Options::new(clock.clone());
    options.segment_bytes = 1 << 20;
    options.tick_after_ms = None;
    let journal = loop {
        match FileJournal::open(dir.join("journal"), options.clone()) {
            Ok(journal) => break journal,
            Err(JournalError::Locked { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    let url = format!("sqlite:{}", dir.join("painwatch.db").display());
    (Arc::new(journal), painwatch_store::open(&url, &dir.join("lake")).await.unwrap())
}

pub async fn applied(service: &Service, offset: Offset) {
    let mut applied = service.handle.applied.clone();
    let enough = applied.wait_for(|next| *next > offset);
    tokio::time::timeout(Duration::from_secs(20), enough).await.expect("in time").expect("a running service");
}

pub fn finding(n: i64, peak: Priority) -> Finding {
    let (tenant, rule) = (TenantId::default(), RuleId::parse("spo2-sustained-low").unwrap());
    Finding {
        kind: FindingKind::Opened,
        alert_id: alert_id(&tenant, "jane-doe", &rule, EventTime(n)),
        tenant,
        patient: Some(PatientId::parse("jane-doe").unwrap()),
        rule,
        rule_version: "v1".to_owned(),
        title: "Oxygen saturation low".to_owned(),
        action: "Call the patient.".to_owned(),
        alert_kind: AlertKind::Physiological,
        domain: RuleDomain::Safety,
        episode: Episode {
            start: EventTime(n),
            last_held: EventTime(n + 1),
            end: None,
            peak,
            evidence: vec![Hash128::of(&[&n.to_le_bytes()])],
            why: "oxygen_saturation 85 % < 90 % for 3 min after oxycodone".to_owned(),
        },
        detected_at: JournalTime(n),
        retrospective: false,
        historical: false,
        shadow: false,
    }
}

fn one_nurse(url: &str) -> Result<Roster, String> {
    let patient = Patient {
        id: PatientId::parse("jane-doe").unwrap(),
        mrn: None,
        birth_date: None,
        sex: None,
        zones: vec![(EventTime(0), Zone::utc())],
        care_team: Some("acute-pain".to_owned()),
        packs: Vec::new(),
        conditions: Vec::new(),
        opioid_naive: true,
        spo2_scale_2: false,
        synthetic: true,
        research_consent: None,
    };
    let contact = Contact {
        id: "nurse".to_owned(),
        care_team: "acute-pain".to_owned(),
        webhook_url: Some(url.to_owned()),
        min_priority: Priority::Low,
    };
    let patients = [(patient.id.clone(), patient)].into();
    Ok(Roster { patients, contacts: vec![contact], ..Roster::default() })
}
