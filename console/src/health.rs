//! `/livez`, `/readyz`, `/healthz`: for supervisors, without anything about anyone.

use std::collections::BTreeMap;

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
    /// Nobody should be sent here while it is not. Otherwise it concerns `/healthz` alone.
    pub to_serve: bool,
}

/// Which of the two questions is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// May requests come here?
    Ready,
    /// Is all well?
    Healthy,
}

pub fn router() -> Router<std::sync::Arc<Inner>> {
    let answer = |asked: Asked| {
        get(move |State(app): App| async move {
            let lag = app.deps.journal.next_offset().0.saturating_sub(app.deps.alerts_applied.borrow().0);
            answer(&app.deps.checks, asked, lag)
        })
    };
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", answer(Asked::Ready))
        .route("/healthz", answer(Asked::Healthy))
}

/// Whoever can say so is alive.
pub async fn live() -> &'static str {
    "ok\n"
}

/// 200 where all that is asked for is well, 503 otherwise, with each check by name.
pub fn answer(checks: &[Check], asked: Asked, alerts_lag_records: u64) -> Response {
    let asked_for = checks.iter().filter(|check| check.to_serve || asked == Asked::Healthy);
    let checks: BTreeMap<_, _> = asked_for.map(|check| (check.name, (check.well)())).collect();
    let well = checks.values().all(|well| *well);
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({ "ready": well, "checks": checks, "alerts_lag_records": alerts_lag_records });
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &'static str, well: bool, to_serve: bool) -> Check {
        Check { name, well: Box::new(move || well), to_serve }
    }

    #[test]
    fn what_is_not_needed_to_serve_makes_it_unhealthy_and_leaves_it_ready() {
        let checks = [check("processor", true, true), check("inputs", false, false)];
        assert_eq!(answer(&checks, Asked::Ready, 0).status(), StatusCode::OK);
        assert_eq!(answer(&checks, Asked::Healthy, 0).status(), StatusCode::SERVICE_UNAVAILABLE);
        let checks = [check("processor", false, true)];
        assert_eq!(answer(&checks, Asked::Ready, 0).status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
