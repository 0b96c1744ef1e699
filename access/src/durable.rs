//! Small secret files: whole or absent after a power cut, readable by nobody else from their first byte.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::Secret;

/// Puts `bytes` in place of what `path` held: temporary file, fsync, rename, fsync of the directory.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidInput)?;
    let draft = dir.join(format!(".{name}.{}", Secret::random(8).reveal()));
    let written = write_draft(&draft, bytes).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // What could not be put in place must not lie about; that it cannot be removed either changes nothing.
        let _ = fs::remove_file(&draft);
    }
    written?;
    File::open(dir)?.sync_all()
}

fn write_draft(draft: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Held while a file is read, changed and written back, so that two commands at once lose nothing of each other.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Lock {
    /// Waits for whoever holds it. The lock file stays: removing it would let two hold it.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(PathBuf::from(name))?;
        file.lock()?;
        Ok(Self(file))
    }
}

/// What tells a replaced file from the one before, without reading it. `None` where there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(Option<(u64, i64, i64, u64)>);

impl Stamp {
    pub fn of(path: &Path) -> Self {
        let parts = |meta: Metadata| (meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len());
        Self(fs::metadata(path).ok().map(parts))
    }
}
