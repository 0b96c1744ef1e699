//! What a gateway can subscribe to: its own verdicts.

use painwatch_domain::Offset;
use painwatch_ingest::Tally;

use crate::support::raw::{
    BOTH, Connect, GOODBYE, Packet, Raw, SUBACK, UNSUBACK, Version, confirmed, puback, publish_with, subscribe, text,
    unsubscribe,
};
use crate::support::{A_WHILE, House, batch_json, eventually};

const TOPIC: &str = "painwatch/v1/gw-1/readings/json";
const VERDICTS: &str = "painwatch/v1/gw-1/verdicts";

/// Topic, packet id, and what follows the properties.
fn published(version: Version, packet: &Packet) -> (String, Option<u16>, serde_json::Value) {
    assert_eq!(packet.head & 0xf0, 0x30, "{packet:?}");
    let body = &packet.body;
    let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8(body[2..topic_end].to_vec()).unwrap();
    let with_id = packet.head & 0x06 != 0;
    let packet_id = with_id.then(|| u16::from_be_bytes([body[topic_end], body[topic_end + 1]]));
    let mut rest = &body[topic_end + if with_id { 2 } else { 0 }..];
    if version == Version::V5 {
        rest = &rest[1 + usize::from(rest[0])..];
    }
    (topic, packet_id, serde_json::from_slice(rest).unwrap())
}

async fn subscribed(house: &House, version: Version, qos: u8) -> Raw {
    let mut raw = Raw::connect(house, version, "gw-1").await;
    raw.send(&subscribe(version, 5, &[(VERDICTS, qos)])).await;
    let suback = raw.receive().await;
    assert_eq!((suback.head, suback.body.last().copied()), (SUBACK, Some(qos.min(1))));
    raw
}

#[tokio::test]
async fn only_its_own_verdicts_are_a_gateways_to_subscribe_to() {
    let house = House::open().await;
    for version in BOTH {
        let refused = if version == Version::V5 { 0x87 } else { 0x80 };
        let mut raw = Raw::connect(&house, version, "gw-1").await;
        let foreign = [
            "#",
            "+",
            "+/#",
            "/",
            "$SYS/#",
            "$SYS/broker/version",
            "painwatch/#",
            "painwatch/v1/gw-2/verdicts",
            "painwatch/v1/+/verdicts",
            "painwatch/v1/gw-1/#",
            "painwatch/v1/gw-1/verdicts/",
            "painwatch/v1/GW-1/verdicts",
            "painwatch/v1/gw-1/status",
            TOPIC,
        ];
        let filters: Vec<_> = std::iter::once((VERDICTS, 2)).chain(foreign.map(|filter| (filter, 1))).collect();
        raw.send(&subscribe(version, 3, &filters)).await;
        let suback = raw.receive().await;
        assert_eq!((suback.head, &suback.body[..2]), (SUBACK, &[0, 3][..]));
        let codes = &suback.body[suback.body.len() - filters.len()..];
        assert_eq!((codes[0], &codes[1..]), (1, &[refused; 14][..]));
        for (packet_id, shared) in (4..).zip(["$share/g/painwatch/v1/gw-1/verdicts", "$share/g/#"]) {
            raw.send(&subscribe(version, packet_id, &[(shared, 1)])).await;
            assert_eq!(raw.receive().await.body.last(), Some(&refused), "{shared}");
        }
    }
}

#[tokio::test]
async fn semantics_3_the_verdict_follows_once_intake_has_judged() {
    for version in BOTH {
        for qos in [0, 1] {
            let house = House::open().await;
            let _intake = house.judge_everything();
            let mut raw = subscribed(&house, version, qos).await;
            raw.publish(TOPIC, 1, 1, batch_json(3).as_bytes()).await;
            let mut packets = [raw.receive().await, raw.receive().await];
            packets.sort_by_key(|packet| packet.head != 0x40);
            assert_eq!(confirmed(&packets[0]), (1, 0));
            let (topic, packet_id, verdict) = published(version, &packets[1]);
            assert_eq!((topic.as_str(), packet_id.is_some()), (VERDICTS, qos == 1));
            assert_eq!(
                (&verdict["batch_id"], &verdict["final"], &verdict["stored"]),
                (&"b/3".into(), &true.into(), &1.into())
            );
            if let Some(packet_id) = packet_id {
                raw.send(&puback(packet_id)).await;
            }
            raw.publish(TOPIC, 1, 2, batch_json(4).as_bytes()).await;
            assert_eq!(raw.receive().await.head & 0xf0, 0x40);
        }
    }
}

#[tokio::test]
async fn the_correlation_data_of_a_publish_come_back_with_its_verdict() {
    let house = House::open().await;
    let _intake = house.judge_everything();
    let mut raw = subscribed(&house, Version::V5, 0).await;
    let mut properties = vec![0x08];
    properties.extend(text(VERDICTS));
    properties.push(0x09);
    properties.extend(text("ticket-42"));
    raw.send(&publish_with(Version::V5, TOPIC, 1, 1, batch_json(0).as_bytes(), &properties)).await;
    let packets = [raw.receive().await, raw.receive().await];
    let verdict = packets.iter().find(|packet| packet.head & 0xf0 == 0x30).unwrap();
    let echoed = [&[0x09][..], &text("ticket-42")].concat();
    assert!(verdict.body.windows(echoed.len()).any(|window| window == echoed));
}

#[tokio::test]
async fn verdicts_reach_the_gateways_other_connection_and_no_other_gateway() {
    let house = House::open().await;
    let _intake = house.judge_everything();
    let mut listening = subscribed(&house, Version::V5, 1).await;
    let mut stranger = Raw::connect(&house, Version::V5, "gw-2").await;
    stranger.send(&subscribe(Version::V5, 1, &[("painwatch/v1/gw-2/verdicts", 1)])).await;
    stranger.receive().await;
    let mut connect = crate::support::raw::Connect::new(Version::V5, "gw-1", &house.token);
    connect.client_id = "gw-1/sender".to_owned();
    let (mut sending, _) = Raw::connect_with(&house, &connect).await;
    sending.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
    assert_eq!(confirmed(&sending.receive().await), (1, 0));
    assert_eq!(published(Version::V5, &listening.receive().await).0, VERDICTS);
    assert_eq!(stranger.receive_within(A_WHILE).await, None);
    assert_eq!(sending.receive_within(A_WHILE).await, None);
}

#[tokio::test]
async fn after_unsubscribing_no_verdict_comes() {
    let house = House::open().await;
    let _intake = house.judge_everything();
    for version in BOTH {
        let mut raw = subscribed(&house, version, 1).await;
        raw.send(&unsubscribe(version, 6, &[VERDICTS, "other"])).await;
        let unsuback = raw.receive().await;
        assert_eq!((unsuback.head, &unsuback.body[..2]), (UNSUBACK, &[0, 6][..]));
        if version == Version::V5 {
            assert_eq!(unsuback.body[3..], [0, 0x11]);
        }
        raw.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
        assert_eq!(confirmed(&raw.receive().await), (1, 0));
        assert_eq!(raw.receive_within(A_WHILE).await, None);
    }
}

#[tokio::test]
async fn a_subscriber_that_never_acknowledges_loses_verdicts_and_holds_nothing_up() {
    let house = House::open().await;
    let _intake = house.judge_everything();
    let mut raw = subscribed(&house, Version::V5, 1).await;
    let mut acknowledged = 0;
    for nth in 0..600usize {
        raw.publish(TOPIC, 1, u16::try_from(nth + 1).unwrap(), batch_json(nth).as_bytes()).await;
        while raw.receive().await.head & 0xf0 != 0x40 {}
        acknowledged += 1;
    }
    assert_eq!(acknowledged, 600);
    eventually("every verdict is published or dropped", || {
        let ledger = &house.handle.ledger;
        ledger.tally(Tally::VerdictsPublished) + ledger.tally(Tally::VerdictsDropped) == 600
    })
    .await;
    assert!(house.handle.ledger.tally(Tally::VerdictsDropped) > 0, "its queue is bounded");
}

#[tokio::test]
async fn a_response_topic_that_is_not_the_gateways_own_is_said_to_be_ignored_and_the_readings_are_kept() {
    let house = House::open().await;
    let _intake = house.judge_everything();
    let mut raw = subscribed(&house, Version::V5, 0).await;
    let mut stranger = Raw::connect(&house, Version::V5, "gw-2").await;
    stranger.send(&subscribe(Version::V5, 1, &[("painwatch/v1/gw-2/verdicts", 1)])).await;
    stranger.receive().await;
    for (packet_id, topic, reasoned) in [(1, "painwatch/v1/gw-2/verdicts", true), (2, VERDICTS, false)] {
        let properties = [&[0x08][..], &text(topic)].concat();
        let payload = batch_json(packet_id.into());
        raw.send(&publish_with(Version::V5, TOPIC, 1, packet_id, payload.as_bytes(), &properties)).await;
        let mut packets = [raw.receive().await, raw.receive().await];
        packets.sort_by_key(|packet| packet.head != 0x40);
        assert_eq!(confirmed(&packets[0]), (packet_id, 0));
        assert_eq!(packets[0].body.len() > 4, reasoned, "{:?}", packets[0]);
        assert_eq!(published(Version::V5, &packets[1]).0, VERDICTS, "where it always goes");
    }
    assert_eq!(stranger.receive_within(A_WHILE).await, None);
    assert_eq!(house.batches().len(), 2);
}

#[tokio::test]
async fn verdicts_that_come_while_a_gateway_is_away_are_sent_when_it_is_back() {
    for version in BOTH {
        let house = House::open().await;
        let mut lasting = Connect::new(version, "gw-1", &house.token);
        lasting.clean = false;
        if version == Version::V5 {
            lasting.properties = vec![0x11, 0, 0, 0, 60];
        }
        let (mut raw, _) = Raw::connect_with(&house, &lasting).await;
        raw.send(&subscribe(version, 5, &[(VERDICTS, 1)])).await;
        raw.receive().await;
        // Durable, and not judged while it is here; one more comes by another connection of the gateway.
        raw.publish(TOPIC, 1, 1, batch_json(1).as_bytes()).await;
        assert_eq!(confirmed(&raw.receive().await), (1, 0));
        drop(raw);
        eventually("it is seen to be gone", || house.handle.mqtt().present() == (0, 1)).await;
        let mut second = Connect::new(version, "gw-1", &house.token);
        second.client_id = "gw-1/b".to_owned();
        let (mut other, _) = Raw::connect_with(&house, &second).await;
        other.publish(TOPIC, 1, 1, batch_json(2).as_bytes()).await;
        assert_eq!(confirmed(&other.receive().await), (1, 0));
        let _intake = house.judge_from(Offset(0));
        eventually("both are judged", || house.handle.ledger.tally(Tally::VerdictsKept) == 2).await;

        let told = |packets: &[Packet]| -> Vec<String> {
            let verdicts = packets.iter().map(|packet| published(version, packet).2);
            verdicts.map(|verdict| verdict["batch_id"].as_str().unwrap().to_owned()).collect()
        };
        // It does not acknowledge, and so hears them once more; then it does.
        for acknowledges in [false, true] {
            let (mut raw, connack) = Raw::connect_with(&house, &lasting).await;
            assert_eq!(connack.body[0], 1);
            let packets = [raw.receive().await, raw.receive().await];
            let mut heard = told(&packets);
            heard.sort_unstable();
            assert_eq!(heard, ["b/1", "b/2"]);
            for packet in packets.iter().filter(|_| acknowledges) {
                raw.send(&puback(published(version, packet).1.unwrap())).await;
            }
            raw.send(&GOODBYE).await;
            raw.until_closed().await;
        }
        let (mut raw, _) = Raw::connect_with(&house, &lasting).await;
        assert_eq!(raw.receive_within(A_WHILE).await, None);
    }
}
