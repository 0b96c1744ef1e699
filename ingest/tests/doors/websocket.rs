//! MQTT over WebSocket is the same endpoint behind another transport.

use std::net::SocketAddr;

use futures::{SinkExt as _, StreamExt as _};
use painwatch_ingest::{IngestLimits, Refusal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::raw::{BOTH, Connect, Version, publish};
use crate::support::{House, SOON, batch_json};

const TOPIC: &str = "painwatch/v1/gw-1/readings/json";

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Serves the HTTP router as the program does.
pub async fn serve(house: &House) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = house.handle.http_router.clone().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    address
}

pub async fn open(address: SocketAddr, subprotocol: Option<&str>) -> Result<Socket, Error> {
    let mut request = format!("ws://{address}/mqtt").into_client_request().unwrap();
    if let Some(subprotocol) = subprotocol {
        request.headers_mut().insert("sec-websocket-protocol", subprotocol.parse().unwrap());
    }
    connect_async(request).await.map(|(socket, _)| socket)
}

/// The next `count` bytes, however they are cut into messages; fewer when it ends before.
pub async fn receive(socket: &mut Socket, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        match timeout(SOON, socket.next()).await.unwrap() {
            Some(Ok(Message::Binary(more))) => bytes.extend(more),
            Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            Some(Ok(_)) => {}
        }
    }
    bytes
}

/// What comes until these bytes have; all there is when they do not.
pub async fn until(socket: &mut Socket, expected: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    while !said.windows(expected.len()).any(|window| window == expected) {
        match timeout(SOON, socket.next()).await.unwrap() {
            Some(Ok(Message::Binary(more))) => said.extend(more),
            Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            Some(Ok(_)) => {}
        }
    }
    said
}

/// Whether these bytes come before the end.
async fn hears(socket: &mut Socket, expected: &[u8]) -> bool {
    until(socket, expected).await.windows(expected.len()).any(|window| window == expected)
}

#[tokio::test]
async fn a_publish_over_websocket_is_acknowledged_like_any_other_however_it_is_cut() {
    let house = House::open().await;
    let address = serve(&house).await;
    for version in BOTH {
        for pieces in [1_000, 7, 1] {
            let mut socket = open(address, Some("mqtt")).await.unwrap();
            let mut bytes = Connect::new(version, "gw-1", &house.token).bytes();
            bytes.extend(publish(version, TOPIC, 1, 9, batch_json(0).as_bytes()));
            for piece in bytes.chunks(pieces) {
                socket.send(Message::Binary(piece.to_vec().into())).await.unwrap();
            }
            let puback = [0x40, 2, 0, 9];
            assert!(hears(&mut socket, &puback).await, "{version:?} in pieces of {pieces}");
        }
    }
    assert_eq!(house.batches().len(), 6);
}

#[tokio::test]
async fn who_does_not_offer_mqtt_is_refused_and_text_is_not_mqtt() {
    let house = House::open().await;
    let address = serve(&house).await;
    for offered in [None, Some("chat"), Some("mqttv3.1")] {
        match open(address, offered).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 400),
            other => panic!("{offered:?}: {other:?}"),
        }
    }
    let mut socket = open(address, Some("chat, mqtt")).await.unwrap();
    socket.send(Message::Text("CONNECT".into())).await.unwrap();
    assert!(receive(&mut socket, 1).await.is_empty());
    assert!(house.journal.records().is_empty());
}

#[tokio::test]
async fn connections_over_websocket_count_like_any_other_and_end_with_the_house() {
    let house = House::with(IngestLimits { connections: 1, ..IngestLimits::default() }).await;
    let address = serve(&house).await;
    let mut socket = open(address, Some("mqtt")).await.unwrap();
    socket.send(Message::Binary(Connect::new(Version::V3, "gw-1", &house.token).bytes().into())).await.unwrap();
    assert_eq!(receive(&mut socket, 4).await, [0x20, 2, 0, 0]);
    match open(address, Some("mqtt")).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 503),
        other => panic!("{other:?}"),
    }
    assert_eq!(house.handle.ledger.refused(Refusal::Busy), 1);
    house.stop.cancel();
    assert!(receive(&mut socket, 1).await.is_empty());
    assert!(timeout(SOON, house.doors.handle.stopped()).await.unwrap());
}

/// A WebSocket of which the test says every byte.
async fn knock(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let asked = "GET /mqtt HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: mqtt\r\n\r\n";
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap().to_lowercase();
    assert!(answer.starts_with("http/1.1 101") && answer.contains("sec-websocket-protocol: mqtt"), "{answer}");
    stream
}

/// The head of a masked binary frame that says it has so many bytes; the mask changes nothing.
fn head(bytes: u32) -> Vec<u8> {
    [&[0x82, 0xff, 0, 0, 0, 0][..], &bytes.to_be_bytes(), &[0; 4]].concat()
}

#[tokio::test]
async fn s35_a_stranger_is_shown_out_at_the_first_packet_however_large_its_frame_says_it_is() {
    let house = House::open().await;
    let address = serve(&house).await;
    // A CONNECT of 16 KiB at the beginning of a frame of 200.
    let mut greedy = knock(address).await;
    greedy.write_all(&[head(200_000), vec![0x10, 0xff, 0x7f, 0]].concat()).await.unwrap();
    let mut said = Vec::new();
    timeout(SOON / 2, greedy.read_to_end(&mut said)).await.expect("shown out before the rest has come").unwrap();
    assert_eq!(said, [0x88, 0], "the last word and nothing else");
    assert_eq!(house.handle.ledger.refused(Refusal::Malformed), 1);
    // Whoever says who it is may say it in a frame of any size, and the rest of the frame later.
    let mut polite = knock(address).await;
    let connect = Connect::new(Version::V3, "gw-1", &house.token).bytes();
    let publish = publish(Version::V3, TOPIC, 1, 9, batch_json(0).as_bytes());
    polite.write_all(&[head((connect.len() + publish.len()) as u32), connect].concat()).await.unwrap();
    let mut connack = [0; 6];
    timeout(SOON, polite.read_exact(&mut connack)).await.unwrap().unwrap();
    assert_eq!(connack, [0x82, 4, 0x20, 2, 0, 0]);
    polite.write_all(&publish).await.unwrap();
    let mut puback = [0; 6];
    timeout(SOON, polite.read_exact(&mut puback)).await.unwrap().unwrap();
    assert_eq!(puback, [0x82, 4, 0x40, 2, 0, 9]);
}
