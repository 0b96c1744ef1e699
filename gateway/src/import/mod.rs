//! Exports of other people's programs, turned into readings. Each format has one file (or folder) that states, at its top,
//! which row becomes which reading and what its identity is. Parsers are pure: bytes in, rows and a report out.

mod apple_health;
mod blood_pressure;
mod collect;
mod elements;
mod fitbit;
mod foreign;
mod garmin;
mod generic_csv;
mod local;
mod myaiguide;
mod pmdata;
mod report;
mod source;
mod table;
mod welltory;
mod withings;
mod zip;

use std::path::{Path, PathBuf};

use painwatch_domain::Roster;
use painwatch_domain::ids::IdError;
use painwatch_domain::time::{Zone, ZoneError};
use painwatch_proto::json::nearest;

pub use collect::{Import, ImportedDevice, ImportedSubject, Timed};
pub use report::{FileReport, Problem, Report, Skipped};

use collect::Collector;

/// A format that can be imported: its name, what it is the export of, and a command that shows it.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    pub name: &'static str,
    pub about: &'static str,
    pub example: &'static str,
    read: fn(&Path, &mut Collector<'_>) -> Result<(), ImportError>,
}

/// The formats that can be imported so far.
pub const FORMATS: [Format; 10] = [
    Format {
        name: "fitbit",
        about: "Fitbit account exports in the shape of Furberg et al. 2016",
        example: "painwatch import fitbit ./export --device fitbit --zone America/New_York",
        read: fitbit::read,
    },
    Format {
        name: "myaiguide",
        about: "pain diaries with trackers, a folder a participant",
        example: "painwatch import myaiguide ./dev --device aig --zone Europe/Paris",
        read: myaiguide::read,
    },
    Format {
        name: "welltory",
        about: "the Welltory COVID-19 data set: blood pressure, HRV, sleep, days, surveys",
        example: "painwatch import welltory ./dev --device well --zone Europe/Moscow",
        read: welltory::read,
    },
    Format {
        name: "pmdata",
        about: "the PMData set: Fitbit sleep and steps, wellness answers, typed weight",
        example: "painwatch import pmdata ./dev --device pm --zone Europe/Oslo",
        read: pmdata::read,
    },
    Format {
        name: "apple-health",
        about: "export.zip or export.xml of Apple's Health app",
        example: "painwatch import apple-health ./export.zip --device apple --zone Europe/Paris --patient p-17",
        read: apple_health::read,
    },
    Format {
        name: "withings",
        about: "the CSV files of a Withings account export, in a folder or zipped",
        example: "painwatch import withings ./data_JOH.zip --device withings --zone Europe/Paris --patient p-17",
        read: withings::read,
    },
    Format {
        name: "garmin",
        about: "a Garmin account export (DI_CONNECT), in a folder or zipped, or the weight CSV of Garmin Connect",
        example: "painwatch import garmin ./garmin.zip --device garmin --zone Europe/Paris --patient p-17",
        read: garmin::read,
    },
    Format {
        name: "omh",
        about: "Open mHealth and IEEE 1752.1 data points: JSON, or a data point a line",
        example: "painwatch import omh ./points.json --device omh --zone Europe/Paris",
        read: foreign::omh,
    },
    Format {
        name: "fhir",
        about: "FHIR R4: Bundles, resources, or the NDJSON of a bulk data export",
        example: "painwatch import fhir ./export --device ehr --zone Europe/Paris --roster clinic.toml",
        read: foreign::fhir,
    },
    Format {
        name: "csv",
        about: "any table with a header: a reading a row, or a measure a column (docs/gateway-developers.md)",
        example: "painwatch import csv ./weights.csv --device scale-0042 --zone Europe/Paris",
        read: generic_csv::read,
    },
];

#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Devices are named `{device_prefix}-{subject}-{kind}`; without the subject where an export has but one.
    pub device_prefix: String,
    /// IANA zone in which stamps without an offset are read.
    pub zone: String,
    /// Who wore it. With several subjects in one export, the prefix of their patient ids.
    pub patient: Option<String>,
    /// By which codes medications are known.
    pub roster: Roster,
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("unknown format {given:?}{}; known are {}", hint(given), names().join(", "))]
    UnknownFormat { given: String },
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
    /// Whoever took the readings wants no more of them.
    #[error("the import was stopped")]
    Stopped,
}

fn names() -> Vec<&'static str> {
    FORMATS.iter().map(|format| format.name).collect()
}

fn hint(given: &str) -> String {
    nearest(given, names()).map_or_else(String::new, |name| format!(", the nearest known one is {name:?}"))
}

fn format(name: &str) -> Result<&'static Format, ImportError> {
    let unknown = || ImportError::UnknownFormat { given: name.chars().take(40).collect() };
    FORMATS.iter().find(|format| format.name == name).ok_or_else(unknown)
}

/// Whether the words of a command line make sense, before anything is read.
///
/// # Errors
/// [`ImportError::UnknownFormat`], [`ImportError::Zone`].
pub fn check(name: &str, options: &ImportOptions) -> Result<(), ImportError> {
    format(name)?;
    Zone::parse(&options.zone)?;
    Ok(())
}

/// Reads the export at `path` (a file, a folder or a zip archive) into memory.
///
/// # Errors
/// [`ImportError`] when nothing of that format is there or a file has not the format's shape. A single bad row is no error:
/// it is skipped and named in the report.
pub fn import(name: &str, path: &Path, options: &ImportOptions) -> Result<Import, ImportError> {
    let format = format(name)?;
    let collector = Collector::new(options, Zone::parse(&options.zone)?);
    run(format, path, collector)
}

/// Reads the export at `path` and hands each reading to `take` as soon as it is known, in the order of the files; the
/// subjects of the result are without readings. What is held in memory at a time is one file's rows, or far less where
/// a format's files can be large (`apple-health`, `csv`, `withings`).
///
/// # Errors
/// As [`import`]; what was handed over before stays handed over. And as `take`.
pub fn stream(
    name: &str,
    path: &Path,
    options: &ImportOptions,
    take: &mut dyn FnMut(Timed) -> Result<(), ImportError>,
) -> Result<Import, ImportError> {
    let format = format(name)?;
    let collector = Collector::handing_over(options, Zone::parse(&options.zone)?, take);
    run(format, path, collector)
}

fn run(format: &'static Format, path: &Path, mut collector: Collector<'_>) -> Result<Import, ImportError> {
    (format.read)(path, &mut collector)?;
    if collector.report.files.is_empty() {
        return Err(ImportError::NothingFound { path: path.to_owned(), format: format.name });
    }
    collector.finish(format.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_format_is_answered_with_the_nearest_known_one() {
        let options =
            ImportOptions { device_prefix: "d".into(), zone: "UTC".into(), patient: None, roster: Roster::default() };
        let error = import("apple_heath", Path::new("."), &options).unwrap_err().to_string();
        assert!(
            error.starts_with("unknown format \"apple_heath\", the nearest known one is \"apple-health\""),
            "{error}"
        );
    }

    #[test]
    fn every_format_has_an_example_that_names_it() {
        for format in FORMATS {
            assert!(format.example.starts_with(&format!("painwatch import {} ", format.name)), "{}", format.name);
        }
    }
}
