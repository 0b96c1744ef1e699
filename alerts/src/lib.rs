//! The alert service: follows the journal, keeps the alerts and tells the care team.
//!
//! Findings, commands, rosters and delivery outcomes are read from the journal and applied to the core of
//! `painwatch-alerts-core`; rows, state and position are committed in one transaction; only then is anyone told.
//!
//! Never: a page for a row that is not committed; an outcome that is not journalled; anything about a patient in a page
//! or a log line.

mod decode;
mod notify;
mod rows;
mod run;

pub use decode::ParseRoster;
pub use notify::{Answer, Carrier, LinkBase, SecretError, SignedPage, WebhookSecret};
pub use run::{Alerts, AlertsError, AlertsHandle, Deps, OnOpened, Opened, WebhookConfig};

/// Name of the blobs this service keeps in the store.
pub const BLOB_KIND: &str = "alerts";
