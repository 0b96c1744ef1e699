//! The mark: up to where the log is known to be durable, and where retention begins. 48 bytes in a file of their own.
//!
//! Written after each sync and before the answer, but not synced itself: whatever of it reaches the disk is true, and it
//! costs no flush. With it, damage to the last acknowledged record is told from a torn write that nobody was promised.
//! Retention does sync it, before it removes anything.

use std::io;
use std::sync::Arc;

use painwatch_domain::Offset;

use super::disk::{Disk, DiskFile};
use super::frame::{u32_at, u64_at};

pub(crate) const NAME: &str = "mark";
const BYTES: usize = 48;
const MAGIC: [u8; 8] = *b"pwmark\x01\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Every record before this offset is durable.
    pub next: Offset,
    /// First offset of the segment that holds, or will hold, `next`.
    pub segment: Offset,
    /// First offset of the oldest segment kept.
    pub oldest: Offset,
}

impl Mark {
    fn encode(&self) -> [u8; BYTES] {
        let mut out = [0; BYTES];
        out[..8].copy_from_slice(&MAGIC);
        out[16..24].copy_from_slice(&self.next.0.to_le_bytes());
        out[24..32].copy_from_slice(&self.segment.0.to_le_bytes());
        out[32..40].copy_from_slice(&self.oldest.0.to_le_bytes());
        let crc = crc32c::crc32c(&out);
        out[8..12].copy_from_slice(&crc.to_le_bytes());
        out
    }

    fn parse(mut bytes: [u8; BYTES]) -> Option<Self> {
        let crc = u32_at(&bytes, 8);
        bytes[8..12].fill(0);
        let sound = bytes[..8] == MAGIC && crc32c::crc32c(&bytes) == crc;
        let field = |at| Offset(u64_at(&bytes, at));
        sound.then(|| Self { next: field(16), segment: field(24), oldest: field(32) })
    }

    /// The mark left behind, if there is one that can be believed.
    pub(crate) fn load(disk: &dyn Disk) -> io::Result<Option<Self>> {
        let file = match disk.open(NAME) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = [0; BYTES];
        match file.read_at(&mut bytes, 0) {
            Ok(()) => Ok(Self::parse(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[derive(Debug)]
pub(crate) struct MarkFile(Arc<dyn DiskFile>);

impl MarkFile {
    pub(crate) fn open(disk: &dyn Disk) -> io::Result<Self> {
        match disk.open(NAME) {
            Ok(file) => Ok(Self(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(NAME).map(Self),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn write(&self, mark: Mark) -> io::Result<()> {
        self.0.write_at(&mark.encode(), 0)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}
