//! The durable log through which everything that happens passes.
//!
//! Never: an acknowledgement before the bytes are safe; a silent repair; a meaning for a payload.

pub mod file;
pub mod memory;
mod own;
pub mod record;
mod seed;
mod timekeeper;

use std::fmt;

pub use file::{FileJournal, InlineJournal, JournalReader, SimDisk};
pub use memory::MemoryJournal;
use painwatch_domain::{JournalTime, Offset};
pub use record::{Class, NewRecord, Record};

/// What became of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// All records survive a power cut from here on. They are consecutive, `first` the first.
    Durable { first: Offset, journal_time: JournalTime },
    /// None was written and none will be.
    Refused(Refusal),
    /// Some, all or none may be there: read the tail before saying anything about them.
    Unknown,
}

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The byte limit is reached: hold back the senders (`reserved` appends still pass).
    Full,
    /// The log is poisoned (an fsync failed) or closed: this process must end.
    Closed,
    /// A record is larger than [`record::MAX_PAYLOAD_BYTES`].
    TooLarge,
    /// The position was not the expected one: somebody else appended, or the owner changed.
    Position,
}

/// Why a log cannot be opened or read. Names file and byte, so that a person can look.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("{file}: {source}")]
    Io { file: String, source: std::io::Error },
    #[error("{file}: corrupt at byte {byte}: {what}")]
    Corrupt { file: String, byte: u64, what: String },
    #[error("{file}: another process holds this journal")]
    Locked { file: String },
    #[error("offset {asked} was removed by retention; the oldest kept is {oldest}")]
    Trimmed { asked: Offset, oldest: Offset },
}

/// How an append is to be treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppendOptions {
    /// Findings, controls and deliveries may use the reserve below the byte limit; readings may not.
    pub reserved: bool,
    /// Write only if the next offset is this one (fencing for a second owner).
    pub expect: Option<Offset>,
}

type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A durable, ordered log. One conformance suite (`journal/tests`) holds for every implementation.
pub trait Journal: Send + Sync + fmt::Debug {
    /// Appends all records or none, in order, and answers once they are durable. Cancelling the future does not cancel
    /// the append. Journal time is assigned here and never decreases.
    fn append(&self, records: Vec<NewRecord>, options: AppendOptions) -> BoxFuture<'_, Appended>;

    /// Appends a tick now, so that time passes for readers (semantics 18). For the driver of a driven clock: after real
    /// silence a log in service does it by itself.
    fn tick(&self) -> BoxFuture<'_, Appended> {
        self.append(vec![own::tick()], AppendOptions { reserved: true, expect: None })
    }

    /// Durable records from `from` on, in order, at least one if any exists, and no more than fit in about `max_bytes`.
    ///
    /// # Errors
    /// [`JournalError::Trimmed`] when `from` is older than what is kept; corruption and I/O by file and byte.
    fn read(&self, from: Offset, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Record>, JournalError>>;

    /// The offset the next durable record will have.
    fn next_offset(&self) -> Offset;

    /// The oldest offset still kept.
    fn oldest_offset(&self) -> Offset;

    /// Journal time of the newest durable record; the minimum when there is none.
    fn last_journal_time(&self) -> JournalTime;

    /// Returns once `next_offset() > beyond`.
    fn wait_beyond(&self, beyond: Offset) -> BoxFuture<'_, ()>;

    /// Removes whole segments that hold nothing at or after `before`.
    ///
    /// # Errors
    /// I/O, by file.
    fn trim(&self, before: Offset) -> BoxFuture<'_, Result<(), JournalError>>;
}
