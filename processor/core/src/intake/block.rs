//! The truth about one device, one measure and one UTC day of device time: every identity with the versions it keeps
//! (semantics 5). One structure for three uses: deduplication, late re-derivation, recent rows.
//!
//! A plain number (no discriminator, no id, one version) is a [`Row`] in a compressed chunk; chunks are ordered and do
//! not overlap, and one of them at a time lies open for change. Everything else is an entry at the side. An identity is
//! in exactly one of the two places: the second version moves it to the side for good.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use painwatch_domain::reading::{Identity, Mode};
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{DeviceId, EventTime, Flags, Measure, Meta, Status, Value};

use super::chunk::{self, INSTANT, Row, UNSAID};
use super::reading::EffectiveReading;
use super::version::{Version, Versions};

/// Rows of a chunk appended in order; insertion splits one that has grown to twice as many.
pub(super) const CHUNK_ROWS: usize = 128;
/// Most sets of circumstances that rows of a block share; readings with yet others go to the side.
const STRANDS_MAX: usize = 256;
/// Longest interval and largest clock correction of a row, in ms: twelve days.
const SPAN_MAX_MS: i64 = 1 << 30;
/// Longest lag between claimed time and sending of a row, in ms: 139 years.
const LAG_MAX_MS: i64 = 1 << 42;

/// What rows have in common beside time and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Strand {
    pub revision: i64,
    pub flags: Flags,
    pub status: Status,
    pub mode: Mode,
    pub about: Arc<Meta>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub first_ms: u32,
    pub last_ms: u32,
    pub rows: usize,
    /// Stale while the chunk lies open and was touched.
    pub bytes: Box<[u8]>,
}

/// The chunk that is unpacked for reading and change.
#[derive(Clone, Debug, Default)]
struct Open {
    chunk: Option<usize>,
    rows: Vec<Row>,
    touched: bool,
}

/// Where the readings of one (device, measure, UTC day of device time) are kept.
#[derive(Clone, Debug)]
pub struct Block {
    pub(super) measure: Measure,
    pub(super) day: i32,
    pub(super) strands: Vec<Strand>,
    pub(super) chunks: Vec<Chunk>,
    open: Open,
    pub(super) side: BTreeMap<Identity, Versions>,
    /// Other days whose readings a clock correction of more than a day moved onto this one.
    pub(super) visitors: BTreeSet<i32>,
    /// Latest device time of any identity here.
    pub(super) latest: i64,
}

impl Block {
    pub fn new(measure: Measure, day: i32) -> Self {
        let (strands, chunks, open, side) = Default::default();
        Self { measure, day, strands, chunks, open, side, visitors: BTreeSet::new(), latest: i64::MIN }
    }

    pub(super) const fn day_start(&self) -> i64 {
        self.day as i64 * DAY_MS
    }

    /// Identities kept.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.rows).sum::<usize>() + self.side.len()
    }

    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.side.is_empty() && self.visitors.is_empty()
    }

    /// Roughly what it takes in memory.
    pub fn memory_bytes(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(|chunk| chunk.bytes.len() + size_of::<Chunk>()).sum();
        let open = self.open.rows.capacity() * size_of::<Row>();
        let versions = |entry: &Versions| size_of_val(entry.kept()) + 128;
        let side: usize = self.side.values().map(versions).sum();
        size_of::<Self>() + chunks + open + side + self.strands.len() * size_of::<Strand>()
    }

    /// A row for `version`, when it is plain enough.
    pub(super) fn row_for(&mut self, version: &Version) -> Option<Row> {
        let value = version.value.number()?;
        if version.retracts() || version.measure != self.measure {
            return None;
        }
        let (at_ms, length_ms, shift_ms) = self.times(version.device_time, version.end, version.time)?;
        let sent_at = version.sent_at.unwrap_or(UNSAID);
        if !lag_fits(sent_at, version.device_time) {
            return None;
        }
        let (revision, flags, status, mode) = (version.revision, version.flags, version.status, version.mode);
        let strand = self.strand(&Strand { revision, flags, status, mode, about: Arc::clone(&version.about) })?;
        Some(Row { value, sent_at, at_ms, length_ms, shift_ms, strand })
    }

    pub(super) fn times(&self, device_time: i64, end: Option<i64>, time: EventTime) -> Option<(u32, i32, i32)> {
        let (at_ms, length_ms) = self.key(device_time, end)?;
        let shift_ms = time.0.checked_sub(device_time).filter(|shift| shift.abs() < SPAN_MAX_MS)? as i32;
        Some((at_ms, length_ms, shift_ms))
    }

    /// The place in order of an identity that may be a row.
    pub(super) fn key(&self, device_time: i64, end: Option<i64>) -> Option<(u32, i32)> {
        let at_ms = u32::try_from(device_time.checked_sub(self.day_start())?).ok()?;
        let length_ms = match end {
            None => INSTANT,
            Some(end) => end.checked_sub(device_time).filter(|length| (0..SPAN_MAX_MS).contains(length))? as i32,
        };
        Some((at_ms, length_ms))
    }

    /// The number of a strand, new if need be.
    pub(super) fn strand(&mut self, wanted: &Strand) -> Option<u16> {
        if let Some(known) = self.strands.iter().rposition(|strand| strand == wanted) {
            return Some(known as u16);
        }
        (self.strands.len() < STRANDS_MAX).then(|| {
            self.strands.push(wanted.clone());
            (self.strands.len() - 1) as u16
        })
    }

    pub(super) fn version_of(&self, row: &Row) -> Version {
        let strand = &self.strands[usize::from(row.strand)];
        let device_time = self.day_start() + i64::from(row.at_ms);
        Version {
            measure: self.measure,
            device_time,
            end: (row.length_ms != INSTANT).then(|| device_time + i64::from(row.length_ms)),
            time: EventTime(device_time + i64::from(row.shift_ms)),
            value: Value::Number(row.value),
            flags: strand.flags,
            status: strand.status,
            revision: strand.revision,
            sent_at: (row.sent_at != UNSAID).then_some(row.sent_at),
            mode: strand.mode,
            about: Arc::clone(&strand.about),
        }
    }

    /// The fast path: the caller knows that `row` is later than everything here.
    pub(super) fn append(&mut self, row: Row) {
        let full = self.chunks.last().is_none_or(|last| last.rows >= CHUNK_ROWS);
        if full {
            self.settle();
            self.chunks.push(Chunk { first_ms: row.at_ms, last_ms: row.at_ms, rows: 0, bytes: Box::default() });
            self.open.rows.clear();
            self.open.chunk = Some(self.chunks.len() - 1);
        } else {
            self.focus(self.chunks.len() - 1);
        }
        self.open.rows.push(row);
        self.touch();
        self.latest = self.day_start() + i64::from(row.at_ms);
    }

    /// Inserts a row of an identity that is not here yet, anywhere.
    pub(super) fn insert(&mut self, row: Row) {
        let device_time = self.day_start() + i64::from(row.at_ms);
        self.latest = self.latest.max(device_time);
        let after = self.chunks.partition_point(|chunk| chunk.last_ms < row.at_ms);
        if after == self.chunks.len() && self.chunks.last().is_none_or(|last| last.rows >= CHUNK_ROWS) {
            let latest = self.latest;
            self.append(row);
            self.latest = latest;
            return;
        }
        let inside = self.chunks.get(after).is_some_and(|chunk| chunk.first_ms <= row.at_ms);
        self.focus(if inside { after } else { after.saturating_sub(1) });
        let place = self.open.rows.partition_point(|other| other.key() < row.key());
        self.open.rows.insert(place, row);
        self.touch();
        self.split();
    }

    /// Where a plain identity lies within the chunk that is now open.
    pub(super) fn find(&mut self, at_ms: u32, length_ms: i32) -> Option<usize> {
        let chunk = self.chunks.partition_point(|chunk| chunk.last_ms < at_ms);
        if self.chunks.get(chunk)?.first_ms > at_ms {
            return None;
        }
        self.focus(chunk);
        self.open.rows.binary_search_by_key(&(at_ms, length_ms), Row::key).ok()
    }

    pub(super) fn row(&self, place: usize) -> Row {
        self.open.rows[place]
    }

    pub(super) fn replace(&mut self, place: usize, row: Row) {
        self.open.rows[place] = row;
        self.open.touched = true;
    }

    pub(super) fn remove(&mut self, place: usize) {
        self.open.rows.remove(place);
        if self.open.rows.is_empty() {
            let chunk = self.open.chunk.take();
            chunk.map(|chunk| self.chunks.remove(chunk));
            self.open.touched = false;
        } else {
            self.touch();
        }
    }

    pub(super) fn put_aside(&mut self, identity: Identity, versions: Versions) {
        self.latest = self.latest.max(identity.device_time);
        self.side.insert(identity, versions);
    }

    fn touch(&mut self) {
        self.open.touched = true;
        if let (Some(chunk), [first, ..], [.., last]) = (self.open.chunk, &self.open.rows[..], &self.open.rows[..]) {
            let chunk = &mut self.chunks[chunk];
            (chunk.first_ms, chunk.last_ms, chunk.rows) = (first.at_ms, last.at_ms, self.open.rows.len());
        }
    }

    /// Packs the open chunk, if it was touched.
    fn settle(&mut self) {
        if let Some(chunk) = self.open.chunk.filter(|_| self.open.touched) {
            self.chunks[chunk].bytes = chunk::encode(&self.open.rows, self.day_start());
        }
        self.open.touched = false;
    }

    /// Packs everything: what a block that nobody is writing to should look like.
    pub(super) fn rest(&mut self) {
        self.settle();
        self.open = Open::default();
    }

    fn focus(&mut self, index: usize) {
        if self.open.chunk == Some(index) {
            return;
        }
        self.settle();
        self.open.rows.clear();
        let mut rows = std::mem::take(&mut self.open.rows);
        self.unpack(index, &mut rows);
        self.open = Open { chunk: Some(index), rows, touched: false };
    }

    fn unpack(&self, index: usize, rows: &mut Vec<Row>) {
        if self.open.chunk == Some(index) {
            rows.extend_from_slice(&self.open.rows);
            return;
        }
        let chunk = &self.chunks[index];
        chunk::decode(&chunk.bytes, chunk.rows, self.day_start(), rows)
            .expect("chunks are checked when a block is read");
    }

    /// Splits an open chunk that has grown too long. Readings of one instant stay together: chunks do not overlap.
    fn split(&mut self) {
        let rows = &self.open.rows;
        let (Some(chunk), true) = (self.open.chunk, rows.len() > 2 * CHUNK_ROWS) else { return };
        let Some(middle) = (rows.len() / 2..rows.len()).find(|&at| rows[at].at_ms != rows[at - 1].at_ms) else {
            return;
        };
        let later = self.open.rows.split_off(middle);
        self.touch();
        self.settle();
        self.chunks.insert(chunk + 1, Chunk { first_ms: 0, last_ms: 0, rows: 0, bytes: Box::default() });
        self.open = Open { chunk: Some(chunk + 1), rows: later, touched: true };
        self.touch();
    }

    /// The bytes of each chunk, the open one packed on the way.
    pub(super) fn packed(&self) -> impl Iterator<Item = (&Chunk, std::borrow::Cow<'_, [u8]>)> {
        self.chunks.iter().enumerate().map(|(index, chunk)| {
            if self.open.touched && self.open.chunk == Some(index) {
                (chunk, chunk::encode(&self.open.rows, self.day_start()).into_vec().into())
            } else {
                (chunk, (&*chunk.bytes).into())
            }
        })
    }

    /// Everything that stands here with an event time in `window`, in no particular order.
    pub(super) fn each_effective(
        &self,
        device: &DeviceId,
        window: &Range<i64>,
        mut visit: impl FnMut(EffectiveReading),
    ) {
        let mut rows = Vec::with_capacity(2 * CHUNK_ROWS);
        // Most questions are about an hour of the three days that may hold it: look at the time before the rest.
        let time = |row: &Row| self.day_start() + i64::from(row.at_ms) + i64::from(row.shift_ms);
        for chunk in 0..self.chunks.len() {
            rows.clear();
            self.unpack(chunk, &mut rows);
            for row in rows.iter().filter(|row| window.contains(&time(row))) {
                visit(EffectiveReading::of(device, &self.version_of(row), false, None));
            }
        }
        let standing = self.side.iter().filter_map(|(identity, versions)| standing(device, identity, versions));
        standing.filter(|reading| window.contains(&reading.time.0)).for_each(visit);
    }
}

/// Same readings with the same versions, however the chunks happen to be cut.
impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        let rows = |block: &Self| {
            let mut rows = Vec::new();
            (0..block.chunks.len()).for_each(|chunk| block.unpack(chunk, &mut rows));
            rows.iter().map(|row| block.version_of(row)).collect::<Vec<_>>()
        };
        let rest = |block: &Self| (block.measure, block.day, block.latest, block.visitors.clone());
        rest(self) == rest(other) && self.side == other.side && rows(self) == rows(other)
    }
}

pub(super) const fn lag_fits(sent_at: i64, device_time: i64) -> bool {
    sent_at == UNSAID || sent_at.saturating_sub(device_time).saturating_abs() < LAG_MAX_MS
}

fn standing(device: &DeviceId, identity: &Identity, versions: &Versions) -> Option<EffectiveReading> {
    EffectiveReading::standing(device, versions, identity.id.as_deref())
}
