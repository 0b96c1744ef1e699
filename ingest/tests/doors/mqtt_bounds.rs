//! Every bound on what one client can take: at the bound it is served, one beyond it is not.

use painwatch_ingest::mqtt::MqttLimits;
use painwatch_ingest::{IngestLimits, Refusal};

use crate::support::raw::{
    BOTH, CONNACK, Connect, DISCONNECT, Raw, SUBACK, Version, confirmed, publish_with, subscribe, text,
};
use crate::support::{House, batch_json};

const TOPIC: &str = "painwatch/v1/gw-1/readings/json";

fn with(mqtt: MqttLimits) -> IngestLimits {
    IngestLimits { mqtt, ..IngestLimits::default() }
}

fn user_properties(count: usize) -> Vec<u8> {
    [&[0x26][..], &text("k"), &text("v")].concat().repeat(count)
}

/// What a 5 client is told when it is cut off, and that a 3.1.1 client is told nothing.
async fn is_cut_off(raw: &mut Raw, code: u8) {
    let said = raw.until_closed().await;
    match raw.version {
        Version::V5 => assert_eq!((said[0].head, said[0].body[0]), (DISCONNECT, code)),
        Version::V3 => assert!(said.is_empty(), "{said:?}"),
    }
}

#[tokio::test]
async fn a_first_packet_has_4_kib_at_most() {
    let house = House::open().await;
    for (length, let_in) in [(4096, true), (4097, false)] {
        let mut connect = Connect::new(Version::V5, "gw-1", &house.token);
        connect.will = Some(("painwatch/v1/gw-1/status".to_owned(), r#"{"online": false}"#.to_owned()));
        let bare = connect.bytes();
        let bare_length = bare.len() - if bare[1] & 0x80 == 0 { 2 } else { 3 };
        connect.will.as_mut().unwrap().1.push_str(&" ".repeat(length - bare_length));
        let bytes = connect.bytes();
        assert_eq!(bytes.len() - 3, length, "counted as the packet's header counts");
        let mut raw = Raw::knock(&house, Version::V5).await;
        raw.send(&bytes).await;
        if let_in {
            let connack = raw.receive().await;
            assert_eq!((connack.head, connack.body[1]), (CONNACK, 0));
        } else {
            assert!(raw.until_closed().await.is_empty());
        }
    }
}

#[tokio::test]
async fn a_topic_has_eight_levels_and_256_bytes_at_most() {
    let house = House::open().await;
    for (at, beyond) in [("a/".repeat(7), "a/".repeat(8)), ("x".repeat(256), "x".repeat(257))] {
        for version in BOTH {
            let mut raw = Raw::connect(&house, version, "gw-1").await;
            raw.send(&subscribe(version, 1, &[(&at, 0)])).await;
            assert_eq!(raw.receive().await.head, SUBACK, "answered, though with no");
            raw.send(&subscribe(version, 2, &[(&beyond, 0)])).await;
            is_cut_off(&mut raw, 0x8f).await;
            let mut raw = Raw::connect(&house, version, "gw-1").await;
            if version == Version::V5 {
                raw.publish(&at, 1, 1, b"{}").await;
                assert_eq!(confirmed(&raw.receive().await), (1, 0x87), "not its own, but a topic");
            }
            raw.publish(&beyond, 1, 2, b"{}").await;
            is_cut_off(&mut raw, 0x90).await;
        }
    }
}

#[tokio::test]
async fn a_packet_has_sixteen_user_properties_at_most() {
    let house = House::open().await;
    for (count, code) in [(16, 0), (17, 0x83)] {
        let mut connect = Connect::new(Version::V5, "gw-1", &house.token);
        connect.properties = user_properties(count);
        assert_eq!(Raw::connect_with(&house, &connect).await.1.body[1], code);
        connect.properties = user_properties(1);
        connect.will = Some(("painwatch/v1/gw-1/status".to_owned(), r#"{"online": false}"#.to_owned()));
        connect.will_properties = user_properties(count - 1);
        assert_eq!(Raw::connect_with(&house, &connect).await.1.body[1], code, "those of the will count too");
    }
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    let publish = |packet_id, count| {
        publish_with(Version::V5, TOPIC, 1, packet_id, batch_json(0).as_bytes(), &user_properties(count))
    };
    raw.send(&publish(1, 16)).await;
    assert_eq!(confirmed(&raw.receive().await), (1, 0));
    raw.send(&publish(2, 17)).await;
    is_cut_off(&mut raw, 0x83).await;
    assert_eq!(house.handle.ledger.refused(Refusal::TooLarge), 3);
}

#[tokio::test]
async fn a_client_has_sixteen_topic_aliases_at_most() {
    let house = House::open().await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    let publish = |alias| publish_with(Version::V5, TOPIC, 1, 1, batch_json(0).as_bytes(), &[0x23, 0, alias]);
    raw.send(&publish(16)).await;
    assert_eq!(confirmed(&raw.receive().await), (1, 0));
    raw.send(&publish(17)).await;
    is_cut_off(&mut raw, 0x94).await;

    let house = House::with(with(MqttLimits { topic_aliases: 0, ..MqttLimits::default() })).await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    raw.send(&publish(1)).await;
    is_cut_off(&mut raw, 0x94).await;
}

#[tokio::test]
async fn the_receive_maximum_that_is_configured_is_announced() {
    let receive_maximum = 20.try_into().unwrap();
    let house = House::with(with(MqttLimits { receive_maximum, ..MqttLimits::default() })).await;
    let (_, connack) = Raw::connect_with(&house, &Connect::new(Version::V5, "gw-1", &house.token)).await;
    assert!(connack.body.windows(3).any(|property| property == [0x21, 0, 20]), "{connack:?}");
}

#[tokio::test]
async fn a_client_gets_no_packet_larger_than_it_takes_and_no_more_publishes_than_it_takes() {
    let house = House::open().await;
    let _intake = house.judge_everything();
    let mut connect = Connect::new(Version::V5, "gw-1", &house.token);
    // Receive Maximum 1, Maximum Packet Size 1,000.
    connect.properties = vec![0x21, 0, 1, 0x27, 0, 0, 3, 0xe8];
    let (mut raw, _) = Raw::connect_with(&house, &connect).await;
    raw.send(&subscribe(Version::V5, 1, &[("painwatch/v1/gw-1/verdicts", 1)])).await;
    assert_eq!(raw.receive().await.head, SUBACK);
    raw.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
    raw.publish(TOPIC, 1, 2, batch_json(1).as_bytes()).await;
    let mut heads = Vec::new();
    while let Some(packet) = raw.receive_within(crate::support::A_WHILE).await {
        heads.push(packet.head & 0xf0);
    }
    heads.sort_unstable();
    assert_eq!(heads, [0x30, 0x40, 0x40], "the second verdict waits for the acknowledgement of the first");

    connect.properties = vec![0x27, 0, 0, 0, 200];
    let (mut raw, _) = Raw::connect_with(&house, &connect).await;
    raw.send(&subscribe(Version::V5, 1, &[("painwatch/v1/gw-1/verdicts", 1)])).await;
    assert_eq!(raw.receive().await.head, SUBACK);
    let long = format!(r#"{{"batch_id": "{}", "readings": []}}"#, "x".repeat(100));
    raw.publish(TOPIC, 1, 1, long.as_bytes()).await;
    assert_eq!(confirmed(&raw.receive().await).0, 1);
    assert_eq!(raw.receive_within(crate::support::A_WHILE).await, None, "a verdict of more than 200 bytes");
}

#[tokio::test]
async fn connections_beyond_those_of_a_second_wait_for_their_turn() {
    let connects_per_s = 2.try_into().unwrap();
    let house = House::with(with(MqttLimits { connects_per_s, ..MqttLimits::default() })).await;
    let begun = tokio::time::Instant::now();
    let mut inside = Vec::new();
    for _ in 0..2 {
        inside.push(Raw::connect(&house, Version::V5, "gw-1").await);
    }
    inside.push(Raw::connect(&house, Version::V5, "gw-1").await);
    assert!(begun.elapsed() >= std::time::Duration::from_millis(450), "{:?}", begun.elapsed());
    assert_eq!(house.handle.ledger.refused(Refusal::Busy), 0, "nobody is refused");
}
