//! MQTT over WebSocket: `/mqtt` on the HTTP listener, one more byte stream under the same connection.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use super::frames::Frames;
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

async fn upgrade(State(endpoint): State<Arc<Endpoint>>, Caller(peer): Caller, mut request: Request) -> Response {
    if !offers_mqtt(request.headers()) {
        return (StatusCode::BAD_REQUEST, "the subprotocol is mqtt").into_response();
    }
    let Ok(mut response) = create_response_with_body(&request, Body::empty) else {
        return (StatusCode::BAD_REQUEST, "a WebSocket is expected").into_response();
    };
    let Some(pass) = endpoint.let_in(peer.address.ip()) else {
        let later = [(header::RETRY_AFTER, "1")];
        return (StatusCode::SERVICE_UNAVAILABLE, later, "too many connections").into_response();
    };
    let turn = endpoint.gate.next_turn(Instant::now());
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // Whoever hung up before the answer was out has no connection.
        let Ok(stream) = upgraded.await else { return };
        tokio::time::sleep_until(turn).await;
        let served = tokio::spawn(greet::serve(Arc::clone(&endpoint), Frames::new(TokioIo::new(stream)), peer));
        endpoint.note_end(served.await);
        drop(pass);
    });
    response
}

fn offers_mqtt(headers: &HeaderMap) -> bool {
    let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    offers.flat_map(|value| value.split(',')).any(|offer| offer.trim() == SUBPROTOCOL)
}
