//! Where an export's bytes come from: a file, a folder, or a zip archive that is read in place. Nothing is ever written
//! to disk, so an entry's name cannot lead anywhere. Sizes are bounded, because an archive is somebody else's file: how
//! many entries, how large a file grows, and how many times larger than its packed form.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::ImportError;
use super::zip::{self, Entry};

/// Folders below the one that was named: no export nests deeper, and a link that leads back must not be followed for ever.
const DEPTH_MAX: usize = 32;
/// Files of one export: the largest account exports hold some ten thousand activity files.
pub const FILES_MAX: usize = 200_000;
/// Largest file in bytes that is read as a whole: a year of heart rates as JSON is some 150 MB.
pub const WHOLE_BYTES_MAX: u64 = 512 << 20;
/// Largest file in bytes that is read in passing: ten years of a Health export stay below 10 GB.
pub const STREAM_BYTES_MAX: u64 = 64 << 30;
/// Unpacked bytes to one packed byte. Text of a health export packs 10 to 60 times; a bomb of zeros about 1,030 times.
const RATIO_MAX: u64 = 250;
/// Below this many unpacked bytes the ratio says nothing.
const RATIO_FLOOR_BYTES: u64 = 4 << 20;

/// One file of an export.
#[derive(Clone, Debug)]
pub struct Found {
    /// For an entry of an archive: the archive's path followed by the entry's name. Only shown and matched, never opened.
    path: PathBuf,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    File,
    Entry { archive: PathBuf, entry: Entry },
}

/// Every file under `path` (or `path` itself, or the entries of the archive that it is), in path order: the same order on
/// every machine.
///
/// # Errors
/// [`ImportError::Unreadable`] for a folder or archive that cannot be read or holds more than the limits allow.
pub fn find(path: &Path) -> Result<Vec<Found>, ImportError> {
    let mut found = Vec::new();
    collect(path, 0, &mut found)?;
    Ok(found)
}

fn unreadable(file: &Path, source: impl Into<io::Error>) -> ImportError {
    ImportError::Unreadable { file: file.to_owned(), source: source.into() }
}

fn collect(path: &Path, depth: usize, found: &mut Vec<Found>) -> Result<(), ImportError> {
    if depth > DEPTH_MAX {
        let limit = format!("more than {DEPTH_MAX} folders deep: name a smaller folder");
        return Err(unreadable(path, io::Error::other(limit)));
    }
    if !std::fs::metadata(path).map_err(|error| unreadable(path, error))?.is_dir() {
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip")) {
            return collect_archive(path, depth, found);
        }
        return put(Found { path: path.to_owned(), place: Place::File }, found);
    }
    let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, error))?;
    let mut entries: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(path, error))?;
    entries.sort();
    entries.iter().try_for_each(|entry| collect(entry, depth + 1, found))
}

fn put(file: Found, found: &mut Vec<Found>) -> Result<(), ImportError> {
    if found.len() >= FILES_MAX {
        let limit = format!("more than {FILES_MAX} files: name a smaller folder");
        return Err(unreadable(&file.path, io::Error::other(limit)));
    }
    found.push(file);
    Ok(())
}

/// An archive below the folder or archive that was named is not opened: exports hold archives of other things.
fn collect_archive(path: &Path, depth: usize, found: &mut Vec<Found>) -> Result<(), ImportError> {
    if depth > 0 {
        return put(Found { path: path.to_owned(), place: Place::File }, found);
    }
    let mut entries = zip::entries(path).map_err(|error| unreadable(path, error))?;
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let files = entries.into_iter().filter(|entry| !entry.name.ends_with('/'));
    found.extend(files.map(|entry| Found {
        path: path.join(entry.name.trim_start_matches('/')),
        place: Place::Entry { archive: path.to_owned(), entry },
    }));
    Ok(())
}

impl Found {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name's last part, without `.gz`.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.strip_suffix(".gz").map_or(name.clone(), str::to_owned)
    }

    pub fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// The whole file, unpacked.
    ///
    /// # Errors
    /// [`ImportError::Unreadable`] when it cannot be read, or grows beyond the limits.
    pub fn bytes(&self) -> Result<Vec<u8>, ImportError> {
        self.read(WHOLE_BYTES_MAX, |reader| {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map_err(|error| unreadable(&self.path, error))?;
            Ok(bytes)
        })
    }

    /// Hands the unpacked bytes to `take` in passing.
    ///
    /// # Errors
    /// As `take`, or [`ImportError::Unreadable`].
    pub fn stream<T>(&self, take: impl FnOnce(&mut dyn BufRead) -> Result<T, ImportError>) -> Result<T, ImportError> {
        self.read(STREAM_BYTES_MAX, take)
    }

    fn read<T>(
        &self,
        bytes_max: u64,
        take: impl FnOnce(&mut dyn BufRead) -> Result<T, ImportError>,
    ) -> Result<T, ImportError> {
        match &self.place {
            Place::Entry { archive, entry } => {
                let plain = zip::open(archive, entry).map_err(|error| unreadable(&self.path, error))?;
                self.unpack(
                    Capped::new(plain, Some(entry.packed_bytes), bytes_max),
                    entry.packed_bytes,
                    bytes_max,
                    take,
                )
            }
            Place::File => {
                let file = File::open(&self.path).map_err(|error| unreadable(&self.path, error))?;
                let size = file.metadata().map_err(|error| unreadable(&self.path, error))?.len();
                self.unpack(file, size, bytes_max, take)
            }
        }
    }

    fn unpack<T>(
        &self,
        packed: impl Read,
        size: u64,
        bytes_max: u64,
        take: impl FnOnce(&mut dyn BufRead) -> Result<T, ImportError>,
    ) -> Result<T, ImportError> {
        if self.path.extension().is_none_or(|extension| extension != "gz") {
            return take(&mut BufReader::new(Capped::new(packed, None, bytes_max)));
        }
        let plain = flate2::read::MultiGzDecoder::new(packed);
        take(&mut BufReader::new(Capped::new(plain, Some(size), bytes_max)))
    }
}

/// A reader that ends in an error before it has yielded more than the limits allow.
struct Capped<R> {
    inner: R,
    packed: Option<u64>,
    bytes_max: u64,
    read: u64,
}

impl<R> Capped<R> {
    const fn new(inner: R, packed: Option<u64>, bytes_max: u64) -> Self {
        Self { inner, packed, bytes_max, read: 0 }
    }

    fn check(&self) -> io::Result<()> {
        if self.read > self.bytes_max {
            return Err(io::Error::other(format!("larger than {} MiB: split the export", self.bytes_max >> 20)));
        }
        let swollen = |packed: u64| self.read > RATIO_FLOOR_BYTES && self.read > packed.saturating_mul(RATIO_MAX);
        if self.packed.is_some_and(swollen) {
            return Err(io::Error::other(format!("unpacks to more than {RATIO_MAX} times its size: not an export")));
        }
        Ok(())
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read += count as u64;
        self.check()?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_entries_of_an_archive_are_found_in_order_and_read_in_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("export.zip");
        std::fs::write(&path, zip::tests::archive(&[("b/two.csv", b"2"), ("../../a.csv", b"1")])).unwrap();
        let found = find(&path).unwrap();
        let read: Vec<(String, Vec<u8>)> = found.iter().map(|file| (file.name(), file.bytes().unwrap())).collect();
        assert_eq!(read, [("a.csv".to_owned(), b"1".to_vec()), ("two.csv".to_owned(), b"2".to_vec())]);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was written");
    }

    #[test]
    fn a_bomb_is_refused_before_it_has_been_unpacked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("export.zip");
        std::fs::write(&path, zip::tests::archive(&[("bomb.xml", &vec![b' '; 16 << 20])])).unwrap();
        let error = find(&path).unwrap()[0].bytes().unwrap_err().to_string();
        assert!(error.contains("more than 250 times its size"), "{error}");
    }

    fn capped(plain: u64, packed: u64) -> io::Result<u64> {
        let plain = io::repeat(b' ').take(plain);
        io::copy(&mut Capped::new(plain, Some(packed), STREAM_BYTES_MAX), &mut io::sink())
    }

    #[test]
    fn s42_a_file_unpacks_to_two_hundred_and_fifty_times_its_size_at_most_and_below_four_mebibytes_to_anything() {
        assert_eq!(capped(25_000_000, 100_000).unwrap(), 25_000_000);
        assert!(capped(25_000_001, 100_000).unwrap_err().to_string().contains("more than 250 times"));
        assert_eq!(capped(4 << 20, 1).unwrap(), 4 << 20);
        assert!(capped((4 << 20) + 1, 1).is_err());
    }

    #[test]
    fn s42_a_file_has_so_many_bytes_at_most() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("steps.json");
        // Zeros that take no room on the disk.
        for (bytes, within) in [(WHOLE_BYTES_MAX, true), (WHOLE_BYTES_MAX + 1, false)] {
            File::create(&path).unwrap().set_len(bytes).unwrap();
            let file = find(&path).unwrap().remove(0);
            let read = file.read(WHOLE_BYTES_MAX, |reader| {
                io::copy(reader, &mut io::sink()).map_err(|error| unreadable(&path, error))
            });
            assert_eq!(read.ok(), within.then_some(bytes));
        }
        let mut nearly = Capped { read: STREAM_BYTES_MAX - 1, ..Capped::new(&b"12"[..], None, STREAM_BYTES_MAX) };
        assert_eq!(nearly.read(&mut [0]).unwrap(), 1);
        assert!(nearly.read(&mut [0]).unwrap_err().to_string().contains("larger than 65536 MiB"));
    }

    #[test]
    fn s42_an_export_has_so_many_files_and_is_so_deep_at_most() {
        let file = || Found { path: "a.csv".into(), place: Place::File };
        let mut found = vec![file(); FILES_MAX - 1];
        assert!(put(file(), &mut found).is_ok());
        assert!(put(file(), &mut found).unwrap_err().to_string().contains("more than 200000 files"));

        let directory = tempfile::tempdir().unwrap();
        let deep = |folders: usize| directory.path().join(vec!["d"; folders].join("/"));
        // The file is as deep as the folders above it, the named one among them.
        std::fs::create_dir_all(deep(31)).unwrap();
        std::fs::write(deep(31).join("a.csv"), "").unwrap();
        assert_eq!(find(directory.path()).unwrap().len(), 1);
        std::fs::create_dir_all(deep(32)).unwrap();
        std::fs::write(deep(32).join("a.csv"), "").unwrap();
        assert!(find(directory.path()).unwrap_err().to_string().contains("more than 32 folders deep"));
    }

    #[test]
    fn a_gzip_bomb_in_an_archive_is_measured_by_what_it_takes_there() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(&vec![b' '; 16 << 20]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("export.zip");
        std::fs::write(&path, zip::tests::archive(&[("steps.json.gz", &packed.finish().unwrap())])).unwrap();
        let error = find(&path).unwrap()[0].bytes().unwrap_err().to_string();
        assert!(error.contains("more than 250 times its size"), "{error}");
    }

    #[test]
    fn a_gzip_bomb_is_refused_too_and_an_honest_one_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("steps.json.gz");
        for (bytes, honest) in [(vec![b' '; 16 << 20], false), (b"[]".to_vec(), true)] {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            packed.write_all(&bytes).unwrap();
            std::fs::write(&path, packed.finish().unwrap()).unwrap();
            let file = &find(directory.path()).unwrap()[0];
            assert_eq!((file.name().as_str(), file.bytes().is_ok()), ("steps.json", honest));
        }
    }
}
