//! In front of every method: may they, by when, and nothing that expands without end.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use http_body_util::BodyExt as _;
use painwatch_access::{Access, GatewayCredential, Lease, Peer};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderValue, Request, Response, header};
use tonic::codegen::{BoxFuture, Service};

use super::connection::{ConnectionInfo, OpenCall};
use super::deadline::AnswerBy;
use super::frames::{Batches, Messages, Rooms, checked};
use super::inflate::Bounds;
use super::table::{Needs, Takes, needs};
use super::{Caller, GrpcLimits, bearer_token, details, strangers};
use crate::admission::Admission;
use crate::gate::{Gate, Pass};
use crate::ledger::Refusal;

const ENCODING: &str = "grpc-encoding";
/// Largest message that is no batch: a hundred devices with names of 128 bytes are 13 KB.
const QUESTION_BYTES: usize = 64 << 10;

/// Wraps all services of the listener; cheap to clone.
#[derive(Clone, Debug)]
pub struct Guard<S> {
    pub services: S,
    pub access: Arc<Access>,
    pub admission: Arc<Admission>,
    pub limits: GrpcLimits,
    /// For calls without a token.
    pub places: Arc<Gate>,
}

/// What a call holds until its last frame has left.
struct Held {
    deadline: Instant,
    of: Whose,
}

enum Whose {
    Gateway { lease: Arc<Lease>, _open: Arc<OpenCall> },
    Stranger { _place: Pass },
}

impl Held {
    /// When the credential ends by which the call came in.
    async fn revoked(&self) {
        match &self.of {
            Whose::Gateway { lease, .. } => lease.ended().await,
            Whose::Stranger { .. } => std::future::pending().await,
        }
    }
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

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (request, held) = match self.admit(request) {
            Ok(admitted) => admitted,
            Err(status) => return std::future::ready(Ok(status.into_http())).boxed(),
        };
        let answer = self.services.call(request);
        Box::pin(async move {
            let answered = tokio::select! {
                // Looked at before each step of the call, also the one that would submit something.
                biased;
                () = held.revoked() => Err(details::unauthenticated("the credential holds no longer")),
                answer = answer => Ok(answer?),
                () = tokio::time::sleep_until(held.deadline) => Err(details::late()),
            };
            let mut response = match answered {
                Ok(response) => response,
                Err(status) => return Ok(status.into_http()),
            };
            response.headers_mut().insert("grpc-accept-encoding", HeaderValue::from_static("gzip,identity"));
            Ok(response.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    let _ = &held;
                    frame
                }))
            }))
        })
    }
}

impl<S> Guard<S> {
    /// The request with who calls and by when they want an answer, where that is asked, and with a body that brings no more than it may.
    fn admit(&self, mut request: Request<Body>) -> Result<(Request<Body>, Held), Status> {
        let needs = needs(request.uri().path()).ok_or_else(|| Status::unimplemented("there is no such method"))?;
        let connection = request.extensions_mut().remove::<ConnectionInfo<Peer>>();
        let connection = connection.ok_or_else(|| Status::internal("a call of no connection"))?;
        let now = Instant::now();
        let deadline = now + self.limits.call_deadline;
        let Needs::GatewayToken(takes) = needs else {
            let address = connection.transport.address.ip();
            let place =
                self.places.enter(address).ok_or_else(|| details::held_back("too many calls without a token"))?;
            let of = Whose::Stranger { _place: place };
            let messages = self.messages(request.headers_mut(), strangers::MESSAGE_BYTES, true, None);
            return Ok((request.map(|body| checked(strangers::sparing(body), messages)), Held { deadline, of }));
        };
        let credential = self.credential(request.headers(), &connection.transport)?;
        let lease = Arc::new(self.access.lease(&credential));
        let open = Arc::new(connection.calls.open(takes == Takes::Batches));
        let (by, rooms) = (AnswerBy::of(request.headers(), now), Rooms::default());
        let batches = (takes != Takes::Question).then(|| self.batches(&credential, rooms.clone()));
        let most = if takes == Takes::Question { QUESTION_BYTES } else { usize::MAX };
        let messages = self.messages(request.headers_mut(), most, takes == Takes::Batches, batches);
        let of = Whose::Gateway { lease: Arc::clone(&lease), _open: Arc::clone(&open) };
        request.extensions_mut().insert(Caller { credential, by, lease, open, rooms });
        Ok((request.map(|body| checked(body, messages)), Held { deadline, of }))
    }

    /// By token, client certificate or both. A header that holds no token is a token that nobody has.
    fn credential(&self, headers: &HeaderMap, peer: &Peer) -> Result<GatewayCredential, Status> {
        let header = headers.get(header::AUTHORIZATION).map(|value| value.to_str().ok().and_then(bearer_token));
        let token = header.map(Option::unwrap_or_default);
        self.access.gateway(peer, token, self.admission.now_ms()).ok_or_else(|| {
            self.admission.ledger().refuse(Refusal::Authentication);
            details::unauthenticated("authorization: Bearer <gateway token> or a client certificate is required")
        })
    }

    fn batches(&self, credential: &GatewayCredential, rooms: Rooms) -> Batches {
        let from = credential.gateway.as_ref().and_then(|own| credential.speaking_for(own.as_str()));
        Batches { admission: Arc::clone(&self.admission), from, rooms }
    }

    /// What the messages of a call may be, none of them larger than `most`. Whoever decodes them sees them unpacked.
    fn messages(&self, headers: &mut HeaderMap, most: usize, many: bool, batches: Option<Batches>) -> Messages {
        let gzip = headers.get(ENCODING).is_some_and(|encoding| encoding == "gzip");
        if gzip {
            headers.remove(ENCODING);
        }
        let bounds =
            Bounds { max_bytes: self.limits.max_message_bytes.min(most), ratio: self.limits.compression_ratio };
        Messages { bounds, gzip, many, batches }
    }
}
