//! What the tests share: a clock moved by hand, records, and one way to open and reopen each implementation.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures::executor::block_on;
use painwatch_domain::{Clock, Offset, TenantId};
use painwatch_journal::file::Options;
use painwatch_journal::{
    AppendOptions, Appended, Class, FileJournal, InlineJournal, Journal, MemoryJournal, NewRecord, Record, SimDisk,
};

#[derive(Debug, Default)]
pub struct HandClock {
    wall_ms: AtomicI64,
    monotonic_ms: AtomicI64,
}

impl HandClock {
    pub fn at(wall_ms: i64) -> Arc<Self> {
        Arc::new(Self { wall_ms: wall_ms.into(), monotonic_ms: 5.into() })
    }

    pub fn run(&self, ms: i64) {
        self.wall_ms.fetch_add(ms, Ordering::Relaxed);
        self.monotonic_ms.fetch_add(ms, Ordering::Relaxed);
    }

    pub fn step_wall(&self, ms: i64) {
        self.wall_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn wall_ms(&self) -> i64 {
        self.wall_ms.load(Ordering::Relaxed)
    }
    fn monotonic_ms(&self) -> i64 {
        self.monotonic_ms.load(Ordering::Relaxed)
    }
}

/// Small segments, so that a few records cross several; no ticks, so that offsets are the test's own.
pub fn options(clock: Arc<dyn Clock>) -> Options {
    Options {
        segment_bytes: 1 << 10,
        byte_limit: 1 << 20,
        reserve_bytes: 1 << 16,
        tick_after_ms: None,
        ..Options::new(clock)
    }
}

pub fn record(payload: impl AsRef<[u8]>) -> NewRecord {
    NewRecord {
        class: Class::Batch,
        tenant: TenantId::default(),
        key_id: 7,
        logic_version: 3,
        payload: bytes::Bytes::copy_from_slice(payload.as_ref()),
    }
}

pub fn put(journal: &dyn Journal, records: Vec<NewRecord>) -> Appended {
    block_on(journal.append(records, AppendOptions::default()))
}

pub fn put_one(journal: &dyn Journal, payload: impl AsRef<[u8]>) -> Offset {
    match put(journal, vec![record(payload)]) {
        Appended::Durable { first, .. } => first,
        other => panic!("not durable: {other:?}"),
    }
}

/// Everything kept, read in small pieces.
pub fn read_all(journal: &dyn Journal) -> Vec<Record> {
    let (mut from, mut all) = (journal.oldest_offset(), Vec::new());
    loop {
        let some = block_on(journal.read(from, 200)).expect("readable");
        let Some(last) = some.last() else { return all };
        from = last.offset.next();
        all.extend(some);
    }
}

pub fn same(record: &Record, new: &NewRecord) -> bool {
    record.class == new.class
        && record.tenant == new.tenant
        && record.key_id == new.key_id
        && record.logic_version == new.logic_version
        && record.payload == new.payload
}

/// One implementation, as the suite opens it.
pub trait Rig {
    type J: Journal + 'static;
    fn clock(&self) -> &HandClock;
    fn open(&mut self) -> Self::J;
    fn reopen(&mut self, journal: Self::J) -> Self::J;
}

pub struct OnFiles(tempfile::TempDir, Arc<HandClock>);

impl OnFiles {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), HandClock::at(1_000_000))
    }
}

impl Rig for OnFiles {
    type J = FileJournal;
    fn clock(&self) -> &HandClock {
        &self.1
    }
    fn open(&mut self) -> FileJournal {
        FileJournal::open(self.0.path(), options(self.1.clone())).unwrap()
    }
    fn reopen(&mut self, journal: FileJournal) -> FileJournal {
        drop(journal);
        self.open()
    }
}

pub struct OnSimDisk(pub SimDisk, pub Arc<HandClock>);

impl OnSimDisk {
    pub fn new() -> Self {
        Self(SimDisk::new(1), HandClock::at(1_000_000))
    }
}

impl Rig for OnSimDisk {
    type J = InlineJournal;
    fn clock(&self) -> &HandClock {
        &self.1
    }
    fn open(&mut self) -> InlineJournal {
        InlineJournal::open(Arc::new(self.0.clone()), options(self.1.clone())).unwrap()
    }
    fn reopen(&mut self, journal: InlineJournal) -> InlineJournal {
        drop(journal);
        self.open()
    }
}

pub struct InMemory(Arc<HandClock>);

impl InMemory {
    pub fn new() -> Self {
        Self(HandClock::at(1_000_000))
    }
}

impl Rig for InMemory {
    type J = MemoryJournal;
    fn clock(&self) -> &HandClock {
        &self.0
    }
    fn open(&mut self) -> MemoryJournal {
        let journal = MemoryJournal::new(1, self.0.clone());
        journal.set_limits(1 << 20, 1 << 16);
        journal
    }
    fn reopen(&mut self, journal: MemoryJournal) -> MemoryJournal {
        journal.restart();
        journal
    }
}
