//! What an importer says about each file: what it read, what it sent, what it left out and why.

use serde::Serialize;

use super::ImportError;

#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub files: Vec<FileReport>,
    /// Files of the export that hold nothing this program has a measure for: name, reason.
    pub left_out: Vec<(String, String)>,
    /// Decisions that hold for a whole subject.
    pub notes: Vec<String>,
}

impl Report {
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    pub fn readings(&self) -> u64 {
        self.files.iter().map(|file| file.readings).sum()
    }
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct FileReport {
    pub file: String,
    pub rows: u64,
    pub readings: u64,
    /// Left out, by reason.
    pub skipped: Vec<Skipped>,
    /// Sent, but with something worth knowing.
    pub remarks: Vec<Skipped>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    pub reason: String,
    pub count: u64,
    pub first_line: u64,
}

impl FileReport {
    pub fn new(file: impl Into<String>) -> Self {
        Self { file: file.into(), ..Self::default() }
    }

    pub fn skip(&mut self, line: u64, reason: &str) {
        note(&mut self.skipped, line, reason);
    }

    pub fn remark(&mut self, line: u64, remark: &str) {
        note(&mut self.remarks, line, remark);
    }

    pub fn wrong(&self, line: u64, problem: impl Into<String>) -> ImportError {
        ImportError::NotThisFormat { file: self.file.clone(), line, problem: problem.into() }
    }
}

fn note(notes: &mut Vec<Skipped>, line: u64, reason: &str) {
    match notes.iter_mut().find(|known| known.reason == reason) {
        Some(known) => known.count += 1,
        None => notes.push(Skipped { reason: reason.to_owned(), count: 1, first_line: line }),
    }
}
