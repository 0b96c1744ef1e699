//! A sender that keeps to the protocol against our memory of its exchanges, while answers get lost, connections break and
//! we start again: every publish is submitted, and none twice.

use std::collections::BTreeMap;

use painwatch_domain::{JournalTime, Offset, TenantId};
use painwatch_journal::{Class, Record};
use painwatch_proto::journal::v1::{Batch, Control, MqttExchange, MqttSession, MqttSessions, control};
use proptest::prelude::*;
use prost::Message as _;

use super::exchanges::{Digest, Exchanges, Taking, digest};
use super::recall::Recall;

const LIMIT: usize = 10;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The sender publishes under an id, if it is free, and the publish or its answer may get lost.
    Publish {
        packet_id: u16,
        content: u8,
        arrives: bool,
        answered: bool,
    },
    /// The sender releases an id that was answered.
    Release {
        packet_id: u16,
        arrives: bool,
        answered: bool,
    },
    Reconnect,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let (id, flag) = (|| 1..4_u16, any::<bool>);
    prop_oneof![
        4 => (id(), 0..3_u8, flag(), flag())
            .prop_map(|(packet_id, content, arrives, answered)| Step::Publish { packet_id, content, arrives, answered }),
        4 => (id(), flag(), flag()).prop_map(|(packet_id, arrives, answered)| Step::Release { packet_id, arrives, answered }),
        1 => Just(Step::Reconnect),
        1 => Just(Step::Restart),
    ]
}

/// A publish of the sender.
#[derive(Clone, Copy, Debug)]
struct Sent {
    nth: usize,
    digest: Digest,
    answered: bool,
}

#[derive(Default)]
struct World {
    exchanges: Exchanges,
    journal: Vec<Record>,
    /// What the sender has not seen the end of, by packet id.
    open: BTreeMap<u16, Sent>,
    /// Of every publish: its id, its bytes, and how often it was submitted.
    published: Vec<(u16, Digest, usize)>,
}

impl World {
    fn perform(&mut self, step: Step) {
        match step {
            Step::Publish { packet_id, content, arrives, answered } if !self.open.contains_key(&packet_id) => {
                let digest = digest("topic", &[content]);
                self.open.insert(packet_id, Sent { nth: self.published.len(), digest, answered: false });
                self.published.push((packet_id, digest, 0));
                if arrives {
                    self.deliver(packet_id, answered);
                }
            }
            Step::Release { packet_id, arrives, answered } if arrives => self.release(packet_id, answered),
            Step::Publish { .. } | Step::Release { .. } => {}
            Step::Reconnect => self.reconnect(),
            Step::Restart => {
                self.exchanges = self.recalled();
                self.reconnect();
            }
        }
    }

    fn deliver(&mut self, packet_id: u16, answered: bool) {
        let sent = self.open.get_mut(&packet_id).expect("it was sent");
        match self.exchanges.take(packet_id, sent.digest, LIMIT) {
            Taking::Submit => {
                self.published[sent.nth].2 += 1;
                self.journal.push(batch(packet_id, sent.digest));
                self.exchanges.settle(packet_id, sent.digest, LIMIT);
            }
            Taking::Again => {}
            Taking::Full => panic!("there are fewer ids than may be open"),
        }
        sent.answered |= answered;
    }

    fn release(&mut self, packet_id: u16, answered: bool) {
        if self.open.get(&packet_id).is_some_and(|sent| sent.answered) {
            self.exchanges.release(packet_id);
            if answered {
                self.open.remove(&packet_id);
            }
        }
    }

    /// The sender sends again what it has no answer for, and everything arrives.
    fn reconnect(&mut self) {
        self.exchanges.forget_undurable();
        let open: Vec<_> = self.open.iter().map(|(packet_id, sent)| (*packet_id, sent.answered)).collect();
        for (packet_id, answered) in open {
            if answered {
                self.release(packet_id, true);
            } else {
                self.deliver(packet_id, true);
            }
        }
    }

    fn recalled(&self) -> Exchanges {
        let mut recall = Recall::new(LIMIT);
        recall.apply(&session());
        self.journal.iter().for_each(|record| recall.apply(record));
        recall.finish(0, 1).0.pop().expect("the session").exchanges
    }
}

fn record(class: Class, payload: Vec<u8>) -> Record {
    let (offset, journal_time, tenant) = (Offset(0), JournalTime(0), TenantId::default());
    Record { offset, journal_time, class, tenant, key_id: 0, logic_version: 1, payload: payload.into() }
}

fn batch(packet_id: u16, digest: Digest) -> Record {
    let exchange = MqttExchange { session: 1, packet_id: packet_id.into(), digest: digest.to_vec().into() };
    record(Class::Batch, Batch { exchange: Some(exchange), ..Batch::default() }.encode_to_vec())
}

fn session() -> Record {
    let (gateway, client_id) = ("gw-1".to_owned(), "gw-1".to_owned());
    let session = MqttSession { gateway, client_id, revision: 1, number: 1, expiry_s: 60, ..MqttSession::default() };
    let action = control::Action::MqttSessions(MqttSessions { sessions: vec![session] });
    record(Class::Control, Control { action: Some(action), ..Control::default() }.encode_to_vec())
}

proptest! {
    #[test]
    fn semantics_24_whatever_gets_lost_every_publish_is_submitted_and_none_twice(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let mut world = World::default();
        steps.into_iter().for_each(|step| world.perform(step));
        world.reconnect();
        for (nth, (packet_id, digest, submitted)) in world.published.iter().enumerate() {
            prop_assert!(*submitted <= 1, "publish {nth} was submitted {submitted} times");
            // After a restart the same bytes under the same id are taken for the earlier ones: the readings are there.
            let earlier = world.published[..nth].iter().any(|earlier| earlier == &(*packet_id, *digest, 1));
            prop_assert!(*submitted == 1 || earlier, "publish {nth} is lost");
        }
    }
}
