//! `/livez`, `/readyz`, `/healthz`: for supervisors, without anything about anyone.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use crate::{App, Inner};

/// One thing that must be well: its name, and the question.
pub struct Check {
    pub name: &'static str,
    pub well: Box<dyn Fn() -> bool + Send + Sync>,
}

pub fn router() -> Router<std::sync::Arc<Inner>> {
    let live = get(|| async { "ok\n" });
    Router::new().route("/livez", live).route("/readyz", get(ready)).route("/healthz", get(ready))
}

async fn ready(State(app): App) -> Response {
    let checks = app.deps.checks.iter().map(|check| (check.name, (check.well)()));
    let checks: std::collections::BTreeMap<_, _> = checks.collect();
    let well = checks.values().all(|well| *well);
    let lag = app.deps.journal.next_offset().0.saturating_sub(app.deps.alerts_applied.borrow().0);
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(serde_json::json!({ "ready": well, "checks": checks, "alerts_lag_records": lag }))).into_response()
}
