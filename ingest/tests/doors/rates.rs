//! A device that sends more messages than it may is answered later, whichever door its messages come through.

use std::num::NonZeroU32;
use std::time::Duration;

use painwatch_access::GatewayPrincipal;
use painwatch_domain::{GatewayId, TenantId};
use painwatch_ingest::mqtt::MqttLimits;
use painwatch_ingest::{IngestLimits, Outcome, Tally};
use painwatch_ingest_core::{Format, Protocol};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::broker::broker_of;
use crate::grpc::{authorized, batch, client};
use crate::support::raw::{Raw, Version, confirmed};
use crate::support::{A_WHILE, House, SOON, batch_json, eventually};
use crate::websocket;

const TOPIC: &str = "painwatch/v1/gw-1/readings/json";
/// Messages that came before, at one a second: what comes now is answered in minutes.
const BEFORE: usize = 300;
const DOORS: [&str; 5] = ["broker", "grpc stream", "grpc submit", "http", "mqtt"];

async fn owes_minutes(house: &House) {
    let who = GatewayPrincipal { tenant: TenantId::default(), gateway: GatewayId::parse("gw-1").unwrap() };
    for nth in 0..BEFORE {
        let admission = house.handle.admission();
        let outcome = admission.submit_bytes(&who, Protocol::Mqtt, batch_json(nth).as_bytes(), Format::Json).await;
        assert!(matches!(outcome, Outcome::Durable(accepted) if accepted.due.is_some() == (nth > 0)));
    }
}

async fn post(house: &House) -> TcpStream {
    let mut stream = TcpStream::connect(websocket::serve(house).await).await.unwrap();
    let (body, token) = (batch_json(0), &house.token);
    let head = format!(
        "POST /api/v1/readings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.unwrap();
    stream
}

/// One message of the device through every door; each says when it is answered.
async fn through_every_door(house: &House) -> JoinSet<&'static str> {
    let mut answers = JoinSet::new();
    for (door, mut raw) in
        [("broker", broker_of(house).await), ("mqtt", Raw::connect(house, Version::V5, "gw-1").await)]
    {
        raw.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
        answers.spawn(async move {
            assert_eq!(confirmed(&raw.receive().await), (1, 0));
            door
        });
    }
    let (mut submitting, mut streaming, token) = (client(house).await, client(house).await, house.token.clone());
    let submitted = authorized(&token, batch(0));
    answers.spawn(async move {
        assert_eq!(submitting.submit(submitted).await.unwrap().into_inner().stored, 1);
        "grpc submit"
    });
    let streamed = authorized(&token, tokio_stream::iter([batch(0)]));
    answers.spawn(async move {
        let mut verdicts = streaming.stream(streamed).await.unwrap().into_inner();
        assert_eq!(verdicts.message().await.unwrap().unwrap().stored, 1);
        "grpc stream"
    });
    let mut posted = post(house).await;
    answers.spawn(async move {
        let mut answer = [0; 12];
        posted.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        "http"
    });
    answers
}

#[tokio::test]
async fn s40_a_device_beyond_its_rate_is_answered_later_through_every_door() {
    let one = NonZeroU32::MIN;
    let mqtt = MqttLimits { device_messages_per_s: one, device_messages_burst: one, ..MqttLimits::default() };
    let house = House::with(IngestLimits { mqtt, ..IngestLimits::default() }).await;
    let _intake = house.judge_everything();
    owes_minutes(&house).await;
    let mut answers = through_every_door(&house).await;
    let all = BEFORE + DOORS.len();
    eventually("nothing is lost", || house.batches().len() == all).await;
    assert!(timeout(A_WHILE, answers.join_next()).await.is_err(), "answered before its time");
    assert_eq!(house.handle.ledger.tally(Tally::Slowed), all as u64 - 1);

    let mut other = batch(1);
    other.readings[0].device = "watch-0002".into();
    let answered = timeout(SOON, client(&house).await.submit(authorized(&house.token, other))).await;
    assert!(answered.unwrap().is_ok(), "another device has a rate of its own");

    house.stop.cancel();
    let mut answered = timeout(SOON, answers.join_all()).await.expect("at the end nobody is kept waiting");
    answered.sort_unstable();
    assert_eq!(answered, DOORS);
}

#[tokio::test]
async fn what_is_quarantined_takes_a_turn_of_as_many_rows() {
    let limits = IngestLimits { patience: Duration::from_millis(1), ..IngestLimits::default() };
    let house = House::with(limits).await;
    let who = GatewayPrincipal { tenant: TenantId::default(), gateway: GatewayId::parse("gw-1").unwrap() };
    let unreadable = format!("[{}]", vec!["{}"; 10_000].join(","));
    let submit = || house.handle.admission().submit_bytes(&who, Protocol::Http, unreadable.as_bytes(), Format::Json);
    for _ in 0..3 {
        assert!(matches!(submit().await, Outcome::Durable(accepted) if accepted.quarantined == 10_000));
    }
    assert_eq!(house.handle.ledger.tally(Tally::Paced), 0);
    let fourth = submit();
    assert_eq!(house.handle.ledger.tally(Tally::Paced), 1, "the tables are 30,000 rows behind");
    drop(fourth);
}
