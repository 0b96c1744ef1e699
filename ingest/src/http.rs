//! `POST /api/v1/readings`: the same batch, the same verdict, for webhooks and phones.

mod caller;
mod serve;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use painwatch_access::{Access, GatewayPrincipal, Lease, Peer};
use painwatch_domain::ReceivedAt;
use painwatch_ingest_core::{Format, Protocol, Refused};
use painwatch_proto::json::{verdict_message, verdict_to_json};
use painwatch_proto::schemas;
use painwatch_store::VerdictKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::admission::{Admission, Outcome};
use crate::answer::Answers;
use crate::grpc::{RETRY_AFTER, bearer_token};
use crate::kept::{Kept, NotTold, Told};
use crate::ledger::Refusal;

pub use caller::{Caller, HttpListener};
pub use serve::HttpLimits;

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
    pub kept: Kept,
    pub verdict_timeout: Duration,
    pub max_message_bytes: usize,
    /// Bytes of bodies that are on their way in.
    pub arriving: Arc<Semaphore>,
}

/// To be served with connect info ([`Caller`]): without knowing who the peer is no credential opens anything.
pub fn router(readings: Readings) -> Router {
    let limit = DefaultBodyLimit::max(readings.max_message_bytes);
    Router::new()
        .route("/api/v1/readings", post(take))
        .route("/api/v1/schemas", get(schemas))
        .route("/api/v1/schemas/{name}", get(schema))
        // A batch_id may hold slashes, as in gw-17/42.
        .route("/api/v1/verdicts/{*batch_id}", get(verdict))
        .method_not_allowed_fallback(no_such_method)
        .layer(limit)
        .with_state(Arc::new(readings))
}

async fn no_such_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path takes other methods: the Allow header has them")
}

/// What there is to be had. Nothing in it is secret: it is the same for everybody.
async fn schemas() -> Response {
    let names: Vec<_> = schemas::ALL.iter().map(|schema| format!("/api/v1/schemas/{}", schema.name)).collect();
    axum::Json(names).into_response()
}

async fn schema(Path(name): Path<String>) -> Response {
    match schemas::ALL.iter().find(|schema| schema.name == name) {
        Some(schema) => ([(header::CONTENT_TYPE, schema.media_type)], schema.text).into_response(),
        None => Problem::new(StatusCode::NOT_FOUND, "GET /api/v1/schemas lists what there is").into_response(),
    }
}

async fn take(
    State(readings): State<Arc<Readings>>,
    Caller(peer): Caller,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    match readings.submit(&peer, query.as_deref(), request).await {
        Ok(verdict) => ([(header::CONTENT_TYPE, "application/json")], verdict).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn verdict(
    State(readings): State<Arc<Readings>>,
    Caller(peer): Caller,
    headers: HeaderMap,
    Path(batch_id): Path<String>,
) -> Response {
    match readings.verdict(&peer, &headers, batch_id).await {
        Ok(verdict) => ([(header::CONTENT_TYPE, "application/json")], verdict).into_response(),
        Err(problem) => problem.into_response(),
    }
}

fn too_much() -> Problem {
    Problem::held_back("too much is on its way")
}

impl Readings {
    /// The verdict on an earlier batch of the gateway's own.
    async fn verdict(&self, peer: &Peer, headers: &HeaderMap, batch_id: String) -> Result<String, Problem> {
        let (from, _) = self.authenticate(peer, headers)?;
        let told = self.kept.verdict(&from, VerdictKey::Batch(batch_id), self.verdict_timeout).await;
        let now = ReceivedAt(self.admission.now_ms());
        let message = match told {
            Ok(Told::Judged(verdict)) => verdict_message(&verdict, now, true),
            Ok(Told::Durable(verdict)) => verdict_message(&verdict, now, false),
            Err(unknown @ NotTold::Unknown) => return Err(Problem::new(StatusCode::NOT_FOUND, unknown.to_string())),
            Err(NotTold::Unreadable(cause)) => {
                tracing::error!(%cause, "what was kept for gateways cannot be read");
                return Err(Problem::held_back("what was kept cannot be read now"));
            }
            Err(behind @ (NotTold::Behind | NotTold::TooMany)) => return Err(Problem::held_back(&behind.to_string())),
        };
        Ok(verdict_to_json(&message))
    }

    /// Nothing of the body is read before it is known who sends it.
    async fn submit(&self, peer: &Peer, query: Option<&str>, request: Request) -> Result<String, Problem> {
        let (from, lease) = self.authenticate(peer, request.headers())?;
        tokio::select! {
            // Looked at before each step, also the one that would submit something.
            biased;
            () = lease.ended() => Err(Problem::new(StatusCode::UNAUTHORIZED, "the credential holds no longer")),
            answer = self.submit_as(&from, query, request) => answer,
        }
    }

    async fn submit_as(
        &self,
        from: &GatewayPrincipal,
        query: Option<&str>,
        request: Request,
    ) -> Result<String, Problem> {
        let format = format_of(query, request.headers())?;
        let (body, arrived) = self.read(from, request).await?;
        let room = tokio::time::timeout(ROOM_PATIENCE, self.admission.room(body.len()));
        let room = room.await.map_err(|_| too_much())?;
        drop(arrived);
        let outcome = self.admission.submit_bytes(from, Protocol::Http, &body, format).await;
        drop(room);
        let limit = Answers::patience(from, self.verdict_timeout);
        match outcome {
            Outcome::Durable(accepted) => Ok(verdict_to_json(&self.answers.to(&accepted, limit).await)),
            other => Err(problem_of(&other)),
        }
    }

    /// The body, and the room it has among those that are on their way in: as much as it says it will be, or as it may be.
    async fn read(&self, from: &GatewayPrincipal, request: Request) -> Result<(Bytes, OwnedSemaphorePermit), Problem> {
        let most = self.max_message_bytes;
        let says = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let says = says.unwrap_or(most);
        if says > most {
            return Err(self.refused(from, StatusCode::PAYLOAD_TOO_LARGE));
        }
        let share = u32::try_from(says).unwrap_or(u32::MAX);
        let room = tokio::time::timeout(ROOM_PATIENCE, Arc::clone(&self.arriving).acquire_many_owned(share));
        let room = room.await.map_err(|_| too_much())?.expect("never closed");
        let body = Bytes::from_request(request, &()).await;
        Ok((body.map_err(|rejection| self.refused(from, rejection.status()))?, room))
    }

    fn refused(&self, from: &GatewayPrincipal, status: StatusCode) -> Problem {
        let large = status == StatusCode::PAYLOAD_TOO_LARGE;
        self.admission.ledger().refuse_of(from, if large { Refusal::TooLarge } else { Refusal::Malformed });
        if large {
            Problem::new(status, format!("a body has at most {} bytes", self.max_message_bytes))
        } else {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "the body broke off, or took too long")
        }
    }

    /// Who calls, and the lease that ends with their credential.
    fn authenticate(&self, peer: &Peer, headers: &HeaderMap) -> Result<(GatewayPrincipal, Lease), Problem> {
        let offered = Offered::read(headers);
        let credential = self.access.gateway(peer, offered.token.as_deref(), self.admission.now_ms());
        let credential = credential.ok_or_else(|| {
            self.admission.ledger().refuse(Refusal::Authentication);
            Problem::new(StatusCode::UNAUTHORIZED, "a gateway token or a client certificate is required")
        })?;
        let own = credential.gateway.as_ref().map_or(DEFAULT_GATEWAY, |gateway| gateway.as_str());
        let claimed = offered.gateway.as_deref().unwrap_or(own);
        let from = credential.speaking_for(claimed).ok_or_else(|| {
            self.admission.ledger().refuse(Refusal::Authorization);
            Problem::new(StatusCode::FORBIDDEN, "this credential does not speak for that gateway")
        })?;
        Ok((from, self.access.lease(&credential)))
    }
}

/// `Bearer token` with the gateway in a header of its own, or `Basic gateway:token`. Without either the certificate speaks.
struct Offered {
    /// An authorization that cannot be read is a token that nobody has.
    token: Option<String>,
    gateway: Option<String>,
}

impl Offered {
    fn read(headers: &HeaderMap) -> Self {
        let named = headers.get(GATEWAY_HEADER).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let Some(authorization) = headers.get(header::AUTHORIZATION) else {
            return Self { token: None, gateway: named };
        };
        let authorization = authorization.to_str().unwrap_or_default();
        if let Some(token) = bearer_token(authorization) {
            return Self { token: Some(token.to_owned()), gateway: named };
        }
        match basic(authorization) {
            Some((gateway, token)) => Self { token: Some(token), gateway: Some(gateway) },
            None => Self { token: Some(String::new()), gateway: named },
        }
    }
}

fn basic(authorization: &str) -> Option<(String, String)> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    let decoded = base64::prelude::BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let pair = String::from_utf8(decoded).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (gateway, token) = pair.split_once(':')?;
    Some((gateway.to_owned(), token.to_owned()))
}

/// The query parameter `format` says it for every format, the content type for those that have one of their own.
fn format_of(query: Option<&str>, headers: &HeaderMap) -> Result<Format, Problem> {
    let asked = query.into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("format="));
    if let Some(asked) = asked {
        let expected = || {
            let detail = format!("format is one of {}", Format::ALL.map(Format::as_str).join(" "));
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
        };
        return Format::parse(asked).ok_or_else(expected);
    }
    let content_type =
        headers.get(header::CONTENT_TYPE).map_or("application/json", |value| value.to_str().unwrap_or(""));
    match content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Format::Json),
        "application/x-protobuf" | "application/protobuf" => Ok(Format::Protobuf),
        "application/fhir+json" => Ok(Format::Fhir),
        _ => {
            let expected = "content-type is application/json, application/x-protobuf or application/fhir+json; \
                            ?format=omh and ?format=gatt name the others";
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
