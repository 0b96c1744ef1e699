//! The store as plain maps: what the other engines are compared with, and what simulations run on. The lake stays empty:
//! every reading is hot.
//!
//! Never: a file, a database, a cleverness that the engines it judges also have.

mod state;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use painwatch_domain::{AlertId, EventTime, GatewayId, Offset, PatientId, ReadingId, TenantId};
use state::State;

use crate::records::LakeSuperseded;
use crate::rows::*;
use crate::{Applied, BoxFuture, Commit, Consumer, LakeReport, ReadingsView, Result, Store};

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

    fn commit<'a>(&'a self, commit: &'a Commit) -> BoxFuture<'a, Result<()>> {
        let result = self.state().apply(commit.clone());
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

    fn rules(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<RuleRow>>> {
        self.rows(|state| {
            let of_tenant = state.rules.values().filter(|row| row.tenant == tenant);
            let mut rows: Vec<RuleRow> = of_tenant.cloned().collect();
            rows.sort_by(|a, b| (&a.rule, a.known_from, &a.version).cmp(&(&b.rule, b.known_from, &b.version)));
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

    fn clocks(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<ClockRow>>> {
        self.rows(|state| picked(state.clocks.values(), |row| row.tenant == tenant))
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

    fn verdict(
        &self,
        tenant: TenantId,
        gateway: GatewayId,
        key: VerdictKey,
    ) -> BoxFuture<'_, Result<Option<VerdictRow>>> {
        self.done(|state| {
            let asked = |row: &&VerdictRow| match &key {
                VerdictKey::Batch(batch_id) => &row.batch_id == batch_id,
                VerdictKey::Cause(cause) => row.cause == *cause,
            };
            let own = |row: &&VerdictRow| row.tenant == tenant && row.gateway == gateway;
            state.verdicts.values().rfind(|row| own(row) && asked(row)).cloned()
        })
    }

    fn verdicts_after(
        &self,
        tenant: TenantId,
        gateway: GatewayId,
        cause: Offset,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<VerdictRow>>> {
        self.rows(|state| {
            let later = |row: &VerdictRow| row.tenant == tenant && row.gateway == gateway && row.cause > cause;
            let mut rows = picked(state.verdicts.values(), later);
            rows.truncate(if limit == 0 { rows.len() } else { limit });
            rows
        })
    }

    fn sequences(&self, tenant: TenantId, filter: SequenceFilter) -> BoxFuture<'_, Result<Vec<SequenceRow>>> {
        self.rows(|state| {
            let mut rows = picked(state.sequences.values(), |row| {
                row.tenant == tenant
                    && filter.device.as_ref().is_none_or(|device| &row.device == device)
                    && filter.gateway.as_ref().is_none_or(|gateway| &row.gateway == gateway)
                    && filter.after.as_ref().is_none_or(|after| &row.device > after)
            });
            rows.truncate(if filter.limit == 0 { rows.len() } else { filter.limit });
            rows
        })
    }

    fn ledger(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<LedgerRow>>> {
        self.rows(|state| picked(state.ledger.values(), |row| row.tenant == tenant))
    }

    fn counts(&self, tenant: TenantId) -> BoxFuture<'_, Result<Counts>> {
        self.done(|state| state.counts(&tenant))
    }
}
