//! `GET /api/v1/patients/{id}/series`: readings as they are, or as minimum, mean and maximum of equal spans of time.

use axum::Json;
use axum::extract::{Path, Query, State};
use painwatch_domain::EventTime;
use painwatch_domain::time::{DAY_MS, format_utc};
use painwatch_store::{MetricRow, ReadingRow};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::Clinician;
use crate::problem::{Problem, Result};
use crate::{App, json as to_json, query};

/// Readings read for one answer: a day at one a second.
const READ_MAX: usize = 90_000;
/// Points a chart can use; more are folded unless `resolution=raw`.
const POINTS_MAX: usize = 1_500;
/// What the page is folded to then.
const POINTS_FOLDED: i64 = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// A measure, or a metric (`<measure>.<method>`).
    measure: String,
    from: Option<String>,
    to: Option<String>,
    /// `raw`, or a duration; absent: whatever fits a chart.
    resolution: Option<String>,
}

pub async fn series(
    State(app): App,
    who: Clinician,
    Path(id): Path<String>,
    Query(span): Query<Span>,
) -> Result<Json<Value>> {
    let patient = query::patient_id(&id)?;
    let to = span.to.as_deref().map(|it| query::time_ms("to", it)).transpose()?;
    let to = to.unwrap_or_else(|| app.deps.clock.wall_ms());
    let from = span.from.as_deref().map(|it| query::time_ms("from", it)).transpose()?.unwrap_or(to - DAY_MS);
    if from >= to {
        return Err(Problem::unusable("from is before to"));
    }
    let (store, from, to) = (&*app.deps.store, EventTime(from), EventTime(to));
    if span.measure.contains('.') {
        let rows = store.metrics(who.tenant, Some(patient), Some(span.measure.clone()), from, to).await?;
        return Ok(Json(metric_body(&span.measure, &rows)));
    }
    let rows = store.series(who.tenant, patient, span.measure.clone(), from, to, READ_MAX + 1).await?;
    let width_ms = width_ms(span.resolution.as_deref(), rows.len(), to.0 - from.0)?;
    Ok(Json(reading_body(&span.measure, rows, width_ms)))
}

/// `None` is raw.
fn width_ms(resolution: Option<&str>, rows: usize, span_ms: i64) -> Result<Option<i64>> {
    match resolution {
        Some("raw") => Ok(None),
        Some(text) => query::duration_ms("resolution", text).map(Some),
        None if rows <= POINTS_MAX => Ok(None),
        None => Ok(Some((span_ms / POINTS_FOLDED).max(1_000))),
    }
}

fn reading_body(measure: &str, mut rows: Vec<ReadingRow>, width_ms: Option<i64>) -> Value {
    let truncated = rows.len() > READ_MAX;
    rows.truncate(READ_MAX);
    let unit = rows.first().map_or("", |row| row.unit.as_str());
    let points: Vec<Value> = match width_ms {
        None => rows.iter().map(to_json::reading).collect(),
        Some(width_ms) => fold(&rows, width_ms).iter().map(Bucket::to_json).collect(),
    };
    json!({
        "measure": measure, "unit": unit, "resolution_ms": width_ms, "truncated": truncated, "points": points,
    })
}

fn metric_body(metric: &str, rows: &[MetricRow]) -> Value {
    let point = |row: &MetricRow| {
        json!({
            "time": format_utc(row.time.0),
            "end_time": format_utc(row.window_end.0),
            "value": row.value,
            "value_code": row.value_code,
            "baseline": row.baseline,
            "deviation": row.deviation,
            "n": row.n,
            "coverage": row.coverage,
            "state": row.state,
            "reason": row.reason,
        })
    };
    let unit = rows.first().map_or("", |row| row.unit.as_str());
    let points: Vec<Value> = rows.iter().map(point).collect();
    json!({ "measure": metric, "unit": unit, "resolution_ms": null, "truncated": false, "points": points })
}

/// `[start, start + width)`, aligned to the epoch so that neighbouring requests agree.
struct Bucket {
    start_ms: i64,
    width_ms: i64,
    n: u32,
    min: f64,
    max: f64,
    sum: f64,
}

impl Bucket {
    fn to_json(&self) -> Value {
        json!({
            "time": format_utc(self.start_ms),
            "end_time": format_utc(self.start_ms + self.width_ms),
            "n": self.n,
            "min": self.min,
            "mean": self.sum / f64::from(self.n),
            "max": self.max,
            "sum": self.sum,
        })
    }
}

/// Rows come by time. Those without a number cannot be averaged and are left out.
fn fold(rows: &[ReadingRow], width_ms: i64) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::new();
    for (row, value) in rows.iter().filter_map(|row| Some((row, row.value?))) {
        let start_ms = row.time.0.div_euclid(width_ms) * width_ms;
        match buckets.last_mut() {
            Some(bucket) if bucket.start_ms == start_ms => {
                bucket.n += 1;
                bucket.sum += value;
                bucket.min = bucket.min.min(value);
                bucket.max = bucket.max.max(value);
            }
            _ => buckets.push(Bucket { start_ms, width_ms, n: 1, min: value, max: value, sum: value }),
        }
    }
    buckets
}
