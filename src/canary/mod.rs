//! A canary for every input: a probe of our own that comes in as a gateway's batch does, is judged as one, and is waited for
//! until its verdict is back. An input that does not answer is found dead before a clinic misses what it should have brought.
//!
//! Its readings have a tenant and a book of their own (semantics 1). Whether an input lives is journalled when it changes, so
//! that the finding is derived again like any other.
//!
//! Never: a reading in a clinic's books, tables or history; a claim that an input lives which nothing came through.

mod probe;
mod report;
mod targets;
mod watch;
mod websocket;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use painwatch_domain::{Clock, TenantId};
use painwatch_ingest::Admission;
use painwatch_journal::Appended;
use painwatch_proto::journal::v1::{InputState, control};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use probe::Probe;
pub use report::{Report, Seen, read};
pub use targets::probes;
use watch::{Change, Input, Moment, Watch};

/// Who says how an input is.
const ACTOR: &str = "system";

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CanaryConfig {
    pub every_ms: u64,
    pub timeout_ms: u64,
    pub dead_after_ms: u64,
    pub broker: bool,
}

impl CanaryConfig {
    /// Whether there are any.
    pub const fn is_on(&self) -> bool {
        self.every_ms > 0
    }

    fn every(&self) -> Duration {
        Duration::from_millis(self.every_ms.max(1))
    }
}

/// What all canaries share.
pub struct Canaries {
    pub config: CanaryConfig,
    pub clock: Arc<dyn Clock>,
    pub admission: Arc<Admission>,
    pub report: Arc<Report>,
}

impl Canaries {
    /// Sends them until stopped. One that hangs holds up no other.
    pub async fn sing(self, probes: Vec<Probe>, stop: CancellationToken) {
        let shared = Arc::new(self);
        let mut singing = JoinSet::new();
        for probe in probes {
            let shared = Arc::clone(&shared);
            singing.spawn(async move { shared.keep(probe).await });
        }
        stop.cancelled().await;
        singing.shutdown().await;
        shared.report.remove();
    }

    async fn keep(&self, probe: Probe) {
        let mut watch = Watch::new(self.now(), self.config.dead_after_ms.cast_signed());
        let limit = Duration::from_millis(self.config.timeout_ms.max(1));
        let mut turns = tokio::time::interval(self.config.every());
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            let began = self.now();
            let sung = probe.sing(began.wall_ms, limit).await;
            let now = self.now();
            if let Some(change) = watch.note(now, sung.as_ref().err().map(String::as_str)) {
                self.tell(probe.input, &change).await.then(|| watch.told(&change));
            }
            self.report.note(Seen::of(probe.input, &watch, began, now, sung.err()));
        }
    }

    fn now(&self) -> Moment {
        Moment { wall_ms: self.clock.wall_ms(), monotonic_ms: self.clock.monotonic_ms() }
    }

    /// Whether it is in the journal.
    async fn tell(&self, input: Input, change: &Change) -> bool {
        match change.alive {
            true => tracing::info!(input = input.as_str(), "the canary answers"),
            false => tracing::error!(input = input.as_str(), why = change.detail, "an input is dead"),
        }
        let state = InputState {
            input: input.as_str().to_owned(),
            alive: change.alive,
            since_ms: change.since_ms,
            detail: change.detail.clone(),
        };
        let action = control::Action::InputState(state);
        let recorded = self.admission.record_control(TenantId::default(), ACTOR.to_owned(), action);
        // Unknown is taken for written; should it not be, the next start tells it.
        !matches!(recorded.await, Appended::Refused(_))
    }
}

/// Where a running server leaves what its canaries saw, for commands on the same machine.
pub fn report_file(data: &std::path::Path) -> PathBuf {
    data.join("canary.json")
}
