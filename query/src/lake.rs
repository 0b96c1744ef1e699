//! The lake's part of `readings`. DataFusion's own table over files takes a file that is gone for an empty one, and a
//! shorter answer looks like an answer; here it is an error.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{Column, DataFusionError, JoinType, Result};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::object_store::ObjectStoreExt;
use datafusion::object_store::path::Path;
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt, TryStreamExt, stream};
use painwatch_store::{LakeSuperseded, ReadingsView, TableDef};

use crate::snapshot::{in_memory, scan};

/// What names a row of the lake among all its versions.
const VERSION: [&str; 4] = ["tenant_id", "reading_id", "measure", "known_from"];

/// Files looked up at a time.
const LOOKUPS: usize = 16;

/// Hot rows and the lake's files, without the rows of the files that newer versions have replaced.
pub fn readings(def: &TableDef, view: ReadingsView) -> Result<LogicalPlanBuilder> {
    let hot = LogicalPlanBuilder::from(in_memory(def.name, def.schema(), view.hot)?);
    if view.files.is_empty() {
        return Ok(hot);
    }
    let lake = scan(def.name, Arc::new(LakeFiles { schema: def.schema(), paths: view.files }))?;
    if view.superseded.is_empty() {
        return hot.union(lake);
    }
    let keys = |table: &str| VERSION.map(|column| Column::new(Some(table.to_owned()), column)).to_vec();
    // The left side is the one that a join keeps in memory: the few rows replaced, not the lake.
    let current = LogicalPlanBuilder::from(replaced(&view.superseded)?).join(
        lake,
        JoinType::RightAnti,
        (keys("superseded"), keys(def.name)),
        None,
    )?;
    hot.union(current.build()?)
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
#[derive(Debug)]
struct LakeFiles {
    schema: SchemaRef,
    paths: Vec<PathBuf>,
}

impl LakeFiles {
    async fn found(&self, state: &dyn Session) -> Result<Vec<PartitionedFile>> {
        let disk = state.runtime_env().object_store(ObjectStoreUrl::local_filesystem())?;
        let failed = |error| DataFusionError::ObjectStore(Box::new(error));
        let look_up = |path: PathBuf| {
            let disk = disk.clone();
            async move {
                let location = Path::from_absolute_path(&path).map_err(|error| failed(error.into()))?;
                disk.head(&location).await.map(PartitionedFile::from).map_err(failed)
            }
        };
        stream::iter(self.paths.clone()).map(look_up).buffered(LOOKUPS).try_collect().await
    }
}

#[async_trait]
impl TableProvider for LakeFiles {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Conditions stay above the scan at first; the optimizer of physical plans moves them into the files' reader.
    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let format = ParquetFormat::default().with_options(state.default_table_options().parquet);
        let source = format.file_source(TableSchema::builder(self.schema.clone()).build());
        let groups = FileGroup::new(self.found(state).await?).split_files(state.config().target_partitions());
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        format.create_physical_plan(state, config).await
    }
}
