//! A journal whose time the test decides.

use std::sync::Mutex;

use painwatch_domain::{JournalTime, Offset};
use painwatch_journal::{AppendOptions, Appended, Journal, JournalError, NewRecord, Record};
use tokio::sync::watch;

type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[derive(Debug)]
pub struct TimedJournal {
    inner: Mutex<Inner>,
    next: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    records: Vec<Record>,
    now: JournalTime,
    /// The next appends are written, but their answer is lost.
    lose_answers: u32,
}

impl TimedJournal {
    pub fn new() -> Self {
        let inner = Inner { records: Vec::new(), now: JournalTime(1_767_225_600_000), lose_answers: 0 };
        Self { inner: Mutex::new(inner), next: watch::Sender::new(0) }
    }

    pub fn advance(&self, ms: i64) {
        let mut inner = self.inner.lock().unwrap();
        inner.now = inner.now.plus(ms);
    }

    pub fn lose_answers(&self, count: u32) {
        self.inner.lock().unwrap().lose_answers = count;
    }

    fn write(&self, records: Vec<NewRecord>) -> Appended {
        let mut inner = self.inner.lock().unwrap();
        let first = Offset(inner.records.len() as u64);
        let journal_time = inner.now;
        for new in records {
            let offset = Offset(inner.records.len() as u64);
            let NewRecord { class, tenant, key_id, logic_version, payload } = new;
            inner.records.push(Record { offset, journal_time, class, tenant, key_id, logic_version, payload });
        }
        self.next.send_replace(inner.records.len() as u64);
        if inner.lose_answers > 0 {
            inner.lose_answers -= 1;
            return Appended::Unknown;
        }
        Appended::Durable { first, journal_time }
    }
}

impl Journal for TimedJournal {
    fn append(&self, records: Vec<NewRecord>, _: AppendOptions) -> BoxFuture<'_, Appended> {
        Box::pin(async { self.write(records) })
    }

    fn read(&self, from: Offset, _: usize) -> BoxFuture<'_, Result<Vec<Record>, JournalError>> {
        // Few at a time, so that a restart meets many positions.
        let inner = self.inner.lock().unwrap();
        let some = inner.records.iter().skip(from.0 as usize).take(3).cloned().collect();
        Box::pin(async { Ok(some) })
    }

    fn next_offset(&self) -> Offset {
        Offset(*self.next.borrow())
    }

    fn oldest_offset(&self) -> Offset {
        Offset(0)
    }

    fn last_journal_time(&self) -> JournalTime {
        self.inner.lock().unwrap().records.last().map_or(JournalTime::MIN, |record| record.journal_time)
    }

    fn wait_beyond(&self, beyond: Offset) -> BoxFuture<'_, ()> {
        let mut next = self.next.subscribe();
        Box::pin(async move {
            let _ = next.wait_for(|next| *next > beyond.0).await;
        })
    }

    fn trim(&self, _: Offset) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async { Ok(()) })
    }
}
