//! Canonical history as lines, for whoever compares two.

use painwatch_domain::{EventTime, TenantId};
use painwatch_store::{MemoryStore, Store};

/// Canonical history as lines that can be compared and read (semantics 10).
pub async fn canonical(store: &MemoryStore) -> Vec<String> {
    let (tenant, first, last) = (TenantId::default(), EventTime::MIN, EventTime::MAX);
    let mut lines = Vec::new();
    for row in store.episodes(tenant.clone()).await.unwrap() {
        let parts = (&row.patient, &row.rule, row.start, row.end, row.peak, &row.rule_version, row.evidence_hash);
        lines.push(format!("episode {parts:?}"));
    }
    for row in store.metrics(tenant.clone(), None, None, first, last).await.unwrap() {
        if row.reason == "withdrawn" {
            continue;
        }
        let place = (&row.patient, &row.metric, row.window_start.to_string(), row.window_end.to_string());
        let value = (row.value, row.n, row.baseline, row.deviation, row.coverage, row.state, &row.reason, &row.quality);
        lines.push(format!("metric {place:?} {value:?}"));
    }
    for row in store.coverage(tenant, None, first, last).await.unwrap() {
        let parts = (&row.patient, &row.rule, row.start.to_string(), row.end.to_string(), &row.state, &row.cause);
        lines.push(format!("coverage {parts:?}"));
    }
    lines.sort();
    lines
}

/// The first lines in which two histories differ.
pub fn difference(one: &[String], other: &[String]) -> Option<String> {
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| those.binary_search(line).is_err()).take(6).cloned().collect()
    };
    (one != other)
        .then(|| format!("only in the first:\n{:#?}\nonly in the second:\n{:#?}", only(one, other), only(other, one)))
}
