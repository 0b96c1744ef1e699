//! The clinicians' door: the HTTP API and the page.
//!
//! Reads come from the store. Whatever a person does is journalled first, then waited for, then answered.
//!
//! Never: a change that is not in the journal; an alert, patient or reading shown to somebody who may not see it; script
//! or style from anywhere but this program.

mod alerts;
mod auth;
mod commands;
mod devices;
mod events;
mod evidence;
mod health;
mod json;
mod page;
mod patients;
mod problem;
mod query;
mod series;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use painwatch_access::Access;
use painwatch_domain::{Clock, Offset};
use painwatch_journal::Journal;
use painwatch_store::Store;
use tokio::sync::{Semaphore, watch};

pub use health::{Asked, Check, answer as health, live};

/// Everything the console stands on.
pub struct Deps {
    pub store: Arc<dyn Store>,
    pub journal: Arc<dyn Journal>,
    pub access: Arc<Access>,
    /// The journal's clock: what "now" means for the data.
    pub clock: Arc<dyn Clock>,
    /// The machine's clock, also where the journal's is driven: people and their sessions live in real time.
    pub people_clock: Arc<dyn Clock>,
    /// Everything below is applied by the alert service.
    pub alerts_applied: watch::Receiver<Offset>,
    pub logic_version: u32,
    /// Cookies travel over TLS only. False where the listener is plain and no proxy ends TLS, which is loopback alone.
    pub secure_cookies: bool,
    /// What `/readyz` and `/healthz` look at.
    pub checks: Vec<Check>,
}

/// Event streams open at once: some hundred screens; each costs one query per change.
const STREAMS_MAX: usize = 256;
/// Largest request body in bytes: a note of 2,000 characters in any script, and its envelope.
const BODY_MAX_BYTES: usize = 16 * 1024;
/// How long a one-time link works.
const LINK_VALID_MS: i64 = 15 * 60_000;

#[derive(Clone)]
pub struct Console(Arc<Inner>);

pub(crate) struct Inner {
    pub deps: Deps,
    pub streams: Arc<Semaphore>,
    /// Tells commands without an idempotency key apart.
    pub commands: AtomicU64,
}

pub(crate) type App = axum::extract::State<Arc<Inner>>;

impl Console {
    pub fn new(deps: Deps) -> Self {
        Self(Arc::new(Inner { deps, streams: Arc::new(Semaphore::new(STREAMS_MAX)), commands: AtomicU64::new(0) }))
    }

    /// Path and query of a link that opens one session as the clinician, once, within a quarter of an hour.
    pub fn one_time_path(&self) -> String {
        let deps = &self.0.deps;
        let code = deps.access.issue_link(deps.people_clock.monotonic_ms(), LINK_VALID_MS);
        format!("/login?code={}", code.reveal())
    }

    pub fn router(&self) -> Router {
        let api = Router::new()
            .route("/alerts", get(alerts::list))
            .route("/alerts/{id}", get(alerts::detail))
            .route("/alerts/{id}/{verb}", post(commands::command))
            .route("/patients", get(patients::list))
            .route("/patients/{id}", get(patients::detail))
            .route("/patients/{id}/series", get(series::series))
            .route("/devices", get(devices::list))
            .route("/me", get(auth::me))
            .route("/events", get(events::events))
            .fallback(problem::no_such_path)
            .layer(axum::middleware::map_response(problem::in_our_words));
        Router::new()
            .nest("/api/v1", api)
            .merge(page::router())
            .merge(health::router())
            .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
            .layer(axum::middleware::map_response(page::protect))
            .with_state(self.0.clone())
    }
}
