//! A server that runs out of open files, and strangers who take connections and say nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use painwatch_gateway::client::{Client, ClientOptions, MqttClient, Outcome};
use painwatch_gateway::outgoing::Payload;
use painwatch_proto::ingest::v1::{Reading, ReadingBatch};

use crate::program::{Installation, Server};
use crate::waiting;

/// Files that the server may open beyond those it has.
const SPARE: usize = 8;
/// An answer that takes longer does not come.
const ANSWER: Duration = Duration::from_secs(60);
/// Connections that come when only so few fit.
const COMING: usize = 40;
/// Connections of strangers; the second half is weighed, when whatever grows once has grown.
const HALF_OPEN: usize = 1_000;
const HALF_OPEN_BYTES_MAX: usize = 16 << 10;

fn open_files(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.id())).expect("it runs").count()
}

fn allow_files(server: &Server, count: usize) {
    let pid = server.id().to_string();
    let done = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={count}:20000")]).status();
    assert!(done.expect("prlimit").success());
}

pub fn resident_bytes(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.split_whitespace().next().and_then(|kib| kib.parse::<usize>().ok()).expect("a number") << 10
}

fn gateway(server: &Server, installation: &Installation, name: &str) -> Client {
    let (address, token) = (server.mqtt.clone(), installation.token("gateway"));
    let options = ClientOptions { address, gateway: name.to_owned(), token, window: 1 };
    Client::Mqtt(MqttClient::connect(options).expect("an address"))
}

/// Sends one reading; how often it had to be sent.
async fn send(client: &Client, minute: usize) -> u32 {
    let reading = Reading {
        device: "watch-0001".into(),
        measure: "heart_rate".into(),
        time: format!("2026-03-01T11:{minute:02}:00Z"),
        value: Some(71.0),
        unit: "/min".into(),
        ..Reading::default()
    };
    let batch = ReadingBatch { readings: vec![reading], ..ReadingBatch::default() };
    let answer = async { client.send(&Payload::Batch(batch)).await.expect("let in").ack().await.expect("an answer") };
    // Where the server has ended, the client would try for ever.
    let ack = tokio::time::timeout(ANSWER, answer).await.expect("an answer while the server runs");
    assert_eq!(ack.outcome, Outcome::Durable);
    ack.attempts
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

#[test]
fn f11_a_server_at_its_limit_of_open_files_keeps_who_is_there_and_takes_others_when_it_can() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(directory.path(), "data");
    let server = installation.serve();
    let runtime = runtime();
    runtime.block_on(async {
        let old = gateway(&server, &installation, "gw-old");
        send(&old, 0).await;
        allow_files(&server, open_files(&server) + SPARE);
        let crowd: Vec<_> =
            (0..COMING).map(|_| TcpStream::connect(&server.mqtt).expect("queued by the system")).collect();
        assert!(waiting::until(Duration::from_secs(5), || installation
            .log_tail()
            .contains("cannot accept an MQTT connection")));
        for minute in 1..20 {
            assert_eq!(send(&old, minute).await, 1, "the connection of before was lost");
        }
        let new = gateway(&server, &installation, "gw-new");
        drop(crowd);
        send(&new, 20).await;
        old.close().await;
        new.close().await;
    });
    server.stop();
    assert_eq!(installation.status()["books"]["stored"], 21);
    installation.verified();
}

/// The beginning of a CONNECT as large as a first packet may be, but for its last bytes.
fn unfinished() -> Vec<u8> {
    let mut packet = vec![0x10, 0xfd, 0x1f];
    packet.extend(b"\x00\x04MQTT\x05\xc2\x00\x3c\x00");
    packet.resize(4_090, b'x');
    packet
}

/// The same as the beginning of a frame of 200 KB, behind the head of a request for a WebSocket.
fn unfinished_frame() -> (Vec<u8>, Vec<u8>) {
    let asked = "GET /mqtt HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: mqtt\r\n\r\n";
    // The mask changes nothing.
    let head = [&[0x82, 0xff, 0, 0, 0, 0][..], &200_000_u32.to_be_bytes(), &[0; 4]].concat();
    (asked.into(), [head, unfinished()].concat())
}

fn stranger(server: &Server, over_websocket: bool) -> TcpStream {
    if !over_websocket {
        let mut stranger = TcpStream::connect(&server.mqtt).expect("let in");
        stranger.write_all(&unfinished()).expect("read");
        return stranger;
    }
    let mut stranger = TcpStream::connect(&server.http).expect("let in");
    let (asked, frame) = unfinished_frame();
    stranger.write_all(&asked).expect("read");
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        stranger.read_exact(&mut byte).expect("an answer");
        answer.extend(byte);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{answer:?}");
    stranger.write_all(&frame).expect("read");
    stranger
}

/// What each of so many more strangers holds, weighed by the second half of them.
fn weigh_strangers(server: &Server, strangers: &mut Vec<TcpStream>, over_websocket: bool) {
    let mut weights = Vec::new();
    for _ in 1..=2 {
        strangers.extend((0..HALF_OPEN / 2).map(|_| stranger(server, over_websocket)));
        assert!(waiting::until(Duration::from_secs(10), || open_files(server) > strangers.len()));
        weights.push(resident_bytes(server));
    }
    let each = weights[1].saturating_sub(weights[0]) / (HALF_OPEN / 2);
    println!(
        "measured: {each} bytes for each of {HALF_OPEN} connections before it said who it is, over WebSocket: {over_websocket}"
    );
    assert!(each <= HALF_OPEN_BYTES_MAX, "{each} bytes each, over WebSocket: {over_websocket}");
}

#[test]
fn s44_a_thousand_strangers_who_do_not_finish_hold_16_kib_each_and_keep_nobody_waiting() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(directory.path(), "data");
    let installation = installation.with("PAINWATCH__INGEST__LIMITS__CONNECT_DEADLINE_MS", "60000");
    let server = installation.serve();
    let mut strangers = Vec::new();
    for over_websocket in [false, true] {
        weigh_strangers(&server, &mut strangers, over_websocket);
    }
    // None was shown out for being many, and who says more than a stranger may is.
    for stranger in &mut strangers {
        stranger.set_nonblocking(true).expect("a socket");
        assert_eq!(stranger.read(&mut [0]).expect_err("nothing said").kind(), std::io::ErrorKind::WouldBlock);
    }
    let mut greedy = TcpStream::connect(&server.mqtt).expect("let in");
    greedy.write_all(&[0x10, 0xff, 0x7f]).expect("read");
    greedy.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    assert_eq!(greedy.read(&mut [0; 8]).expect("closed"), 0);
    runtime().block_on(async {
        let good = tokio::time::Instant::now();
        let client = gateway(&server, &installation, "gw-good");
        assert_eq!(send(&client, 0).await, 1);
        assert!(good.elapsed() < Duration::from_secs(2), "{:?}", good.elapsed());
        client.close().await;
    });
    server.stop();
}
