//! `GET /api/v1/alerts` and `GET /api/v1/alerts/{id}`.

use axum::Json;
use axum::extract::{Path, Query, State};
use painwatch_domain::{AlertState, Condition, JournalTime, Offset, Priority, RuleId, TenantId};
use painwatch_store::{AlertFilter, AlertRow, Store};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::Clinician;
use crate::problem::{Problem, Result};
use crate::{App, evidence, json as to_json, query};

const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filters {
    /// One, or several separated by commas.
    state: Option<String>,
    condition: Option<String>,
    priority: Option<String>,
    patient: Option<String>,
    rule: Option<String>,
    since: Option<String>,
    cursor: Option<u64>,
    limit: Option<usize>,
}

impl Filters {
    fn parse(self, tenant: TenantId) -> Result<AlertFilter> {
        let states = self.state.as_deref().unwrap_or("").split(',').filter(|text| !text.is_empty());
        let states = states.map(|text| query::word("state", text, AlertState::parse, AlertState::ALL));
        let rule = self.rule.as_deref().map(RuleId::parse).transpose();
        let condition = self.condition.as_deref();
        let priority = self.priority.as_deref();
        Ok(AlertFilter {
            tenant,
            states: states.collect::<Result<_>>()?,
            condition: condition
                .map(|it| query::word("condition", it, Condition::parse, Condition::ALL))
                .transpose()?,
            priority: priority.map(|it| query::word("priority", it, Priority::parse, Priority::ALL)).transpose()?,
            patient: self.patient.as_deref().map(query::patient_id).transpose()?,
            rule: rule.map_err(|error| Problem::unusable(format!("rule: {error}")))?,
            since: self.since.map(|it| query::time_ms("since", &it).map(JournalTime)).transpose()?,
            before: self.cursor.map(Offset),
            limit: self.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX),
        })
    }
}

pub async fn list(State(app): App, who: Clinician, Query(filters): Query<Filters>) -> Result<Json<Value>> {
    let (rows, next) = page(&*app.deps.store, filters.parse(who.tenant)?).await?;
    let alerts: Vec<Value> = rows.iter().map(to_json::alert).collect();
    Ok(Json(json!({ "alerts": alerts, "next_cursor": next.map(|offset| offset.0) })))
}

/// One page, newest change first. Several alerts may have changed at one offset, and the cursor is an offset: such a
/// group is never cut, so a page may be shorter than asked for, or longer where one group alone is.
async fn page(store: &dyn Store, filter: AlertFilter) -> Result<(Vec<AlertRow>, Option<Offset>)> {
    let asked = filter.limit;
    let mut fetch = asked + 1;
    loop {
        let mut rows = store.alerts(AlertFilter { limit: fetch, ..filter.clone() }).await?;
        if rows.len() < fetch {
            return Ok((rows, None));
        }
        let cut = rows[fetch - 1].changed_at;
        let whole = rows.iter().take_while(|row| row.changed_at != cut).count();
        if whole > 0 {
            rows.truncate(whole);
            let next = rows[whole - 1].changed_at;
            return Ok((rows, Some(next)));
        }
        fetch *= 2;
    }
}

pub async fn detail(State(app): App, who: Clinician, Path(id): Path<String>) -> Result<Json<Value>> {
    let (store, id) = (&*app.deps.store, query::alert_id(&id)?);
    let row = store.alert(who.tenant.clone(), id).await?.ok_or_else(|| Problem::not_found("alert"))?;
    let events = store.alert_events(who.tenant.clone(), id).await?;
    let notifications = store.notifications(who.tenant.clone(), Some(id)).await?;
    let evidence = evidence::of(store, &row).await?;
    let mut body = to_json::alert(&row);
    body["events"] = events.iter().map(to_json::alert_event).collect();
    body["notifications"] = notifications.iter().map(to_json::notification).collect();
    body["evidence"] = evidence.readings;
    body["chart"] = evidence.chart;
    Ok(Json(body))
}
