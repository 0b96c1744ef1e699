//! What one query sees of the store: each table read once, of one tenant, as a plan to build on.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::{MemTable, TableProvider, provider_as_source};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, col, lit};
use painwatch_domain::TenantId;
use painwatch_store::{Store, StoreError, TableDef};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use crate::lake;

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
            return self.mine(def, lake::readings(def, view)?);
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

pub(crate) fn in_memory(name: &str, schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<LogicalPlan> {
    scan(name, Arc::new(MemTable::try_new(schema, vec![batches])?))
}

pub(crate) fn scan(name: &str, provider: Arc<dyn TableProvider>) -> Result<LogicalPlan> {
    LogicalPlanBuilder::scan(name, provider_as_source(provider), None)?.build()
}

/// The columns of `def`, out of a plan that may have more.
pub(crate) fn columns_of(def: &TableDef) -> Vec<Expr> {
    def.columns.iter().map(|column| col(column.name)).collect()
}
