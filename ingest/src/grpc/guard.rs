//! In front of every method: may they, by when, and nothing that expands without end.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use http_body_util::BodyExt as _;
use painwatch_access::{Access, GatewayCredential, Peer};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderValue, Request, Response, header};
use tonic::codegen::{BoxFuture, Service};

use super::connection::ConnectionInfo;
use super::deadline::AnswerBy;
use super::inflate::{Bounds, unpacked};
use super::table::{Needs, needs};
use super::{bearer_token, details};
use crate::admission::Admission;
use crate::ledger::Refusal;

const ENCODING: &str = "grpc-encoding";

/// Wraps all services of the listener; cheap to clone.
#[derive(Clone, Debug)]
pub struct Guard<S> {
    pub services: S,
    pub access: Arc<Access>,
    pub admission: Arc<Admission>,
    pub bounds: Bounds,
}

impl<S> Service<Request<Body>> for Guard<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.services.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let connection = request.extensions_mut().remove::<ConnectionInfo<Peer>>();
        let open = connection.as_ref().map(|connection| connection.calls.open());
        let peer = connection.map(|connection| connection.transport);
        if let Err(status) = self.admit(&mut request, peer.as_ref()) {
            return std::future::ready(Ok(status.into_http())).boxed();
        }
        let answer = self.services.call(self.prepared(request));
        Box::pin(async move {
            let mut response = answer.await?;
            response.headers_mut().insert("grpc-accept-encoding", HeaderValue::from_static("gzip,identity"));
            // The call is open until its last frame has left.
            Ok(response.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    let _ = &open;
                    frame
                }))
            }))
        })
    }
}

impl<S> Guard<S> {
    /// Puts who calls, where that is asked, and by when they want an answer into the request.
    fn admit(&self, request: &mut Request<Body>, peer: Option<&Peer>) -> Result<(), Status> {
        let needs = needs(request.uri().path()).ok_or_else(|| Status::unimplemented("there is no such method"))?;
        if needs == Needs::GatewayToken {
            let credential = self.credential(request.headers(), peer)?;
            request.extensions_mut().insert(credential);
        }
        let answer_by = AnswerBy::of(request.headers(), Instant::now());
        request.extensions_mut().insert(answer_by);
        Ok(())
    }

    /// By token, client certificate or both. A header that holds no token is a token that nobody has.
    fn credential(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Result<GatewayCredential, Status> {
        let header = headers.get(header::AUTHORIZATION).map(|value| value.to_str().ok().and_then(bearer_token));
        let token = header.map(Option::unwrap_or_default);
        let credential = peer.and_then(|peer| self.access.gateway(peer, token, self.admission.now_ms()));
        credential.ok_or_else(|| {
            self.admission.ledger().refuse(Refusal::Authentication);
            details::unauthenticated("authorization: Bearer <gateway token> or a client certificate is required")
        })
    }

    fn prepared(&self, mut request: Request<Body>) -> Request<Body> {
        if request.headers().get(ENCODING).is_none_or(|encoding| encoding != "gzip") {
            return request;
        }
        request.headers_mut().remove(ENCODING);
        let bounds = self.bounds;
        request.map(|body| unpacked(body, bounds))
    }
}
