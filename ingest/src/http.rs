//! `POST /api/v1/readings`: the same batch, the same verdict, for webhooks and phones.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use painwatch_access::{Access, GatewayPrincipal};
use painwatch_ingest_core::{Format, Protocol, Refused};
use painwatch_proto::json::verdict_to_json;

use crate::admission::{Admission, Outcome};
use crate::answer::Answers;
use crate::grpc::{RETRY_AFTER, bearer_token};
use crate::ledger::Refusal;

/// Names the gateway beside a bearer token that speaks for any.
const GATEWAY_HEADER: HeaderName = HeaderName::from_static("x-painwatch-gateway");
/// Who sends when nobody says so.
const DEFAULT_GATEWAY: &str = "http";
/// How long a submission waits for memory before its sender is held back.
const ROOM_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub struct Readings {
    pub admission: Arc<Admission>,
    pub access: Arc<Access>,
    pub answers: Answers,
    pub verdict_timeout: Duration,
    pub max_message_bytes: usize,
}

/// To be served with connect info: without knowing that the peer is on this machine the built-in token opens nothing.
pub fn router(readings: Readings) -> Router {
    let limit = DefaultBodyLimit::max(readings.max_message_bytes);
    Router::new().route("/api/v1/readings", post(take)).layer(limit).with_state(Arc::new(readings))
}

/// Whether the request was made on this machine. One that a proxy passed on was not.
pub(crate) struct PeerIsLoopback(pub bool);

impl<S: Sync> FromRequestParts<S> for PeerIsLoopback {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let passed_on = parts.headers.contains_key("x-forwarded-for") || parts.headers.contains_key(header::FORWARDED);
        Ok(Self(peer.as_ref().map(IpAddr::to_canonical).is_some_and(|ip| ip.is_loopback()) && !passed_on))
    }
}

async fn take(
    State(readings): State<Arc<Readings>>,
    PeerIsLoopback(peer_is_loopback): PeerIsLoopback,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match readings.submit(peer_is_loopback, &headers, body).await {
        Ok(verdict) => ([(header::CONTENT_TYPE, "application/json")], verdict).into_response(),
        Err(problem) => problem.into_response(),
    }
}

impl Readings {
    async fn submit(
        &self,
        peer_is_loopback: bool,
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<String, Problem> {
        let from = self.authenticate(peer_is_loopback, headers)?;
        let format = format_of(headers)?;
        let body = body.map_err(|rejection| {
            let status = rejection.status();
            let large = status == StatusCode::PAYLOAD_TOO_LARGE;
            self.admission.ledger().refuse(if large { Refusal::TooLarge } else { Refusal::Malformed });
            Problem::new(status, format!("a body has at most {} bytes", self.max_message_bytes))
        })?;
        let room = tokio::time::timeout(ROOM_PATIENCE, self.admission.room(body.len()));
        let room = room.await.map_err(|_| Problem::held_back("too much is on its way"))?;
        let outcome = self.admission.submit_bytes(&from, Protocol::Http, &body, format).await;
        drop(room);
        match outcome {
            Outcome::Durable(accepted) => Ok(verdict_to_json(&self.answers.to(&accepted, self.verdict_timeout).await)),
            other => Err(problem_of(&other)),
        }
    }

    fn authenticate(&self, peer_is_loopback: bool, headers: &HeaderMap) -> Result<GatewayPrincipal, Problem> {
        let offered = Offered::read(headers).unwrap_or_default();
        let credential = self.access.gateway_credential(&offered.token, peer_is_loopback).ok_or_else(|| {
            self.admission.ledger().refuse(Refusal::Authentication);
            Problem::new(StatusCode::UNAUTHORIZED, "a gateway token is required")
        })?;
        let own = credential.gateway.as_ref().map_or(DEFAULT_GATEWAY, |gateway| gateway.as_str());
        let claimed = offered.gateway.as_deref().unwrap_or(own);
        credential.speaking_for(claimed).ok_or_else(|| {
            self.admission.ledger().refuse(Refusal::Authorization);
            Problem::new(StatusCode::FORBIDDEN, "this token does not speak for that gateway")
        })
    }
}

/// `Bearer token` with the gateway in a header of its own, or `Basic gateway:token`.
#[derive(Default)]
struct Offered {
    token: String,
    gateway: Option<String>,
}

impl Offered {
    fn read(headers: &HeaderMap) -> Option<Self> {
        let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        if let Some(token) = bearer_token(authorization) {
            let gateway =
                headers.get(GATEWAY_HEADER).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            return Some(Self { token: token.to_owned(), gateway });
        }
        let (scheme, encoded) = authorization.split_once(' ')?;
        let decoded = base64::prelude::BASE64_STANDARD.decode(encoded.trim()).ok()?;
        let pair = String::from_utf8(decoded).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        let (gateway, token) = pair.split_once(':')?;
        Some(Self { token: token.to_owned(), gateway: Some(gateway.to_owned()) })
    }
}

fn format_of(headers: &HeaderMap) -> Result<Format, Problem> {
    let content_type =
        headers.get(header::CONTENT_TYPE).map_or("application/json", |value| value.to_str().unwrap_or(""));
    match content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Format::Json),
        "application/x-protobuf" | "application/protobuf" => Ok(Format::Protobuf),
        _ => {
            let expected = "content-type is application/json or application/x-protobuf";
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, expected))
        }
    }
}

fn problem_of(outcome: &Outcome) -> Problem {
    match outcome {
        Outcome::Refused(refused @ (Refused::NotYourDevice { .. } | Refused::GatewayMismatch { .. })) => {
            Problem::new(StatusCode::FORBIDDEN, refused.to_string())
        }
        Outcome::Refused(refused @ Refused::TooLarge { .. }) => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, refused.to_string())
        }
        Outcome::HeldBack => Problem::held_back("the journal is full"),
        Outcome::Unsure => Problem::held_back("not known to be durable: send it again"),
        Outcome::Closed | Outcome::Durable(_) => Problem::held_back("shutting down"),
    }
}

/// RFC 9457.
#[derive(Debug)]
struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    fn held_back(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("error");
        let body = serde_json::json!({
            "type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail,
        });
        let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, content_type, body.to_string()).into_response();
        let extra = match self.status {
            StatusCode::UNAUTHORIZED => {
                Some((header::WWW_AUTHENTICATE, "Bearer, Basic realm=\"painwatch\"".to_owned()))
            }
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, RETRY_AFTER.as_secs().to_string())),
            _ => None,
        };
        if let Some((name, value)) = extra
            && let Ok(value) = value.parse()
        {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
