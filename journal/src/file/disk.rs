//! What the log asks of a disk, and the real one. [`super::SimDisk`] is the other.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One directory. A name is durable once [`Disk::sync_names`] has returned.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Names of all files.
    ///
    /// # Errors
    /// As the operating system says.
    fn names(&self) -> io::Result<Vec<String>>;

    /// An existing file.
    ///
    /// # Errors
    /// As the operating system says.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// A new, empty file, in place of one that may be there.
    ///
    /// # Errors
    /// As the operating system says.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// # Errors
    /// As the operating system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// # Errors
    /// As the operating system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// # Errors
    /// As the operating system says; never to be retried.
    fn sync_names(&self) -> io::Result<()>;

    /// Exclusive use of the directory while the guard lives; `None` when somebody else has it.
    ///
    /// # Errors
    /// As the operating system says.
    fn lock(&self) -> io::Result<Option<Guard>>;

    /// How to name a file to a person.
    fn shown(&self, name: &str) -> String;
}

/// Dropping it gives the directory free.
pub type Guard = Box<dyn fmt::Debug + Send>;

/// One file, read and written by position.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// # Errors
    /// As the operating system says; `UnexpectedEof` past the end.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()>;

    /// # Errors
    /// As the operating system says.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Returns once everything written survives a power cut.
    ///
    /// # Errors
    /// As the operating system says; never to be retried (a second call may succeed over lost bytes).
    fn sync(&self) -> io::Result<()>;

    /// # Errors
    /// As the operating system says.
    fn size(&self) -> io::Result<u64>;
}

/// A directory of the operating system. Files are readable by the owner only: they hold health data.
#[derive(Debug)]
pub struct OsDisk {
    dir: PathBuf,
}

impl OsDisk {
    /// # Errors
    /// When the directory neither exists nor can be made.
    pub fn new(dir: &Path) -> io::Result<Self> {
        if !dir.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(Self { dir: dir.to_owned() })
    }

    fn options() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        options
    }
}

impl Disk for OsDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.dir)?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OsFile(Self::options().open(self.dir.join(name))?)))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OsFile(Self::options().create(true).truncate(true).open(self.dir.join(name))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.dir.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    fn lock(&self) -> io::Result<Option<Guard>> {
        let file = Self::options().create(true).truncate(false).open(self.dir.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn shown(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }
}

#[derive(Debug)]
struct OsFile(File);

impl DiskFile for OsFile {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read_exact_at(into, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// The disk or the quota has no room: the one write error that passes by itself, and that only making a segment can meet,
/// because records go into space already written.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
