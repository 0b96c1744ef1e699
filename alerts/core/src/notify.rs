//! One notification: one transition of one alert told to one recipient through one channel, in as many attempts as it takes.

use painwatch_domain::time::{MINUTE_MS, SECOND_MS};
use painwatch_domain::{AlertId, Hash128, JournalTime, Priority, TenantId};
use serde::{Deserialize, Serialize};

/// What became of one attempt, as its sender saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub tenant: TenantId,
    pub notification_id: Hash128,
    pub alert_id: AlertId,
    pub attempt: u32,
    pub outcome: Outcome,
    /// A status or a class of error; never what the receiver said.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    Failed,
    /// Another attempt would fail the same way: no such address, refused for good.
    Abandoned,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Delivered, Self::Failed, Self::Abandoned].into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// How long to wait after each failure. Dense in the first minute, because a page is worth most then; given up after two
/// hours, when the alert's own state is better news than its page.
pub const BACKOFF_MS: [i64; 10] = [
    5 * SECOND_MS,
    10 * SECOND_MS,
    15 * SECOND_MS,
    30 * SECOND_MS,
    MINUTE_MS,
    3 * MINUTE_MS,
    5 * MINUTE_MS,
    20 * MINUTE_MS,
    30 * MINUTE_MS,
    60 * MINUTE_MS,
];

/// The attempt whose failure is said aloud: a minute has passed and nobody has it.
pub const UNCONFIRMED_ATTEMPT: u32 = 5;

pub const CHANNEL: &str = "webhook";

/// The only step there is until escalation policies are built.
pub const FIRST_LADDER_STEP: u32 = 0;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    pub recipient: String,
    pub url: String,
    #[serde(with = "crate::serial::text")]
    pub priority: Priority,
    #[serde(with = "crate::serial::text")]
    pub raised_at: JournalTime,
    /// The attempt made last, from 1.
    pub attempt: u32,
    /// When the next attempt is due; `None` while one is under way.
    #[serde(with = "crate::serial::optional")]
    pub due: Option<JournalTime>,
}

impl Notification {
    /// When to try again after a failure at `now`; `None` when there were enough attempts.
    pub fn next_due(&self, now: JournalTime) -> Option<JournalTime> {
        let failures = self.attempt.max(1) as usize;
        BACKOFF_MS.get(failures - 1).map(|wait| now.plus(*wait))
    }
}

/// Semantics 11: stable over retries, restarts and replays; different for each thing there is to tell.
pub fn notification_id(alert: AlertId, transition: u32, ladder_step: u32, recipient: &str, channel: &str) -> Hash128 {
    Hash128::of(&[
        b"notification",
        &alert.0,
        &transition.to_le_bytes(),
        &ladder_step.to_le_bytes(),
        recipient.as_bytes(),
        channel.as_bytes(),
    ])
}
