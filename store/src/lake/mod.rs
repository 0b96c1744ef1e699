//! The lake: current readings that have left the hot table, as Parquet files under a DuckLake catalog that lives in the
//! same database, so that files appear and hot rows go in one transaction.
//!
//! Never: a change to a written file; a file that readers see before the transaction that lists it.

mod catalog;
mod flush;
mod layout;
mod scan;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
pub(crate) use catalog::{LakeFile, superseded};
pub(crate) use flush::flush;
pub use layout::{LakeFileState, check_lake_file};
use painwatch_domain::{EventTime, PatientId, ReadingId, TenantId};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;

use crate::records::LakeSuperseded;
use crate::rows::ReadingRow;
use crate::schema::{Record, defect, to_batch};
use crate::tables::{Conflict, Tx};
use crate::{Result, StoreError};

/// Where the catalog's paths put the files of schema `main`, table `readings`.
const TABLE_PATH: &str = "main/readings";
/// Footers kept in memory: one a file, some tens of kilobytes each.
const FOOTERS_MAX: usize = 512;

/// The directory of the lake, and the footers of the files read so far.
#[derive(Debug)]
pub(crate) struct LakeDir {
    root: PathBuf,
    footers: Footers,
}

/// Files never change once written, so neither do their footers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Footers(Arc<Mutex<HashMap<PathBuf, ArrowReaderMetadata>>>);

impl Footers {
    fn get(&self, path: &Path) -> Option<ArrowReaderMetadata> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    fn put(&self, path: &Path, footer: ArrowReaderMetadata) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= FOOTERS_MAX {
            kept.clear();
        }
        kept.insert(path.into(), footer);
    }
}

/// Which readings a series is made of.
pub(crate) struct Wanted {
    pub tenant: TenantId,
    pub patient: PatientId,
    pub measure: String,
    pub from: EventTime,
    pub to: EventTime,
}

/// Current readings, counted.
pub(crate) struct Current {
    pub identities: u64,
    pub versions: u64,
}

pub(crate) type ReadingKey = (TenantId, ReadingId, String);

impl LakeDir {
    pub fn at(root: &Path) -> Result<Self> {
        let lake = |error| StoreError::Failed(format!("lake directory: {error}"));
        std::fs::create_dir_all(root.join(TABLE_PATH)).map_err(lake)?;
        let root = root.canonicalize().map_err(lake)?;
        Ok(Self { root, footers: Footers::default() })
    }

    fn table(&self) -> PathBuf {
        self.root.join(TABLE_PATH)
    }

    /// Removes what no snapshot lists: files of a flush that never committed. Only the newest owner may.
    pub fn sweep(&self, listed: &[String]) -> Result<()> {
        let lake = |error| StoreError::Failed(format!("lake directory: {error}"));
        for entry in std::fs::read_dir(self.table()).map_err(lake)? {
            let entry = entry.map_err(lake)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !listed.contains(&name) && layout::is_ours(&name) {
                std::fs::remove_file(entry.path()).map_err(lake)?;
                tracing::info!(file = name, "removed a lake file that no snapshot lists");
            }
        }
        Ok(())
    }

    /// Takes the current rows of `keys` out of the lake: they are hidden from now on and rewritten away at the next flush.
    pub async fn retire(&self, tx: &mut Tx, keys: Vec<ReadingKey>) -> Result<Vec<ReadingRow>> {
        let files = self.current_files(tx).await?;
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let hidden = scan::Hidden::of(superseded(tx).await?);
        let found = blocking(move || scan::find(&files, &keys, &hidden)).await?;
        let mark = |(row, data_file): &(ReadingRow, i64)| LakeSuperseded {
            tenant: row.tenant.clone(),
            reading_id: row.reading_id,
            measure: row.measure.clone(),
            known_from: row.known_from,
            data_file: *data_file,
        };
        let marks: Vec<LakeSuperseded> = found.iter().map(mark).collect();
        tx.insert(LakeSuperseded::table(), &to_batch(&marks)?, Conflict::Fail).await?;
        Ok(found.into_iter().map(|(row, _)| row).collect())
    }
}

/// The rows of a series that are in the lake, in any order.
pub(crate) async fn series(
    files: Vec<LakeFile>,
    wanted: Wanted,
    superseded: Vec<LakeSuperseded>,
) -> Result<Vec<ReadingRow>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let hidden = scan::Hidden::of(superseded);
    blocking(move || scan::series(&files, &wanted, &hidden)).await
}

/// Counts the readings of one tenant in `hot` (columns reading_id, measure) and in the lake.
pub(crate) async fn count_current(
    hot: RecordBatch,
    files: Vec<LakeFile>,
    tenant: TenantId,
    superseded: Vec<LakeSuperseded>,
) -> Result<Current> {
    let hidden = scan::Hidden::of(superseded);
    blocking(move || scan::count(&hot, &files, &tenant, &hidden)).await
}

/// Reading and writing files takes its time: not on the threads that answer.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(defect)?
}
