//! Connections over a pipe in memory under a clock that stands still until everybody waits: what takes minutes outside is
//! exact here and takes no time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use painwatch_access::Access;
use painwatch_domain::{Clock, Offset};
use painwatch_journal::{Class, Journal, MemoryJournal};
use painwatch_proto::journal::v1::{Control, control};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::rates::{DeviceRates, Rate};
use super::*;
use crate::verdicts::VerdictBoard;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct StillClock(AtomicI64);

impl Clock for StillClock {
    fn wall_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic_ms(&self) -> i64 {
        self.wall_ms()
    }
}

struct House {
    endpoint: Arc<Endpoint>,
    journal: Arc<dyn Journal>,
    token: String,
    _data: tempfile::TempDir,
}

impl House {
    async fn open(mqtt: MqttLimits) -> Self {
        let data = tempfile::tempdir().unwrap();
        let access = Arc::new(Access::open(data.path()).unwrap());
        let table: toml::Table = std::fs::read_to_string(access.credentials_path()).unwrap().parse().unwrap();
        let token = table["gateway"]["token"].as_str().unwrap().to_owned();
        let clock: Arc<dyn Clock> = Arc::new(StillClock(AtomicI64::new(1_772_366_405_000)));
        let journal: Arc<dyn Journal> = Arc::new(MemoryJournal::new(1, Arc::clone(&clock)));
        let (_, rosters) = watch::channel(Arc::default());
        let limits = IngestLimits { mqtt, ..IngestLimits::default() };
        let rate = Rate::new(limits.mqtt.device_messages_per_s, limits.mqtt.device_messages_burst);
        let (ledger, budget, stop) = (Arc::default(), limits.budget_bytes, CancellationToken::new());
        let admission = Admission::new(Arc::clone(&journal), clock, rosters, ledger, budget);
        let admission = Arc::new(admission.with_rates(DeviceRates::new(rate, stop.clone())));
        let answers = Answers { admission, board: Arc::new(VerdictBoard::default()) };
        let endpoint = Endpoint::open(&*journal, answers, access, limits, Arc::default(), stop).await;
        Self { endpoint: Arc::new(endpoint), journal, token, _data: data }
    }

    fn knock(&self) -> (DuplexStream, JoinHandle<()>) {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let peer = tls::Peer::plain("127.0.0.1:1".parse().unwrap());
        (theirs, tokio::spawn(greet::serve(Arc::clone(&self.endpoint), ours, peer)))
    }

    /// A CONNECT of MQTT 5 with a keep-alive and, after so many seconds of absence, a will.
    fn connect(&self, keep_alive_s: u16, will_delay_s: Option<u32>) -> Vec<u8> {
        let text = |text: &str| [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
        let flags = if will_delay_s.is_some() { 0b1100_0100 } else { 0b1100_0000 };
        let mut body = text("MQTT");
        body.extend([5, flags]);
        body.extend(keep_alive_s.to_be_bytes());
        // The session outlives its connection by an hour.
        body.extend([5, 0x11, 0, 0, 0x0e, 0x10]);
        body.extend(text("gw-1"));
        if let Some(delay_s) = will_delay_s {
            body.extend([5, 0x18]);
            body.extend(delay_s.to_be_bytes());
            body.extend([text("painwatch/v1/gw-1/status"), text(r#"{"online": false}"#)].concat());
        }
        body.extend([text("gw-1"), text(&self.token)].concat());
        packet(0x10, &body)
    }

    async fn connected(&self, connect: &[u8]) -> (DuplexStream, JoinHandle<()>) {
        let (mut pipe, served) = self.knock();
        pipe.write_all(connect).await.unwrap();
        let mut head = [0; 2];
        pipe.read_exact(&mut head).await.unwrap();
        let mut body = vec![0; usize::from(head[1])];
        pipe.read_exact(&mut body).await.unwrap();
        assert_eq!((head[0], body[1]), (0x20, 0), "{body:?}");
        (pipe, served)
    }

    async fn wills(&self) -> usize {
        let records = self.journal.read(Offset(0), usize::MAX).await.unwrap();
        let controls = records.into_iter().filter(|record| record.class == Class::Control);
        let actions = controls.filter_map(|record| Control::decode(record.payload).unwrap().action);
        actions.filter(|action| matches!(action, control::Action::GatewayStatus(status) if !status.online)).count()
    }
}

fn packet(head: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![head];
    let mut length = body.len();
    loop {
        let more = length > 127;
        packet.push(u8::try_from(length % 128).unwrap() | if more { 0x80 } else { 0 });
        length /= 128;
        if !more {
            break;
        }
    }
    packet.extend(body);
    packet
}

fn publish(packet_id: u16, device: &str) -> Vec<u8> {
    let payload = format!(
        r#"{{"device": "{device}", "measure": "heart_rate", "time": "2026-03-01T10:00:00Z", "value": 71, "unit": "/min"}}"#
    );
    publish_to("painwatch/v1/gw-1/readings/json", packet_id, &payload)
}

fn publish_to(topic: &str, packet_id: u16, payload: &str) -> Vec<u8> {
    let mut body = u16::try_from(topic.len()).unwrap().to_be_bytes().to_vec();
    body.extend(topic.as_bytes());
    body.extend(packet_id.to_be_bytes());
    body.push(0);
    body.extend(payload.as_bytes());
    packet(0x32, &body)
}

#[tokio::test(start_paused = true)]
async fn who_has_not_said_who_it_is_within_ten_seconds_is_shown_out() {
    let house = House::open(MqttLimits::default()).await;
    let connect = house.connect(60, None);
    for said in [0, 1, connect.len() - 1] {
        let begun = Instant::now();
        let (mut pipe, _served) = house.knock();
        pipe.write_all(&connect[..said]).await.unwrap();
        assert_eq!(pipe.read(&mut [0; 8]).await.unwrap(), 0);
        assert!((10 * SECOND..11 * SECOND).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }
    let (mut pipe, _served) = house.knock();
    tokio::time::sleep(10 * SECOND - Duration::from_millis(1)).await;
    pipe.write_all(&connect).await.unwrap();
    assert_eq!(pipe.read_u8().await.unwrap(), 0x20, "at the limit");
}

#[tokio::test(start_paused = true)]
async fn silence_is_tolerated_for_one_and_a_half_keep_alives_and_300_seconds_is_the_longest() {
    let house = House::open(MqttLimits::default()).await;
    for (asked_s, tolerated_s) in [(60, 90), (300, 450), (301, 450), (0, 450)] {
        let (mut pipe, _served) = house.connected(&house.connect(asked_s, None)).await;
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_secs(tolerated_s) - Duration::from_millis(1)).await;
        pipe.write_all(&[0xc0, 0]).await.unwrap();
        let mut pong = [0; 2];
        pipe.read_exact(&mut pong).await.unwrap();
        assert_eq!(pong, [0xd0, 0], "within the limit");
        let heard = Instant::now();
        assert_eq!(pipe.read_u8().await.unwrap(), 0xe0);
        assert_eq!(heard.elapsed().as_secs(), tolerated_s, "{asked_s}: {:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_will_with_a_delay_waits_for_the_client_and_is_spoken_when_it_stays_away() {
    let house = House::open(MqttLimits::default()).await;
    let connect = house.connect(60, Some(30));
    let (pipe, served) = house.connected(&connect).await;
    drop(pipe);
    served.await.unwrap();
    tokio::time::sleep(29 * SECOND).await;
    assert_eq!(house.wills().await, 0);
    let (pipe, served) = house.connected(&connect).await;
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(house.wills().await, 0, "it came back");
    drop(pipe);
    served.await.unwrap();
    tokio::time::sleep(29 * SECOND).await;
    assert_eq!(house.wills().await, 0);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(house.wills().await, 1, "it stayed away");
}

#[tokio::test(start_paused = true)]
async fn a_will_does_not_wait_beyond_the_end_of_the_session() {
    let house = House::open(MqttLimits { session_expiry_s: 10, ..MqttLimits::default() }).await;
    let (pipe, served) = house.connected(&house.connect(60, Some(3_000))).await;
    drop(pipe);
    served.await.unwrap();
    tokio::time::sleep(9 * SECOND).await;
    assert_eq!(house.wills().await, 0);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(house.wills().await, 1);
}

#[tokio::test(start_paused = true)]
async fn f24_messages_of_a_device_beyond_its_rate_are_taken_and_acknowledged_later() {
    let (per_s, burst) = (2.try_into().unwrap(), 4.try_into().unwrap());
    let limits = MqttLimits { device_messages_per_s: per_s, device_messages_burst: burst, ..MqttLimits::default() };
    let house = House::open(limits).await;
    let (mut pipe, _served) = house.connected(&house.connect(60, None)).await;
    let begun = Instant::now();
    for packet_id in 1..=6 {
        pipe.write_all(&publish(packet_id, "watch-0001")).await.unwrap();
    }
    for expected_ms in [0, 0, 0, 0, 500, 1_000] {
        let mut puback = [0; 4];
        pipe.read_exact(&mut puback).await.unwrap();
        assert_eq!(puback[0], 0x40);
        let waited = u64::try_from(begun.elapsed().as_millis()).unwrap();
        assert!((expected_ms..expected_ms + 100).contains(&waited), "{waited} ms instead of {expected_ms}");
    }
    let batches = house.journal.read(Offset(0), usize::MAX).await.unwrap();
    assert_eq!(batches.iter().filter(|record| record.class == Class::Batch).count(), 6, "nothing is lost");
    let other = Instant::now();
    pipe.write_all(&publish(7, "watch-0002")).await.unwrap();
    pipe.read_exact(&mut [0; 4]).await.unwrap();
    assert!(other.elapsed() < Duration::from_millis(100), "another device has a rate of its own");
    assert_eq!(house.endpoint.admission.ledger().tally(Tally::Slowed), 2);
}

#[tokio::test(start_paused = true)]
async fn s40_what_is_quarantined_costs_its_device_and_what_names_none_its_gateway() {
    let (per_s, burst) = (1.try_into().unwrap(), 1.try_into().unwrap());
    let limits = MqttLimits { device_messages_per_s: per_s, device_messages_burst: burst, ..MqttLimits::default() };
    let house = House::open(limits).await;
    let (mut pipe, _served) = house.connected(&house.connect(60, None)).await;
    let unknown = |device: &str| format!(r#"{{"device": "{device}", "measure": "mood_ring", "value": 1}}"#);
    let begun = Instant::now();
    let said = [unknown("watch-0001"), unknown("watch-0001"), unknown("watch 1"), "{".to_owned()];
    for (packet_id, payload) in (1..).zip(&said) {
        let publish = publish_to("painwatch/v1/gw-1/readings/json", packet_id, payload);
        pipe.write_all(&publish).await.unwrap();
    }
    for expected_ms in [0, 1_000, 1_000, 1_000] {
        let mut head = [0; 2];
        pipe.read_exact(&mut head).await.unwrap();
        pipe.read_exact(&mut vec![0; usize::from(head[1])]).await.unwrap();
        let waited = u64::try_from(begun.elapsed().as_millis()).unwrap();
        assert!((expected_ms..expected_ms + 100).contains(&waited), "{waited} ms instead of {expected_ms}");
    }
    assert_eq!(house.endpoint.admission.ledger().tally(Tally::Slowed), 2, "the second of each");
}

#[tokio::test(start_paused = true)]
async fn s40_statuses_of_a_gateway_beyond_the_rate_are_taken_and_acknowledged_later() {
    let (per_s, burst) = (2.try_into().unwrap(), 2.try_into().unwrap());
    let limits = MqttLimits { device_messages_per_s: per_s, device_messages_burst: burst, ..MqttLimits::default() };
    let house = House::open(limits).await;
    let (mut pipe, _served) = house.connected(&house.connect(60, None)).await;
    let begun = Instant::now();
    for packet_id in 1..=4 {
        let status = publish_to("painwatch/v1/gw-1/status", packet_id, r#"{"online": true}"#);
        pipe.write_all(&status).await.unwrap();
    }
    for expected_ms in [0, 0, 500, 1_000] {
        let mut puback = [0; 4];
        pipe.read_exact(&mut puback).await.unwrap();
        assert_eq!(puback[0], 0x40);
        let waited = u64::try_from(begun.elapsed().as_millis()).unwrap();
        assert!((expected_ms..expected_ms + 100).contains(&waited), "{waited} ms instead of {expected_ms}");
    }
    let device = Instant::now();
    pipe.write_all(&publish(5, "watch-0001")).await.unwrap();
    pipe.read_exact(&mut [0; 4]).await.unwrap();
    assert!(device.elapsed() < Duration::from_millis(100), "its devices have rates of their own");
    assert_eq!(house.endpoint.admission.ledger().tally(Tally::Slowed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_does_not_wait_for_a_rate() {
    let (per_s, burst) = (1.try_into().unwrap(), 1.try_into().unwrap());
    let limits = MqttLimits { device_messages_per_s: per_s, device_messages_burst: burst, ..MqttLimits::default() };
    let house = House::open(limits).await;
    let (mut pipe, served) = house.connected(&house.connect(60, None)).await;
    for packet_id in 1..=100 {
        pipe.write_all(&publish(packet_id, "watch-0001")).await.unwrap();
    }
    tokio::time::sleep(SECOND / 2).await;
    let begun = Instant::now();
    house.endpoint.stop.cancel();
    served.await.unwrap();
    assert!(begun.elapsed() < 5 * SECOND, "{:?}", begun.elapsed());
    let mut said = Vec::new();
    pipe.read_to_end(&mut said).await.unwrap();
    assert_eq!(said.windows(2).filter(|window| *window == [0x40, 2]).count(), 100, "all are durable and told so");
}
