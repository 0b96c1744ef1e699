//! What a peer may hold that has not shown who it is, whose credential holds no longer, or that takes no answer.

use std::net::SocketAddr;

use painwatch_ingest::{GrpcLimits, IngestLimits, Refusal};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::grpc::batch;
use crate::support::http2::{self, DATA, END_STREAM, HEADERS, PING, Peer, RST_STREAM, SETTINGS, call, frame};
use crate::support::secure::{gateway, register_token, revoke};
use crate::support::{A_WHILE, House, NOW_MS, SOON, eventually};

const SUBMIT: &str = "/painwatch.ingest.v1.Ingest/Submit";
const STREAM: &str = "/painwatch.ingest.v1.Ingest/Stream";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

async fn house_with(grpc: GrpcLimits) -> House {
    House::with(IngestLimits { verdict_timeout: A_WHILE / 10, grpc, ..IngestLimits::default() }).await
}

fn address(house: &House) -> SocketAddr {
    house.handle.grpc_addr.unwrap()
}

/// The head of a call, by whoever has this token.
fn head(path: &str, token: &str) -> Vec<u8> {
    let bearer = format!("Bearer {token}");
    call(1, path, &[("content-type", "application/grpc"), ("te", "trailers"), ("authorization", &bearer)])
}

async fn is_closed(peer: &mut Peer) {
    let end = async { while peer.next().await.is_some() {} };
    timeout(SOON, end).await.expect("the connection is closed");
}

/// A connection that was let in, or none.
async fn enter(house: &House) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address(house)).await.unwrap();
    let said = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    (said.is_ok() && stream.read_u8().await.is_ok()).then_some(stream)
}

#[tokio::test]
async fn grpc_connections_beyond_the_limit_are_closed_at_once_and_one_that_ends_makes_room() {
    let house = house_with(GrpcLimits { connections: 2, ..GrpcLimits::default() }).await;
    let (first, second) = (enter(&house).await, enter(&house).await);
    assert!(first.is_some() && second.is_some() && enter(&house).await.is_none());
    assert_eq!(house.handle.ledger.refused(Refusal::Busy), 1);
    drop(first);
    let again = async { while enter(&house).await.is_none() {} };
    timeout(SOON, again).await.expect("there is room again");
    drop(second);
}

#[tokio::test]
async fn grpc_connections_beyond_those_of_a_second_wait_for_their_turn() {
    let house = house_with(GrpcLimits { connects_per_s: 2.try_into().unwrap(), ..GrpcLimits::default() }).await;
    let (begun, mut inside) = (Instant::now(), Vec::new());
    for _ in 0..2 {
        inside.push(enter(&house).await.unwrap());
    }
    let at_once = begun.elapsed();
    for _ in 0..2 {
        inside.push(enter(&house).await.unwrap());
    }
    assert!(begun.elapsed() >= std::time::Duration::from_millis(450), "{at_once:?}, then {:?}", begun.elapsed());
    assert_eq!(house.handle.ledger.refused(Refusal::Busy), 0, "nobody is refused");
}

#[tokio::test]
async fn f13_a_connection_on_which_no_gateway_calls_is_closed_soon_whatever_else_is_asked_on_it() {
    let house = house_with(GrpcLimits { first_call_deadline: A_WHILE, ..GrpcLimits::default() }).await;
    let begun = Instant::now();
    // Its one call is over, and it is older than all others.
    let once = [head(STREAM, &house.token), frame(RST_STREAM, 0, 1, &8u32.to_be_bytes())].concat();
    let mut known = Peer::connect(address(&house), &once).await;
    let asked = frame(DATA, END_STREAM, 1, &http2::message(false, b""));
    let mut watching = Peer::connect(address(&house), &[head(WATCH, "nonsense"), asked].concat()).await;
    let mut refused = Peer::connect(address(&house), &head(SUBMIT, "nonsense")).await;
    watching.until(|frame| frame.kind == HEADERS && frame.payload[0] == 0x88).await;
    is_closed(&mut watching).await;
    is_closed(&mut refused).await;
    assert!(begun.elapsed() >= A_WHILE);
    known.send(&frame(PING, 0, 0, &[7; 8])).await;
    known.until(|frame| frame.kind == PING && frame.payload == [7; 8]).await;
}

#[tokio::test]
async fn there_are_so_many_calls_without_a_token_at_once() {
    let house = house_with(GrpcLimits { open_calls: 2, ..GrpcLimits::default() }).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let (sending, answer) = http2::begin(address(&house), REFLECTION, None, false).await;
        open.push((sending, timeout(SOON, answer).await.unwrap().unwrap()));
    }
    let check = || async {
        let (mut sending, answer) = http2::begin(address(&house), CHECK, None, false).await;
        sending.send_data(http2::message(false, b""), true).unwrap();
        http2::status(answer).await
    };
    assert_eq!(check().await, "8", "RESOURCE_EXHAUSTED");
    // Who has a token is not counted among them.
    let (mut sending, answer) = http2::begin(address(&house), SUBMIT, Some(&house.token), false).await;
    sending.send_data(http2::message(false, &batch(1).encode_to_vec()), true).unwrap();
    assert_eq!(http2::status(answer).await, "0");
    open.pop();
    let again = async { while check().await != "0" {} };
    timeout(SOON, again).await.expect("there is room again");
}

#[tokio::test]
async fn s44_in_one_call_without_a_token_16_kib_may_be_said() {
    const LIMIT: usize = 16 << 10;
    let house = house_with(GrpcLimits::default()).await;
    // Which services there are.
    let question = http2::message(false, &[0x3a, 0]);
    for count in [LIMIT / question.len(), LIMIT / question.len() + 1] {
        let (mut sending, answer) = http2::begin(address(&house), REFLECTION, None, false).await;
        sending.send_data(question.repeat(count).into(), true).unwrap();
        let mut answer = timeout(SOON, answer).await.unwrap().unwrap().into_body();
        let mut said = Vec::new();
        while let Some(Ok(data)) = timeout(SOON, answer.data()).await.unwrap() {
            answer.flow_control().release_capacity(data.len()).unwrap();
            said.extend(data);
        }
        let length = 5 + u32::from_be_bytes(said[1..5].try_into().unwrap()) as usize;
        assert_eq!(said.len() / length == count, question.len() * count <= LIMIT, "{} of {count}", said.len() / length);
    }
}

#[tokio::test]
async fn a_call_is_answered_within_its_deadline_or_not_at_all() {
    let house = house_with(GrpcLimits { call_deadline: A_WHILE, ..GrpcLimits::default() }).await;
    let said = http2::message(false, &batch(1).encode_to_vec());
    for (path, whole) in [(SUBMIT, true), (SUBMIT, false), (STREAM, true)] {
        let begun = Instant::now();
        let (mut sending, answer) = http2::begin(address(&house), path, Some(&house.token), false).await;
        sending.send_data(said.slice(..said.len() - usize::from(!whole)), whole).unwrap();
        let status = http2::status(answer).await;
        assert_eq!(status, if whole { "0" } else { "4" }, "DEADLINE_EXCEEDED for what is not whole: {path}");
        assert!(whole || begun.elapsed() >= A_WHILE);
    }
    assert_eq!(house.batches().len(), 2);
}

#[tokio::test]
async fn a_stream_lasts_longer_than_the_deadline_of_a_call() {
    let house = house_with(GrpcLimits { call_deadline: A_WHILE, idle_timeout: A_WHILE, ..GrpcLimits::default() }).await;
    let mut lasting = Peer::connect(address(&house), &head(STREAM, &house.token)).await;
    lasting.until(|frame| frame.kind == HEADERS && frame.payload[0] == 0x88).await;
    tokio::time::sleep(A_WHILE * 3).await;
    lasting.send(&frame(PING, 0, 0, &[7; 8])).await;
    lasting.until(|frame| frame.kind == PING && frame.payload == [7; 8]).await;
}

#[tokio::test]
async fn whoever_does_not_take_an_answer_keeps_the_connection_no_longer_for_it() {
    let house = house_with(GrpcLimits { call_deadline: A_WHILE, idle_timeout: A_WHILE, ..GrpcLimits::default() }).await;
    // INITIAL_WINDOW_SIZE: nothing is taken.
    let nothing = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let said = http2::message(false, &batch(1).encode_to_vec());
    let submit = [&nothing[..], &head(SUBMIT, &house.token), &frame(DATA, END_STREAM, 1, &said)].concat();
    let mut peer = Peer::connect(address(&house), &submit).await;
    peer.until(|frame| frame.kind == HEADERS && frame.payload[0] == 0x88).await;
    is_closed(&mut peer).await;
    let (data, who) = (house.data.path(), gateway("main", "gw-1"));
    let token = register_token(data, &who);
    let mut peer = Peer::connect(address(&house), &[nothing, head(STREAM, &token)].concat()).await;
    peer.until(|frame| frame.kind == HEADERS && frame.payload[0] == 0x88).await;
    revoke(data, &who);
    assert_eq!(house.access.expel(NOW_MS, None), 1);
    is_closed(&mut peer).await;
}

#[tokio::test]
async fn a_message_of_a_call_without_a_token_has_4_kib_at_most() {
    let house = House::open().await;
    for (bytes, status) in [(4_096, "5"), (4_097, "11")] {
        // Field 1 of two bytes, its length of two.
        let question = tonic_health::pb::HealthCheckRequest { service: "x".repeat(bytes - 3) }.encode_to_vec();
        assert_eq!(question.len(), bytes);
        for (gzip, message) in [(false, http2::message(false, &question)), (true, http2::packed(&question))] {
            let (mut sending, answer) = http2::begin(address(&house), CHECK, None, gzip).await;
            sending.send_data(message, true).unwrap();
            assert_eq!(http2::status(answer).await, status, "{bytes}, compressed: {gzip}");
        }
    }
}

#[tokio::test]
async fn f29_a_call_that_began_before_its_credential_was_revoked_submits_nothing_after() {
    for path in [SUBMIT, STREAM] {
        let house = House::open().await;
        let (data, who) = (house.data.path(), gateway("main", "gw-1"));
        let token = register_token(data, &who);
        let (mut sending, answer) = http2::begin(address(&house), path, Some(&token), false).await;
        let said = http2::message(false, &batch(1).encode_to_vec());
        sending.send_data(said.slice(..said.len() - 1), false).unwrap();
        eventually("the call holds a lease", || house.access.leases() == 1).await;
        revoke(data, &who);
        assert_eq!(house.access.expel(NOW_MS, None), 1);
        // The stream may be at its end already.
        let _ = sending.send_data(said.slice(said.len() - 1..), true);
        assert_eq!(http2::status(answer).await, "16", "UNAUTHENTICATED {path}");
        assert!(house.batches().is_empty());
        eventually("the lease is given back", || house.access.leases() == 0).await;
    }
}
