//! One connection, from CONNECT to the last word.
//!
//! ```text
//! greet ──▶ run: take packets while there is room ─▶ append (many at once) ─▶ answer in the order received ──▶ end
//! ```
//! Packets are taken only while fewer submissions than the limit are being appended; otherwise the socket is not read and
//! the sender feels it. Answers leave in the order in which the publishes came, each after its record is durable.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, StreamExt as _};
use mqtt_protocol_core::mqtt::packet::Qos;
use mqtt_protocol_core::mqtt::result_code::{DisconnectReasonCode as Code, MqttError};
use painwatch_access::{GatewayPrincipal, Lease};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Endpoint;
use super::door::{Denied, Guest, Hello, LastWord};
use super::exchanges::Exchanges;
use super::link::Link;
use super::listeners::Notice;
use super::publishes::{Done, Finished, Taken};
use super::sessions::{Asked, Entry};
use super::wire::Next;
use super::words::{Input, Welcome};
use crate::ledger::{Ledger, Refusal, Tally};

/// Verdicts a subscriber may leave unacknowledged before it gets no more.
const UNACKNOWLEDGED_MAX: usize = 64;
/// How long the journal may take to remember a session before its client is turned away.
const KEEP_DEADLINE: Duration = Duration::from_secs(5);

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
    /// Names the session in the journal; 0 when it ends with this connection.
    pub session: u64,
    /// How long the session outlives this connection.
    pub keep_s: u32,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let endpoint = &self.endpoint;
        endpoint.listeners.stop(&self.who, self.generation);
        let now = (Instant::now(), endpoint.admission.now_ms());
        let record = endpoint.sessions.leave(&self.who, &self.client_id, self.generation, self.keep_s, now);
        if record.is_some() {
            // Should it be lost, the session lasts from our own end on instead of from here.
            tokio::spawn(endpoint.keep(&self.who, record));
        }
    }
}

pub struct Connection<S> {
    pub(super) seat: Seat,
    pub(super) link: Link<S>,
    pub(super) pending: FuturesOrdered<BoxFuture<'static, Finished>>,
    pub(super) pending_bytes: usize,
    /// A publish that waits for room in the memory all connections share.
    pub(super) parked: Option<(Taken, BoxFuture<'static, OwnedSemaphorePermit>)>,
    pub(super) notices: Option<mpsc::Receiver<Arc<Notice>>>,
    pub(super) notice_qos: Qos,
    /// Verdicts on their way at QoS 1, in the order in which they are acknowledged.
    pub(super) unacknowledged: VecDeque<Arc<Notice>>,
    pub(super) taken_over: CancellationToken,
    /// Set when no more packets are taken; the connection ends when all publishes before that are answered.
    pub(super) ending: Option<End>,
    pub(super) heard_at: Instant,
    pub(super) patience: Duration,
    pub(super) will: Option<LastWord>,
    pub(super) exchanges: Arc<Mutex<Exchanges>>,
    /// Cancelled at the end: answers that are only withheld to keep to a rate leave at once.
    pub(super) hurry: CancellationToken,
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
    /// Takes the seat, makes durable what is to be said of the session, and says it; `None` when there is no seat.
    pub(super) async fn enter(endpoint: Arc<Endpoint>, link: Link<S>, hello: &Hello, guest: Guest) -> Option<Self> {
        let asked = Asked {
            clean_start: hello.clean_start,
            expiry_s: hello.session_expiry_s.min(endpoint.limits.mqtt.session_expiry_s),
        };
        let who = guest.principal;
        let Some(entry) = endpoint.sessions.enter(&who, &hello.client_id, asked, Instant::now()) else {
            endpoint.admission.ledger().refuse_of(&who, Refusal::Busy);
            return turned_away(link, Denied::TooManySessions).await;
        };
        let seat = Seat {
            lease: endpoint.access.lease(&guest.credential),
            endpoint,
            who,
            client_id: hello.client_id.clone(),
            generation: entry.generation,
            session: entry.number,
            keep_s: asked.expiry_s,
        };
        let kept = timeout(KEEP_DEADLINE, seat.endpoint.keep(&seat.who, entry.record.clone())).await;
        if kept != Ok(true) {
            return turned_away(link, Denied::NotDurable).await;
        }
        Some(Self::seated(seat, link, hello, guest.will, entry))
    }

    fn seated(seat: Seat, mut link: Link<S>, hello: &Hello, will: Option<LastWord>, entry: Entry) -> Self {
        let limits = &seat.endpoint.limits.mqtt;
        let longest = limits.keep_alive_s.get();
        let agreed = (1..=longest).contains(&hello.keep_alive_s);
        let keep_alive_s = if agreed { hello.keep_alive_s } else { longest };
        let welcomed = link.wire.welcome(&Welcome {
            session_present: entry.session_present,
            receive_maximum: limits.receive_maximum,
            topic_aliases: limits.topic_aliases,
            server_keep_alive_s: (!agreed).then_some(keep_alive_s),
            session_expiry_s: (seat.keep_s != hello.session_expiry_s).then_some(seat.keep_s),
        });
        if !entry.session_present || entry.subscription.is_none() {
            seat.endpoint.listeners.forget(&seat.who, &seat.client_id);
        }
        let listeners = &seat.endpoint.listeners;
        let notices = entry.subscription.map(|_| listeners.listen(&seat.who, &seat.client_id, seat.generation));
        Self {
            seat,
            link,
            pending: FuturesOrdered::new(),
            pending_bytes: 0,
            parked: None,
            notices,
            notice_qos: entry.subscription.unwrap_or(Qos::AtMostOnce),
            unacknowledged: VecDeque::new(),
            taken_over: entry.taken_over,
            ending: (!welcomed).then_some(End::Broken),
            heard_at: Instant::now(),
            patience: Duration::from_secs(u64::from(keep_alive_s)) * 3 / 2,
            will,
            exchanges: entry.exchanges,
            hurry: CancellationToken::new(),
        }
    }

    pub(super) async fn live(mut self) {
        let end = self.run().await;
        self.hurry.cancel();
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
        let Self { seat, link, notices, unacknowledged, .. } = self;
        if let Some(mut unread) = notices.filter(|_| seat.keep_s > 0) {
            let until = Instant::now() + Duration::from_secs(u64::from(seat.keep_s));
            let own = (&seat.who, seat.client_id.as_str(), seat.generation);
            let dropped = seat.endpoint.listeners.leave(own, until, unacknowledged.into_iter(), &mut unread);
            seat.endpoint.admission.ledger().count(Tally::VerdictsDropped, dropped);
        }
        // Before the peer hears the end: when it comes back, its session is as it left it.
        drop(seat);
        link.close().await;
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
            && self.pending.len() < usize::from(self.seat.endpoint.limits.mqtt.receive_maximum.get())
            && self.pending_bytes < self.seat.endpoint.limits.session_bytes
    }

    fn take_packets(&mut self) -> Result<(), End> {
        while self.ending.is_none() && self.has_room() {
            match self.link.wire.next(&mut self.link.input) {
                Next::More => break,
                Next::Input(input) => self.handle(input),
                Next::Broken(error) => {
                    let too_large = error == MqttError::PacketTooLarge;
                    self.refused(if too_large { Refusal::TooLarge } else { Refusal::Malformed });
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
        let has_vacancy = unacknowledged.len() < UNACKNOWLEDGED_MAX && link.wire.has_vacancy();
        tokio::select! {
            biased;
            () = seat.endpoint.stop.cancelled(), if ending.is_none() => Event::Stop,
            () = seat.lease.ended() => Event::Revoked,
            () = taken_over.cancelled() => Event::TakenOver,
            Some(finished) = pending.next(), if !pending.is_empty() => Event::Finished(finished),
            Some(permit) = async { Some((&mut parked.as_mut()?.1).await) }, if parked.is_some() => Event::Room(permit),
            notice = async { notices.as_mut()?.recv().await }, if notices.is_some() && has_vacancy => Event::Notice(notice),
            read = link.read(), if reading => Event::Read(read),
            // Only while we listen: silence that our own back-pressure caused is not the peer's.
            () = tokio::time::sleep_until(silence), if reading => Event::Silence,
        }
    }

    fn apply(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Stop => {
                self.hurry.cancel();
                self.ending = Some(End::Stopping);
            }
            Event::Revoked => return Err(End::Cut(Code::NotAuthorized)),
            Event::TakenOver => return Err(End::TakenOver),
            Event::Finished(finished) => self.answer_ready(finished)?,
            Event::Room(permit) => {
                if let Some((taken, _)) = self.parked.take() {
                    self.submit(taken, permit);
                }
                self.heard_at = Instant::now();
            }
            Event::Notice(Some(notice)) => self.publish(notice),
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
            self.answer(finished.done)?;
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
            Input::Acknowledged => drop(self.unacknowledged.pop_front()),
            Input::Release { packet_id } => self.push(Done::Released { packet_id }),
            Input::Disconnect { with_will, expiry_s } => self.goodbye(with_will, expiry_s),
            Input::Oversized => {
                self.refused(Refusal::TooLarge);
                self.cut(Code::ImplementationSpecificError);
            }
            Input::Connect(_) | Input::OutOfPlace => {
                self.refused(Refusal::Malformed);
                self.cut(Code::ProtocolError);
            }
        }
    }

    /// A session that was to end with its connection cannot be prolonged with the last word.
    fn goodbye(&mut self, with_will: bool, expiry_s: Option<u32>) {
        match expiry_s {
            Some(1..) if self.seat.keep_s == 0 => return self.cut(Code::ProtocolError),
            Some(expiry_s) => self.seat.keep_s = expiry_s.min(self.seat.endpoint.limits.mqtt.session_expiry_s),
            None => {}
        }
        self.ending = Some(End::Left { with_will });
    }

    /// In the books of the gateway whose connection this is.
    pub(super) fn refused(&self, why: Refusal) {
        self.ledger().refuse_of(&self.seat.who, why);
    }

    pub(super) fn ledger(&self) -> &Ledger {
        self.seat.endpoint.admission.ledger()
    }
}

async fn turned_away<S: AsyncRead + AsyncWrite + Unpin>(mut link: Link<S>, why: Denied) -> Option<Connection<S>> {
    link.wire.turn_away(why);
    link.close().await;
    None
}
