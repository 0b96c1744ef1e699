//! A house with its doors open, and what tests need to knock at them.

pub mod journal;
pub mod raw;
pub mod secure;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use painwatch_access::Access;
use painwatch_access::tls::Security;
use painwatch_domain::{Clock, Roster};
use painwatch_ingest::{Deps, IngestConfig, IngestHandle, IngestLimits, serve};
use painwatch_journal::{AppendOptions, Class, Journal, NewRecord};
use painwatch_proto::journal::v1::{Batch, Control, DeviceReadings, Verdict, Verdicts, control};
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

/// Open doors on any journal.
pub struct Doors {
    pub handle: IngestHandle,
    pub token: String,
    pub stop: CancellationToken,
    pub roster: watch::Sender<Arc<Roster>>,
    pub access: Arc<Access>,
    pub clock: Arc<TestClock>,
    pub data: tempfile::TempDir,
}

impl Doors {
    pub async fn open(journal: Arc<dyn Journal>, limits: IngestLimits) -> Self {
        Self::open_in(
            tempfile::tempdir().unwrap(),
            journal,
            limits,
            Arc::new(TestClock::at(NOW_MS)),
            Security::default(),
        )
        .await
    }

    /// In a data directory that is there already.
    pub async fn open_in(
        data: tempfile::TempDir,
        journal: Arc<dyn Journal>,
        limits: IngestLimits,
        clock: Arc<TestClock>,
        security: Security,
    ) -> Self {
        let access = Arc::new(Access::open(data.path()).unwrap());
        let table: toml::Table = std::fs::read_to_string(access.credentials_path()).unwrap().parse().unwrap();
        let token = table["gateway"]["token"].as_str().unwrap().to_owned();
        let (roster, in_force) = watch::channel(Arc::new(Roster::default()));
        let any = Some("127.0.0.1:0".parse().unwrap());
        let config = IngestConfig { mqtt_listen: any, grpc_listen: any, broker: None, limits, security };
        let now: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let clocks = watch::channel(Arc::default()).1;
        let deps = Deps { journal, access: Arc::clone(&access), clock: now, roster: in_force, clocks };
        let stop = CancellationToken::new();
        let handle = serve(config, deps, stop.clone()).await.unwrap();
        Self { handle, token, stop, roster, access, clock, data }
    }

    pub fn mqtt_port(&self) -> u16 {
        self.handle.mqtt_addr.unwrap().port()
    }
}

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(TestClock::at(NOW_MS))
}

/// Open doors on a journal that does as it is told.
pub struct House {
    pub journal: Arc<TestJournal>,
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
        let journal = Arc::new(TestJournal::default());
        let doors = Doors::open(Arc::clone(&journal) as Arc<dyn Journal>, limits).await;
        Self { journal, doors }
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
            .map(|action| match action {
                Some(control::Action::GatewayStatus(status)) => (status.online, status.firmware),
                other => panic!("not a status: {other:?}"),
            })
            .collect()
    }

    /// Plays intake: calls every admitted reading of every batch stored.
    pub fn judge_everything(&self) -> tokio::task::JoinHandle<()> {
        let journal = Arc::clone(&self.journal);
        tokio::spawn(async move {
            let mut position = journal.next_offset();
            loop {
                journal.wait_beyond(position).await;
                for record in journal.read(position, 1 << 20).await.unwrap() {
                    position = record.offset.next();
                    if record.class == Class::Batch {
                        let batch = Batch::decode(record.payload.clone()).unwrap();
                        let verdict = verdict_record(&batch, record.offset.0);
                        journal.append(vec![verdict], AppendOptions::default()).await;
                    }
                }
            }
        })
    }
}

fn verdict_record(batch: &Batch, cause_offset: u64) -> NewRecord {
    let quarantined = batch.quarantined.iter().map(|item| item.count).sum();
    let verdict = Verdict {
        cause_offset,
        batch_id: batch.batch_id.clone(),
        stored: admitted(batch),
        quarantined,
        ..Verdict::default()
    };
    let payload = Verdicts { verdicts: vec![verdict] }.encode_to_vec().into();
    NewRecord { class: Class::Verdict, tenant: Default::default(), key_id: 0, logic_version: 1, payload }
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
