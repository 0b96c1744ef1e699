//! A gateway's subscription to its own verdicts.

use mqtt_protocol_core::mqtt::packet::Qos;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{Connection, Seat};
use super::sessions::Notice;
use super::topic;
use super::words::Granted;
use crate::ledger::{Refusal, Tally};

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn subscribe(&mut self, packet_id: u16, filters: &[(String, Qos)], identified: bool) {
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

    pub(super) fn unsubscribe(&mut self, packet_id: u16, filters: &[String]) {
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

    pub(super) fn publish(&mut self, notice: &Notice) {
        let topic = topic::verdicts(&self.seat.who.gateway);
        let correlation = notice.correlation.as_deref();
        let sent = self.link.wire.publish(&topic, &notice.payload, self.notice_qos, correlation);
        if !sent {
            self.ledger().count(Tally::VerdictsDropped, 1);
        } else if self.notice_qos == Qos::AtLeastOnce {
            self.unacknowledged += 1;
        }
    }
}
