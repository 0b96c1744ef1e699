//! Time, takeover, back-pressure, wills, and the end.

use std::time::Duration;

use painwatch_domain::roster::Device;
use painwatch_domain::{DeviceId, GatewayId, Roster};
use painwatch_ingest::{IngestLimits, Refusal};
use tokio::time::{Instant, timeout};

use crate::support::journal::Mode;
use crate::support::raw::{
    BOTH, CONNACK, Connect, DISCONNECT, GOODBYE, PINGREQ, PINGRESP, PUBACK, PUBREC, Packet, Raw, Version, answered,
    confirmed, publish,
};
use crate::support::{A_WHILE, House, SOON, batch_json, eventually};

const TOPIC: &str = "painwatch/v1/gw-1/readings/json";
const STATUS: &str = "painwatch/v1/gw-1/status";

#[tokio::test]
async fn f13_whoever_says_nothing_is_shown_out_at_the_connect_deadline() {
    let limits = IngestLimits { connect_deadline: A_WHILE, ..IngestLimits::default() };
    let house = House::with(limits).await;
    let begun = Instant::now();
    let mut silent = Raw::knock(&house, Version::V5).await;
    let mut slow = Raw::knock(&house, Version::V5).await;
    slow.send(&Connect::new(Version::V5, "gw-1", &house.token).bytes()[..20]).await;
    assert!(silent.until_closed().await.is_empty() && slow.until_closed().await.is_empty());
    assert!(begun.elapsed() >= A_WHILE);
}

#[tokio::test]
async fn a_ping_is_answered_and_silence_beyond_one_and_a_half_keep_alives_is_not_tolerated() {
    let house = House::open().await;
    for version in BOTH {
        let mut connect = Connect::new(version, "gw-1", &house.token);
        connect.keep_alive_s = 1;
        let (mut raw, _) = Raw::connect_with(&house, &connect).await;
        raw.send(&PINGREQ).await;
        assert_eq!(raw.receive().await, Packet { head: PINGRESP, body: vec![] });
        let heard = Instant::now();
        let said = raw.until_closed().await;
        assert!(heard.elapsed() > Duration::from_millis(1_300), "{:?}", heard.elapsed());
        match version {
            Version::V5 => assert_eq!((said[0].head, said[0].body[0]), (DISCONNECT, 0x8d)),
            Version::V3 => assert!(said.is_empty()),
        }
    }
}

#[tokio::test]
async fn a_longer_keep_alive_than_ours_is_replaced_by_ours() {
    let house = House::open().await;
    for asked in [0, 301, u16::MAX] {
        let mut connect = Connect::new(Version::V5, "gw-1", &house.token);
        connect.keep_alive_s = asked;
        let (_raw, connack) = Raw::connect_with(&house, &connect).await;
        let announced = connack.body.windows(3).any(|property| property == [0x13, 0x01, 0x2c]);
        assert!(announced, "server keep alive 300: {connack:?}");
    }
}

#[tokio::test]
async fn the_second_connection_of_a_client_id_takes_over_from_the_first() {
    let house = House::open().await;
    for version in BOTH {
        let mut first = Raw::connect(&house, version, "gw-1").await;
        let mut other = Raw::connect(&house, version, "gw-2").await;
        let mut second = Raw::connect(&house, version, "gw-1").await;
        let said = first.until_closed().await;
        match version {
            Version::V5 => assert_eq!((said[0].head, said[0].body[0]), (DISCONNECT, 0x8e)),
            Version::V3 => assert!(said.is_empty()),
        }
        second.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
        assert_eq!(confirmed(&second.receive().await), (1, 0));
        other.send(&PINGREQ).await;
        assert_eq!(other.receive().await.head, PINGRESP);
    }
}

#[tokio::test]
async fn a_session_that_was_to_outlive_its_connection_is_present_the_next_time() {
    let house = House::open().await;
    for version in BOTH {
        let gateway = format!("gw-{version:?}");
        let mut lasting = Connect::new(version, &gateway, &house.token);
        lasting.clean = false;
        if version == Version::V5 {
            lasting.properties = vec![0x11, 0, 0, 0, 60];
        }
        let mut present = Vec::new();
        for _ in 0..2 {
            let (mut raw, connack) = Raw::connect_with(&house, &lasting).await;
            present.push((connack.head, connack.body[0]));
            raw.send(&GOODBYE).await;
            raw.until_closed().await;
        }
        assert_eq!(present, [(CONNACK, 0), (CONNACK, 1)]);
        let (_, connack) = Raw::connect_with(&house, &Connect::new(version, &gateway, &house.token)).await;
        assert_eq!(connack.body[0], 0, "a clean start forgets the session");
    }
}

#[tokio::test]
async fn beyond_what_may_be_on_its_way_the_socket_is_not_read() {
    let payload = batch_json(0);
    let limits = IngestLimits { session_bytes: payload.len() * 3, ..IngestLimits::default() };
    let house = House::with(limits).await;
    let mut raw = Raw::connect(&house, Version::V3, "gw-1").await;
    house.journal.set(Mode::Held);
    for packet_id in 1..=20 {
        raw.publish(TOPIC, 1, packet_id, payload.as_bytes()).await;
    }
    eventually("three are on their way", || house.journal.held() == 3).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(house.journal.held(), 3);
    for packet_id in 1..=20 {
        eventually("the next is on its way", || house.journal.held() > 0).await;
        house.journal.release(0);
        assert_eq!(confirmed(&raw.receive().await), (packet_id, 0));
    }
}

#[tokio::test]
async fn f24_all_connections_share_one_budget_and_each_gets_its_turn() {
    let payload = batch_json(0);
    let limits = IngestLimits { budget_bytes: payload.len() * 2, ..IngestLimits::default() };
    let house = House::with(limits).await;
    house.journal.set(Mode::Held);
    let mut raws = Vec::new();
    for nth in 0..5 {
        let gateway = format!("gw-{nth}");
        let mut raw = Raw::connect(&house, Version::V5, &gateway).await;
        raw.publish(&format!("painwatch/v1/{gateway}/readings/json"), 1, 1, payload.as_bytes()).await;
        raws.push(raw);
    }
    eventually("two are on their way", || house.journal.held() == 2).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(house.journal.held(), 2);
    for _ in 0..5 {
        eventually("the next is on its way", || house.journal.held() > 0).await;
        house.journal.release(0);
    }
    for mut raw in raws {
        assert_eq!(confirmed(&raw.receive().await), (1, 0));
    }
}

#[tokio::test]
async fn f7_back_pressure_of_ours_is_not_the_clients_silence() {
    let house = House::with(IngestLimits { session_bytes: 1, ..IngestLimits::default() }).await;
    let mut connect = Connect::new(Version::V5, "gw-1", &house.token);
    connect.keep_alive_s = 1;
    let (mut raw, _) = Raw::connect_with(&house, &connect).await;
    house.journal.set(Mode::Held);
    raw.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
    assert_eq!(raw.receive_within(Duration::from_millis(2_000)).await, None);
    house.journal.release(0);
    assert_eq!(confirmed(&raw.receive().await), (1, 0));
}

#[tokio::test]
async fn a_status_is_journalled_before_it_is_acknowledged() {
    let house = House::open().await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    house.journal.set(Mode::Held);
    raw.publish(STATUS, 1, 1, br#"{"online": true, "firmware": "1.4.2", "backlog": 0, "devices": []}"#).await;
    eventually("it is being appended", || house.journal.held() == 1).await;
    assert_eq!(raw.receive_within(A_WHILE).await, None);
    house.journal.release(0);
    assert_eq!(confirmed(&raw.receive().await), (1, 0));
    assert_eq!(house.statuses(), [(true, "1.4.2".to_owned())]);
    raw.publish(STATUS, 1, 2, b"fine, thanks").await;
    assert_eq!(confirmed(&raw.receive().await), (2, 0x99));
    assert_eq!(house.handle.ledger.refused(Refusal::Malformed), 1);
}

#[tokio::test]
async fn only_who_went_away_uses_the_reserve_of_a_full_journal() {
    let house = House::open().await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    house.journal.set(Mode::Full);
    raw.publish(STATUS, 0, 0, br#"{"online": true}"#).await;
    eventually("the loss is counted", || house.handle.ledger.refused(Refusal::Qos0Shed) == 1).await;
    raw.publish(STATUS, 1, 1, br#"{"online": false}"#).await;
    assert_eq!(confirmed(&raw.receive().await), (1, 0));
    raw.publish(STATUS, 1, 2, br#"{"online": true}"#).await;
    let said = raw.until_closed().await;
    assert_eq!((said[0].head, said[0].body[0]), (DISCONNECT, 0x97), "it comes again, as readings do");
    assert_eq!(house.statuses(), [(false, String::new())]);
}

#[tokio::test]
async fn a_status_may_speak_of_the_devices_that_its_gateway_may_speak_for() {
    let house = House::open().await;
    let id = DeviceId::parse("watch-0002").unwrap();
    let device = Device {
        id: id.clone(),
        kind: "watch".into(),
        serial: None,
        streams: Vec::new(),
        gateways: vec![GatewayId::parse("gw-2").unwrap()],
        source_priority: 0,
    };
    house.declare(Roster { devices: [(id, device)].into(), ..Roster::default() });
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    let status =
        |device: &str| format!(r#"{{"online": true, "devices": [{{"device": "{device}", "battery_pct": 41}}]}}"#);
    for (qos, packet_id, device, code) in
        [(1, 1, "watch-0001", 0), (1, 2, "watch-0002", 0x87), (2, 3, "watch-0001", 0), (2, 4, "watch-0002", 0x87)]
    {
        raw.publish(STATUS, qos, packet_id, status(device).as_bytes()).await;
        let head = if qos == 1 { PUBACK } else { PUBREC };
        assert_eq!(answered(head, &raw.receive().await), (packet_id, code));
    }
    assert_eq!(house.statuses().len(), 2);
    assert_eq!(house.handle.ledger.refused(Refusal::NotYourDevice), 2);
}

#[tokio::test]
async fn a_will_speaks_for_a_gateway_that_vanished_and_not_for_one_that_left() {
    for version in BOTH {
        let house = House::open().await;
        let mut connect = Connect::new(version, "gw-1", &house.token);
        connect.will = Some((STATUS.to_owned(), r#"{"online": false}"#.to_owned()));
        let (mut polite, connack) = Raw::connect_with(&house, &connect).await;
        assert_eq!(connack.body[1], 0);
        polite.send(&GOODBYE).await;
        polite.until_closed().await;
        let (vanishing, _) = Raw::connect_with(&house, &connect).await;
        drop(vanishing);
        eventually("the will is journalled", || !house.statuses().is_empty()).await;
        let (_first, _) = Raw::connect_with(&house, &connect).await;
        let (_second, _) = Raw::connect_with(&house, &connect).await;
        tokio::time::sleep(A_WHILE).await;
        assert_eq!(house.statuses(), [(false, String::new())], "taken over is not gone");

        connect.will = Some(("painwatch/v1/gw-2/status".to_owned(), r#"{"online": false}"#.to_owned()));
        let (_, connack) = Raw::connect_with(&house, &connect).await;
        assert_ne!(connack.body[1], 0, "a will speaks on its own topic only");
    }
}

#[tokio::test]
async fn at_the_end_what_is_under_way_is_acknowledged_and_clients_are_told() {
    let house = House::open().await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    house.journal.set(Mode::Held);
    raw.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
    eventually("it is under way", || house.journal.held() == 1).await;
    house.stop.cancel();
    raw.publish(TOPIC, 1, 2, batch_json(1).as_bytes()).await;
    assert_eq!(raw.receive_within(A_WHILE).await, None);
    house.journal.release(0);
    let said = raw.until_closed().await;
    assert_eq!(confirmed(&said[0]), (1, 0));
    assert_eq!((said.len(), said[1].head, said[1].body[0]), (2, DISCONNECT, 0x8b));
    drop(raw);
    assert!(timeout(SOON, house.doors.handle.stopped()).await.unwrap(), "it was asked for");
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let limits = IngestLimits { stop_deadline: A_WHILE, ..IngestLimits::default() };
    let house = House::with(limits).await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    house.journal.set(Mode::Held);
    raw.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
    eventually("it is under way", || house.journal.held() == 1).await;
    house.stop.cancel();
    assert!(timeout(SOON, house.doors.handle.stopped()).await.unwrap());
}

#[tokio::test]
async fn a_closed_journal_closes_the_doors() {
    let house = House::open().await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    house.journal.set(Mode::Closed);
    raw.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
    let said = raw.until_closed().await;
    assert_eq!((said.len(), said[0].head, said[0].body[0]), (1, DISCONNECT, 0x8b));
    assert!(!timeout(SOON, house.doors.handle.stopped()).await.unwrap(), "nobody asked for it");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_at_once() {
    let house = House::with(IngestLimits { connections: 1, ..IngestLimits::default() }).await;
    let mut inside = Raw::connect(&house, Version::V3, "gw-1").await;
    let mut outside = Raw::knock(&house, Version::V3).await;
    assert!(outside.until_closed().await.is_empty());
    assert_eq!(house.handle.ledger.refused(Refusal::Busy), 1);
    inside.send(&publish(Version::V3, TOPIC, 1, 1, batch_json(0).as_bytes())).await;
    assert_eq!(confirmed(&inside.receive().await), (1, 0));
}
