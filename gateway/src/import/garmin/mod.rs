//! What Garmin hands out on request (the account export, folders `DI_CONNECT/…`) and the weight table that Garmin Connect
//! saves.
//!
//! | file | becomes | identity within the device (semantics 2) |
//! |---|---|---|
//! | UDSFile_*.json | step_count and active_minutes over the day; resting_heart_rate and stress, date-only; respiratory_rate at its stamp | measure, start, end (stress: instrument) |
//! | *_sleepData.json | total_sleep_time (deep + light + REM) over the sleep; sleep_stage where the stages stand | start, end |
//! | *_userBioMetrics.json | body_weight, at the weighing's own stamp where it has one | stamp |
//! | *heartRate*.json | heart_rate, one packed reading a day | stamp |
//! | *eight*.csv of Garmin Connect | body_weight, body_fat_percentage, to the minute | stamp |
//!
//! Stamps are GMT, with the local one beside them in the daily summaries: their difference is the offset that is sent.
//! Where only wall time stands (weight table, weighings without a stamp) the given zone is used. A night that two files
//! tell of is one reading. Means of a night and of a day have no instant; hydration, energy, body battery and training are
//! no measures here; activities lie in FIT files, which are not read.

mod daily;
mod sleep;
mod weight;

use std::path::Path;

use painwatch_domain::Measure;
use painwatch_proto::ingest::v1::Reading;
use serde::Deserialize;

use super::collect::{Collector, Moment, Row};
use super::local::Rules;
use super::report::FileReport;
use super::source::{self, Found};
use super::{ImportError, elements};

pub use daily::daily_summaries;

const WATCH: &str = "watch";
const SCALE: &str = "scale";

#[derive(Clone, Copy)]
enum Kind {
    Days,
    Sleep,
    Weighings,
    HeartRate,
    WeightTable,
}

pub fn read(path: &Path, collector: &mut Collector<'_>) -> Result<(), ImportError> {
    let rules = Rules::of(collector.zone());
    for file in source::find(path)? {
        let Some(kind) = kind(&file.name()) else {
            let reason = if file.name().ends_with(".fit") || file.name().ends_with(".zip") {
                "recordings of activities are not read"
            } else {
                "holds nothing there is a measure for"
            };
            collector.report.left_out.push((file.shown(), reason.to_owned()));
            continue;
        };
        let mut report = FileReport::new(file.shown());
        let rows = rows(&file, kind, &rules, &mut report)?;
        collector.add(rows, report)?;
    }
    Ok(())
}

fn kind(name: &str) -> Option<Kind> {
    let is = |part: &str, extension: &str| name.contains(part) && name.ends_with(extension);
    Some(match () {
        () if name.starts_with("UDSFile") && name.ends_with(".json") => Kind::Days,
        () if is("sleepData", ".json") => Kind::Sleep,
        () if is("userBioMetrics", ".json") && !name.contains("ProfileData") => Kind::Weighings,
        () if is("eartRate", ".json") && !name.contains("Zones") => Kind::HeartRate,
        () if is("eight", ".csv") => Kind::WeightTable,
        () => return None,
    })
}

fn rows(file: &Found, kind: Kind, rules: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    match kind {
        Kind::Days => {
            let rows = daily_summaries(&file.bytes()?, "", report)?;
            Ok(rows.into_iter().map(|row| Row { kind: WATCH, ..row }).collect())
        }
        Kind::Sleep => sleep::nights(file, rules, report),
        Kind::Weighings => weight::weighings(file, rules, report),
        Kind::HeartRate => heart_rates(file, rules, report),
        Kind::WeightTable => weight::table(&file.bytes()?, report),
    }
}

fn row(kind: &'static str, measure: Measure, day: jiff::civil::Date, newest: Moment, reading: Reading) -> Row {
    let unit = if reading.unit.is_empty() { measure.spec().unit.to_owned() } else { reading.unit };
    Row { subject: String::new(), kind, name: None, measure, day, newest, reading: Reading { unit, ..reading } }
}

#[derive(Deserialize)]
struct HeartRates {
    #[serde(rename = "heartRateValues", default)]
    values: Vec<(i64, Option<f64>)>,
}

fn heart_rates(file: &Found, rules: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut rows = Vec::new();
    let frame = report.clone();
    file.stream(|reader| {
        elements::each(reader, &frame, &mut |number, day: HeartRates| {
            report.rows += 1;
            let samples: Vec<(i64, f64)> =
                day.values.iter().filter_map(|(at, rate)| Some((*at, (*rate)?))).filter(|(at, _)| *at > 0).collect();
            let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
                report.skip(number, "a day without a heart rate (counted in days)");
                return Ok(());
            };
            let packed = Reading {
                time: rules.with_offset(first.0),
                offsets_ms: samples.iter().map(|(at, _)| at.saturating_sub(first.0)).collect(),
                values: samples.iter().map(|(_, rate)| *rate).collect(),
                ..Reading::default()
            };
            rows.push(row(WATCH, Measure::HeartRate, rules.local(last.0).date(), Moment::Utc(last.0), packed));
            Ok(())
        })
    })?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names_and_zones_are_no_heart_rates() {
        assert!(matches!(kind("UDSFile_2023-04-01_2023-07-10.json"), Some(Kind::Days)));
        assert!(matches!(kind("2023-04-01_2023-07-10_140089360_sleepData.json"), Some(Kind::Sleep)));
        assert!(matches!(kind("Weight.csv"), Some(Kind::WeightTable)));
        assert!(kind("83630101_heartRateZones.json").is_none());
        assert!(kind("HydrationLogFile_2023-04-01_2023-07-10.json").is_none());
    }
}
