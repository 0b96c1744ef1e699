//! The maps themselves, and what a commit does to them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use arrow::array::RecordBatch;
use painwatch_domain::{AlertId, DeviceId, EventTime, Hash128, Offset, PatientId, ReadingId, RuleId, TenantId};

use crate::records::{self, EvidenceRow};
use crate::rows::*;
use crate::schema::{Of, Past, Record, history_batch, to_batch};
use crate::{Applied, Commit, Consumer, Result, StoreError};

#[derive(Debug, Default)]
pub(super) struct State {
    pub epoch: u64,
    pub applied: HashMap<Consumer, Applied>,
    pub blobs: BTreeMap<(&'static str, String), Vec<u8>>,
    pub readings: BTreeMap<(TenantId, ReadingId, String), ReadingRow>,
    pub readings_history: Vec<Past<ReadingRow>>,
    pub medication_events: BTreeMap<(TenantId, ReadingId), MedicationEventRow>,
    pub metrics: BTreeMap<(TenantId, PatientId, String, EventTime), MetricRow>,
    pub metrics_history: Vec<Past<MetricRow>>,
    pub coverage: BTreeMap<(TenantId, PatientId, RuleId, EventTime), CoverageRow>,
    pub episodes: BTreeMap<(TenantId, PatientId, RuleId, EventTime), EpisodeRow>,
    pub alerts: BTreeMap<(TenantId, AlertId), AlertRow>,
    pub alert_events: BTreeMap<(TenantId, AlertId, u32), AlertEventRow>,
    pub alert_evidence: BTreeSet<(TenantId, AlertId, ReadingId)>,
    pub notifications: BTreeMap<(TenantId, Hash128, u32), NotificationRow>,
    pub batches: BTreeMap<(TenantId, Offset), BatchRow>,
    pub quarantine: BTreeMap<(TenantId, String), QuarantineRow>,
    pub clocks: BTreeMap<(TenantId, &'static str, String), ClockRow>,
    pub rosters: BTreeMap<TenantId, RosterRows>,
    pub rules: BTreeMap<(TenantId, RuleId, String), RuleRow>,
    pub verdicts: BTreeMap<(TenantId, Offset), VerdictRow>,
    pub sequences: BTreeMap<(TenantId, DeviceId, u32), SequenceRow>,
    pub ledger: BTreeMap<(TenantId, EventTime, String, String), LedgerRow>,
}

impl State {
    pub fn apply(&mut self, commit: Commit) -> Result<()> {
        if commit.epoch != self.epoch || self.epoch == 0 {
            return Err(StoreError::Fenced { ours: commit.epoch, current: self.epoch });
        }
        if let Some((consumer, applied)) = commit.applied {
            let before = self.applied.get(&consumer).map(|applied| applied.next);
            if before.is_some_and(|before| applied.next < before) {
                return Err(StoreError::Failed(format!("{} would go back to {}", consumer.as_str(), applied.next)));
            }
            if consumer == Consumer::Processor && before == Some(applied.next) {
                return Ok(());
            }
            self.applied.insert(consumer, applied);
        }
        for blob in commit.blobs {
            match blob.bytes {
                Some(bytes) => self.blobs.insert((blob.kind, blob.key), bytes),
                None => self.blobs.remove(&(blob.kind, blob.key)),
            };
        }
        self.apply_rows(commit.rows);
        Ok(())
    }

    fn apply_rows(&mut self, mut rows: Rows) {
        self.apply_answers(&mut rows);
        rows.readings.into_iter().for_each(|row| self.reading(row));
        rows.metrics.into_iter().for_each(|row| self.metric(row));
        self.apply_series(rows.medication_events, rows.coverage, rows.episodes, rows.episodes_gone);
        self.alerts.extend(rows.alerts.into_iter().map(|row| ((row.tenant.clone(), row.alert_id), row)));
        let events = rows.alert_events.into_iter();
        self.alert_events.extend(events.map(|row| ((row.tenant.clone(), row.alert_id, row.seq), row)));
        self.alert_evidence.extend(rows.alert_evidence);
        let attempts = rows.notifications.into_iter();
        self.notifications.extend(attempts.map(|row| ((row.tenant.clone(), row.notification_id, row.attempt), row)));
        self.batches.extend(rows.batches.into_iter().map(|row| ((row.tenant.clone(), row.cause), row)));
        self.quarantine.extend(rows.quarantine.into_iter().map(|row| ((row.tenant.clone(), row.id.clone()), row)));
        for gone in rows.quarantine_gone {
            self.quarantine.remove(&(gone.tenant.clone(), gone.id));
            if let Some(book) = self.batches.get_mut(&(gone.tenant, gone.cause)) {
                book.quarantined = book.quarantined.saturating_sub(gone.count);
            }
        }
        let clocks = rows.clocks.into_iter();
        self.clocks.extend(clocks.map(|row| ((row.tenant.clone(), row.kind, row.subject.clone()), row)));
        self.rosters.extend(rows.roster.map(|roster| (roster.tenant.clone(), roster)));
        let rules = rows.rules.into_iter();
        self.rules.extend(rules.map(|row| ((row.tenant.clone(), row.rule.clone(), row.version.clone()), row)));
    }

    fn apply_answers(&mut self, rows: &mut Rows) {
        self.verdicts.extend(rows.verdicts.drain(..).map(|row| ((row.tenant.clone(), row.cause), row)));
        if let Some(before) = rows.verdicts_gone_before {
            self.verdicts.retain(|_, row| row.at >= before);
        }
        let keyed = |row: SequenceRow| ((row.tenant.clone(), row.device.clone(), row.boot_id), row);
        self.sequences.extend(rows.sequences.drain(..).map(keyed));
        for gone in &rows.sequences_gone {
            self.sequences.remove(gone);
        }
        for row in rows.ledger.drain(..) {
            let key = (row.tenant.clone(), row.day, row.gateway.clone(), row.reason.clone());
            self.ledger.entry(key).and_modify(|sum| sum.add(&row)).or_insert(row);
        }
    }

    fn apply_series(
        &mut self,
        doses: Vec<MedicationEventRow>,
        coverage: Vec<CoverageDay>,
        episodes: Vec<EpisodeRow>,
        gone: Vec<(TenantId, PatientId, RuleId, EventTime)>,
    ) {
        self.medication_events.extend(doses.into_iter().map(|row| ((row.tenant.clone(), row.reading_id), row)));
        for day in coverage {
            let key = |start| (day.tenant.clone(), day.patient.clone(), day.rule.clone(), start);
            let replaced: Vec<_> =
                self.coverage.range(key(day.from)..key(day.to)).map(|(replaced, _)| replaced.clone()).collect();
            replaced.iter().for_each(|replaced| drop(self.coverage.remove(replaced)));
            for row in day.intervals.iter().map(|interval| records::coverage_row(&day, interval)) {
                let key = (row.tenant.clone(), row.patient.clone(), row.rule.clone(), row.start);
                self.coverage.insert(key, row);
            }
        }
        gone.iter().for_each(|key| {
            self.episodes.remove(key);
        });
        let keyed = |row: EpisodeRow| ((row.tenant.clone(), row.patient.clone(), row.rule.clone(), row.start), row);
        self.episodes.extend(episodes.into_iter().map(keyed));
    }

    fn reading(&mut self, mut row: ReadingRow) {
        // Advice for those who must search; no column.
        row.supersedes = false;
        let known_to = row.known_from;
        if row.conflict || !row.effective {
            let moved = if row.conflict { "conflict" } else { "outranked" };
            self.readings_history.push(Past { row, known_to, moved });
            return;
        }
        let key = (row.tenant.clone(), row.reading_id, row.measure.clone());
        if let Some(old) = self.readings.insert(key, row) {
            self.readings_history.push(Past { row: old, known_to, moved: "superseded" });
        }
    }

    fn metric(&mut self, row: MetricRow) {
        let known_to = row.known_from;
        let key = (row.tenant.clone(), row.patient.clone(), row.metric.clone(), row.time);
        if let Some(old) = self.metrics.insert(key, row) {
            self.metrics_history.push(Past { row: old, known_to, moved: "superseded" });
        }
    }

    pub fn counts(&self, tenant: &TenantId) -> Counts {
        let current = self.readings.values().filter(|row| &row.tenant == tenant);
        let past = self.readings_history.iter().filter(|past| &past.row.tenant == tenant);
        let identities: HashSet<_> = current.clone().map(|row| row.reading_id).collect();
        let kept = past.clone().filter(|past| past.moved != "conflict").map(|past| &past.row);
        let versions = current.chain(kept).filter(|row| counts_as_reading(row)).count();
        let conflicts = past.filter(|past| past.moved == "conflict" && counts_as_reading(&past.row)).count();
        let quarantined = self.quarantine.values().filter(|row| &row.tenant == tenant).map(|row| row.count).sum();
        Counts {
            identities: identities.len() as u64,
            versions: versions as u64,
            conflicts: conflicts as u64,
            quarantined,
        }
    }

    pub fn batch(&self, table: &'static str) -> Result<RecordBatch> {
        match table {
            "readings" => to_batch(self.readings.values()),
            "readings_history" => history_batch(&self.readings_history, records::readings_history()),
            "medication_events" => to_batch(self.medication_events.values()),
            "metrics" => to_batch(self.metrics.values()),
            "metrics_history" => history_batch(&self.metrics_history, records::metrics_history()),
            "alerts" => to_batch(self.alerts.values()),
            "alert_events" => to_batch(self.alert_events.values()),
            "alert_evidence" => {
                let row = |key: &(TenantId, AlertId, ReadingId)| EvidenceRow {
                    tenant: key.0.clone(),
                    alert_id: key.1,
                    reading_id: key.2,
                };
                to_batch(&self.alert_evidence.iter().map(row).collect::<Vec<_>>())
            }
            "notifications" => to_batch(self.notifications.values()),
            "coverage" => to_batch(self.coverage.values()),
            "episodes" => to_batch(self.episodes.values()),
            "measures" => to_batch(&records::measure_rows()),
            "patients" => self.roster_batch(|roster| &roster.patients),
            "devices" => self.roster_batch(|roster| &roster.devices),
            "pairings" => self.roster_batch(|roster| &roster.pairings),
            "prescriptions" => self.roster_batch(|roster| &roster.prescriptions),
            "dispenses" => self.roster_batch(|roster| &roster.dispenses),
            "patient_events" => self.roster_batch(|roster| &roster.patient_events),
            "conditions" => self.roster_batch(|roster| &roster.conditions),
            "goals" => self.roster_batch(|roster| &roster.goals),
            "rules" => to_batch(self.rules.values()),
            "batches" => to_batch(self.batches.values()),
            "quarantine" => to_batch(self.quarantine.values()),
            "clocks" => to_batch(self.clocks.values()),
            "ledger" => to_batch(self.ledger.values()),
            other => Err(StoreError::Failed(format!("there is no table {other}"))),
        }
    }

    fn roster_batch<T: Clone>(&self, part: fn(&RosterRows) -> &Vec<T>) -> Result<RecordBatch>
    where
        Of<T>: Record,
    {
        let of = |roster: &RosterRows| -> Vec<Of<T>> {
            part(roster).iter().map(|row| Of { tenant: roster.tenant.clone(), row: row.clone() }).collect()
        };
        to_batch(&self.rosters.values().flat_map(of).collect::<Vec<_>>())
    }
}

/// A pressure panel is one reading in two rows; its second row does not count.
fn counts_as_reading(row: &ReadingRow) -> bool {
    row.measure != SECOND_ROW_OF_A_PANEL
}
