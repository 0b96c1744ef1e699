//! More load than the server takes, for as long as `PAINWATCH_OVERLOAD_SECONDS` says: back-pressure reaches the senders' sockets,
//! nothing acknowledged is lost, and memory stays where it is.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use painwatch_proto::ingest::v1::{Reading, ReadingBatch};
use prost::Message as _;

use crate::admin;
use crate::crash::rounds;
use crate::files::resident_bytes;
use crate::program::{Installation, Server};
use crate::waiting;

/// Connections that never wait for an answer: each alone offers more than one journal takes.
const SENDERS: usize = 3;
const DEVICES: u64 = 16;
const SAMPLES: u64 = 1;
/// In a short run a sender says no more than so much that is new: what is known costs the doors as much, and the tables little.
const NEW_IN_SHORT: u64 = 2_000;
/// The head of field 15, which a batch does not have, with so many bytes: what the system's buffers hold is soon applied.
const UNKNOWN_FIELD: [u8; 3] = [0x7a, 0xdc, 0x0b];
const UNKNOWN_BYTES: usize = 1_500;
/// 2026-03-01T00:00:00Z.
const BEGIN_MS: i64 = 1_772_323_200_000;
/// What the process may hold (P12).
const RESIDENT_MAX: usize = 512 << 20;
/// Growth that is told from noise only over long runs.
const JUDGED_FROM: Duration = Duration::from_secs(600);
const GROWTH_MAX_BYTES_A_MINUTE: f64 = (2 << 20) as f64;
/// A reading is judged within so many seconds (P12), of which the program's own canaries tell.
const JUDGED_WITHIN_S: f64 = 10.0;
/// The doors that have canaries, and when each has had one.
const INPUTS: usize = 3;
const CANARIES_BY: Duration = Duration::from_secs(60);
/// A socket that takes nothing for so long is held back.
const HELD_BACK: Duration = Duration::from_millis(5);

#[derive(Default)]
struct Tally {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    held_back: AtomicU64,
    over: AtomicBool,
}

fn field(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

fn packet(head: u8, body: &[u8]) -> Vec<u8> {
    let (mut packet, mut length) = (vec![head], body.len());
    loop {
        let byte = (length % 128) as u8;
        length /= 128;
        packet.push(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            return [&packet[..], body].concat();
        }
    }
}

/// MQTT 3.1.1, which knows no Receive Maximum: only our own back-pressure holds it.
fn connect(server: &Server, token: &str, gateway: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&server.mqtt).expect("let in");
    let begin = [&field("MQTT")[..], &[4, 0xc2, 0, 60]].concat();
    let body = [begin, field(gateway), field(gateway), field(token)].concat();
    stream.write_all(&packet(0x10, &body)).expect("read");
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).expect("an answer");
    assert_eq!(connack, [0x20, 2, 0, 0]);
    stream
}

fn publish(gateway: &str, packet_id: u16, nth: u64) -> Vec<u8> {
    let reading = Reading {
        device: format!("{gateway}-{}", nth % DEVICES),
        measure: "heart_rate".into(),
        time_ms: Some(BEGIN_MS + (nth / DEVICES * SAMPLES * 1_000) as i64),
        period_ms: Some(1_000),
        values: (0..SAMPLES).map(|place| 60.0 + place as f64).collect(),
        unit: "/min".into(),
        ..Reading::default()
    };
    let mut payload = ReadingBatch { readings: vec![reading], ..ReadingBatch::default() }.encode_to_vec();
    payload.extend(UNKNOWN_FIELD);
    payload.resize(payload.len() + UNKNOWN_BYTES, 0);
    let topic = field(&format!("painwatch/v1/{gateway}/readings/protobuf"));
    packet(0x32, &[topic, packet_id.to_be_bytes().to_vec(), payload].concat())
}

/// Of as many that are new.
fn send(mut stream: TcpStream, gateway: &str, new: u64, tally: &Tally) {
    let mut nth = 0;
    while !tally.over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        stream.write_all(&publish(gateway, (nth % 60_000 + 1) as u16, nth % new)).expect("held back, not closed");
        tally.held_back.fetch_add(u64::from(begun.elapsed() > HELD_BACK), Ordering::Relaxed);
        tally.sent.fetch_add(1, Ordering::Relaxed);
        nth += 1;
    }
}

fn count_answers(mut stream: TcpStream, tally: &Tally) {
    let (mut buffer, mut rest) = (vec![0; 64 << 10], 0);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        // Nothing but PUBACKs, of four bytes each.
        rest += count;
        tally.acknowledged.fetch_add((rest / 4) as u64, Ordering::Relaxed);
        rest %= 4;
    }
}

/// Bytes a minute, by least squares.
fn slope(samples: &[(f64, f64)]) -> f64 {
    let count = samples.len() as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| samples.iter().map(pick).sum::<f64>() / count;
    let (minutes, bytes) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let shared: f64 = samples.iter().map(|(at, held)| (at - minutes) * (held - bytes)).sum();
    shared / samples.iter().map(|(at, _)| (at - minutes).powi(2)).sum::<f64>()
}

/// The figures of one metric.
fn figures(page: &str, metric: &str) -> Vec<f64> {
    let lines = page.lines().filter(|line| line.strip_prefix(metric).is_some_and(|rest| rest.starts_with('{')));
    lines.map(|line| line.rsplit(' ').next().and_then(|figure| figure.parse().ok()).expect("a figure")).collect()
}

/// How long the last canary of the slowest input took to its verdict, in seconds. None may be without one.
fn slowest_canary(server: &Server, since: Instant) -> f64 {
    let (_, page) = admin::get(&server.admin, "/metrics", "");
    let judged = figures(&page, "painwatch_canary_alive");
    assert!(judged.len() == INPUTS || since.elapsed() < CANARIES_BY, "{judged:?}");
    assert!(judged.iter().all(|alive| *alive > 0.0), "an input is dead: {judged:?}");
    figures(&page, "painwatch_canary_seconds").into_iter().fold(0.0, f64::max)
}

#[test]
fn f24_more_than_the_server_takes_reaches_the_senders_sockets_and_its_memory_stays_where_it_is() {
    let lasts = Duration::from_secs(rounds("PAINWATCH_OVERLOAD_SECONDS", 1) as u64);
    let new = if lasts < JUDGED_FROM { NEW_IN_SHORT } else { u64::MAX };
    let directory = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(directory.path(), "data");
    let server = installation.serve();
    let (tally, token) = (Arc::new(Tally::default()), installation.token("gateway"));
    let (mut threads, mut streams) = (Vec::new(), Vec::new());
    for gateway in (0..SENDERS).map(|nth| format!("gw-{nth}")) {
        let stream = connect(&server, &token, &gateway);
        let (reader, writer) = (stream.try_clone().expect("a socket"), stream.try_clone().expect("a socket"));
        let (counted, sent) = (Arc::clone(&tally), Arc::clone(&tally));
        threads.push(std::thread::spawn(move || count_answers(reader, &counted)));
        threads.push(std::thread::spawn(move || send(writer, &gateway, new, &sent)));
        streams.push(stream);
    }
    let (begun, mut held, mut slowest) = (Instant::now(), Vec::new(), 0.0);
    while begun.elapsed() < lasts {
        waiting::pause(lasts / 200);
        held.push((begun.elapsed().as_secs_f64() / 60.0, resident_bytes(&server) as f64));
        slowest = slowest_canary(&server, begun).max(slowest);
    }
    tally.over.store(true, Ordering::Relaxed);
    let (sent, acknowledged) = (|| tally.sent.load(Ordering::Relaxed), || tally.acknowledged.load(Ordering::Relaxed));
    let open = sent() - acknowledged();
    assert!(waiting::until(Duration::from_secs(60), || acknowledged() == sent()), "{} of {}", acknowledged(), sent());
    streams.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    threads.into_iter().for_each(|thread| thread.join().expect("it was only held back"));
    let most = held.iter().map(|(_, held)| *held as usize).max().expect("a sample");
    let growth = slope(&held[held.len() / 2..]);
    println!(
        "measured: {} messages in {lasts:?}, {open} of them open at the end, senders held back {} times; {} MiB at most, \
         {:.1} MiB a minute more in the second half; a canary judged after {slowest:.1} s at most",
        sent(),
        tally.held_back.load(Ordering::Relaxed),
        most >> 20,
        growth / f64::from(1 << 20)
    );
    assert!(tally.held_back.load(Ordering::Relaxed) > 0, "it was not more than the server takes");
    assert!(most <= RESIDENT_MAX);
    assert!(slowest < JUDGED_WITHIN_S);
    assert!(lasts < JUDGED_FROM || growth <= GROWTH_MAX_BYTES_A_MINUTE);
    server.stop();
    // A start applies what is durable.
    installation.serve().stop();
    let books = &installation.status()["books"];
    let counted = books["stored"].as_u64().zip(books["duplicate"].as_u64()).map(|(stored, known)| stored + known);
    assert_eq!(counted, Some(sent() * SAMPLES), "{books}");
    assert!(new < u64::MAX || books["duplicate"] == 0, "{books}");
}
