//! As the client of an existing broker, at one that says exactly what the test says.

use std::sync::Arc;
use std::time::Duration;

use painwatch_access::GatewayPrincipal;
use painwatch_domain::{GatewayId, TenantId};
use painwatch_ingest::answer::Answers;
use painwatch_ingest::{BrokerConfig, IngestLimits, Outcome, Refusal, Tally, broker};
use painwatch_ingest_core::{Format, Protocol};
use painwatch_journal::Class;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::raw::{CONNACK, Raw, SUBACK, Version, confirmed, packet, publish};
use crate::support::{A_WHILE, House, SOON, batch_json, eventually};

const TOPIC: &str = "painwatch/v1/gw-1/readings/json";
const STATUS: &str = "painwatch/v1/gw-1/status";
/// Largest packet that is read from the broker.
const READ_BYTES_MAX: usize = 1 << 20;

/// Makes a house the client of a broker, and is that broker.
pub async fn broker_of(house: &House) -> Raw {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = BrokerConfig {
        host: address.ip().to_string(),
        port: address.port(),
        client_id: "painwatch".to_owned(),
        login: None,
        ca_pem: None,
        tenant: TenantId::default(),
        packet_bytes: READ_BYTES_MAX,
    };
    let answers = Answers { admission: Arc::clone(house.handle.admission()), board: Arc::default() };
    tokio::spawn(broker::run(config, answers, IngestLimits::default(), house.stop.child_token()));
    let (stream, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
    let mut raw = Raw { stream, version: Version::V3 };
    assert_eq!(raw.receive().await.head, 0x10);
    raw.send(&packet(CONNACK, &[0, 0])).await;
    let subscribe = raw.receive().await;
    assert_eq!(subscribe.head, 0x82);
    raw.send(&packet(SUBACK, &[subscribe.body[0], subscribe.body[1], 1, 1])).await;
    raw
}

/// A publish of exactly so many bytes, with one reading in it.
fn publish_of(bytes: usize, packet_id: u16) -> Vec<u8> {
    let mut payload = batch_json(usize::from(packet_id)).into_bytes();
    loop {
        let publish = publish(Version::V3, TOPIC, 1, packet_id, &payload);
        if publish.len() == bytes {
            return publish;
        }
        // A longer packet says its length in more bytes, and white space may end it.
        payload.resize(payload.len() + bytes - publish.len(), b' ');
    }
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_acknowledged_and_in_nobodys_way() {
    let house = House::open().await;
    let mut broker = broker_of(&house).await;
    let limit = IngestLimits::default().max_packet_bytes as usize;
    for (packet_id, bytes) in [(1, limit), (2, limit + 1), (3, READ_BYTES_MAX), (4, 1_000)] {
        broker.send(&publish_of(bytes, packet_id)).await;
        assert_eq!(confirmed(&broker.receive().await), (packet_id, 0), "{bytes} bytes");
    }
    let stored: Vec<_> = house.batches().into_iter().map(|batch| batch.batch_id).collect();
    assert_eq!(stored, ["b/1", "b/4"]);
    let refused = house.handle.ledger.take_refusals(&TenantId::default());
    assert_eq!(refused, [(Some(GatewayId::parse("gw-1").unwrap()), Refusal::TooLarge, 2)]);
}

/// More readings than may always wait for the tables, twice: the first are let in, the second have taken their turn, and the next
/// turn is in some seconds.
async fn tables_fall_behind(house: &House) {
    let who = GatewayPrincipal { tenant: TenantId::default(), gateway: GatewayId::parse("gw-9").unwrap() };
    for hour in [0, 8] {
        let values = vec!["71"; 25_000].join(",");
        let batch = format!(
            r#"{{"device": "watch-0009", "measure": "heart_rate", "time": "2026-02-28T{hour:02}:00:00Z", "period_ms": 1000,
                "values": [{values}], "unit": "/min"}}"#
        );
        let submitted =
            house.handle.admission().submit_bytes(&who, Protocol::Http, batch.as_bytes(), Format::Json).await;
        assert!(matches!(submitted, Outcome::Durable(accepted) if accepted.admitted == 25_000));
    }
}

#[tokio::test]
async fn a_status_does_not_overtake_the_readings_before_it() {
    for behind_a_broker in [false, true] {
        let house = House::with(IngestLimits { patience: Duration::ZERO, ..IngestLimits::default() }).await;
        let mut sender = match behind_a_broker {
            true => broker_of(&house).await,
            false => Raw::connect(&house, Version::V3, "gw-1").await,
        };
        tables_fall_behind(&house).await;
        sender.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
        sender.publish(STATUS, 1, 2, br#"{"online": true, "backlog": 0}"#).await;
        let waiting = || house.handle.ledger.tally(Tally::Paced);
        eventually("readings and status wait", || waiting() == 2).await;
        assert_eq!(house.statuses(), []);
        house.catch_up();
        for packet_id in [1, 2] {
            assert_eq!(confirmed(&sender.receive().await), (packet_id, 0));
        }
        let classes: Vec<_> = house.journal.records().into_iter().map(|record| record.class).collect();
        assert_eq!(classes, [Class::Batch, Class::Batch, Class::Batch, Class::Control], "{behind_a_broker}");
    }
}

#[tokio::test]
async fn readings_that_wait_for_memory_keep_what_is_behind_them_waiting() {
    let house = House::with(IngestLimits { budget_bytes: 1_000, ..IngestLimits::default() }).await;
    let mut broker = broker_of(&house).await;
    let room = house.handle.admission().room(1_000).await;
    broker.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
    broker.publish(STATUS, 1, 2, br#"{"online": true}"#).await;
    assert_eq!(broker.receive_within(A_WHILE).await, None);
    assert!(house.journal.records().is_empty());
    drop(room);
    for packet_id in [1, 2] {
        assert_eq!(confirmed(&broker.receive().await), (packet_id, 0));
    }
    let classes: Vec<_> = house.journal.records().into_iter().map(|record| record.class).collect();
    assert_eq!(classes, [Class::Batch, Class::Control]);
}
