//! Opening a log that may have been stopped at any instant: what was acknowledged is there, what was torn is removed, and
//! anything else is an error that names file and byte.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use painwatch_domain::{JournalTime, Offset};

use super::disk::Disk;
use super::mark::{self, Mark, MarkFile};
use super::segment::{self, HEADER_BYTES, Header, Place, Scan, Segment, Step};
use super::spare::{self, Spare};
use super::writer::{Found, Tail, Writer};
use super::{Options, frame};
use crate::JournalError;

pub(crate) fn open(disk: Arc<dyn Disk>, mut options: Options) -> Result<Writer, JournalError> {
    options.segment_bytes = options.segment_bytes.max(MIN_SEGMENT_BYTES).next_multiple_of(frame::ALIGN as u64);
    let at = Opening { disk: &*disk, fsync: options.fsync };
    let Some(guard) = at.io("lock", disk.lock())? else {
        return Err(JournalError::Locked { file: disk.shown("lock") });
    };
    let mark = at.load_mark()?;
    let mut spare = Spare::new(disk.clone(), options.fsync);
    let mut segments = at.load_segments(mark)?;
    if segments.is_empty() {
        let header = Header { first: Offset(0), previous: None, journal_time: JournalTime::MIN, chain: 0 };
        let made = spare.become_segment(header, options.segment_bytes);
        segments.push(Arc::new(at.io(&segment::name(header.first), made)?));
    }
    let tail = at.recover_tail(&segments[segments.len() - 1], mark)?;
    let mark = at.open_mark()?;
    Writer::new(disk.clone(), options, Found { segments, tail, spare, mark, guard })
}

/// Room for the header and a record or two; a segment for a larger append is made as large as it needs.
const MIN_SEGMENT_BYTES: u64 = 256;

pub(super) struct Opening<'a> {
    pub disk: &'a dyn Disk,
    pub fsync: bool,
}

impl Opening<'_> {
    pub(super) fn io<T>(&self, name: &str, result: io::Result<T>) -> Result<T, JournalError> {
        result.map_err(|source| JournalError::Io { file: self.disk.shown(name), source })
    }

    fn missing(&self, first: Offset) -> JournalError {
        let file = self.disk.shown(&segment::name(first));
        JournalError::Corrupt { file, byte: 0, what: "this segment is missing".into() }
    }

    /// Without syncs the mark would promise what was never safe.
    fn load_mark(&self) -> Result<Option<Mark>, JournalError> {
        if self.fsync { self.io(mark::NAME, Mark::load(self.disk)) } else { Ok(None) }
    }

    /// Syncs the names too: a killed process may have left a segment whose name is in memory only.
    fn open_mark(&self) -> Result<Option<MarkFile>, JournalError> {
        if self.fsync {
            let file = self.io(mark::NAME, MarkFile::open(self.disk))?;
            self.io("", self.disk.sync_names())?;
            return Ok(Some(file));
        }
        match self.disk.remove(mark::NAME) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => self.io(mark::NAME, Err(error)),
            _ => Ok(None),
        }
    }

    /// All segments kept, linked without a hole from the oldest to the newest the mark knows of.
    fn load_segments(&self, mark: Option<Mark>) -> Result<Vec<Arc<Segment>>, JournalError> {
        let mut names = self.io("", self.disk.names())?;
        if names.iter().any(|name| name == spare::NAME) {
            self.io(spare::NAME, self.disk.remove(spare::NAME))?;
        }
        let mark_is_torn = mark.is_none() && self.fsync && names.iter().any(|name| name == mark::NAME);
        names.sort();
        let mut segments: Vec<Arc<Segment>> = Vec::new();
        for (name, first) in names.iter().filter_map(|name| Some((name, segment::first_of(name)?))) {
            if mark.is_some_and(|mark| first < mark.oldest) {
                self.io(name, self.disk.remove(name))?;
                continue;
            }
            let segment = self.load_segment(name, first)?;
            self.follows(&segments, &segment)?;
            segments.push(Arc::new(segment));
        }
        if mark_is_torn {
            tracing::warn!(
                file = self.disk.shown(mark::NAME),
                "the journal's mark is unreadable: going by the records alone"
            );
        }
        self.check_ends(&segments, mark)?;
        Ok(segments)
    }

    /// The segments that a mark vouches for, nothing removed: for a reader beside the writer.
    pub(super) fn kept_segments(&self, mark: Option<Mark>) -> Result<Vec<Arc<Segment>>, JournalError> {
        let mut names = self.io("", self.disk.names())?;
        names.sort();
        let kept = |first: Offset| mark.is_none_or(|mark| (mark.oldest..=mark.segment).contains(&first));
        let of_log =
            names.iter().filter_map(|name| Some((name, segment::first_of(name).filter(|first| kept(*first))?)));
        let mut segments: Vec<Arc<Segment>> = Vec::new();
        for (name, first) in of_log {
            let segment = self.load_segment(name, first)?;
            self.follows(&segments, &segment)?;
            segments.push(Arc::new(segment));
        }
        self.check_ends(&segments, mark)?;
        Ok(segments)
    }

    fn follows(&self, before: &[Arc<Segment>], segment: &Segment) -> Result<(), JournalError> {
        match before.last() {
            Some(before) if segment.header.previous != Some(before.header.first) => {
                Err(self.missing(segment.header.previous.unwrap_or_default()))
            }
            _ => Ok(()),
        }
    }

    fn load_segment(&self, name: &str, first: Offset) -> Result<Segment, JournalError> {
        let file = self.io(name, self.disk.open(name))?;
        let bytes = self.io(name, file.size())?;
        let corrupt = |what: &str| JournalError::Corrupt { file: self.disk.shown(name), byte: 0, what: what.into() };
        let mut head = [0; HEADER_BYTES as usize];
        if bytes < HEADER_BYTES {
            return Err(corrupt("too short for a segment header"));
        }
        self.io(name, file.read_at(&mut head, 0))?;
        let header = Header::parse(&head).map_err(corrupt)?;
        if header.first != first {
            return Err(corrupt("the segment bears the name of another"));
        }
        Ok(Segment::new(self.disk.shown(name), header, file, bytes))
    }

    fn check_ends(&self, segments: &[Arc<Segment>], mark: Option<Mark>) -> Result<(), JournalError> {
        let Some(mark) = mark else { return Ok(()) };
        if segments.first().is_none_or(|segment| segment.header.first > mark.oldest) {
            return Err(self.missing(mark.oldest));
        }
        if segments.last().is_none_or(|segment| segment.header.first < mark.segment) {
            return Err(self.missing(mark.segment));
        }
        Ok(())
    }

    /// Finds the end of the last segment and makes it safe to go on from: what a killed process wrote may so far be in
    /// memory only, and must not be read by anyone before it is on disk.
    fn recover_tail(&self, segment: &Segment, mark: Option<Mark>) -> Result<Tail, JournalError> {
        let mut scan = Scan::new(&*segment.file, segment.header.start(), segment.bytes, 1 << 20);
        let mut vouched = scan.at;
        let end = loop {
            if mark.is_some_and(|mark| mark.next == scan.at.offset) {
                vouched = scan.at;
            }
            match scan.step().map_err(|error| segment.io(error))? {
                Step::Record(_) => segment.remember(scan.at),
                end => break end,
            }
        };
        let place = scan.at;
        if mark.is_some_and(|mark| mark.next > place.offset) {
            return Err(segment.corrupt(place.byte, format!("{}, though they were acknowledged", end.what())));
        }
        self.remove_torn(segment, place, &end)?;
        if self.fsync {
            rewrite(segment, vouched.byte, place.byte).map_err(|error| segment.io(error))?;
        }
        let journal_time = scan.journal_time.max(segment.header.journal_time);
        Ok(Tail { place, journal_time })
    }

    fn remove_torn(&self, segment: &Segment, from: Place, end: &Step) -> Result<(), JournalError> {
        let mut rest = vec![0; segment.bytes.saturating_sub(from.byte) as usize];
        segment.file.read_at(&mut rest, from.byte).map_err(|error| segment.io(error))?;
        let Some(last) = rest.iter().rposition(|byte| *byte != 0) else { return Ok(()) };
        let rest = Bytes::from(rest);
        if self.fsync
            && let Some(later) = frame::find_written_after(from.offset, &rest)
        {
            let later = from.byte + later as u64;
            return Err(
                segment.corrupt(from.byte, format!("{}, yet a later record stands at byte {later}", end.what()))
            );
        }
        let (file, byte, bytes) = (&segment.shown, from.byte, last + 1);
        tracing::warn!(file, byte, bytes, "removing a torn write that was never acknowledged");
        segment.file.write_at(&vec![0; last + 1], from.byte).map_err(|error| segment.io(error))
    }
}

/// After a failed sync the kernel may hold bytes it believes written and the disk does not have. What the mark does not
/// vouch for is therefore written again, so that this sync means something.
fn rewrite(segment: &Segment, from: u64, to: u64) -> io::Result<()> {
    let mut bytes = vec![0; to.saturating_sub(from) as usize];
    segment.file.read_at(&mut bytes, from)?;
    segment.file.write_at(&bytes, from)?;
    segment.file.sync()
}
