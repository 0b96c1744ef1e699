//! The loop: read, apply, append findings and verdicts, commit rows, now and then a checkpoint (semantics 20).
//!
//! Three watermarks make a restart exact without a transaction across engines: the checkpoint (where reading begins
//! again), the rows (one transaction with `applied`), and the findings in the journal (one record a cause). What was
//! done before is computed again and dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use painwatch_domain::{Clock, JournalTime, KnownClocks, Offset, Rosters, TenantId};
use painwatch_journal::{AppendOptions, Appended, Class, Journal, NewRecord};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::encode_verdict;
use painwatch_store::{Applied, Commit, Consumer, Rows, Store, StoreError};
use prost::Message as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::counts::Counts;
use crate::engine::{Engine, Output, ParseRoster};
use crate::rows::append_rows;

/// Version of the logic that findings are written by; a replay covers the span since it last changed (semantics 21).
pub const LOGIC_VERSION: u32 = 1;
/// Bytes of journal read and applied as one group: one append and one commit for all of it.
const GROUP_BYTES: usize = 1 << 20;
/// Rows that make a group large enough to be committed.
const GROUP_ROWS: usize = 10_000;
const RETRY_MS: u64 = 200;

/// What the processor needs.
pub struct Deps {
    pub journal: Arc<dyn Journal>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    /// The owner's epoch: commits of an older owner are refused.
    pub epoch: u64,
    pub parse_roster: ParseRoster,
}

#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub block_cache_bytes: usize,
    /// Longest real time between two checkpoints, in milliseconds.
    pub checkpoint_ms: i64,
}

/// How far it is.
#[derive(Clone, Debug)]
pub struct ProcessorHandle {
    /// Everything below is in the tables.
    pub applied: watch::Receiver<Offset>,
    /// Every clinic's roster as applied: for the doors.
    pub rosters: watch::Receiver<Arc<Rosters>>,
    /// The clocks known to be wrong, once the rows of what they were known by are in the tables.
    pub clocks: watch::Receiver<Arc<KnownClocks>>,
    pub counts: Arc<Counts>,
}

struct Processor {
    deps: Deps,
    config: Config,
    engine: Engine,
    /// Causes at or below these were answered in an earlier run.
    done: Answered,
    /// Rows of causes below this are in the tables.
    rows_done: Offset,
    /// At most one commit on its way, while the next group is applied. What the engine reads of the tables is what checkpoints
    /// wrote, and those wait for it.
    writing: JoinSet<Result<Written>>,
    checkpoint_at_ms: i64,
    since_checkpoint: u64,
    applied: watch::Sender<Offset>,
    rosters: watch::Sender<Arc<Rosters>>,
    clocks: watch::Sender<Arc<KnownClocks>>,
    /// A decision about clocks was applied and is not told yet.
    clocks_moved: bool,
    counts: Arc<Counts>,
}

/// What a commit made durable.
struct Written {
    next: Offset,
    /// What is known of clocks by its rows, where it moved.
    clocks: Option<Arc<KnownClocks>>,
}

/// The newest causes of which a record of each class is in the journal.
#[derive(Clone, Default)]
struct Answered {
    /// By clinic: a crash may have left the record of one and not that of the next.
    findings: BTreeMap<TenantId, Offset>,
    verdicts: Option<Offset>,
    decisions: Option<Offset>,
}

/// Recovers and starts. The task ends with `Ok` after `shutdown` turned true, with a final checkpoint.
///
/// # Errors
/// The store or the journal cannot be read, or holds what this program does not understand.
pub async fn run(
    deps: Deps,
    config: Config,
    shutdown: watch::Receiver<bool>,
) -> Result<(ProcessorHandle, tokio::task::JoinHandle<Result<()>>)> {
    let engine = Engine::open(Arc::clone(&deps.store), deps.parse_roster).await?;
    let rows_done = deps.store.applied(Consumer::Processor).await?.map_or(Offset(0), |applied| applied.next);
    let done = answered(&*deps.journal, engine.next()).await?;
    let (applied, receiver) = watch::channel(engine.next());
    let (rosters, rosters_receiver) = watch::channel(Arc::new(engine.rosters()));
    let (clocks, clocks_receiver) = watch::channel(Arc::new(engine.known_clocks()));
    let counts = Arc::new(Counts::default());
    let checkpoint_at_ms = deps.clock.monotonic_ms() + config.checkpoint_ms;
    let processor = Processor {
        deps,
        config,
        engine,
        done,
        rows_done,
        writing: JoinSet::new(),
        checkpoint_at_ms,
        since_checkpoint: 0,
        applied,
        rosters,
        clocks,
        clocks_moved: false,
        counts: Arc::clone(&counts),
    };
    let task = tokio::spawn(processor.run(shutdown));
    Ok((ProcessorHandle { applied: receiver, rosters: rosters_receiver, clocks: clocks_receiver, counts }, task))
}

/// What was answered at or after `from`.
async fn answered(journal: &dyn Journal, from: Offset) -> Result<Answered> {
    let mut done = Answered::default();
    let mut at = from.max(journal.oldest_offset());
    while at < journal.next_offset() {
        for record in journal.read(at, GROUP_BYTES).await? {
            at = record.offset.next();
            match record.class {
                Class::Finding => {
                    let cause = Offset(pb::Findings::decode(record.payload)?.cause_offset);
                    let last = done.findings.entry(record.tenant).or_insert(cause);
                    *last = cause.max(*last);
                }
                Class::Verdict => {
                    let verdicts = pb::Verdicts::decode(record.payload)?.verdicts;
                    let last = verdicts.last().map(|verdict| Offset(verdict.cause_offset));
                    done.verdicts = done.verdicts.max(last);
                }
                Class::Decision => {
                    let cause = pb::Decisions::decode(record.payload)?.cause_offset;
                    done.decisions = done.decisions.max(Some(Offset(cause)));
                }
                _ => {}
            }
        }
    }
    Ok(done)
}

impl Processor {
    async fn run(mut self, mut shutdown: watch::Receiver<bool>) -> Result<()> {
        loop {
            if *shutdown.borrow() {
                break;
            }
            if self.engine.next() >= self.deps.journal.next_offset() {
                let waiting = self.deps.journal.wait_beyond(self.engine.next());
                tokio::select! {
                    Some(written) = self.writing.join_next() => self.written(written??),
                    () = waiting => {}
                    _ = shutdown.changed() => {}
                }
                continue;
            }
            self.group().await?;
        }
        self.checkpoint(Rows::default(), None).await
    }

    /// Reads and applies one group of records, and makes what follows durable.
    async fn group(&mut self) -> Result<()> {
        let records = self.deps.journal.read(self.engine.next(), GROUP_BYTES).await?;
        let mut rows = Rows::default();
        let mut answers = Vec::new();
        let count = records.len();
        for (index, record) in records.iter().enumerate() {
            if let Some(written) = self.writing.try_join_next() {
                self.written(written??);
            }
            let output =
                self.engine.apply(record).await.with_context(|| format!("journal record {}", record.offset))?;
            answers.extend(self.answers(&output));
            self.clocks_moved |= !output.rows.clocks.is_empty();
            if output.rows.roster.is_some() || self.engine.has_more_than(&self.rosters.borrow()) {
                self.rosters.send_replace(Arc::new(self.engine.rosters()));
            }
            if record.offset >= self.rows_done {
                output.rows.batches.iter().for_each(|batch| self.counts.add(batch));
                append_rows(&mut rows, output.rows);
            }
            let journal_time = record.journal_time;
            if rows.readings.len() + rows.quarantine.len() >= GROUP_ROWS || index + 1 == count {
                fail::fail_point!("processor::before_findings");
                self.append(std::mem::take(&mut answers)).await?;
                fail::fail_point!("processor::after_findings");
                self.commit(std::mem::take(&mut rows), journal_time).await?;
            }
        }
        Ok(())
    }

    /// The finding and verdict records that a record calls for and that no earlier run wrote.
    fn answers(&self, output: &Output) -> Vec<NewRecord> {
        let mut answers = Vec::new();
        let record_of = |tenant: &TenantId, class, payload: Vec<u8>| NewRecord {
            class,
            tenant: tenant.clone(),
            key_id: 0,
            logic_version: LOGIC_VERSION,
            payload: payload.into(),
        };
        let record = |class, payload| record_of(&output.tenant, class, payload);
        let new = |done: Option<Offset>| done.is_none_or(|done| output.cause > done);
        for (tenant, findings) in output.findings_by_tenant() {
            if new(self.done.findings.get(&tenant).copied()) {
                answers.push(record_of(&tenant, Class::Finding, findings.encode_to_vec()));
            }
        }
        if !output.decisions.is_empty() && new(self.done.decisions) {
            let message = pb::Decisions { cause_offset: output.cause.0, clocks: output.decisions.clone() };
            answers.push(record(Class::Decision, message.encode_to_vec()));
        }
        if let Some(verdict) = output.verdict.as_ref().filter(|_| new(self.done.verdicts)) {
            let message = pb::Verdicts { verdicts: vec![encode_verdict(verdict)] };
            answers.push(record(Class::Verdict, message.encode_to_vec()));
        }
        answers
    }

    async fn append(&self, answers: Vec<NewRecord>) -> Result<()> {
        if answers.is_empty() {
            return Ok(());
        }
        match self.deps.journal.append(answers, AppendOptions { reserved: true, expect: None }).await {
            Appended::Durable { .. } => Ok(()),
            // What was written is found again at the next start; nothing may be said twice from here.
            Appended::Unknown => bail!("the journal cannot say whether findings were written: restart to recover"),
            Appended::Refused(refusal) => bail!("the journal refused findings: {refusal:?}"),
        }
    }

    async fn commit(&mut self, rows: Rows, journal_time: JournalTime) -> Result<()> {
        self.since_checkpoint += 1;
        if self.deps.clock.monotonic_ms() >= self.checkpoint_at_ms && self.since_checkpoint > 8 {
            return self.checkpoint(rows, Some(journal_time)).await;
        }
        self.all_written().await?;
        let (commit, written) = self.next_commit(rows, Some(journal_time));
        let store = Arc::clone(&self.deps.store);
        self.writing.spawn(async move { write(&*store, commit).await.map(|()| written) });
        Ok(())
    }

    /// Commits the rows with everything that the next start begins with.
    async fn checkpoint(&mut self, rows: Rows, journal_time: Option<JournalTime>) -> Result<()> {
        self.all_written().await?;
        let (mut commit, written) = self.next_commit(rows, journal_time);
        commit.blobs = self.engine.checkpoint();
        write(&*self.deps.store, commit).await?;
        self.written(written);
        self.engine.settle(self.config.block_cache_bytes);
        self.checkpoint_at_ms = self.deps.clock.monotonic_ms() + self.config.checkpoint_ms;
        self.since_checkpoint = 0;
        Ok(())
    }

    fn next_commit(&mut self, rows: Rows, journal_time: Option<JournalTime>) -> (Commit, Written) {
        let next = self.engine.next();
        let applied = journal_time.filter(|_| next > self.rows_done);
        let applied = applied.map(|journal_time| (Consumer::Processor, Applied { next, journal_time }));
        let moved = std::mem::take(&mut self.clocks_moved);
        let clocks = moved.then(|| Arc::new(self.engine.known_clocks()));
        (Commit { epoch: self.deps.epoch, applied, rows, blobs: Vec::new() }, Written { next, clocks })
    }

    async fn all_written(&mut self) -> Result<()> {
        while let Some(written) = self.writing.join_next().await {
            self.written(written??);
        }
        Ok(())
    }

    fn written(&mut self, written: Written) {
        self.rows_done = self.rows_done.max(written.next);
        if let Some(clocks) = written.clocks {
            self.clocks.send_replace(clocks);
        }
        self.applied.send_replace(written.next);
    }
}

/// Commits; where the store is away, again and again: nothing is skipped.
async fn write(store: &dyn Store, commit: Commit) -> Result<()> {
    loop {
        match store.commit(&commit).await {
            Ok(()) => return Ok(()),
            Err(StoreError::Unavailable(reason)) => {
                tracing::warn!(reason, "the store is away; trying again");
                tokio::time::sleep(std::time::Duration::from_millis(RETRY_MS)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
