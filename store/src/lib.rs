//! Where the series end up: tables (SQLite embedded, PostgreSQL scaled) and the lake beside them, behind one trait.
//!
//! Never: a decision about a reading or an alert; a row that is visible without the offset that caused it.

mod canonical;
mod codec;
mod lake;
mod memory;
mod records;
pub mod rows;
mod schema;
mod tables;

use std::path::PathBuf;

use arrow::array::RecordBatch;
use painwatch_domain::{AlertId, EventTime, GatewayId, JournalTime, Offset, PatientId, ReadingId, TenantId};

pub use canonical::{canonical_hash, canonical_hash_without};
pub use codec::Kind;
pub use lake::{LakeFileState, check_lake_file};
pub use memory::MemoryStore;
pub use records::{LakeSuperseded, table, tables};
pub use rows::*;
pub use schema::{Column, TableDef};
pub use tables::open;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another owner has taken over (semantics 23): this process must stop writing.
    #[error("the store belongs to epoch {current}, not to ours ({ours})")]
    Fenced { ours: u64, current: u64 },
    /// Worth trying again with back-off: the database is away, locked or restarting.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// Not worth trying again: a defect, a corrupt file, a schema of another version.
    #[error("store failed: {0}")]
    Failed(String),
}

pub type Result<T> = std::result::Result<T, StoreError>;
type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who advances through the journal and remembers how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consumer {
    Processor,
    Alerts,
}

impl Consumer {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Alerts => "alerts",
        }
    }
}

/// How far a consumer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Everything below is in the tables.
    pub next: Offset,
    pub journal_time: JournalTime,
}

/// One transaction: rows, blobs and the consumer's new position, all or nothing.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    pub epoch: u64,
    pub applied: Option<(Consumer, Applied)>,
    pub rows: Rows,
    /// Snapshots and other opaque state.
    pub blobs: Vec<Blob>,
}

/// Opaque bytes under a name; `None` removes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    pub kind: &'static str,
    pub key: String,
    pub bytes: Option<Vec<u8>>,
}

/// Key and bytes of a stored blob.
pub type NamedBytes = (String, Vec<u8>);

/// What moving rows to the lake did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LakeReport {
    pub files: u64,
    pub rows: u64,
    pub bytes: u64,
}

/// The current readings as one moment saw them: a file's rows are never also among the hot ones.
#[derive(Debug, Default)]
pub struct ReadingsView {
    pub hot: Vec<RecordBatch>,
    /// Absolute paths of the lake's files.
    pub files: Vec<PathBuf>,
    /// Rows of those files that newer versions have replaced: to be left out by (reading_id, measure, known_from).
    pub superseded: Vec<LakeSuperseded>,
}

/// One suite (`store/tests`) holds for every implementation: memory, SQLite, PostgreSQL.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Takes ownership: a greater epoch than any before, fencing older owners.
    fn take_ownership(&self) -> BoxFuture<'_, Result<u64>>;

    /// Rows, blobs and position in one transaction.
    fn commit<'a>(&'a self, commit: &'a Commit) -> BoxFuture<'a, Result<()>>;

    fn applied(&self, consumer: Consumer) -> BoxFuture<'_, Result<Option<Applied>>>;

    fn blob(&self, kind: &'static str, key: String) -> BoxFuture<'_, Result<Option<Vec<u8>>>>;

    /// All blobs of a kind, ordered by key.
    fn blobs(&self, kind: &'static str) -> BoxFuture<'_, Result<Vec<NamedBytes>>>;

    /// Moves current readings out of the hot table into Parquet files under the catalog, in one transaction with the
    /// catalog's rows; rewrites files that hold superseded rows. `all` moves everything, otherwise what the policy says.
    fn flush_lake(&self, all: bool) -> BoxFuture<'_, Result<LakeReport>>;

    /// Files of the newest lake snapshot, absolute, for engines that read Parquet themselves.
    fn lake_files(&self) -> BoxFuture<'_, Result<Vec<PathBuf>>>;
    /// Rows of those files that newer versions have replaced since; a flush takes them out.
    fn lake_superseded(&self) -> BoxFuture<'_, Result<Vec<LakeSuperseded>>>;
    /// Hot rows, files and replaced rows, all of one moment.
    fn readings_view(&self) -> BoxFuture<'_, Result<ReadingsView>>;
    /// The current rows of one of [`tables`]; of `readings` the hot ones only.
    fn table_batches(&self, table: &'static str) -> BoxFuture<'_, Result<Vec<RecordBatch>>>;
    /// `memory`, `sqlite` or `postgres`.
    fn kind(&self) -> &'static str;

    /// Newest change first. A page is never cut between alerts that one record changed, so it may exceed `limit`; a
    /// `limit` of 0 is none.
    fn alerts(&self, filter: AlertFilter) -> BoxFuture<'_, Result<Vec<AlertRow>>>;
    fn alert(&self, tenant: TenantId, id: AlertId) -> BoxFuture<'_, Result<Option<AlertRow>>>;
    fn alert_events(&self, tenant: TenantId, id: AlertId) -> BoxFuture<'_, Result<Vec<AlertEventRow>>>;
    fn alert_evidence(&self, tenant: TenantId, id: AlertId) -> BoxFuture<'_, Result<Vec<ReadingId>>>;
    fn notifications(&self, tenant: TenantId, id: Option<AlertId>) -> BoxFuture<'_, Result<Vec<NotificationRow>>>;
    /// Current readings of one patient and measure in `[from, to)`, by time; hot rows and lake together.
    fn series(
        &self,
        tenant: TenantId,
        patient: PatientId,
        measure: String,
        from: EventTime,
        to: EventTime,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<ReadingRow>>>;
    /// Metrics with `time` in `[from, to)`, by patient, metric and time.
    fn metrics(
        &self,
        tenant: TenantId,
        patient: Option<PatientId>,
        metric: Option<String>,
        from: EventTime,
        to: EventTime,
    ) -> BoxFuture<'_, Result<Vec<MetricRow>>>;
    fn patients(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<PatientRow>>>;
    fn devices(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<DeviceRow>>>;
    /// Every version of every rule that was in force, for anybody: by rule, then as they came.
    fn rules(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<RuleRow>>>;
    /// Intervals that touch `[from, to)`, by patient, rule and start.
    fn coverage(
        &self,
        tenant: TenantId,
        patient: Option<PatientId>,
        from: EventTime,
        to: EventTime,
    ) -> BoxFuture<'_, Result<Vec<CoverageRow>>>;
    fn episodes(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<EpisodeRow>>>;
    fn quarantine(&self, tenant: TenantId, id: Option<String>) -> BoxFuture<'_, Result<Vec<QuarantineRow>>>;
    /// By kind and subject.
    fn clocks(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<ClockRow>>>;
    /// The verdict that a gateway asks for: its own, as long as it is kept.
    fn verdict(
        &self,
        tenant: TenantId,
        gateway: GatewayId,
        key: VerdictKey,
    ) -> BoxFuture<'_, Result<Option<VerdictRow>>>;
    /// A gateway's verdicts on submissions after `cause`, by cause.
    fn verdicts_after(
        &self,
        tenant: TenantId,
        gateway: GatewayId,
        cause: Offset,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<VerdictRow>>>;
    /// Which sequence numbers arrived, by device and boot.
    fn sequences(&self, tenant: TenantId, filter: SequenceFilter) -> BoxFuture<'_, Result<Vec<SequenceRow>>>;
    /// By day, gateway and reason.
    fn ledger(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<LedgerRow>>>;
    fn books(&self, tenant: TenantId) -> BoxFuture<'_, Result<Books>>;
    /// Counted from the rows, not from the books.
    fn counts(&self, tenant: TenantId) -> BoxFuture<'_, Result<Counts>>;
}
