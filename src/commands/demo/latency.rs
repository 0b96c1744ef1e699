//! From durable reading to open alert, on the real clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use painwatch_domain::Offset;
use painwatch_journal::Journal;
use tokio::task::JoinHandle;

/// When each record became durable, and how long alerts took from there.
#[derive(Clone, Default)]
pub struct Arrivals(Arc<Mutex<Times>>);

#[derive(Default)]
struct Times {
    durable: HashMap<u64, Instant>,
    taken_ms: Vec<f64>,
}

impl Arrivals {
    /// Notes the instant of each record as it becomes durable.
    pub fn follow(&self, journal: Arc<dyn Journal>) -> JoinHandle<()> {
        let arrivals = self.clone();
        tokio::spawn(async move {
            let mut next = journal.next_offset();
            loop {
                journal.wait_beyond(next).await;
                let (now, end) = (Instant::now(), journal.next_offset());
                let mut times = arrivals.0.lock().unwrap_or_else(PoisonError::into_inner);
                times.durable.extend((next.0..end.0).map(|offset| (offset, now)));
                next = end;
            }
        })
    }

    /// An alert caused by the record at `cause` was committed.
    pub fn opened(&self, cause: Option<Offset>) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(durable) = cause.and_then(|cause| times.durable.get(&cause.0).copied()) {
            times.taken_ms.push(durable.elapsed().as_secs_f64() * 1000.0);
        }
    }

    /// (p50, p99) in milliseconds; `None` when no alert opened.
    pub fn percentiles(&self) -> Option<(f64, f64)> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).taken_ms.clone();
        taken.sort_by(f64::total_cmp);
        let at = |fraction: f64| taken.get(((taken.len() as f64 - 1.0) * fraction).round() as usize).copied();
        at(0.5).zip(at(0.99))
    }
}
