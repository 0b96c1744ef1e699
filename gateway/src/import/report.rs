//! What an importer says about each file: what it read, what it sent, what it left out and why.

use std::collections::BTreeMap;

use painwatch_domain::Measure;
use serde::Serialize;

use super::ImportError;

/// Rows of one file that are told one by one; the rest is only counted. A person mends a file after the first few.
const PROBLEMS_MAX: usize = 20;
/// Different reasons of one file that are told apart: a Health export has some two hundred types.
const REASONS_MAX: usize = 300;
const OTHERS: &str = "other reasons";

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

    /// Readings by measure, of all files.
    pub fn measures(&self) -> BTreeMap<&'static str, u64> {
        let mut sums = BTreeMap::new();
        for (measure, count) in self.files.iter().flat_map(|file| &file.measures) {
            *sums.entry(*measure).or_default() += count;
        }
        sums
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
    /// Readings by measure.
    pub measures: BTreeMap<&'static str, u64>,
    /// Rows that cannot be read, each with what would mend it; those beyond the first are counted in `skipped`.
    pub problems: Vec<Problem>,
}

/// A cell that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub line: u64,
    pub column: String,
    pub problem: String,
    pub fix: String,
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

    pub fn count(&mut self, measure: Measure, readings: u64) {
        self.readings += readings;
        *self.measures.entry(measure.name()).or_default() += readings;
    }

    pub fn problem(&mut self, problem: Problem) {
        let reason = format!("{}: {}", problem.column, problem.fix);
        self.skip(problem.line, &reason);
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
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
    let is_full = notes.len() >= REASONS_MAX;
    let reason = if is_full && notes.iter().all(|known| known.reason != reason) { OTHERS } else { reason };
    match notes.iter_mut().find(|known| known.reason == reason) {
        Some(known) => known.count += 1,
        None => notes.push(Skipped { reason: reason.to_owned(), count: 1, first_line: line }),
    }
}
