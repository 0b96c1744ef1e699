//! A block as bytes. Format 1:
//! circumstances, strands, visitors, latest time, chunks (as they are in memory), side entries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use painwatch_domain::reading::{Identity, Mode};
use painwatch_domain::{EventTime, Flags, Measure, Meta};

use super::block::{Block, Chunk, Strand};
use super::chunk;
use super::codec::{BlockError, Dictionary, Reader, Result, Writer, status_code};
use super::version::{Version, Versions};

const FORMAT: u8 = 1;

impl Block {
    pub fn encode(&self) -> Vec<u8> {
        let mut metas = Dictionary::default();
        let mut body = Writer::default();
        body.unsigned(self.strands.len() as u64);
        for strand in &self.strands {
            body.unsigned(metas.number(&strand.about));
            body.signed(strand.revision);
            write_marks(&mut body, strand.flags, status_code(strand.status), strand.mode);
        }
        body.unsigned(self.visitors.len() as u64);
        self.visitors.iter().for_each(|&day| body.signed(i64::from(day)));
        body.signed(self.latest);
        body.unsigned(self.chunks.len() as u64);
        let mut before = 0;
        for (chunk, bytes) in self.packed() {
            body.unsigned(u64::from(chunk.first_ms - before));
            body.unsigned(u64::from(chunk.last_ms - chunk.first_ms));
            body.unsigned(chunk.rows as u64);
            body.bytes(&bytes);
            before = chunk.last_ms;
        }
        body.unsigned(self.side.len() as u64);
        for (identity, versions) in &self.side {
            self.write_entry(&mut body, &mut metas, identity, versions);
        }
        with_head(&metas, body)
    }

    fn write_entry<'a>(
        &self,
        out: &mut Writer,
        metas: &mut Dictionary<'a>,
        identity: &Identity,
        versions: &'a Versions,
    ) {
        out.byte(versions.kept().len() as u8 | if identity.id.is_some() { 0x80 } else { 0 });
        if let Some(id) = &identity.id {
            out.text(id);
        }
        for version in versions.kept() {
            out.text(if version.measure == self.measure { "" } else { version.measure.name() });
            out.signed(version.device_time.wrapping_sub(self.day_start()));
            out.optional(version.end.map(|end| end.wrapping_sub(version.device_time)));
            out.signed(version.time.0.wrapping_sub(version.device_time));
            out.value(&version.value);
            write_marks(out, version.flags, status_code(version.status), version.mode);
            out.signed(version.revision);
            out.optional(version.sent_at.map(|sent| sent.wrapping_sub(version.device_time)));
            out.unsigned(metas.number(&version.about));
        }
    }

    /// # Errors
    /// [`BlockError`] when the bytes are of a later format or damaged.
    pub fn decode(measure: Measure, day: i32, bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader(bytes);
        match reader.byte()? {
            FORMAT => {}
            other => return Err(BlockError::Format(other)),
        }
        let metas = reader.metas()?;
        let mut block = Self::new(measure, day);
        block.strands = (0..reader.count()?).map(|_| read_strand(&mut reader, &metas)).collect::<Result<_>>()?;
        block.visitors = read_visitors(&mut reader)?;
        block.latest = reader.signed()?;
        block.chunks = block.read_chunks(&mut reader)?;
        block.side = block.read_side(&mut reader, &metas)?;
        if reader.0.is_empty() { Ok(block) } else { Err(BlockError::Damaged("it is longer than its content")) }
    }

    /// Every chunk is unpacked once, so that later reading cannot fail.
    fn read_chunks(&self, reader: &mut Reader<'_>) -> Result<Vec<Chunk>> {
        let mut chunks = Vec::new();
        let mut rows = Vec::new();
        let mut before = 0;
        for _ in 0..reader.count()? {
            let first_ms = offset(before, reader.unsigned()?)?;
            let last_ms = offset(first_ms, reader.unsigned()?)?;
            before = last_ms;
            let count =
                usize::try_from(reader.unsigned()?).map_err(|_| BlockError::Damaged("a chunk has too many rows"))?;
            let bytes = reader.bytes()?;
            if count == 0 || count > bytes.len() {
                return Err(BlockError::Damaged("a chunk has no rows, or more than bytes"));
            }
            rows.clear();
            chunk::decode(bytes, count, self.day_start(), &mut rows)?;
            let in_order = rows.is_sorted_by_key(chunk::Row::key);
            let known = rows.iter().all(|row| usize::from(row.strand) < self.strands.len());
            if !in_order || !known || (rows[0].at_ms, rows[count - 1].at_ms) != (first_ms, last_ms) {
                return Err(BlockError::Damaged("a chunk does not hold what it says"));
            }
            chunks.push(Chunk { first_ms, last_ms, rows: count, bytes: bytes.into() });
        }
        Ok(chunks)
    }

    fn read_side(&self, reader: &mut Reader<'_>, metas: &[Arc<Meta>]) -> Result<BTreeMap<Identity, Versions>> {
        let mut side = BTreeMap::new();
        for _ in 0..reader.count()? {
            let head = reader.byte()?;
            let id = if head & 0x80 != 0 { Some(reader.text()?.to_owned()) } else { None };
            let versions = (0..head & 0x7f).map(|_| self.read_version(reader, metas)).collect::<Result<_>>()?;
            let versions = Versions::from_kept(versions).ok_or(BlockError::Damaged("an identity keeps no version"))?;
            side.insert(identity_of(&versions, id), versions);
        }
        Ok(side)
    }

    fn read_version(&self, reader: &mut Reader<'_>, metas: &[Arc<Meta>]) -> Result<Version> {
        let measure = match reader.text()? {
            "" => self.measure,
            name => Measure::parse(name).ok_or(BlockError::Damaged("a measure is unknown"))?,
        };
        let device_time = self.day_start().wrapping_add(reader.signed()?);
        let end = reader.optional()?.map(|length| device_time.wrapping_add(length));
        let time = EventTime(device_time.wrapping_add(reader.signed()?));
        let value = reader.value()?;
        let (flags, status, mode) = (read_flags(reader)?, reader.status()?, read_mode(reader)?);
        let revision = reader.signed()?;
        let sent_at = reader.optional()?.map(|lag| device_time.wrapping_add(lag));
        let about = reader.about(metas)?;
        Ok(Version { measure, device_time, end, time, value, flags, status, revision, sent_at, mode, about })
    }
}

/// Under which identity versions are kept: with an id, at the place that the one which stands claims.
pub(super) fn identity_of(versions: &Versions, id: Option<String>) -> Identity {
    let top = versions.top();
    let discriminator = if id.is_some() { String::new() } else { top.about.discriminator(top.measure) };
    Identity { device_time: top.device_time, end: top.end, discriminator, id }
}

fn with_head(metas: &Dictionary<'_>, body: Writer) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(body.0.len() + 64));
    out.byte(FORMAT);
    out.unsigned(metas.metas.len() as u64);
    metas.metas.iter().for_each(|meta| out.meta(meta));
    out.0.extend_from_slice(&body.0);
    out.0
}

fn write_marks(out: &mut Writer, flags: Flags, status: u8, mode: Mode) {
    out.unsigned(u64::from(flags.0));
    out.byte(status);
    out.byte(u8::from(mode == Mode::Historical));
}

fn read_flags(reader: &mut Reader<'_>) -> Result<Flags> {
    u16::try_from(reader.unsigned()?).map(Flags).map_err(|_| BlockError::Damaged("flags are out of range"))
}

fn read_mode(reader: &mut Reader<'_>) -> Result<Mode> {
    Ok(if reader.flag()? { Mode::Historical } else { Mode::Live })
}

fn read_strand(reader: &mut Reader<'_>, metas: &[Arc<Meta>]) -> Result<Strand> {
    let about = reader.about(metas)?;
    let revision = reader.signed()?;
    let (flags, status, mode) = (read_flags(reader)?, reader.status()?, read_mode(reader)?);
    Ok(Strand { revision, flags, status, mode, about })
}

fn read_visitors(reader: &mut Reader<'_>) -> Result<BTreeSet<i32>> {
    (0..reader.count()?).map(|_| reader.moved(0)).collect()
}

fn offset(from: u32, by: u64) -> Result<u32> {
    let to = u64::from(from).checked_add(by).and_then(|to| u32::try_from(to).ok());
    to.ok_or(BlockError::Damaged("a chunk lies outside its day"))
}
