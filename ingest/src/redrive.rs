//! Out of quarantine: kept bytes are judged again as they were received, and where that admits anything, one record takes
//! the item out and brings its readings in (semantics 1).
//!
//! Never: an item that is still refused touched; a receipt of today for readings of then. A record that is written twice,
//! because somebody asked twice or died in between, says nothing the second time: the processor sees to that.

use bytes::Bytes;
use painwatch_access::GatewayPrincipal;
use painwatch_domain::{GatewayId, Hash128, Offset, ReceivedAt, TenantId};
use painwatch_ingest_core::{Format, Kept, Protocol, Submission, judge_again};
use painwatch_journal::{AppendOptions, Appended, Class, JournalError, NewRecord, Record};
use painwatch_proto::journal::v1::{Batch, Redriven};
use prost::Message as _;

use crate::admission::{Admission, LOGIC_VERSION, orders_record};

/// Records of one append: one fsync for so many items, and little to judge again should it fail.
const GROUP: usize = 256;

/// Something in quarantine.
#[derive(Clone, Debug)]
pub struct Item {
    pub tenant: TenantId,
    pub id: String,
    /// The record that brought it.
    pub cause: Offset,
    pub received_at: ReceivedAt,
    pub gateway: GatewayId,
    pub format: String,
    pub payload: Vec<u8>,
    /// Readings it counts as.
    pub count: u64,
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It leaves quarantine with the record at this offset, which is durable.
    Left { at: Offset, admitted: u64, still_refused: u64 },
    /// Nothing of it would be admitted: it stays as it is.
    Stays { code: String, detail: String },
}

/// Why nothing more was submitted. What was reported before is done; asking again does the rest.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    #[error("the journal cannot be read: {0}")]
    Journal(#[from] JournalError),
    #[error("the journal does not take it: {0}")]
    NotTaken(String),
}

impl Admission {
    /// Submits items again, in the order given.
    ///
    /// # Errors
    /// [`RedriveError`]; items of earlier groups may have left.
    pub async fn redrive(&self, items: &[Item]) -> Result<Vec<(String, Fate)>, RedriveError> {
        let mut fates = Vec::with_capacity(items.len());
        for group in items.chunks(GROUP) {
            let mut judged = Vec::with_capacity(group.len());
            for item in group {
                judged.push((item, self.again(item).await?));
            }
            let leaving = judged.iter().filter_map(|(item, judged)| Some(record(item, judged.as_ref().ok()?)));
            let ordered = judged.iter().filter_map(|(item, judged)| orders_of(item, judged.as_ref().ok()?));
            // Behind the records of the items, which are told by their place.
            let mut at = self.take(leaving.chain(ordered).collect()).await?;
            for (item, judged) in judged {
                let left = |submission: Submission| {
                    let (admitted, still_refused) = (submission.admitted, submission.quarantined);
                    let next = at.next();
                    Fate::Left { at: std::mem::replace(&mut at, next), admitted, still_refused }
                };
                fates.push((item.id.clone(), judged.map_or_else(|stays| stays, left)));
            }
        }
        Ok(fates)
    }

    async fn take(&self, records: Vec<NewRecord>) -> Result<Offset, RedriveError> {
        if records.is_empty() {
            return Ok(self.journal.next_offset());
        }
        fail::fail_point!("ingest::before_redrive");
        let appended = self.journal.append(records, AppendOptions::default()).await;
        fail::fail_point!("ingest::after_redrive");
        match appended {
            Appended::Durable { first, .. } => Ok(first),
            other => Err(RedriveError::NotTaken(format!("{other:?}"))),
        }
    }

    /// The item as it is judged now, or why it stays.
    async fn again(&self, item: &Item) -> Result<Result<Submission, Fate>, RedriveError> {
        let stays = |code: &str, detail: String| Fate::Stays { code: code.to_owned(), detail };
        let Some(first) = self.submission_of(item).await? else {
            return Ok(Err(stays("decode_failed", "the record that brought it is not in the journal".to_owned())));
        };
        let Some(format) = Format::parse(&item.format) else {
            return Ok(Err(stays("decode_failed", format!("unknown format {}", item.format))));
        };
        let kept = Kept {
            payload: &item.payload,
            format,
            batch_id: &first.batch_id,
            sent_at: first.sent_at_ms,
            historical: first.historical,
        };
        let from = GatewayPrincipal { tenant: item.tenant.clone(), gateway: item.gateway.clone() };
        // Which door it came through changes nothing about how it is judged, and the record keeps its name.
        let judged = self.judge_received(&from, Protocol::Http, item.received_at, number_of(item), |envelope| {
            judge_again(&kept, envelope)
        });
        Ok(match judged {
            Ok(mut submission) if submission.says_something() => {
                submission.batch.protocol = first.protocol;
                Ok(submission)
            }
            Ok(submission) => Err(match submission.problems.first() {
                Some(problem) => stays(problem.code.as_str(), problem.detail.clone()),
                None => stays("decode_failed", "there is no reading in it".to_owned()),
            }),
            Err(refused) => Err(stays("not_your_device", refused.to_string())),
        })
    }

    async fn submission_of(&self, item: &Item) -> Result<Option<Batch>, RedriveError> {
        if item.cause < self.journal.oldest_offset() {
            return Ok(None);
        }
        let records = self.journal.read(item.cause, 1).await?;
        let brought = |record: &Record| record.offset == item.cause && record.class == Class::Batch;
        Ok(records.into_iter().find(brought).and_then(|record| Batch::decode(record.payload).ok()))
    }
}

/// What is refused again of two items with the same bytes are items of their own.
fn number_of(item: &Item) -> u64 {
    let Hash128([a, b, c, d, e, f, g, h, ..]) = Hash128::of(&[item.id.as_bytes()]);
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

fn orders_of(item: &Item, submission: &Submission) -> Option<NewRecord> {
    let from = GatewayPrincipal { tenant: item.tenant.clone(), gateway: item.gateway.clone() };
    orders_record(&from, submission)
}

fn record(item: &Item, submission: &Submission) -> NewRecord {
    let redriven = Redriven { id: item.id.clone(), cause_offset: item.cause.0, count: item.count };
    let batch = Batch { redrives: vec![redriven], ..submission.batch.clone() };
    NewRecord {
        class: Class::Batch,
        tenant: item.tenant.clone(),
        key_id: 0,
        logic_version: LOGIC_VERSION,
        payload: Bytes::from(batch.encode_to_vec()),
    }
}
