//! How the command line reaches a running server on the same machine: one endpoint that journals a control record, with
//! the operator's token.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::routing::{get, post};
use axum::{Json, Router};
use painwatch_access::{Access, Role};
use painwatch_domain::{Offset, Rosters, TenantId};
use painwatch_ingest::http::Caller;
use painwatch_journal::{Class, Journal};
use painwatch_proto::journal::v1 as pb;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::commands::Usage;
use crate::compose::{self, Addresses, System, Wiring};
use crate::config::Config;
use crate::redrive::{Redrive, Report, Wanted};
use crate::security;
use crate::tail;

const CONTROL: &str = "/api/v1/operator/control";
const REDRIVE: &str = "/api/v1/operator/redrive";
const BOOKS: &str = "/api/v1/operator/refused";
/// Whose control record or roster it is; the main clinic's without it.
const TENANT: HeaderName = HeaderName::from_static("x-painwatch-tenant");
const ROSTER: &str = "/api/v1/operator/roster";
pub const TAIL: &str = "/api/v1/operator/tail";

#[derive(Clone)]
struct Operator {
    journal: Arc<dyn Journal>,
    access: Arc<Access>,
    applied: watch::Receiver<Offset>,
    refused: Arc<painwatch_ingest::Ledger>,
    redrive: Redrive,
    rosters: watch::Receiver<Arc<Rosters>>,
}

/// A clinic's roster, as text; empty where none was applied.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct InForce {
    /// The document that was applied last.
    pub declared: String,
    /// What gateways ordered beside it, as entries of such a document.
    pub beside: String,
}

impl InForce {
    fn of(rosters: &Rosters, tenant: &TenantId) -> Result<Self> {
        let roster = rosters.of(tenant);
        Ok(Self { declared: roster.source.clone(), beside: crate::commands::orders_beside(roster)? })
    }
}

/// The operator's endpoints.
pub fn router(system: &System, refused: Arc<painwatch_ingest::Ledger>, redrive: Redrive) -> Router {
    let (journal, access) = (Arc::clone(&system.journal), Arc::clone(&system.access));
    let (applied, rosters) = (system.processor.applied.clone(), system.processor.rosters.clone());
    let state = Operator { journal, access, applied, refused, redrive, rosters };
    Router::new()
        .route(CONTROL, post(control))
        .route(BOOKS, get(refused_counts))
        .route(REDRIVE, post(redriven))
        .route(ROSTER, post(roster_in_force))
        .route(TAIL, post(follow))
        .with_state(state)
}

fn may(operator: &Operator, caller: &Caller, headers: &HeaderMap) -> bool {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let principal = token.and_then(|token| operator.access.bearer(token));
    caller.0.is_local && principal.is_some_and(|principal| principal.role == Role::Operator)
}

fn tenant_of(headers: &HeaderMap) -> Result<TenantId, (StatusCode, String)> {
    let Some(named) = headers.get(TENANT) else { return Ok(TenantId::default()) };
    let tenant = named.to_str().ok().and_then(|name| TenantId::parse(name).ok());
    tenant.ok_or_else(|| (StatusCode::BAD_REQUEST, format!("{TENANT} is not the name of a clinic")))
}

/// Journals the record, then answers with its offset once the processor has applied it.
async fn control(
    State(mut operator): State<Operator>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<String, (StatusCode, String)> {
    if !may(&operator, &caller, &headers) {
        return Err((StatusCode::FORBIDDEN, "the operator's token is needed".to_owned()));
    }
    pb::Control::decode(body.clone()).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    let tenant = tenant_of(&headers)?;
    let offset = compose::append_of(&*operator.journal, tenant, Class::Control, body.to_vec()).await;
    let offset = offset.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    let applied = operator.applied.wait_for(|applied| *applied > offset).await;
    applied.map_err(|_| (StatusCode::SERVICE_UNAVAILABLE, "the processor ended".to_owned()))?;
    Ok(offset.to_string())
}

/// Submits again what is in quarantine, and answers what became of each item.
async fn redriven(
    State(operator): State<Operator>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<String, (StatusCode, String)> {
    if !may(&operator, &caller, &headers) {
        return Err((StatusCode::FORBIDDEN, "the operator's token is needed".to_owned()));
    }
    let wanted = serde_json::from_slice(&body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    let report = operator.redrive.run(&wanted).await;
    let report = report.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}")))?;
    serde_json::to_string(&report).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// The roster in force, which only the processor has whole.
async fn roster_in_force(
    State(operator): State<Operator>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<InForce>, (StatusCode, String)> {
    if !may(&operator, &caller, &headers) {
        return Err((StatusCode::FORBIDDEN, "the operator's token is needed".to_owned()));
    }
    let tenant = tenant_of(&headers)?;
    let rosters = Arc::clone(&operator.rosters.borrow());
    let in_force = InForce::of(&rosters, &tenant);
    in_force.map(Json).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")))
}

async fn refused_counts(
    State(operator): State<Operator>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<String, StatusCode> {
    if may(&operator, &caller, &headers) {
        Ok(operator.refused.refused_total().to_string())
    } else {
        Err(StatusCode::FORBIDDEN)
    }
}

/// What comes in from now on, until the reader hangs up.
async fn follow(
    State(operator): State<Operator>,
    caller: Caller,
    headers: HeaderMap,
    Json(wanted): Json<tail::Wanted>,
) -> Result<Body, (StatusCode, &'static str)> {
    if !may(&operator, &caller, &headers) {
        return Err((StatusCode::FORBIDDEN, "the operator's token is needed"));
    }
    Ok(tail::body(operator.journal, wanted))
}

/// The server that holds this data directory, if one answers.
pub async fn running(config: &Config) -> Option<Addresses> {
    let addresses = announced(config)?;
    tokio::net::TcpStream::connect(addresses.http).await.ok().map(|_| addresses)
}

/// Whether any listener of that server is there, should it not be the one that commands use.
pub async fn is_there(config: &Config) -> bool {
    let Some(addresses) = announced(config) else { return false };
    for address in [addresses.http, addresses.mqtt, addresses.grpc] {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            return true;
        }
    }
    false
}

fn announced(config: &Config) -> Option<Addresses> {
    let text = std::fs::read_to_string(config.data.join("server.json")).ok()?;
    serde_json::from_str(&text).ok()
}

/// Journals a control record: through the running server, or by opening the data directory where none runs.
///
/// # Errors
/// Neither is possible, or the record is refused.
pub async fn submit(config: &Config, tenant: &TenantId, control: pb::Control) -> Result<()> {
    let Some(addresses) = running(config).await else { return submit_offline(config, tenant, control).await };
    ask(config, &addresses, (CONTROL, tenant), control.encode_to_vec()).await.map(|_| ())
}

/// What the running server answers.
async fn ask(
    config: &Config,
    addresses: &Addresses,
    (path, tenant): (&str, &TenantId),
    body: Vec<u8>,
) -> Result<String> {
    let access = Access::open(&config.data)?;
    let http = security::local_way(config, addresses.http, addresses.tls, b"http/1.1").await?;
    let url = format!("http://{http}{path}");
    let request = reqwest::Client::new().post(url).bearer_auth(access.operator_token().reveal()).body(body);
    let answer = request.header(TENANT, tenant.as_str()).send().await.context("the running server does not answer")?;
    if !answer.status().is_success() {
        bail!("the running server refused: {}", answer.text().await.unwrap_or_default());
    }
    Ok(answer.text().await?)
}

/// The roster in force: that of the running server, or of the data directory where none runs.
///
/// # Errors
/// Neither can be read.
pub async fn roster(config: &Config, tenant: &TenantId) -> Result<InForce> {
    if let Some(addresses) = running(config).await {
        let answer = ask(config, &addresses, (ROSTER, tenant), Vec::new()).await?;
        return serde_json::from_str(&answer).context("the running server's answer");
    }
    if !config.journal_dir().exists() {
        return Ok(InForce::default());
    }
    let system = look(config).await?;
    let rosters = Arc::clone(&system.processor.rosters.borrow());
    system.stop().await?;
    InForce::of(&rosters, tenant)
}

/// Submits again what is in quarantine: through the running server, or by opening the data directory where none runs.
///
/// # Errors
/// Neither is possible, or the journal takes nothing.
pub async fn redrive(config: &Config, wanted: &Wanted) -> Result<Report> {
    if let Some(addresses) = running(config).await {
        let answer = ask(config, &addresses, (REDRIVE, &wanted.tenant()?), serde_json::to_vec(wanted)?).await?;
        return serde_json::from_str(&answer).context("the running server's answer");
    }
    let clock: Arc<dyn painwatch_domain::Clock> = Arc::new(crate::clock::SystemClock::new());
    let mut system = offline(config, Arc::clone(&clock)).await?;
    system.settle().await?;
    let report = system.redrive(clock).run(wanted).await;
    system.settle().await?;
    system.stop().await?;
    report
}

async fn submit_offline(config: &Config, tenant: &TenantId, control: pb::Control) -> Result<()> {
    let mut system = offline(config, Arc::new(crate::clock::SystemClock::new())).await?;
    compose::append_of(&*system.journal, tenant.clone(), Class::Control, control.encode_to_vec()).await?;
    system.settle().await?;
    system.stop().await
}

/// The services without doors, to look at a data directory that no server holds: the journal's tail is applied, and no
/// time passes, so that looking changes no history.
///
/// # Errors
/// As [`compose::start`].
pub async fn look(config: &Config) -> Result<System> {
    offline(config, Arc::new(crate::clock::DrivenClock::at(0))).await
}

/// Makes the tables current: with a server running they are; without one the journal may be ahead of them.
///
/// # Errors
/// As [`compose::start`]; [`Usage`] where there is no data directory.
pub async fn catch_up(config: &Config) -> Result<()> {
    if !config.data.exists() && config.store.url.is_empty() {
        bail!(Usage(format!("{} does not exist; --data names the directory", config.data.display())));
    }
    if running(config).await.is_none() && config.journal_dir().exists() {
        let mut system = look(config).await?;
        system.settle().await?;
        system.stop().await?;
    }
    Ok(())
}

async fn offline(config: &Config, clock: Arc<dyn painwatch_domain::Clock>) -> Result<System> {
    compose::start(config, Wiring { clock, on_opened: None, listen: false, ticks: false, canaries: false }).await
}

/// A control record by `actor`, stamped with the wall clock.
pub fn control_record(actor: &str, action: pb::control::Action) -> pb::Control {
    let clock = crate::clock::SystemClock::new();
    pb::Control {
        actor: actor.to_owned(),
        wall_ms: painwatch_domain::Clock::wall_ms(&clock),
        idempotency_key: String::new(),
        action: Some(action),
    }
}
