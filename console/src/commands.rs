//! `POST /api/v1/alerts/{id}/{verb}`: journalled before it is answered, and answered once it is applied.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use painwatch_domain::{AlertId, AlertState, Disposition, Offset};
use painwatch_journal::{AppendOptions, Appended, Class, NewRecord};
use painwatch_proto::journal::v1::{self as pb, control::Action};
use painwatch_store::AlertRow;
use prost::Message as _;
use serde::Deserialize;

use crate::auth::Clinician;
use crate::problem::{Problem, Result};
use crate::{App, Inner, json as to_json, query};

const VERBS: [&str; 6] = ["acknowledge", "resolve", "reopen", "comment", "disposition", "assign"];
/// Longest note in characters.
const NOTE_MAX: usize = 2_000;
/// Longest idempotency key: a UUID and some prefix.
const KEY_MAX: usize = 128;
/// How long an answer waits for the alert service. The command is journalled by then, whatever happens.
const APPLY_TIMEOUT: Duration = Duration::from_secs(5);
/// Appends tried when the journal does not know what became of one.
const APPENDS_MAX: usize = 3;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Order {
    note: String,
    disposition: String,
    assignee: String,
}

pub async fn command(
    State(app): App,
    who: Clinician,
    Path((id, verb)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    let id = query::alert_id(&id)?;
    let verb = VERBS.into_iter().find(|known| *known == verb).ok_or_else(|| Problem::not_found("action"))?;
    let order = order(verb, &body)?;
    let before = alert(&app, &who, id).await?;
    let offset = journal(&app, &who, id, verb, &order, &headers).await?;
    if !applied(&app, offset).await {
        let body = serde_json::json!({ "alert_id": id.to_string(), "journalled": true, "applied": false });
        return Ok((StatusCode::ACCEPTED, Json(body)).into_response());
    }
    let after = alert(&app, &who, id).await?;
    refuse_what_did_not_happen(verb, &order, &after)?;
    let mut body = to_json::alert(&after);
    body["changed"] = (after.changed_at != before.changed_at).into();
    Ok(Json(body).into_response())
}

fn order(verb: &str, body: &Bytes) -> Result<Order> {
    let order: Order = match body.is_empty() {
        true => Order::default(),
        false => serde_json::from_slice(body).map_err(|_| {
            Problem::unusable("the body is an object with note, disposition and assignee, all optional")
        })?,
    };
    if order.note.chars().count() > NOTE_MAX || order.assignee.chars().count() > NOTE_MAX {
        return Err(Problem::unusable(format!("a note has at most {NOTE_MAX} characters")));
    }
    if verb == "comment" && order.note.trim().is_empty() {
        return Err(Problem::unusable("a comment needs a note"));
    }
    if verb == "assign" && order.assignee.trim().is_empty() {
        return Err(Problem::unusable("assign needs an assignee"));
    }
    if verb == "disposition" || !order.disposition.is_empty() {
        query::word("disposition", &order.disposition, Disposition::parse, Disposition::ALL)?;
    }
    Ok(order)
}

async fn alert(app: &Inner, who: &Clinician, id: AlertId) -> Result<AlertRow> {
    let row = app.deps.store.alert(who.tenant.clone(), id).await?;
    row.ok_or_else(|| Problem::not_found("alert"))
}

async fn journal(
    app: &Inner,
    who: &Clinician,
    id: AlertId,
    verb: &str,
    order: &Order,
    headers: &HeaderMap,
) -> Result<Offset> {
    let command = pb::AlertCommand {
        alert_id: id.0.to_vec().into(),
        verb: verb.to_owned(),
        note: if verb == "assign" { order.assignee.clone() } else { order.note.clone() },
        disposition: order.disposition.clone(),
    };
    let control = pb::Control {
        actor: who.user.clone(),
        wall_ms: app.deps.people_clock.wall_ms(),
        idempotency_key: format!("{}/{verb}/{}", who.user, idempotency_key(app, headers)?),
        action: Some(Action::Alert(command)),
    };
    let record = NewRecord {
        class: Class::Control,
        tenant: who.tenant.clone(),
        key_id: 0,
        logic_version: app.deps.logic_version,
        payload: control.encode_to_vec().into(),
    };
    append(app, record).await
}

/// The caller's, or one of our own so that a command whose append was ambiguous may be appended again.
fn idempotency_key(app: &Inner, headers: &HeaderMap) -> Result<String> {
    let Some(given) = headers.get("idempotency-key") else {
        let nth = app.commands.fetch_add(1, Ordering::Relaxed);
        return Ok(format!("{}-{nth}", app.deps.people_clock.wall_ms()));
    };
    let key = given.to_str().ok().filter(|key| !key.is_empty() && key.len() <= KEY_MAX);
    key.map(str::to_owned).ok_or_else(|| Problem::unusable(format!("Idempotency-Key has 1 to {KEY_MAX} characters")))
}

/// Commands may use the journal's reserve: a full disk must not keep anyone from acknowledging.
async fn append(app: &Inner, record: NewRecord) -> Result<Offset> {
    for _ in 0..APPENDS_MAX {
        let options = AppendOptions { reserved: true, expect: None };
        match app.deps.journal.append(vec![record.clone()], options).await {
            Appended::Durable { first, .. } => return Ok(first),
            Appended::Refused(refusal) => return Err(refusal.into()),
            // The key makes a second copy harmless.
            Appended::Unknown => {}
        }
    }
    Err(Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "whether this was recorded is not known; look before you repeat it",
    ))
}

async fn applied(app: &Inner, offset: Offset) -> bool {
    let mut applied = app.deps.alerts_applied.clone();
    let wait = tokio::time::timeout(APPLY_TIMEOUT, applied.wait_for(|next| *next > offset));
    matches!(wait.await, Ok(Ok(_)))
}

/// The lifecycle refused: say so instead of answering as if it had obeyed.
fn refuse_what_did_not_happen(verb: &str, order: &Order, after: &AlertRow) -> Result<()> {
    let happened = match verb {
        "acknowledge" => after.state == AlertState::Acknowledged,
        "resolve" => after.state == AlertState::Resolved,
        "reopen" => after.state == AlertState::Open,
        "assign" => after.assignee.as_deref() == Some(order.assignee.as_str()),
        "disposition" => after.disposition.is_some_and(|it| it.as_str() == order.disposition),
        _ => true,
    };
    if happened {
        return Ok(());
    }
    Err(Problem::new(StatusCode::CONFLICT, format!("{verb} is not possible: the alert is {}", after.state)))
}
