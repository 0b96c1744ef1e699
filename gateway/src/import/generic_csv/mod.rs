//! Any table with a header, for what has no importer of its own. Two shapes:
//!
//! - **long**: a column `measure`, and `value` (or `code`, `event`, `systolic` and `diastolic`): a reading a row;
//! - **wide**: a column a measure, `body_weight (kg)`: a reading a cell that is not empty.
//!
//! The columns have the names of the fields of a reading (docs/gateway-developers.md), and `subject` where a table is of
//! several people; other names are explained in a TOML file beside the table, `NAME.csv.toml` (see `layout.rs`). Fields are
//! separated by comma, semicolon or tab, whichever the header has most of. In the latter two a number may have a decimal
//! comma; if one has, a dot in another is an error rather than a guess. The identity is the measure's own (semantics 2);
//! the revision is the column's, else the table's last day. A row that cannot be read is told with its line, its column and
//! what would mend it; the others are sent.

mod cells;
mod layout;
mod rows;

use std::path::Path;

use super::ImportError;
use super::collect::{Collector, Rows};
use super::local::Rules;
use super::report::FileReport;
use super::source::{self, Found};
use super::table::Table;

use cells::Decimal;
use layout::{Layout, Sidecar};

const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

pub fn read(path: &Path, collector: &mut Collector<'_>) -> Result<(), ImportError> {
    let rules = Rules::of(collector.zone());
    let files = source::find(path)?;
    for file in &files {
        let name = file.name();
        if ["csv", "tsv", "txt"].iter().any(|extension| name.ends_with(&format!(".{extension}"))) {
            let bytes = file.bytes()?;
            let sidecar = sidecar(file, &files)?;
            collector.add_in_passing(file.shown(), &|report, rows| table(&bytes, &sidecar, &rules, report, rows))?;
        } else if !name.ends_with(".toml") {
            collector.report.left_out.push((file.shown(), "no .csv, .tsv or .txt".to_owned()));
        }
    }
    Ok(())
}

/// `NAME.csv.toml` beside `NAME.csv`, also where the table alone was named.
fn sidecar(table: &Found, files: &[Found]) -> Result<Sidecar, ImportError> {
    let path = table.path().with_file_name(format!("{}.toml", table.name()));
    let listed = files.iter().find(|file| file.path() == path).cloned();
    let beside = || path.is_file().then(|| source::find(&path)).transpose();
    let found = match listed {
        Some(found) => Some(found),
        None => beside()?.and_then(|mut found| found.pop()),
    };
    let Some(found) = found else { return Ok(Sidecar::default()) };
    let text = String::from_utf8_lossy(&found.bytes()?).into_owned();
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        FileReport::new(found.shown()).wrong(line as u64, error.message().to_owned())
    })
}

fn table(
    bytes: &[u8],
    sidecar: &Sidecar,
    rules: &Rules,
    report: &mut FileReport,
    rows: Rows<'_>,
) -> Result<(), ImportError> {
    let delimiter = delimiter(bytes, sidecar, report)?;
    let header = Table::delimited(bytes, delimiter, 0, report)?;
    let layout = Layout::of(header.header(), sidecar, report)?;
    let decimal = decimal(bytes, delimiter, &layout, sidecar, report)?;
    let reader = rows::Reader { layout: &layout, decimal, rules };
    let mut table = Table::delimited(bytes, delimiter, 0, report)?;
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let mut found = 0;
        for cell in reader.readings(&table) {
            found += 1;
            match cell {
                Ok(row) => rows(row)?,
                Err(problem) => report.problem(problem.at(line)),
            }
        }
        if found == 0 {
            report.skip(line, "a row without a value");
        }
    }
    Ok(())
}

/// The one that the header has most of, outside quotes.
fn delimiter(bytes: &[u8], sidecar: &Sidecar, report: &FileReport) -> Result<u8, ImportError> {
    if let Some(told) = sidecar.delimiter {
        return u8::try_from(told)
            .ok()
            .filter(|told| DELIMITERS.contains(told))
            .ok_or_else(|| report.wrong(1, "delimiter: expected \",\", \";\" or \"\\t\""));
    }
    let (mut counts, mut quoted) = ([0usize; 3], false);
    for byte in bytes {
        if *byte == b'\n' && !quoted {
            break;
        }
        if *byte == b'"' {
            quoted = !quoted;
        } else if let Some(at) = DELIMITERS.iter().position(|known| known == byte).filter(|_| !quoted) {
            counts[at] += 1;
        }
    }
    let most = (0..DELIMITERS.len()).rev().max_by_key(|at| counts[*at]).filter(|at| counts[*at] > 0);
    let one_column =
        "the header has one column: a table needs a time and a measure, separated by comma, semicolon or tab";
    most.map(|at| DELIMITERS[at]).ok_or_else(|| report.wrong(1, one_column))
}

/// A comma is the decimal mark where the table says so, or where it is not the delimiter and stands in a number.
fn decimal(
    bytes: &[u8],
    delimiter: u8,
    layout: &Layout,
    sidecar: &Sidecar,
    report: &FileReport,
) -> Result<Decimal, ImportError> {
    match sidecar.decimal {
        Some('.') => return Ok(Decimal::Dot),
        Some(',') => return Ok(Decimal::Comma),
        Some(_) => return Err(report.wrong(1, "decimal: expected \".\" or \",\"")),
        None if delimiter == b',' => return Ok(Decimal::Dot),
        None => {}
    }
    let mut table = Table::delimited(bytes, delimiter, 0, report)?;
    while table.advance(0, report)?.is_some() {
        if layout.numbers().any(|column| table.cell(column).contains(',')) {
            return Ok(Decimal::Comma);
        }
    }
    Ok(Decimal::Dot)
}

#[cfg(test)]
mod tests;
