//! The contract's MQTT table, against a real client and by hand.

use std::collections::HashSet;

use painwatch_domain::roster::Device;
use painwatch_domain::{DeviceId, GatewayId, Roster};
use painwatch_ingest::{Refusal, Tally};
use rumqttc::v5::mqttbytes::{QoS as QoS5, v5 as packets5};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet as Packet3, QoS};
use tokio::time::timeout;

use crate::support::journal::Mode;
use crate::support::raw::{BOTH, CONNACK, Connect, DISCONNECT, Raw, Version, confirmed, packet, publish};
use crate::support::{A_WHILE, House, NOW_MS, SOON, admitted, batch_json, batch_json_of, eventually};

const TOPIC: &str = "painwatch/v1/gw-1/readings/json";
const MESSAGES: usize = 500;

#[tokio::test]
async fn a_3_1_1_client_gets_every_publish_acknowledged_once_it_is_durable() {
    let house = House::open().await;
    let mut options = MqttOptions::new("gw-1/hub", "127.0.0.1", house.mqtt_port());
    options.set_credentials("gw-1", &house.token).set_inflight(100);
    let (client, mut events) = AsyncClient::new(options, 10);
    tokio::spawn(async move {
        for nth in 0..MESSAGES {
            client.publish(TOPIC, QoS::AtLeastOnce, false, batch_json(nth)).await.unwrap();
        }
    });
    let mut acknowledged = 0;
    while acknowledged < MESSAGES {
        if let Event::Incoming(Packet3::PubAck(_)) = timeout(SOON, events.poll()).await.unwrap().unwrap() {
            acknowledged += 1;
            assert!(house.journal.records().len() >= acknowledged);
        }
    }
    let batches = house.batches();
    let ids: HashSet<_> = batches.iter().map(|batch| batch.batch_id.clone()).collect();
    assert_eq!((batches.len(), ids.len()), (MESSAGES, MESSAGES));
    assert_eq!((batches[0].gateway.as_str(), batches[0].protocol.as_str()), ("gw-1", "mqtt"));
    assert_eq!((batches[0].received_at_ms, admitted(&batches[0])), (NOW_MS, 1));
    assert_eq!(house.handle.ledger.tally(Tally::ReadingsAdmitted), MESSAGES as u64);
    assert_eq!(house.handle.ledger.refused_total(), 0);
}

#[tokio::test]
async fn a_5_client_gets_every_publish_acknowledged_with_success() {
    let house = House::open().await;
    let mut options = rumqttc::v5::MqttOptions::new("gw-1", "127.0.0.1", house.mqtt_port());
    options.set_credentials("gw-1", &house.token);
    let (client, mut events) = rumqttc::v5::AsyncClient::new(options, 10);
    tokio::spawn(async move {
        for nth in 0..MESSAGES {
            client.publish(TOPIC, QoS5::AtLeastOnce, false, batch_json(nth)).await.unwrap();
        }
    });
    let mut acknowledged = 0;
    while acknowledged < MESSAGES {
        match timeout(SOON, events.poll()).await.unwrap().unwrap() {
            rumqttc::v5::Event::Incoming(packets5::Packet::ConnAck(connack)) => {
                let properties = connack.properties.unwrap();
                assert_eq!(properties.max_qos, None, "QoS 2 is available");
                assert_eq!(properties.receive_max, Some(1000));
                assert_eq!(properties.max_packet_size, Some(256 << 10));
                assert_eq!(properties.retain_available, Some(0));
                assert_eq!(properties.wildcard_subscription_available, Some(0));
                assert_eq!(properties.shared_subscription_available, Some(0));
            }
            rumqttc::v5::Event::Incoming(packets5::Packet::PubAck(puback)) => {
                assert_eq!(puback.reason, packets5::PubAckReason::Success);
                acknowledged += 1;
            }
            _ => {}
        }
    }
    assert_eq!(house.batches().len(), MESSAGES);
}

#[tokio::test]
async fn semantics_24_no_puback_leaves_before_the_record_is_durable() {
    for version in BOTH {
        let house = House::open().await;
        let mut raw = Raw::connect(&house, version, "gw-1").await;
        house.journal.set(Mode::Held);
        raw.publish(TOPIC, 1, 7, batch_json(0).as_bytes()).await;
        eventually("the append is under way", || house.journal.held() == 1).await;
        assert_eq!(raw.receive_within(A_WHILE).await, None);
        house.journal.release(0);
        assert_eq!(confirmed(&raw.receive().await), (7, 0));
    }
}

#[tokio::test]
async fn acknowledgements_come_in_the_order_of_the_publishes_though_appends_finish_otherwise() {
    let house = House::open().await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    house.journal.set(Mode::Held);
    for packet_id in 1..=5 {
        raw.publish(TOPIC, 1, packet_id, batch_json(usize::from(packet_id)).as_bytes()).await;
    }
    raw.publish("painwatch/v1/gw-2/readings/json", 1, 6, b"{}").await;
    eventually("all five are under way", || house.journal.held() == 5).await;
    for last in (1..5).rev() {
        house.journal.release(last);
    }
    assert_eq!(raw.receive_within(A_WHILE).await, None);
    house.journal.release(0);
    for packet_id in 1..=5 {
        assert_eq!(confirmed(&raw.receive().await), (packet_id, 0));
    }
    assert_eq!(confirmed(&raw.receive().await), (6, 0x87));
}

#[tokio::test]
async fn a_protobuf_publish_is_durable_like_a_json_one() {
    use painwatch_proto::ingest::v1::{Reading, ReadingBatch};
    use prost::Message as _;
    let house = House::open().await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    let reading = Reading {
        device: "watch-0001".into(),
        measure: "heart_rate".into(),
        time_ms: Some(NOW_MS - 1_000),
        value: Some(71.0),
        unit: "/min".into(),
        ..Reading::default()
    };
    let batch = ReadingBatch { batch_id: "p/1".into(), readings: vec![reading], ..ReadingBatch::default() };
    raw.publish("painwatch/v1/gw-1/readings/protobuf", 1, 1, &batch.encode_to_vec()).await;
    assert_eq!(confirmed(&raw.receive().await), (1, 0));
    assert_eq!(admitted(&house.batches()[0]), 1);
}

#[tokio::test]
async fn raw_bluetooth_values_come_in_by_their_topic() {
    let house = House::open().await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    let payload = r#"[{"device": "d-1", "characteristic": "2a19", "received_at": "2026-03-01T11:00:00Z", "hex": "29"}, {"hex": "zz"}]"#;
    raw.publish("painwatch/v1/gw-1/readings/gatt", 1, 1, payload.as_bytes()).await;
    assert_eq!(confirmed(&raw.receive().await), (1, 0));
    assert_eq!((admitted(&house.batches()[0]), house.batches()[0].quarantined.len()), (1, 1));
}

#[tokio::test]
async fn wrong_credentials_and_foreign_client_ids_are_turned_away() {
    let house = House::open().await;
    let (start, last) = house.token.split_at(house.token.len() - 1);
    let near_miss = format!("{start}{}", if last == "0" { "1" } else { "0" });
    let (mut bad, mut foreign) = (0, 0);
    for version in BOTH {
        let (credentials_code, identity_code) = if version == Version::V5 { (0x86, 0x87) } else { (4, 5) };
        for (user, password) in [
            (Some("gw-1"), Some(near_miss.as_str())),
            (Some("gw-1"), Some("")),
            (Some("gw/1"), Some(house.token.as_str())),
            (Some("gw-1"), None),
            (None, None),
        ] {
            let mut connect = Connect::new(version, "gw-1", &house.token);
            (connect.user, connect.password) = (user.map(str::to_owned), password.map(str::to_owned));
            let (mut raw, connack) = Raw::connect_with(&house, &connect).await;
            assert_eq!((connack.head, connack.body[1]), (CONNACK, credentials_code), "{user:?}");
            assert!(raw.until_closed().await.is_empty());
            bad += 1;
        }
        for client_id in ["gw-2", "gw-10", "gw-1.", "GW-1", "gw-1 ", "gw-1/"] {
            let mut connect = Connect::new(version, "gw-1", &house.token);
            connect.client_id = client_id.to_owned();
            let (mut raw, connack) = Raw::connect_with(&house, &connect).await;
            assert_eq!((connack.head, connack.body[1]), (CONNACK, identity_code), "{client_id:?}");
            assert!(raw.until_closed().await.is_empty());
            foreign += 1;
        }
    }
    assert_eq!(house.handle.ledger.refused(Refusal::Authentication), bad);
    assert_eq!(house.handle.ledger.refused(Refusal::Authorization), foreign);
}

#[tokio::test]
async fn a_foreign_topic_is_refused_and_nothing_of_it_is_kept() {
    let house = House::open().await;
    let mut five = Raw::connect(&house, Version::V5, "gw-1").await;
    let foreign = [
        "painwatch/v1/gw-2/readings/json",
        "painwatch/v1/gw-1/readings/xml",
        "painwatch/v1/gw-1/readings/#",
        "painwatch/v1/gw-1/verdicts",
        "other",
    ];
    for (packet_id, topic) in (1..).zip(foreign) {
        five.publish(topic, 1, packet_id, batch_json(0).as_bytes()).await;
        assert_eq!(confirmed(&five.receive().await), (packet_id, 0x87));
    }
    let mut three = Raw::connect(&house, Version::V3, "gw-3").await;
    three.publish("painwatch/v1/gw-2/readings/json", 1, 1, batch_json(0).as_bytes()).await;
    assert!(three.until_closed().await.is_empty());
    assert!(house.journal.records().is_empty());
    assert_eq!(house.handle.ledger.refused(Refusal::Authorization), 1 + foreign.len() as u64);
}

#[tokio::test]
async fn what_cannot_be_decoded_is_kept_and_said_to_be_undecodable() {
    let house = House::open().await;
    for (nth, (version, code)) in [(Version::V5, 0x99), (Version::V3, 0)].into_iter().enumerate() {
        let mut raw = Raw::connect(&house, version, "gw-1").await;
        raw.publish(TOPIC, 1, 9, b"{not json").await;
        assert_eq!(confirmed(&raw.receive().await), (9, code));
        let batch = &house.batches()[nth];
        assert_eq!(batch.quarantined.len(), 1);
        assert_eq!(&batch.quarantined[0].payload[..], b"{not json");
    }
    assert_eq!(house.handle.ledger.tally(Tally::Undecodable), 2);
}

#[tokio::test]
async fn a_device_of_another_gateway_is_refused_for_good() {
    let house = House::open().await;
    let id = DeviceId::parse("watch-0001").unwrap();
    let device = Device {
        id: id.clone(),
        kind: "watch".into(),
        serial: None,
        streams: Vec::new(),
        gateways: vec![GatewayId::parse("gw-2").unwrap()],
        source_priority: 0,
    };
    let roster = Roster { devices: [(id, device)].into(), ..Roster::default() };
    house.declare(roster);
    let mut one = Raw::connect(&house, Version::V5, "gw-1").await;
    one.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
    assert_eq!(confirmed(&one.receive().await), (1, 0x87));
    one.publish(TOPIC, 1, 2, batch_json_of("watch-0002", 0).as_bytes()).await;
    assert_eq!(confirmed(&one.receive().await), (2, 0));
    let mut two = Raw::connect(&house, Version::V5, "gw-2").await;
    two.publish("painwatch/v1/gw-2/readings/json", 1, 1, batch_json(0).as_bytes()).await;
    assert_eq!(confirmed(&two.receive().await), (1, 0));
    let mut three = Raw::connect(&house, Version::V3, "gw-1").await;
    three.publish(TOPIC, 1, 3, batch_json(0).as_bytes()).await;
    assert!(three.until_closed().await.is_empty());
    assert_eq!(house.handle.ledger.refused(Refusal::NotYourDevice), 2);
    assert_eq!(house.batches().len(), 2);
}

#[tokio::test]
async fn semantics_24_what_is_not_durable_is_never_acknowledged() {
    for mode in [Mode::Full, Mode::UnknownButWritten] {
        for version in BOTH {
            let house = House::open().await;
            let mut raw = Raw::connect(&house, version, "gw-1").await;
            raw.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
            assert_eq!(confirmed(&raw.receive().await), (1, 0));
            house.journal.set(mode);
            raw.publish(TOPIC, 1, 2, batch_json(1).as_bytes()).await;
            let said = raw.until_closed().await;
            if version == Version::V5 {
                assert_eq!((said.len(), said[0].head, said[0].body[0]), (1, DISCONNECT, 0x97));
            } else {
                assert!(said.is_empty(), "{said:?}");
            }
            house.journal.set(Mode::Durable);
            let mut again = Raw::connect(&house, version, "gw-1").await;
            again.publish(TOPIC, 1, 2, batch_json(1).as_bytes()).await;
            assert_eq!(confirmed(&again.receive().await), (2, 0));
        }
    }
}

#[tokio::test]
async fn qos_0_is_kept_where_possible_and_counted_where_not() {
    let house = House::open().await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    raw.publish(TOPIC, 0, 0, batch_json(0).as_bytes()).await;
    eventually("the reading is kept", || house.batches().len() == 1).await;
    house.journal.set(Mode::Full);
    raw.publish(TOPIC, 0, 0, batch_json(1).as_bytes()).await;
    eventually("the loss is counted", || house.handle.ledger.refused(Refusal::Qos0Shed) == 1).await;
    assert_eq!(house.handle.ledger.tally(Tally::Qos0Received), 2);
    assert_eq!(raw.receive_within(A_WHILE).await, None, "nothing was promised, the connection goes on");
}

#[tokio::test]
async fn qos_0_said_with_the_last_breath_is_kept() {
    let house = House::open().await;
    let mut raw = Raw::connect(&house, Version::V3, "gw-1").await;
    let mut bytes = publish(Version::V3, TOPIC, 0, 0, batch_json(0).as_bytes());
    bytes.extend(packet(0xe0, &[]));
    raw.send(&bytes).await;
    drop(raw);
    eventually("the reading is kept", || house.batches().len() == 1).await;
}

#[tokio::test]
async fn past_failure_22_the_retain_flag_is_ignored() {
    let house = House::open().await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    let mut bytes = publish(Version::V5, TOPIC, 1, 1, batch_json(0).as_bytes());
    bytes[0] |= 1;
    raw.send(&bytes).await;
    assert_eq!(confirmed(&raw.receive().await), (1, 0));
}

#[tokio::test]
async fn a_topic_alias_stands_for_the_topic() {
    use crate::support::raw::publish_with;
    let house = House::open().await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    let alias = [0x23, 0, 1];
    raw.send(&publish_with(Version::V5, TOPIC, 1, 1, batch_json(0).as_bytes(), &alias)).await;
    raw.send(&publish_with(Version::V5, "", 1, 2, batch_json(1).as_bytes(), &alias)).await;
    assert_eq!(confirmed(&raw.receive().await), (1, 0));
    assert_eq!(confirmed(&raw.receive().await), (2, 0));
    assert_eq!(house.batches().len(), 2);
}

#[tokio::test]
async fn semantics_1_what_is_refused_before_durability_is_in_a_ledger_of_its_own() {
    let house = House::open().await;
    let (_, connack) = Raw::connect_with(&house, &Connect::new(Version::V5, "gw-1", "not the token")).await;
    assert_eq!(connack.body[1], 0x86);
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    raw.publish("painwatch/v1/gw-2/readings/json", 1, 1, batch_json(0).as_bytes()).await;
    assert_eq!(confirmed(&raw.receive().await), (1, 0x87));
    let reading = r#"{"device": "watch-0001", "measure": "heart_rate", "time": "2026-03-01T10:00:00Z", "value": 7, "unit": "/min"}"#;
    let too_many = format!("[{}]", vec![reading; 10_001].join(","));
    let limits = painwatch_ingest::IngestLimits { max_packet_bytes: 2 << 20, ..Default::default() };
    let roomy = House::with(limits).await;
    let mut large = Raw::connect(&roomy, Version::V5, "gw-1").await;
    large.publish(TOPIC, 1, 1, too_many.as_bytes()).await;
    assert_eq!(confirmed(&large.receive().await), (1, 0x87));
    assert_eq!((roomy.handle.ledger.refused(Refusal::TooLarge), roomy.handle.ledger.refused_total()), (1, 1));
    house.journal.set(Mode::Full);
    raw.publish(TOPIC, 0, 0, batch_json(0).as_bytes()).await;
    eventually("the shed reading is counted", || house.handle.ledger.refused_total() == 3).await;
    for why in [Refusal::Authentication, Refusal::Authorization, Refusal::Qos0Shed] {
        assert_eq!(house.handle.ledger.refused(why), 1, "{why:?}");
    }
    assert!(house.journal.records().is_empty() && roomy.journal.records().is_empty());
    assert_eq!(house.handle.ledger.tally(Tally::Submissions), 0);
}
