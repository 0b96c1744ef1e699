//! Who calls over HTTP: connections of the listener, and the peer beside every request.

use std::io;
use std::net::SocketAddr;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::serve::{IncomingStream, Listener};
use painwatch_access::Peer;
use painwatch_access::tls::{self, Arrival, Gate, Stream};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// To be served with `into_make_service_with_connect_info::<Caller>()`.
#[derive(Debug)]
pub struct HttpListener {
    arrivals: mpsc::Receiver<Arrival>,
    address: SocketAddr,
}

impl HttpListener {
    /// # Errors
    /// The listener is not bound.
    pub fn new(listener: TcpListener, gate: Gate) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self { arrivals: tls::arrivals(listener, gate), address })
    }
}

impl Listener for HttpListener {
    type Io = Stream;
    type Addr = Peer;

    async fn accept(&mut self) -> (Stream, Peer) {
        match self.arrivals.recv().await {
            Some(arrival) => (arrival.stream, arrival.peer),
            // The task that accepts outlives us, unless it was ended by a fault of ours: nobody comes any more then.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::plain(self.address))
    }
}

/// The peer of a request. One whose request a proxy passed on is not on this machine, wherever the proxy is.
#[derive(Clone, Debug)]
pub struct Caller(pub Peer);

impl Connected<IncomingStream<'_, HttpListener>> for Caller {
    fn connect_info(stream: IncomingStream<'_, HttpListener>) -> Self {
        Self(stream.remote_addr().clone())
    }
}

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
