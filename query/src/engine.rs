//! One engine per process: its own threads, its own memory, one session per query.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::common::config::Dialect;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::physical_plan::{SendableRecordBatchStream, execute_stream};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use painwatch_domain::{Clock, TenantId};
use painwatch_store::Store;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::as_of::AsOf;
use crate::catalog::{CATALOG, CLINIC, catalogs};
use crate::error::{QueryError, is_moved_file};
use crate::interrupt::{Abandoned, Waiting, interruptible};
use crate::render::QueryResult;
use crate::snapshot::Snapshot;
use crate::{functions, guard, literals};

/// A flush may rewrite files while they are being read; the next listing names the new ones.
const ATTEMPTS: usize = 3;

/// Limits, and whose rows are seen.
#[derive(Clone)]
pub struct Options {
    pub tenant: TenantId,
    /// For all queries at a time together: tables read, operators and answers.
    pub memory_bytes: usize,
    /// What sorts, joins and aggregates may put aside on disk.
    pub spill_bytes: u64,
    /// From the call to the last row, waiting for a free place included.
    pub timeout: Duration,
    pub max_rows: usize,
    /// Queries at a time; further ones wait.
    pub concurrent: usize,
    pub threads: usize,
    /// What `now()` says; the operating system's clock when there is none.
    pub clock: Option<Arc<dyn Clock>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tenant: TenantId::default(),
            memory_bytes: 512 * 1024 * 1024,
            spill_bytes: 2 * 1024 * 1024 * 1024,
            timeout: Duration::from_secs(60),
            max_rows: 1_000_000,
            concurrent: 4,
            threads: 2,
            clock: None,
        }
    }
}

pub struct QueryEngine {
    inner: Arc<Inner>,
    threads: Threads,
}

struct Inner {
    store: Arc<dyn Store>,
    options: Options,
    base: SessionState,
    places: Arc<Semaphore>,
}

/// Queries must not hold up what else the process does, nor end it by nesting too deeply.
struct Threads(Option<Runtime>);

impl Threads {
    fn start(count: usize) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(count.max(1))
            .max_blocking_threads(16)
            .thread_stack_size(guard::STACK_BYTES)
            .thread_name("query")
            .enable_time()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    fn handle(&self) -> Option<&Handle> {
        self.0.as_ref().map(Runtime::handle)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Waiting for them is forbidden where asynchronous code drops the engine.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for QueryEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryEngine").field("store", &self.inner.store.kind()).finish_non_exhaustive()
    }
}

impl QueryEngine {
    /// # Errors
    /// [`QueryError::Failed`] when threads or the directory for spilling cannot be had.
    pub fn new(store: Arc<dyn Store>, options: Options) -> std::result::Result<Self, QueryError> {
        let failed = |error: &dyn std::fmt::Display| QueryError::Failed(error.to_string());
        let base = base_session(&options).map_err(|error| failed(&error))?;
        let threads = Threads::start(options.threads).map_err(|error| failed(&error))?;
        let places = Arc::new(Semaphore::new(options.concurrent.max(1)));
        Ok(Self { inner: Arc::new(Inner { store, options, base, places }), threads })
    }

    /// Answers one statement over the rows of the tenant named in the options.
    ///
    /// # Errors
    /// See [`QueryError`]. Dropping the future abandons the query.
    pub async fn sql(&self, text: &str) -> std::result::Result<QueryResult, QueryError> {
        let tenant = self.inner.options.tenant.clone();
        self.sql_for(tenant, text).await
    }

    /// The same over the rows of another tenant, under the same limits.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn sql_for(&self, tenant: TenantId, text: &str) -> std::result::Result<QueryResult, QueryError> {
        let started = Instant::now();
        let timeout = self.inner.options.timeout;
        let answer = tokio::time::timeout(timeout, self.run(tenant, text.to_owned()));
        let answer = answer.await.unwrap_or(Err(QueryError::Timeout(timeout)));
        let elapsed_ms = started.elapsed().as_millis() as u64;
        match &answer {
            Ok(result) => tracing::debug!(rows = result.rows(), elapsed_ms, "query answered"),
            Err(QueryError::Panicked) => tracing::error!(elapsed_ms, "query engine panicked"),
            Err(_) => tracing::debug!(elapsed_ms, "query not answered"),
        }
        answer
    }

    #[cfg(test)]
    pub(crate) fn functions(&self) -> Vec<String> {
        let mut names: Vec<_> = self.inner.base.scalar_functions().keys().cloned().collect();
        names.sort();
        names
    }

    #[cfg(test)]
    pub(crate) fn folds(&self) -> Vec<String> {
        let aggregates = self.inner.base.aggregate_functions().keys();
        let mut names: Vec<_> = aggregates.chain(self.inner.base.window_functions().keys()).cloned().collect();
        names.sort();
        names
    }

    async fn run(&self, tenant: TenantId, text: String) -> std::result::Result<QueryResult, QueryError> {
        let closing = || QueryError::Unavailable("the query engine is shutting down".into());
        let place = self.inner.places.clone().acquire_owned().await.map_err(|_| closing())?;
        let inner = self.inner.clone();
        let home = Handle::current();
        // Aborted when this future is dropped, which is what a timeout does.
        let mut task = JoinSet::new();
        let waiting = Waiting::default();
        let question = Question { tenant, text, home, abandoned: waiting.0.clone() };
        let work = async move {
            let _place = place;
            inner.answer(&question).await
        };
        task.spawn_on(work, self.threads.handle().ok_or_else(closing)?);
        match task.join_next().await {
            Some(Ok(answer)) => answer,
            Some(Err(error)) if error.is_panic() => Err(QueryError::Panicked),
            _ => Err(closing()),
        }
    }
}

/// One query on its way through the engine.
struct Question {
    tenant: TenantId,
    text: String,
    home: Handle,
    abandoned: Abandoned,
}

impl Inner {
    async fn answer(&self, question: &Question) -> std::result::Result<QueryResult, QueryError> {
        guard::check_text(&question.text)?;
        let mut attempt = 1;
        loop {
            match self.attempt(question).await {
                Err(Stopped::Below(error)) if attempt < ATTEMPTS && is_moved_file(&error) => attempt += 1,
                Err(Stopped::Below(error)) => return Err(QueryError::of(&error, self.options.memory_bytes)),
                Err(Stopped::Here(error)) => return Err(error),
                Ok(result) => return Ok(result),
            }
        }
    }

    async fn attempt(&self, question: &Question) -> std::result::Result<QueryResult, Stopped> {
        let session = self.session(question)?;
        let mut statement = session.sql_to_statement(&question.text, &Dialect::PostgreSQL)?;
        guard::check_statement(&statement)?;
        literals::with_seconds(&mut statement);
        let plan = session.statement_to_plan(statement).await?;
        guard::check_plan(&plan)?;
        let plan = session.create_physical_plan(&plan).await?;
        let plan = interruptible(plan, &question.abandoned)?;
        self.collect(execute_stream(plan, session.task_ctx())?).await
    }

    async fn collect(&self, mut stream: SendableRecordBatchStream) -> std::result::Result<QueryResult, Stopped> {
        let held = MemoryConsumer::new("answer").register(self.pool());
        let mut result = QueryResult { schema: stream.schema(), batches: Vec::new() };
        let mut rows = 0;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            rows += batch.num_rows();
            if rows > self.options.max_rows {
                return Err(QueryError::TooManyRows(self.options.max_rows).into());
            }
            held.try_grow(batch.get_array_memory_size())?;
            result.batches.push(batch);
        }
        Ok(result)
    }

    fn pool(&self) -> &Arc<dyn MemoryPool> {
        &self.base.runtime_env().memory_pool
    }

    fn session(&self, question: &Question) -> Result<SessionState> {
        let (tenant, home) = (question.tenant.clone(), question.home.clone());
        let snapshot = Arc::new(Snapshot::new(self.store.clone(), tenant, home, self.pool().clone()));
        let mut session = self.base.clone();
        session.register_catalog_list(catalogs(&snapshot)?);
        session.register_udtf("as_of", Arc::new(AsOf(snapshot)));
        session.mark_start_execution();
        if let Some(clock) = &self.options.clock {
            let now = Duration::from_millis(u64::try_from(clock.wall_ms()).unwrap_or_default());
            session.execution_props_mut().query_execution_start_time = Some((std::time::UNIX_EPOCH + now).into());
        }
        Ok(session)
    }
}

/// An error of the engine below is told apart from ours until it is known whether to try again.
enum Stopped {
    Here(QueryError),
    Below(DataFusionError),
}

impl From<QueryError> for Stopped {
    fn from(error: QueryError) -> Self {
        Self::Here(error)
    }
}

impl From<DataFusionError> for Stopped {
    fn from(error: DataFusionError) -> Self {
        Self::Below(error)
    }
}

fn base_session(options: &Options) -> Result<SessionState> {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, CLINIC)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true)
        .with_target_partitions(options.threads.max(1));
    let settings = config.options_mut();
    settings.sql_parser.dialect = Dialect::PostgreSQL;
    settings.execution.time_zone = Some("UTC".into());
    settings.execution.parquet.pushdown_filters = true;
    let builder = SessionStateBuilder::new().with_config(config).with_runtime_env(resources(options)?);
    let mut session = builder.with_default_features().build();
    for name in functions::WITHHELD {
        session.deregister_udf(name)?;
    }
    for function in functions::ours() {
        session.register_udf(Arc::new(function))?;
    }
    Ok(session)
}

fn resources(options: &Options) -> Result<Arc<RuntimeEnv>> {
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::OsTmpDirectory)
        .with_max_temp_directory_size(options.spill_bytes);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(options.memory_bytes)))
        .with_disk_manager_builder(disk)
        .build_arc()
}
