//! What was said about earlier submissions, for gateways that ask: verdicts, and what of a device never arrived.
//!
//! The store answers, once it has what was durable when the question came. What it does not have yet is looked for in the
//! journal: a submission that is durable is never said to be unknown.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use painwatch_access::GatewayPrincipal;
use painwatch_domain::{BatchVerdict, DeviceId, Offset};
use painwatch_journal::{Class, Journal, Record};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::{decode_problem, decode_verdict};
use painwatch_store::{SequenceFilter, SequenceRow, Store, VerdictKey, VerdictRow};
use prost::Message as _;
use tokio::sync::watch;

/// Journal that is searched for submissions without a verdict: some seconds of a busy clinic.
const SEARCHED_BYTES: usize = 16 << 20;
/// Bytes read from the journal at a time.
const READ_BYTES: usize = 1 << 20;
/// Verdicts told when a stream resumes: far more than a stream leaves unanswered.
pub const RESUMED: usize = 4_096;

/// Where earlier answers are found.
#[derive(Clone, Debug)]
pub struct Kept {
    pub store: Arc<dyn Store>,
    pub journal: Arc<dyn Journal>,
    /// Everything below is in the store.
    pub applied: watch::Receiver<Offset>,
}

/// What is known of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Judged(BatchVerdict),
    /// It is in the journal and intake has not come to it.
    Durable(BatchVerdict),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NotTold {
    /// Nothing of that name by this gateway is durable, or it is longer ago than verdicts are kept.
    #[error("no batch of that name is durable, or its verdict is no longer kept")]
    Unknown,
    /// More waits to be judged than is searched: ask again.
    #[error("more is waiting to be judged than can be searched: ask again")]
    Behind,
    /// The stream has more to resume than is told at once.
    #[error("more than {RESUMED} batches have been judged since: ask for the verdict on each")]
    TooMany,
    /// The store or the journal cannot be read now.
    #[error("what was kept cannot be read now: ask again")]
    Unreadable(#[source] Cause),
}

/// An error of whatever is read from.
type Cause = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, NotTold>;

fn unreadable(error: impl Into<Cause>) -> NotTold {
    NotTold::Unreadable(error.into())
}

impl Kept {
    /// Whether the store has, within `limit`, all that is durable now.
    pub async fn caught_up(&self, limit: Duration) -> bool {
        let (target, mut applied) = (self.journal.next_offset(), self.applied.clone());
        let reached = tokio::time::timeout(limit, applied.wait_for(|applied| *applied >= target)).await;
        reached.is_ok_and(|reached| reached.is_ok())
    }

    /// The verdict on one of a gateway's own submissions.
    ///
    /// # Errors
    /// [`NotTold`].
    pub async fn verdict(&self, from: &GatewayPrincipal, key: VerdictKey, limit: Duration) -> Result<Told> {
        if let Some(told) = self.stored(from, &key).await? {
            return Ok(told);
        }
        let complete = self.caught_up(limit).await;
        let searched_from = *self.applied.borrow();
        if let Some(told) = self.stored(from, &key).await? {
            return Ok(told);
        }
        if complete {
            return Err(NotTold::Unknown);
        }
        let found = self.unjudged(from, searched_from).await?;
        let asked = |verdict: &BatchVerdict| match &key {
            VerdictKey::Batch(batch_id) => &verdict.batch_id == batch_id,
            VerdictKey::Cause(cause) => verdict.cause == *cause,
        };
        found.into_iter().rfind(asked).map(Told::Durable).ok_or(NotTold::Unknown)
    }

    /// Everything of a gateway that became durable after the submission that `key` names, in the journal's order.
    ///
    /// # Errors
    /// [`NotTold`].
    pub async fn since(&self, from: &GatewayPrincipal, key: VerdictKey, limit: Duration) -> Result<Vec<Told>> {
        let after = match key {
            VerdictKey::Cause(cause) => cause,
            key @ VerdictKey::Batch(_) => match self.verdict(from, key, limit).await? {
                Told::Judged(verdict) | Told::Durable(verdict) => verdict.cause,
            },
        };
        let complete = self.caught_up(limit).await;
        let searched_from = *self.applied.borrow();
        let (tenant, gateway) = (from.tenant.clone(), from.gateway.clone());
        let rows = self.store.verdicts_after(tenant, gateway, after, RESUMED + 1).await.map_err(unreadable)?;
        let mut told = rows.iter().map(judged).collect::<Result<Vec<_>>>()?;
        if !complete {
            let known: BTreeSet<Offset> = rows.iter().map(|row| row.cause).collect();
            let later = self.unjudged(from, searched_from).await?.into_iter();
            told.extend(later.filter(|late| late.cause > after && !known.contains(&late.cause)).map(Told::Durable));
        }
        if told.len() > RESUMED { Err(NotTold::TooMany) } else { Ok(told) }
    }

    /// What arrived of a device's sequence numbers, or of all devices whose newest came through the gateway.
    ///
    /// # Errors
    /// [`NotTold`].
    pub async fn sequences(&self, from: &GatewayPrincipal, asked: Asked, limit: Duration) -> Result<Vec<SequenceRow>> {
        if !self.caught_up(limit).await {
            return Err(NotTold::Behind);
        }
        let filter = match asked {
            Asked::Device(device) => SequenceFilter { device: Some(device), ..SequenceFilter::default() },
            Asked::Mine { after, limit } => {
                SequenceFilter { device: None, gateway: Some(from.gateway.clone()), after, limit }
            }
        };
        self.store.sequences(from.tenant.clone(), filter).await.map_err(unreadable)
    }

    async fn stored(&self, from: &GatewayPrincipal, key: &VerdictKey) -> Result<Option<Told>> {
        let row = self.store.verdict(from.tenant.clone(), from.gateway.clone(), key.clone());
        row.await.map_err(unreadable)?.as_ref().map(judged).transpose()
    }

    /// A gateway's submissions in the journal from `at` on, as far as they can be told without intake.
    async fn unjudged(&self, from: &GatewayPrincipal, mut at: Offset) -> Result<Vec<BatchVerdict>> {
        let (end, mut read, mut found) = (self.journal.next_offset(), 0, Vec::new());
        while at < end {
            if read >= SEARCHED_BYTES {
                return Err(NotTold::Behind);
            }
            for record in self.journal.read(at, READ_BYTES).await.map_err(unreadable)? {
                at = record.offset.next();
                read += record.payload.len();
                if record.class == Class::Batch && record.tenant == from.tenant {
                    found.extend(provisional(from, &record)?);
                }
            }
        }
        Ok(found)
    }
}

/// Which sequences are asked for.
#[derive(Clone, Debug)]
pub enum Asked {
    Device(DeviceId),
    Mine { after: Option<DeviceId>, limit: usize },
}

fn judged(row: &VerdictRow) -> Result<Told> {
    let message = pb::Verdict::decode(&row.verdict[..]).map_err(unreadable)?;
    decode_verdict(&message).map(Told::Judged).map_err(unreadable)
}

/// What can be said of a submission of `from` that intake has not judged; nothing of another gateway's.
fn provisional(from: &GatewayPrincipal, record: &Record) -> Result<Option<BatchVerdict>> {
    let batch = pb::Batch::decode(record.payload.clone()).map_err(unreadable)?;
    if batch.gateway != from.gateway.as_str() {
        return Ok(None);
    }
    let problem = |refused: &pb::Quarantined| {
        decode_problem(&pb::Problem {
            index: refused.index,
            sample: refused.sample,
            result: "quarantined".to_owned(),
            code: refused.code.clone(),
            detail: refused.detail.clone(),
            quarantine_id: refused.id.clone(),
        })
    };
    let problems = batch.quarantined.iter().map(problem).collect::<std::result::Result<_, _>>().map_err(unreadable)?;
    let quarantined = batch.quarantined.iter().map(|refused| refused.count).sum();
    let batch_id = batch.batch_id;
    Ok(Some(BatchVerdict { cause: record.offset, batch_id, quarantined, problems, ..BatchVerdict::default() }))
}
