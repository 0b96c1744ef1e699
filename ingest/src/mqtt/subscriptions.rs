//! A gateway's subscription to its own verdicts.

use std::sync::Arc;

use mqtt_protocol_core::mqtt::packet::Qos;
use mqtt_protocol_core::mqtt::result_code::DisconnectReasonCode as Code;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{Connection, Seat};
use super::listeners::Notice;
use super::publishes::Done;
use super::topic;
use super::words::Granted;
use crate::ledger::{Refusal, Tally};

/// A subscription that could not be made durable: the client asks again.
const NOT_KEPT: Done = Done::Cut(Code::QuotaExceeded);

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn subscribe(&mut self, packet_id: u16, filters: &[(String, Qos)], identified: bool) {
        if filters.iter().any(|(filter, _)| !self.seat.endpoint.limits.mqtt.allows_topic(filter)) {
            self.refused(Refusal::TooLarge);
            return self.cut(Code::TopicFilterInvalid);
        }
        let granted: Vec<_> = filters.iter().map(|(filter, qos)| self.grant(filter, *qos, identified)).collect();
        let known = self.notices.as_ref().map(|_| self.notice_qos);
        let Seat { endpoint, who, client_id, generation, .. } = &self.seat;
        match endpoint.sessions.subscribe(who, client_id, *generation, known) {
            None => self.link.wire.suback(packet_id, &granted),
            // Whoever is told that it subscribed finds it so after our restart.
            record => {
                let kept = endpoint.keep(who, record);
                let done = async move { if kept.await { Done::Subscribed { packet_id, granted } } else { NOT_KEPT } };
                self.push_later(done);
            }
        }
    }

    fn grant(&mut self, filter: &str, asked: Qos, identified: bool) -> Granted {
        let Seat { endpoint, who, client_id, generation, .. } = &self.seat;
        if identified || !topic::is_own_verdicts(filter, &who.gateway) {
            endpoint.admission.ledger().refuse_of(who, Refusal::Authorization);
            return if identified { Granted::Identified } else { Granted::NotAuthorized };
        }
        // Who subscribes again keeps what is on its way: clients do so whenever they come back.
        if self.notices.is_none() {
            self.notices = Some(endpoint.listeners.listen(who, client_id, *generation));
        }
        self.notice_qos = if asked == Qos::AtMostOnce { Qos::AtMostOnce } else { Qos::AtLeastOnce };
        if asked == Qos::AtMostOnce { Granted::AtMostOnce } else { Granted::AtLeastOnce }
    }

    pub(super) fn unsubscribe(&mut self, packet_id: u16, filters: &[String]) {
        let Seat { endpoint, who, client_id, generation, .. } = &self.seat;
        let mut existed = Vec::with_capacity(filters.len());
        for filter in filters {
            let ours = topic::is_own_verdicts(filter, &who.gateway) && self.notices.take().is_some();
            if ours {
                endpoint.listeners.stop(who, *generation);
            }
            existed.push(ours);
        }
        let known = self.notices.as_ref().map(|_| self.notice_qos);
        match endpoint.sessions.subscribe(who, client_id, *generation, known) {
            None => self.link.wire.unsuback(packet_id, &existed),
            record => {
                let kept = endpoint.keep(who, record);
                let done = async move { if kept.await { Done::Unsubscribed { packet_id, existed } } else { NOT_KEPT } };
                self.push_later(done);
            }
        }
    }

    pub(super) fn publish(&mut self, notice: Arc<Notice>) {
        let topic = topic::verdicts(&self.seat.who.gateway);
        let correlation = notice.correlation.as_deref();
        let sent = self.link.wire.publish(&topic, &notice.payload, self.notice_qos, correlation);
        if !sent {
            self.ledger().count(Tally::VerdictsDropped, 1);
        } else if self.notice_qos == Qos::AtLeastOnce {
            self.unacknowledged.push_back(notice);
        }
    }
}
