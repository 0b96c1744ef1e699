//! One hash over the canonical history (semantics 10): equal wherever the same readings and control records led to it.
//!
//! Never: anything that depends on when or in which order it was computed (revision, computed_at, known_from).

use std::collections::BTreeSet;

use painwatch_domain::{EventTime, RuleId, TenantId};
use sha2::{Digest, Sha256};

use crate::{CoverageRow, EpisodeRow, MetricRow, Result, Store};

const COVERED: &str = "covered";

/// Reason of a metric whose readings were all taken back: as good as one that was never computed.
const WITHDRAWN: &str = "withdrawn";

/// Hexadecimal SHA-256 over episodes, metric values in their last revision, and coverage of one tenant.
///
/// # Errors
/// Those of the store's queries.
pub async fn canonical_hash(store: &dyn Store, tenant: &TenantId) -> Result<String> {
    canonical_hash_without(store, tenant, &BTreeSet::new()).await
}

/// The same without some rules. What a rule says that waits for readings depends on our own pauses and on gateways that were away:
/// two histories with others of these agree in everything else.
///
/// # Errors
/// Those of the store's queries.
pub async fn canonical_hash_without(
    store: &dyn Store,
    tenant: &TenantId,
    left_out: &BTreeSet<RuleId>,
) -> Result<String> {
    let (first, last) = (EventTime::MIN, EventTime::MAX);
    let mut episodes = store.episodes(tenant.clone()).await?;
    let mut metrics = store.metrics(tenant.clone(), None, None, first, last).await?;
    let mut coverage = store.coverage(tenant.clone(), None, first, last).await?;
    episodes.retain(|row| !left_out.contains(&row.rule));
    episodes.sort_by(|a, b| (&a.patient, &a.rule, a.start).cmp(&(&b.patient, &b.rule, b.start)));
    metrics.retain(|row| row.reason != WITHDRAWN);
    metrics.sort_by(|a, b| (&a.patient, &a.metric, a.time).cmp(&(&b.patient, &b.metric, b.time)));
    // Why a rule was blind is told by the strongest cause, and our own pauses are stronger than what a device says: what it
    // could see is the same wherever the readings are.
    coverage.retain(|row| row.state == COVERED && !left_out.contains(&row.rule));
    coverage.sort_by(|a, b| (&a.patient, &a.rule, a.start).cmp(&(&b.patient, &b.rule, b.start)));

    let mut hash = Canon(Sha256::new());
    hash.section("episodes", episodes.len());
    episodes.iter().for_each(|row| hash.episode(row));
    hash.section("metrics", metrics.len());
    metrics.iter().for_each(|row| hash.metric(row));
    hash.section("coverage", coverage.len());
    coverage.iter().for_each(|row| hash.coverage(row));
    Ok(hex::encode(hash.0.finalize()))
}

/// Feeds values so that no two different sequences feed the same bytes.
struct Canon(Sha256);

impl Canon {
    fn section(&mut self, name: &str, rows: usize) {
        self.text(name);
        self.int(rows as i64);
    }

    fn text(&mut self, value: &str) {
        self.int(value.len() as i64);
        self.0.update(value);
    }

    fn int(&mut self, value: i64) {
        self.0.update(value.to_le_bytes());
    }

    fn optional<T>(&mut self, value: Option<T>, feed: impl FnOnce(&mut Self, T)) {
        self.0.update([u8::from(value.is_some())]);
        if let Some(value) = value {
            feed(self, value);
        }
    }

    /// Exact bits, except that the two zeros are one: not every engine keeps them apart.
    fn real(&mut self, value: Option<f64>) {
        self.optional(value, |hash, value| hash.0.update((value + 0.0).to_bits().to_le_bytes()));
    }

    fn episode(&mut self, row: &EpisodeRow) {
        self.text(row.patient.as_str());
        self.text(row.rule.as_str());
        self.int(row.start.0);
        self.optional(row.end, |hash, end| hash.int(end.0));
        self.text(row.peak.as_str());
        self.text(&row.rule_version);
        self.0.update(row.evidence_hash.0);
    }

    fn metric(&mut self, row: &MetricRow) {
        self.text(row.patient.as_str());
        self.text(&row.metric);
        self.int(row.time.0);
        self.int(row.window_start.0);
        self.int(row.window_end.0);
        self.real(row.value);
        self.optional(row.value_code.as_deref(), Self::text);
        self.text(&row.unit);
        self.int(row.n);
        self.real(row.baseline);
        self.real(row.deviation);
        self.real(row.coverage);
        self.text(row.state);
        self.text(&row.reason);
        self.text(&row.quality);
    }

    fn coverage(&mut self, row: &CoverageRow) {
        self.text(row.patient.as_str());
        self.text(row.rule.as_str());
        self.int(row.start.0);
        self.int(row.end.0);
    }
}
