//! What becomes of a publish: judged, appended, answered in the order received.

use std::sync::Arc;

use futures::FutureExt as _;
use mqtt_protocol_core::mqtt::packet::Qos;
use mqtt_protocol_core::mqtt::result_code::DisconnectReasonCode as Code;
use painwatch_ingest_core::{Format, Protocol};
use painwatch_journal::Appended;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;

use super::connection::{Connection, End};
use super::status;
use super::topic::{self, Topic};
use super::words::{Answer, Incoming};
use crate::admission::Outcome;
use crate::ledger::{Ledger, Refusal, Tally};

/// What became of one publish, in the order received.
pub enum Done {
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
pub struct Finished {
    pub done: Done,
    pub bytes: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn handle_publish(&mut self, publish: Incoming) {
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

    pub(super) fn submit(&mut self, publish: Incoming, format: Format, permit: OwnedSemaphorePermit) {
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
    pub(super) fn cut(&mut self, code: Code) {
        self.ending = Some(End::Cut(code));
    }

    fn push(&mut self, done: Done) {
        self.pending.push_back(std::future::ready(Finished { done, bytes: 0 }).boxed());
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
