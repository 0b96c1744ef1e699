//! Who asks, and whether they may: an API token, or a session cookie that for every change comes with its CSRF token.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use painwatch_access::{Login, Principal, Role};
use painwatch_domain::TenantId;
use serde::Deserialize;

use crate::problem::Problem;
use crate::{App, Inner, page};

pub const COOKIE: &str = "painwatch_session";
const CSRF_HEADER: &str = "x-csrf-token";

/// Somebody who may see and change what a clinician may.
pub struct Clinician {
    pub user: String,
    pub tenant: TenantId,
    /// Of the session; `None` for an API token.
    session: Option<String>,
}

impl FromRequestParts<Arc<Inner>> for Clinician {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<Inner>) -> Result<Self, Problem> {
        if let Some(offered) = parts.headers.get(header::AUTHORIZATION) {
            let token = offered.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
            return clinician(token.and_then(|token| app.deps.access.bearer(token.trim())), None);
        }
        let session = cookie(&parts.headers);
        let now_ms = app.deps.people_clock.monotonic_ms();
        let principal = session.as_ref().and_then(|session| app.deps.access.session(session, now_ms));
        let who = clinician(principal, session)?;
        let reads = parts.method == Method::GET || parts.method == Method::HEAD;
        if !reads && !who.sent_csrf(app, &parts.headers, now_ms) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "the X-CSRF-Token header is missing or not this session's",
            ));
        }
        Ok(who)
    }
}

impl Clinician {
    fn sent_csrf(&self, app: &Inner, headers: &HeaderMap, now_ms: i64) -> bool {
        let offered = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        self.session.as_ref().is_some_and(|session| app.deps.access.csrf_fits(session, offered, now_ms))
    }
}

fn clinician(principal: Option<Principal>, session: Option<String>) -> Result<Clinician, Problem> {
    let principal =
        principal.ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "log in, or send a bearer token"))?;
    match principal.role {
        Role::Clinician => Ok(Clinician { user: principal.user, tenant: principal.tenant, session }),
        Role::Analyst | Role::Operator => {
            Err(Problem::new(StatusCode::FORBIDDEN, format!("role {} may not see alerts", principal.role.as_str())))
        }
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned())
}

/// `GET /api/v1/me`: also where the page gets its CSRF token; another site's script cannot read the answer.
pub async fn me(State(app): App, who: Clinician) -> Json<serde_json::Value> {
    let now_ms = app.deps.people_clock.monotonic_ms();
    let csrf = who.session.as_ref().and_then(|session| app.deps.access.csrf_of(session, now_ms));
    Json(serde_json::json!({
        "user": who.user,
        "role": Role::Clinician.as_str(),
        "tenant": who.tenant.as_str(),
        "csrf_token": csrf.as_ref().map(|csrf| csrf.reveal()),
    }))
}

#[derive(Deserialize)]
pub struct Code {
    code: Option<String>,
}

/// `GET /login`: with a one-time code a session, without one the form.
pub async fn login_page(State(app): App, Query(query): Query<Code>) -> Response {
    let Some(code) = query.code else { return page::login(StatusCode::OK) };
    match app.deps.access.exchange_link(&code, app.deps.people_clock.monotonic_ms()) {
        Some(login) => enter(&app, &login),
        None => page::login(StatusCode::UNAUTHORIZED),
    }
}

#[derive(Deserialize)]
pub struct Form {
    user: String,
    password: String,
}

/// `POST /login`
pub async fn login(State(app): App, axum::Form(form): axum::Form<Form>) -> Response {
    match app.deps.access.login(&form.user, &form.password, app.deps.people_clock.monotonic_ms()) {
        Some(login) => enter(&app, &login),
        None => page::login(StatusCode::UNAUTHORIZED),
    }
}

/// `POST /logout`
pub async fn logout(State(app): App, who: Clinician) -> Response {
    if let Some(session) = &who.session {
        app.deps.access.logout(session);
    }
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response()
}

/// Lax, so that the link in a page opens the alert for somebody who is logged in; changes need the CSRF token anyway.
fn enter(app: &Inner, login: &Login) -> Response {
    let secure = if app.deps.secure_cookies { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Lax{secure}", login.token.reveal());
    ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}
