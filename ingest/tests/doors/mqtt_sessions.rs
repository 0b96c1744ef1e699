//! Sessions: there after our restart, bound to their credential, and said not to be there when they are not.

use painwatch_ingest::mqtt::MqttLimits;
use painwatch_ingest::{IngestLimits, Refusal};
use painwatch_journal::{Class, Journal};

use crate::support::journal::Mode;
use crate::support::raw::{
    BOTH, CONNACK, Connect, GOODBYE, PINGREQ, PINGRESP, Raw, SUBACK, Version, confirmed, packet, subscribe, unsubscribe,
};
use crate::support::{A_WHILE, House, batch_json, eventually};

const TOPIC: &str = "painwatch/v1/gw-1/readings/json";
const VERDICTS: &str = "painwatch/v1/gw-1/verdicts";

async fn present(house: &House, connect: &Connect) -> (Raw, bool) {
    let (raw, connack) = Raw::connect_with(house, connect).await;
    assert_eq!((connack.head, connack.body[1]), (CONNACK, 0), "{connack:?}");
    (raw, connack.body[0] == 1)
}

#[tokio::test]
async fn semantics_24_a_session_and_its_subscription_survive_our_restart() {
    for version in BOTH {
        let house = House::open().await;
        let (mut raw, was_there) = present(&house, &Connect::lasting(version, "gw-1", &house.token)).await;
        assert!(!was_there);
        raw.send(&subscribe(version, 1, &[(VERDICTS, 1)])).await;
        assert_eq!(raw.receive().await.head, SUBACK);
        let house = house.restart(IngestLimits::default()).await;
        let _intake = house.judge_everything();
        let (mut raw, is_there) = present(&house, &Connect::lasting(version, "gw-1", &house.token)).await;
        assert!(is_there);
        raw.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
        let mut heads = [raw.receive().await.head & 0xf0, raw.receive().await.head & 0xf0];
        heads.sort_unstable();
        assert_eq!(heads, [0x30, 0x40], "the verdict comes without subscribing again");
    }
}

#[tokio::test]
async fn semantics_24_a_session_that_is_not_there_after_our_restart_is_said_not_to_be() {
    let house = House::open().await;
    for version in BOTH {
        let gateway = format!("gw-{version:?}");
        drop(Raw::connect(&house, version, &gateway).await);
    }
    let (ended, _) = present(&house, &Connect::lasting(Version::V3, "gw-ended", &house.token)).await;
    drop(ended);
    drop(Raw::connect(&house, Version::V3, "gw-ended").await);
    let house = house.restart(IngestLimits::default()).await;
    for gateway in ["gw-V3", "gw-V5", "gw-ended", "gw-new"] {
        assert!(!present(&house, &Connect::lasting(Version::V3, gateway, &house.token)).await.1, "{gateway}");
    }
}

#[tokio::test]
async fn unsubscribing_survives_our_restart_as_well() {
    let house = House::open().await;
    let (mut raw, _) = present(&house, &Connect::lasting(Version::V5, "gw-1", &house.token)).await;
    raw.send(&subscribe(Version::V5, 1, &[(VERDICTS, 1)])).await;
    raw.receive().await;
    raw.send(&unsubscribe(Version::V5, 2, &[VERDICTS])).await;
    raw.receive().await;
    let house = house.restart(IngestLimits::default()).await;
    let _intake = house.judge_everything();
    let (mut raw, _) = present(&house, &Connect::lasting(Version::V5, "gw-1", &house.token)).await;
    raw.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
    assert_eq!(confirmed(&raw.receive().await), (1, 0));
    assert_eq!(raw.receive_within(A_WHILE).await, None);
}

#[tokio::test]
async fn neither_a_session_nor_a_subscription_is_confirmed_before_it_is_durable() {
    let house = House::open().await;
    house.journal.set(Mode::Held);
    let mut raw = Raw::knock(&house, Version::V5).await;
    raw.send(&Connect::lasting(Version::V5, "gw-1", &house.token).bytes()).await;
    assert_eq!(raw.receive_within(A_WHILE).await, None);
    house.journal.release(0);
    assert_eq!(raw.receive().await.head, CONNACK);
    raw.send(&subscribe(Version::V5, 1, &[(VERDICTS, 1)])).await;
    assert_eq!(raw.receive_within(A_WHILE).await, None);
    house.journal.release(0);
    assert_eq!(raw.receive().await.head, SUBACK);
}

#[tokio::test]
async fn a_session_that_cannot_be_made_durable_is_not_begun() {
    let house = House::open().await;
    house.journal.set(Mode::UnknownButWritten);
    for (version, code) in [(Version::V5, 0x88), (Version::V3, 3)] {
        let (mut raw, connack) = Raw::connect_with(&house, &Connect::lasting(version, "gw-1", &house.token)).await;
        assert_eq!((connack.head, connack.body[1]), (CONNACK, code));
        assert!(raw.until_closed().await.is_empty());
    }
}

#[tokio::test]
async fn a_gateway_that_keeps_no_session_writes_nothing_into_the_journal() {
    let house = House::open().await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    raw.send(&subscribe(Version::V5, 1, &[(VERDICTS, 1)])).await;
    raw.receive().await;
    raw.send(&GOODBYE).await;
    raw.until_closed().await;
    assert_eq!(house.journal.records().len(), 0);
}

#[tokio::test]
async fn past_failure_21_a_stranger_can_neither_take_over_nor_end_a_session() {
    let house = House::open().await;
    for version in BOTH {
        let gateway = format!("gw-{version:?}");
        let (mut owner, _) = present(&house, &Connect::lasting(version, &gateway, &house.token)).await;
        for clean in [true, false] {
            for (user, password) in [("gw-2", house.token.as_str()), (gateway.as_str(), "not the token")] {
                let mut stranger = Connect::new(version, &gateway, password);
                (stranger.user, stranger.clean) = (Some(user.to_owned()), clean);
                let (_, connack) = Raw::connect_with(&house, &stranger).await;
                assert_ne!(connack.body[1], 0);
            }
        }
        owner.send(&PINGREQ).await;
        assert_eq!(owner.receive().await.head, PINGRESP, "nobody was kicked");
        drop(owner);
        assert!(present(&house, &Connect::lasting(version, &gateway, &house.token)).await.1, "nothing was destroyed");
    }
    assert_eq!(house.handle.ledger.refused(Refusal::Authorization), 4);
}

#[tokio::test]
async fn no_more_sessions_are_kept_than_may_be() {
    let limits = IngestLimits { mqtt: MqttLimits { sessions: 2, ..MqttLimits::default() }, ..IngestLimits::default() };
    let house = House::with(limits).await;
    let (first, _) = present(&house, &Connect::lasting(Version::V5, "gw-1", &house.token)).await;
    let (_second, _) = present(&house, &Connect::lasting(Version::V5, "gw-2", &house.token)).await;
    for (version, code) in [(Version::V5, 0x89), (Version::V3, 3)] {
        let (_, connack) = Raw::connect_with(&house, &Connect::new(version, "gw-3", &house.token)).await;
        assert_eq!(connack.body[1], code, "beyond the limit");
    }
    drop(first);
    let third = Connect::lasting(Version::V5, "gw-3", &house.token);
    let mut let_in = false;
    for _ in 0..100 {
        let (_, connack) = Raw::connect_with(&house, &third).await;
        let_in |= connack.body[1] == 0;
    }
    assert!(let_in, "the session without a connection made room");
    assert!(!present(&house, &Connect::lasting(Version::V5, "gw-1", &house.token)).await.1);
}

#[tokio::test]
async fn a_session_is_kept_no_longer_than_a_week_and_the_client_is_told() {
    let house = House::open().await;
    for (asked, told) in [(604_800_u32, false), (604_801, true)] {
        let mut connect = Connect::new(Version::V5, "gw-1", &house.token);
        connect.properties = [&[0x11][..], &asked.to_be_bytes()].concat();
        let (_raw, connack) = Raw::connect_with(&house, &connect).await;
        let week = [&[0x11][..], &604_800_u32.to_be_bytes()].concat();
        assert_eq!(connack.body.windows(5).any(|property| property == week), told, "{connack:?}");
    }
}

#[tokio::test]
async fn the_last_word_may_shorten_a_session_and_not_prolong_one_that_was_to_end() {
    let house = House::open().await;
    let goodbye = |expiry_s: u32| packet(0xe0, &[&[0, 5, 0x11][..], &expiry_s.to_be_bytes()].concat());
    let (mut raw, _) = present(&house, &Connect::lasting(Version::V5, "gw-1", &house.token)).await;
    raw.send(&goodbye(0)).await;
    raw.until_closed().await;
    let (raw, is_there) = present(&house, &Connect::lasting(Version::V5, "gw-1", &house.token)).await;
    assert!(!is_there);
    drop(raw);
    let mut raw = Raw::connect(&house, Version::V5, "gw-2").await;
    raw.send(&goodbye(60)).await;
    let said = raw.until_closed().await;
    assert_eq!(said[0].body[0], 0x82, "a protocol error");
}

#[tokio::test]
async fn sessions_are_written_down_again_while_the_journal_grows() {
    let house = House::open().await;
    let (raw, _) = present(&house, &Connect::lasting(Version::V5, "gw-1", &house.token)).await;
    let controls = || house.journal.records().iter().filter(|record| record.class == Class::Control).count();
    assert_eq!(controls(), 1);
    for _ in 0..40_000 {
        house.journal.tick().await;
    }
    eventually("all sessions are written down", || controls() > 1).await;
    drop(raw);
    let house = house.restart(IngestLimits::default()).await;
    assert!(present(&house, &Connect::lasting(Version::V5, "gw-1", &house.token)).await.1, "far back and still known");
}
