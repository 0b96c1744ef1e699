//! The readings that show an episode, and what to draw around them.

use std::collections::BTreeSet;

use painwatch_domain::time::{HOUR_MS, format_utc};
use painwatch_domain::{EventTime, Measure, PatientId, ReadingId};
use painwatch_store::{AlertRow, ReadingRow, Store};
use serde_json::{Value, json};

use crate::json as to_json;
use crate::problem::Result;

pub struct Evidence {
    pub readings: Value,
    /// `null` when nothing is known that could be drawn.
    pub chart: Value,
}

/// Rows looked through per measure: a day of samples every five seconds.
const LOOK_THROUGH: usize = 20_000;
/// Before the onset: daily rules stand on days before the one that broke them.
const BEFORE_MS: i64 = 8 * 24 * HOUR_MS;

pub async fn of(store: &dyn Store, alert: &AlertRow) -> Result<Evidence> {
    let ids = store.alert_evidence(alert.tenant.clone(), alert.alert_id).await?;
    let mut missing: BTreeSet<ReadingId> = ids.iter().copied().collect();
    let mut rows = Vec::new();
    if let Some(patient) = &alert.patient {
        for measure in candidates(&alert.why) {
            // The narrow window first: it finds the evidence of every rule about single readings.
            for before_ms in [HOUR_MS, BEFORE_MS] {
                if !missing.is_empty() {
                    rows.extend(find(store, alert, patient, &measure, before_ms, &mut missing).await?);
                }
            }
        }
    }
    rows.sort_by_key(|row| (row.time, row.reading_id));
    let mut readings: Vec<Value> = rows.iter().map(to_json::reading).collect();
    readings.extend(missing.iter().map(|id| json!({ "reading_id": id.to_string() })));
    Ok(Evidence { readings: readings.into(), chart: chart(alert, &rows) })
}

/// The measure the alert's own words begin with, before all others.
fn candidates(why: &str) -> Vec<String> {
    let spoken = why.split([' ', '.']).next().unwrap_or_default();
    let mut names: Vec<String> = Measure::ALL.iter().flat_map(|measure| columns(measure.name())).collect();
    names.sort_by_key(|name| name != spoken && !(spoken == "blood_pressure" && name.starts_with(spoken)));
    names
}

/// A pressure panel is stored as two.
fn columns(measure: &str) -> Vec<String> {
    match measure {
        "blood_pressure" => vec!["blood_pressure_systolic".to_owned(), "blood_pressure_diastolic".to_owned()],
        other => vec![other.to_owned()],
    }
}

async fn find(
    store: &dyn Store,
    alert: &AlertRow,
    patient: &PatientId,
    measure: &str,
    before_ms: i64,
    missing: &mut BTreeSet<ReadingId>,
) -> Result<Vec<ReadingRow>> {
    let (from, to) = (alert.onset_at.plus(-before_ms), alert.last_held_at.plus(HOUR_MS));
    let series = store.series(alert.tenant.clone(), patient.clone(), measure.to_owned(), from, to, LOOK_THROUGH);
    let found: Vec<_> = series.await?.into_iter().filter(|row| missing.contains(&row.reading_id)).collect();
    // Only now: the two rows of a panel share their id.
    found.iter().for_each(|row| {
        missing.remove(&row.reading_id);
    });
    Ok(found)
}

/// The episode with some of the time around it.
fn chart(alert: &AlertRow, rows: &[ReadingRow]) -> Value {
    let Some(first) = rows.iter().find(|row| row.value.is_some()) else { return Value::Null };
    let begin = rows.iter().map(|row| row.time).min().unwrap_or(alert.onset_at).min(alert.onset_at);
    let margin = ((alert.last_held_at.0 - begin.0) / 2).clamp(HOUR_MS / 2, 24 * HOUR_MS);
    let (from, to) = (begin.plus(-margin), alert.last_held_at.plus(margin));
    let time = |time: EventTime| format_utc(time.0);
    json!({ "measure": first.measure, "unit": first.unit, "from": time(from), "to": time(to) })
}
