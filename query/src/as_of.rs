//! `as_of('readings', offset)`: the rows that were current when the journal had been read up to that offset
//! (semantics 22).

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl};
use datafusion::common::{Result, ScalarValue, not_impl_err, plan_err};
use datafusion::datasource::{TableProvider, TableType};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, col, lit};
use datafusion::physical_plan::ExecutionPlan;
use painwatch_store::TableDef;

use crate::catalog::narrowed;
use crate::snapshot::{Snapshot, columns_of};

#[derive(Debug)]
pub struct AsOf(pub Arc<Snapshot>);

impl TableFunctionImpl for AsOf {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let [Expr::Literal(name, _), Expr::Literal(moment, _)] = args.exprs() else {
            return plan_err!("as_of takes a table's name and an offset, such as as_of('readings', 1200)");
        };
        let name = name.try_as_str().flatten().unwrap_or_default();
        let Some((current, history)) = tables(name) else {
            return plan_err!("as_of knows the tables readings and metrics, not '{name}'");
        };
        let offset = match moment {
            ScalarValue::Int64(Some(offset)) => *offset,
            ScalarValue::TimestampNanosecond(..)
            | ScalarValue::TimestampMicrosecond(..)
            | ScalarValue::TimestampMillisecond(..)
            | ScalarValue::TimestampSecond(..)
            | ScalarValue::Utf8(_)
            | ScalarValue::Utf8View(_) => {
                return not_impl_err!(
                    "as_of at a time is not available yet; give an offset, such as a known_from of the rows or a cause of batches"
                );
            }
            other => return plan_err!("as_of takes an offset, not {other}"),
        };
        Ok(Arc::new(Past { snapshot: self.0.clone(), current, history, offset }))
    }
}

fn tables(name: &str) -> Option<(&'static TableDef, &'static TableDef)> {
    let current = painwatch_store::table(name).ok()?;
    let history = painwatch_store::table(&format!("{name}_history")).ok()?;
    Some((current, history))
}

struct Past {
    snapshot: Arc<Snapshot>,
    current: &'static TableDef,
    history: &'static TableDef,
    offset: i64,
}

impl fmt::Debug for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Past").field("table", &self.current.name).field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl Past {
    async fn plan(&self) -> Result<LogicalPlan> {
        let known = || col("known_from").lt_eq(lit(self.offset));
        let still = self.snapshot.plan(self.current).await?;
        let replaced = self.snapshot.plan(self.history).await?;
        let replaced = LogicalPlanBuilder::from(replaced)
            .filter(known().and(col("known_to").gt(lit(self.offset))))?
            .project(columns_of(self.current))?
            .build()?;
        // Distinct: a row replaced between the two readings is met in both.
        LogicalPlanBuilder::from(still)
            .filter(known())?
            .project(columns_of(self.current))?
            .union_distinct(replaced)?
            .build()
    }
}

#[async_trait]
impl TableProvider for Past {
    fn schema(&self) -> SchemaRef {
        self.current.schema()
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
        narrowed(state, self.plan().await?, projection, filters, limit).await
    }
}
