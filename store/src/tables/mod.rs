//! The store over a database: SQLite in one file, or PostgreSQL. Commits go through `commit`, questions through `read`,
//! the lake's files and catalog through `crate::lake`.

mod commit;
mod migrate;
mod postgres;
mod read;
mod sql;
mod sqlite;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use commit::fence;
use fail::fail_point;
pub(crate) use migrate::integers;
use painwatch_domain::JournalTime;
pub(crate) use sql::{Arg, Conflict, Dialect, Engine, Tx, column_list};

use crate::codec::{Field, Kind};
use crate::lake::LakeDir;
use crate::schema::TableDef;
use crate::{Applied, Commit, Consumer, Result, Store};

/// Opens the store at `sqlite:PATH` or `postgres://…`, creates what is missing, and keeps the lake's files in `lake_dir`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`] when the database cannot be reached, [`crate::StoreError::Failed`] for a URL of another kind or a
/// schema of a newer program.
pub async fn open(url: &str, lake_dir: &Path) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(SqlStore::open(url, lake_dir).await?))
}

#[derive(Debug)]
pub(crate) struct SqlStore {
    pub engine: Engine,
    pub lake: LakeDir,
    /// The epoch this process took; 0 before it took any.
    epoch: AtomicU64,
    /// One flush at a time.
    pub flushing: tokio::sync::Mutex<()>,
}

impl SqlStore {
    pub async fn open(url: &str, lake_dir: &Path) -> Result<Self> {
        let engine = Engine::connect(url).await?;
        let lake = LakeDir::at(lake_dir)?;
        let mut tx = engine.write().await?;
        migrate::migrate(&mut tx).await?;
        lake.found(&mut tx).await?;
        tx.commit().await?;
        Ok(Self { engine, lake, epoch: AtomicU64::new(0), flushing: tokio::sync::Mutex::new(()) })
    }

    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    async fn own(&self) -> Result<u64> {
        let mut tx = self.engine.write().await?;
        // The update locks the row: whoever commits afterwards sees the new epoch.
        tx.execute("UPDATE meta SET value = value + 1 WHERE key = 'epoch'", &[]).await?;
        let epoch = migrate::meta(&mut tx, "epoch").await? as u64;
        // Files that no snapshot lists are of owners that can no longer commit.
        let listed = self.lake.listed_names(&mut tx).await?;
        tx.commit().await?;
        self.lake.sweep(&listed)?;
        self.epoch.store(epoch, Ordering::Release);
        Ok(epoch)
    }

    async fn commit_all(&self, commit: &Commit) -> Result<()> {
        let mut tx = self.engine.write().await?;
        commit::apply(&mut tx, &self.lake, commit).await?;
        fail_point!("store::before_commit", |_| Err(crate::StoreError::Unavailable("failpoint".into())));
        tx.commit().await?;
        fail_point!("store::after_commit", |_| Err(crate::StoreError::Unavailable("failpoint".into())));
        Ok(())
    }

    async fn applied_by(&self, consumer: Consumer) -> Result<Option<Applied>> {
        let mut tx = self.engine.read().await?;
        applied(&mut tx, consumer).await
    }
}

pub(crate) async fn applied(tx: &mut Tx, consumer: Consumer) -> Result<Option<Applied>> {
    let shape = TableDef::shape(&[("next_offset", Kind::Int), ("journal_time", Kind::Time)]);
    let sql = "SELECT next_offset, journal_time FROM applied WHERE consumer = $1";
    let batch = tx.fetch(&shape, sql, &[consumer.as_str().into()]).await?;
    if batch.num_rows() == 0 {
        return Ok(None);
    }
    let journal_time = JournalTime::get(batch.column(1), 0)?;
    Ok(Some(Applied { next: Field::get(batch.column(0), 0)?, journal_time }))
}
