//! Each limit of the gRPC listener, at the limit and one past it.

use std::net::SocketAddr;

use painwatch_ingest::{GrpcLimits, IngestLimits, Refusal};
use painwatch_proto::ingest::v1::{GapsRequest, ReadingBatch};
use prost::Message as _;
use tokio::time::timeout;

use crate::grpc::{authorized, batch, client};
use crate::support::http2::{self, GOAWAY, HEADERS, PING, Peer, RST_STREAM, call, frame};
use crate::support::{A_WHILE, House, SOON};

const SUBMIT: &str = "/painwatch.ingest.v1.Ingest/Submit";
const STREAM: &str = "/painwatch.ingest.v1.Ingest/Stream";
const GAPS: &str = "/painwatch.ingest.v1.Ingest/Gaps";
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

async fn house_with(grpc: GrpcLimits) -> House {
    House::with(IngestLimits { verdict_timeout: A_WHILE, grpc, ..IngestLimits::default() }).await
}

fn address(house: &House) -> SocketAddr {
    house.handle.grpc_addr.unwrap()
}

fn code(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[payload.len() - 4..].try_into().unwrap())
}

/// A batch whose encoding has exactly so many bytes.
fn sized(bytes: usize) -> ReadingBatch {
    let mut sized = batch(1);
    while sized.encoded_len() < bytes {
        let short = bytes - sized.encoded_len();
        let quality = sized.readings[0].quality.len() + short.div_ceil(2);
        sized.readings[0].quality = "x".repeat(quality);
    }
    assert_eq!(sized.encoded_len(), bytes);
    sized
}

/// One call with one message; its grpc-status.
async fn send(house: &House, path: &str, gzip: bool, message: &[u8]) -> String {
    let (mut sending, answer) = http2::begin(address(house), path, Some(&house.token), gzip).await;
    let frame = if gzip { http2::packed(message) } else { http2::message(false, message) };
    sending.send_data(frame, true).unwrap();
    http2::status(answer).await
}

async fn send_gzip(house: &House, message: &[u8]) -> String {
    send(house, SUBMIT, true, message).await
}

#[tokio::test]
async fn a_message_has_at_most_the_limit_in_bytes() {
    let house = house_with(GrpcLimits { max_message_bytes: 4_096, ..GrpcLimits::default() }).await;
    let mut client = client(&house).await;
    assert!(client.submit(authorized(&house.token, sized(4_096))).await.is_ok());
    let refusal = client.submit(authorized(&house.token, sized(4_097))).await.unwrap_err();
    assert_eq!(refusal.code(), tonic::Code::OutOfRange);
    assert_eq!(house.batches().len(), 1);
}

#[tokio::test]
async fn past_failure_48_a_compressed_message_is_measured_unpacked_and_may_not_have_been_made_to_expand() {
    let house = house_with(GrpcLimits::default()).await;
    let modest = ReadingBatch { readings: vec![batch(1).readings[0].clone(); 50], ..batch(1) };
    assert_eq!(send_gzip(&house, &modest.encode_to_vec()).await, "0");
    assert_eq!(house.batches().len(), 1);
    // A thousandth of its size: within the size limit, and beyond the ratio.
    let bomb = ReadingBatch { batch_id: "x".repeat(1 << 19), ..batch(1) };
    assert_eq!(send_gzip(&house, &bomb.encode_to_vec()).await, "3", "INVALID_ARGUMENT");
    assert_eq!(send_gzip(&house, &vec![0; 1 << 27]).await, "11", "OUT_OF_RANGE");
    assert_eq!(house.batches().len(), 1);
    let small = house_with(GrpcLimits { max_message_bytes: 4_096, ..GrpcLimits::default() }).await;
    assert_eq!(send_gzip(&small, &sized(4_096).encode_to_vec()).await, "0");
    assert_eq!(send_gzip(&small, &sized(4_097).encode_to_vec()).await, "11", "OUT_OF_RANGE");
}

#[tokio::test]
async fn readings_of_a_batch_are_counted_before_any_of_them_is_built_compressed_or_not() {
    const LIMIT: usize = 100;
    let payload = painwatch_ingest_core::Limits { max_readings: LIMIT, ..Default::default() };
    let house = House::with(IngestLimits { verdict_timeout: A_WHILE, payload, ..IngestLimits::default() }).await;
    let named = ReadingBatch { gateway: "gw-1".into(), ..ReadingBatch::default() }.encode_to_vec();
    // Field 5, and nothing in it.
    let empty = |count: usize| [&named[..], &[0x2a, 0].repeat(count)].concat();
    // One that cannot be built, to know when it was tried.
    let beyond = [&empty(LIMIT)[..], &[0x2a, 1, 0xff]].concat();
    for (nth, path) in [SUBMIT, STREAM].into_iter().enumerate() {
        for gzip in [false, true] {
            assert_eq!(send(&house, path, gzip, &empty(LIMIT)).await, "0", "{path} {gzip}");
            assert_eq!(send(&house, path, gzip, &beyond).await, "3", "INVALID_ARGUMENT {path} {gzip}");
            assert_eq!(send(&house, path, gzip, &empty(LIMIT + 1)).await, "3", "{path} {gzip}");
        }
        assert_eq!(house.batches().len(), 2 * (nth + 1));
    }
    assert_eq!(house.handle.ledger.refused(Refusal::TooLarge), 8);
}

#[tokio::test]
async fn a_question_has_64_kib_at_most_and_a_call_that_is_no_stream_one_message() {
    let house = house_with(GrpcLimits::default()).await;
    for (bytes, status) in [(64 << 10, "3"), ((64 << 10) + 1, "11")] {
        let mut question = GapsRequest { gateway: "gw-1".into(), ..GapsRequest::default() };
        question.after_device = "x".repeat(bytes - question.encoded_len() - 4);
        assert_eq!(question.encoded_len(), bytes);
        assert_eq!(send(&house, GAPS, false, &question.encode_to_vec()).await, status, "{bytes}");
    }
    for (count, status) in [(1, "0"), (2, "3")] {
        let (mut sending, answer) = http2::begin(address(&house), SUBMIT, Some(&house.token), false).await;
        sending.send_data(http2::message(false, &batch(1).encode_to_vec()).repeat(count).into(), true).unwrap();
        assert_eq!(http2::status(answer).await, status, "{count} messages");
    }
    assert_eq!(house.batches().len(), 1);
}

#[tokio::test]
async fn a_connection_has_at_most_the_limit_of_calls_at_once() {
    let house = house_with(GrpcLimits { concurrent_streams: 3, ..GrpcLimits::default() }).await;
    let bearer = format!("Bearer {}", house.token);
    let fields = [("content-type", "application/grpc"), ("te", "trailers"), ("authorization", &bearer)];
    let calls: Vec<u8> = (0..3).flat_map(|nth| call(1 + 2 * nth, STREAM, &fields)).collect();
    let mut peer = Peer::connect(address(&house), &calls).await;
    for _ in 0..3 {
        let answer = peer.until(|frame| [HEADERS, RST_STREAM, GOAWAY].contains(&frame.kind)).await;
        assert_eq!((answer.kind, answer.payload[0]), (HEADERS, 0x88), "200");
    }
    peer.send(&call(7, STREAM, &fields)).await;
    let refused = peer.until(|frame| frame.stream == 7).await;
    assert_eq!((refused.kind, code(&refused.payload)), (RST_STREAM, REFUSED_STREAM));
}

#[tokio::test]
async fn a_call_has_at_most_the_limit_of_header_bytes() {
    const LIMIT: usize = 4_096;
    let house = house_with(GrpcLimits { header_list_bytes: LIMIT as u32, ..GrpcLimits::default() }).await;
    let bearer = format!("Bearer {}", house.token);
    for (beyond, fits) in [(0, true), (1, false)] {
        let known = [("content-type", "application/grpc"), ("te", "trailers"), ("authorization", &*bearer)];
        let filler = "x".repeat(LIMIT + beyond - http2::list_size(STREAM, &known) - "filler".len() - 32);
        let fields = [&known[..], &[("filler", &filler)]].concat();
        assert_eq!(http2::list_size(STREAM, &fields), LIMIT + beyond);
        let mut peer = Peer::connect(address(&house), &call(1, STREAM, &fields)).await;
        let answer = peer.until(|frame| frame.stream == 1).await;
        assert_eq!(answer.kind == HEADERS && answer.payload[0] == 0x88, fits, "{beyond} beyond: {answer:?}");
    }
}

#[tokio::test]
async fn a_peer_that_resets_more_calls_than_the_limit_loses_its_connection() {
    const LIMIT: usize = 5;
    let house = house_with(GrpcLimits { pending_resets: LIMIT, ..GrpcLimits::default() }).await;
    for (count, survives) in [(LIMIT, true), (LIMIT + 1, false)] {
        let reset = |nth: usize| {
            let stream = 1 + 2 * nth as u32;
            let cancel = frame(RST_STREAM, 0, stream, &8u32.to_be_bytes());
            [call(stream, STREAM, &[("content-type", "application/grpc")]), cancel].concat()
        };
        let mut burst: Vec<u8> = (0..count).flat_map(reset).collect();
        burst.extend(frame(PING, 0, 0, &[7; 8]));
        let mut peer = Peer::connect(address(&house), &burst).await;
        let answer = peer.until(|frame| [PING, GOAWAY].contains(&frame.kind)).await;
        assert_eq!(answer.kind == PING, survives, "{count} resets: {answer:?}");
        if !survives {
            let reason = u32::from_be_bytes(answer.payload[4..8].try_into().unwrap());
            assert_eq!(reason, ENHANCE_YOUR_CALM);
        }
    }
}

#[tokio::test]
async fn a_connection_without_a_call_is_closed_and_one_with_a_call_is_not() {
    let house = house_with(GrpcLimits { idle_timeout: A_WHILE, ..GrpcLimits::default() }).await;
    let bearer = format!("Bearer {}", house.token);
    let fields = [("content-type", "application/grpc"), ("te", "trailers"), ("authorization", &*bearer)];
    let mut busy = Peer::connect(address(&house), &call(1, STREAM, &fields)).await;
    let mut idle = Peer::connect(address(&house), &[]).await;
    let end = async { while idle.next().await.is_some() {} };
    timeout(SOON, end).await.expect("the idle one is closed");
    tokio::time::sleep(A_WHILE * 2).await;
    busy.send(&frame(PING, 0, 0, &[7; 8])).await;
    busy.until(|frame| frame.kind == PING && frame.payload == [7; 8]).await;
    // Once its call is over it is idle too.
    busy.send(&frame(RST_STREAM, 0, 1, &8u32.to_be_bytes())).await;
    let end = async { while busy.next().await.is_some() {} };
    timeout(SOON, end).await.expect("the other one is closed afterwards");
}
