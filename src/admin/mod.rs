//! `admin.listen`: how the process is, for whoever runs it. `/metrics`, `/livez`, `/readyz`, `/healthz`.
//!
//! Never: anything about a patient, a device or a gateway; a label whose values somebody outside can choose.

mod metrics;
mod text;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use painwatch_access::tls::{Door, Security};
use painwatch_access::{Access, Role};
use painwatch_console::{Asked, Check, health, live};
use painwatch_domain::Clock as _;
use painwatch_ingest::http::{Caller, HttpLimits, HttpListener};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::canary::Report;
use crate::clock::SystemClock;
pub use metrics::{Figures, JournalFigures, Sources};

/// Everything that is asked.
pub struct Admin {
    pub sources: Sources,
    pub access: Arc<Access>,
    pub checks: Vec<Check>,
}

/// What must be well: the services, and the inputs by their canaries.
pub fn checks(services: &[(&'static str, JoinHandle<Result<()>>)], canaries: &Arc<Report>) -> Vec<Check> {
    let running = |(name, task): &(&'static str, JoinHandle<Result<()>>)| {
        let task: AbortHandle = task.abort_handle();
        Check { name, well: Box::new(move || !task.is_finished()), to_serve: true }
    };
    let report = Arc::clone(canaries);
    let all_alive = move || {
        let now_ms = SystemClock::new().wall_ms();
        report.seen().iter().all(|seen| seen.is_alive(now_ms) || seen.is_new(now_ms))
    };
    let inputs = Check { name: "inputs", well: Box::new(all_alive), to_serve: false };
    services.iter().map(running).chain([inputs]).collect()
}

impl Admin {
    /// `/metrics` alone, to stand on another listener as well.
    pub fn metrics(self: &Arc<Self>) -> Router {
        Router::new().route("/metrics", get(metrics_page)).with_state(Arc::clone(self))
    }

    fn router(self: &Arc<Self>) -> Router {
        let answer = |asked: Asked| {
            get(move |State(admin): State<Arc<Self>>| async move {
                health(&admin.checks, asked, admin.sources.alerts_lag())
            })
        };
        Router::new()
            .route("/livez", get(live))
            .route("/readyz", answer(Asked::Ready))
            .route("/healthz", answer(Asked::Healthy))
            .with_state(Arc::clone(self))
            .merge(self.metrics())
    }

    /// Serves until stopped. On loopback it is plain, whatever the other listeners speak: what collects metrics there has no
    /// certificate to compare.
    ///
    /// # Errors
    /// The listener fails.
    pub fn serve(
        self: &Arc<Self>,
        listener: TcpListener,
        security: &Security,
        stop: CancellationToken,
    ) -> Result<impl Future<Output = Result<()>> + Send + 'static> {
        let local = listener.local_addr().context("admin.listen")?.ip().is_loopback();
        let gate = if local { Security::default().gate(Door::Http) } else { security.gate(Door::Http) };
        let serving = HttpListener::new(listener, gate).serve(self.router(), HttpLimits::default(), stop);
        Ok(async move {
            serving.await;
            Ok(())
        })
    }

    /// From this machine, or with the operator's token.
    fn may(&self, caller: &Caller, headers: &HeaderMap) -> bool {
        let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let is_operator = |token| self.access.bearer(token).is_some_and(|who| who.role == Role::Operator);
        caller.0.is_local || token.is_some_and(is_operator)
    }
}

async fn metrics_page(State(admin): State<Arc<Admin>>, caller: Caller, headers: HeaderMap) -> Response {
    if !admin.may(&caller, &headers) {
        return (StatusCode::FORBIDDEN, "the operator's token is needed").into_response();
    }
    match admin.sources.page().await {
        Ok(page) => ([(header::CONTENT_TYPE, text::CONTENT_TYPE)], page).into_response(),
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "metrics cannot be told");
            (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer").into_response()
        }
    }
}
