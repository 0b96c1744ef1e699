//! A look into a journal that another process may be writing: what its mark vouches for, and nothing else.

use std::path::Path;
use std::sync::Arc;

use painwatch_domain::{JournalTime, Offset};

use super::disk::{Disk, OsDisk};
use super::mark::{self, Mark};
use super::reader::View;
use super::recover::Opening;
use super::segment::{Place, Scan, Segment, Step};
use crate::JournalError;
use crate::record::Record;

/// The log as it was durable at one moment. Takes no lock, writes nothing, and sees nothing that came later.
#[derive(Debug)]
pub struct JournalReader {
    view: View,
}

/// Retention may remove the oldest segment between the mark and the files: then the next mark says so.
const TRIES: usize = 5;

impl JournalReader {
    /// Reads the last segment through; blocks.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] or I/O, each naming its file.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, JournalError> {
        let dir = dir.as_ref();
        let gone = |source| JournalError::Io { file: dir.display().to_string(), source };
        if !dir.is_dir() {
            return Err(gone(std::io::ErrorKind::NotFound.into()));
        }
        let disk = OsDisk::new(dir).map_err(gone)?;
        let mut looked = Self::look(&disk);
        for _ in 1..TRIES {
            if looked.is_ok() {
                break;
            }
            looked = Self::look(&disk);
        }
        looked
    }

    /// The mark first: what it promises is there, whatever is written meanwhile.
    fn look(disk: &dyn Disk) -> Result<Self, JournalError> {
        let opening = Opening { disk, fsync: true };
        let mark = opening.io(mark::NAME, Mark::load(disk))?;
        let segments = opening.kept_segments(mark)?;
        let Some(last) = segments.last() else {
            let end = Place { offset: Offset(0), byte: 0, chain: 0 };
            return Ok(Self { view: View { segments: Arc::from([]), end, journal_time: JournalTime::MIN } });
        };
        let (end, journal_time) = end_of(last, mark)?;
        Ok(Self { view: View { segments: segments.into(), end, journal_time } })
    }

    /// Records from `from` on, in order, at least one if any exists, and no more than fit in about `max_bytes`.
    ///
    /// # Errors
    /// As [`crate::Journal::read`].
    pub fn read(&self, from: Offset, max_bytes: usize) -> Result<Vec<Record>, JournalError> {
        self.view.read(from, max_bytes)
    }

    /// The offset after the last record.
    pub const fn next_offset(&self) -> Offset {
        self.view.end.offset
    }

    pub fn oldest_offset(&self) -> Offset {
        self.view.oldest()
    }

    /// Journal time of the last record; the minimum when there is none.
    pub const fn last_journal_time(&self) -> JournalTime {
        self.view.journal_time
    }
}

/// Where the mark ends in the last segment; without a mark, where the records do.
fn end_of(segment: &Segment, mark: Option<Mark>) -> Result<(Place, JournalTime), JournalError> {
    let mut scan = Scan::new(&*segment.file, segment.header.start(), segment.bytes, 1 << 20);
    while mark.is_none_or(|mark| scan.at.offset < mark.next) {
        match scan.step().map_err(|error| segment.io(error))? {
            Step::Record(_) => segment.remember(scan.at),
            _ if mark.is_none() => break,
            end => return Err(segment.corrupt(scan.at.byte, format!("{}, though they were durable", end.what()))),
        }
    }
    Ok((scan.at, scan.journal_time.max(segment.header.journal_time)))
}
