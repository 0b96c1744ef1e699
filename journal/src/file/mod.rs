//! The journal of one machine: segmented files, one writer, group commit.
//!
//! # Constraints
//! - An answer `Durable` follows the fdatasync (semantics 3, 18; promise 1). Readers see durable records only.
//! - The first failed write or sync is fatal and never retried: a kernel may report success over lost bytes. The requests
//!   in flight are answered `Unknown`, all later ones `Refused(Closed)`, and [`FileJournal::wait_failed`] returns.
//! - A torn write at the end is removed at open and logged; it never reaches an acknowledged record. Damage before the end
//!   is an error naming file and byte. Nothing is repaired in silence.
//! - One process at a time: an exclusive lock on the directory.
//! - Not to be copied while it runs, unless `mark` is copied first: a mark newer than the segments reads as loss.
//!
//! # Format, version 1
//! All numbers are little-endian. A directory holds segments named by their first offset in 20 digits (`….seg`), `mark`,
//! `lock`, and at times `spare`, the next segment being made ready. A segment is zero-filled and synced before it gets its
//! name, so that a sync of records changes no metadata and a full disk is met before a record needs the room.
//!
//! Segment header, 64 bytes:
//!
//! | byte | what |
//! |---|---|
//! | 0 | magic `pwjrnl\r\n` |
//! | 8 | u32 format 1 |
//! | 12 | u32 CRC32C of the other bytes of the header |
//! | 16 | u64 offset of the first record |
//! | 24 | u64 first offset of the segment before, all ones in the first: a missing segment breaks the link |
//! | 32 | i64 journal time of the record before |
//! | 40 | u32 chain: CRC of the record before |
//! | 44 | zeros |
//!
//! Record, starting at a multiple of 8 (header of semantics 17):
//!
//! | byte | what |
//! |---|---|
//! | 0 | u32 length without padding; 0 where nothing was written |
//! | 4 | u32 CRC32C of all other bytes, padding included |
//! | 8 | u32 chain: CRC of the record before, so that nothing in the middle can be missing, zeroed or swapped |
//! | 12 | u8 format 1, u8 class, u8 length of the tenant, u8 zero |
//! | 16 | u64 offset |
//! | 24 | i64 journal time, ms |
//! | 32 | u32 key id, 0 is clear |
//! | 36 | u32 logic version |
//! | 40 | u32 number of records before it under the same sync |
//! | 44 | tenant, payload, zeros up to a multiple of 8 |
//!
//! A record that cannot be read ends the log if nothing shows that it was ever durable. It was durable if the mark says
//! so, or if a record follows whose group began after it: a group is written only once the one before is synced. What
//! remains undetected is damage to the very last group when the mark was lost too, which takes a power cut and a bad sector
//! within the half minute in which the kernel writes the mark back.
//!
//! The mark is 48 bytes: magic, CRC32C at 8, then at 16 u64 next offset, first offset of its segment, first offset of the
//! oldest segment kept. It is written after each sync and before the answer. Retention syncs it first and removes files
//! afterwards: whatever it condemns is removed at the next open if a crash came between.
//!
//! # Room
//! Readings pass up to `byte_limit − reserve_bytes`, what is `reserved` up to `byte_limit`; closed segments count whole.
//! The disk has to hold `byte_limit` and one segment more. When it cannot give the next segment once half of the current
//! one is used, readings are refused and the other half is the reserve; it is asked again every 5 s.

mod disk;
mod figures;
mod frame;
mod look;
mod mark;
mod reader;
mod recover;
mod segment;
mod sim_disk;
mod spare;
mod thread;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use painwatch_domain::{Clock, JournalTime, Offset};
use tokio::sync::oneshot;

pub use disk::{Disk, DiskFile, Guard, OsDisk};
pub use figures::{Figures, FiguresRead, SYNC_BOUNDS_US};
pub use look::JournalReader;
pub use sim_disk::SimDisk;

use crate::record::{NewRecord, Record};
use crate::{AppendOptions, Appended, BoxFuture, Journal, JournalError, Refusal};
use reader::Shared;
use thread::Hand;
use writer::{Request, Writer};

/// Meaning, unit and default of each is at its field.
#[derive(Clone)]
pub struct Options {
    /// Size of a segment: retention removes whole ones, opening reads the last one. 64 MiB.
    pub segment_bytes: u64,
    /// The log takes no more than this, plus one segment being made ready. 32 GiB.
    pub byte_limit: u64,
    /// Of the limit, what only `reserved` appends may use. 256 MiB.
    pub reserve_bytes: u64,
    pub clock: Arc<dyn Clock>,
    /// False only in control builds, which have to lose data in the power-cut test or the test proves nothing.
    pub fsync: bool,
    /// Silence in real time after which the writer appends a tick; `None` leaves it to the caller. 1,000 ms.
    pub tick_after_ms: Option<u64>,
}

impl Options {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            segment_bytes: 64 << 20,
            byte_limit: 32 << 30,
            reserve_bytes: 256 << 20,
            clock,
            fsync: true,
            tick_after_ms: Some(1_000),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("segment_bytes", &self.segment_bytes)
            .field("byte_limit", &self.byte_limit)
            .field("reserve_bytes", &self.reserve_bytes)
            .field("fsync", &self.fsync)
            .field("tick_after_ms", &self.tick_after_ms)
            .finish_non_exhaustive()
    }
}

/// The journal in a directory. Dropping it waits for what is queued, then gives the directory free.
#[derive(Debug)]
pub struct FileJournal {
    shared: Arc<Shared>,
    hand: Hand,
}

impl FileJournal {
    /// Opens or creates. Reads the last segment through; blocks.
    ///
    /// # Errors
    /// [`JournalError::Locked`], [`JournalError::Corrupt`] or I/O, each naming its file.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, JournalError> {
        let dir = dir.as_ref();
        let disk = OsDisk::new(dir).map_err(|source| JournalError::Io { file: dir.display().to_string(), source })?;
        Self::open_on(Arc::new(disk), options)
    }

    /// The same on any disk.
    ///
    /// # Errors
    /// As [`FileJournal::open`].
    pub fn open_on(disk: Arc<dyn Disk>, options: Options) -> Result<Self, JournalError> {
        if !options.fsync {
            tracing::warn!("the journal does not sync: a power cut will lose acknowledged readings");
        }
        let tick_after_ms = options.tick_after_ms;
        let shown = disk.shown("");
        let writer = recover::open(disk, options)?;
        let shared = writer.shared();
        let hand = Hand::start(writer, tick_after_ms).map_err(|source| JournalError::Io { file: shown, source })?;
        Ok(Self { shared, hand })
    }

    /// Returns, with the reason, once a write or sync has failed: the process must end and recover from disk.
    pub async fn wait_failed(&self) -> Arc<str> {
        self.shared.wait_failed().await
    }

    /// What the writer has done since the start.
    pub fn figures(&self) -> FiguresRead {
        self.shared.figures.read()
    }

    /// Bytes of the disk that the records take: segments that are closed count whole.
    pub fn used_bytes(&self) -> u64 {
        self.shared.view().used_bytes()
    }
}

impl Journal for FileJournal {
    /// Queued before this returns, unless the queue is full: then once there is room and the future is polled.
    fn append(&self, records: Vec<NewRecord>, options: AppendOptions) -> BoxFuture<'_, Appended> {
        self.hand.append(Request { records, options })
    }

    fn read(&self, from: Offset, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Record>, JournalError>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let Ok(runtime) = tokio::runtime::Handle::try_current() else { return shared.read(from, max_bytes) };
            let read = runtime.spawn_blocking(move || shared.read(from, max_bytes)).await;
            read.unwrap_or_else(|gone| {
                Err(JournalError::Io { file: "journal".into(), source: std::io::Error::other(gone) })
            })
        })
    }

    fn next_offset(&self) -> Offset {
        self.shared.view().end.offset
    }

    fn oldest_offset(&self) -> Offset {
        self.shared.view().oldest()
    }

    fn last_journal_time(&self) -> JournalTime {
        self.shared.view().journal_time
    }

    fn wait_beyond(&self, beyond: Offset) -> BoxFuture<'_, ()> {
        Box::pin(self.shared.wait_beyond(beyond))
    }

    fn trim(&self, before: Offset) -> BoxFuture<'_, Result<(), JournalError>> {
        self.hand.trim(before)
    }
}

/// The same log without a thread: each append is committed before `append` returns its future. For simulations.
#[derive(Debug)]
pub struct InlineJournal {
    shared: Arc<Shared>,
    writer: Mutex<Writer>,
}

impl InlineJournal {
    /// # Errors
    /// As [`FileJournal::open`].
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<Self, JournalError> {
        let writer = recover::open(disk, options)?;
        Ok(Self { shared: writer.shared(), writer: Mutex::new(writer) })
    }

    /// The reason once a write or sync has failed.
    pub async fn wait_failed(&self) -> Arc<str> {
        self.shared.wait_failed().await
    }

    /// Commits several appends as one group, as the thread does with what queued up meanwhile.
    pub fn append_group(&self, appends: Vec<(Vec<NewRecord>, AppendOptions)>) -> Vec<Appended> {
        let requests: Vec<_> = appends.into_iter().map(|(records, options)| Request { records, options }).collect();
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = writer.commit(&requests);
        writer.prepare();
        answers
    }
}

impl Journal for InlineJournal {
    fn append(&self, records: Vec<NewRecord>, options: AppendOptions) -> BoxFuture<'_, Appended> {
        let answer = self.append_group(vec![(records, options)]).pop();
        Box::pin(std::future::ready(answer.unwrap_or(Appended::Refused(Refusal::Closed))))
    }

    fn read(&self, from: Offset, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Record>, JournalError>> {
        Box::pin(std::future::ready(self.shared.read(from, max_bytes)))
    }

    fn next_offset(&self) -> Offset {
        self.shared.view().end.offset
    }

    fn oldest_offset(&self) -> Offset {
        self.shared.view().oldest()
    }

    fn last_journal_time(&self) -> JournalTime {
        self.shared.view().journal_time
    }

    fn wait_beyond(&self, beyond: Offset) -> BoxFuture<'_, ()> {
        Box::pin(self.shared.wait_beyond(beyond))
    }

    fn trim(&self, before: Offset) -> BoxFuture<'_, Result<(), JournalError>> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        Box::pin(std::future::ready(writer.trim(before)))
    }
}

/// A place where a test may break the writer: `return` gives an I/O error, `return(full)` a full disk, `return(abort)` ends
/// the process. Nothing at all without the feature `failpoints`.
fn failpoint(name: &str) -> std::io::Result<()> {
    let _ = name;
    fail::fail_point!(name, |how| Err(match how.as_deref() {
        Some("abort") => std::process::abort(),
        Some("full") => std::io::ErrorKind::StorageFull.into(),
        _ => std::io::Error::other(format!("failpoint {name}")),
    }));
    Ok(())
}

/// Waits for an answer that may never come because the writer is gone: then nothing is known.
async fn answered(reply: oneshot::Receiver<Appended>) -> Appended {
    reply.await.unwrap_or(Appended::Unknown)
}
