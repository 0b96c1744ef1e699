//! From the first byte to the decision on the CONNECT.

use std::net::SocketAddr;
use std::sync::Arc;

use mqtt_protocol_core::mqtt::result_code::MqttError;
use painwatch_access::Peer;
use painwatch_access::tls::Gate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Endpoint;
use super::connection::Connection;
use super::door::{self, Denied, Guest, Hello};
use super::link::{FirstPacket, Link, first_packet};
use super::wire::Next;
use super::words::Input;
use crate::gate::Pass;
use crate::ledger::{Refusal, Tally};

/// Shakes hands where TLS is spoken, then listens. The place is given back at the end.
pub async fn arrive(endpoint: Arc<Endpoint>, stream: TcpStream, address: SocketAddr, gate: Gate, _place: Pass) {
    let opened = tokio::select! {
        () = endpoint.stop.cancelled() => return,
        opened = gate.open(stream, address) => opened,
    };
    match opened {
        Ok(arrival) => serve(endpoint, arrival.stream, arrival.peer).await,
        Err(error) => {
            endpoint.admission.ledger().count(Tally::HandshakesFailed, 1);
            tracing::info!(%error, "an MQTT connection was not let in");
        }
    }
}

pub async fn serve<S>(endpoint: Arc<Endpoint>, stream: S, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut link = Link::new(stream, endpoint.limits.max_packet_bytes, endpoint.limits.mqtt.user_properties);
    let greeting = tokio::select! {
        () = endpoint.stop.cancelled() => return,
        greeting = timeout(endpoint.limits.connect_deadline, greet(&endpoint, &mut link, &peer)) => greeting,
    };
    if let Ok(Some((hello, guest))) = greeting {
        // On the heap, so that nobody takes room for a connection before it is known who comes.
        let connected = async {
            if let Some(connection) = Connection::enter(endpoint, link, &hello, guest).await {
                connection.live().await;
            }
        };
        Box::pin(connected).await;
    } else {
        link.close().await;
    }
}

/// Waits for the CONNECT and decides on it; `None` when there is nothing to go on with.
async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
    endpoint: &Endpoint,
    link: &mut Link<S>,
    peer: &Peer,
) -> Option<(Hello, Guest)> {
    let ledger = endpoint.admission.ledger();
    let hello = match first_hello(link, endpoint.limits.mqtt.first_packet_bytes).await {
        Ok(Some(hello)) => hello,
        Ok(None) => return None,
        Err(_) => {
            ledger.refuse(Refusal::Malformed);
            return None;
        }
    };
    match door::admit(&hello, &endpoint.access, &endpoint.limits.mqtt, peer, endpoint.admission.now_ms()) {
        Ok(guest) => Some((hello, guest)),
        Err(denied) => {
            ledger.refuse(match denied {
                Denied::BadCredentials => Refusal::Authentication,
                Denied::Oversized => Refusal::TooLarge,
                _ => Refusal::Authorization,
            });
            tracing::info!(?denied, "an MQTT client was turned away");
            link.wire.turn_away(denied);
            None
        }
    }
}

/// `None` when the peer left before saying anything.
pub(super) async fn first_hello<S: AsyncRead + AsyncWrite + Unpin>(
    link: &mut Link<S>,
    max_bytes: usize,
) -> Result<Option<Hello>, MqttError> {
    let total = loop {
        match link.read().await {
            Ok(0) | Err(_) if link.input.is_empty() => return Ok(None),
            Ok(0) | Err(_) => return Err(MqttError::MalformedPacket),
            Ok(_) => {}
        }
        match first_packet(&link.input, max_bytes) {
            FirstPacket::Unclear => {}
            FirstPacket::Connect(total) => break total,
            FirstPacket::Unwelcome => return Err(MqttError::ProtocolError),
        }
    };
    // The engine gets it whole: what it would keep of a part is memory for somebody unknown.
    while link.input.len() < total {
        if !matches!(link.read_towards(total).await, Ok(1..)) {
            return Err(MqttError::MalformedPacket);
        }
    }
    loop {
        match link.wire.next(&mut link.input) {
            Next::Input(Input::Connect(hello)) => return Ok(Some(hello)),
            Next::Input(_) => return Err(MqttError::ProtocolError),
            Next::Broken(error) => return Err(error),
            Next::More => {}
        }
        if !matches!(link.read().await, Ok(1..)) {
            return Err(MqttError::MalformedPacket);
        }
    }
}
