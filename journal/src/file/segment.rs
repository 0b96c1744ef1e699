//! One segment: its header, the places known in it, and reading records out of it.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use painwatch_domain::{JournalTime, Offset, TenantId};

use super::disk::DiskFile;
use super::frame::{self, Parsed, u32_at, u64_at};
use crate::JournalError;
use crate::record::Record;

pub(crate) const HEADER_BYTES: u64 = 64;
/// A carriage return and a line feed, so that a copy in text mode is noticed.
const MAGIC: [u8; 8] = *b"pwjrnl\r\n";
const FORMAT: u32 = 1;
const SUFFIX: &str = ".seg";
/// Distance of remembered places: at worst so many bytes are read in vain to find an offset.
const STRIDE_BYTES: u64 = 64 << 10;

/// Where a record starts, and the chain value that leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub offset: Offset,
    pub byte: u64,
    pub chain: u32,
}

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub first: Offset,
    /// First offset of the segment before; `None` in the first ever. A missing segment breaks this link.
    pub previous: Option<Offset>,
    /// Journal time of the record before.
    pub journal_time: JournalTime,
    pub chain: u32,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES as usize] {
        let mut out = [0; HEADER_BYTES as usize];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        out[16..24].copy_from_slice(&self.first.0.to_le_bytes());
        out[24..32].copy_from_slice(&self.previous.map_or(u64::MAX, |first| first.0).to_le_bytes());
        out[32..40].copy_from_slice(&self.journal_time.0.to_le_bytes());
        out[40..44].copy_from_slice(&self.chain.to_le_bytes());
        let crc = Self::checksum(&out);
        out[12..16].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn parse(bytes: &[u8; HEADER_BYTES as usize]) -> Result<Self, &'static str> {
        if bytes[..8] != MAGIC {
            return Err("not a journal segment");
        }
        if Self::checksum(bytes) != u32_at(bytes, 12) {
            return Err("checksum of the segment header differs");
        }
        if u32_at(bytes, 8) != FORMAT {
            return Err("segment format unknown to this program");
        }
        let previous = u64_at(bytes, 24);
        Ok(Self {
            first: Offset(u64_at(bytes, 16)),
            previous: (previous != u64::MAX).then_some(Offset(previous)),
            journal_time: JournalTime(u64_at(bytes, 32) as i64),
            chain: u32_at(bytes, 40),
        })
    }

    fn checksum(bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..])
    }

    pub(crate) fn start(&self) -> Place {
        Place { offset: self.first, byte: HEADER_BYTES, chain: self.chain }
    }
}

/// The name sorts as the offset does.
pub(crate) fn name(first: Offset) -> String {
    format!("{:020}{SUFFIX}", first.0)
}

pub(crate) fn first_of(name: &str) -> Option<Offset> {
    let digits = name.strip_suffix(SUFFIX).filter(|digits| digits.len() == 20)?;
    digits.parse().ok().map(Offset)
}

#[derive(Debug)]
pub(crate) struct Segment {
    pub name: String,
    /// As a person is told.
    pub shown: String,
    pub header: Header,
    pub file: Arc<dyn DiskFile>,
    pub bytes: u64,
    places: Mutex<Places>,
    /// Somebody read the segment before to its end and found that this one does not continue it.
    link_broken: AtomicBool,
}

#[derive(Debug)]
struct Places {
    /// Ascending, at least [`STRIDE_BYTES`] apart; the first is the start.
    known: Vec<Place>,
    /// Where the last reads ended, oldest first: each reader that follows the log goes on at one of them, also where
    /// another one is ahead of it.
    ends: VecDeque<Place>,
}

/// Read ends remembered: what a follower may be behind the fastest one and still go on where it was.
const ENDS: usize = 16;

impl Segment {
    pub(crate) fn new(shown: String, header: Header, file: Arc<dyn DiskFile>, bytes: u64) -> Self {
        let places = Mutex::new(Places { known: vec![header.start()], ends: VecDeque::new() });
        Self { name: name(header.first), shown, header, file, bytes, places, link_broken: AtomicBool::new(false) }
    }

    pub(crate) fn break_link(&self) {
        self.link_broken.store(true, Ordering::Relaxed);
    }

    pub(crate) fn check_link(&self) -> Result<(), JournalError> {
        let broken = self.link_broken.load(Ordering::Relaxed);
        if broken { Err(self.corrupt(0, "this segment does not continue the one before it")) } else { Ok(()) }
    }

    pub(crate) fn corrupt(&self, byte: u64, what: impl Into<String>) -> JournalError {
        JournalError::Corrupt { file: self.shown.clone(), byte, what: what.into() }
    }

    pub(crate) fn io(&self, source: io::Error) -> JournalError {
        JournalError::Io { file: self.shown.clone(), source }
    }

    pub(crate) fn remember(&self, place: Place) {
        let mut places = self.places();
        if places.known.last().is_none_or(|last| place.byte >= last.byte + STRIDE_BYTES) {
            places.known.push(place);
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nearest(&self, offset: Offset) -> Place {
        let places = self.places();
        let after = places.known.partition_point(|place| place.offset <= offset);
        let known = places.known[after.saturating_sub(1)];
        let ends = places.ends.iter().filter(|end| end.offset <= offset);
        ends.copied().chain([known]).max_by_key(|place| place.offset).unwrap_or(known)
    }

    fn remember_end(&self, end: Place) {
        let mut places = self.places();
        if places.ends.iter().any(|known| known.offset == end.offset) {
            return;
        }
        if places.ends.len() == ENDS {
            places.ends.pop_front();
        }
        places.ends.push_back(end);
    }

    /// Adds records from `from` up to `end` to `out` while `room` lasts; returns the place after the last one read.
    pub(crate) fn read(
        &self,
        from: Offset,
        end: Place,
        room: &mut usize,
        out: &mut Vec<Record>,
    ) -> Result<Place, JournalError> {
        let mut scan = Scan::new(&*self.file, self.nearest(from), end.byte, *room);
        while scan.at.offset < end.offset && (out.is_empty() || *room > 0) {
            let found = scan.step().map_err(|error| self.io(error))?;
            let Step::Record(record) = found else {
                return Err(self.corrupt(scan.at.byte, found.what()));
            };
            self.remember(scan.at);
            if record.offset >= from {
                *room = room.saturating_sub(record.payload.len() + frame::ALIGN);
                out.push(record);
            }
        }
        self.remember_end(scan.at);
        Ok(scan.at)
    }
}

pub(crate) enum Step {
    Record(Record),
    /// Zeros, or the end of the space.
    Nothing,
    Bad(&'static str),
}

impl Step {
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Bad(what) => what,
            _ => "records are missing",
        }
    }
}

/// Walks the records of a segment, checking each against the one before.
pub(crate) struct Scan<'a> {
    file: &'a dyn DiskFile,
    pub at: Place,
    pub journal_time: JournalTime,
    end_byte: u64,
    chunk: Bytes,
    chunk_byte: u64,
    chunk_bytes: u64,
    tenant: TenantId,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, at: Place, end_byte: u64, hint_bytes: usize) -> Self {
        let chunk_bytes = (hint_bytes as u64).clamp(4 << 10, 1 << 20);
        let (tenant, journal_time) = (TenantId::default(), JournalTime::MIN);
        Self { file, at, journal_time, end_byte, chunk: Bytes::new(), chunk_byte: at.byte, chunk_bytes, tenant }
    }

    /// The record at `at`, and `at` moved behind it; `at` stays when there is none.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        let parsed = loop {
            let window = self.chunk.slice((self.at.byte - self.chunk_byte) as usize..);
            match frame::parse(&window, &self.tenant) {
                Parsed::Short(bytes) if self.fill(bytes as u64)? => {}
                other => break other,
            }
        };
        Ok(match parsed {
            Parsed::Frame(frame) => self.accept(frame),
            Parsed::Nothing => Step::Nothing,
            Parsed::Short(frame::ALIGN) => Step::Nothing,
            Parsed::Short(_) => Step::Bad("a record runs past the end"),
            Parsed::Bad(what) => Step::Bad(what),
        })
    }

    fn accept(&mut self, frame: frame::Frame) -> Step {
        if frame.stamp.offset != self.at.offset {
            return Step::Bad("a record stands at the wrong offset");
        }
        if frame.stamp.chain != self.at.chain {
            return Step::Bad("a record does not follow the one before it");
        }
        self.at = Place { offset: self.at.offset.next(), byte: self.at.byte + frame.bytes as u64, chain: frame.crc };
        self.journal_time = frame.stamp.journal_time;
        if self.tenant != frame.record.tenant {
            self.tenant = frame.record.tenant.clone();
        }
        Step::Record(frame.record)
    }

    /// Loads from `at` on, at least `needed` bytes; false when there are not so many.
    fn fill(&mut self, needed: u64) -> io::Result<bool> {
        let left = self.end_byte.saturating_sub(self.at.byte);
        if left < needed {
            return Ok(false);
        }
        let mut chunk = vec![0; needed.max(self.chunk_bytes).min(left) as usize];
        self.file.read_at(&mut chunk, self.at.byte)?;
        self.chunk = chunk.into();
        self.chunk_byte = self.at.byte;
        Ok(true)
    }
}
