//! The one writer, as a state machine: requests in, answers out, no thread and no waiting of its own. The thread of
//! [`super::FileJournal`] drives it in service, [`super::InlineJournal`] in simulations.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use painwatch_domain::{JournalTime, Offset};

use super::disk::{Disk, Guard, is_full};
use super::mark::{Mark, MarkFile};
use super::reader::{Shared, View};
use super::segment::{HEADER_BYTES, Header, Place, Segment};
use super::spare::Spare;
use super::{Options, failpoint, frame};
use crate::record::{MAX_PAYLOAD_BYTES, NewRecord};
use crate::timekeeper::Timekeeper;
use crate::{AppendOptions, Appended, JournalError, Refusal, own};

/// Largest append: it is kept within one segment, and one write.
const MAX_APPEND_BYTES: usize = 4 * MAX_PAYLOAD_BYTES;
/// Gaps and clock steps waiting for room on a full disk; more says nothing that the first ones did not.
const MAX_OWED: usize = 64;

/// Records that are written all or none.
#[derive(Debug)]
pub(crate) struct Request {
    pub records: Vec<NewRecord>,
    pub options: AppendOptions,
}

impl Request {
    fn bytes(&self) -> usize {
        self.records.iter().map(frame::size).sum()
    }

    fn is_too_large(&self) -> bool {
        self.bytes() > MAX_APPEND_BYTES || self.records.iter().any(|record| record.payload.len() > MAX_PAYLOAD_BYTES)
    }
}

/// The end of the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    pub place: Place,
    pub journal_time: JournalTime,
}

/// The log can no longer vouch for what it wrote.
#[derive(Debug)]
pub(crate) struct Fatal {
    doing: &'static str,
    source: io::Error,
}

fn fatal(doing: &'static str) -> impl Fn(io::Error) -> Fatal {
    move |source| Fatal { doing, source }
}

#[derive(Debug)]
pub(crate) struct Writer {
    disk: Arc<dyn Disk>,
    options: Options,
    shared: Arc<Shared>,
    segments: Vec<Arc<Segment>>,
    /// Removed by retention, but the disk would not let go of them yet.
    doomed: Vec<Arc<Segment>>,
    spare: Spare,
    mark: Option<MarkFile>,
    time: Timekeeper,
    durable: Tail,
    /// `durable` plus what `buffer` holds.
    staged: Tail,
    buffer: Vec<u8>,
    in_group: u32,
    owed: Vec<NewRecord>,
    closed: bool,
    _guard: Guard,
}

/// What recovery found, enough to go on writing.
pub(crate) struct Found {
    pub segments: Vec<Arc<Segment>>,
    pub tail: Tail,
    pub spare: Spare,
    pub mark: Option<MarkFile>,
    pub guard: Guard,
}

/// Requests staged since the last sync, with the offset each got.
type Staged = Vec<(usize, Offset)>;

impl Writer {
    pub(crate) fn new(disk: Arc<dyn Disk>, options: Options, found: Found) -> Result<Self, JournalError> {
        let Found { segments, tail, spare, mark, guard } = found;
        let view = View { segments: segments.clone().into(), end: tail.place, journal_time: tail.journal_time };
        let mut writer = Self {
            shared: Arc::new(Shared::new(view)),
            time: Timekeeper::start(&*options.clock, tail.journal_time),
            durable: tail,
            staged: tail,
            buffer: Vec::new(),
            in_group: 0,
            owed: Vec::new(),
            doomed: Vec::new(),
            closed: false,
            _guard: guard,
            disk,
            options,
            segments,
            spare,
            mark,
        };
        writer.greet(tail).map_err(|fatal| writer.active().io(fatal.source))?;
        Ok(writer)
    }

    /// Nobody was watching since the last record (semantics 18).
    fn greet(&mut self, tail: Tail) -> Result<(), Fatal> {
        if tail.place.offset > Offset(0) {
            let (now, _) = self.time.now(&*self.options.clock);
            self.owed.push(own::gap(tail.journal_time, now));
        }
        self.run(&[], &mut [])?;
        self.write_mark(true)
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// One group: all that fits is written and synced together.
    pub(crate) fn commit(&mut self, requests: &[Request]) -> Vec<Appended> {
        let mut answers = vec![Appended::Refused(Refusal::Closed); requests.len()];
        if !self.closed
            && let Err(fatal) = self.run(requests, &mut answers)
        {
            self.poison(&fatal);
        }
        answers
    }

    fn run(&mut self, requests: &[Request], answers: &mut [Appended]) -> Result<(), Fatal> {
        if self.spare.is_starved() {
            self.try_prepare()?;
        }
        self.tell_time();
        self.stage_owed()?;
        let mut staged = Staged::new();
        for (index, request) in requests.iter().enumerate() {
            if let Err(refusal) = self.admit(request) {
                answers[index] = Appended::Refused(refusal);
                continue;
            }
            if !self.fits(request.bytes()) {
                self.flush(&mut staged, answers)?;
                if !self.roll(request.bytes())? {
                    answers[index] = Appended::Refused(Refusal::Full);
                    continue;
                }
            }
            answers[index] = Appended::Unknown;
            staged.push((index, self.staged.place.offset));
            request.records.iter().for_each(|record| self.stage(record));
        }
        self.flush(&mut staged, answers)
    }

    fn tell_time(&mut self) {
        let (now, step) = self.time.now(&*self.options.clock);
        self.staged.journal_time = now;
        if let Some(step) = step.filter(|_| self.owed.len() < MAX_OWED) {
            tracing::warn!(step.wall_ms, step.expected_ms, "the wall clock stepped");
            self.owed.push(own::clock_step(step.wall_ms, step.expected_ms));
        }
    }

    /// Gaps and steps wait while there is no room, and obey no byte limit: they are few.
    fn stage_owed(&mut self) -> Result<(), Fatal> {
        let bytes = self.owed.iter().map(frame::size).sum();
        if self.owed.is_empty() || !(self.fits(bytes) || self.roll(bytes)?) {
            return Ok(());
        }
        for record in std::mem::take(&mut self.owed) {
            self.stage(&record);
        }
        Ok(())
    }

    fn admit(&self, request: &Request) -> Result<(), Refusal> {
        if request.is_too_large() {
            return Err(Refusal::TooLarge);
        }
        if request.options.expect.is_some_and(|expected| expected != self.staged.place.offset) {
            return Err(Refusal::Position);
        }
        let Options { byte_limit, reserve_bytes, .. } = self.options;
        let reserved = request.options.reserved;
        let limit = if reserved { byte_limit } else { byte_limit.saturating_sub(reserve_bytes) };
        let over = self.used_bytes() + request.bytes() as u64 > limit;
        if over || (!reserved && self.spare.is_starved()) { Err(Refusal::Full) } else { Ok(()) }
    }

    /// Closed segments count whole, whatever they hold: that is what they take from the disk.
    fn used_bytes(&self) -> u64 {
        let closed = &self.segments[..self.segments.len() - 1];
        closed.iter().map(|segment| segment.bytes).sum::<u64>() + self.staged.place.byte
    }

    fn active(&self) -> &Arc<Segment> {
        &self.segments[self.segments.len() - 1]
    }

    fn fits(&self, bytes: usize) -> bool {
        self.staged.place.byte + bytes as u64 <= self.active().bytes
    }

    fn stage(&mut self, record: &NewRecord) {
        let Tail { place, journal_time } = self.staged;
        let stamp = frame::Stamp { offset: place.offset, journal_time, in_group: self.in_group, chain: place.chain };
        let chain = frame::encode(record, &stamp, &mut self.buffer);
        self.in_group += 1;
        let byte = self.durable.place.byte + self.buffer.len() as u64;
        self.staged.place = Place { offset: place.offset.next(), byte, chain };
    }

    /// Writes and syncs what is staged, publishes it, and only then fills in the answers.
    fn flush(&mut self, staged: &mut Staged, answers: &mut [Appended]) -> Result<(), Fatal> {
        if !self.buffer.is_empty() {
            self.write_group().map_err(fatal("writing records"))?;
            self.active().remember(self.durable.place);
            self.durable = self.staged;
            self.buffer.clear();
            self.in_group = 0;
            self.write_mark(false)?;
            self.publish();
        }
        let journal_time = self.durable.journal_time;
        for (index, first) in staged.drain(..) {
            answers[index] = Appended::Durable { first, journal_time };
        }
        Ok(())
    }

    fn write_group(&self) -> io::Result<()> {
        failpoint("journal::before_write")?;
        let file = &self.active().file;
        file.write_at(&self.buffer, self.durable.place.byte)?;
        failpoint("journal::after_write")?;
        if self.options.fsync {
            let began = Instant::now();
            file.sync()?;
            self.shared.figures.synced(began.elapsed());
        }
        self.shared.figures.wrote(u64::from(self.in_group), self.buffer.len() as u64);
        failpoint("journal::after_sync")
    }

    fn write_mark(&self, sync: bool) -> Result<(), Fatal> {
        self.put_mark(self.segments[0].header.first, sync)
    }

    fn put_mark(&self, oldest: Offset, sync: bool) -> Result<(), Fatal> {
        let Some(file) = &self.mark else { return Ok(()) };
        let mark = Mark { next: self.durable.place.offset, segment: self.active().header.first, oldest };
        file.write(mark).and_then(|()| if sync { file.sync() } else { Ok(()) }).map_err(fatal("writing the mark"))
    }

    fn publish(&self) {
        let Tail { place: end, journal_time } = self.durable;
        self.shared.publish(View { segments: self.segments.clone().into(), end, journal_time });
    }

    /// Goes on in a new segment with room for `bytes`; false when the disk is full. Nothing may be staged.
    fn roll(&mut self, bytes: usize) -> Result<bool, Fatal> {
        let header = self.next_header();
        let bytes = self.options.segment_bytes.max(HEADER_BYTES + bytes as u64);
        let segment = match self.spare.become_segment(header, bytes) {
            Ok(segment) => Arc::new(segment),
            Err(error) if is_full(&error) => return Ok(false),
            Err(error) => return Err(fatal("making a segment")(error)),
        };
        self.segments.retain(|old| old.header.first != header.first);
        self.segments.push(segment);
        self.durable.place = header.start();
        self.staged.place = header.start();
        self.publish();
        Ok(true)
    }

    /// A segment that is still empty has the name the next one will have, and is replaced by it.
    fn next_header(&self) -> Header {
        let (active, Tail { place, journal_time }) = (self.active().header, self.durable);
        let previous = if active.first == place.offset { active.previous } else { Some(active.first) };
        Header { first: place.offset, previous, journal_time, chain: place.chain }
    }

    /// Makes the next segment ready once half of this one is used. To be called when nobody waits for an answer.
    pub(crate) fn prepare(&mut self) {
        if !self.closed
            && let Err(fatal) = self.try_prepare()
        {
            self.poison(&fatal);
        }
    }

    fn try_prepare(&mut self) -> Result<(), Fatal> {
        let now = self.options.clock.monotonic_ms();
        let early = self.durable.place.byte < self.active().bytes / 2;
        if early || self.spare.is_ready() || !self.spare.may_try(now) {
            return Ok(());
        }
        self.spare.prepare(self.options.segment_bytes, now).map_err(fatal("preparing a segment"))
    }

    /// The mark first, then readers, then the files: a crash anywhere between leaves files that the mark condemns.
    pub(crate) fn trim(&mut self, before: Offset) -> Result<(), JournalError> {
        if self.closed {
            return Err(self.active().io(io::Error::other("the journal is closed")));
        }
        let keep = self.segments.partition_point(|segment| segment.header.first <= before).saturating_sub(1);
        if keep > 0 {
            if let Err(fatal) = self.put_mark(self.segments[keep].header.first, true) {
                self.poison(&fatal);
                return Err(self.active().io(fatal.source));
            }
            self.doomed.extend(self.segments.drain(..keep));
            self.publish();
        }
        self.remove_doomed()
    }

    fn remove_doomed(&mut self) -> Result<(), JournalError> {
        while let Some(segment) = self.doomed.first() {
            failpoint("journal::trim").and_then(|()| self.disk.remove(&segment.name)).map_err(|e| segment.io(e))?;
            self.doomed.remove(0);
        }
        Ok(())
    }

    /// The first failed write or sync is the last: a second sync may report success over lost bytes.
    fn poison(&mut self, fatal: &Fatal) {
        let file = &self.active().shown;
        tracing::error!(doing = fatal.doing, error = %fatal.source, file, "the journal is poisoned: this process must end");
        self.closed = true;
        self.shared.fail(&format!("journal: {}: {}", fatal.doing, fatal.source));
    }

    /// No appends from here on.
    pub(crate) fn close(&mut self) {
        if !self.closed
            && let Err(fatal) = self.write_mark(true)
        {
            self.poison(&fatal);
        }
        self.closed = true;
    }
}
