//! A house with its doors open, and what tests need to knock at them.

pub mod http2;
pub mod journal;
pub mod raw;
pub mod secure;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use painwatch_access::Access;
use painwatch_access::tls::Security;
use painwatch_domain::{Clock, GatewayId, JournalTime, Offset, Roster, Rosters, TenantId};
use painwatch_ingest::{Deps, IngestConfig, IngestHandle, IngestLimits, serve};
use painwatch_journal::{AppendOptions, Class, Journal, NewRecord};
use painwatch_proto::journal::v1::{Batch, Control, DeviceReadings, Verdict, Verdicts, control};
use painwatch_store::{Commit, MemoryStore, Rows, Store, VerdictRow};
use prost::Message as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use journal::TestJournal;

/// 2026-03-01T12:00:05Z.
pub const NOW_MS: i64 = 1_772_366_405_000;

/// Long enough for anything that is to happen, short enough to fail in.
pub const SOON: Duration = Duration::from_secs(10);
/// How long something that must not happen is given to happen.
pub const A_WHILE: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn at(now_ms: i64) -> Self {
        Self(AtomicI64::new(now_ms))
    }

    pub fn advance(&self, by_ms: i64) {
        self.0.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn wall_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic_ms(&self) -> i64 {
        self.wall_ms()
    }
}

/// Where answers to earlier submissions are kept, and up to where.
pub struct Tables {
    pub store: Arc<MemoryStore>,
    pub applied: watch::Receiver<Offset>,
}

/// Open doors on any journal.
pub struct Doors {
    pub handle: IngestHandle,
    pub token: String,
    pub stop: CancellationToken,
    pub rosters: watch::Sender<Arc<Rosters>>,
    pub access: Arc<Access>,
    pub clock: Arc<TestClock>,
    pub data: tempfile::TempDir,
}

impl Doors {
    pub async fn open(journal: Arc<dyn Journal>, limits: IngestLimits) -> Self {
        let (_, applied) = watch::channel(Offset(0));
        let (clock, tables) = (Arc::new(TestClock::at(NOW_MS)), Tables { store: Arc::default(), applied });
        Self::open_in(tempfile::tempdir().unwrap(), journal, limits, clock, Security::default(), tables).await
    }

    /// In a data directory that is there already.
    pub async fn open_in(
        data: tempfile::TempDir,
        journal: Arc<dyn Journal>,
        limits: IngestLimits,
        clock: Arc<TestClock>,
        security: Security,
        Tables { store, applied }: Tables,
    ) -> Self {
        let access = Arc::new(Access::open(data.path()).unwrap());
        let table: toml::Table = std::fs::read_to_string(access.credentials_path()).unwrap().parse().unwrap();
        let token = table["gateway"]["token"].as_str().unwrap().to_owned();
        let (rosters, in_force) = watch::channel(Arc::default());
        let any = Some("127.0.0.1:0".parse().unwrap());
        let config = IngestConfig { mqtt_listen: any, grpc_listen: any, broker: None, limits, security };
        let now: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let clocks = watch::channel(Arc::default()).1;
        let access_of = Arc::clone(&access);
        let deps = Deps { journal, access: access_of, clock: now, rosters: in_force, clocks, store, applied };
        let stop = CancellationToken::new();
        let handle = serve(config, deps, stop.clone()).await.unwrap();
        Self { handle, token, stop, rosters, access, clock, data }
    }

    /// Puts a roster in force.
    pub fn declare(&self, roster: Roster) {
        self.rosters.send_replace(Arc::new(roster.into()));
    }

    pub fn mqtt_port(&self) -> u16 {
        self.handle.mqtt_addr.unwrap().port()
    }
}

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(TestClock::at(NOW_MS))
}

/// Open doors on a journal that does as it is told, and the tables behind it.
pub struct House {
    pub journal: Arc<TestJournal>,
    pub store: Arc<MemoryStore>,
    pub applied: Arc<watch::Sender<Offset>>,
    pub epoch: u64,
    pub doors: Doors,
}

impl std::ops::Deref for House {
    type Target = Doors;

    fn deref(&self) -> &Doors {
        &self.doors
    }
}

impl House {
    pub async fn open() -> Self {
        Self::with(IngestLimits { verdict_timeout: A_WHILE, ..IngestLimits::default() }).await
    }

    pub async fn with(limits: IngestLimits) -> Self {
        let clock = Arc::new(TestClock::at(NOW_MS));
        Self::open_in(tempfile::tempdir().unwrap(), limits, clock, Security::default()).await
    }

    /// In a data directory that is there already.
    pub async fn open_in(
        data: tempfile::TempDir,
        limits: IngestLimits,
        clock: Arc<TestClock>,
        security: Security,
    ) -> Self {
        let journal = Arc::new(TestJournal::default());
        let store: Arc<MemoryStore> = Arc::default();
        let epoch = store.take_ownership().await.unwrap();
        let (applied, receiver) = watch::channel(Offset(0));
        let tables = Tables { store: Arc::clone(&store), applied: receiver };
        let doors = Doors::open_in(data, Arc::clone(&journal) as _, limits, clock, security, tables).await;
        Self { journal, store, applied: Arc::new(applied), epoch, doors }
    }

    pub async fn write(&self, rows: Rows) {
        self.store.commit(&Commit { epoch: self.epoch, rows, ..Commit::default() }).await.unwrap();
    }

    /// Says that the tables have all that is durable.
    pub fn catch_up(&self) {
        self.applied.send_replace(self.journal.next_offset());
    }

    /// The doors close, as they do when the process ends, and open again on the same journal, tables and data directory.
    pub async fn restart(self, limits: IngestLimits) -> Self {
        let Self { journal, store, applied, epoch, doors } = self;
        let Doors { handle, stop, clock, data, .. } = doors;
        stop.cancel();
        handle.stopped().await;
        let tables = Tables { store: Arc::clone(&store), applied: applied.subscribe() };
        let doors = Doors::open_in(data, Arc::clone(&journal) as _, limits, clock, Security::default(), tables).await;
        Self { journal, store, applied, epoch, doors }
    }

    /// Every batch that is durable.
    pub fn batches(&self) -> Vec<Batch> {
        let batches = self.journal.records().into_iter().filter(|record| record.class == Class::Batch);
        batches.map(|record| Batch::decode(record.payload).unwrap()).collect()
    }

    /// Every status of a gateway that is durable: (online, firmware).
    pub fn statuses(&self) -> Vec<(bool, String)> {
        let controls = self.journal.records().into_iter().filter(|record| record.class == Class::Control);
        let actions = controls.map(|record| Control::decode(record.payload).unwrap().action);
        actions
            .filter_map(|action| match action {
                Some(control::Action::GatewayStatus(status)) => Some((status.online, status.firmware)),
                Some(control::Action::Refusals(_) | control::Action::MqttSessions(_)) => None,
                other => panic!("neither a status nor what the doors keep: {other:?}"),
            })
            .collect()
    }

    /// Plays intake: calls every admitted reading of every batch stored, and keeps the verdicts.
    pub fn judge_everything(&self) -> tokio::task::JoinHandle<()> {
        self.judge_from(self.journal.next_offset())
    }

    /// Also what is durable already.
    pub fn judge_from(&self, mut position: Offset) -> tokio::task::JoinHandle<()> {
        let (journal, store) = (Arc::clone(&self.journal), Arc::clone(&self.store));
        let (applied, epoch) = (Arc::clone(&self.applied), self.epoch);
        tokio::spawn(async move {
            loop {
                journal.wait_beyond(position).await;
                for record in journal.read(position, 1 << 20).await.unwrap() {
                    position = record.offset.next();
                    if record.class == Class::Batch {
                        let batch = Batch::decode(record.payload.clone()).unwrap();
                        let verdict = verdict_of(&batch, record.offset.0);
                        let told = verdict_record(&record.tenant, &verdict);
                        journal.append(vec![told], AppendOptions::default()).await;
                        let verdicts = vec![verdict_row(record.tenant, &batch, &verdict)];
                        let rows = Rows { verdicts, ..Rows::default() };
                        store.commit(&Commit { epoch, rows, ..Commit::default() }).await.unwrap();
                    }
                    applied.send_replace(position);
                }
            }
        })
    }
}

pub fn verdict_of(batch: &Batch, cause_offset: u64) -> Verdict {
    let quarantined = batch.quarantined.iter().map(|item| item.count).sum();
    Verdict {
        cause_offset,
        batch_id: batch.batch_id.clone(),
        stored: admitted(batch),
        quarantined,
        ..Verdict::default()
    }
}

fn verdict_row(tenant: TenantId, batch: &Batch, verdict: &Verdict) -> VerdictRow {
    VerdictRow {
        tenant,
        cause: Offset(verdict.cause_offset),
        gateway: GatewayId::parse(&batch.gateway).unwrap(),
        batch_id: batch.batch_id.clone(),
        at: JournalTime(NOW_MS),
        verdict: verdict.encode_to_vec(),
    }
}

fn verdict_record(tenant: &TenantId, verdict: &Verdict) -> NewRecord {
    let payload = Verdicts { verdicts: vec![verdict.clone()] }.encode_to_vec().into();
    NewRecord { class: Class::Verdict, tenant: tenant.clone(), key_id: 0, logic_version: 1, payload }
}

/// Readings of a batch that are not in quarantine.
pub fn admitted(batch: &Batch) -> u64 {
    let sections = batch.sections.iter().map(|section| DeviceReadings::decode(&section.readings[..]).unwrap());
    sections.flat_map(|readings| readings.series).map(|series| series.device_time_ms.len() as u64).sum()
}

/// A batch of one heart rate, told apart by `nth`.
pub fn batch_json(nth: usize) -> String {
    batch_json_of("watch-0001", nth)
}

pub fn batch_json_of(device: &str, nth: usize) -> String {
    let (minute, second) = (nth / 60 % 60, nth % 60);
    format!(
        r#"{{"batch_id": "b/{nth}", "readings": [{{"device": "{device}", "measure": "heart_rate", "time": "2026-03-01T10:{minute:02}:{second:02}Z", "value": 71, "unit": "/min"}}]}}"#
    )
}

/// Polls until it is so.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + SOON;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "not within {SOON:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
