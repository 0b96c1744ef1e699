//! What one query sees of the store: each table read once, of one tenant, as a plan to build on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Column, DataFusionError, JoinType, Result};
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::{MemTable, TableProvider, provider_as_source};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, col, lit};
use painwatch_domain::TenantId;
use painwatch_store::{LakeSuperseded, ReadingsView, Store, StoreError, TableDef};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

/// What names a row of the lake among all its versions.
const VERSION: [&str; 4] = ["tenant_id", "reading_id", "measure", "known_from"];

#[derive(Debug)]
pub struct Snapshot {
    store: Arc<dyn Store>,
    tenant: TenantId,
    /// Where the store's connections live: they must not depend on the engine's own threads.
    home: Handle,
    pool: Arc<dyn MemoryPool>,
    held: Mutex<Vec<MemoryReservation>>,
    plans: Vec<(&'static TableDef, OnceCell<LogicalPlan>)>,
}

impl Snapshot {
    pub fn new(store: Arc<dyn Store>, tenant: TenantId, home: Handle, pool: Arc<dyn MemoryPool>) -> Self {
        let plans = painwatch_store::tables().iter().map(|def| (*def, OnceCell::new())).collect();
        Self { store, tenant, home, pool, held: Mutex::default(), plans }
    }

    /// The tenant's rows of the table.
    pub async fn plan(&self, def: &'static TableDef) -> Result<LogicalPlan> {
        // A row on its way from a table to its history must be met at least once, so the table is read first.
        if let Some(current) = def.name.strip_suffix("_history") {
            self.read_once(current).await?;
        }
        self.read_once(def.name).await
    }

    async fn read_once(&self, name: &str) -> Result<LogicalPlan> {
        let known = self.plans.iter().find(|(def, _)| def.name == name);
        let (def, cell) = known.ok_or_else(|| DataFusionError::Plan(format!("there is no table {name}")))?;
        cell.get_or_try_init(|| self.read(def)).await.cloned()
    }

    async fn read(&self, def: &'static TableDef) -> Result<LogicalPlan> {
        let store = self.store.clone();
        if def.name == "readings" {
            let view = self.at_home(async move { store.readings_view().await }).await?;
            self.hold(def.name, &view.hot)?;
            return self.mine(def, readings(def, view)?);
        }
        let batches = self.at_home(async move { store.table_batches(def.name).await }).await?;
        self.hold(def.name, &batches)?;
        self.mine(def, LogicalPlanBuilder::from(in_memory(def.name, def.schema(), batches)?))
    }

    async fn at_home<T: Send + 'static>(
        &self,
        question: impl Future<Output = std::result::Result<T, StoreError>> + Send + 'static,
    ) -> Result<T> {
        let answer =
            self.home.spawn(question).await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?;
        answer.map_err(|error| DataFusionError::External(Box::new(error)))
    }

    /// Rows read count towards the memory limit for as long as the query lives.
    fn hold(&self, table: &str, batches: &[RecordBatch]) -> Result<()> {
        let reservation = MemoryConsumer::new(format!("table {table}")).register(&self.pool);
        reservation.try_grow(batches.iter().map(RecordBatch::get_array_memory_size).sum())?;
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(reservation);
        Ok(())
    }

    fn mine(&self, def: &TableDef, plan: LogicalPlanBuilder) -> Result<LogicalPlan> {
        let tenant = self.tenant.as_str();
        if def.name != "measures" {
            return plan.filter(col("tenant_id").eq(lit(tenant)))?.build();
        }
        // The catalogue of measures belongs to everyone; each tenant finds it under its own name.
        let own = |column: &str| if column == "tenant_id" { lit(tenant).alias(column) } else { col(column) };
        plan.project(def.columns.iter().map(|column| own(column.name)))?.build()
    }
}

fn in_memory(name: &str, schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<LogicalPlan> {
    scan(name, Arc::new(MemTable::try_new(schema, vec![batches])?))
}

fn scan(name: &str, provider: Arc<dyn TableProvider>) -> Result<LogicalPlan> {
    LogicalPlanBuilder::scan(name, provider_as_source(provider), None)?.build()
}

/// Hot rows and the lake's files, without the rows of the files that newer versions have replaced.
pub(crate) fn readings(def: &TableDef, view: ReadingsView) -> Result<LogicalPlanBuilder> {
    let hot = LogicalPlanBuilder::from(in_memory(def.name, def.schema(), view.hot)?);
    if view.files.is_empty() {
        return Ok(hot);
    }
    let mut lake = LogicalPlanBuilder::from(scan(def.name, files(def.schema(), &view.files)?)?);
    if !view.superseded.is_empty() {
        let keys = |table: &str| VERSION.map(|column| Column::new(Some(table.to_owned()), column)).to_vec();
        let replaced = replaced(&view.superseded)?;
        lake = lake.join(replaced, JoinType::LeftAnti, (keys(def.name), keys("superseded")), None)?;
    }
    hot.union(lake.build()?)
}

fn replaced(rows: &[LakeSuperseded]) -> Result<LogicalPlan> {
    let text = |name| Field::new(name, DataType::Utf8, false);
    let [tenant, reading, measure, known_from] = VERSION;
    let number = Field::new(known_from, DataType::Int64, false);
    let schema = Arc::new(Schema::new(vec![text(tenant), text(reading), text(measure), number]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.tenant.as_str()))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.reading_id.to_string()))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.measure.as_str()))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.known_from.0 as i64))),
    ];
    let batch = RecordBatch::try_new(schema.clone(), columns)?;
    in_memory("superseded", schema, vec![batch])
}

/// Exactly these files, never the directory: it also holds files of older and of unfinished snapshots.
fn files(schema: SchemaRef, paths: &[PathBuf]) -> Result<Arc<dyn TableProvider>> {
    let urls = paths.iter().map(|path| ListingTableUrl::parse(file_url(path))).collect::<Result<Vec<_>>>()?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension("");
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config)?))
}

/// As a bare path, a `*` in a directory's name would be taken for a pattern.
fn file_url(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let mut url = String::from("file://");
    for &byte in path.as_os_str().as_encoded_bytes() {
        match plain(byte) {
            true => url.push(char::from(byte)),
            false => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

/// The columns of `def`, out of a plan that may have more.
pub(crate) fn columns_of(def: &TableDef) -> Vec<Expr> {
    def.columns.iter().map(|column| col(column.name)).collect()
}
