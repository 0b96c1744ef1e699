//! What the tables should say, computed the plain way from the readings that stand.

use std::collections::BTreeMap;

use painwatch_domain::{EventTime, Measure, PatientId, TenantId};
use painwatch_processor_core::patient::compiled::Ruled;
use painwatch_processor_core::patient::hold::{self, HoldSample, SampleId};
use painwatch_processor_core::rules::default_packs;
use painwatch_store::{MemoryStore, ReadingRow, Store};

/// Readings that stand, by (time, identity).
pub async fn standing(store: &MemoryStore, patient: &PatientId, measure: Measure) -> Vec<ReadingRow> {
    let (tenant, all) = (TenantId::default(), (EventTime::MIN, EventTime::MAX));
    let rows =
        store.series(tenant, patient.clone(), measure.name().to_owned(), all.0, all.1, usize::MAX).await.unwrap();
    let mut rows: Vec<_> = rows.into_iter().filter(|row| row.status != "entered_in_error").collect();
    let place = |row: &ReadingRow| (row.time, row.device.clone(), row.device_time, row.end_time, row.reading_id);
    rows.sort_by_key(place);
    rows
}

/// Ended episodes of every default hold rule over a measure, folded once over the whole history: (rule, start, end).
pub fn episodes(measure: Measure, readings: &[ReadingRow], now: i64) -> Vec<(String, i64, Option<i64>)> {
    let mut found = Vec::new();
    for rule in default_packs().into_iter().map(|rule| Ruled::new(rule, i64::MIN)) {
        let Some(versions) = rule.over(measure) else { continue };
        let sample = |row: &ReadingRow| {
            Some(HoldSample {
                time: row.time.0,
                value: row.value?,
                id: SampleId::Known(row.reading_id),
                historical: false,
                verify: false,
            })
        };
        let samples: Vec<HoldSample> = readings.iter().filter_map(sample).collect();
        let (state, mut spans) = hold::fold(versions, measure, None, &samples);
        spans.extend(state.iter().flat_map(|state| state.ahead(versions, measure, now)));
        found.extend(spans.into_iter().map(|span| (rule.id().to_owned(), span.start, span.end)));
    }
    found.sort();
    found
}

/// Whether a rule with this gap sees anything at `time`.
pub fn sees(readings: &[ReadingRow], max_gap_ms: i64, time: i64) -> bool {
    readings.iter().any(|row| row.time.0 <= time && time < row.time.0 + max_gap_ms)
}

/// The longest gap of each default hold rule over a measure.
pub fn gaps(measure: Measure) -> BTreeMap<String, i64> {
    let rules = default_packs().into_iter().map(|rule| Ruled::new(rule, i64::MIN));
    let held = rules.filter(|rule| rule.over(measure).is_some());
    held.filter_map(|rule| Some((rule.id().to_owned(), rule.measure_held()?.1.max_gap_ms))).collect()
}
