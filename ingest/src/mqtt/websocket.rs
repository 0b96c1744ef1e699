//! MQTT over WebSocket: `/mqtt` on the HTTP listener, one more byte stream under the same connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use bytes::{Buf as _, Bytes};
use futures::{Sink as _, Stream as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::{Endpoint, greet};
use crate::http::Caller;

/// The subprotocol that a client of MQTT has to offer.
const SUBPROTOCOL: &str = "mqtt";

impl Endpoint {
    /// To be served with connect info, like the rest of the HTTP listener.
    pub fn websocket(self: &Arc<Self>) -> Router {
        Router::new().route("/mqtt", any(upgrade)).with_state(Arc::clone(self))
    }
}

async fn upgrade(
    State(endpoint): State<Arc<Endpoint>>,
    Caller(peer): Caller,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !offers_mqtt(&headers) {
        return (StatusCode::BAD_REQUEST, "the subprotocol is mqtt").into_response();
    }
    let Some(pass) = endpoint.let_in(peer.address.ip()) else {
        let later = [(header::RETRY_AFTER, "1")];
        return (StatusCode::SERVICE_UNAVAILABLE, later, "too many connections").into_response();
    };
    let turn = endpoint.gate.next_turn(Instant::now());
    // Packets may be cut into several messages or share one: this bounds memory, the connection bounds packets.
    let message_bytes = usize::try_from(endpoint.limits.max_packet_bytes).unwrap_or(usize::MAX);
    upgrade.protocols([SUBPROTOCOL]).max_message_size(message_bytes).max_frame_size(message_bytes).on_upgrade(
        async move |socket| {
            tokio::time::sleep_until(turn).await;
            let stream = Messages { socket, rest: Bytes::new() };
            let served = tokio::spawn(greet::serve(Arc::clone(&endpoint), stream, peer));
            endpoint.note_end(served.await);
            drop(pass);
        },
    )
}

fn offers_mqtt(headers: &HeaderMap) -> bool {
    let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    offers.flat_map(|value| value.split(',')).any(|offer| offer.trim() == SUBPROTOCOL)
}

/// The binary messages of a WebSocket as the bytes of a stream.
struct Messages {
    socket: WebSocket,
    /// Of the last message, what is not read yet.
    rest: Bytes,
}

impl AsyncRead for Messages {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => self.rest = bytes,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                // MQTT travels in binary messages only.
                Some(Ok(Message::Text(_))) => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        let count = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest[..count]);
        self.rest.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Messages {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut socket = Pin::new(&mut self.socket);
        ready!(socket.as_mut().poll_ready(context)).map_err(io::Error::other)?;
        socket.start_send(Message::Binary(Bytes::copy_from_slice(bytes))).map_err(io::Error::other)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context).map_err(io::Error::other)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(context).map_err(io::Error::other)
    }
}
