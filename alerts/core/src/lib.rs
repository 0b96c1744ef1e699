//! What becomes of a finding: one alert per episode, who is told, and what people did about it.
//!
//! Findings, commands, delivery outcomes and rosters go in, each at a journal time; rows to write and pages to send come
//! out. The same inputs give the same outputs, byte for byte.
//!
//! Never: I/O, a clock, randomness; a second alert for a known id; a page for something in shadow, retrospective or
//! historical.

mod alert;
mod core;
mod effect;
mod finding;
mod lifecycle;
mod notify;
mod routing;
mod serial;
mod turn;

pub use crate::alert::AlertView;
pub use crate::core::{AlertsCore, Input, Part, RestoreError};
pub use crate::effect::{AlertEvent, Effects, Evidence, NotificationView, Page};
pub use crate::lifecycle::{Transition, latches, next_state};
pub use crate::notify::{Delivery, Outcome, notification_id};
pub use crate::routing::Routing;
pub use crate::turn::{Command, NOTE_MAX_CHARS, Verb};
