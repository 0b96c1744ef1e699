//! A journal in memory that is as unkind as the trait allows: it loses acknowledgements, writes only part of what it
//! answers `Unknown` to, refuses, and delays. Deterministic by its seed: no threads, no time of its own.
//!
//! Never: a record read back that is not durable, out of order, or changed. Those the trait forbids.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use painwatch_domain::{Clock, JournalTime, Offset};
use tokio::sync::{oneshot, watch};

use crate::record::{MAX_PAYLOAD_BYTES, NewRecord, Record};
use crate::seed::Seed;
use crate::timekeeper::Timekeeper;
use crate::{AppendOptions, Appended, BoxFuture, Journal, JournalError, Refusal, own};

/// What the header of a record counts as against the byte limit.
const HEADER_BYTES: u64 = 44;

/// What happens to one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Kind,
    /// Answered `Unknown`; so many of its records, from the first, are there.
    LoseAck {
        written: usize,
    },
    Refuse(Refusal),
    /// Neither durable nor answered until [`MemoryJournal::release`]; appends behind it wait too.
    Delay,
}

/// How often an append whose fate was not set is treated badly, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mood {
    pub lose_ack_per_mille: u32,
    pub refuse_per_mille: u32,
    pub delay_per_mille: u32,
}

pub struct MemoryJournal {
    inner: Mutex<Inner>,
    clock: Arc<dyn Clock>,
    grown: watch::Sender<Offset>,
}

struct Inner {
    records: VecDeque<Record>,
    oldest: Offset,
    last: JournalTime,
    used_bytes: u64,
    byte_limit: u64,
    reserve_bytes: u64,
    closed: bool,
    time: Timekeeper,
    seed: Seed,
    mood: Mood,
    script: VecDeque<Fate>,
    delayed: VecDeque<Delayed>,
}

struct Delayed {
    records: Vec<NewRecord>,
    options: AppendOptions,
    reply: oneshot::Sender<Appended>,
}

impl MemoryJournal {
    /// A kind one; [`MemoryJournal::set_mood`] and [`MemoryJournal::next_fates`] change that.
    pub fn new(seed: u64, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            records: VecDeque::new(),
            oldest: Offset(0),
            last: JournalTime::MIN,
            used_bytes: 0,
            byte_limit: u64::MAX,
            reserve_bytes: 0,
            closed: false,
            time: Timekeeper::start(&*clock, JournalTime::MIN),
            seed: Seed::new(seed),
            mood: Mood::default(),
            script: VecDeque::new(),
            delayed: VecDeque::new(),
        };
        Self { inner: Mutex::new(inner), clock, grown: watch::Sender::new(Offset(0)) }
    }

    pub fn set_mood(&self, mood: Mood) {
        self.inner().mood = mood;
    }

    /// Fates of the next appends, in order, before the mood decides again.
    pub fn next_fates(&self, fates: impl IntoIterator<Item = Fate>) {
        self.inner().script.extend(fates);
    }

    pub fn set_limits(&self, byte_limit: u64, reserve_bytes: u64) {
        let mut inner = self.inner();
        inner.byte_limit = byte_limit;
        inner.reserve_bytes = reserve_bytes;
    }

    /// Every append from now on is refused, as after a failed sync.
    pub fn close(&self) {
        self.inner().closed = true;
    }

    /// Commits and answers all delayed appends, in order.
    pub fn release(&self) {
        let mut inner = self.inner();
        while let Some(Delayed { records, options, reply }) = inner.delayed.pop_front() {
            let answer = inner.append(&*self.clock, records, options);
            // The append stands whether or not anyone still waits for the answer.
            let _ = reply.send(answer);
        }
        self.publish(inner);
    }

    /// The process ended and started again, with the clock as it is now: delayed appends are gone (their senders are
    /// answered `Unknown`), durable records are not, and a gap is recorded.
    pub fn restart(&self) {
        let mut inner = self.inner();
        inner.delayed.clear();
        inner.closed = false;
        inner.time = Timekeeper::start(&*self.clock, inner.last);
        if inner.next() > Offset(0) {
            let from = inner.last;
            let (now, _) = inner.time.now(&*self.clock);
            inner.write(now, vec![own::gap(from, now)]);
        }
        self.publish(inner);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, inner: MutexGuard<'_, Inner>) {
        let next = inner.next();
        drop(inner);
        self.grown.send_if_modified(|known| std::mem::replace(known, next) != next);
    }
}

impl Inner {
    fn next(&self) -> Offset {
        Offset(self.oldest.0 + self.records.len() as u64)
    }

    fn decide(&mut self, records: usize) -> Fate {
        if !self.delayed.is_empty() {
            return Fate::Delay;
        }
        if let Some(fate) = self.script.pop_front() {
            return fate;
        }
        let Mood { lose_ack_per_mille, refuse_per_mille, delay_per_mille } = self.mood;
        let draw = self.seed.below(1_000) as u32;
        if draw < lose_ack_per_mille {
            Fate::LoseAck { written: self.seed.below(records as u64 + 1) as usize }
        } else if draw < lose_ack_per_mille + refuse_per_mille {
            Fate::Refuse(Refusal::Full)
        } else if draw < lose_ack_per_mille + refuse_per_mille + delay_per_mille {
            Fate::Delay
        } else {
            Fate::Kind
        }
    }

    fn append(&mut self, clock: &dyn Clock, records: Vec<NewRecord>, options: AppendOptions) -> Appended {
        if self.closed {
            return Appended::Refused(Refusal::Closed);
        }
        let now = self.tell_time(clock);
        if let Err(refusal) = self.admit(&records, options) {
            return Appended::Refused(refusal);
        }
        let first = self.next();
        if records.is_empty() {
            return Appended::Durable { first, journal_time: self.last };
        }
        self.write(now, records);
        Appended::Durable { first, journal_time: now }
    }

    fn tell_time(&mut self, clock: &dyn Clock) -> JournalTime {
        let (now, step) = self.time.now(clock);
        if let Some(step) = step {
            self.write(now, vec![own::clock_step(step.wall_ms, step.expected_ms)]);
        }
        now
    }

    fn admit(&self, records: &[NewRecord], options: AppendOptions) -> Result<(), Refusal> {
        if records.iter().any(|record| record.payload.len() > MAX_PAYLOAD_BYTES) {
            return Err(Refusal::TooLarge);
        }
        if options.expect.is_some_and(|expected| expected != self.next()) {
            return Err(Refusal::Position);
        }
        let reserve = if options.reserved { 0 } else { self.reserve_bytes };
        let bytes: u64 = records.iter().map(|record| HEADER_BYTES + record.payload.len() as u64).sum();
        let full = self.used_bytes + bytes > self.byte_limit.saturating_sub(reserve);
        if full { Err(Refusal::Full) } else { Ok(()) }
    }

    fn write(&mut self, journal_time: JournalTime, records: Vec<NewRecord>) {
        for NewRecord { class, tenant, key_id, logic_version, payload } in records {
            let offset = self.next();
            self.used_bytes += HEADER_BYTES + payload.len() as u64;
            self.records.push_back(Record { offset, journal_time, class, tenant, key_id, logic_version, payload });
        }
        self.last = journal_time;
    }

    fn read(&self, from: Offset, max_bytes: usize) -> Result<Vec<Record>, JournalError> {
        if from < self.oldest {
            return Err(JournalError::Trimmed { asked: from, oldest: self.oldest });
        }
        let (mut room, mut out) = (max_bytes, Vec::new());
        for record in self.records.iter().skip((from.0 - self.oldest.0) as usize) {
            if room == 0 && !out.is_empty() {
                break;
            }
            room = room.saturating_sub(record.payload.len() + HEADER_BYTES as usize);
            out.push(record.clone());
        }
        Ok(out)
    }

    fn trim(&mut self, before: Offset) {
        while self.oldest < before
            && let Some(record) = self.records.pop_front()
        {
            self.used_bytes -= HEADER_BYTES + record.payload.len() as u64;
            self.oldest = self.oldest.next();
        }
    }
}

impl Journal for MemoryJournal {
    fn append(&self, mut records: Vec<NewRecord>, options: AppendOptions) -> BoxFuture<'_, Appended> {
        let mut inner = self.inner();
        let answer = match inner.decide(records.len()) {
            Fate::Kind => inner.append(&*self.clock, records, options),
            Fate::Refuse(refusal) => Appended::Refused(refusal),
            Fate::LoseAck { written } => {
                records.truncate(written);
                inner.append(&*self.clock, records, options);
                Appended::Unknown
            }
            Fate::Delay => {
                let (reply, answer) = oneshot::channel();
                inner.delayed.push_back(Delayed { records, options, reply });
                return Box::pin(async { answer.await.unwrap_or(Appended::Unknown) });
            }
        };
        self.publish(inner);
        Box::pin(std::future::ready(answer))
    }

    fn read(&self, from: Offset, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Record>, JournalError>> {
        Box::pin(std::future::ready(self.inner().read(from, max_bytes)))
    }

    fn next_offset(&self) -> Offset {
        self.inner().next()
    }

    fn oldest_offset(&self) -> Offset {
        self.inner().oldest
    }

    fn last_journal_time(&self) -> JournalTime {
        self.inner().last
    }

    fn wait_beyond(&self, beyond: Offset) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // The sender lives as long as this; it cannot be gone.
            let _ = self.grown.subscribe().wait_for(|next| *next > beyond).await;
        })
    }

    fn trim(&self, before: Offset) -> BoxFuture<'_, Result<(), JournalError>> {
        self.inner().trim(before);
        Box::pin(std::future::ready(Ok(())))
    }
}

impl fmt::Debug for MemoryJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner();
        let (oldest, next) = (inner.oldest, inner.next());
        f.debug_struct("MemoryJournal").field("oldest", &oldest).field("next", &next).finish_non_exhaustive()
    }
}
