//! The loop: read the journal, apply to the core, commit, then tell.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use painwatch_alerts_core::{AlertsCore, Effects, Page};
use painwatch_domain::{Clock, JournalTime, Offset};
use painwatch_journal::{Journal, JournalError, Record, Refusal};
use painwatch_store::{AlertRow, Applied, Consumer, Store, StoreError};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::BLOB_KIND;
use crate::decode::{ParseRoster, decode};
use crate::notify::{self, Carrier, Http, LinkBase, OutcomeLog, Webhook, WebhookSecret};
use crate::rows;

pub type OnOpened = Box<dyn Fn(&Opened) + Send + Sync>;

/// Everything the service stands on.
pub struct Deps {
    pub journal: Arc<dyn Journal>,
    pub store: Arc<dyn Store>,
    /// From [`Store::take_ownership`].
    pub epoch: u64,
    pub clock: Arc<dyn Clock>,
    /// Version of the logic, for the records we write.
    pub logic_version: u32,
    pub parse_roster: ParseRoster,
    pub webhook: WebhookConfig,
    /// Called once an alert that did not exist before is committed.
    pub on_opened: Option<OnOpened>,
}

#[derive(Clone, Debug)]
pub struct WebhookConfig {
    pub secret: WebhookSecret,
    pub link_base: LinkBase,
    /// For one whole attempt.
    pub timeout: Duration,
    /// Takes `http://127.0.0.1…` too: for demos, tests and a relay on the same machine.
    pub allow_plain_loopback: bool,
}

/// An alert that has just come to be.
#[derive(Clone, Debug)]
pub struct Opened {
    pub row: AlertRow,
    /// The record whose readings caused the finding.
    pub cause: Option<Offset>,
}

/// How others see the service.
#[derive(Clone, Debug)]
pub struct AlertsHandle {
    /// Everything below is applied and, if it changed anything, committed.
    pub applied: watch::Receiver<Offset>,
}

/// Why the service stopped.
#[derive(Debug, thiserror::Error)]
pub enum AlertsError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("journal refuses an append: {0:?}")]
    Refused(Refusal),
    #[error("journal record {offset}: {why}")]
    Record { offset: Offset, why: String },
    #[error("alert state in the store: {0}")]
    State(String),
    #[error("the store has applied {applied}, but the journal ends at {end}: it is not the journal of this store")]
    Ahead { applied: Offset, end: Offset },
    #[error("webhooks: {0}")]
    Webhook(String),
    #[error("a sender died: {0}")]
    Sender(#[from] JoinError),
}

/// Journal bytes taken into one transaction: large enough to catch up fast, small enough to hold.
const READ_BYTES: usize = 1 << 20;
/// Attempts under way at once: a hung receiver may hold some of them for their timeout, not all.
const SENDERS: usize = 64;
/// Records that changed nothing after which the position is written all the same: what a restart reads again.
const POSITION_EVERY: u64 = 4_096;
/// How long a stopping service waits for attempts under way. The rest is sent again under the same id.
const DRAIN: Duration = Duration::from_secs(5);
/// Between tries while the store is away.
const STORE_PAUSE: Duration = Duration::from_millis(250);

pub struct Alerts {
    deps: Deps,
    webhook: Webhook,
    log: OutcomeLog,
    core: AlertsCore,
    /// The next record to apply.
    next: Offset,
    time: JournalTime,
    committed: Offset,
    /// Until here the journal is history: what it asked to send may have been sent before we stopped.
    history_end: Option<Offset>,
    /// Bounded by the core: one entry for each notification under way that no sender has taken yet.
    backlog: VecDeque<Page>,
    senders: JoinSet<Result<(), AlertsError>>,
    applied: watch::Sender<Offset>,
}

impl Alerts {
    /// Takes up where the committed state ends.
    ///
    /// # Errors
    /// When the store cannot be read, is not of this journal, or TLS cannot be set up.
    pub async fn recover(deps: Deps) -> Result<(Self, AlertsHandle), AlertsError> {
        let http = Arc::new(Http::new(&deps.webhook)?);
        Self::recover_with(deps, http).await
    }

    /// As [`Self::recover`], with something else than HTTP to carry the pages.
    ///
    /// # Errors
    /// When the store cannot be read, or is not of this journal.
    pub async fn recover_with(deps: Deps, carrier: Arc<dyn Carrier>) -> Result<(Self, AlertsHandle), AlertsError> {
        let webhook = Webhook::new(&deps.webhook, carrier, deps.clock.clone());
        let applied = deps.store.applied(Consumer::Alerts).await?;
        let from = applied.unwrap_or(Applied { next: deps.journal.oldest_offset(), journal_time: JournalTime::MIN });
        let end = deps.journal.next_offset();
        if from.next > end {
            return Err(AlertsError::Ahead { applied: from.next, end });
        }
        let parts = deps.store.blobs(BLOB_KIND).await?;
        let core = AlertsCore::restore(parts).map_err(|e| AlertsError::State(e.to_string()))?;
        let (sender, receiver) = watch::channel(from.next);
        let log =
            OutcomeLog { journal: deps.journal.clone(), clock: deps.clock.clone(), logic_version: deps.logic_version };
        let alerts = Self {
            deps,
            webhook,
            log,
            core,
            next: from.next,
            time: from.journal_time,
            committed: from.next,
            history_end: Some(end),
            backlog: VecDeque::new(),
            senders: JoinSet::new(),
            applied: sender,
        };
        Ok((alerts, AlertsHandle { applied: receiver }))
    }

    /// Runs until `shutdown` completes.
    ///
    /// # Errors
    /// Whatever makes going on wrong: another owner, a damaged journal or state, a closed journal. Restarting is safe.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), AlertsError> {
        let mut shutdown = pin!(shutdown);
        self.end_history();
        loop {
            self.start_senders();
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(sent) = self.senders.join_next() => sent??,
                records = read(&*self.deps.journal, self.next) => {
                    // Not under `select!`: a transaction that has begun is finished.
                    let records = records?;
                    self.apply_all(&records).await?;
                }
            }
        }
        self.stop().await
    }

    async fn apply_all(&mut self, records: &[Record]) -> Result<(), AlertsError> {
        let mut effects = Effects::default();
        let mut opened = Vec::new();
        for record in records {
            self.apply(record, &mut effects, &mut opened)?;
        }
        self.commit(&effects).await?;
        self.announce(&effects, &opened);
        self.backlog.extend(effects.pages);
        self.end_history();
        self.applied.send_replace(self.next);
        Ok(())
    }

    /// Time first, then the record (semantics 18).
    fn apply(
        &mut self,
        record: &Record,
        out: &mut Effects,
        opened: &mut Vec<Option<Offset>>,
    ) -> Result<(), AlertsError> {
        self.core.fire(record.journal_time, record.offset, out);
        let decoded =
            decode(record, self.deps.parse_roster).map_err(|why| AlertsError::Record { offset: record.offset, why })?;
        for input in decoded.inputs {
            self.core.handle(record.journal_time, record.offset, input, out);
        }
        opened.resize(out.opened.len(), decoded.cause);
        self.next = record.offset.next();
        self.time = record.journal_time;
        Ok(())
    }

    async fn commit(&mut self, effects: &Effects) -> Result<(), AlertsError> {
        let parts = self.core.take_changes();
        let idle = effects.is_empty() && parts.is_empty();
        if idle && self.next.0 - self.committed.0 < POSITION_EVERY {
            return Ok(());
        }
        let applied = Applied { next: self.next, journal_time: self.time };
        fail::fail_point!("alerts::before_commit");
        loop {
            match self.deps.store.commit(&rows::commit(self.deps.epoch, applied, effects, &parts)).await {
                Ok(()) => break,
                Err(StoreError::Unavailable(why)) => {
                    tracing::warn!(%why, "store away, trying again");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        fail::fail_point!("alerts::after_commit");
        self.committed = self.next;
        Ok(())
    }

    fn announce(&self, effects: &Effects, causes: &[Option<Offset>]) {
        let Some(on_opened) = &self.deps.on_opened else { return };
        for (id, cause) in effects.opened.iter().zip(causes) {
            let last = effects.alerts.iter().rev().find(|view| view.alert_id == *id);
            if let Some(view) = last {
                on_opened(&Opened { row: rows::alert(view), cause: *cause });
            }
        }
    }

    /// Once the journal that was there at the start is applied, its open ends are known: attempts that began and of which
    /// nobody knows how they ended. They are made again, under the same ids.
    fn end_history(&mut self) {
        let Some(end) = self.history_end else { return };
        self.backlog.clear();
        if self.next >= end {
            self.history_end = None;
            self.backlog.extend(self.core.under_way());
        }
    }

    fn start_senders(&mut self) {
        while self.senders.len() < SENDERS
            && let Some(page) = self.backlog.pop_front()
        {
            self.senders.spawn(notify::attempt(self.webhook.clone(), self.log.clone(), page));
        }
    }

    async fn stop(mut self) -> Result<(), AlertsError> {
        let drained = tokio::time::timeout(DRAIN, async {
            while let Some(sent) = self.senders.join_next().await {
                sent??;
            }
            Ok::<(), AlertsError>(())
        });
        // What is still under way is sent again after the next start.
        drained.await.unwrap_or(Ok(()))?;
        let applied = Applied { next: self.next, journal_time: self.time };
        let commit = rows::commit(self.deps.epoch, applied, &Effects::default(), &[]);
        Ok(self.deps.store.commit(&commit).await?)
    }
}

/// The next records, waiting for at least one.
async fn read(journal: &dyn Journal, from: Offset) -> Result<Vec<Record>, JournalError> {
    loop {
        journal.wait_beyond(from).await;
        let records = journal.read(from, READ_BYTES).await?;
        if !records.is_empty() {
            return Ok(records);
        }
    }
}
