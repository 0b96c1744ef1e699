//! Reads the zip archives that exports come in: entries that are stored or deflated, one at a time, with the 64-bit sizes of
//! large ones. Encrypted entries and other methods are refused. The format: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::source::FILES_MAX;

const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const END_64_LOCATOR: u32 = 0x0706_4b50;
const DIRECTORY_ENTRY: u32 = 0x0201_4b50;
const LOCAL_ENTRY: u32 = 0x0403_4b50;
const END_BYTES: usize = 22;
/// An end is followed by a comment of at most 65,535 bytes.
const END_SEARCH_BYTES: u64 = 22 + 65_535;
/// Largest directory in bytes: [`FILES_MAX`] entries with names of 400.
const DIRECTORY_BYTES_MAX: u64 = 96 << 20;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// One entry, as the archive's directory describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub packed_bytes: u64,
    at: u64,
    crc: u32,
    method: u16,
    is_encrypted: bool,
}

/// The entries, in the order of the directory.
///
/// # Errors
/// Of the file system; and where the archive is damaged, has more than [`FILES_MAX`] entries, or entries that together
/// are larger than it is: they share their bytes, as only bombs do.
pub fn entries(path: &Path) -> io::Result<Vec<Entry>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let (count, bytes, at) = directory(&mut file, size)?;
    if count > FILES_MAX as u64 || bytes > DIRECTORY_BYTES_MAX || at.saturating_add(bytes) > size {
        return Err(damaged("its directory is larger than that of an export, or not within it"));
    }
    file.seek(SeekFrom::Start(at))?;
    let mut directory = vec![0; bytes as usize];
    file.read_exact(&mut directory)?;
    let mut rest = directory.as_slice();
    let mut found = Vec::new();
    while u32_at(rest, 0) == Some(DIRECTORY_ENTRY) && (found.len() as u64) < count {
        found.push(entry(&mut rest).ok_or_else(|| damaged("its directory breaks off"))?);
    }
    if found.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.packed_bytes)) > size {
        return Err(damaged("its entries are together larger than the archive: not an export"));
    }
    Ok(found)
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no readable zip archive: {what}"))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// How many entries the directory has, how many bytes, and where it is.
fn directory(file: &mut File, size: u64) -> io::Result<(u64, u64, u64)> {
    let from = size.saturating_sub(END_SEARCH_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(END_SEARCH_BYTES).read_to_end(&mut tail)?;
    let starts = 0..(tail.len() + 1).saturating_sub(END_BYTES);
    let end = starts.rev().find(|at| u32_at(&tail, *at) == Some(END)).ok_or_else(|| damaged("it has no end"))?;
    let narrow = || Some((u16_at(&tail, end + 10)?, u32_at(&tail, end + 12)?, u32_at(&tail, end + 16)?));
    let (count, bytes, at) = narrow().ok_or_else(|| damaged("its end breaks off"))?;
    if count != u16::MAX && bytes != u32::MAX && at != u32::MAX {
        return Ok((count.into(), bytes.into(), at.into()));
    }
    let locator = end.checked_sub(20).filter(|at| u32_at(&tail, *at) == Some(END_64_LOCATOR));
    let wide = locator.and_then(|at| u64_at(&tail, at + 8)).ok_or_else(|| damaged("its 64-bit end is missing"))?;
    file.seek(SeekFrom::Start(wide))?;
    let mut record = [0; 56];
    file.read_exact(&mut record)?;
    let wide = || Some((u64_at(&record, 32)?, u64_at(&record, 40)?, u64_at(&record, 48)?));
    wide().filter(|_| u32_at(&record, 0) == Some(END_64)).ok_or_else(|| damaged("its 64-bit end is missing"))
}

/// Takes one entry off the front of the directory.
fn entry(rest: &mut &[u8]) -> Option<Entry> {
    let bytes = *rest;
    let (name, extra, comment) = (u16_at(bytes, 28)?, u16_at(bytes, 30)?, u16_at(bytes, 32)?);
    let [name, extra, comment] = [name, extra, comment].map(usize::from);
    let mut found = Entry {
        name: String::from_utf8_lossy(bytes.get(46..46 + name)?).into_owned(),
        packed_bytes: u32_at(bytes, 20)?.into(),
        at: u32_at(bytes, 42)?.into(),
        crc: u32_at(bytes, 16)?,
        method: u16_at(bytes, 10)?,
        is_encrypted: u16_at(bytes, 8)? & 1 == 1,
    };
    let plain_is_wide = u32_at(bytes, 24)? == u32::MAX;
    widen(&mut found, plain_is_wide, bytes.get(46 + name..46 + name + extra)?);
    *rest = bytes.get(46 + name + extra + comment..)?;
    Some(found)
}

/// The 64-bit extra field has, in this order, only those numbers that did not fit in 32 bits.
fn widen(entry: &mut Entry, plain_is_wide: bool, mut extra: &[u8]) {
    while let (Some(id), Some(length)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let Some(field) = extra.get(4..4 + usize::from(length)) else { return };
        if id == 1 {
            let mut numbers = field.chunks_exact(8).filter_map(|bytes| u64_at(bytes, 0));
            if plain_is_wide {
                numbers.next();
            }
            for number in [&mut entry.packed_bytes, &mut entry.at] {
                if *number == u64::from(u32::MAX) {
                    *number = numbers.next().unwrap_or(*number);
                }
            }
        }
        extra = &extra[4 + usize::from(length)..];
    }
}

/// The plain bytes of one entry; their end is an error where the checksum does not agree.
///
/// # Errors
/// Of the file system; and for an entry that is encrypted, packed otherwise or not where the directory says.
pub fn open(path: &Path, entry: &Entry) -> io::Result<Box<dyn Read>> {
    if entry.is_encrypted {
        return Err(damaged("this entry is encrypted: unpack it and import the folder"));
    }
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(entry.at))?;
    let mut header = [0; 30];
    file.read_exact(&mut header)?;
    let lengths = u16_at(&header, 26).zip(u16_at(&header, 28)).filter(|_| u32_at(&header, 0) == Some(LOCAL_ENTRY));
    let (name, extra) = lengths.ok_or_else(|| damaged("this entry is not where the directory says"))?;
    file.seek(SeekFrom::Current(i64::from(name) + i64::from(extra)))?;
    let packed = BufReader::new(file).take(entry.packed_bytes);
    match entry.method {
        STORED => Ok(Box::new(Checked::new(packed, entry.crc))),
        DEFLATED => Ok(Box::new(Checked::new(DeflateDecoder::new(packed), entry.crc))),
        other => Err(damaged(&format!("method {other} is not read: unpack it and import the folder"))),
    }
}

struct Checked<R> {
    inner: R,
    sum: Crc,
    expected: u32,
}

impl<R> Checked<R> {
    fn new(inner: R, expected: u32) -> Self {
        Self { inner, sum: Crc::new(), expected }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.sum.update(&buffer[..count]);
        if count == 0 && !buffer.is_empty() && self.sum.sum() != self.expected {
            return Err(damaged("this entry is damaged: its checksum differs"));
        }
        Ok(count)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::io::Write as _;

    /// An archive of deflated entries.
    pub fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (name, plain) in entries {
            let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
            packed.write_all(plain).unwrap();
            let packed = packed.finish().unwrap();
            let mut sum = Crc::new();
            sum.update(plain);
            let numbers = [sum.sum(), packed.len() as u32, plain.len() as u32];
            let at = bytes.len() as u32;
            let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0];
            numbers.iter().for_each(|number| common.extend(number.to_le_bytes()));
            common.extend((name.len() as u16).to_le_bytes());
            common.extend([0, 0]);
            bytes.extend(LOCAL_ENTRY.to_le_bytes());
            bytes.extend(&common);
            bytes.extend(name.as_bytes());
            bytes.extend(packed);
            directory.extend(DIRECTORY_ENTRY.to_le_bytes());
            directory.extend([20, 0]);
            directory.extend(&common);
            directory.extend([0; 10]);
            directory.extend(at.to_le_bytes());
            directory.extend(name.as_bytes());
        }
        let (count, at) = (entries.len() as u16, bytes.len() as u32);
        bytes.extend(&directory);
        bytes.extend(END.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(count.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend((directory.len() as u32).to_le_bytes());
        bytes.extend(at.to_le_bytes());
        bytes.extend([0, 0]);
        bytes
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), bytes)?;
        let mut all = Vec::new();
        for entry in entries(file.path())? {
            let mut plain = Vec::new();
            open(file.path(), &entry)?.take(1 << 20).read_to_end(&mut plain)?;
            all.push((entry.name, plain));
        }
        Ok(all)
    }

    #[test]
    fn a_changed_byte_of_an_entry_is_noticed_and_no_damage_panics() {
        let sound = archive(&[("a.csv", b"time,value"), ("b.csv", b"1")]);
        assert_eq!(read(&sound).unwrap()[0], ("a.csv".to_owned(), b"time,value".to_vec()));
        for at in 0..sound.len() {
            let mut broken = sound.clone();
            broken[at] ^= 0x41;
            let _ = read(&broken);
            let _ = read(&sound[..at]);
        }
        let mut broken = sound;
        // A byte of the first entry's packed form.
        broken[30 + 5 + 3] ^= 1;
        assert!(read(&broken).is_err());
    }

    #[test]
    fn entries_that_share_their_bytes_are_refused() {
        let mut shared = archive(&[("a", &[7; 4_000])]);
        let entry = shared.windows(4).position(|bytes| bytes == DIRECTORY_ENTRY.to_le_bytes()).unwrap();
        // The directory claims more packed bytes than the archive has.
        shared[entry + 20..entry + 24].copy_from_slice(&1_000_000u32.to_le_bytes());
        assert!(read(&shared).unwrap_err().to_string().contains("together larger"));
    }

    #[test]
    fn s42_an_archive_has_so_many_entries_at_most() {
        let sound = include_bytes!("../../tests/fixtures/archive/wide.zip");
        let end = sound.windows(4).position(|bytes| bytes == END_64.to_le_bytes()).unwrap();
        let claiming = |entries: usize| {
            let mut bytes = sound.to_vec();
            bytes[end + 32..end + 40].copy_from_slice(&(entries as u64).to_le_bytes());
            read(&bytes)
        };
        assert_eq!(claiming(FILES_MAX).unwrap().len(), 1);
        assert!(claiming(FILES_MAX + 1).unwrap_err().to_string().contains("larger than that of an export"));
    }

    #[test]
    fn numbers_that_do_not_fit_in_32_bits_stand_in_an_extra_field() {
        let mut entry = Entry {
            name: String::new(),
            packed_bytes: u32::MAX.into(),
            at: u32::MAX.into(),
            crc: 0,
            method: 8,
            is_encrypted: false,
        };
        let mut extra = vec![9, 9, 1, 0, 0, 1, 0, 24, 0];
        for number in [10_000_000_000u64, 500_000_000, 6_000_000_000] {
            extra.extend(number.to_le_bytes());
        }
        widen(&mut entry, true, &extra);
        assert_eq!((entry.packed_bytes, entry.at), (500_000_000, 6_000_000_000));
    }
}
