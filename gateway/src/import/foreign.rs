//! What other systems stored in the words of a standard: Open mHealth and IEEE 1752.1 data points (`omh`), FHIR R4
//! resources (`fhir`). They are translated as the doors translate them (`ingest/core`), and sent as readings.
//!
//! | file | holds |
//! |---|---|
//! | *.json | `omh`: a data point or an array of them; `fhir`: a resource, an array of them, or a Bundle |
//! | *.ndjson, *.jsonl | the same, one document a line, as FHIR's bulk data export writes it |
//!
//! The identity is the entry's own id where it has one, else the measure's (semantics 2). The device is called as for the
//! doors, behind the subject where one is named (`header.user_id`, `subject`); a resource without a device is of the device
//! `record`. Device, Medication and Patient resources of all files are known to the references of all others. Medications
//! are those of `urn:painwatch:medication`, or of the codes that the given roster has. The revision of a resource is its own
//! (`meta.versionId`), as when a gateway sends it; that of a data point the last day its file speaks of. Orders and fills
//! are no readings and stand in the roster. An entry that cannot be read is skipped and told.

use std::io::{BufRead, Read as _};
use std::path::Path;

use painwatch_domain::time::parse_stamp;
use painwatch_domain::{Measure, Roster, Zone};
use painwatch_ingest_core::{Beside, Entry, Foreign};
use painwatch_proto::ingest::v1::Reading;

use super::ImportError;
use super::collect::{Collector, Moment, Row, Rows};
use super::local::Rules;
use super::report::FileReport;
use super::source::{self, Found};

/// Longest line in bytes: one document.
const LINE_BYTES_MAX: u64 = 64 << 20;
/// The device of what names none.
const NO_DEVICE: &str = "record";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Omh,
    Fhir,
}

pub fn omh(path: &Path, collector: &mut Collector<'_>) -> Result<(), ImportError> {
    read(Language::Omh, path, collector)
}

pub fn fhir(path: &Path, collector: &mut Collector<'_>) -> Result<(), ImportError> {
    read(Language::Fhir, path, collector)
}

fn read(language: Language, path: &Path, collector: &mut Collector<'_>) -> Result<(), ImportError> {
    let (files, others): (Vec<Found>, Vec<Found>) =
        source::find(path)?.into_iter().partition(|file| holds_lines(file) || file.name().ends_with(".json"));
    let left_out = others.iter().map(|file| (file.shown(), "no .json, .ndjson or .jsonl".to_owned()));
    collector.report.left_out.extend(left_out);
    let beside = if language == Language::Fhir { resources_referred_to(&files)? } else { Vec::new() };
    let (roster, zone) = (collector.roster().clone(), collector.zone().clone());
    let beside = Beside::of(beside.iter().map(String::as_str));
    let reader = Reader { language, beside: &beside, roster: &roster, rules: Rules::of(&zone), zone: &zone };
    for file in &files {
        let rows = |report: &mut FileReport, rows: Rows<'_>| reader.file(file, report, rows);
        match language {
            Language::Omh => collector.add_in_passing(file.shown(), &rows)?,
            Language::Fhir => collector.add_as_revision(file.shown(), 0, &rows)?,
        }
    }
    Ok(())
}

fn holds_lines(file: &Found) -> bool {
    let name = file.name();
    name.ends_with(".ndjson") || name.ends_with(".jsonl")
}

/// Who takes documents: each with its line; `None` for one that is no text.
type Documents<'a> = &'a mut dyn FnMut(u64, Option<&str>) -> Result<(), ImportError>;

/// Hands one document after another to `take`.
fn documents(file: &Found, take: Documents<'_>) -> Result<(), ImportError> {
    if !holds_lines(file) {
        return take(1, std::str::from_utf8(&file.bytes()?).ok());
    }
    file.stream(|reader| {
        let (mut line, mut number) = (Vec::new(), 0);
        loop {
            number += 1;
            line.clear();
            let read = (&mut *reader).take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line);
            read.map_err(|source| ImportError::Unreadable { file: file.path().to_owned(), source })?;
            match line.trim_ascii() {
                _ if line.len() as u64 > LINE_BYTES_MAX => {
                    let wrong = format!("a line has at most {} MiB", LINE_BYTES_MAX >> 20);
                    return Err(FileReport::new(file.shown()).wrong(number, wrong));
                }
                [] if line.is_empty() => return Ok(()),
                [] => {}
                text => take(number, std::str::from_utf8(text).ok())?,
            }
        }
    })
}

/// The resources that others refer to, out of files with a document a line; a Bundle knows its own.
fn resources_referred_to(files: &[Found]) -> Result<Vec<String>, ImportError> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| holds_lines(file)) {
        documents(file, &mut |_, text| {
            found.extend(text.filter(|text| Beside::takes(text)).map(str::to_owned));
            Ok(())
        })?;
    }
    Ok(found)
}

struct Reader<'a> {
    language: Language,
    beside: &'a Beside<'a>,
    roster: &'a Roster,
    rules: Rules,
    zone: &'a Zone,
}

impl Reader<'_> {
    fn file(&self, file: &Found, report: &mut FileReport, rows: Rows<'_>) -> Result<(), ImportError> {
        documents(file, &mut |line, text| {
            let document = text.ok_or_else(|| "not UTF-8".to_owned()).and_then(|text| match self.language {
                Language::Omh => Foreign::omh(text),
                Language::Fhir => Foreign::fhir(text, self.beside),
            });
            match document {
                Ok(document) => self.document(&document, line, holds_lines(file), report, rows),
                Err(reason) => {
                    report.rows += 1;
                    report.skip(line, &reason);
                    Ok(())
                }
            }
        })
    }

    /// Entries of a file that is one document are counted, those of a file of lines have the line.
    fn document(
        &self,
        document: &Foreign<'_>,
        line: u64,
        in_lines: bool,
        report: &mut FileReport,
        rows: Rows<'_>,
    ) -> Result<(), ImportError> {
        for (number, entry) in (1u64..).zip(document.read(self.roster)) {
            report.rows += 1;
            let place = if in_lines { line } else { number };
            match entry {
                Ok(Entry::Readings { subject, readings }) => {
                    for reading in readings {
                        match self.row(&subject, reading) {
                            Ok(row) => rows(row)?,
                            Err(reason) => report.skip(place, reason),
                        }
                    }
                }
                Ok(Entry::Context) => report.skip(place, "no reading: what readings refer to"),
                Ok(Entry::Order) => report.skip(place, "an order or a fill: these stand in the roster"),
                Err(reason) => report.skip(place, &reason),
            }
        }
        Ok(())
    }

    fn row(&self, subject: &str, reading: Reading) -> Result<Row, &'static str> {
        let measure = Measure::parse(&reading.measure).ok_or("a measure that there is not")?;
        let at = |ms: Option<i64>, text: &str| ms.or_else(|| Some(parse_stamp(text, self.zone).ok()?.utc_ms));
        let start = at(reading.time_ms, &reading.time).ok_or("no time that can be read")?;
        let newest =
            at(reading.end_time_ms, &reading.end_time).unwrap_or_else(|| start.saturating_add(lasts(&reading)));
        Ok(Row {
            subject: plain(subject),
            kind: if self.language == Language::Omh { "omh" } else { "fhir" },
            name: Some(device(subject, &reading.device)),
            measure,
            day: self.rules.local(start).date(),
            newest: Moment::Utc(newest),
            reading,
        })
    }
}

/// From the first to the last sample of a packed series, in milliseconds.
fn lasts(reading: &Reading) -> i64 {
    let apart = (reading.values.len() as i64).saturating_sub(1);
    let spaced = reading.period_ms.unwrap_or_default().saturating_mul(apart);
    reading.offsets_ms.last().copied().unwrap_or(spaced).max(0)
}

/// What the device is called beside its subject: the doors put the two into one name where a source is a brand.
fn device(subject: &str, device: &str) -> String {
    let of_subject =
        device.strip_suffix(subject).and_then(|name| name.strip_suffix('@')).filter(|_| !subject.is_empty());
    let name = of_subject.unwrap_or(device);
    if name.strip_prefix("subject:") == Some(subject) { NO_DEVICE.to_owned() } else { plain(name) }
}

/// Letters, digits and what else an id may hold.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "._-:@".contains(c) { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_stands_behind_its_subject_and_is_not_named_twice() {
        assert_eq!(device("ann", "Brand-Watch@ann"), "Brand-Watch");
        assert_eq!(device("", "Brand-Watch@ann"), "Brand-Watch@ann");
        assert_eq!(device("p-1", "subject:p-1"), NO_DEVICE);
        assert_eq!(device("p-1", "SN 42/7"), "SN-42-7");
    }

    #[test]
    fn a_packed_series_is_known_when_its_last_sample_is() {
        let series = |reading| lasts(&Reading { values: vec![1.0, f64::NAN, 3.0], ..reading });
        assert_eq!(series(Reading { period_ms: Some(1_000), ..Reading::default() }), 2_000);
        assert_eq!(series(Reading { offsets_ms: vec![0, 700, 1_526], ..Reading::default() }), 1_526);
        assert_eq!(series(Reading { period_ms: Some(i64::MAX), ..Reading::default() }), i64::MAX);
        assert_eq!(lasts(&Reading::default()), 0);
    }
}
