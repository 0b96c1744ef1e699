//! What went wrong, as problem+json: a status, a title, and a sentence that helps without telling secrets.

use axum::body::to_bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use painwatch_journal::Refusal;
use painwatch_store::StoreError;

const PROBLEM_JSON: &str = "application/problem+json";
/// Most that is passed on of what others say about an error, in bytes.
const SAID_MAX_BYTES: usize = 4 * 1024;

#[derive(Debug)]
pub struct Problem {
    pub status: StatusCode,
    pub detail: String,
}

pub type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }

    pub fn unusable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("error");
        let body = serde_json::json!({
            "type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail,
        });
        let response = (self.status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body.to_string());
        if self.status == StatusCode::UNAUTHORIZED {
            return ([(header::WWW_AUTHENTICATE, "Bearer")], response).into_response();
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            return ([(header::RETRY_AFTER, "2")], response).into_response();
        }
        response.into_response()
    }
}

/// Logged here, once; the caller learns only whether trying again helps.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "console cannot read the store");
        match error {
            StoreError::Unavailable(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "the store is away, try again"),
            StoreError::Fenced { .. } | StoreError::Failed(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the store failed; the server's log says how")
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        tracing::error!(?refusal, "journal refuses a command");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the journal takes no commands now; nothing was changed, try again")
    }
}

/// An error that is not answered by us but before us (a method there is not, a query or a path that cannot be read, a body that
/// is too large), in the same form.
pub async fn in_our_words(response: Response) -> Response {
    let status = response.status();
    let ours = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM_JSON);
    if ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        return Problem::new(status, "this path takes other methods: the Allow header has them").into_response();
    }
    let said = to_bytes(response.into_body(), SAID_MAX_BYTES).await.unwrap_or_default();
    Problem::new(status, String::from_utf8_lossy(&said)).into_response()
}

pub async fn no_such_path() -> Problem {
    Problem::not_found("path")
}
