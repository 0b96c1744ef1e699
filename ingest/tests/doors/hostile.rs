//! What no honest client sends. Whatever comes, one connection ends and the neighbour does not notice.

use std::time::Duration;

use painwatch_ingest::{IngestLimits, Refusal, Tally};
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use crate::support::raw::{
    BOTH, CONNACK, Connect, DISCONNECT, Raw, Version, confirmed, length, packet, publish, publish_with, pubrel,
    subscribe, unsubscribe,
};
use crate::support::{House, batch_json};

const TOPIC: &str = "painwatch/v1/gw-1/readings/json";
const VERDICTS: &str = "painwatch/v1/gw-1/verdicts";

/// A well-behaved gateway that keeps publishing while others misbehave.
struct Neighbour {
    raw: Raw,
    sent: u16,
    slowest: Duration,
}

impl Neighbour {
    async fn move_in(house: &House) -> Self {
        Self { raw: Raw::connect(house, Version::V5, "neighbour").await, sent: 0, slowest: Duration::ZERO }
    }

    async fn publishes_undisturbed(&mut self) {
        self.sent = self.sent % 60_000 + 1;
        let begun = Instant::now();
        let payload = batch_json(usize::from(self.sent));
        self.raw.publish("painwatch/v1/neighbour/readings/json", 1, self.sent, payload.as_bytes()).await;
        assert_eq!(confirmed(&self.raw.receive().await), (self.sent, 0));
        self.slowest = self.slowest.max(begun.elapsed());
    }
}

/// A house in which unfinished sentences end soon.
async fn impatient_house() -> House {
    House::with(IngestLimits { connect_deadline: Duration::from_millis(100), ..IngestLimits::default() }).await
}

fn every_client_packet(house: &House, version: Version) -> Vec<Vec<u8>> {
    let mut connect = Connect::new(version, "gw-1", &house.token);
    connect.will = Some(("painwatch/v1/gw-1/status".to_owned(), r#"{"online": false}"#.to_owned()));
    vec![
        connect.bytes(),
        publish(version, TOPIC, 1, 1, batch_json(0).as_bytes()),
        publish(version, TOPIC, 2, 4, batch_json(0).as_bytes()),
        pubrel(4),
        subscribe(version, 2, &[(VERDICTS, 1)]),
        unsubscribe(version, 3, &[VERDICTS]),
        packet(0xc0, &[]),
        packet(0xe0, &[]),
    ]
}

#[tokio::test]
async fn past_failure_19_every_packet_cut_at_every_byte_ends_its_own_connection_only() {
    let house = impatient_house().await;
    let mut neighbour = Neighbour::move_in(&house).await;
    for version in BOTH {
        for whole in every_client_packet(&house, version) {
            for cut in 0..whole.len() {
                if whole[0] == 0x10 {
                    let mut raw = Raw::knock(&house, version).await;
                    raw.send(&whole[..cut]).await;
                    raw.stream.shutdown().await.unwrap();
                    assert!(raw.until_closed().await.is_empty());
                } else {
                    let mut raw = Raw::connect(&house, version, "gw-1").await;
                    raw.send(&whole[..cut]).await;
                    raw.stream.shutdown().await.unwrap();
                    raw.until_closed().await;
                }
            }
            neighbour.publishes_undisturbed().await;
        }
    }
    assert!(neighbour.slowest < Duration::from_secs(1));
    assert_eq!(house.handle.ledger.tally(Tally::ConnectionFaults), 0);
    assert!(house.batches().iter().all(|batch| batch.gateway == "neighbour"));
}

#[tokio::test]
async fn every_packet_whose_length_lies_ends_its_own_connection_only() {
    let house = impatient_house().await;
    let mut neighbour = Neighbour::move_in(&house).await;
    for version in BOTH {
        for whole in every_client_packet(&house, version) {
            let header = whole.iter().skip(1).position(|byte| byte & 0x80 == 0).unwrap() + 2;
            for kept in header..whole.len() {
                let shortened = packet(whole[0], &whole[header..kept]);
                let connect = whole[0] == 0x10;
                let mut raw = match connect {
                    true => Raw::knock(&house, version).await,
                    false => Raw::connect(&house, version, "gw-1").await,
                };
                raw.send(&shortened).await;
                raw.stream.shutdown().await.unwrap();
                let said = raw.until_closed().await;
                let let_in = said.iter().any(|packet| packet.head == CONNACK && packet.body[1] == 0);
                assert!(!let_in, "{version:?} {kept}");
            }
            neighbour.publishes_undisturbed().await;
        }
    }
    assert_eq!(house.handle.ledger.tally(Tally::ConnectionFaults), 0);
}

#[tokio::test]
async fn past_failure_18_every_kind_of_first_packet_but_a_connect_is_shown_out_at_once() {
    let house = House::open().await;
    let mut neighbour = Neighbour::move_in(&house).await;
    let begun = Instant::now();
    for head in (0..=255u8).filter(|head| *head != 0x10) {
        let mut raw = Raw::knock(&house, Version::V3).await;
        raw.send(&packet(head, &[0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 0])).await;
        assert!(raw.until_closed().await.is_empty(), "{head:#x}");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "not by the connect deadline");
    neighbour.publishes_undisturbed().await;
    assert_eq!(house.handle.ledger.refused(Refusal::Malformed), 255);
}

#[tokio::test]
async fn past_failure_18_every_kind_of_second_packet_leaves_the_neighbour_alone() {
    let house = House::open().await;
    let mut neighbour = Neighbour::move_in(&house).await;
    for version in BOTH {
        for head in 0..=255u8 {
            for body in [&[][..], &[0, 1], &[0, 1, 0], &[0xff; 9]] {
                let mut raw = Raw::connect(&house, version, "gw-1").await;
                raw.send(&packet(head, body)).await;
                raw.stream.shutdown().await.unwrap();
                raw.until_closed().await;
            }
        }
        neighbour.publishes_undisturbed().await;
    }
    assert_eq!(house.handle.ledger.tally(Tally::ConnectionFaults), 0);
}

#[tokio::test]
async fn past_failure_20_a_connect_larger_than_anybody_needs_gets_no_memory() {
    let house = House::open().await;
    let mut connect = Connect::new(Version::V3, "gw-1", &house.token);
    connect.will = Some(("painwatch/v1/gw-1/status".to_owned(), "x".repeat(5_000)));
    let mut raw = Raw::knock(&house, Version::V3).await;
    raw.send(&connect.bytes()).await;
    assert!(raw.until_closed().await.is_empty());
}

#[tokio::test]
async fn a_packet_of_10_mb_is_refused_by_its_header_and_5_is_told_why() {
    let house = House::open().await;
    let mut neighbour = Neighbour::move_in(&house).await;
    for version in BOTH {
        let raw = Raw::connect(&house, version, "gw-1").await;
        let (mut reading, mut writing) = raw.stream.into_split();
        let flood = tokio::spawn(async move {
            let mut bytes = vec![0x32];
            bytes.extend(length(10 << 20));
            writing.write_all(&bytes).await?;
            for _ in 0..10 << 4 {
                writing.write_all(&[0x20; 1 << 16]).await?;
            }
            Ok::<_, std::io::Error>(writing)
        });
        let mut said = Vec::new();
        use tokio::io::AsyncReadExt as _;
        tokio::time::timeout(crate::support::SOON, reading.read_to_end(&mut said)).await.unwrap().unwrap();
        neighbour.publishes_undisturbed().await;
        match version {
            Version::V5 => assert_eq!(said, [DISCONNECT, 1, 0x95]),
            Version::V3 => assert!(said.is_empty()),
        }
        flood.abort();
    }
    assert_eq!(house.handle.ledger.refused(Refusal::TooLarge), 2);
    assert!(house.batches().iter().all(|batch| batch.gateway == "neighbour"));
}

#[tokio::test]
async fn a_packet_just_within_the_limit_is_taken() {
    let house = House::open().await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    let mut payload = batch_json(0);
    let header = publish(Version::V5, TOPIC, 1, 1, b"").len() + 2;
    payload.push_str(&" ".repeat((256 << 10) - header - payload.len()));
    let bytes = publish(Version::V5, TOPIC, 1, 1, payload.as_bytes());
    assert_eq!(bytes.len(), 256 << 10);
    raw.send(&bytes).await;
    assert_eq!(confirmed(&raw.receive().await), (1, 0));
    payload.push(' ');
    raw.send(&publish(Version::V5, TOPIC, 1, 2, payload.as_bytes())).await;
    let said = raw.until_closed().await;
    assert_eq!((said[0].head, said[0].body[0]), (DISCONNECT, 0x95));
}

#[tokio::test]
async fn protocol_tricks_end_the_connection_that_plays_them() {
    let house = House::open().await;
    let mut neighbour = Neighbour::move_in(&house).await;
    let connect = Connect::new(Version::V5, "gw-1", &house.token).bytes();
    let json = batch_json(0);
    let tricks = [
        connect.clone(),
        // An alias nobody set, alias 0, and one beyond the announced maximum.
        publish_with(Version::V5, "", 1, 1, json.as_bytes(), &[0x23, 0, 3]),
        publish_with(Version::V5, TOPIC, 1, 1, json.as_bytes(), &[0x23, 0, 0]),
        publish_with(Version::V5, TOPIC, 1, 1, json.as_bytes(), &[0x23, 0, 17]),
        // A packet id of 0, QoS 3, an acknowledgement of nothing.
        publish(Version::V5, TOPIC, 1, 0, json.as_bytes()),
        publish(Version::V5, TOPIC, 3, 1, json.as_bytes()),
        subscribe(Version::V5, 0, &[(VERDICTS, 1)]),
        unsubscribe(Version::V5, 0, &[VERDICTS]),
        packet(0x40, &[0, 9]),
        pubrel(0),
        packet(0xf0, &[]),
    ];
    for (nth, trick) in tricks.iter().enumerate() {
        let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
        raw.send(trick).await;
        let said = raw.until_closed().await;
        assert!(said.iter().all(|packet| packet.head == DISCONNECT), "{nth}: {said:?}");
        neighbour.publishes_undisturbed().await;
    }
    assert_eq!(house.handle.ledger.tally(Tally::ConnectionFaults), 0);
    assert!(house.batches().iter().all(|batch| batch.gateway == "neighbour"));
}

#[tokio::test]
async fn noise_of_any_kind_never_faults_a_connection() {
    let house = impatient_house().await;
    let mut neighbour = Neighbour::move_in(&house).await;
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise
    };
    for round in 0..600 {
        let version = BOTH[round % 2];
        let mut bytes = every_client_packet(&house, version).concat();
        for _ in 0..1 + next() % 4 {
            let at = usize::try_from(next()).unwrap() % bytes.len();
            bytes[at] = (next() & 0xff) as u8;
        }
        let mut raw = Raw::knock(&house, version).await;
        raw.send(&bytes).await;
        raw.stream.shutdown().await.unwrap();
        raw.until_closed().await;
        if round % 50 == 0 {
            neighbour.publishes_undisturbed().await;
        }
    }
    assert_eq!(house.handle.ledger.tally(Tally::ConnectionFaults), 0);
}
