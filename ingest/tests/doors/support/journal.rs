//! A journal in memory that answers when and what the test says.

use std::sync::{Mutex, MutexGuard};

use painwatch_domain::{JournalTime, Offset};
use painwatch_journal::{AppendOptions, Appended, Journal, JournalError, NewRecord, Record, Refusal};
use tokio::sync::{oneshot, watch};

type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the journal does with an append.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Durable,
    /// Keeps it waiting until the test releases it.
    Held,
    Full,
    /// Writes it and says that it does not know.
    UnknownButWritten,
    Closed,
}

/// About what a record takes beside its payload.
const RECORD_BYTES: usize = 256;

#[derive(Debug)]
struct Held {
    records: Vec<NewRecord>,
    answer: oneshot::Sender<Appended>,
}

#[derive(Debug, Default)]
struct State {
    mode: Mode,
    records: Vec<Record>,
    held: Vec<Held>,
}

#[derive(Debug)]
pub struct TestJournal {
    state: Mutex<State>,
    next: watch::Sender<u64>,
}

impl Default for TestJournal {
    fn default() -> Self {
        Self { state: Mutex::default(), next: watch::Sender::new(0) }
    }
}

impl TestJournal {
    pub fn set(&self, mode: Mode) {
        self.lock().mode = mode;
    }

    pub fn records(&self) -> Vec<Record> {
        self.lock().records.clone()
    }

    /// Bytes of all payloads that were written.
    pub fn bytes(&self) -> usize {
        self.lock().records.iter().map(|record| record.payload.len() + RECORD_BYTES).sum()
    }

    /// How many appends wait.
    pub fn held(&self) -> usize {
        self.lock().held.len()
    }

    /// Makes the nth waiting append durable.
    pub fn release(&self, nth: usize) {
        let mut state = self.lock();
        let held = state.held.remove(nth);
        let appended = self.write(&mut state, held.records);
        // The connection may be gone: the record stays.
        let _ = held.answer.send(appended);
    }

    fn write(&self, state: &mut State, records: Vec<NewRecord>) -> Appended {
        let first = Offset(state.records.len() as u64);
        for record in records {
            let offset = Offset(state.records.len() as u64);
            state.records.push(Record {
                offset,
                journal_time: JournalTime(0),
                class: record.class,
                tenant: record.tenant,
                key_id: record.key_id,
                logic_version: record.logic_version,
                payload: record.payload,
            });
        }
        self.next.send_replace(state.records.len() as u64);
        Appended::Durable { first, journal_time: JournalTime(0) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Journal for TestJournal {
    fn append(&self, records: Vec<NewRecord>, options: AppendOptions) -> BoxFuture<'_, Appended> {
        Box::pin(async move {
            let waiting = {
                let mut state = self.lock();
                match state.mode {
                    Mode::Full if !options.reserved => return Appended::Refused(Refusal::Full),
                    Mode::Durable | Mode::Full => return self.write(&mut state, records),
                    Mode::Closed => return Appended::Refused(Refusal::Closed),
                    Mode::UnknownButWritten => {
                        self.write(&mut state, records);
                        return Appended::Unknown;
                    }
                    Mode::Held => {
                        let (answer, waiting) = oneshot::channel();
                        state.held.push(Held { records, answer });
                        waiting
                    }
                }
            };
            waiting.await.unwrap_or(Appended::Unknown)
        })
    }

    fn read(&self, from: Offset, _max_bytes: usize) -> BoxFuture<'_, Result<Vec<Record>, JournalError>> {
        let records = self.lock().records.iter().skip(from.0 as usize).cloned().collect();
        Box::pin(std::future::ready(Ok(records)))
    }

    fn next_offset(&self) -> Offset {
        Offset(*self.next.borrow())
    }

    fn oldest_offset(&self) -> Offset {
        Offset(0)
    }

    fn last_journal_time(&self) -> JournalTime {
        JournalTime(0)
    }

    fn wait_beyond(&self, beyond: Offset) -> BoxFuture<'_, ()> {
        let mut next = self.next.subscribe();
        Box::pin(async move {
            next.wait_for(|next| *next > beyond.0).await.unwrap();
        })
    }

    fn trim(&self, _before: Offset) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
