//! The only clocks: the operating system's in service, a driven one for demos and replays.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use painwatch_domain::Clock;

/// The operating system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn wall_ms(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    }

    fn monotonic_ms(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// A clock that stands still until it is told where to go. Wall and monotonic time move together, so that a leap of
/// weeks is time passing, never a clock step.
#[derive(Debug)]
pub struct DrivenClock {
    now_ms: AtomicI64,
}

impl DrivenClock {
    pub const fn at(now_ms: i64) -> Self {
        Self { now_ms: AtomicI64::new(now_ms) }
    }

    /// Moves forward to `to_ms`; a target in the past changes nothing.
    pub fn advance_to(&self, to_ms: i64) {
        self.now_ms.fetch_max(to_ms, Ordering::SeqCst);
    }
}

impl Clock for DrivenClock {
    fn wall_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn monotonic_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }
}
