//! Months of recorded and of simulated people through the engine that production runs: as they came; and late, twice, in
//! another order and in other batches (semantics 10); and with crashes in between (semantics 20).
//! `cargo xtask soak months` takes more people for longer.

use std::sync::Arc;

use painwatch_domain::time::{DAY_MS, MINUTE_MS};
use painwatch_domain::{DeviceId, Hash128, LocalDay, TenantId};
use painwatch_evidence::burden::{self, as_a_patient};
use painwatch_evidence::journal::{self, Journal, SETTLES_MS};
use painwatch_evidence::{frozen, trial};
use painwatch_gateway::outgoing::Step;
use painwatch_gateway::roster::RosterDraft;
use painwatch_gateway::simulate::cohort::{Cohort, CohortOptions};
use painwatch_journal::{Class, Record};
use painwatch_processor::{Engine, Output};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::{Entry, decode_series, encode_series};
use painwatch_store::{Applied, Commit, Consumer, MemoryStore, Store, canonical_hash};
use prost::Message as _;

#[path = "../../../processor/tests/it/history.rs"]
mod history;
#[path = "../../../src/roster.rs"]
mod roster;
#[path = "../../../processor/tests/it/seed.rs"]
mod seed;

use seed::Seed;

/// Days of each person, in CI and where more people are asked for.
const DAYS: i64 = 21;
const SOAK_DAYS: i64 = 120;
/// Longest delay of anything: within the horizon of 35 days.
const LATE_MAX_MS: i64 = 25 * DAY_MS;

fn soak_people() -> Option<usize> {
    std::env::var("PAINWATCH_MONTHS").ok()?.parse().ok()
}

fn days() -> i64 {
    if soak_people().is_some() { SOAK_DAYS } else { DAYS }
}

/// A part of a series, when it arrives and what it came in.
#[derive(Clone)]
struct Part {
    at: i64,
    gateway: String,
    historical: bool,
    entry: Entry,
}

fn parts(journal: &Journal) -> Vec<Part> {
    let mut parts = Vec::new();
    for record in journal.records.iter().filter(|record| record.class == Class::Batch) {
        let batch = pb::Batch::decode(&*record.payload).unwrap();
        for section in &batch.sections {
            let readings = pb::DeviceReadings::decode(&*section.readings).unwrap();
            for entry in decode_series(&DeviceId::parse(&section.device).unwrap(), &readings).unwrap() {
                let (gateway, historical) = (batch.gateway.clone(), batch.historical);
                parts.push(Part { at: record.journal_time.0, gateway, historical, entry });
            }
        }
    }
    parts
}

/// The same readings late, twice, cut otherwise and in other batches, with the same beginning and the same end.
fn in_another_way(journal: &Journal, seed: &mut Seed) -> Vec<Record> {
    let end = journal.records.last().map_or(0, |record| record.journal_time.0);
    let mut sent = Vec::new();
    for part in parts(journal) {
        let latest = (part.at + LATE_MAX_MS).min(end - SETTLES_MS);
        let at = |seed: &mut Seed| if seed.chance(30) { seed.between(part.at, latest + 1) } else { part.at };
        if seed.chance(5) {
            sent.push(Part { at: seed.between(part.at, latest + 1), ..part.clone() });
        }
        let samples = part.entry.series.samples.len();
        let cut = if samples > 1 && seed.chance(50) { seed.between(1, samples as i64) as usize } else { samples };
        let mut entry = part.entry.clone();
        let rest = entry.series.samples.split_off(cut);
        entry.positions.clear();
        if !rest.is_empty() {
            let mut later = entry.clone();
            later.series.samples = rest;
            sent.push(Part { at: at(seed), entry: later, ..part.clone() });
        }
        sent.push(Part { at: at(seed), entry, ..part.clone() });
    }
    seed.shuffle(&mut sent);
    sent.sort_by_key(|part| part.at);
    let width = seed.pick(&[1_000, 30 * MINUTE_MS, 7 * 60 * MINUTE_MS]);
    let (begin, last) =
        (|record: &&Record| record.class == Class::Control, |record: &&Record| record.class == Class::Tick);
    let mut other = Journal::default();
    let controls = journal.records.iter().filter(begin);
    controls.for_each(|record| other.push(record.journal_time.0, record.class, record.payload.to_vec()));
    let mut batch: Vec<Part> = Vec::new();
    for part in sent {
        let full = batch.first().is_some_and(|first| {
            part.at - first.at > width || (&part.gateway, part.historical) != (&first.gateway, first.historical)
        });
        if full {
            send(&mut other, &mut batch);
        }
        batch.push(part);
    }
    send(&mut other, &mut batch);
    let ticks = journal.records.iter().filter(last);
    ticks.for_each(|record| other.push(record.journal_time.0, record.class, Vec::new()));
    other.records
}

fn send(journal: &mut Journal, parts: &mut Vec<Part>) {
    let Some(last) = parts.last().cloned() else { return };
    let section = |(index, part): (usize, Part)| {
        let Entry { series, .. } = part.entry;
        let positions = if series.samples.len() > 1 { (0..series.samples.len() as u32).collect() } else { Vec::new() };
        let device = series.device.to_string();
        let readings = encode_series(&[Entry { index: index as u32, series, positions }]);
        pb::DeviceSection { device, readings: readings.encode_to_vec().into() }
    };
    let batch = pb::Batch {
        gateway: last.gateway,
        batch_id: format!("other/{}", journal.records.len()),
        received_at_ms: last.at,
        historical: last.historical,
        protocol: "test".to_owned(),
        sections: parts.drain(..).enumerate().map(section).collect(),
        ..Default::default()
    };
    journal.push(last.at, Class::Batch, batch.encode_to_vec());
}

/// An engine over a store in memory, and what it said of each record.
struct Life {
    store: Arc<MemoryStore>,
    engine: Engine,
    epoch: u64,
}

impl Life {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let epoch = store.take_ownership().await.unwrap();
        let engine = open(&store).await;
        Self { store, engine, epoch }
    }

    /// What it says of a record; its rows are kept unless they are already.
    async fn hear(&mut self, record: &Record, is_known: bool) -> Hash128 {
        let output = self.engine.apply(record).await.unwrap();
        let said = said(&output);
        if !is_known {
            let journal_time = record.journal_time;
            let applied = Some((Consumer::Processor, Applied { next: self.engine.next(), journal_time }));
            let commit = Commit { epoch: self.epoch, applied, rows: output.rows, blobs: Vec::new() };
            self.store.commit(&commit).await.unwrap();
        }
        said
    }

    async fn checkpoint(&mut self) {
        let blobs = self.engine.checkpoint();
        self.store.commit(&Commit { epoch: self.epoch, blobs, ..Commit::default() }).await.unwrap();
        self.engine.settle(0);
    }
}

async fn open(store: &Arc<MemoryStore>) -> Engine {
    Engine::open(Arc::clone(store) as Arc<dyn Store>, roster::parse).await.unwrap()
}

fn said(output: &Output) -> Hash128 {
    Hash128::of(&[format!("{:?}\n{:?}\n{:?}", output.findings, output.verdict, output.rows).as_bytes()])
}

/// Lives through all records; what was said of each.
async fn lived(records: &[Record]) -> (Life, Vec<Hash128>) {
    let (mut life, mut said) = (Life::new().await, Vec::new());
    for (nth, record) in records.iter().enumerate() {
        said.push(life.hear(record, false).await);
        if nth % 200 == 199 {
            life.checkpoint().await;
        }
    }
    (life, said)
}

/// Lives through all records with checkpoints and crashes, after each of which what was said before is said again.
async fn lived_with_crashes(records: &[Record], said: &[Hash128], seed: &mut Seed, name: &str) -> Life {
    let (mut life, mut reached, mut crashes) = (Life::new().await, 0, 0);
    while reached < records.len() {
        let at = life.engine.next().0 as usize;
        let again = life.hear(&records[at], at < reached).await;
        assert_eq!(again, said[at], "{name}: record {at} says something else after {crashes} crashes");
        reached = reached.max(at + 1);
        if seed.chance(2) {
            life.checkpoint().await;
        }
        if seed.between(0, 400) == 0 {
            life.engine = open(&life.store).await;
            crashes += 1;
        }
    }
    assert!(crashes > 0 || records.len() < 2_000, "{name}: nothing crashed");
    life
}

async fn same_history(name: &str, one: &Life, other: &Life) {
    let tenant = TenantId::default();
    let hash = async |life: &Life| canonical_hash(&*life.store, &tenant).await.unwrap();
    if hash(one).await != hash(other).await {
        let (one, other) = (history::canonical(&one.store).await, history::canonical(&other.store).await);
        panic!("{name}: {}", history::difference(&one, &other).unwrap_or_default());
    }
    assert_eq!((one.engine.coverage_defects(), other.engine.coverage_defects()), (0, 0), "{name}");
    let (books, counts) =
        (other.store.books(tenant.clone()).await.unwrap(), other.store.counts(tenant.clone()).await.unwrap());
    assert_eq!((books.stored, books.conflict), (counts.versions, counts.conflicts), "{name}");
}

fn check(name: &str, draft: RosterDraft, steps: &[Step]) {
    let Some(first) = steps.first().map(|step| step.clock_ms) else { return };
    let steps: Vec<Step> = steps.iter().take_while(|step| step.clock_ms < first + days() * DAY_MS).cloned().collect();
    let journal = journal::of(draft, &steps).unwrap();
    let mut seed =
        Seed::new(frozen::seed(7) ^ u64::from_le_bytes(Hash128::of(&[name.as_bytes()]).0[..8].try_into().unwrap()));
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let (plain, _) = lived(&journal.records).await;
        let other = in_another_way(&journal, &mut seed);
        let (late, said) = lived(&other).await;
        same_history(name, &plain, &late).await;
        let crashed = lived_with_crashes(&other, &said, &mut seed, name).await;
        same_history(name, &plain, &crashed).await;
        let tenant = TenantId::default();
        let (episodes, books) =
            (plain.store.episodes(tenant.clone()).await.unwrap(), plain.store.books(tenant).await.unwrap());
        println!("{name}: {} records, {} readings, {} episodes", other.len(), books.stored, episodes.len());
        assert!(books.stored > 100, "{name}");
    });
}

#[test]
fn semantics_10_20_months_of_simulated_people_end_in_one_history_however_they_arrive() {
    let people = soak_people().unwrap_or(1);
    let cohort = Cohort::new(&CohortOptions {
        seed: frozen::seed(6),
        people: people as u32,
        start: LocalDay(20_500),
        days: days() as u32,
        zone: "Europe/Paris".to_owned(),
        care_team: "evidence".to_owned(),
    });
    let nth = |nth: usize| format!("simulated {nth}");
    let cohort = cohort.unwrap();
    let all: Vec<_> = cohort.people().iter().enumerate().collect();
    trial::in_parallel(&all, |(number, person)| {
        let story = person.story();
        check(&nth(*number), story.roster, &story.steps);
        Ok(())
    })
    .unwrap();
}

#[test]
fn semantics_10_20_months_of_recorded_people_end_in_one_history_however_they_arrive() {
    let Some(folder) = burden::recordings() else {
        println!("skipped: no recordings");
        return;
    };
    let sets = if soak_people().is_some() { &burden::SETS[..] } else { &burden::SETS[2..3] };
    for set in sets {
        let subjects = burden::subjects(&folder, *set).unwrap();
        let some = &subjects[..soak_people().unwrap_or(1).min(subjects.len())];
        trial::in_parallel(some, |subject| {
            let (draft, steps) = as_a_patient(subject);
            check(&format!("{} {}", set.0, draft.patient[0].id), draft.clone(), &steps);
            Ok(())
        })
        .unwrap();
    }
}
