//! Telling people: one attempt of one page at a time, and its outcome back into the journal.

mod outcome;
mod secret;
mod webhook;

pub use outcome::OutcomeLog;
pub use secret::{SecretError, WebhookSecret};
pub use webhook::{Answer, Carrier, Http, LinkBase, SignedPage, Webhook};

use painwatch_alerts_core::Page;

use crate::run::AlertsError;

/// Makes one attempt and journals what became of it.
///
/// # Errors
/// When the journal takes nothing any more: the attempt is then made again, under the same id, after a restart.
pub async fn attempt(webhook: Webhook, log: OutcomeLog, page: Page) -> Result<(), AlertsError> {
    fail::fail_point!("alerts::before_send");
    let (outcome, detail) = webhook.post(&page).await;
    fail::fail_point!("alerts::after_send");
    log.record(&page, outcome, detail).await
}
