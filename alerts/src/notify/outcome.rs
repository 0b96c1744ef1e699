//! What became of an attempt, as a control record: only what is journalled is final.

use std::sync::Arc;
use std::time::Duration;

use painwatch_alerts_core::{Outcome, Page};
use painwatch_domain::Clock;
use painwatch_journal::{AppendOptions, Appended, Class, Journal, NewRecord, Refusal};
use painwatch_proto::journal::v1::{self as pb, control::Action};
use prost::Message as _;

use crate::run::AlertsError;

#[derive(Clone)]
pub struct OutcomeLog {
    pub journal: Arc<dyn Journal>,
    pub clock: Arc<dyn Clock>,
    pub logic_version: u32,
}

/// Between tries while the journal is full even for us.
const FULL_PAUSE: Duration = Duration::from_millis(500);

impl OutcomeLog {
    /// # Errors
    /// When the journal is closed, or refuses for a reason that trying again does not cure.
    pub async fn record(&self, page: &Page, outcome: Outcome, detail: String) -> Result<(), AlertsError> {
        let record = self.encode(page, outcome, detail);
        loop {
            let options = AppendOptions { reserved: true, expect: None };
            match self.journal.append(vec![record.clone()], options).await {
                Appended::Durable { .. } => return Ok(()),
                // Writing it again is safe: the core takes the outcome of an attempt once.
                Appended::Unknown => {}
                Appended::Refused(Refusal::Full) => tokio::time::sleep(FULL_PAUSE).await,
                Appended::Refused(refusal) => return Err(AlertsError::Refused(refusal)),
            }
        }
    }

    fn encode(&self, page: &Page, outcome: Outcome, detail: String) -> NewRecord {
        let delivery = pb::Delivery {
            notification_id: page.notification_id.0.to_vec().into(),
            alert_id: page.alert_id.0.to_vec().into(),
            channel: page.channel.to_owned(),
            attempt: page.attempt,
            outcome: outcome.as_str().to_owned(),
            detail,
        };
        let control = pb::Control {
            actor: page.channel.to_owned(),
            wall_ms: self.clock.wall_ms(),
            idempotency_key: format!("{}/{}", page.notification_id, page.attempt),
            action: Some(Action::Delivery(delivery)),
        };
        NewRecord {
            class: Class::Control,
            tenant: page.tenant.clone(),
            key_id: 0,
            logic_version: self.logic_version,
            payload: control.encode_to_vec().into(),
        }
    }
}
