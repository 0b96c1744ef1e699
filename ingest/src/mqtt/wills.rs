//! What is said for a gateway that can no longer speak.

use std::sync::Arc;
use std::time::Duration;

use painwatch_access::GatewayPrincipal;
use painwatch_journal::Appended;
use painwatch_proto::journal::v1::GatewayStatus;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::Endpoint;
use super::connection::{Connection, End};

/// How long a gateway's will may take to be journalled.
const DEADLINE: Duration = Duration::from_secs(5);

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Whoever takes a client id over is there; whoever loses us because we stop is not gone. A will with a delay waits
    /// for the client, but not beyond the end of its session.
    pub(super) async fn speak_will(&mut self, end: End) {
        let silent = matches!(end, End::Left { with_will: false } | End::TakenOver | End::Stopping);
        let Some(will) = self.will.take().filter(|_| !silent) else { return };
        let seat = &self.seat;
        let delay = will.delay.min(Duration::from_secs(u64::from(seat.keep_s)));
        if delay.is_zero() {
            return seat.endpoint.speak(&seat.who, will.status).await;
        }
        let Some(withdrawn) = seat.endpoint.sessions.defer_will(&seat.who, &seat.client_id, seat.generation) else {
            return;
        };
        let (endpoint, who) = (Arc::clone(&seat.endpoint), seat.who.clone());
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = withdrawn.cancelled() => {}
                () = endpoint.stop.cancelled() => {}
                () = tokio::time::sleep(delay) => endpoint.speak(&who, will.status).await,
            }
        });
    }
}

impl Endpoint {
    async fn speak(&self, who: &GatewayPrincipal, will: GatewayStatus) {
        let recorded = self.admission.record_status(who, will);
        if !matches!(timeout(DEADLINE, recorded).await, Ok((Appended::Durable { .. }, _))) {
            tracing::warn!(gateway = %who.gateway, "a gateway's will could not be journalled");
        }
    }
}
