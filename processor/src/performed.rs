//! Performed work as rows and findings.

use painwatch_domain::{EventTime, JournalTime, Offset, PatientId, TenantId};
use painwatch_processor_core::metrics::catalogue;
use painwatch_processor_core::patient::episodes::{EpisodeChanges, EpisodeOut};
use painwatch_processor_core::patient::{CoverageOut, MetricOut, Performed};
use painwatch_store::{CoverageDay, CoverageInterval, EpisodeRow, MetricRow, Rows};

use crate::engine::Output;
use crate::rows::append_rows;

/// Adds what a task of a clinic's patient led to; `due` is when it was due, `cause` the record that made its time come, which
/// may be another clinic's.
pub(crate) fn add(
    out: &mut Output,
    (tenant, patient): (&TenantId, &PatientId),
    performed: Performed,
    due: JournalTime,
    cause: Offset,
) {
    let mut rows = Rows::default();
    rows.metrics.extend(performed.metrics.into_iter().map(|metric| metric_row(tenant, metric, due, cause)));
    rows.coverage.extend(performed.coverage.into_iter().map(|seen| coverage_day(tenant, seen)));
    let EpisodeChanges { findings, rows: episodes, gone } = performed.episodes;
    rows.episodes_gone
        .extend(gone.into_iter().map(|(rule, start)| (tenant.clone(), patient.clone(), rule, EventTime(start))));
    rows.episodes.extend(episodes.into_iter().map(|episode| episode_row(tenant, patient, episode)));
    append_rows(&mut out.rows, rows);
    out.findings.extend(findings);
}

fn metric_row(tenant: &TenantId, metric: MetricOut, due: JournalTime, cause: Offset) -> MetricRow {
    let value = metric.told.value;
    let quality = value.quality_told();
    let code = value.value.and_then(|number| catalogue::find(&metric.metric)?.code(number));
    MetricRow {
        tenant: tenant.clone(),
        time: EventTime(metric.window.0),
        window_start: EventTime(metric.window.0),
        window_end: EventTime(metric.window.1),
        patient: metric.patient,
        metric: metric.metric,
        value: value.value,
        value_code: code.map(str::to_owned),
        unit: metric.unit.to_owned(),
        n: i64::from(value.n),
        baseline: metric.told.baseline,
        deviation: metric.told.deviation,
        coverage: value.coverage,
        state: if metric.is_final { "final" } else { "provisional" },
        revision: metric.revision,
        reason: value.reason,
        quality,
        definition_version: 1,
        computed_at: due,
        known_from: cause,
    }
}

fn coverage_day(tenant: &TenantId, seen: CoverageOut) -> CoverageDay {
    let interval = |(start, end, cause): (i64, i64, &'static str)| CoverageInterval {
        start: EventTime(start),
        end: EventTime(end),
        covered: cause.is_empty(),
        cause,
    };
    CoverageDay {
        tenant: tenant.clone(),
        patient: seen.patient,
        rule: seen.rule,
        from: EventTime(seen.window.0),
        to: EventTime(seen.window.1),
        intervals: seen.intervals.into_iter().map(interval).collect(),
    }
}

fn episode_row(tenant: &TenantId, patient: &PatientId, episode: EpisodeOut) -> EpisodeRow {
    EpisodeRow {
        tenant: tenant.clone(),
        patient: patient.clone(),
        rule: episode.rule,
        start: EventTime(episode.start),
        end: episode.end.map(EventTime),
        peak: episode.peak,
        rule_version: episode.version,
        evidence_hash: episode.evidence_hash,
        alert_id: episode.alert_id,
    }
}
