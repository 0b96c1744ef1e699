//! How many records a second does the journal make durable when 256 share a sync, and what does a sync cost?
//! `cargo run -p painwatch-journal --example append_rate --release [DIR]`: the figure is that of the disk under DIR.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use painwatch_domain::{Clock, TenantId};
use painwatch_journal::file::{Disk, DiskFile, Guard, Options, OsDisk};
use painwatch_journal::{AppendOptions, Appended, Class, FileJournal, InlineJournal, Journal, NewRecord};

const PER_SYNC: usize = 256;
const PAYLOAD_BYTES: usize = 100;
const LASTS: Duration = Duration::from_secs(5);

struct OsClock(Instant);

impl Clock for OsClock {
    fn wall_ms(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
    }
    fn monotonic_ms(&self) -> i64 {
        self.0.elapsed().as_millis() as i64
    }
}

type Times = Arc<Mutex<Vec<Duration>>>;

#[derive(Debug)]
struct TimedDisk(OsDisk, Times);

#[derive(Debug)]
struct TimedFile(Arc<dyn DiskFile>, Times);

impl TimedDisk {
    fn timed(&self, file: io::Result<Arc<dyn DiskFile>>) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(TimedFile(file?, self.1.clone())))
    }
}

impl Disk for TimedDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        self.0.names()
    }
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.timed(self.0.open(name))
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.timed(self.0.create(name))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }
    fn sync_names(&self) -> io::Result<()> {
        self.0.sync_names()
    }
    fn lock(&self) -> io::Result<Option<Guard>> {
        self.0.lock()
    }
    fn shown(&self, name: &str) -> String {
        self.0.shown(name)
    }
}

impl DiskFile for TimedFile {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read_at(into, at)
    }
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_at(bytes, at)
    }
    fn sync(&self) -> io::Result<()> {
        let start = Instant::now();
        let result = self.0.sync();
        self.1.lock().unwrap().push(start.elapsed());
        result
    }
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
}

fn record() -> NewRecord {
    let payload = bytes::Bytes::from_static(&[0x5a; PAYLOAD_BYTES]);
    NewRecord { class: Class::Batch, tenant: TenantId::default(), key_id: 0, logic_version: 1, payload }
}

fn report(what: &str, records: usize, start: Instant, times: &Times) {
    let seconds = start.elapsed().as_secs_f64();
    let mut times = std::mem::take(&mut *times.lock().unwrap());
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_micros();
    let (rate, syncs) = (records as f64 / seconds, times.len() as f64 / seconds);
    println!("{what}: {rate:.0} records/s, {syncs:.0} syncs/s, fdatasync p50 {} us, p99 {} us", at(0.5), at(0.99));
}

fn exact_groups(disk: Arc<TimedDisk>, options: Options, times: &Times) {
    let journal = InlineJournal::open(disk, options).unwrap();
    times.lock().unwrap().clear();
    let (start, mut records) = (Instant::now(), 0);
    while start.elapsed() < LASTS {
        let group = (0..PER_SYNC).map(|_| (vec![record()], AppendOptions::default())).collect();
        let answers = journal.append_group(group);
        assert!(answers.iter().all(|answer| matches!(answer, Appended::Durable { .. })));
        records += PER_SYNC;
    }
    report("one caller, groups of 256", records, start, times);
}

async fn senders(journal: Arc<FileJournal>, times: &Times) {
    times.lock().unwrap().clear();
    let start = Instant::now();
    let tasks: Vec<_> = (0..PER_SYNC)
        .map(|_| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let mut records = 0;
                while start.elapsed() < LASTS {
                    let answer = journal.append(vec![record()], AppendOptions::default()).await;
                    assert!(matches!(answer, Appended::Durable { .. }));
                    records += 1;
                }
                records
            })
        })
        .collect();
    let mut records = 0;
    for task in tasks {
        records += task.await.unwrap();
    }
    report("256 senders, each waiting for its answer", records, start, times);
}

#[tokio::main]
async fn main() {
    let dir = std::env::args().nth(1).map_or_else(|| std::env::temp_dir().join("append_rate"), PathBuf::from);
    let times = Times::default();
    let disk = Arc::new(TimedDisk(OsDisk::new(&dir).unwrap(), times.clone()));
    let options = Options { tick_after_ms: None, ..Options::new(Arc::new(OsClock(Instant::now()))) };
    exact_groups(disk.clone(), options.clone(), &times);
    let journal = Arc::new(FileJournal::open_on(disk, options).unwrap());
    senders(journal.clone(), &times).await;

    let start = Instant::now();
    let (mut from, mut records) = (journal.oldest_offset(), 0);
    while let Some(last) = {
        let read = journal.read(from, 1 << 20).await.unwrap();
        records += read.len();
        read.last().map(|record| record.offset)
    } {
        from = last.next();
    }
    println!("read back: {:.0} records/s", records as f64 / start.elapsed().as_secs_f64());
    drop(journal);
    std::fs::remove_dir_all(dir).unwrap();
}
