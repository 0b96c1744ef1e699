//! A CSV file whose columns are found by name and whose rows know their line.

use csv::{ReaderBuilder, StringRecord};

use super::ImportError;
use super::report::FileReport;

pub struct Table<'a> {
    reader: csv::Reader<&'a [u8]>,
    header: StringRecord,
    record: StringRecord,
}

impl<'a> Table<'a> {
    /// `titles` lines come before the header.
    pub fn open(bytes: &'a [u8], titles: usize, report: &FileReport) -> Result<Self, ImportError> {
        Self::delimited(bytes, b',', titles, report)
    }

    pub fn delimited(bytes: &'a [u8], delimiter: u8, titles: usize, report: &FileReport) -> Result<Self, ImportError> {
        let mut rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        for _ in 0..titles {
            let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
            rest = &rest[end..];
        }
        let mut reader = ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(rest);
        let mut header = StringRecord::new();
        let found =
            reader.read_record(&mut header).map_err(|error| report.wrong(titles as u64 + 1, error.to_string()))?;
        if !found {
            return Err(report.wrong(titles as u64 + 1, "the header line is missing"));
        }
        Ok(Self { reader, header, record: StringRecord::new() })
    }

    /// Position of the first column that has one of these names.
    pub fn column(&self, names: &[&str], report: &FileReport) -> Result<usize, ImportError> {
        let found = self.header.iter().position(|column| names.contains(&column.trim()));
        found.ok_or_else(|| report.wrong(1, format!("no column named {}", names.join(" or "))))
    }

    pub fn header(&self) -> impl Iterator<Item = &str> {
        self.header.iter().map(str::trim)
    }

    pub fn optional_column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column.trim() == name)
    }

    /// The next row's line number, or `None` at the end. `titles` as in `open`.
    pub fn advance(&mut self, titles: usize, report: &FileReport) -> Result<Option<u64>, ImportError> {
        match self.reader.read_record(&mut self.record) {
            Ok(true) => Ok(Some(self.record.position().map_or(0, csv::Position::line) + titles as u64)),
            Ok(false) => Ok(None),
            Err(error) => {
                Err(report.wrong(error.position().map_or(0, csv::Position::line) + titles as u64, error.to_string()))
            }
        }
    }

    /// A cell of the current row without surrounding blanks; empty where the row is too short.
    pub fn cell(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or("").trim()
    }
}

/// A finite number with a decimal point.
pub fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// A whole number in which some program put thousands separators: `1,773`, `1.773`, `1 773`.
pub fn grouped_integer(text: &str) -> Option<f64> {
    let mut groups = text.split([',', '.', ' ', '\u{a0}', '\u{202f}']);
    let first = groups.next()?;
    let rest: Vec<&str> = groups.collect();
    let digits = |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first)
        || !rest.iter().all(|group| group.len() == 3 && digits(group))
        || (!rest.is_empty() && first.len() > 3)
    {
        return None;
    }
    format!("{first}{}", rest.concat()).parse().ok()
}

/// `Hands And Fingers` as a code: `hands_and_fingers`.
pub fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_separators_are_read_and_decimals_are_not_taken_for_them() {
        let cases =
            [("1,773", Some(1_773.0)), ("2140", Some(2_140.0)), ("12 004", Some(12_004.0)), ("4,12", None), ("", None)];
        for (text, value) in cases {
            assert_eq!(grouped_integer(text), value, "{text}");
        }
    }

    #[test]
    fn a_site_becomes_a_code() {
        assert_eq!(slug("Eyes (or around them)"), "eyes_or_around_them");
    }
}
