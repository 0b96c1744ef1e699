//! Which sessions the journal remembers: a pure fold over its tail.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use painwatch_access::GatewayPrincipal;
use painwatch_domain::GatewayId;
use painwatch_journal::{Class, Record};
use painwatch_proto::journal::v1::{Batch, Control, MqttExchange, MqttSession, control};
use prost::Message as _;

use super::exchanges::{Digest, Exchanges};
use super::sessions::Recalled;

type Key = (GatewayPrincipal, String);

/// Exchanges of one session, the newest last.
type Open = VecDeque<(u16, Digest)>;

#[derive(Debug, Default)]
pub struct Recall {
    sessions: HashMap<Key, MqttSession>,
    open: HashMap<u64, Open>,
    last_revision: u64,
    ids: usize,
}

impl Recall {
    /// Keeps `ids` exchanges of a session, the newest.
    pub fn new(ids: usize) -> Self {
        Self { ids, ..Self::default() }
    }

    /// Records must come in the order of the journal. What cannot be read belongs to others and says nothing here.
    pub fn apply(&mut self, record: &Record) {
        match record.class {
            Class::Batch => {
                if let Ok(Batch { exchange: Some(exchange), .. }) = Batch::decode(record.payload.clone()) {
                    self.note(exchange.session, &exchange);
                }
            }
            Class::Control => {
                let Ok(Control { action, .. }) = Control::decode(record.payload.clone()) else { return };
                let Some(control::Action::MqttSessions(changed)) = action else { return };
                for session in changed.sessions {
                    self.learn(record, session);
                }
            }
            _ => {}
        }
    }

    fn learn(&mut self, record: &Record, session: MqttSession) {
        let Ok(gateway) = GatewayId::parse(&session.gateway) else { return };
        let key = (GatewayPrincipal { tenant: record.tenant.clone(), gateway }, session.client_id.clone());
        self.last_revision = self.last_revision.max(session.revision);
        if self.sessions.get(&key).is_some_and(|known| known.revision > session.revision) {
            return;
        }
        for exchange in &session.open {
            self.note(session.number, exchange);
        }
        if let Some(earlier) = self.sessions.insert(key, session.clone())
            && earlier.number != session.number
        {
            self.open.remove(&earlier.number);
        }
    }

    fn note(&mut self, number: u64, exchange: &MqttExchange) {
        let (Ok(packet_id), Ok(digest)) = (u16::try_from(exchange.packet_id), Digest::try_from(&exchange.digest[..]))
        else {
            return;
        };
        let open = self.open.entry(number).or_default();
        open.retain(|(known, _)| *known != packet_id);
        open.push_back((packet_id, digest));
        if open.len() > self.ids {
            open.pop_front();
        }
    }

    /// The sessions that are not over at `now_ms`, and the last revision given to any. One whose connection was there at
    /// the end lost it at `ended_ms`.
    pub fn finish(mut self, ended_ms: i64, now_ms: i64) -> (Vec<Recalled>, u64) {
        let mut recalled = Vec::new();
        for ((who, _), mut record) in std::mem::take(&mut self.sessions) {
            let left_ms = record.left_ms.unwrap_or(ended_ms);
            let ends_ms = left_ms.saturating_add(i64::from(record.expiry_s) * 1_000);
            if record.number == 0 || ends_ms <= now_ms {
                continue;
            }
            record.left_ms = Some(left_ms);
            let remaining = Duration::from_millis(ends_ms.abs_diff(now_ms).min(u64::from(record.expiry_s) * 1_000));
            let mut exchanges = Exchanges::default();
            for (packet_id, digest) in self.open.remove(&record.number).unwrap_or_default() {
                exchanges.recall(packet_id, digest);
            }
            recalled.push(Recalled { who, record, exchanges, remaining });
        }
        (recalled, self.last_revision)
    }
}

#[cfg(test)]
mod tests {
    use painwatch_domain::{JournalTime, Offset, TenantId};
    use painwatch_proto::journal::v1::MqttSessions;

    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn record(class: Class, payload: Vec<u8>) -> Record {
        Record {
            offset: Offset(0),
            journal_time: JournalTime(0),
            class,
            tenant: TenantId::default(),
            key_id: 0,
            logic_version: 1,
            payload: payload.into(),
        }
    }

    fn changed(sessions: Vec<MqttSession>) -> Record {
        let action = Some(control::Action::MqttSessions(MqttSessions { sessions }));
        record(Class::Control, Control { action, ..Control::default() }.encode_to_vec())
    }

    fn session(revision: u64, number: u64) -> MqttSession {
        let (gateway, client_id) = ("gw-1".to_owned(), "gw-1".to_owned());
        MqttSession { gateway, client_id, revision, number, expiry_s: 3600, ..MqttSession::default() }
    }

    fn batch(session: u64, packet_id: u32, byte: u8) -> Record {
        let exchange = Some(MqttExchange { session, packet_id, digest: vec![byte; 16].into() });
        record(Class::Batch, Batch { exchange, ..Batch::default() }.encode_to_vec())
    }

    fn recalled(records: &[Record], now_ms: i64) -> Vec<Recalled> {
        let mut recall = Recall::new(2);
        records.iter().for_each(|record| recall.apply(record));
        recall.finish(0, now_ms).0
    }

    #[test]
    fn a_session_lives_from_the_end_of_its_connection_as_long_as_was_agreed() {
        let begun = changed(vec![session(1, 1)]);
        assert_eq!(recalled(std::slice::from_ref(&begun), HOUR_MS - 1)[0].remaining, Duration::from_millis(1));
        assert!(recalled(std::slice::from_ref(&begun), HOUR_MS).is_empty());
        let left = changed(vec![MqttSession { left_ms: Some(-HOUR_MS), ..session(2, 1) }]);
        assert!(recalled(&[begun, left], 1).is_empty());
    }

    #[test]
    fn the_greatest_revision_counts_wherever_it_stands() {
        let ended = changed(vec![session(3, 0)]);
        let surveyed_before = changed(vec![session(2, 1)]);
        assert!(recalled(&[ended, surveyed_before], 1).is_empty());
    }

    #[test]
    fn exchanges_live_and_die_with_their_session_and_the_newest_are_kept() {
        let records = [changed(vec![session(1, 1)]), batch(1, 7, 1), batch(1, 8, 1), batch(1, 7, 2), batch(1, 9, 1)];
        let open = recalled(&records, 1)[0].exchanges.durable();
        assert_eq!(open, [(7, [2; 16]), (9, [1; 16])]);
        let another = [&records[..], &[changed(vec![session(2, 2)])]].concat();
        assert!(recalled(&another, 1)[0].exchanges.durable().is_empty());
    }

    #[test]
    fn records_of_others_and_noise_say_nothing() {
        let noise = [record(Class::Batch, vec![0xff; 9]), record(Class::Control, vec![0xff; 9]), batch(5, 1, 1)];
        assert!(recalled(&noise, 1).is_empty());
        let unnamed = changed(vec![MqttSession { gateway: "#".to_owned(), ..session(1, 1) }]);
        assert!(recalled(&[unnamed], 1).is_empty());
    }
}
