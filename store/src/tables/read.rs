//! The questions of the trait, asked of a database.

use std::path::PathBuf;

use arrow::array::RecordBatch;
use painwatch_domain::{AlertId, EventTime, GatewayId, Offset, PatientId, ReadingId, TenantId};

use super::sql::{Arg, Dialect, Select, column_list};
use super::{SqlStore, integers};
use crate::codec::{Field, Kind};
use crate::lake;
use crate::records::{EvidenceRow, LakeSuperseded, table};
use crate::rows::*;
use crate::schema::{Of, Record, TableDef};
use crate::{Applied, BoxFuture, Commit, Consumer, LakeReport, ReadingsView, Result, Store};

impl SqlStore {
    async fn all<R: Record>(&self, query: Select) -> Result<Vec<R>> {
        self.engine.read().await?.select(query).await
    }

    async fn blob_of(&self, kind: &'static str, key: String) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT key, bytes FROM blobs WHERE kind = $1 AND key = $2";
        let found = self.blobs_by(sql, &[kind.into(), key.into()]).await?;
        Ok(found.into_iter().next().map(|(_, bytes)| bytes))
    }

    async fn blobs_by(&self, sql: &str, args: &[Arg]) -> Result<Vec<(String, Vec<u8>)>> {
        let shape = TableDef::shape(&[("key", Kind::Text), ("bytes", Kind::Bytes)]);
        let batch = self.engine.read().await?.fetch(&shape, sql, args).await?;
        let row = |row| Ok((Field::get(batch.column(0), row)?, Field::get(batch.column(1), row)?));
        (0..batch.num_rows()).map(row).collect()
    }

    async fn alerts_by(&self, filter: AlertFilter) -> Result<Vec<AlertRow>> {
        const NEWEST_FIRST: &str = "changed_at DESC, alert_id";
        let wanted = || {
            Select::of::<AlertRow>(&filter.tenant)
                .and_any("state", filter.states.iter().copied())
                .and_some("condition = ", filter.condition)
                .and_some("priority = ", filter.priority)
                .and_some("patient_id = ", filter.patient.as_ref())
                .and_some("rule_id = ", filter.rule.as_ref())
                .and_some("opened_at >= ", filter.since)
        };
        let page = wanted().and_some("changed_at < ", filter.before).order(NEWEST_FIRST).limit(filter.limit);
        let mut tx = self.engine.read().await?;
        let mut rows: Vec<AlertRow> = tx.select(page).await?;
        if let (true, Some(last)) = (filter.limit > 0 && rows.len() == filter.limit, rows.last()) {
            let same_record = wanted().and("changed_at = ", last.changed_at).and("alert_id > ", last.alert_id);
            let rest = tx.select::<AlertRow>(same_record.order(NEWEST_FIRST)).await?;
            rows.extend(rest);
        }
        Ok(rows)
    }

    async fn series_of(
        &self,
        tenant: TenantId,
        patient: PatientId,
        measure: String,
        from: EventTime,
        to: EventTime,
        limit: usize,
    ) -> Result<Vec<ReadingRow>> {
        let hot = Select::of::<ReadingRow>(&tenant)
            .and("patient_id = ", &patient)
            .and("measure = ", measure.clone())
            .and("time >= ", from)
            .and("time < ", to)
            .order("time, reading_id")
            .limit(limit.max(1));
        let mut tx = self.engine.read().await?;
        let mut rows: Vec<ReadingRow> = tx.select(hot).await?;
        let files = self.lake.current_files(&mut tx).await?;
        let superseded = lake::superseded(&mut tx).await?;
        drop(tx);
        let wanted = lake::Wanted { tenant, patient, measure, from, to };
        rows.extend(lake::series(files, wanted, superseded).await?);
        rows.sort_by_key(|row| (row.time, row.reading_id));
        rows.truncate(limit);
        Ok(rows)
    }

    async fn view(&self) -> Result<ReadingsView> {
        let mut tx = self.engine.read().await?;
        let hot = tx.fetch(ReadingRow::table(), everything(ReadingRow::table()), &[]).await?;
        let files = self.lake.current_files(&mut tx).await?;
        let superseded = lake::superseded(&mut tx).await?;
        Ok(ReadingsView { hot: vec![hot], files: files.into_iter().map(|file| file.path).collect(), superseded })
    }

    async fn batches_of(&self, name: &'static str) -> Result<Vec<RecordBatch>> {
        let def = table(name)?;
        Ok(vec![self.engine.read().await?.fetch(def, everything(def), &[]).await?])
    }

    async fn books_of(&self, tenant: TenantId) -> Result<Books> {
        let sql = "SELECT CAST(COALESCE(SUM(stored), 0) AS BIGINT), CAST(COALESCE(SUM(duplicate), 0) AS BIGINT),
                          CAST(COALESCE(SUM(conflict), 0) AS BIGINT), CAST(COALESCE(SUM(quarantined), 0) AS BIGINT)
                   FROM batches WHERE tenant_id = $1";
        let sums = integers(&mut self.engine.read().await?, sql, &[(&tenant).into()], 4).await?;
        let sum = |index: usize| sums.first().and_then(|row| row[index]).unwrap_or(0) as u64;
        let (stored, duplicate, conflict, quarantined) = (sum(0), sum(1), sum(2), sum(3));
        Ok(Books { submitted: stored + duplicate + conflict + quarantined, stored, duplicate, conflict, quarantined })
    }

    async fn counts_of(&self, tenant: TenantId) -> Result<Counts> {
        let mut tx = self.engine.read().await?;
        let shape = TableDef::shape(&[("reading_id", Kind::Text), ("measure", Kind::Text)]);
        let sql = "SELECT reading_id, measure FROM readings WHERE tenant_id = $1";
        let hot = tx.fetch(&shape, sql, &[(&tenant).into()]).await?;
        let sql = "SELECT CAST(SUM(CASE WHEN moved = 'conflict' THEN 0 ELSE 1 END) AS BIGINT),
                          CAST(SUM(CASE WHEN moved = 'conflict' THEN 1 ELSE 0 END) AS BIGINT)
                   FROM readings_history WHERE tenant_id = $1 AND measure <> $2";
        let past = integers(&mut tx, sql, &[(&tenant).into(), SECOND_ROW_OF_A_PANEL.into()], 2).await?;
        let sql = "SELECT CAST(SUM(readings) AS BIGINT) FROM quarantine WHERE tenant_id = $1";
        let quarantined = integers(&mut tx, sql, &[(&tenant).into()], 1).await?;
        let files = self.lake.current_files(&mut tx).await?;
        let superseded = lake::superseded(&mut tx).await?;
        drop(tx);
        let current = lake::count_current(hot, files, tenant, superseded).await?;
        let at = |rows: &[Vec<Option<i64>>], index: usize| rows.first().and_then(|row| row[index]).unwrap_or(0) as u64;
        Ok(Counts {
            identities: current.identities,
            versions: current.versions + at(&past, 0),
            conflicts: at(&past, 1),
            quarantined: at(&quarantined, 0),
        })
    }

    async fn roster_part<T>(&self, query: Select) -> Result<Vec<T>>
    where
        Of<T>: Record,
    {
        Ok(self.all::<Of<T>>(query).await?.into_iter().map(|of| of.row).collect())
    }
}

fn everything(def: &TableDef) -> String {
    format!("SELECT {} FROM {}", column_list(def), def.name)
}

impl Store for SqlStore {
    fn take_ownership(&self) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.own())
    }

    fn commit<'a>(&'a self, commit: &'a Commit) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.commit_all(commit))
    }

    fn applied(&self, consumer: Consumer) -> BoxFuture<'_, Result<Option<Applied>>> {
        Box::pin(self.applied_by(consumer))
    }

    fn blob(&self, kind: &'static str, key: String) -> BoxFuture<'_, Result<Option<Vec<u8>>>> {
        Box::pin(self.blob_of(kind, key))
    }

    fn blobs(&self, kind: &'static str) -> BoxFuture<'_, Result<Vec<(String, Vec<u8>)>>> {
        Box::pin(async move {
            self.blobs_by("SELECT key, bytes FROM blobs WHERE kind = $1 ORDER BY key", &[kind.into()]).await
        })
    }

    fn flush_lake(&self, all: bool) -> BoxFuture<'_, Result<LakeReport>> {
        Box::pin(lake::flush(self, all))
    }

    fn lake_files(&self) -> BoxFuture<'_, Result<Vec<PathBuf>>> {
        Box::pin(async move {
            let files = self.lake.current_files(&mut self.engine.read().await?).await?;
            Ok(files.into_iter().map(|file| file.path).collect())
        })
    }

    fn lake_superseded(&self) -> BoxFuture<'_, Result<Vec<LakeSuperseded>>> {
        Box::pin(async move { lake::superseded(&mut self.engine.read().await?).await })
    }

    fn readings_view(&self) -> BoxFuture<'_, Result<ReadingsView>> {
        Box::pin(self.view())
    }

    fn table_batches(&self, table: &'static str) -> BoxFuture<'_, Result<Vec<RecordBatch>>> {
        Box::pin(self.batches_of(table))
    }

    fn kind(&self) -> &'static str {
        match self.engine.dialect() {
            Dialect::Sqlite => "sqlite",
            Dialect::Postgres => "postgres",
        }
    }

    fn alerts(&self, filter: AlertFilter) -> BoxFuture<'_, Result<Vec<AlertRow>>> {
        Box::pin(self.alerts_by(filter))
    }

    fn alert(&self, tenant: TenantId, id: AlertId) -> BoxFuture<'_, Result<Option<AlertRow>>> {
        Box::pin(async move { Ok(self.all(Select::of::<AlertRow>(&tenant).and("alert_id = ", id)).await?.pop()) })
    }

    fn alert_events(&self, tenant: TenantId, id: AlertId) -> BoxFuture<'_, Result<Vec<AlertEventRow>>> {
        Box::pin(self.all(Select::of::<AlertEventRow>(&tenant).and("alert_id = ", id).order("seq")))
    }

    fn alert_evidence(&self, tenant: TenantId, id: AlertId) -> BoxFuture<'_, Result<Vec<ReadingId>>> {
        Box::pin(async move {
            let query = Select::of::<EvidenceRow>(&tenant).and("alert_id = ", id).order("reading_id");
            Ok(self.all::<EvidenceRow>(query).await?.into_iter().map(|row| row.reading_id).collect())
        })
    }

    fn notifications(&self, tenant: TenantId, id: Option<AlertId>) -> BoxFuture<'_, Result<Vec<NotificationRow>>> {
        let query = Select::of::<NotificationRow>(&tenant).and_some("alert_id = ", id);
        Box::pin(self.all(query.order("at, notification_id, attempt")))
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
        Box::pin(self.series_of(tenant, patient, measure, from, to, limit))
    }

    fn metrics(
        &self,
        tenant: TenantId,
        patient: Option<PatientId>,
        metric: Option<String>,
        from: EventTime,
        to: EventTime,
    ) -> BoxFuture<'_, Result<Vec<MetricRow>>> {
        let query = Select::of::<MetricRow>(&tenant)
            .and_some("patient_id = ", patient.as_ref())
            .and_some("metric = ", metric)
            .and("time >= ", from)
            .and("time < ", to);
        Box::pin(self.all(query.order("patient_id, metric, time")))
    }

    fn patients(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<PatientRow>>> {
        Box::pin(self.roster_part(Select::of::<Of<PatientRow>>(&tenant).order("patient_id")))
    }

    fn devices(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<DeviceRow>>> {
        Box::pin(self.roster_part(Select::of::<Of<DeviceRow>>(&tenant).order("device_id")))
    }

    fn rules(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<RuleRow>>> {
        Box::pin(self.all(Select::of::<RuleRow>(&tenant).order("rule_id, known_from, version")))
    }

    fn coverage(
        &self,
        tenant: TenantId,
        patient: Option<PatientId>,
        from: EventTime,
        to: EventTime,
    ) -> BoxFuture<'_, Result<Vec<CoverageRow>>> {
        let query = Select::of::<CoverageRow>(&tenant)
            .and_some("patient_id = ", patient.as_ref())
            .and("start_time < ", to)
            .and("end_time > ", from);
        Box::pin(self.all(query.order("patient_id, rule_id, start_time")))
    }

    fn episodes(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<EpisodeRow>>> {
        Box::pin(self.all(Select::of::<EpisodeRow>(&tenant).order("patient_id, rule_id, start_time")))
    }

    fn quarantine(&self, tenant: TenantId, id: Option<String>) -> BoxFuture<'_, Result<Vec<QuarantineRow>>> {
        Box::pin(self.all(Select::of::<QuarantineRow>(&tenant).and_some("id = ", id).order("received_at, id")))
    }

    fn clocks(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<ClockRow>>> {
        Box::pin(self.all(Select::of::<ClockRow>(&tenant).order("kind, subject")))
    }

    fn verdict(
        &self,
        tenant: TenantId,
        gateway: GatewayId,
        key: VerdictKey,
    ) -> BoxFuture<'_, Result<Option<VerdictRow>>> {
        let query = Select::of::<VerdictRow>(&tenant).and("gateway_id = ", &gateway);
        let query = match key {
            VerdictKey::Batch(batch_id) => query.and("batch_id = ", batch_id),
            VerdictKey::Cause(cause) => query.and("cause = ", cause),
        };
        Box::pin(async move { Ok(self.all(query.order("cause DESC").limit(1)).await?.pop()) })
    }

    fn verdicts_after(
        &self,
        tenant: TenantId,
        gateway: GatewayId,
        cause: Offset,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<VerdictRow>>> {
        let query = Select::of::<VerdictRow>(&tenant).and("gateway_id = ", &gateway).and("cause > ", cause);
        Box::pin(self.all(query.order("cause").limit(limit)))
    }

    fn sequences(&self, tenant: TenantId, filter: SequenceFilter) -> BoxFuture<'_, Result<Vec<SequenceRow>>> {
        let query = Select::of::<SequenceRow>(&tenant)
            .and_some("device_id = ", filter.device.as_ref())
            .and_some("gateway_id = ", filter.gateway.as_ref())
            .and_some("device_id > ", filter.after.as_ref());
        Box::pin(self.all(query.order("device_id, boot_id").limit(filter.limit)))
    }

    fn ledger(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<LedgerRow>>> {
        Box::pin(self.all(Select::of::<LedgerRow>(&tenant).order("day, gateway_id, reason")))
    }

    fn books(&self, tenant: TenantId) -> BoxFuture<'_, Result<Books>> {
        Box::pin(self.books_of(tenant))
    }

    fn counts(&self, tenant: TenantId) -> BoxFuture<'_, Result<Counts>> {
        Box::pin(self.counts_of(tenant))
    }
}
