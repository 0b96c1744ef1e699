//! The store as plain maps: what the other engines are compared with, and what simulations run on. The lake stays empty:
//! every reading is hot.
//!
//! Never: a file, a database, a cleverness that the engines it judges also have.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use painwatch_domain::{AlertId, EventTime, Hash128, Offset, PatientId, ReadingId, RuleId, TenantId};

use crate::rows::*;
use crate::schema::{self, EvidenceRow, LakeSuperseded, Of, Past, Record, history_batch, to_batch};
use crate::{Applied, BoxFuture, Commit, Consumer, LakeReport, ReadingsView, Result, Store, StoreError};

#[derive(Debug, Default)]
struct State {
    epoch: u64,
    applied: HashMap<Consumer, Applied>,
    blobs: BTreeMap<(&'static str, String), Vec<u8>>,
    readings: BTreeMap<(TenantId, ReadingId, String), ReadingRow>,
    readings_history: Vec<Past<ReadingRow>>,
    medication_events: BTreeMap<(TenantId, ReadingId), MedicationEventRow>,
    metrics: BTreeMap<(TenantId, PatientId, String, EventTime), MetricRow>,
    metrics_history: Vec<Past<MetricRow>>,
    coverage: BTreeMap<(TenantId, PatientId, RuleId, EventTime), CoverageRow>,
    episodes: BTreeMap<(TenantId, PatientId, RuleId, EventTime), EpisodeRow>,
    alerts: BTreeMap<(TenantId, AlertId), AlertRow>,
    alert_events: BTreeMap<(TenantId, AlertId, u32), AlertEventRow>,
    alert_evidence: BTreeSet<(TenantId, AlertId, ReadingId)>,
    notifications: BTreeMap<(TenantId, Hash128, u32), NotificationRow>,
    batches: BTreeMap<(TenantId, Offset), BatchRow>,
    quarantine: BTreeMap<(TenantId, String), QuarantineRow>,
    rosters: BTreeMap<TenantId, RosterRows>,
    rules: BTreeMap<(TenantId, RuleId, String), RuleRow>,
}

impl State {
    fn apply(&mut self, commit: Commit) -> Result<()> {
        if commit.epoch != self.epoch || self.epoch == 0 {
            return Err(StoreError::Fenced { ours: commit.epoch, current: self.epoch });
        }
        if let Some((consumer, applied)) = commit.applied {
            let before = self.applied.get(&consumer).map_or(Offset(0), |applied| applied.next);
            if applied.next < before {
                return Err(StoreError::Failed(format!("{} would go back to {}", consumer.as_str(), applied.next)));
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

    fn apply_rows(&mut self, rows: Rows) {
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
        self.rosters.extend(rows.roster.map(|roster| (roster.tenant.clone(), roster)));
        let rules = rows.rules.into_iter();
        self.rules.extend(rules.map(|row| ((row.tenant.clone(), row.rule.clone(), row.version.clone()), row)));
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
            let replaced = |row: &CoverageRow| {
                (&row.tenant, &row.patient, &row.rule) == (&day.tenant, &day.patient, &day.rule)
                    && (day.from..day.to).contains(&row.start)
            };
            self.coverage.retain(|_, row| !replaced(row));
            for row in day.intervals.iter().map(|interval| schema::coverage_row(&day, interval)) {
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

    fn counts(&self, tenant: &TenantId) -> Counts {
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

    fn batch(&self, table: &'static str) -> Result<RecordBatch> {
        match table {
            "readings" => to_batch(self.readings.values()),
            "readings_history" => history_batch(&self.readings_history, schema::readings_history()),
            "medication_events" => to_batch(self.medication_events.values()),
            "metrics" => to_batch(self.metrics.values()),
            "metrics_history" => history_batch(&self.metrics_history, schema::metrics_history()),
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
            "measures" => to_batch(&schema::measure_rows()),
            "patients" => self.roster_batch(|roster| &roster.patients),
            "devices" => self.roster_batch(|roster| &roster.devices),
            "pairings" => self.roster_batch(|roster| &roster.pairings),
            "prescriptions" => self.roster_batch(|roster| &roster.prescriptions),
            "rules" => to_batch(self.rules.values()),
            "batches" => to_batch(self.batches.values()),
            "quarantine" => to_batch(self.quarantine.values()),
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

/// See the module's comment.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs at once: nothing here ever waits.
    fn done<'a, T: Send + 'a>(&self, ask: impl FnOnce(&mut State) -> T) -> BoxFuture<'a, Result<T>> {
        let answer = ask(&mut self.state());
        Box::pin(std::future::ready(Ok(answer)))
    }

    fn rows<'a, T: Clone + Send + 'a>(&self, ask: impl FnOnce(&State) -> Vec<T>) -> BoxFuture<'a, Result<Vec<T>>> {
        self.done(|state| ask(state))
    }
}

fn picked<'a, T: Clone + 'a>(rows: impl Iterator<Item = &'a T>, wanted: impl Fn(&T) -> bool) -> Vec<T> {
    rows.filter(|row| wanted(row)).cloned().collect()
}

fn alert_is_wanted(filter: &AlertFilter, row: &AlertRow) -> bool {
    row.tenant == filter.tenant
        && (filter.states.is_empty() || filter.states.contains(&row.state))
        && filter.condition.is_none_or(|condition| row.condition == condition)
        && filter.priority.is_none_or(|priority| row.priority == priority)
        && (filter.patient.is_none() || row.patient == filter.patient)
        && filter.rule.as_ref().is_none_or(|rule| &row.rule == rule)
        && filter.since.is_none_or(|since| row.opened_at >= since)
        && filter.before.is_none_or(|before| row.changed_at < before)
}

impl Store for MemoryStore {
    fn take_ownership(&self) -> BoxFuture<'_, Result<u64>> {
        self.done(|state| {
            state.epoch += 1;
            state.epoch
        })
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<()>> {
        let result = self.state().apply(commit);
        Box::pin(std::future::ready(result))
    }

    fn applied(&self, consumer: Consumer) -> BoxFuture<'_, Result<Option<Applied>>> {
        self.done(|state| state.applied.get(&consumer).copied())
    }

    fn blob(&self, kind: &'static str, key: String) -> BoxFuture<'_, Result<Option<Vec<u8>>>> {
        self.done(|state| state.blobs.get(&(kind, key)).cloned())
    }

    fn blobs(&self, kind: &'static str) -> BoxFuture<'_, Result<Vec<(String, Vec<u8>)>>> {
        self.rows(|state| {
            let of_kind = state.blobs.iter().filter(|((of, _), _)| *of == kind);
            of_kind.map(|((_, key), bytes)| (key.clone(), bytes.clone())).collect()
        })
    }

    fn flush_lake(&self, _all: bool) -> BoxFuture<'_, Result<LakeReport>> {
        self.done(|_| LakeReport::default())
    }

    fn lake_files(&self) -> BoxFuture<'_, Result<Vec<PathBuf>>> {
        self.done(|_| Vec::new())
    }

    fn lake_superseded(&self) -> BoxFuture<'_, Result<Vec<LakeSuperseded>>> {
        self.done(|_| Vec::new())
    }

    fn readings_view(&self) -> BoxFuture<'_, Result<ReadingsView>> {
        let hot = self.state().batch("readings");
        Box::pin(std::future::ready(hot.map(|hot| ReadingsView { hot: vec![hot], ..ReadingsView::default() })))
    }

    fn table_batches(&self, table: &'static str) -> BoxFuture<'_, Result<Vec<RecordBatch>>> {
        let batch = self.state().batch(table);
        Box::pin(std::future::ready(batch.map(|batch| vec![batch])))
    }

    fn kind(&self) -> &'static str {
        "memory"
    }

    fn alerts(&self, filter: AlertFilter) -> BoxFuture<'_, Result<Vec<AlertRow>>> {
        self.rows(|state| {
            let mut rows = picked(state.alerts.values(), |row| alert_is_wanted(&filter, row));
            rows.sort_by_key(|row| (std::cmp::Reverse(row.changed_at), row.alert_id));
            if filter.limit > 0 && rows.len() > filter.limit {
                let last = rows[filter.limit - 1].changed_at;
                rows.retain(|row| row.changed_at >= last);
            }
            rows
        })
    }

    fn alert(&self, tenant: TenantId, id: AlertId) -> BoxFuture<'_, Result<Option<AlertRow>>> {
        self.done(|state| state.alerts.get(&(tenant, id)).cloned())
    }

    fn alert_events(&self, tenant: TenantId, id: AlertId) -> BoxFuture<'_, Result<Vec<AlertEventRow>>> {
        self.rows(|state| picked(state.alert_events.values(), |row| row.tenant == tenant && row.alert_id == id))
    }

    fn alert_evidence(&self, tenant: TenantId, id: AlertId) -> BoxFuture<'_, Result<Vec<ReadingId>>> {
        self.rows(|state| {
            let of_alert = state.alert_evidence.iter().filter(|(of, alert, _)| (of, alert) == (&tenant, &id));
            of_alert.map(|(_, _, reading)| *reading).collect()
        })
    }

    fn notifications(&self, tenant: TenantId, id: Option<AlertId>) -> BoxFuture<'_, Result<Vec<NotificationRow>>> {
        self.rows(|state| {
            let wanted = |row: &NotificationRow| row.tenant == tenant && id.is_none_or(|id| row.alert_id == id);
            let mut rows = picked(state.notifications.values(), wanted);
            rows.sort_by_key(|row| (row.at, row.notification_id, row.attempt));
            rows
        })
    }

    fn series(
        &self,
        tenant: TenantId,
        patient: PatientId,
        measure: String,
        from: EventTime,
        to: EventTime,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<ReadingRow>>> {
        self.rows(|state| {
            let wanted = |row: &ReadingRow| {
                row.tenant == tenant
                    && row.patient.as_ref() == Some(&patient)
                    && row.measure == measure
                    && (from..to).contains(&row.time)
            };
            let mut rows = picked(state.readings.values(), wanted);
            rows.sort_by_key(|row| (row.time, row.reading_id));
            rows.truncate(limit);
            rows
        })
    }

    fn metrics(
        &self,
        tenant: TenantId,
        patient: Option<PatientId>,
        metric: Option<String>,
        from: EventTime,
        to: EventTime,
    ) -> BoxFuture<'_, Result<Vec<MetricRow>>> {
        self.rows(|state| {
            picked(state.metrics.values(), |row| {
                row.tenant == tenant
                    && patient.as_ref().is_none_or(|patient| &row.patient == patient)
                    && metric.as_ref().is_none_or(|metric| &row.metric == metric)
                    && (from..to).contains(&row.time)
            })
        })
    }

    fn patients(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<PatientRow>>> {
        self.rows(|state| {
            let mut rows = state.rosters.get(&tenant).map(|roster| roster.patients.clone()).unwrap_or_default();
            rows.sort_by(|a, b| a.patient.cmp(&b.patient));
            rows
        })
    }

    fn devices(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<DeviceRow>>> {
        self.rows(|state| {
            let mut rows = state.rosters.get(&tenant).map(|roster| roster.devices.clone()).unwrap_or_default();
            rows.sort_by(|a, b| a.device.cmp(&b.device));
            rows
        })
    }

    fn coverage(
        &self,
        tenant: TenantId,
        patient: Option<PatientId>,
        from: EventTime,
        to: EventTime,
    ) -> BoxFuture<'_, Result<Vec<CoverageRow>>> {
        self.rows(|state| {
            picked(state.coverage.values(), |row| {
                row.tenant == tenant
                    && patient.as_ref().is_none_or(|patient| &row.patient == patient)
                    && row.start < to
                    && row.end > from
            })
        })
    }

    fn episodes(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<EpisodeRow>>> {
        self.rows(|state| picked(state.episodes.values(), |row| row.tenant == tenant))
    }

    fn quarantine(&self, tenant: TenantId, id: Option<String>) -> BoxFuture<'_, Result<Vec<QuarantineRow>>> {
        self.rows(|state| {
            let wanted = |row: &QuarantineRow| row.tenant == tenant && id.as_ref().is_none_or(|id| &row.id == id);
            let mut rows = picked(state.quarantine.values(), wanted);
            rows.sort_by(|a, b| (a.received_at, &a.id).cmp(&(b.received_at, &b.id)));
            rows
        })
    }

    fn books(&self, tenant: TenantId) -> BoxFuture<'_, Result<Books>> {
        self.done(|state| {
            let mut books = Books::default();
            for row in state.batches.values().filter(|row| row.tenant == tenant) {
                books.stored += row.stored;
                books.duplicate += row.duplicate;
                books.conflict += row.conflict;
                books.quarantined += row.quarantined;
            }
            books.submitted = books.stored + books.duplicate + books.conflict + books.quarantined;
            books
        })
    }

    fn counts(&self, tenant: TenantId) -> BoxFuture<'_, Result<Counts>> {
        self.done(|state| state.counts(&tenant))
    }
}
