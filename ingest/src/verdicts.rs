//! Verdicts come back through the journal: one task tails it and wakes whoever waits for the verdict on a submission.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use painwatch_domain::{BatchVerdict, Offset};
use painwatch_journal::{Class, Journal, JournalError};
use painwatch_proto::journal::v1::Verdicts;
use painwatch_proto::record::decode_verdict;
use prost::Message as _;
use tokio::sync::oneshot;

/// Verdicts remembered, weighed as one plus their problems: a minute of a busy clinic, at most some 20 MB.
const REMEMBERED_WEIGHT: usize = 65_536;
/// Bytes read from the journal at a time.
const TAIL_BYTES: usize = 1 << 20;
/// Pause after the journal could not be read.
const TAIL_RETRY: Duration = Duration::from_millis(200);

type Waiter = oneshot::Sender<Arc<BatchVerdict>>;

#[derive(Debug, Default)]
struct Board {
    recent: HashMap<Offset, Arc<BatchVerdict>>,
    order: VecDeque<Offset>,
    weight: usize,
    waiting: HashMap<Offset, Vec<Waiter>>,
}

/// Where verdicts are posted and waited for, by the offset of the submission they judge.
#[derive(Debug, Default)]
pub struct VerdictBoard {
    board: Mutex<Board>,
}

impl VerdictBoard {
    pub fn post(&self, verdict: BatchVerdict) {
        let verdict = Arc::new(verdict);
        let mut board = self.lock();
        for waiter in board.waiting.remove(&verdict.cause).into_iter().flatten() {
            // A waiter that gave up meanwhile is no loss.
            let _ = waiter.send(Arc::clone(&verdict));
        }
        board.remember(verdict);
    }

    /// The verdict on the submission at `cause`, or `None` when none came within `limit`.
    pub async fn wait(&self, cause: Offset, limit: Duration) -> Option<Arc<BatchVerdict>> {
        let receiver = {
            let mut board = self.lock();
            if let Some(known) = board.recent.get(&cause) {
                return Some(Arc::clone(known));
            }
            let (sender, receiver) = oneshot::channel();
            board.waiting.entry(cause).or_default().push(sender);
            receiver
        };
        let mut place = Place { board: self, cause, receiver };
        tokio::time::timeout(limit, &mut place.receiver).await.ok()?.ok()
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn sizes(&self) -> (usize, usize) {
        let board = self.lock();
        (board.recent.len(), board.waiting.len())
    }
}

/// A place in the queue, given up when the waiting future is dropped for whatever reason.
struct Place<'a> {
    board: &'a VerdictBoard,
    cause: Offset,
    receiver: oneshot::Receiver<Arc<BatchVerdict>>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.receiver.close();
        let mut board = self.board.lock();
        if let Some(waiters) = board.waiting.get_mut(&self.cause) {
            waiters.retain(|waiter| !waiter.is_closed());
            if waiters.is_empty() {
                board.waiting.remove(&self.cause);
            }
        }
    }
}

impl Board {
    fn remember(&mut self, verdict: Arc<BatchVerdict>) {
        let (cause, weight) = (verdict.cause, weight(&verdict));
        match self.recent.insert(cause, verdict) {
            // The same verdict again, after a restart of whoever writes them.
            Some(earlier) => self.weight -= self::weight(&earlier),
            None => self.order.push_back(cause),
        }
        self.weight += weight;
        while self.weight > REMEMBERED_WEIGHT {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Some(forgotten) = self.recent.remove(&oldest) {
                self.weight -= self::weight(&forgotten);
            }
        }
    }
}

fn weight(verdict: &BatchVerdict) -> usize {
    1 + verdict.problems.len()
}

/// Follows the journal from `from` on and posts every verdict. Runs until dropped.
pub async fn tail(journal: Arc<dyn Journal>, board: Arc<VerdictBoard>, from: Offset) {
    let mut position = from;
    loop {
        journal.wait_beyond(position).await;
        match journal.read(position, TAIL_BYTES).await {
            Ok(records) => {
                for record in records {
                    position = record.offset.next();
                    if record.class == Class::Verdict {
                        post_record(&board, &record.payload);
                    }
                }
            }
            Err(JournalError::Trimmed { oldest, .. }) => position = oldest,
            Err(error) => {
                tracing::error!(%error, "cannot read verdicts from the journal");
                tokio::time::sleep(TAIL_RETRY).await;
            }
        }
    }
}

fn post_record(board: &VerdictBoard, payload: &[u8]) {
    let verdicts = match Verdicts::decode(payload) {
        Ok(verdicts) => verdicts.verdicts,
        Err(error) => return tracing::error!(%error, "a verdict record cannot be decoded"),
    };
    for verdict in &verdicts {
        match decode_verdict(verdict) {
            Ok(verdict) => board.post(verdict),
            Err(error) => tracing::error!(%error, "a verdict cannot be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(cause: u64, problems: usize) -> BatchVerdict {
        let problem = painwatch_domain::Problem {
            index: 0,
            sample: None,
            result: painwatch_domain::Class::Quarantined,
            code: painwatch_domain::ProblemCode::ValueMissing,
            detail: String::new(),
            quarantine_id: None,
        };
        BatchVerdict { cause: Offset(cause), problems: vec![problem; problems], ..BatchVerdict::default() }
    }

    #[tokio::test]
    async fn a_verdict_reaches_who_waited_before_it_and_who_asks_after_it() {
        let board = Arc::new(VerdictBoard::default());
        let early = tokio::spawn({
            let board = Arc::clone(&board);
            async move { board.wait(Offset(7), Duration::from_secs(60)).await }
        });
        while board.sizes().1 == 0 {
            tokio::task::yield_now().await;
        }
        board.post(verdict(7, 0));
        assert_eq!(early.await.unwrap().unwrap().cause, Offset(7));
        assert!(board.wait(Offset(7), Duration::ZERO).await.is_some());
        assert_eq!(board.sizes(), (1, 0));
    }

    #[tokio::test]
    async fn whoever_gives_up_leaves_nothing_behind() {
        let board = VerdictBoard::default();
        assert!(board.wait(Offset(1), Duration::ZERO).await.is_none());
        assert_eq!(board.sizes(), (0, 0));
    }

    #[test]
    fn the_oldest_verdicts_are_forgotten_by_weight() {
        let board = VerdictBoard::default();
        board.post(verdict(0, 0));
        board.post(verdict(1, REMEMBERED_WEIGHT - 2));
        assert_eq!(board.sizes().0, 2);
        board.post(verdict(1, 0));
        board.post(verdict(2, REMEMBERED_WEIGHT - 2));
        assert_eq!(board.sizes().0, 2);
        board.post(verdict(3, REMEMBERED_WEIGHT * 2));
        assert_eq!(board.sizes().0, 0);
    }
}
