//! The production writer on a simulated disk, with a queue before it: what the thread is in service. Appends of several
//! callers that wait together are committed together, a sync takes time, and silence makes a tick.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use painwatch_domain::{JournalTime, Offset};
use painwatch_journal::{AppendOptions, Appended, InlineJournal, Journal, JournalError, NewRecord, Record};
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

use crate::dice::Dice;
use crate::life::Life;
use crate::plan::Settings;

struct Waiting {
    records: Vec<NewRecord>,
    options: AppendOptions,
    reply: oneshot::Sender<Appended>,
}

pub struct SimJournal {
    inner: InlineJournal,
    queue: Mutex<Vec<Waiting>>,
    queued: Notify,
    // A channel of the runtime would wake several readers in an order that no seed decides.
    grown: Notify,
    life: Arc<Life>,
}

impl fmt::Debug for SimJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimJournal").field("next", &self.inner.next_offset()).finish_non_exhaustive()
    }
}

impl SimJournal {
    pub fn new(inner: InlineJournal, life: Arc<Life>) -> Arc<Self> {
        Arc::new(Self { inner, queue: Mutex::default(), queued: Notify::new(), grown: Notify::new(), life })
    }

    /// Returns the reason once a write or sync has failed.
    pub async fn failed(&self) -> Arc<str> {
        self.inner.wait_failed().await
    }

    /// The writer's thread.
    pub async fn write(self: Arc<Self>, dice: Dice, settings: Settings) {
        let silence = Duration::from_millis(settings.tick_ms.unsigned_abs());
        loop {
            if timeout(silence, self.queued.notified()).await.is_err() {
                drop(self.tick());
            }
            let sync_ms = dice.between(settings.fsync_ms.0, settings.fsync_ms.1);
            sleep(Duration::from_millis(sync_ms.unsigned_abs())).await;
            self.life.step().await;
            let waiting = std::mem::take(&mut *self.queue());
            if waiting.is_empty() {
                continue;
            }
            let (appends, replies): (Vec<_>, Vec<_>) =
                waiting.into_iter().map(|one| ((one.records, one.options), one.reply)).unzip();
            let answers = self.inner.append_group(appends);
            // Written, and nobody knows yet.
            self.life.step().await;
            self.grown.notify_waiters();
            for (reply, answer) in replies.into_iter().zip(answers) {
                // Whoever stopped waiting still has its records.
                let _ = reply.send(answer);
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for SimJournal {
    fn append(&self, records: Vec<NewRecord>, options: AppendOptions) -> BoxFuture<'_, Appended> {
        let (reply, answer) = oneshot::channel();
        self.queue().push(Waiting { records, options, reply });
        self.queued.notify_one();
        Box::pin(async move { answer.await.unwrap_or(Appended::Unknown) })
    }

    fn read(&self, from: Offset, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Record>, JournalError>> {
        Box::pin(async move {
            self.life.step().await;
            self.inner.read(from, max_bytes).await
        })
    }

    fn next_offset(&self) -> Offset {
        self.inner.next_offset()
    }

    fn oldest_offset(&self) -> Offset {
        self.inner.oldest_offset()
    }

    fn last_journal_time(&self) -> JournalTime {
        self.inner.last_journal_time()
    }

    fn wait_beyond(&self, beyond: Offset) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let grown = self.grown.notified();
                if self.next_offset() > beyond {
                    return;
                }
                grown.await;
            }
        })
    }

    fn trim(&self, before: Offset) -> BoxFuture<'_, Result<(), JournalError>> {
        self.inner.trim(before)
    }
}

/// The whole log as it is readable now.
///
/// # Errors
/// Damage, by file and byte.
pub async fn read_all(journal: &dyn Journal) -> Result<Vec<Record>, JournalError> {
    let mut records: Vec<Record> = Vec::new();
    let mut at = journal.oldest_offset();
    while at < journal.next_offset() {
        records.extend(journal.read(at, 1 << 20).await?);
        at = records.last().map_or(at, |last| last.offset.next());
    }
    Ok(records)
}
