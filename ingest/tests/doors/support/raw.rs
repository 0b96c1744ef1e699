//! MQTT by hand, byte by byte: what no well-behaved client would send, and exactly what came back.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Doors, SOON};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V3,
    V5,
}

pub const BOTH: [Version; 2] = [Version::V3, Version::V5];

/// A packet as it came: first byte, and what followed its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub head: u8,
    pub body: Vec<u8>,
}

pub const CONNACK: u8 = 0x20;
pub const PUBACK: u8 = 0x40;
pub const PUBREC: u8 = 0x50;
pub const PUBCOMP: u8 = 0x70;
pub const SUBACK: u8 = 0x90;
pub const UNSUBACK: u8 = 0xb0;
pub const PINGRESP: u8 = 0xd0;
pub const DISCONNECT: u8 = 0xe0;

pub struct Raw<S = TcpStream> {
    pub stream: S,
    pub version: Version,
}

impl Raw {
    /// A connection that has said nothing yet.
    pub async fn knock(doors: &Doors, version: Version) -> Self {
        let stream = TcpStream::connect(doors.handle.mqtt_addr.unwrap()).await.unwrap();
        Self { stream, version }
    }

    /// Connected as `gateway`, CONNACK seen.
    pub async fn connect(doors: &Doors, version: Version, gateway: &str) -> Self {
        let (raw, connack) = Self::connect_with(doors, &Connect::new(version, gateway, &doors.token)).await;
        assert_eq!((connack.head, connack.body[1]), (CONNACK, 0), "{connack:?}");
        raw
    }

    pub async fn connect_with(doors: &Doors, connect: &Connect) -> (Self, Packet) {
        let mut raw = Self::knock(doors, connect.version).await;
        raw.send(&connect.bytes()).await;
        let connack = raw.receive().await;
        (raw, connack)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// Says this CONNECT on a stream that somebody else made; the answer, or `None` when it was closed instead.
    pub async fn greet(stream: S, connect: &Connect) -> (Self, Option<Packet>) {
        let mut raw = Self { stream, version: connect.version };
        // A server that has closed already shows in the answer.
        let _ = raw.stream.write_all(&connect.bytes()).await;
        let answer = timeout(SOON, raw.packet()).await.expect("an answer or the end");
        (raw, answer)
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub async fn publish(&mut self, topic: &str, qos: u8, packet_id: u16, payload: &[u8]) {
        let bytes = publish(self.version, topic, qos, packet_id, payload);
        self.send(&bytes).await;
    }

    pub async fn receive(&mut self) -> Packet {
        timeout(SOON, self.packet()).await.expect("a packet within the time limit").expect("a packet, not the end")
    }

    /// The packet that comes within `patience`, if any does.
    pub async fn receive_within(&mut self, patience: Duration) -> Option<Packet> {
        timeout(patience, self.packet()).await.ok()?
    }

    /// Everything until the other side closes.
    pub async fn until_closed(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        let all = async {
            while let Some(packet) = self.packet().await {
                packets.push(packet);
            }
        };
        timeout(SOON, all).await.expect("the connection is closed");
        packets
    }

    async fn packet(&mut self) -> Option<Packet> {
        let head = self.stream.read_u8().await.ok()?;
        let mut length = 0;
        for nth in 0.. {
            let byte = self.stream.read_u8().await.ok()?;
            length |= usize::from(byte & 0x7f) << (7 * nth);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        Some(Packet { head, body })
    }
}

/// A CONNECT to be.
pub struct Connect {
    pub version: Version,
    pub client_id: String,
    pub user: Option<String>,
    pub password: Option<String>,
    pub clean: bool,
    pub keep_alive_s: u16,
    pub will: Option<(String, String)>,
    /// MQTT 5 properties, encoded.
    pub properties: Vec<u8>,
    pub will_properties: Vec<u8>,
}

impl Connect {
    pub fn new(version: Version, gateway: &str, token: &str) -> Self {
        Self {
            version,
            client_id: gateway.to_owned(),
            user: Some(gateway.to_owned()),
            password: Some(token.to_owned()),
            clean: true,
            keep_alive_s: 60,
            will: None,
            properties: Vec::new(),
            will_properties: Vec::new(),
        }
    }

    /// With a session that outlives its connection by ten minutes.
    pub fn lasting(version: Version, gateway: &str, token: &str) -> Self {
        let properties = if version == Version::V5 { vec![0x11, 0, 0, 2, 88] } else { Vec::new() };
        Self { clean: false, properties, ..Self::new(version, gateway, token) }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let v5 = self.version == Version::V5;
        let mut flags = u8::from(self.clean) << 1;
        flags |= u8::from(self.user.is_some()) << 7 | u8::from(self.password.is_some()) << 6;
        flags |= if self.will.is_some() { 0b0000_1100 } else { 0 };
        let mut body = text("MQTT");
        body.extend([if v5 { 5 } else { 4 }, flags]);
        body.extend(self.keep_alive_s.to_be_bytes());
        if v5 {
            body.extend(length(self.properties.len()));
            body.extend(&self.properties);
        }
        body.extend(text(&self.client_id));
        if let Some((topic, payload)) = &self.will {
            if v5 {
                body.extend(length(self.will_properties.len()));
                body.extend(&self.will_properties);
            }
            body.extend(text(topic));
            body.extend(text(payload));
        }
        body.extend(self.user.iter().chain(&self.password).flat_map(|part| text(part)));
        packet(0x10, &body)
    }
}

pub fn publish(version: Version, topic: &str, qos: u8, packet_id: u16, payload: &[u8]) -> Vec<u8> {
    publish_with(version, topic, qos, packet_id, payload, &[])
}

pub fn publish_with(
    version: Version,
    topic: &str,
    qos: u8,
    packet_id: u16,
    payload: &[u8],
    properties: &[u8],
) -> Vec<u8> {
    let mut body = text(topic);
    if qos > 0 {
        body.extend(packet_id.to_be_bytes());
    }
    if version == Version::V5 {
        body.extend(length(properties.len()));
        body.extend(properties);
    }
    body.extend(payload);
    packet(0x30 | qos << 1, &body)
}

pub fn subscribe(version: Version, packet_id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    if version == Version::V5 {
        body.push(0);
    }
    for (filter, qos) in filters {
        body.extend(text(filter));
        body.push(*qos);
    }
    packet(0x82, &body)
}

pub fn unsubscribe(version: Version, packet_id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    if version == Version::V5 {
        body.push(0);
    }
    body.extend(filters.iter().flat_map(|filter| text(filter)));
    packet(0xa2, &body)
}

pub fn puback(packet_id: u16) -> Vec<u8> {
    packet(0x40, &packet_id.to_be_bytes())
}

pub fn pubrel(packet_id: u16) -> Vec<u8> {
    packet(0x62, &packet_id.to_be_bytes())
}

/// The same publish, sent again.
pub fn again(mut publish: Vec<u8>) -> Vec<u8> {
    publish[0] |= 0x08;
    publish
}

pub const PINGREQ: [u8; 2] = [0xc0, 0];
pub const GOODBYE: [u8; 2] = [0xe0, 0];

/// What a PUBACK confirms and how; 3.1.1 and the short form of 5 mean success.
pub fn confirmed(packet: &Packet) -> (u16, u8) {
    assert_eq!(packet.head, PUBACK, "{packet:?}");
    (u16::from_be_bytes([packet.body[0], packet.body[1]]), packet.body.get(2).copied().unwrap_or(0))
}

/// As [`confirmed`] for an answer of any kind.
pub fn answered(head: u8, packet: &Packet) -> (u16, u8) {
    assert_eq!(packet.head, head, "{packet:?}");
    (u16::from_be_bytes([packet.body[0], packet.body[1]]), packet.body.get(2).copied().unwrap_or(0))
}

pub fn text(text: &str) -> Vec<u8> {
    let mut out = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    out.extend(text.as_bytes());
    out
}

pub fn packet(head: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![head];
    out.extend(length(body.len()));
    out.extend(body);
    out
}

pub fn length(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = u8::try_from(value % 128).unwrap();
        value /= 128;
        out.push(if value > 0 { byte | 0x80 } else { byte });
        if value == 0 {
            return out;
        }
    }
}
