use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use painwatch_gateway::client::{Client, ClientOptions, MqttClient, Outcome};
use painwatch_gateway::outgoing::Payload;
use painwatch_proto::ingest::v1::ReadingBatch;
use prost::Message as _;
use rumqttc::v5::mqttbytes::v5::{ConnAck, ConnectReturnCode, Packet, PubAck, PubAckReason};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

type Seen = Arc<Mutex<Vec<String>>>;

/// Acknowledges two publishes, then closes; the third connection acknowledges everything.
async fn serve(code: ConnectReturnCode, seen: Seen) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        for connection in 0.. {
            let Ok((socket, _)) = listener.accept().await else { return };
            let most = if connection < 2 { 2 } else { usize::MAX };
            converse(socket, code, most, &seen).await;
        }
    });
    address
}

async fn converse(mut socket: TcpStream, code: ConnectReturnCode, most: usize, seen: &Seen) {
    let (mut input, mut acknowledged) = (BytesMut::new(), 0);
    loop {
        let mut output = BytesMut::new();
        while let Ok(packet) = Packet::read(&mut input, Some(1 << 20)) {
            match packet {
                Packet::Connect(..) => {
                    Packet::ConnAck(ConnAck { session_present: false, code, properties: None })
                        .write(&mut output, None)
                        .unwrap();
                }
                Packet::Publish(publish) if acknowledged < most => {
                    acknowledged += 1;
                    let reason = match ReadingBatch::decode(&*publish.payload) {
                        Ok(batch) => {
                            seen.lock().unwrap().push(batch.batch_id);
                            PubAckReason::Success
                        }
                        Err(_) => PubAckReason::PayloadFormatInvalid,
                    };
                    Packet::PubAck(PubAck { pkid: publish.pkid, reason, properties: None })
                        .write(&mut output, None)
                        .unwrap();
                }
                Packet::Publish(_) => {
                    // What was acknowledged goes out before the line drops.
                    let _ = socket.write_all(&output).await;
                    return;
                }
                _ => {}
            }
        }
        if socket.write_all(&output).await.is_err() || socket.read_buf(&mut input).await.is_ok_and(|read| read == 0) {
            return;
        }
    }
}

fn client(address: String) -> Client {
    let options = ClientOptions { address, gateway: "gw-1".into(), token: "secret".into(), window: 4 };
    Client::Mqtt(MqttClient::connect(options).unwrap())
}

#[tokio::test]
async fn past_failure_15_every_publish_is_acknowledged_in_the_end_though_the_line_drops_twice() {
    let seen = Seen::default();
    let client = client(serve(ConnectReturnCode::Success, seen.clone()).await);
    let mut receipts = Vec::new();
    for number in 0..12 {
        receipts.push(client.send(&super::batch(number)).await.unwrap());
    }
    let mut resent = 0;
    for receipt in receipts {
        let ack = receipt.ack().await.unwrap();
        assert_eq!(ack.outcome, Outcome::Durable);
        resent += usize::from(ack.attempts > 1);
    }
    client.close().await;
    assert!(resent > 0);
    let mut batches = seen.lock().unwrap().clone();
    batches.dedup();
    assert_eq!(batches, (0..12).map(|number| format!("gw-1/{number}")).collect::<Vec<_>>(), "in order, none missing");
}

#[tokio::test]
async fn an_undecodable_payload_is_acknowledged_as_such() {
    let client = client(serve(ConnectReturnCode::Success, Seen::default()).await);
    let receipt = client.send(&Payload::Raw(vec![0x02, 0xff])).await.unwrap();
    assert_eq!(receipt.ack().await.unwrap().outcome, Outcome::Undecodable);
}

#[tokio::test]
async fn a_gateway_that_is_not_let_in_stops_trying() {
    let client = client(serve(ConnectReturnCode::NotAuthorized, Seen::default()).await);
    if let Ok(receipt) = client.send(&super::batch(0)).await {
        assert_eq!(receipt.ack().await.unwrap().outcome, Outcome::Refused("NotAuthorized".into()));
    }
    assert!(client.send(&super::batch(1)).await.is_err());
}
