//! `GET /api/v1/devices`.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::auth::Clinician;
use crate::problem::Result;
use crate::{App, json as to_json};

pub async fn list(State(app): App, who: Clinician) -> Result<Json<Value>> {
    let rows = app.deps.store.devices(who.tenant).await?;
    let devices: Vec<Value> = rows.iter().map(to_json::device).collect();
    Ok(Json(json!({ "devices": devices })))
}
