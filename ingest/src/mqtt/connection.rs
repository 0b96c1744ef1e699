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
use painwatch_access::GatewayPrincipal;
use painwatch_ingest_core::{Format, Protocol};
use painwatch_journal::Appended;
use painwatch_proto::journal::v1::GatewayStatus;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::door::{self, Guest, Hello};
use super::link::{FirstPacket, Link, first_packet};
use super::sessions::{Entry, Notice};
use super::topic::{self, Topic};
use super::wire::{Answer, Granted, Incoming, Input, Next, Welcome};
use super::{Endpoint, status};
use crate::admission::Outcome;
use crate::ledger::{Ledger, Refusal, Tally};

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
enum End {
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

/// What became of one publish, in the order received.
enum Done {
    Answer {
        packet_id: u16,
        answer: Answer,
        reason: Option<String>,
    },
    /// QoS 0: nothing was promised.
    Silent,
    Cut(Code),
}

/// A publish and the bytes it holds in memory until it is done.
struct Finished {
    done: Done,
    bytes: usize,
}

pub async fn serve<S>(endpoint: Arc<Endpoint>, stream: S, peer_is_loopback: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut link = Link::new(stream, endpoint.limits.max_packet_bytes);
    let greeting = tokio::select! {
        () = endpoint.stop.cancelled() => return,
        greeting = timeout(endpoint.limits.connect_deadline, greet(&endpoint, &mut link, peer_is_loopback)) => greeting,
    };
    if let Ok(Some((hello, guest))) = greeting {
        Connection::enter(endpoint, link, &hello, guest).live().await;
    } else {
        link.close().await;
    }
}

/// Waits for the CONNECT and decides on it; `None` when there is nothing to go on with.
async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
    endpoint: &Endpoint,
    link: &mut Link<S>,
    peer_is_loopback: bool,
) -> Option<(Hello, Guest)> {
    let ledger = endpoint.admission.ledger();
    let hello = match first_hello(link).await {
        Ok(Some(hello)) => hello,
        Ok(None) => return None,
        Err(_) => {
            ledger.refuse(Refusal::Malformed);
            return None;
        }
    };
    match door::admit(&hello, &endpoint.access, peer_is_loopback) {
        Ok(guest) => Some((hello, guest)),
        Err(denied) => {
            let credentials = denied == door::Denied::BadCredentials;
            ledger.refuse(if credentials { Refusal::Authentication } else { Refusal::Authorization });
            tracing::info!(?denied, "an MQTT client was turned away");
            link.wire.turn_away(denied);
            None
        }
    }
}

/// `None` when the peer left before saying anything.
async fn first_hello<S: AsyncRead + AsyncWrite + Unpin>(link: &mut Link<S>) -> Result<Option<Hello>, MqttError> {
    loop {
        match link.read().await {
            Ok(0) | Err(_) if link.input.is_empty() => return Ok(None),
            Ok(0) | Err(_) => return Err(MqttError::MalformedPacket),
            Ok(_) => {}
        }
        match first_packet(&link.input) {
            FirstPacket::Unclear => {}
            FirstPacket::Connect => break,
            FirstPacket::Unwelcome => return Err(MqttError::ProtocolError),
        }
    }
    loop {
        match link.wire.next(&mut link.input) {
            Next::Input(Input::Connect(hello)) => return Ok(Some(hello)),
            Next::Input(_) => return Err(MqttError::ProtocolError),
            Next::Broken(error) => return Err(error),
            Next::More => {}
        }
        if !matches!(link.read().await, Ok(1..)) {
            return Err(MqttError::MalformedPacket);
        }
    }
}

/// Holds the client id; gives it back however the connection ends.
struct Seat {
    endpoint: Arc<Endpoint>,
    who: GatewayPrincipal,
    client_id: String,
    generation: u64,
    keep: Duration,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.endpoint.sessions.leave(&self.who, &self.client_id, self.generation, self.keep, Instant::now());
    }
}

struct Connection<S> {
    seat: Seat,
    link: Link<S>,
    pending: FuturesOrdered<BoxFuture<'static, Finished>>,
    pending_bytes: usize,
    /// A publish that waits for room in the memory all connections share.
    parked: Option<(Incoming, Format, BoxFuture<'static, OwnedSemaphorePermit>)>,
    notices: Option<mpsc::Receiver<Arc<Notice>>>,
    notice_qos: Qos,
    unacknowledged: usize,
    taken_over: CancellationToken,
    /// Set when no more packets are taken; the connection ends when all publishes before that are answered.
    ending: Option<End>,
    heard_at: Instant,
    patience: Duration,
    will: Option<GatewayStatus>,
}

/// What a connection waits for.
enum Event {
    Stop,
    TakenOver,
    Finished(Finished),
    Room(OwnedSemaphorePermit),
    Notice(Option<Arc<Notice>>),
    Read(io::Result<usize>),
    Silence,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn enter(endpoint: Arc<Endpoint>, mut link: Link<S>, hello: &Hello, guest: Guest) -> Self {
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
            seat: Seat { endpoint, who, client_id: hello.client_id.clone(), generation, keep },
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

    async fn live(mut self) {
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

    fn handle_publish(&mut self, publish: Incoming) {
        match publish.qos {
            // Announced as not available; 3.1.1 has no word for it.
            Qos::ExactlyOnce => return self.cut(Code::QosNotSupported),
            Qos::AtMostOnce => self.ledger().count(Tally::Qos0Received, 1),
            Qos::AtLeastOnce => {}
        }
        match topic::parse(&publish.topic, &self.seat.who.gateway) {
            Some(Topic::Readings(format)) => self.handle_readings(publish, format),
            Some(Topic::Status) => self.handle_status(&publish),
            None => {
                self.ledger().refuse(Refusal::Authorization);
                self.refuse(publish.packet_id, "not your topic");
            }
        }
    }

    fn handle_readings(&mut self, publish: Incoming, format: Format) {
        let admission = &self.seat.endpoint.admission;
        let bytes = publish.payload.len();
        match admission.room_now(bytes) {
            Some(permit) => self.submit(publish, format, permit),
            None => self.parked = Some((publish, format, admission.room(bytes))),
        }
    }

    fn submit(&mut self, publish: Incoming, format: Format, permit: OwnedSemaphorePermit) {
        let (endpoint, who) = (Arc::clone(&self.seat.endpoint), self.seat.who.clone());
        let bytes = publish.payload.len();
        let append = endpoint.admission.submit_bytes(&who, Protocol::Mqtt, publish.payload.as_slice(), format);
        let (packet_id, correlation, is_v5) = (publish.packet_id, publish.correlation, self.link.wire.is_v5());
        let finished = async move {
            let outcome = append.await;
            drop(permit);
            let done = done_of(&outcome, packet_id, is_v5, endpoint.admission.ledger());
            if let Outcome::Durable(accepted) = outcome {
                endpoint.announce(&who, accepted, correlation);
            }
            Finished { done, bytes }
        };
        self.pending_bytes += bytes;
        self.pending.push_back(finished.boxed());
    }

    fn handle_status(&mut self, publish: &Incoming) {
        let Some(said) = status::parse(publish.payload.as_slice(), &self.seat.who.gateway) else {
            self.ledger().refuse(Refusal::Malformed);
            let done = publish.packet_id.map_or(Done::Silent, |packet_id| {
                let reason = Some("not a status".to_owned());
                Done::Answer { packet_id, answer: Answer::Undecodable, reason }
            });
            return self.push(done);
        };
        let recorded = self.seat.endpoint.admission.record_status(&self.seat.who, said);
        let packet_id = publish.packet_id;
        let finished = async move {
            let done = match (recorded.await, packet_id) {
                (_, None) => Done::Silent,
                (Appended::Durable { .. }, Some(packet_id)) => {
                    Done::Answer { packet_id, answer: Answer::Durable, reason: None }
                }
                (Appended::Refused(painwatch_journal::Refusal::Closed), _) => Done::Cut(Code::ServerShuttingDown),
                _ => Done::Cut(Code::QuotaExceeded),
            };
            Finished { done, bytes: 0 }
        };
        self.pending.push_back(finished.boxed());
    }

    /// Refuses for good where the protocol has a word for it; otherwise ends the connection.
    fn refuse(&mut self, packet_id: Option<u16>, reason: &str) {
        match packet_id.filter(|_| self.link.wire.is_v5()) {
            Some(packet_id) => {
                let reason = Some(reason.to_owned());
                self.push(Done::Answer { packet_id, answer: Answer::NotAuthorized, reason });
            }
            None => self.cut(Code::NotAuthorized),
        }
    }

    /// Takes no more packets, and ends when everything before is answered.
    fn cut(&mut self, code: Code) {
        self.ending = Some(End::Cut(code));
    }

    fn push(&mut self, done: Done) {
        self.pending.push_back(std::future::ready(Finished { done, bytes: 0 }).boxed());
    }

    fn subscribe(&mut self, packet_id: u16, filters: &[(String, Qos)], identified: bool) {
        let Seat { endpoint, who, client_id, generation, .. } = &self.seat;
        let mut granted = Vec::with_capacity(filters.len());
        for (filter, asked) in filters {
            if identified || !topic::is_own_verdicts(filter, &who.gateway) {
                endpoint.admission.ledger().refuse(Refusal::Authorization);
                granted.push(if identified { Granted::Identified } else { Granted::NotAuthorized });
                continue;
            }
            self.notice_qos = if *asked == Qos::AtMostOnce { Qos::AtMostOnce } else { Qos::AtLeastOnce };
            self.notices = Some(endpoint.sessions.listen(who, client_id, *generation, self.notice_qos));
            let at_most_once = self.notice_qos == Qos::AtMostOnce;
            granted.push(if at_most_once { Granted::AtMostOnce } else { Granted::AtLeastOnce });
        }
        self.link.wire.suback(packet_id, &granted);
    }

    fn unsubscribe(&mut self, packet_id: u16, filters: &[String]) {
        let Seat { endpoint, who, client_id, generation, .. } = &self.seat;
        let mut existed = Vec::with_capacity(filters.len());
        for filter in filters {
            let ours = topic::is_own_verdicts(filter, &who.gateway) && self.notices.take().is_some();
            if ours {
                endpoint.sessions.stop_listening(who, client_id, *generation);
            }
            existed.push(ours);
        }
        self.link.wire.unsuback(packet_id, &existed);
    }

    fn publish(&mut self, notice: &Notice) {
        let topic = topic::verdicts(&self.seat.who.gateway);
        let correlation = notice.correlation.as_deref();
        let sent = self.link.wire.publish(&topic, &notice.payload, self.notice_qos, correlation);
        if !sent {
            self.ledger().count(Tally::VerdictsDropped, 1);
        } else if self.notice_qos == Qos::AtLeastOnce {
            self.unacknowledged += 1;
        }
    }

    fn ledger(&self) -> &Ledger {
        self.seat.endpoint.admission.ledger()
    }
}

/// The contract's table: what a gateway is told about one publish.
fn done_of(outcome: &Outcome, packet_id: Option<u16>, is_v5: bool, ledger: &Ledger) -> Done {
    let Some(packet_id) = packet_id else {
        if matches!(outcome, Outcome::HeldBack | Outcome::Unsure) {
            ledger.refuse(Refusal::Qos0Shed);
        }
        return if matches!(outcome, Outcome::Closed) { Done::Cut(Code::ServerShuttingDown) } else { Done::Silent };
    };
    match outcome {
        Outcome::Durable(accepted) => {
            let answer = if accepted.decodable { Answer::Durable } else { Answer::Undecodable };
            let reason = accepted.problems.first().filter(|_| !accepted.decodable);
            Done::Answer { packet_id, answer, reason: reason.map(|problem| problem.detail.clone()) }
        }
        Outcome::Refused(refused) if is_v5 => {
            Done::Answer { packet_id, answer: Answer::NotAuthorized, reason: Some(refused.to_string()) }
        }
        Outcome::Refused(_) => Done::Cut(Code::NotAuthorized),
        Outcome::HeldBack | Outcome::Unsure => Done::Cut(Code::QuotaExceeded),
        Outcome::Closed => Done::Cut(Code::ServerShuttingDown),
    }
}
