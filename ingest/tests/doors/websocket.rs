//! MQTT over WebSocket is the same endpoint behind another transport.

use std::net::SocketAddr;

use futures::{SinkExt as _, StreamExt as _};
use painwatch_ingest::{IngestLimits, Refusal};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::raw::{BOTH, Connect, Version, publish};
use crate::support::{House, SOON, batch_json};

const TOPIC: &str = "painwatch/v1/gw-1/readings/json";

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Serves the HTTP router as the program does.
async fn serve(house: &House) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = house.handle.http_router.clone().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    address
}

async fn open(address: SocketAddr, subprotocol: Option<&str>) -> Result<Socket, Error> {
    let mut request = format!("ws://{address}/mqtt").into_client_request().unwrap();
    if let Some(subprotocol) = subprotocol {
        request.headers_mut().insert("sec-websocket-protocol", subprotocol.parse().unwrap());
    }
    connect_async(request).await.map(|(socket, _)| socket)
}

/// The next `count` bytes, however they are cut into messages; fewer when it ends before.
async fn receive(socket: &mut Socket, count: usize) -> Vec<u8> {
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

/// Whether these bytes come before the end.
async fn hears(socket: &mut Socket, expected: &[u8]) -> bool {
    let mut said = Vec::new();
    loop {
        match timeout(SOON, socket.next()).await.unwrap() {
            Some(Ok(Message::Binary(more))) => said.extend(more),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return false,
            Some(Ok(_)) => {}
        }
        if said.windows(expected.len()).any(|window| window == expected) {
            return true;
        }
    }
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
