//! The whole loop over a journal that loses acknowledgements: three watermarks, nothing twice (semantics 20, 21, 23).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use painwatch_domain::time::DAY_MS;
use painwatch_domain::{Clock, Measure, Offset, TenantId};
use painwatch_journal::memory::Fate;
use painwatch_journal::{AppendOptions, Appended, Class, Journal as _, MemoryJournal, NewRecord, Record};
use painwatch_processor::{Config, Deps, run};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::encode_finding;
use painwatch_store::{MemoryStore, Store};
use prost::Message as _;
use tokio::sync::watch;

use crate::clinic;
use crate::history;
use crate::rig::{Journal, Rig, Sent};
use crate::seed::Seed;
use crate::world::world;

/// Journal time is what the hand-written journal says.
#[derive(Debug)]
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn wall_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

const CONFIG: Config = Config { block_cache_bytes: 0, checkpoint_ms: 3_600_000 };
/// 2026-03-01T00:00:00Z.
const DAY: i64 = 1_772_323_200_000;

struct Service {
    journal: Arc<MemoryJournal>,
    store: Arc<dyn Store>,
    clock: Arc<HandClock>,
    crashes: u32,
}

impl Service {
    fn new(store: Arc<dyn Store>, start: i64) -> Self {
        let clock = Arc::new(HandClock(AtomicI64::new(start)));
        Self {
            journal: Arc::new(MemoryJournal::new(1, Arc::clone(&clock) as Arc<dyn Clock>)),
            store,
            clock,
            crashes: 0,
        }
    }

    async fn append(&self, record: &Record) {
        self.clock.0.store(record.journal_time.0, Ordering::Relaxed);
        let record = NewRecord {
            class: record.class,
            tenant: record.tenant.clone(),
            key_id: 0,
            logic_version: 1,
            payload: record.payload.clone(),
        };
        let appended = self.journal.append(vec![record], AppendOptions::default()).await;
        assert!(matches!(appended, Appended::Durable { .. }));
    }

    async fn deps(&self) -> Deps {
        Deps {
            journal: Arc::clone(&self.journal) as _,
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock) as _,
            epoch: self.store.take_ownership().await.unwrap(),
            parse_roster: clinic::parse,
        }
    }

    /// Runs until everything is applied, again after every crash; stopped in an orderly way only when asked.
    async fn catch_up(&mut self, orderly: bool) {
        loop {
            let (stop, stopped) = watch::channel(false);
            let (mut handle, mut task) = run(self.deps().await, CONFIG, stopped).await.unwrap();
            let journal = Arc::clone(&self.journal);
            let done = async {
                while *handle.applied.borrow() < journal.next_offset() {
                    handle.applied.changed().await.ok();
                }
            };
            tokio::select! {
                biased;
                ended = &mut task => {
                    assert!(ended.unwrap().is_err(), "it ends by itself only when it must recover");
                    self.crashes += 1;
                }
                () = done => {
                    if orderly {
                        stop.send_replace(true);
                        task.await.unwrap().unwrap();
                    } else {
                        task.abort();
                    }
                    return;
                }
            }
        }
    }
}

/// Feeds a world's journal in pieces, with lost acknowledgements and restarts between.
async fn troubled(store: Arc<dyn Store>, seed: u64) -> Service {
    let world = world(seed);
    let mut chance = Seed::new(seed ^ 0x5eed);
    let mut service = Service::new(store, world.start);
    for piece in world.in_order().records.chunks(97) {
        for record in piece {
            service.append(record).await;
        }
        if chance.chance(60) {
            service.journal.next_fates([Fate::LoseAck { written: chance.between(0, 40) as usize }]);
        }
        let orderly = chance.chance(30);
        service.catch_up(orderly).await;
    }
    service
}

async fn recorded(service: &Service) -> Vec<Record> {
    let (mut records, mut at) = (Vec::new(), Offset(0));
    while at < service.journal.next_offset() {
        let read = service.journal.read(at, 1 << 20).await.unwrap();
        at = read.last().unwrap().offset.next();
        records.extend(read);
    }
    records
}

/// One finding record and one verdict a cause, and exactly those that a replay of the inputs derives.
async fn nothing_is_said_twice_and_a_replay_says_the_same(service: &Service) {
    let (mut findings, mut verdicts) = (BTreeMap::new(), BTreeMap::new());
    let records = recorded(service).await;
    for record in &records {
        match record.class {
            Class::Finding => {
                let message = pb::Findings::decode(record.payload.clone()).unwrap();
                assert!(
                    findings.insert(message.cause_offset, message.findings).is_none(),
                    "findings of one cause twice"
                );
            }
            Class::Verdict => {
                for verdict in pb::Verdicts::decode(record.payload.clone()).unwrap().verdicts {
                    assert!(verdicts.insert(verdict.cause_offset, verdict).is_none(), "one verdict twice");
                }
            }
            _ => {}
        }
    }
    let mut replay = Rig::new().await;
    for record in &records {
        let before = replay.findings.len();
        replay.apply(record).await;
        let again: Vec<_> = replay.findings[before..].iter().map(encode_finding).collect();
        assert_eq!(findings.remove(&record.offset.0).unwrap_or_default(), again, "findings of {}", record.offset);
    }
    assert!(findings.is_empty());
    assert_eq!(verdicts.len(), replay.verdicts.len());
}

#[tokio::test]
async fn very_many_conflicts_in_one_submission_do_not_end_the_processor() {
    let mut journal = Journal::default();
    for bpm in [70.0, 75.0] {
        let days = [DAY - 2 * DAY_MS, DAY - DAY_MS].map(|from| {
            let samples = (0..86_400).map(|second| (from + second * 1_000, bpm));
            Sent::numbers("watch", Measure::HeartRate, samples)
        });
        journal.batch(DAY, &days);
    }
    let mut service = Service::new(Arc::new(MemoryStore::default()), DAY);
    for record in &journal.records {
        service.append(record).await;
    }
    tokio::time::timeout(Duration::from_secs(120), service.catch_up(true)).await.expect("it goes on");
    assert_eq!(service.crashes, 0);
    let told = recorded(&service).await.into_iter().rfind(|record| record.class == Class::Verdict).unwrap();
    let verdict = pb::Verdicts::decode(told.payload).unwrap().verdicts.pop().unwrap();
    assert_eq!((verdict.conflict, verdict.problems.len()), (172_800, 1_001));
}

#[tokio::test]
async fn a_clinic_is_told_to_the_doors_as_soon_as_it_sends_roster_or_not() {
    let (mut journal, north) = (Journal::default(), TenantId::parse("north").unwrap());
    journal.batch_of(north.clone(), DAY, &[Sent::numbers("watch", Measure::HeartRate, [(DAY, 70.0)])]);
    let service = Service::new(Arc::new(MemoryStore::default()), DAY);
    let (_stop, stopped) = watch::channel(false);
    let (mut handle, task) = run(service.deps().await, CONFIG, stopped).await.unwrap();
    service.append(&journal.records[0]).await;
    let told = handle.rosters.wait_for(|rosters| rosters.tenants().any(|tenant| *tenant == north));
    tokio::time::timeout(Duration::from_secs(10), told).await.expect("it is told").unwrap();
    task.abort();
}

#[tokio::test]
async fn semantics_20_a_crash_between_findings_and_rows_says_nothing_twice() {
    let mut crashes = 0;
    for seed in 0..6 {
        let store = Arc::new(MemoryStore::new());
        let service = troubled(Arc::clone(&store) as _, seed).await;
        nothing_is_said_twice_and_a_replay_says_the_same(&service).await;
        let mut replay = Rig::new().await;
        for record in &recorded(&service).await {
            replay.apply(record).await;
        }
        let (stored, again) = (history::canonical(&store).await, history::canonical(&replay.store).await);
        assert_eq!(history::difference(&stored, &again), None, "seed {seed}");
        crashes += service.crashes;
    }
    assert!(crashes > 6, "only {crashes} crashes: the test tests nothing");
}

#[tokio::test]
async fn semantics_23_a_database_ends_with_the_history_that_a_replay_derives() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("painwatch.db").display());
    let store = painwatch_store::open(&url, &dir.path().join("lake")).await.unwrap();
    let service = troubled(Arc::clone(&store), 3).await;
    nothing_is_said_twice_and_a_replay_says_the_same(&service).await;
    let mut replay = Rig::new().await;
    for record in &recorded(&service).await {
        replay.apply(record).await;
    }
    let tenant = painwatch_domain::TenantId::default();
    let hash = async |store: &dyn Store| painwatch_store::canonical_hash(store, &tenant).await.unwrap();
    assert_eq!(hash(&*store).await, hash(&*replay.store).await);
    let (books, counts) = (store.books(tenant.clone()).await.unwrap(), store.counts(tenant).await.unwrap());
    assert_eq!((books.stored, books.conflict), (counts.versions, counts.conflicts));
}
