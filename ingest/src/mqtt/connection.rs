//! One connection, from CONNECT to the last word.
//!
//! ```text
//! greet ──▶ run: take packets while there is room ─▶ append (many at once) ─▶ answer in the order received ──▶ end
//! ```
//! Packets are taken only while fewer submissions than the limit are being appended; otherwise the socket is not read and
//! the sender feels it. Answers leave in the order in which the publishes came, each after its record is durable.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, StreamExt as _};
use mqtt_protocol_core::mqtt::packet::Qos;
use mqtt_protocol_core::mqtt::result_code::{DisconnectReasonCode as Code, MqttError};
use painwatch_access::{GatewayPrincipal, Lease};
use painwatch_ingest_core::Format;
use painwatch_journal::Appended;
use painwatch_proto::journal::v1::GatewayStatus;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Endpoint;
use super::door::{Guest, Hello};
use super::link::Link;
use super::publishes::{Done, Finished};
use super::sessions::{Entry, Notice};
use super::wire::Next;
use super::words::{Incoming, Input, Welcome};
use crate::ledger::{Ledger, Refusal};

/// Longest silence we agree to; half as much again is tolerated.
const KEEP_ALIVE_MAX_S: u16 = 300;
/// A session outlives its connection by at most a week.
const SESSION_EXPIRY_MAX_S: u32 = 7 * 24 * 3600;
/// Submissions being appended for one connection, announced as Receive Maximum.
const RECEIVE_MAXIMUM: u16 = 1_000;
/// Verdicts a subscriber may leave unacknowledged before it gets no more.
const UNACKNOWLEDGED_MAX: usize = 64;
/// How long a gateway's will may take to be journalled.
const WILL_DEADLINE: Duration = Duration::from_secs(5);

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It said goodbye.
    Left {
        with_will: bool,
    },
    /// It vanished.
    Gone,
    /// It broke the protocol; the engine has said what there is to say.
    Broken,
    /// We end it, and say why where the protocol can.
    Cut(Code),
    TakenOver,
    Stopping,
}

/// Holds the client id; gives it back however the connection ends.
pub struct Seat {
    pub endpoint: Arc<Endpoint>,
    pub who: GatewayPrincipal,
    pub client_id: String,
    pub generation: u64,
    /// Ends when the credential that let it in is revoked or expires.
    lease: Lease,
    keep: Duration,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.endpoint.sessions.leave(&self.who, &self.client_id, self.generation, self.keep, Instant::now());
    }
}

pub struct Connection<S> {
    pub(super) seat: Seat,
    pub(super) link: Link<S>,
    pub(super) pending: FuturesOrdered<BoxFuture<'static, Finished>>,
    pub(super) pending_bytes: usize,
    /// A publish that waits for room in the memory all connections share.
    pub(super) parked: Option<(Incoming, Format, BoxFuture<'static, OwnedSemaphorePermit>)>,
    pub(super) notices: Option<mpsc::Receiver<Arc<Notice>>>,
    pub(super) notice_qos: Qos,
    pub(super) unacknowledged: usize,
    pub(super) taken_over: CancellationToken,
    /// Set when no more packets are taken; the connection ends when all publishes before that are answered.
    pub(super) ending: Option<End>,
    pub(super) heard_at: Instant,
    pub(super) patience: Duration,
    pub(super) will: Option<GatewayStatus>,
}

/// What a connection waits for.
enum Event {
    Stop,
    Revoked,
    TakenOver,
    Finished(Finished),
    Room(OwnedSemaphorePermit),
    Notice(Option<Arc<Notice>>),
    Read(io::Result<usize>),
    Silence,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn enter(endpoint: Arc<Endpoint>, mut link: Link<S>, hello: &Hello, guest: Guest) -> Self {
        let who = guest.principal;
        let entry = endpoint.sessions.enter(&who.tenant, &hello.client_id, hello.clean_start, Instant::now());
        let kept_s = hello.session_expiry_s.min(SESSION_EXPIRY_MAX_S);
        let agreed = matches!(hello.keep_alive_s, 1..=KEEP_ALIVE_MAX_S);
        let keep_alive_s = if agreed { hello.keep_alive_s } else { KEEP_ALIVE_MAX_S };
        let welcomed = link.wire.welcome(&Welcome {
            session_present: entry.session_present,
            receive_maximum: RECEIVE_MAXIMUM,
            server_keep_alive_s: (!agreed).then_some(keep_alive_s),
            session_expiry_s: (kept_s != hello.session_expiry_s).then_some(kept_s),
        });
        let Entry { generation, subscription, taken_over, .. } = entry;
        let notices = subscription.map(|qos| endpoint.sessions.listen(&who, &hello.client_id, generation, qos));
        let keep = Duration::from_secs(u64::from(kept_s));
        Self {
            seat: Seat {
                lease: endpoint.access.lease(&guest.credential),
                endpoint,
                who,
                client_id: hello.client_id.clone(),
                generation,
                keep,
            },
            link,
            pending: FuturesOrdered::new(),
            pending_bytes: 0,
            parked: None,
            notices,
            notice_qos: subscription.unwrap_or(Qos::AtMostOnce),
            unacknowledged: 0,
            taken_over,
            ending: (!welcomed).then_some(End::Broken),
            heard_at: Instant::now(),
            patience: Duration::from_secs(u64::from(keep_alive_s)) * 3 / 2,
            will: guest.will,
        }
    }

    pub(super) async fn live(mut self) {
        let end = self.run().await;
        tracing::debug!(gateway = %self.seat.who.gateway, ?end, "an MQTT connection ended");
        match end {
            End::Cut(code) => self.link.wire.disconnect(code),
            End::TakenOver => self.link.wire.disconnect(Code::SessionTakenOver),
            End::Stopping => self.link.wire.disconnect(Code::ServerShuttingDown),
            End::Left { .. } | End::Gone | End::Broken => {}
        }
        // What was taken is appended, acknowledged or not: the sender sends it again and intake finds the duplicate.
        while self.pending.next().await.is_some() {}
        self.speak_will(end).await;
        self.link.close().await;
    }

    /// Whoever takes a client id over is there; whoever loses us because we stop is not gone.
    async fn speak_will(&mut self, end: End) {
        let silent = matches!(end, End::Left { with_will: false } | End::TakenOver | End::Stopping);
        let Some(will) = self.will.take().filter(|_| !silent) else { return };
        let recorded = self.seat.endpoint.admission.record_status(&self.seat.who, will);
        if !matches!(timeout(WILL_DEADLINE, recorded).await, Ok(Appended::Durable { .. })) {
            tracing::warn!(gateway = %self.seat.who.gateway, "a gateway's will could not be journalled");
        }
    }

    async fn run(&mut self) -> End {
        loop {
            if let Err(end) = self.take_packets() {
                return end;
            }
            if self.link.flush().await.is_err() {
                return End::Gone;
            }
            if let Some(end) = self.ending.filter(|_| self.pending.is_empty() && self.parked.is_none()) {
                return end;
            }
            let event = self.next_event().await;
            if let Err(end) = self.apply(event) {
                return end;
            }
        }
    }

    fn has_room(&self) -> bool {
        self.parked.is_none()
            && self.pending.len() < usize::from(RECEIVE_MAXIMUM)
            && self.pending_bytes < self.seat.endpoint.limits.session_bytes
    }

    fn take_packets(&mut self) -> Result<(), End> {
        while self.ending.is_none() && self.has_room() {
            match self.link.wire.next(&mut self.link.input) {
                Next::More => break,
                Next::Input(input) => self.handle(input),
                Next::Broken(error) => {
                    let too_large = error == MqttError::PacketTooLarge;
                    self.ledger().refuse(if too_large { Refusal::TooLarge } else { Refusal::Malformed });
                    tracing::info!(gateway = %self.seat.who.gateway, ?error, "an MQTT client broke the protocol");
                    return Err(End::Broken);
                }
            }
        }
        Ok(())
    }

    async fn next_event(&mut self) -> Event {
        let reading = self.ending.is_none() && self.has_room();
        let silence = self.heard_at + self.patience;
        let Self { link, pending, parked, notices, unacknowledged, taken_over, seat, ending, .. } = self;
        let has_vacancy = *unacknowledged < UNACKNOWLEDGED_MAX && link.wire.has_vacancy();
        tokio::select! {
            biased;
            () = seat.endpoint.stop.cancelled(), if ending.is_none() => Event::Stop,
            () = seat.lease.ended() => Event::Revoked,
            () = taken_over.cancelled() => Event::TakenOver,
            Some(finished) = pending.next(), if !pending.is_empty() => Event::Finished(finished),
            Some(permit) = async { Some((&mut parked.as_mut()?.2).await) }, if parked.is_some() => Event::Room(permit),
            notice = async { notices.as_mut()?.recv().await }, if notices.is_some() && has_vacancy => Event::Notice(notice),
            read = link.read(), if reading => Event::Read(read),
            // Only while we listen: silence that our own back-pressure caused is not the peer's.
            () = tokio::time::sleep_until(silence), if reading => Event::Silence,
        }
    }

    fn apply(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Stop => self.ending = Some(End::Stopping),
            Event::Revoked => return Err(End::Cut(Code::NotAuthorized)),
            Event::TakenOver => return Err(End::TakenOver),
            Event::Finished(finished) => self.answer_ready(finished)?,
            Event::Room(permit) => {
                if let Some((publish, format, _)) = self.parked.take() {
                    self.submit(publish, format, permit);
                }
                self.heard_at = Instant::now();
            }
            Event::Notice(Some(notice)) => self.publish(&notice),
            Event::Notice(None) => self.notices = None,
            Event::Read(Ok(1..)) => self.heard_at = Instant::now(),
            Event::Read(Ok(0) | Err(_)) => self.ending = Some(End::Gone),
            Event::Silence => return Err(End::Cut(Code::KeepAliveTimeout)),
        }
        Ok(())
    }

    /// Answers `first` and everything behind it that is ready, so that answers share a write.
    fn answer_ready(&mut self, first: Finished) -> Result<(), End> {
        let was_full = !self.has_room();
        let mut next = Some(first);
        while let Some(finished) = next {
            self.pending_bytes -= finished.bytes;
            match finished.done {
                Done::Silent => {}
                Done::Cut(code) => return Err(End::Cut(code)),
                Done::Answer { packet_id, answer, reason } => {
                    self.link.wire.puback(packet_id, answer, reason.as_deref());
                }
            }
            next = self.pending.next().now_or_never().flatten();
        }
        if was_full {
            self.heard_at = Instant::now();
        }
        Ok(())
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Publish(publish) => self.handle_publish(publish),
            Input::Subscribe { packet_id, filters, identified } => self.subscribe(packet_id, &filters, identified),
            Input::Unsubscribe { packet_id, filters } => self.unsubscribe(packet_id, &filters),
            Input::Ping => self.link.wire.pong(),
            Input::Acknowledged => self.unacknowledged = self.unacknowledged.saturating_sub(1),
            Input::Disconnect { with_will } => self.ending = Some(End::Left { with_will }),
            Input::Connect(_) | Input::OutOfPlace => {
                self.ledger().refuse(Refusal::Malformed);
                self.cut(Code::ProtocolError);
            }
        }
    }

    pub(super) fn ledger(&self) -> &Ledger {
        self.seat.endpoint.admission.ledger()
    }
}
