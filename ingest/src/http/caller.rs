//! Who calls over HTTP: the listener, and the peer beside every request.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use painwatch_access::Peer;
use painwatch_access::tls::Gate;
use tokio::net::TcpListener;

/// Where connections come in, and what they have to pass.
#[derive(Debug)]
pub struct HttpListener {
    pub(super) listener: TcpListener,
    pub(super) door: Gate,
}

impl HttpListener {
    pub const fn new(listener: TcpListener, door: Gate) -> Self {
        Self { listener, door }
    }
}

/// The peer of a request. One whose request a proxy passed on is not on this machine, wherever the proxy is.
#[derive(Clone, Debug)]
pub struct Caller(pub Peer);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let known = parts.extensions.get::<ConnectInfo<Self>>().map(|caller| caller.0.0.clone());
        let plain = || parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| Peer::plain(peer.0));
        let peer = known.or_else(plain).ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        let passed_on = parts.headers.contains_key("x-forwarded-for") || parts.headers.contains_key(header::FORWARDED);
        Ok(Self(Peer { is_local: peer.is_local && !passed_on, ..peer }))
    }
}
