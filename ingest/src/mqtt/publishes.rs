//! What becomes of a publish: judged, appended, answered in the order received.

use std::sync::{Arc, MutexGuard, PoisonError};

use futures::FutureExt as _;
use mqtt_protocol_core::mqtt::packet::Qos;
use mqtt_protocol_core::mqtt::result_code::DisconnectReasonCode as Code;
use painwatch_ingest_core::Format;
use painwatch_journal::Appended;
use painwatch_proto::journal::v1::MqttExchange;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;

use super::connection::{Connection, End};
use super::exchanges::{Digest, Exchanges, Taking, digest};
use super::status;
use super::topic::{self, Topic};
use super::words::{Answer, Granted, Incoming};
use crate::admission::Outcome;
use crate::ledger::{Refusal, Tally};

/// What a sender is told when its verdict will not go where it asked for.
const FOREIGN_RESPONSE_TOPIC: &str = "the verdict goes to your own verdicts topic only";

/// What became of one publish, in the order received.
pub enum Done {
    Answer {
        to: Sender,
        answer: Answer,
        reason: Option<String>,
    },
    /// QoS 2, sent again. The first stands before it in the order of answers.
    Again {
        packet_id: u16,
    },
    /// QoS 0: nothing was promised.
    Silent,
    /// A PUBREL: the exchange is over.
    Released {
        packet_id: u16,
    },
    Subscribed {
        packet_id: u16,
        granted: Vec<Granted>,
    },
    Unsubscribed {
        packet_id: u16,
        existed: Vec<bool>,
    },
    Cut(Code),
}

/// Which publish an answer is for.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    packet_id: u16,
    /// QoS 2: what it is recognised by when it is sent again.
    exchange: Option<Digest>,
}

/// A publish of readings on its way.
pub struct Taken {
    publish: Incoming,
    format: Format,
    to: Option<Sender>,
}

/// A publish and the bytes it holds in memory until it is done.
pub struct Finished {
    pub done: Done,
    pub bytes: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn handle_publish(&mut self, publish: Incoming) {
        if publish.qos == Qos::AtMostOnce {
            self.ledger().count(Tally::Qos0Received, 1);
        }
        if !self.seat.endpoint.limits.mqtt.allows_topic(&publish.topic) {
            self.refused(Refusal::TooLarge);
            return self.cut(Code::TopicNameInvalid);
        }
        let Some(topic) = topic::parse(&publish.topic, &self.seat.who.gateway) else {
            self.refused(Refusal::Authorization);
            return self.refuse(publish.packet_id, publish.qos, "not your topic");
        };
        let to = match self.take(&publish) {
            Ok(to) => to,
            Err(done) => return self.push(done),
        };
        match topic {
            Topic::Readings(format) => self.handle_readings(Taken { publish, format, to }),
            Topic::Status => self.handle_status(&publish, to),
        }
    }

    /// Who is to be answered; what to do instead when the publish is not to be submitted.
    fn take(&self, publish: &Incoming) -> Result<Option<Sender>, Done> {
        let Some(packet_id) = publish.packet_id else { return Ok(None) };
        if publish.qos != Qos::ExactlyOnce {
            return Ok(Some(Sender { packet_id, exchange: None }));
        }
        let exchange = digest(&publish.topic, publish.payload.as_slice());
        let to = Sender { packet_id, exchange: Some(exchange) };
        match self.exchanges().take(packet_id, exchange, self.seat.endpoint.limits.mqtt.qos2_ids) {
            Taking::Submit => Ok(Some(to)),
            Taking::Again => Err(Done::Again { packet_id }),
            Taking::Full => Err(Done::Cut(Code::QuotaExceeded)),
        }
    }

    fn exchanges(&self) -> MutexGuard<'_, Exchanges> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle_readings(&mut self, taken: Taken) {
        let admission = &self.seat.endpoint.admission;
        let bytes = taken.publish.payload.len();
        match admission.room_now(bytes) {
            Some(permit) => self.submit(taken, permit),
            None => self.parked = Some((taken, admission.room(bytes))),
        }
    }

    pub(super) fn submit(&mut self, taken: Taken, permit: OwnedSemaphorePermit) {
        let Taken { publish, format, to } = taken;
        let (endpoint, who) = (Arc::clone(&self.seat.endpoint), self.seat.who.clone());
        let payload = publish.payload.as_slice();
        let bytes = payload.len();
        let exchange = self.journalled(to);
        let append = endpoint.admission.submit_publish(&who, payload, format, exchange, self.hurry.clone());
        let strays = publish.response_topic.is_some_and(|topic| !topic::is_own_verdicts(&topic, &who.gateway));
        let advice = strays.then_some(FOREIGN_RESPONSE_TOPIC);
        let (correlation, is_v5) = (publish.correlation, self.link.wire.is_v5());
        let (exchanges, hurry) = (Arc::clone(&self.exchanges), self.hurry.clone());
        let finished = async move {
            let outcome = append.await;
            drop(permit);
            let shed = to.is_none() && matches!(outcome, Outcome::HeldBack | Outcome::Unsure);
            if shed {
                endpoint.admission.ledger().refuse_of(&who, Refusal::Qos0Shed);
            }
            let done = done_of(&outcome, to, is_v5, advice);
            if let Outcome::Durable(mut accepted) = outcome {
                settle(&exchanges, to, endpoint.limits.mqtt.qos2_ids);
                let slowed = accepted.due.take();
                endpoint.announce(&who, accepted, correlation);
                tokio::select! {
                    () = hurry.cancelled() => {}
                    () = endpoint.admission.withhold(slowed) => {}
                }
            }
            Finished { done, bytes }
        };
        self.pending_bytes += bytes;
        self.pending.push_back(finished.boxed());
    }

    /// What the journal has to know of an exchange whose session survives a restart.
    fn journalled(&self, to: Option<Sender>) -> Option<MqttExchange> {
        let Sender { packet_id, exchange } = to?;
        let digest = exchange.filter(|_| self.seat.session != 0)?.to_vec().into();
        Some(MqttExchange { session: self.seat.session, packet_id: u32::from(packet_id), digest })
    }

    fn handle_status(&mut self, publish: &Incoming, to: Option<Sender>) {
        let Some(said) = status::parse(publish.payload.as_slice(), &self.seat.who.gateway) else {
            self.refused(Refusal::Malformed);
            let reason = Some("not a status".to_owned());
            return self.push(to.map_or(Done::Silent, |to| Done::Answer { to, answer: Answer::Undecodable, reason }));
        };
        let admission = Arc::clone(&self.seat.endpoint.admission);
        if !status::devices(&said).all(|device| admission.may_speak_for(&self.seat.who, &device)) {
            self.refused(Refusal::NotYourDevice);
            return self.refuse(publish.packet_id, publish.qos, "a device of another gateway");
        }
        let recorded = admission.record_status(&self.seat.who, said);
        let (mut turn, hurry) = (admission.turn(&self.seat.who, 0), self.hurry.clone());
        let (exchanges, limit) = (Arc::clone(&self.exchanges), self.seat.endpoint.limits.mqtt.qos2_ids);
        let who = self.seat.who.clone();
        self.push_later(async move {
            turn.come(Some(hurry.clone())).await;
            let (appended, due) = recorded.await;
            tokio::select! {
                () = hurry.cancelled() => {}
                () = admission.withhold(due) => {}
            }
            match (appended, to) {
                (Appended::Durable { .. }, None) => Done::Silent,
                (Appended::Durable { .. }, Some(to)) => {
                    settle(&exchanges, Some(to), limit);
                    Done::Answer { to, answer: Answer::Durable, reason: None }
                }
                (Appended::Refused(painwatch_journal::Refusal::Closed), _) => Done::Cut(Code::ServerShuttingDown),
                (_, Some(_)) => Done::Cut(Code::QuotaExceeded),
                (_, None) => {
                    admission.ledger().refuse_of(&who, Refusal::Qos0Shed);
                    Done::Silent
                }
            }
        });
    }

    /// Refuses for good where the protocol has a word for it; otherwise ends the connection.
    fn refuse(&mut self, packet_id: Option<u16>, qos: Qos, reason: &str) {
        match packet_id.filter(|_| self.link.wire.is_v5()) {
            Some(packet_id) => {
                let exchange = (qos == Qos::ExactlyOnce).then(Digest::default);
                let (to, reason) = (Sender { packet_id, exchange }, Some(reason.to_owned()));
                self.push(Done::Answer { to, answer: Answer::NotAuthorized, reason });
            }
            None => self.cut(Code::NotAuthorized),
        }
    }

    /// Says what became of the oldest publish that was not answered yet.
    pub(super) fn answer(&mut self, done: Done) -> Result<(), End> {
        let is_v5 = self.link.wire.is_v5();
        match done {
            Done::Silent => {}
            Done::Cut(code) => return Err(End::Cut(code)),
            Done::Answer { to: Sender { packet_id, exchange: None }, answer, reason } => {
                self.link.wire.puback(packet_id, answer, reason.as_deref());
            }
            Done::Answer { to: Sender { packet_id, .. }, answer, reason } => {
                if is_v5 && answer.is_failure() {
                    self.exchanges().release(packet_id);
                }
                self.link.wire.pubrec(packet_id, answer, reason.as_deref());
            }
            Done::Again { packet_id } if self.exchanges().is_open(packet_id) => {
                self.link.wire.pubrec(packet_id, Answer::Durable, None);
            }
            // The first was refused, which ended the exchange.
            Done::Again { .. } => return Err(End::Cut(Code::ProtocolError)),
            Done::Released { packet_id } => {
                let known = self.exchanges().release(packet_id);
                self.link.wire.pubcomp(packet_id, known);
            }
            Done::Subscribed { packet_id, granted } => self.link.wire.suback(packet_id, &granted),
            Done::Unsubscribed { packet_id, existed } => self.link.wire.unsuback(packet_id, &existed),
        }
        Ok(())
    }

    /// Takes no more packets, and ends when everything before is answered.
    pub(super) fn cut(&mut self, code: Code) {
        self.ending = Some(End::Cut(code));
    }

    pub(super) fn push(&mut self, done: Done) {
        self.push_later(std::future::ready(done));
    }

    pub(super) fn push_later(&mut self, done: impl Future<Output = Done> + Send + 'static) {
        self.pending.push_back(done.map(|done| Finished { done, bytes: 0 }).boxed());
    }
}

fn settle(exchanges: &std::sync::Mutex<Exchanges>, to: Option<Sender>, limit: usize) {
    if let Some(Sender { packet_id, exchange: Some(digest) }) = to {
        exchanges.lock().unwrap_or_else(PoisonError::into_inner).settle(packet_id, digest, limit);
    }
}

/// The contract's table: what a gateway is told about one publish.
fn done_of(outcome: &Outcome, to: Option<Sender>, is_v5: bool, advice: Option<&str>) -> Done {
    let Some(to) = to else {
        return if matches!(outcome, Outcome::Closed) { Done::Cut(Code::ServerShuttingDown) } else { Done::Silent };
    };
    match outcome {
        Outcome::Durable(accepted) => {
            let answer = if accepted.decodable { Answer::Durable } else { Answer::Undecodable };
            let problem = accepted.problems.first().filter(|_| !accepted.decodable);
            let reason = problem.map(|problem| problem.detail.clone()).or_else(|| advice.map(str::to_owned));
            Done::Answer { to, answer, reason }
        }
        Outcome::Refused(refused) if is_v5 => {
            Done::Answer { to, answer: Answer::NotAuthorized, reason: Some(refused.to_string()) }
        }
        Outcome::Refused(_) => Done::Cut(Code::NotAuthorized),
        Outcome::HeldBack | Outcome::Unsure => Done::Cut(Code::QuotaExceeded),
        Outcome::Closed => Done::Cut(Code::ServerShuttingDown),
    }
}
