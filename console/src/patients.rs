//! `GET /api/v1/patients` and `GET /api/v1/patients/{id}`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{AlertState, EventTime, PatientId, TenantId};
use painwatch_store::{AlertFilter, AlertRow, Store};
use serde_json::{Value, json};

use crate::auth::Clinician;
use crate::problem::{Problem, Result};
use crate::{App, json as to_json, query};

/// Open alerts looked at for the counts: a clinic with more has another problem.
const OPEN_MAX: usize = 5_000;

pub async fn list(State(app): App, who: Clinician) -> Result<Json<Value>> {
    let store = &*app.deps.store;
    let mut open: BTreeMap<PatientId, u64> = BTreeMap::new();
    for alert in unresolved(store, who.tenant.clone(), None).await? {
        if let Some(patient) = alert.patient {
            *open.entry(patient).or_default() += 1;
        }
    }
    let rows = store.patients(who.tenant).await?;
    let patients: Vec<Value> = rows
        .iter()
        .map(|row| {
            let mut body = to_json::patient(row);
            body["unresolved_alerts"] = json!(open.get(&row.patient).copied().unwrap_or(0));
            body
        })
        .collect();
    Ok(Json(json!({ "patients": patients })))
}

pub async fn detail(State(app): App, who: Clinician, Path(id): Path<String>) -> Result<Json<Value>> {
    let (store, id) = (&*app.deps.store, query::patient_id(&id)?);
    let rows = store.patients(who.tenant.clone()).await?;
    let row = rows.iter().find(|row| row.patient == id).ok_or_else(|| Problem::not_found("patient"))?;
    let now = EventTime(app.deps.clock.wall_ms());
    let alerts = unresolved(store, who.tenant.clone(), Some(id.clone())).await?;
    let monitored = store.coverage(who.tenant, Some(id), now.plus(-DAY_MS), now).await?;
    let mut body = to_json::patient(row);
    body["alerts"] = alerts.iter().map(to_json::alert).collect();
    body["coverage"] = monitored.iter().map(to_json::coverage).collect();
    Ok(Json(body))
}

async fn unresolved(store: &dyn Store, tenant: TenantId, patient: Option<PatientId>) -> Result<Vec<AlertRow>> {
    let states = vec![AlertState::Open, AlertState::Acknowledged, AlertState::Snoozed];
    let filter = AlertFilter { tenant, states, patient, limit: OPEN_MAX, ..AlertFilter::default() };
    Ok(store.alerts(filter).await?)
}
