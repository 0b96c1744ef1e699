//! A verdict as gateways read it: the same fields in gRPC, HTTP and on the verdict topic.

use std::sync::Arc;
use std::time::Duration;

use painwatch_domain::ReceivedAt;
use painwatch_proto::ingest::v1::BatchVerdict;
use painwatch_proto::json::verdict_message;

use crate::admission::{Accepted, Admission};
use crate::verdicts::VerdictBoard;

/// Where answers come from.
#[derive(Clone, Debug)]
pub struct Answers {
    pub admission: Arc<Admission>,
    pub board: Arc<VerdictBoard>,
}

impl Answers {
    /// The verdict of intake, or what is known without it when intake takes longer than `limit`.
    pub async fn to(&self, accepted: &Accepted, limit: Duration) -> BatchVerdict {
        let verdict = self.board.wait(accepted.cause, limit).await;
        let now = ReceivedAt(self.admission.now_ms());
        match verdict {
            Some(verdict) => verdict_message(&verdict, now, true),
            None => verdict_message(&accepted.provisional(), now, false),
        }
    }
}
