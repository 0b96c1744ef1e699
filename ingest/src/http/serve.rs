//! Serves HTTP connections, each with a deadline for the head and for the body of a request: a peer that sends a byte a moment
//! holds a connection no longer than one that sends nothing.

use std::convert::Infallible;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{ConnectInfo, Request};
use futures::{StreamExt as _, stream};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use painwatch_access::tls::Arrival;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::caller::{Caller, HttpListener};
use crate::gate::{Gate, Guest, guests};

/// How much of this door one peer may take. Each is a key below `http` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// From the connection, or from the end of the answer before, to the end of a request's head.
    pub head_deadline: Duration,
    /// From the end of the head to the end of the body.
    pub body_deadline: Duration,
    /// Connections at once; WebSockets are counted by their own door.
    pub connections: usize,
    /// Of them from one address; loopback and trusted proxies are not counted.
    pub connections_per_address: usize,
    /// Connections accepted a second, from everybody together; more wait.
    pub connects_per_s: NonZeroU32,
}

/// Largest head of a request, and what is read of a body at a time: nobody has shown yet who it is.
const HEAD_BYTES: usize = 16 << 10;

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            head_deadline: Duration::from_secs(30),
            body_deadline: Duration::from_secs(60),
            connections: 2_000,
            connections_per_address: 1_000,
            connects_per_s: const { NonZeroU32::new(2_000).expect("not zero") },
        }
    }
}

impl HttpListener {
    /// Serves until stopped; then what is being answered is answered, and nothing more is read.
    pub async fn serve(self, router: Router, limits: HttpLimits, stop: CancellationToken) {
        let gate = Gate::new(limits.connections, limits.connections_per_address, limits.connects_per_s, Instant::now());
        let gate = Arc::new(gate.not_counting(self.door.trusted_proxies()));
        let mut guests = guests(self.listener, self.door, gate, || ());
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => {}
                // The task that accepts outlives us, unless it was ended by a fault of ours: nobody comes any more then.
                Some(Guest { arrival, pass }) = guests.recv() => {
                    let serving = connection(arrival, router.clone(), limits, stop.clone());
                    connections.spawn(async move {
                        serving.await;
                        drop(pass);
                    });
                }
            }
        }
        drop(guests);
        while connections.join_next().await.is_some() {}
    }
}

async fn connection(arrival: Arrival, router: Router, limits: HttpLimits, stop: CancellationToken) {
    let caller = ConnectInfo(Caller(arrival.peer));
    let service = tower::service_fn(move |request: axum::http::Request<_>| {
        let (router, caller) = (router.clone(), caller.clone());
        async move {
            let mut request = in_time(request.map(Body::new), limits.body_deadline);
            request.extensions_mut().insert(caller);
            Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {}))
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.head_deadline).max_buf_size(HEAD_BYTES);
    let served =
        builder.serve_connection_with_upgrades(TokioIo::new(arrival.stream), TowerToHyperService::new(service));
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended");
    }
}

/// The request with a body that ends in an error once it should have been here.
fn in_time(request: Request, limit: Duration) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    let deadline = Instant::now() + limit;
    request.map(|body| {
        let pieces = stream::unfold(body.into_data_stream(), move |mut pieces| async move {
            match timeout_at(deadline, pieces.next()).await {
                Ok(piece) => piece.map(|piece| (piece.map_err(io::Error::other), pieces)),
                Err(_) => Some((Err(io::ErrorKind::TimedOut.into()), pieces)),
            }
        });
        Body::from_stream(pieces)
    })
}
