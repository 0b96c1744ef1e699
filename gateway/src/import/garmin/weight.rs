//! Weighings: snapshots of the account export, in grams, and the table of Garmin Connect, in whatever unit a person reads.

use jiff::civil::Date;
use painwatch_domain::Measure;
use painwatch_proto::ingest::v1::Reading;
use serde::Deserialize;

use super::daily::gmt_ms;
use super::{SCALE, elements, row};
use crate::import::ImportError;
use crate::import::collect::{Moment, Row};
use crate::import::local::{self, Rules};
use crate::import::report::FileReport;
use crate::import::source::Found;
use crate::import::table::{Table, number};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot {
    meta_data: Option<MetaData>,
    weight: Option<Weighing>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MetaData {
    calendar_date: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Weighing {
    /// Grams.
    weight: Option<f64>,
    source_type: Option<String>,
    #[serde(rename = "timestampGMT")]
    timestamp_gmt: Option<String>,
}

/// A snapshot repeats the weight of the last weighing, with that weighing's stamp: the repetition is a duplicate.
pub fn weighings(file: &Found, rules: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut rows = Vec::new();
    let frame = report.clone();
    file.stream(|reader| {
        elements::each(reader, &frame, &mut |entry, snapshot: Snapshot| {
            report.rows += 1;
            let Some((weighing, grams)) = snapshot.weight.and_then(|found| found.weight.map(|grams| (found, grams)))
            else {
                report.skip(entry, "a snapshot without a weight (counted in snapshots)");
                return Ok(());
            };
            let typed = weighing.source_type.as_deref().is_some_and(|kind| kind.to_lowercase().contains("manual"));
            let reading = Reading {
                value: Some(grams),
                unit: "g".to_owned(),
                modality: if typed { "self_reported" } else { "sensed" }.to_owned(),
                ..Reading::default()
            };
            let own = weighing.timestamp_gmt.as_deref().and_then(gmt_ms);
            let written = snapshot.meta_data.and_then(|data| data.calendar_date);
            let local = written.and_then(|text| local::stamp(text.split('.').next().unwrap_or_default()));
            match (own, local) {
                (Some(at), _) => {
                    let (day, time) = (rules.local(at).date(), rules.with_offset(at));
                    let reading = Reading { time, ..reading };
                    rows.push(row(SCALE, Measure::BodyWeight, day, Moment::Utc(at), reading));
                }
                (None, Some(at)) => {
                    let reading = Reading { time: at.to_string(), ..reading };
                    rows.push(row(SCALE, Measure::BodyWeight, at.date(), Moment::Local(at), reading));
                }
                (None, None) => report.skip(entry, "a weight without a stamp (counted in snapshots)"),
            }
            Ok(())
        })
    })?;
    Ok(rows)
}

/// `Time,Weight,Change,BMI,Body Fat,…`: a line with a date alone, then the weighings of that day.
pub fn table(bytes: &[u8], report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let (time, weight) = (table.column(&["Time"], report)?, table.column(&["Weight"], report)?);
    let fat = table.optional_column("Body Fat");
    let mut day: Option<Date> = None;
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        if let Some(date) = written_date(table.cell(time)) {
            day = Some(date);
            continue;
        }
        report.rows += 1;
        let Some(at) = day.and_then(|day| local::stamp(&format!("{day} {}", table.cell(time)))) else {
            report.skip(line, "a weighing without a time, or before any date");
            continue;
        };
        let values = [(Measure::BodyWeight, Some(weight)), (Measure::BodyFatPercentage, fat)];
        for (measure, column) in values {
            match column.and_then(|column| with_unit(table.cell(column))) {
                Some((value, unit)) => {
                    let time = at.to_string();
                    let reading = Reading { time, value: Some(value), unit: unit.to_owned(), ..Reading::default() };
                    rows.push(row(SCALE, measure, at.date(), Moment::Local(at), reading));
                }
                None if measure == Measure::BodyWeight => report.skip(line, "no weight with its unit"),
                None => {}
            }
        }
    }
    Ok(rows)
}

/// `Jul 18, 2026` or `21 Sep 2023`
fn written_date(text: &str) -> Option<Date> {
    let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let [first, second, year] = words.as_slice() else { return None };
    let month = |word: &str| MONTHS.iter().position(|known| word.starts_with(known)).map(|at| at as i8 + 1);
    let (month, day) = month(first).map(|month| (month, second)).or_else(|| month(second).map(|m| (m, first)))?;
    Date::new(year.parse().ok()?, month, day.parse().ok()?).ok()
}

/// `80.0 kg`, `22.3 %`; `--` is none.
fn with_unit(cell: &str) -> Option<(f64, &str)> {
    let (value, unit) = cell.split_once([' ', '\u{a0}'])?;
    Some((number(value)?, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_garmin_connect_is_read_day_by_day_in_both_clocks_and_units() {
        let text = "\u{feff}Time,Weight,Change,BMI,Body Fat,Skeletal Muscle Mass,Bone Mass,Body Water,\n\" Jul 18, 2026\",\n\
                    8:28 AM,80.0 kg,0.5 kg,25.0,18.0 %,35.0 kg,3.5 kg,61.0 %,\n\" 15 Jul 2026\",\n17:08,176.4 lbs,--,--,--,--,--,--,\nnoon,1 kg,\n";
        let mut report = FileReport::new("Weight.csv");
        let rows = table(text.as_bytes(), &mut report).unwrap();
        let seen: Vec<_> = rows.iter().map(|row| (row.reading.time.as_str(), row.reading.unit.as_str())).collect();
        assert_eq!(seen, [("2026-07-18T08:28:00", "kg"), ("2026-07-18T08:28:00", "%"), ("2026-07-15T17:08:00", "lbs")]);
        assert_eq!((report.rows, report.skipped[0].first_line), (3, 6));
    }
}
