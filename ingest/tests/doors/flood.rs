//! As many hostile packets and frames as a bad day brings: refused with a reason, and felt by nobody else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use painwatch_ingest::{GrpcLimits, IngestLimits, Tally};
use painwatch_proto::ingest::v1::ingest_client::IngestClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tonic::transport::Channel;

use crate::grpc::{authorized, batch, client};
use crate::support::http2::{GOAWAY, RST_STREAM, call, frame};
use crate::support::raw::{Connect, Raw, Version, confirmed, publish, pubrel, subscribe, unsubscribe};
use crate::support::{House, SOON, batch_json, batch_json_of};

const PACKETS: usize = 100_000;
const FRAMES: usize = 20_000;
/// Peers that misbehave at a time.
const HOSTILE: usize = 16;
const NEIGHBOURS_SAMPLES: usize = 300;
/// What two busy cores make of scheduling between two measurements.
const JITTER: Duration = Duration::from_millis(20);
const TOPIC: &str = "painwatch/v1/gw-1/readings/json";

/// A number after the other, the same at every run.
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// How long answers to a gateway that behaves take.
async fn answers(raw: &mut Raw, packet_id: &mut u16, took: &mut Vec<Duration>) {
    for _ in 0..NEIGHBOURS_SAMPLES {
        *packet_id = *packet_id % 60_000 + 1;
        let (begun, payload) = (Instant::now(), batch_json_of("neighbour", usize::from(*packet_id)));
        raw.publish("painwatch/v1/neighbour/readings/json", 1, *packet_id, payload.as_bytes()).await;
        assert_eq!(confirmed(&raw.receive().await), (*packet_id, 0));
        took.push(begun.elapsed());
    }
}

/// The 99th of a hundred.
fn p99(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

async fn alone(house: &House) -> Duration {
    let (mut raw, mut took) = (Raw::connect(house, Version::V5, "neighbour").await, Vec::new());
    answers(&mut raw, &mut 0, &mut took).await;
    p99(took)
}

/// Some packets that a client may say, one of which is not as it should be; how many they are.
fn damaged(noise: &mut Noise, token: &str, version: Version) -> (Vec<u8>, usize) {
    let good = [
        publish(version, TOPIC, 1, 1, batch_json(noise.below(3_000)).as_bytes()),
        publish(version, TOPIC, 2, 2, b"{\"readings\": ["),
        pubrel(2),
        // Not to verdicts: in this house nobody gives any, and whoever subscribed is waited for.
        subscribe(version, 3, &[("#", 1)]),
        unsubscribe(version, 4, &["#"]),
        vec![0xc0, 0],
    ];
    let mut said = Vec::new();
    let count = 1 + noise.below(good.len());
    for _ in 0..count {
        said.extend(&good[noise.below(good.len())]);
    }
    for _ in 0..=noise.below(3) {
        let at = noise.below(said.len());
        said[at] = noise.below(256) as u8;
    }
    if noise.below(2) == 0 {
        said.truncate(1 + noise.below(said.len()));
    }
    let connect = Connect::new(version, "gw-1", token).bytes();
    ([connect, said].concat(), 1 + count)
}

/// The same without a fault: what as many packets of peers that behave cost everybody else.
fn proper(noise: &mut Noise, token: &str, version: Version) -> (Vec<u8>, usize) {
    let count = 1 + noise.below(6);
    // Each of them under the rate that a device may have.
    let device = format!("watch-{}", noise.below(1_000));
    let said = (0..count).flat_map(|nth| {
        publish(version, TOPIC, 1, 1 + nth as u16, batch_json_of(&device, noise.below(3_000)).as_bytes())
    });
    (Connect::new(version, "gw-1", token).bytes().into_iter().chain(said).collect(), 1 + count)
}

/// Peers that say so many packets altogether, one connection after the other.
fn flood(
    house: &House,
    packets: usize,
    seed: u64,
    words: fn(&mut Noise, &str, Version) -> (Vec<u8>, usize),
    place: &Runtime,
) -> JoinSet<usize> {
    let (address, mut peers) = (house.handle.mqtt_addr.unwrap(), JoinSet::new());
    for nth in 0..HOSTILE {
        let token = house.token.clone();
        let says = async move {
            let (mut noise, mut said) = (Noise(seed + nth as u64 + 1), 0);
            while said < packets / HOSTILE {
                let version = if noise.below(2) == 0 { Version::V3 } else { Version::V5 };
                let (bytes, count) = words(&mut noise, &token, version);
                tell(address, &bytes).await;
                said += count;
            }
            said
        };
        peers.spawn_on(says, place.handle());
    }
    peers
}

/// Where peers run: as everybody else's processes do, on threads that are not the server's.
fn elsewhere() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Says it, hangs up, and waits for the end; what was answered.
async fn tell(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Whoever is shown out in the middle of a sentence cannot finish it.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut said = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut said)).await.expect("the connection ends");
    said
}

/// Watches the neighbour until all peers are over: how much they said, and its p99.
async fn watched(house: &House, mut peers: JoinSet<usize>) -> (usize, Duration) {
    let mut neighbour = Raw::connect(house, Version::V5, "neighbour").await;
    let (mut packet_id, mut said, mut took) = (0, 0, Vec::new());
    loop {
        answers(&mut neighbour, &mut packet_id, &mut took).await;
        while let Some(ended) = peers.try_join_next() {
            said += ended.unwrap();
        }
        if peers.is_empty() {
            return (said, p99(took));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_hostile_packets_are_refused_and_felt_by_nobody_else() {
    let house = House::with(IngestLimits { connect_deadline: Duration::from_secs(1), ..IngestLimits::default() }).await;
    let (alone, place) = (alone(&house).await, elsewhere());
    let (_, among_proper) = watched(&house, flood(&house, PACKETS / 4, 500, proper, &place)).await;
    // What is taken on the way is kept in this process's own journal: memory is compared after it has warmed up, by what each
    // packet leaves.
    watched(&house, flood(&house, PACKETS / 10, 1, damaged, &place)).await;
    let (before, kept_before) = (resident_kib(), house.journal.bytes());
    let (said, during) = watched(&house, flood(&house, PACKETS, 1_000, damaged, &place)).await;
    place.shutdown_background();
    let kept_kib = (house.journal.bytes() - kept_before) / 1024;
    let grown = resident_kib().saturating_sub(before + 2 * kept_kib);
    assert!(said >= PACKETS);
    assert!(
        during <= (among_proper * 2).max(JITTER),
        "{among_proper:?} among peers that behave, {during:?} in the flood"
    );
    assert!(grown * 10 < before, "{before} KiB, {grown} more beside the {kept_kib} that the test's journal keeps");
    assert_eq!(house.handle.ledger.tally(Tally::ConnectionFaults), 0);
    assert!(house.handle.ledger.refused_total() > (PACKETS / 20) as u64, "refused with a reason");
    println!(
        "measured: {said} packets; neighbour p99 {alone:?} alone, {among_proper:?} among proper ones, {during:?} in the flood; {grown} KiB grown"
    );
}

/// Frames of every kind and of none, on calls that exist and on calls that do not.
fn frames(noise: &mut Noise, token: &str) -> (Vec<u8>, usize) {
    let count = 1 + noise.below(12);
    let bearer = format!("Bearer {token}");
    let fields = [("content-type", "application/grpc"), ("te", "trailers"), ("authorization", &*bearer)];
    let mut said = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[])].concat();
    for nth in 0..count {
        said.extend(match noise.below(4) {
            0 => call(1 + 2 * nth as u32, "/painwatch.ingest.v1.Ingest/Stream", &fields),
            _ => {
                let length = noise.below(64);
                let (kind, flags, stream) = (noise.below(12) as u8, noise.below(256) as u8, noise.below(26) as u32);
                frame(kind, flags, stream, &noise.bytes(length))
            }
        });
    }
    if noise.below(4) == 0 {
        said.truncate(1 + noise.below(said.len()));
    }
    (said, count)
}

/// Peers that send so many frames altogether, one connection after the other, and how many connections end with a reason.
fn flood_of_frames(
    house: &House,
    frames_of_all: usize,
    seed: u64,
    place: &Runtime,
) -> (JoinSet<usize>, Arc<AtomicUsize>) {
    let (address, mut peers, refused) =
        (house.handle.grpc_addr.unwrap(), JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    for nth in 0..HOSTILE {
        let (token, refused) = (house.token.clone(), Arc::clone(&refused));
        let says = async move {
            let (mut noise, mut said) = (Noise(seed + nth as u64 + 1), 0);
            while said < frames_of_all / HOSTILE {
                let (bytes, count) = frames(&mut noise, &token);
                refused.fetch_add(usize::from(names_a_fault(&tell(address, &bytes).await)), Ordering::Relaxed);
                said += count;
            }
            said
        };
        peers.spawn_on(says, place.handle());
    }
    (peers, refused)
}

/// Whether a connection was ended, or a call of it, with an error code.
fn names_a_fault(mut said: &[u8]) -> bool {
    while let Some((head, rest)) = said.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, next)) = rest.split_at_checked(length) else { return false };
        let code_at = match head[3] {
            GOAWAY => 4,
            RST_STREAM => 0,
            _ => length,
        };
        if payload[code_at..].iter().take(4).any(|byte| *byte != 0) {
            return true;
        }
        said = next;
    }
    false
}

/// Peers that behave and cost everybody else what as many frames do: two of them a call.
fn calls(house: &House, frames_of_all: usize, place: &Runtime) -> JoinSet<usize> {
    let (address, mut peers) = (house.handle.grpc_addr.unwrap(), JoinSet::new());
    for nth in 0..HOSTILE {
        let token = house.token.clone();
        let says = async move {
            let (mut noise, mut said) = (Noise(900 + nth as u64), 0);
            while said < frames_of_all / HOSTILE {
                let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
                let mut client = IngestClient::new(channel);
                for _ in 0..=noise.below(6) {
                    let mut batch = batch(noise.below(3_000) as i64);
                    // Each of them under the rate that a device may have.
                    batch.readings[0].device = format!("watch-{}", noise.below(1_000));
                    client.submit(authorized(&token, batch)).await.unwrap();
                    said += 2;
                }
            }
            said
        };
        peers.spawn_on(says, place.handle());
    }
    peers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_hostile_http_2_frames_are_refused_and_felt_by_nobody_else() {
    let grpc = GrpcLimits { idle_timeout: Duration::from_secs(1), ..GrpcLimits::default() };
    // Nobody judges in this house.
    let house = House::with(IngestLimits { grpc, verdict_timeout: Duration::ZERO, ..IngestLimits::default() }).await;
    let (alone, place) = (alone(&house).await, elsewhere());
    let (_, among_proper) = watched(&house, calls(&house, FRAMES / 4, &place)).await;
    // As above: compared after it has warmed up.
    watched(&house, flood_of_frames(&house, FRAMES / 2, 1, &place).0).await;
    let (before, kept_before) = (resident_kib(), house.journal.bytes());
    let (hostile, refused) = flood_of_frames(&house, FRAMES, 1_000, &place);
    let (said, during) = watched(&house, hostile).await;
    place.shutdown_background();
    let kept_kib = (house.journal.bytes() - kept_before) / 1024;
    let grown = resident_kib().saturating_sub(before + 2 * kept_kib);
    let refused = refused.load(Ordering::Relaxed);
    println!(
        "measured: {said} frames; neighbour p99 {alone:?} alone, {among_proper:?} among proper calls, {during:?} in the flood; \
         {refused} connections ended with a reason; {grown} KiB grown"
    );
    assert!(said >= FRAMES);
    assert!(
        during <= (among_proper * 2).max(JITTER),
        "{among_proper:?} among peers that behave, {during:?} in the flood"
    );
    assert!(grown * 10 < before, "{before} KiB, {grown} more beside the {kept_kib} that the test's journal keeps");
    assert_eq!(house.handle.ledger.tally(Tally::ConnectionFaults), 0);
    assert!(refused > FRAMES / 20, "{refused} refused with a reason");
    let mut guest = client(&house).await;
    assert!(guest.submit(authorized(&house.token, batch(1))).await.is_ok(), "the door still serves");
    assert!(house.batches().iter().all(|batch| ["neighbour", "gw-1"].contains(&batch.gateway.as_str())));
}
