//! Making segments: zero-filled and synced under another name while there is time, so that a new segment costs two small
//! syncs and a full disk is met before a record needs the room.

use std::io;
use std::sync::Arc;

use super::disk::{Disk, DiskFile, is_full};
use super::failpoint;
use super::segment::{self, Header, Segment};

pub(crate) const NAME: &str = "spare";
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
/// A full disk is tried again so often: well inside the ten seconds after which service has to resume.
const RETRY_MS: i64 = 5_000;

#[derive(Debug)]
pub(crate) struct Spare {
    disk: Arc<dyn Disk>,
    fsync: bool,
    ready: Option<Ready>,
    full_until_ms: Option<i64>,
}

#[derive(Clone, Debug)]
struct Ready {
    file: Arc<dyn DiskFile>,
    bytes: u64,
}

impl Spare {
    pub(crate) fn new(disk: Arc<dyn Disk>, fsync: bool) -> Self {
        Self { disk, fsync, ready: None, full_until_ms: None }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.is_some()
    }

    /// The last attempt met a full disk.
    pub(crate) fn is_starved(&self) -> bool {
        self.full_until_ms.is_some()
    }

    pub(crate) fn may_try(&self, monotonic_ms: i64) -> bool {
        self.full_until_ms.is_none_or(|until| monotonic_ms >= until)
    }

    /// Makes the spare ready. A full disk is no error but a reason to wait.
    pub(crate) fn prepare(&mut self, bytes: u64, monotonic_ms: i64) -> io::Result<()> {
        match self.make(bytes) {
            Err(error) if is_full(&error) => {
                tracing::warn!(bytes, "no room for another journal segment: holding back readings");
                self.full_until_ms = Some(monotonic_ms.saturating_add(RETRY_MS));
                Ok(())
            }
            result => result,
        }
    }

    fn make(&mut self, bytes: u64) -> io::Result<()> {
        self.ready = None;
        let file = self.disk.create(NAME)?;
        if let Err(error) = self.fill(&*file, bytes) {
            if is_full(&error) {
                self.disk.remove(NAME)?;
            }
            return Err(error);
        }
        self.ready = Some(Ready { file, bytes });
        self.full_until_ms = None;
        Ok(())
    }

    fn fill(&self, file: &dyn DiskFile, bytes: u64) -> io::Result<()> {
        let mut at = 0;
        while at < bytes {
            let piece = (bytes - at).min(ZEROS.len() as u64);
            file.write_at(&ZEROS[..piece as usize], at)?;
            at += piece;
        }
        if self.fsync { file.sync() } else { Ok(()) }
    }

    /// The spare, made now if there is none of at least `bytes`, becomes the segment that `header` describes. Its name is
    /// a segment's only once its header is durable.
    pub(crate) fn become_segment(&mut self, header: Header, bytes: u64) -> io::Result<Segment> {
        if self.ready.as_ref().is_none_or(|ready| ready.bytes < bytes) {
            self.make(bytes)?;
        }
        let Some(ready) = self.ready.clone() else { return Err(io::ErrorKind::NotFound.into()) };
        ready.file.write_at(&header.encode(), 0)?;
        if self.fsync {
            ready.file.sync()?;
        }
        let name = segment::name(header.first);
        self.disk.rename(NAME, &name)?;
        self.ready = None;
        failpoint("journal::segment_created")?;
        if self.fsync {
            self.disk.sync_names()?;
        }
        Ok(Segment::new(self.disk.shown(&name), header, ready.file, ready.bytes))
    }
}
