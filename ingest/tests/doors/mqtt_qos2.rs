//! QoS 2: taken once, answered once durable, known again after a lost connection and after our restart.

use painwatch_ingest::IngestLimits;
use painwatch_ingest::mqtt::MqttLimits;

use crate::support::journal::Mode;
use crate::support::raw::{
    BOTH, CONNACK, Connect, DISCONNECT, PUBCOMP, PUBREC, Raw, Version, again, answered, publish, pubrel,
};
use crate::support::{A_WHILE, House, batch_json, eventually};

const TOPIC: &str = "painwatch/v1/gw-1/readings/json";

fn message(version: Version, packet_id: u16, nth: usize) -> Vec<u8> {
    publish(version, TOPIC, 2, packet_id, batch_json(nth).as_bytes())
}

/// Connected with a session that lasts; whether it was there before.
async fn lasting(house: &House, version: Version) -> (Raw, bool) {
    let (raw, connack) = Raw::connect_with(house, &Connect::lasting(version, "gw-1", &house.token)).await;
    assert_eq!((connack.head, connack.body[1]), (CONNACK, 0));
    (raw, connack.body[0] == 1)
}

#[tokio::test]
async fn semantics_24_no_pubrec_leaves_before_the_record_is_durable_however_often_it_is_asked_for() {
    for version in BOTH {
        let house = House::open().await;
        let mut raw = Raw::connect(&house, version, "gw-1").await;
        house.journal.set(Mode::Held);
        raw.send(&message(version, 7, 0)).await;
        eventually("the append is under way", || house.journal.held() == 1).await;
        raw.send(&again(message(version, 7, 0))).await;
        assert_eq!(raw.receive_within(A_WHILE).await, None);
        house.journal.release(0);
        assert_eq!(answered(PUBREC, &raw.receive().await), (7, 0));
        assert_eq!(answered(PUBREC, &raw.receive().await), (7, 0));
        raw.send(&pubrel(7)).await;
        assert_eq!(answered(PUBCOMP, &raw.receive().await), (7, 0));
        assert_eq!(house.batches().len(), 1);
    }
}

#[tokio::test]
async fn an_id_that_was_released_may_be_used_again_and_an_unknown_one_is_said_to_be_unknown() {
    for version in BOTH {
        let house = House::open().await;
        let mut raw = Raw::connect(&house, version, "gw-1").await;
        for nth in 0..2 {
            raw.send(&message(version, 7, nth)).await;
            assert_eq!(answered(PUBREC, &raw.receive().await), (7, 0));
            raw.send(&pubrel(7)).await;
            assert_eq!(answered(PUBCOMP, &raw.receive().await), (7, 0));
        }
        assert_eq!(house.batches().len(), 2);
        raw.send(&pubrel(7)).await;
        let code = if version == Version::V5 { 0x92 } else { 0 };
        assert_eq!(answered(PUBCOMP, &raw.receive().await), (7, code));
    }
}

#[tokio::test]
async fn a_publish_sent_again_over_the_next_connection_is_not_submitted_again() {
    for version in BOTH {
        let house = House::open().await;
        let (mut first, _) = lasting(&house, version).await;
        first.send(&message(version, 7, 0)).await;
        assert_eq!(answered(PUBREC, &first.receive().await), (7, 0));
        drop(first);
        let (mut second, present) = lasting(&house, version).await;
        assert!(present);
        second.send(&again(message(version, 7, 0))).await;
        assert_eq!(answered(PUBREC, &second.receive().await), (7, 0));
        assert_eq!(house.batches().len(), 1);
    }
}

#[tokio::test]
async fn semantics_24_a_publish_sent_again_after_our_restart_is_not_submitted_again() {
    for version in BOTH {
        let house = House::open().await;
        let (mut first, _) = lasting(&house, version).await;
        first.send(&message(version, 7, 0)).await;
        assert_eq!(answered(PUBREC, &first.receive().await), (7, 0));
        let house = house.restart(IngestLimits::default()).await;
        let (mut second, present) = lasting(&house, version).await;
        assert!(present);
        second.send(&again(message(version, 7, 0))).await;
        assert_eq!(answered(PUBREC, &second.receive().await), (7, 0));
        second.send(&pubrel(7)).await;
        assert_eq!(answered(PUBCOMP, &second.receive().await), (7, 0));
        assert_eq!(house.batches().len(), 1);
    }
}

#[tokio::test]
async fn semantics_24_an_id_released_before_our_restart_hides_no_publish_that_came_after_it() {
    for version in BOTH {
        let house = House::open().await;
        let (mut first, _) = lasting(&house, version).await;
        first.send(&message(version, 7, 0)).await;
        assert_eq!(answered(PUBREC, &first.receive().await), (7, 0));
        first.send(&pubrel(7)).await;
        assert_eq!(answered(PUBCOMP, &first.receive().await), (7, 0));
        let house = house.restart(IngestLimits::default()).await;
        let (mut second, _) = lasting(&house, version).await;
        second.send(&again(message(version, 7, 1))).await;
        assert_eq!(answered(PUBREC, &second.receive().await), (7, 0));
        assert_eq!(house.batches().len(), 2, "another publish that was lost on its way the first time");
    }
}

#[tokio::test]
async fn ids_die_with_their_session() {
    for version in BOTH {
        let house = House::open().await;
        let (mut first, _) = lasting(&house, version).await;
        first.send(&message(version, 7, 0)).await;
        assert_eq!(answered(PUBREC, &first.receive().await), (7, 0));
        drop(first);
        drop(Raw::connect(&house, version, "gw-1").await);
        let house = house.restart(IngestLimits::default()).await;
        let (mut second, present) = lasting(&house, version).await;
        assert!(!present);
        second.send(&again(message(version, 7, 0))).await;
        assert_eq!(answered(PUBREC, &second.receive().await), (7, 0));
        assert_eq!(house.batches().len(), 2, "a session that is not there cannot vouch for it");
    }
}

#[tokio::test]
async fn past_failure_20_unfinished_exchanges_are_bounded() {
    let limits = IngestLimits { mqtt: MqttLimits { qos2_ids: 3, ..MqttLimits::default() }, ..IngestLimits::default() };
    let house = House::with(limits).await;
    for version in BOTH {
        let mut raw = Raw::connect(&house, version, "gw-1").await;
        for packet_id in 1..=3 {
            raw.send(&message(version, packet_id, packet_id.into())).await;
            assert_eq!(answered(PUBREC, &raw.receive().await), (packet_id, 0), "at the limit");
        }
        raw.send(&pubrel(1)).await;
        assert_eq!(answered(PUBCOMP, &raw.receive().await), (1, 0));
        raw.send(&message(version, 4, 4)).await;
        assert_eq!(answered(PUBREC, &raw.receive().await), (4, 0), "one was released");
        raw.send(&message(version, 5, 5)).await;
        let said = raw.until_closed().await;
        match version {
            Version::V5 => assert_eq!((said[0].head, said[0].body[0]), (DISCONNECT, 0x97)),
            Version::V3 => assert!(said.is_empty()),
        }
    }
}

#[tokio::test]
async fn more_than_the_receive_maximum_unanswered_breaks_the_protocol() {
    let house = House::open().await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    for packet_id in 1..=1_000 {
        raw.send(&message(Version::V5, packet_id, 0)).await;
        assert_eq!(answered(PUBREC, &raw.receive().await), (packet_id, 0), "at the limit");
    }
    raw.send(&message(Version::V5, 1_001, 0)).await;
    let said = raw.until_closed().await;
    assert_eq!((said[0].head, said[0].body[0]), (DISCONNECT, 0x93));
}

#[tokio::test]
async fn what_is_refused_for_good_ends_the_exchange() {
    let house = House::open().await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    for (packet_id, topic, payload, code) in
        [(1, "painwatch/v1/gw-2/readings/json", "{}", 0x87), (2, TOPIC, "{not json", 0x99)]
    {
        raw.send(&publish(Version::V5, topic, 2, packet_id, payload.as_bytes())).await;
        assert_eq!(answered(PUBREC, &raw.receive().await), (packet_id, code));
        raw.send(&pubrel(packet_id)).await;
        assert_eq!(answered(PUBCOMP, &raw.receive().await), (packet_id, 0x92));
    }
    assert_eq!(house.batches().len(), 1, "what cannot be read is kept");
}

#[tokio::test]
async fn a_publish_that_is_not_durable_is_not_known_the_next_time() {
    for version in BOTH {
        let house = House::open().await;
        let (mut first, _) = lasting(&house, version).await;
        house.journal.set(Mode::Full);
        first.send(&message(version, 7, 0)).await;
        let said = first.until_closed().await;
        assert!(said.iter().all(|packet| packet.head == DISCONNECT), "{said:?}");
        house.journal.set(Mode::Durable);
        let (mut second, _) = lasting(&house, version).await;
        second.send(&again(message(version, 7, 0))).await;
        assert_eq!(answered(PUBREC, &second.receive().await), (7, 0));
        assert_eq!(house.batches().len(), 1);
    }
}
