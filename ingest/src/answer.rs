//! A verdict as gateways read it: the same fields in gRPC, HTTP and on the verdict topic.

use std::sync::Arc;
use std::time::Duration;

use painwatch_access::GatewayPrincipal;
use painwatch_domain::ReceivedAt;
use painwatch_proto::ingest::v1::BatchVerdict;
use painwatch_proto::json::verdict_message;

use crate::admission::{Accepted, Admission};
use crate::verdicts::VerdictBoard;

/// No probe waits longer.
const PROBE_PATIENCE: Duration = Duration::from_secs(60);

/// Where answers come from.
#[derive(Clone, Debug)]
pub struct Answers {
    pub admission: Arc<Admission>,
    pub board: Arc<VerdictBoard>,
}

impl Answers {
    /// How long `from` waits for its verdict: our own probes as long as they care to, because they are sent to see how long it takes.
    pub fn patience(from: &GatewayPrincipal, limit: Duration) -> Duration {
        if from.tenant.is_canary() { PROBE_PATIENCE } else { limit }
    }

    /// The verdict of intake, or what is known without it when intake takes longer than `limit`; withheld where a device of the
    /// submission has sent more than it may.
    pub async fn to(&self, accepted: &Accepted, limit: Duration) -> BatchVerdict {
        let verdict = self.board.wait(accepted.cause, limit).await;
        self.admission.withhold(accepted.due).await;
        let now = ReceivedAt(self.admission.now_ms());
        match verdict {
            Some(verdict) => verdict_message(&verdict, now, true),
            None => verdict_message(&accepted.provisional(), now, false),
        }
    }
}
