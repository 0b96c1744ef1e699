//! Limits of one gRPC connection and stream that only a peer which misbehaves, or falls silent, ever meets.

use std::time::Duration;

use painwatch_ingest::{GrpcLimits, IngestLimits};
use painwatch_proto::ingest::v1::{Reading, ReadingBatch};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;

use crate::grpc::{authorized, batch, client};
use crate::support::http2::{GOAWAY, PING, Peer, call, frame};
use crate::support::journal::Mode;
use crate::support::{A_WHILE, House, SOON, eventually};

const STREAM: &str = "/painwatch.ingest.v1.Ingest/Stream";
const ACK: u8 = 1;

async fn house_with(grpc: GrpcLimits) -> House {
    House::with(IngestLimits { verdict_timeout: A_WHILE, grpc, ..IngestLimits::default() }).await
}

#[tokio::test]
async fn a_connection_on_which_we_had_to_reset_more_calls_than_the_limit_is_closed() {
    const LIMIT: usize = 4;
    let house = house_with(GrpcLimits { error_resets: LIMIT, ..GrpcLimits::default() }).await;
    for (count, survives) in [(LIMIT, true), (LIMIT + 1, false)] {
        // What only HTTP/1 may say is an error of that call alone.
        let fields = [("content-type", "application/grpc"), ("connection", "close")];
        let broken = |nth: usize| call(1 + 2 * nth as u32, STREAM, &fields);
        let mut burst: Vec<u8> = (0..count).flat_map(broken).collect();
        burst.extend(frame(PING, 0, 0, &[7; 8]));
        let mut peer = Peer::connect(house.handle.grpc_addr.unwrap(), &burst).await;
        let answer = peer.until(|frame| [PING, GOAWAY].contains(&frame.kind)).await;
        assert_eq!(answer.kind == PING, survives, "{count} errors: {answer:?}");
    }
}

#[tokio::test]
async fn a_peer_that_answers_is_kept_and_one_that_is_silent_for_longer_than_the_limit_is_gone() {
    let (interval, patience) = (Duration::from_millis(100), Duration::from_millis(400));
    let grpc = GrpcLimits { keepalive_interval: interval, keepalive_timeout: patience, ..GrpcLimits::default() };
    let house = house_with(grpc).await;
    let bearer = format!("Bearer {}", house.token);
    let fields = [("content-type", "application/grpc"), ("te", "trailers"), ("authorization", &*bearer)];
    let open = call(1, STREAM, &fields);
    let mut lively = Peer::connect(house.handle.grpc_addr.unwrap(), &open).await;
    let mut silent = Peer::connect(house.handle.grpc_addr.unwrap(), &open).await;
    let begun = Instant::now();
    let answering = async {
        while begun.elapsed() < (interval + patience) * 3 {
            let asked = lively.until(|frame| frame.kind == PING).await;
            lively.send(&frame(PING, ACK, 0, &asked.payload)).await;
        }
    };
    answering.await;
    let end = async { while silent.next().await.is_some() {} };
    timeout(SOON, end).await.expect("whoever does not answer is closed");
    lively.send(&frame(PING, 0, 0, &[7; 8])).await;
    lively.until(|frame| frame.kind == PING && frame.payload == [7; 8]).await;
}

#[tokio::test]
async fn a_stream_has_at_most_the_limit_of_bytes_unanswered() {
    let size = batch(0).encoded_len();
    for (limit, taken) in [(2 * size, 2), (2 * size + 1, 3)] {
        let house = house_with(GrpcLimits { stream_bytes: limit, ..GrpcLimits::default() }).await;
        house.journal.set(Mode::Held);
        let (sender, receiver) = mpsc::channel::<ReadingBatch>(8);
        let request = authorized(&house.token, ReceiverStream::new(receiver));
        let _answer = client(&house).await.stream(request).await.unwrap();
        for nth in 0..6 {
            sender.send(batch(nth)).await.unwrap();
        }
        eventually("the window is full", || house.journal.held() == taken).await;
        tokio::time::sleep(A_WHILE).await;
        assert_eq!(house.journal.held(), taken, "{limit} bytes");
    }
}

#[tokio::test]
async fn a_batch_takes_room_for_what_it_becomes_and_not_for_what_it_is_on_the_wire() {
    let house = House::with(IngestLimits { budget_bytes: 100_000, ..IngestLimits::default() }).await;
    house.journal.set(Mode::Held);
    let many = ReadingBatch { readings: vec![Reading::default(); 100], ..batch(1) };
    assert!(many.encoded_len() < 1_000 && 100 * size_of::<Reading>() > 50_000);
    let submit = |batch: ReadingBatch| {
        let (house, token) = (&house, &house.token);
        async move { client(house).await.submit(authorized(token, batch)).await }
    };
    let mut first = std::pin::pin!(submit(many.clone()));
    tokio::select! {
        _ = first.as_mut() => panic!("it is not durable"),
        () = eventually("it is being appended", || house.journal.held() == 1) => {}
    }
    let refusal = timeout(SOON, submit(many)).await.unwrap().unwrap_err();
    assert_eq!(refusal.code(), tonic::Code::ResourceExhausted);
    let mut small = std::pin::pin!(submit(batch(2)));
    tokio::select! {
        _ = small.as_mut() => panic!("it is not durable"),
        () = eventually("a small one has room beside it", || house.journal.held() == 2) => {}
    }
}

#[tokio::test]
async fn f13_a_peer_that_sends_a_byte_a_moment_holds_nothing_beyond_the_deadlines() {
    let limits = IngestLimits {
        connect_deadline: A_WHILE,
        grpc: GrpcLimits { first_call_deadline: A_WHILE, ..GrpcLimits::default() },
        ..IngestLimits::default()
    };
    let house = House::with(limits).await;
    let connect = crate::support::raw::Connect::new(crate::support::raw::Version::V5, "gw-1", &house.token).bytes();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    for (door, words) in [(house.handle.mqtt_addr, connect), (house.handle.grpc_addr, preface)] {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut reading, mut writing) = tokio::net::TcpStream::connect(door.unwrap()).await.unwrap().into_split();
        let drip = tokio::spawn(async move {
            for byte in words {
                if writing.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(A_WHILE / 5).await;
            }
        });
        let mut said = Vec::new();
        let closed = timeout(SOON, reading.read_to_end(&mut said)).await.expect("it is shown out");
        // A reset is as good as an end.
        drop(closed);
        assert!(!drip.is_finished(), "it was in the middle of its first sentence");
        drip.abort();
    }
    // And a neighbour is served.
    assert!(client(&house).await.submit(authorized(&house.token, batch(1))).await.is_ok());
}
