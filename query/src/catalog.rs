//! Names: catalog `painwatch`, schema `clinic` with the store's tables, schema `research` that is still to come.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, SchemaProvider, Session,
};
use datafusion::common::{Column, Result, plan_err};
use datafusion::datasource::{TableProvider, TableType};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use painwatch_store::TableDef;

use crate::snapshot::Snapshot;

pub const CATALOG: &str = "painwatch";
pub const CLINIC: &str = "clinic";
pub const RESEARCH: &str = "research";

pub fn catalogs(snapshot: &Arc<Snapshot>) -> Result<Arc<dyn CatalogProviderList>> {
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(CLINIC, Arc::new(Clinic(snapshot.clone())))?;
    catalog.register_schema(RESEARCH, Arc::new(Research))?;
    let list = MemoryCatalogProviderList::new();
    list.register_catalog(CATALOG.into(), Arc::new(catalog));
    Ok(Arc::new(list))
}

#[derive(Debug)]
struct Clinic(Arc<Snapshot>);

#[async_trait]
impl SchemaProvider for Clinic {
    fn table_names(&self) -> Vec<String> {
        painwatch_store::tables().iter().map(|def| def.name.into()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let table = |def| Arc::new(StoreTable { def, snapshot: self.0.clone() }) as Arc<dyn TableProvider>;
        Ok(painwatch_store::table(name).ok().map(table))
    }

    fn table_exist(&self, name: &str) -> bool {
        painwatch_store::table(name).is_ok()
    }
}

#[derive(Debug)]
struct Research;

#[async_trait]
impl SchemaProvider for Research {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    async fn table(&self, _: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        plan_err!("schema {RESEARCH} (pseudonyms, consented patients, shifted dates) is not available yet")
    }

    fn table_exist(&self, _: &str) -> bool {
        false
    }
}

/// Named and typed at once, read only when a plan needs its rows.
struct StoreTable {
    def: &'static TableDef,
    snapshot: Arc<Snapshot>,
}

impl fmt::Debug for StoreTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreTable").field("name", &self.def.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for StoreTable {
    fn schema(&self) -> SchemaRef {
        self.def.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Exact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.snapshot.plan(self.def).await?;
        narrowed(state, plan, projection, filters, limit).await
    }
}

/// The physical form of `plan` with what the query asks of it pushed inside, down to the Parquet files.
pub(crate) async fn narrowed(
    state: &dyn Session,
    plan: LogicalPlan,
    projection: Option<&Vec<usize>>,
    filters: &[Expr],
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = plan.schema().clone();
    let mut plan = LogicalPlanBuilder::from(plan);
    if let Some(filter) = filters.iter().cloned().reduce(Expr::and) {
        plan = plan.filter(filter)?;
    }
    if let Some(wanted) = projection {
        plan = plan.project(wanted.iter().map(|&at| Expr::Column(Column::from(schema.qualified_field(at)))))?;
    }
    if limit.is_some() {
        plan = plan.limit(0, limit)?;
    }
    state.create_physical_plan(&plan.build()?).await
}
