//! Bad input through every door, while a neighbour goes on as if nothing were.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use painwatch_gateway::client::{Client, ClientError, ClientOptions, GrpcClient, MqttClient, Outcome};
use painwatch_gateway::outgoing::Payload;
use painwatch_proto::ingest::v1::{BatchVerdict, Mode, Reading, ReadingBatch};

use crate::clinic::{Clinic, opened};
use crate::program::{Installation, Server};

/// The worst that a neighbour may feel, on a machine that does other things as well.
const NEIGHBOUR_WAITS_MAX: Duration = Duration::from_secs(5);

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

fn options(address: &str, gateway: &str, token: &str) -> ClientOptions {
    ClientOptions { address: address.to_owned(), gateway: gateway.to_owned(), token: token.to_owned(), window: 16 }
}

fn pulse(device: &str, time_ms: i64) -> Reading {
    Reading {
        device: device.into(),
        measure: "heart_rate".into(),
        time_ms: Some(time_ms),
        value: Some(71.0),
        unit: "/min".into(),
        ..Reading::default()
    }
}

fn batch(gateway: &str, readings: Vec<Reading>) -> Payload {
    let gateway = gateway.to_owned();
    Payload::Batch(ReadingBatch { gateway, mode: Mode::Live.into(), readings, ..ReadingBatch::default() })
}

/// Sends one reading after the other until told to stop; how many, and the longest wait for an answer.
async fn neighbour(options: ClientOptions, stop: Arc<AtomicBool>) -> (u64, Duration) {
    let client = Client::Mqtt(MqttClient::connect(options).expect("an address"));
    let (begun, mut sent, mut longest) = (now_ms() - 3_600_000, 0, Duration::ZERO);
    while !stop.load(Ordering::SeqCst) {
        let payload = batch("gw-neighbour", vec![pulse("oximeter-001", begun + sent as i64)]);
        let ack = client.send(&payload).await.expect("let in").ack().await.expect("an answer");
        assert_eq!((ack.outcome, ack.attempts), (Outcome::Durable, 1), "the neighbour's connection was lost");
        longest = longest.max(ack.latency);
        sent += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    client.close().await;
    (sent, longest)
}

// ---- raw bytes -------------------------------------------------------------------------------------------------------

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut rest = body.len();
    loop {
        packet.push((rest % 128) as u8 | if rest > 127 { 128 } else { 0 });
        rest /= 128;
        if rest == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

/// A CONNECT of MQTT 3.1.1 (`version` 4) or 5.
fn connect(version: u8, gateway: &str, token: &str) -> Vec<u8> {
    let properties: &[u8] = if version == 5 { &[0] } else { &[] };
    let body = [&text("MQTT")[..], &[version, 0xC2, 0, 60], properties, &text(gateway), &text(gateway), &text(token)];
    packet(0x10, &body.concat())
}

/// A publish at QoS 1.
fn publish(version: u8, gateway: &str, payload: &[u8]) -> Vec<u8> {
    let properties: &[u8] = if version == 5 { &[0] } else { &[] };
    let topic = text(&format!("painwatch/v1/{gateway}/readings/json"));
    packet(0x32, &[&topic[..], &[0, 1], properties, payload].concat())
}

fn dial(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    socket
}

/// Everything the server says until it hangs up, which it must.
fn rest(mut socket: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    match socket.read_to_end(&mut said) {
        Ok(_) => said,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => said,
        Err(error) => panic!("the server did not hang up: {error}"),
    }
}

/// Sends a request over HTTP; its status.
pub fn post(address: &str, token: &str, body: &[u8]) -> (u16, String) {
    let mut socket = dial(address);
    let head = format!(
        "POST /api/v1/readings HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).expect("the server reads");
    // It may answer and hang up before it has read everything.
    let _ = socket.write_all(body);
    let answer = String::from_utf8_lossy(&rest(socket)).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status in {answer:?}")), answer)
}

// ---- what is bad -----------------------------------------------------------------------------------------------------

/// Every beginning of a conversation, and then silence.
fn truncated_packets(server: &Server, token: &str) {
    let reading = br#"{"device": "truncated-1", "measure": "heart_rate", "time": "2026-03-01T11:00:00Z", "value": 71, "unit": "/min"}"#;
    for version in [4, 5] {
        let hello = connect(version, "gw-truncated", token);
        for length in 1..hello.len() {
            dial(&server.mqtt).write_all(&hello[..length]).expect("the server reads");
        }
        let whole = publish(version, "gw-truncated", reading);
        for length in (1..whole.len()).step_by(5).chain([whole.len() - 1]) {
            let mut socket = dial(&server.mqtt);
            socket.write_all(&hello).expect("the server reads");
            socket.read_exact(&mut [0; 4]).expect("CONNACK");
            socket.write_all(&whole[..length]).expect("the server reads");
        }
    }
    // Bytes that are no MQTT at all.
    for garbage in [&[0xFF; 64][..], b"GET / HTTP/1.1\r\n\r\n", &[0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]] {
        let mut socket = dial(&server.mqtt);
        socket.write_all(garbage).expect("the server reads");
        rest(socket);
    }
}

fn ten_megabytes(server: &Server, token: &str) {
    let huge = vec![b' '; 10 << 20];
    for version in [4, 5] {
        let mut socket = dial(&server.mqtt);
        socket.write_all(&connect(version, "gw-huge", token)).expect("the server reads");
        socket.read_exact(&mut [0; 4]).expect("CONNACK");
        // It may hang up in the middle.
        let _ = socket.write_all(&publish(version, "gw-huge", &huge));
        rest(socket);
    }
    assert_eq!(post(&server.http, token, &huge).0, 413);
}

async fn wrong_tokens(server: &Server) {
    let mqtt = MqttClient::connect(options(&server.mqtt, "gw-stranger", "not the token")).expect("an address");
    let grpc = GrpcClient::connect(&options(&server.grpc, "gw-stranger", "not the token")).expect("an address");
    for client in [Client::Mqtt(mqtt), Client::Grpc(grpc)] {
        match client.send(&batch("gw-stranger", vec![pulse("stranger-1", now_ms())])).await {
            Ok(receipt) => {
                let outcome = receipt.ack().await.expect("an answer").outcome;
                assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
            }
            Err(error) => assert!(matches!(error, ClientError::Closed | ClientError::NotLetIn(_)), "{error}"),
        }
    }
    assert_eq!(post(&server.http, "not the token", b"{}").0, 401);
}

/// The verdict on one reading.
async fn judged(client: &Client, reading: Reading) -> BatchVerdict {
    let receipt = client.send(&batch("gw-bad", vec![reading])).await.expect("let in");
    match receipt.ack().await.expect("an answer").outcome {
        Outcome::Judged(verdict) => verdict,
        other => panic!("{other:?}"),
    }
}

async fn impossible_readings(client: &Client) {
    let good = || pulse("oximeter-000", now_ms());
    let cases = [
        ("value_missing", Reading { value: Some(f64::NAN), ..good() }),
        ("value_out_of_range", Reading { value: Some(f64::INFINITY), ..good() }),
        ("value_out_of_range", Reading { value: Some(412.0), ..good() }),
        ("unknown_unit", Reading { unit: "furlong".into(), ..good() }),
        ("unit_not_convertible", Reading { unit: "kg".into(), ..good() }),
        ("unknown_measure", Reading { measure: "aura".into(), ..good() }),
        ("time_in_future", Reading { time_ms: None, time: "2036-03-01T11:00:00Z".into(), ..good() }),
        ("clock_not_set", Reading { time_ms: Some(0), ..good() }),
        ("time_missing", Reading { time_ms: None, ..good() }),
    ];
    for (code, reading) in cases {
        let verdict = judged(client, reading).await;
        let codes: Vec<&str> = verdict.problems.iter().map(|problem| problem.code.as_str()).collect();
        assert_eq!((codes, verdict.quarantined, verdict.stored), (vec![code], 1, 0));
    }
}

async fn nobodys_device(client: &Client) {
    let verdict = judged(client, pulse("nobodys-1", now_ms())).await;
    assert_eq!((verdict.stored, verdict.quarantined), (1, 0), "{verdict:?}");
}

async fn what_is_no_batch(server: &Server, token: &str) {
    let client = Client::Mqtt(MqttClient::connect(options(&server.mqtt, "gw-bad", token)).expect("an address"));
    let receipt = client.send(&Payload::Raw(vec![0x02, 0xFF])).await.expect("let in");
    assert_eq!(receipt.ack().await.expect("an answer").outcome, Outcome::Undecodable);
    client.close().await;
    let nan = br#"{"device": "oximeter-000", "measure": "heart_rate", "time": "2026-03-01T11:00:00Z", "value": NaN, "unit": "/min"}"#;
    let (status, answer) = post(&server.http, token, nan);
    assert!(status == 200 && answer.contains("decode_failed"), "{answer}");
}

/// How often what never becomes durable is sent.
const ROUNDS: usize = 8;
const OPEN_FILES: u32 = 400;
/// More than there are files for.
const STRANGERS: usize = 600;

#[test]
fn f11_at_its_limit_of_open_files_it_serves_who_is_there_begins_new_segments_and_lets_others_in_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(directory.path(), "files").with_open_files(OPEN_FILES);
    let installation = installation.with("PAINWATCH__JOURNAL__SEGMENT_BYTES", "65536");
    let server = opened(&installation, &Clinic::of(2), None);
    let token = installation.token("gateway");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let stop = Arc::new(AtomicBool::new(false));
    let segments = || std::fs::read_dir(installation.data.join("journal")).expect("a journal").count();
    let before = segments();
    let neighbour = runtime.spawn(neighbour(options(&server.mqtt, "gw-neighbour", &token), Arc::clone(&stop)));
    assert!(crate::waiting::until(Duration::from_secs(60), || segments() > before), "{}", installation.log_tail());
    let doors = [&server.mqtt, &server.http, &server.grpc];
    let strangers: Vec<_> = (0..STRANGERS).filter_map(|nth| TcpStream::connect(doors[nth % 3].as_str()).ok()).collect();
    assert!(crate::waiting::until(Duration::from_secs(60), || segments() >= before + 3), "{}", installation.log_tail());
    assert!(strangers.len() > OPEN_FILES as usize, "the strangers took all there was");
    drop(strangers);
    runtime.block_on(async {
        let client = Client::Grpc(GrpcClient::connect(&options(&server.grpc, "gw-late", &token)).expect("an address"));
        let receipt = client.send(&batch("gw-late", vec![pulse("oximeter-001", now_ms())])).await.expect("let in");
        assert!(matches!(receipt.ack().await.expect("an answer").outcome, Outcome::Judged(_)));
        client.close().await;
    });
    stop.store(true, Ordering::SeqCst);
    let (sent, _) = runtime.block_on(neighbour).expect("the neighbour was not disturbed");
    assert!(sent > 100, "{sent}");
    server.stop();
    installation.verified();
}

/// What the rest of the above leaves in quarantine.
const QUARANTINED: u64 = 9 + 2;

#[test]
fn bad_input_is_answered_as_it_deserves_and_disturbs_no_other_connection() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(directory.path(), "bad");
    let server = opened(&installation, &Clinic::of(2), None);
    let token = installation.token("gateway");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let stop = Arc::new(AtomicBool::new(false));
    let neighbour = runtime.spawn(neighbour(options(&server.mqtt, "gw-neighbour", &token), Arc::clone(&stop)));

    for _ in 0..ROUNDS {
        truncated_packets(&server, &token);
        ten_megabytes(&server, &token);
    }
    runtime.block_on(async {
        wrong_tokens(&server).await;
        let client = Client::Grpc(GrpcClient::connect(&options(&server.grpc, "gw-bad", &token)).expect("an address"));
        impossible_readings(&client).await;
        nobodys_device(&client).await;
        client.close().await;
        what_is_no_batch(&server, &token).await;
    });
    stop.store(true, Ordering::SeqCst);
    let (sent, longest) = runtime.block_on(neighbour).expect("the neighbour was not disturbed");
    println!("measured: the neighbour sent {sent} readings meanwhile and waited {longest:?} at most");
    assert!(sent > 0 && longest < NEIGHBOUR_WAITS_MAX);
    server.stop();

    let books = &installation.status()["books"];
    assert_eq!(
        (books["stored"].as_u64(), books["quarantined"].as_u64()),
        (Some(sent + 1), Some(QUARANTINED)),
        "{books}"
    );
    assert_eq!(installation.figure("SELECT count(*) FROM readings WHERE device_id = 'truncated-1'"), 0);
    let nobodys = installation.sql("SELECT patient_id FROM readings WHERE device_id = 'nobodys-1'");
    assert!(nobodys.len() == 1 && nobodys[0]["patient_id"].is_null(), "{nobodys:?}");
    let technical = installation.sql("SELECT rule_id FROM alerts WHERE kind = 'technical' ORDER BY rule_id");
    let technical: Vec<&str> = technical.iter().filter_map(|row| row["rule_id"].as_str()).collect();
    assert_eq!(technical, ["technical-clock-wrong", "technical-device-unpaired"]);
    installation.verified();
}

/// The rule asks for three minutes, and so this test takes a little more of them.
#[test]
fn semantics_7_a_clock_two_hours_ahead_does_not_silence_an_oxygen_saturation_of_85() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(directory.path(), "ahead");
    let server = opened(&installation, &Clinic::of(1), None);
    let options = options(&server.grpc, "gw-0", &installation.token("gateway"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let begun = Instant::now();
    let sent = runtime.block_on(async {
        let client = Client::Grpc(GrpcClient::connect(&options).expect("an address"));
        let mut sent = 0;
        while begun.elapsed() < Duration::from_secs(200) {
            let time_ms = Some(now_ms() + 2 * 3_600_000);
            let low = Reading {
                measure: "oxygen_saturation".into(),
                value: Some(85.0),
                unit: "%".into(),
                time_ms,
                ..pulse("oximeter-000", 0)
            };
            let receipt = client.send(&batch("gw-0", vec![low])).await.expect("let in");
            let outcome = receipt.ack().await.expect("an answer").outcome;
            assert!(matches!(&outcome, Outcome::Judged(verdict) if verdict.stored == 1), "{outcome:?}");
            sent += 1;
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
        client.close().await;
        sent
    });
    server.stop();
    // Once the clock is known to be two hours ahead, that is taken out of what follows.
    let marked =
        |mark: &str| installation.figure(&format!("SELECT count(*) FROM readings WHERE quality LIKE '%{mark}%'"));
    let (ahead, corrected) = (marked("clock_ahead"), marked("clock_corrected"));
    assert!(ahead > 0 && ahead + corrected == sent, "{ahead} ahead and {corrected} corrected of {sent}");
    let alerts = installation
        .sql("SELECT rule_id, state, retrospective FROM alerts WHERE kind = 'physiological' ORDER BY rule_id");
    let expected = serde_json::json!([
        {"rule_id": "spo2-critical", "state": "open", "retrospective": false},
        {"rule_id": "spo2-sustained-low", "state": "open", "retrospective": false},
    ]);
    assert_eq!(serde_json::Value::Array(alerts), expected);
}
