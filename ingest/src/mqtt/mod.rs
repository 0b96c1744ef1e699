//! Our own MQTT endpoint, 3.1.1 and 5 on one port: a task a connection, nothing shared that one of them could block.

pub mod anything;
mod away;
mod codes;
mod connection;
mod door;
mod exchanges;
mod frames;
mod greet;
mod keep;
mod limits;
mod link;
mod listeners;
mod publishes;
pub(crate) mod rates;
mod recall;
mod sessions;
pub(crate) mod status;
mod subscriptions;
pub(crate) mod topic;
mod websocket;
mod wills;
mod wire;
mod words;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use painwatch_access::{Access, GatewayPrincipal, tls};
use painwatch_journal::Journal;
use painwatch_proto::json::verdict_to_json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admission::{Accepted, Admission};
use crate::answer::Answers;
use crate::gate::{ACCEPT_RETRY, Gate, Pass};
use crate::ledger::{Refusal, Tally};
use crate::run::IngestLimits;
pub use limits::MqttLimits;
use listeners::{Listeners, Notice};
use sessions::{Limit, Recalled, Sessions};
pub use status::parse as parse_status;

/// How long a subscriber's verdict is waited for before it is told `final: false`.
const NOTICE_PATIENCE: Duration = Duration::from_secs(30);
/// Verdicts waited for at once on behalf of subscribers; beyond that they are told `final: false` at once.
const NOTICES_AWAITED: usize = 10_000;

/// What all connections share.
#[derive(Debug)]
pub struct Endpoint {
    admission: Arc<Admission>,
    access: Arc<Access>,
    answers: Answers,
    sessions: Sessions,
    listeners: Listeners,
    gate: Arc<Gate>,
    limits: IngestLimits,
    awaiting: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Endpoint {
    /// Recalls the sessions that the journal remembers.
    pub async fn open(
        journal: &dyn Journal,
        answers: Answers,
        access: Arc<Access>,
        limits: IngestLimits,
        trusted_proxies: Arc<[IpAddr]>,
        stop: CancellationToken,
    ) -> Self {
        let admission = Arc::clone(&answers.admission);
        let (ours, now) = (&limits.mqtt, Instant::now());
        let (recalled, revision) = keep::recall(journal, ours.qos2_ids, admission.now_ms()).await;
        let gate = Gate::new(limits.connections, ours.connections_per_address, ours.connects_per_s, now)
            .not_counting(trusted_proxies);
        let limit = Limit { all: ours.sessions, of_gateway: ours.sessions_per_gateway };
        let listeners = Listeners::default();
        for Recalled { who, record, remaining, .. } in
            recalled.iter().filter(|known| known.record.verdicts_qos.is_some())
        {
            listeners.expect(who, &record.client_id, now + *remaining);
        }
        Self {
            admission,
            access,
            answers,
            sessions: Sessions::new(limit, recalled, revision, now),
            listeners,
            gate: Arc::new(gate),
            limits,
            awaiting: Arc::new(Semaphore::new(NOTICES_AWAITED)),
            stop,
        }
    }

    /// Accepts until stopped, then lets connections finish what is being appended, for as long as the limit allows.
    pub async fn listen(self: Arc<Self>, listener: TcpListener, gate: tls::Gate) {
        let mut connections = JoinSet::new();
        let mut turn = self.gate.next_turn(Instant::now());
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                Some(ended) = connections.join_next() => self.note_end(ended),
                accepted = async { tokio::time::sleep_until(turn).await; listener.accept().await } => match accepted {
                    Ok((stream, peer)) => {
                        turn = self.gate.next_turn(Instant::now());
                        let Some(pass) = self.let_in(peer.ip()) else { continue };
                        connections.spawn(greet::arrive(Arc::clone(&self), stream, peer, gate.clone(), pass));
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

    /// A place for one more connection, on whichever transport.
    fn let_in(&self, address: IpAddr) -> Option<Pass> {
        let pass = self.gate.enter(address);
        match pass {
            Some(_) => self.admission.ledger().count(Tally::Connections, 1),
            None => self.admission.ledger().refuse(Refusal::Busy),
        }
        pass
    }

    /// Connections there are now, and sessions with and without one.
    pub fn present(&self) -> (usize, usize) {
        (self.gate.inside(), self.sessions.count())
    }

    /// After the stop, until connections that came in elsewhere than through [`Self::listen`] are over.
    pub async fn drain(self: Arc<Self>) {
        self.stop.cancelled().await;
        let _ = tokio::time::timeout(self.limits.stop_deadline, self.gate.empty()).await;
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
        if !self.listeners.are_there(who) {
            return;
        }
        let place = Arc::clone(&self.awaiting).try_acquire_owned().ok();
        let patience = if place.is_some() { NOTICE_PATIENCE } else { Duration::ZERO };
        let (endpoint, who) = (Arc::clone(self), who.clone());
        tokio::spawn(async move {
            let verdict = endpoint.answers.to(&accepted, patience).await;
            let notice = Notice { payload: Bytes::from(verdict_to_json(&verdict)), correlation };
            let told = endpoint.listeners.notify(&who, &Arc::new(notice), Instant::now());
            let ledger = endpoint.admission.ledger();
            ledger.count(Tally::VerdictsPublished, told.published);
            ledger.count(Tally::VerdictsKept, told.kept);
            ledger.count(Tally::VerdictsDropped, told.dropped);
            drop(place);
        });
    }
}
