//! Exports of other people's programs, turned into readings. Each format has one file (or folder) that states, at its top,
//! which row becomes which reading and what its identity is. Parsers are pure: text in, rows and a report out.

mod collect;
mod fitbit;
mod local;
mod myaiguide;
mod report;
mod table;

use std::path::{Path, PathBuf};

use painwatch_domain::ids::IdError;
use painwatch_domain::time::{Zone, ZoneError};

pub use collect::{Import, ImportedDevice, ImportedSubject, Timed};
pub use report::{FileReport, Report, Skipped};

/// The formats that can be imported so far.
pub const FORMATS: [&str; 2] = ["fitbit", "myaiguide"];

#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Devices are named `{device_prefix}-{subject}-{kind}`.
    pub device_prefix: String,
    /// IANA zone in which stamps without an offset are read.
    pub zone: String,
    /// Who wore it. With several subjects in one export, the prefix of their patient ids.
    pub patient: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("unknown format {0:?}: one of {formats} is expected", formats = FORMATS.join(", "))]
    UnknownFormat(String),
    #[error("{}: {source}", file.display())]
    Unreadable { file: PathBuf, source: std::io::Error },
    #[error("{file}:{line}: {problem}")]
    NotThisFormat { file: String, line: u64, problem: String },
    #[error("{}: no file of a {format} export was found", path.display())]
    NothingFound { path: PathBuf, format: &'static str },
    #[error(transparent)]
    Zone(#[from] ZoneError),
    #[error("{id:?} cannot name a device or patient: {source}")]
    Id { id: String, source: IdError },
}

/// Reads the export at `path` (a file or a folder).
///
/// # Errors
/// [`ImportError`] when nothing of that format is there or a file has not the format's shape. A single bad row is no error:
/// it is skipped and named in the report.
pub fn import(format: &str, path: &Path, options: &ImportOptions) -> Result<Import, ImportError> {
    let zone = Zone::parse(&options.zone)?;
    match format {
        "fitbit" => fitbit::import(path, options, zone),
        "myaiguide" => myaiguide::import(path, options, zone),
        other => Err(ImportError::UnknownFormat(other.chars().take(40).collect())),
    }
}

/// Every file under `path` (or `path` itself), in path order: the same order on every machine.
fn files(path: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let unreadable = |source| ImportError::Unreadable { file: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(unreadable)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    entries.sort();
    for entry in entries {
        found.extend(files(&entry)?);
    }
    Ok(found)
}

/// The bytes of a file, decompressed if its name ends in `.gz`.
fn read(file: &Path) -> Result<Vec<u8>, ImportError> {
    let unreadable = |source| ImportError::Unreadable { file: file.to_owned(), source };
    let bytes = std::fs::read(file).map_err(unreadable)?;
    if file.extension().is_none_or(|extension| extension != "gz") {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut plain).map_err(unreadable)?;
    Ok(plain)
}
