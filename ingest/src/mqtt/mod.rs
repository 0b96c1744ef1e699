//! Our own MQTT endpoint, 3.1.1 and 5 on one port: a task a connection, nothing shared that one of them could block.

mod codes;
mod connection;
mod door;
mod greet;
mod link;
mod publishes;
mod sessions;
pub(crate) mod status;
mod subscriptions;
pub(crate) mod topic;
mod wire;
mod words;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use painwatch_access::tls::Gate;
use painwatch_access::{Access, GatewayPrincipal};
use painwatch_proto::json::verdict_to_json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::admission::{Accepted, Admission};
use crate::answer::Answers;
use crate::ledger::{Refusal, Tally};
use crate::run::IngestLimits;
use sessions::{Notice, Sessions};

/// How long a subscriber's verdict is waited for before it is told `final: false`.
const NOTICE_PATIENCE: Duration = Duration::from_secs(30);
/// Verdicts waited for at once on behalf of subscribers; beyond that they are told `final: false` at once.
const NOTICES_AWAITED: usize = 10_000;
/// Pause after `accept` failed, which is mostly for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// What all connections share.
#[derive(Debug)]
pub struct Endpoint {
    admission: Arc<Admission>,
    access: Arc<Access>,
    answers: Answers,
    sessions: Sessions,
    limits: IngestLimits,
    awaiting: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Endpoint {
    pub fn new(answers: Answers, access: Arc<Access>, limits: IngestLimits, stop: CancellationToken) -> Self {
        let admission = Arc::clone(&answers.admission);
        let awaiting = Arc::new(Semaphore::new(NOTICES_AWAITED));
        Self { admission, access, answers, sessions: Sessions::default(), limits, awaiting, stop }
    }

    /// Accepts until stopped, then lets connections finish what is being appended, for as long as the limit allows.
    pub async fn listen(self: Arc<Self>, listener: TcpListener, gate: Gate) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                Some(ended) = connections.join_next() => self.note_end(ended),
                accepted = listener.accept() => match accepted {
                    Ok(_) if connections.len() >= self.limits.connections => self.admission.ledger().refuse(Refusal::Busy),
                    Ok((stream, peer)) => {
                        self.admission.ledger().count(Tally::Connections, 1);
                        connections.spawn(greet::arrive(Arc::clone(&self), stream, peer, gate.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept an MQTT connection");
                        tokio::time::sleep(ACCEPT_RETRY).await;
                    }
                }
            }
        }
        drop(listener);
        let finished = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.limits.stop_deadline, finished).await.is_err() {
            connections.shutdown().await;
        }
    }

    fn note_end(&self, ended: Result<(), JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            self.admission.ledger().count(Tally::ConnectionFaults, 1);
            tracing::error!("an MQTT connection ended by a fault of ours");
        }
    }

    /// Publishes the verdict on a durable submission to whoever of its gateway subscribed, once it is known.
    fn announce(self: &Arc<Self>, who: &GatewayPrincipal, accepted: Accepted, correlation: Option<Vec<u8>>) {
        if !self.sessions.has_listeners(who) {
            return;
        }
        let place = Arc::clone(&self.awaiting).try_acquire_owned().ok();
        let patience = if place.is_some() { NOTICE_PATIENCE } else { Duration::ZERO };
        let (endpoint, who) = (Arc::clone(self), who.clone());
        tokio::spawn(async move {
            let verdict = endpoint.answers.to(&accepted, patience).await;
            let notice = Notice { payload: Bytes::from(verdict_to_json(&verdict)), correlation };
            let (published, dropped) = endpoint.sessions.notify(&who, &Arc::new(notice));
            endpoint.admission.ledger().count(Tally::VerdictsPublished, published);
            endpoint.admission.ledger().count(Tally::VerdictsDropped, dropped);
            drop(place);
        });
    }
}
