//! Daily steps: Fitbit's web export and its API's JSON, Google Fit's daily buckets.

use std::collections::BTreeMap;

use painwatch_domain::time::{DAY_MS, HOUR_MS};
use painwatch_domain::{Measure, Zone};
use painwatch_proto::ingest::v1::Reading;
use serde::Deserialize;

use crate::import::ImportError;
use crate::import::collect::{Moment, Row, over_day};
use crate::import::local::{self, Rules};
use crate::import::report::FileReport;
use crate::import::table::{Table, grouped_integer};

const FITBIT: &str = "fitbit";
const GOOGLE_FIT: &str = "googlefit";

fn day_row(subject: &str, measure: Measure, day: jiff::civil::Date, value: f64) -> Row {
    Row {
        subject: subject.to_owned(),
        kind: FITBIT,
        name: None,
        measure,
        day,
        newest: Moment::Local(local::days_after(day, 1).at(0, 0, 0, 0)),
        reading: over_day(day, value, measure.spec().unit),
    }
}

/// One month of Fitbit's web export: a title line, headers in English or French, day-month-year, grouped numbers in quotes.
pub fn fitbit_monthly(bytes: &[u8], subject: &str, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 1, report)?;
    let date = table.column(&["Date"], report)?;
    let steps = table.column(&["Steps", "Pas"], report)?;
    let sedentary = table.column(&["Minutes Sedentary", "Minutes Sédentaire"], report)?;
    let fairly = table.column(&["Minutes Fairly Active", "Minutes Assez Actives"], report)?;
    let very = table.column(&["Minutes Very Active", "Minutes Très actif"], report)?;
    let mut rows = Vec::new();
    while let Some(line) = table.advance(1, report)? {
        report.rows += 1;
        let Some(day) = local::date_day_first(table.cell(date)) else {
            report.skip(line, "no day-month-year date");
            continue;
        };
        let minutes = [fairly, very].iter().map(|&column| grouped_integer(table.cell(column))).sum::<Option<f64>>();
        let values = [
            (Measure::StepCount, grouped_integer(table.cell(steps))),
            (Measure::SedentaryMinutes, grouped_integer(table.cell(sedentary))),
            (Measure::ActiveMinutes, minutes),
        ];
        for (measure, value) in values {
            match value {
                Some(value) => rows.push(day_row(subject, measure, day, value)),
                None => report.skip(line, &format!("no whole number for {}", measure.name())),
            }
        }
    }
    Ok(rows)
}

#[derive(Deserialize)]
struct DayValue {
    #[serde(rename = "dateTime")]
    date_time: String,
    value: String,
}

/// `{"activities-steps": [{"dateTime": "2019-04-25", "value": "282"}, …]}`
pub fn fitbit_json(bytes: &[u8], subject: &str, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut lists: BTreeMap<String, Vec<DayValue>> =
        serde_json::from_slice(bytes).map_err(|error| report.wrong(error.line() as u64, error.to_string()))?;
    let days = lists.remove("activities-steps").ok_or_else(|| report.wrong(1, "no list activities-steps"))?;
    let mut rows = Vec::new();
    for (index, day) in (1u64..).zip(days) {
        report.rows += 1;
        match (local::date(&day.date_time), grouped_integer(&day.value)) {
            (Some(date), Some(steps)) => rows.push(day_row(subject, Measure::StepCount, date, steps)),
            _ => report.skip(index, "no date or no whole number (counted in entries)"),
        }
    }
    Ok(rows)
}

#[derive(Deserialize)]
struct Buckets {
    bucket: Vec<Bucket>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bucket {
    start_time_millis: String,
    end_time_millis: String,
    dataset: Vec<Dataset>,
}

#[derive(Deserialize)]
struct Dataset {
    point: Vec<Point>,
}

#[derive(Deserialize)]
struct Point {
    value: Vec<PointValue>,
}

#[derive(Deserialize)]
struct PointValue {
    #[serde(rename = "intVal")]
    int_val: Option<i64>,
}

impl Bucket {
    fn span(&self) -> Option<(i64, i64)> {
        Some((self.start_time_millis.parse().ok()?, self.end_time_millis.parse().ok()?))
            .filter(|(start, end)| start < end)
    }

    /// `None` where no phone reported, which is not the same as no steps; or more than a number holds.
    fn steps(&self) -> Option<i64> {
        let values = self.dataset.iter().flat_map(|set| &set.point).flat_map(|point| &point.value);
        let mut counts = values.filter_map(|value| value.int_val);
        let first = counts.next()?;
        counts.try_fold(first, i64::checked_add)
    }
}

fn buckets(bytes: &[u8], report: &FileReport) -> Result<Vec<Bucket>, ImportError> {
    let file: Buckets =
        serde_json::from_slice(bytes).map_err(|error| report.wrong(error.line() as u64, error.to_string()))?;
    Ok(file.bucket)
}

pub fn bucket_starts(bytes: &[u8], report: &FileReport) -> Result<Vec<i64>, ImportError> {
    Ok(buckets(bytes, report)?.iter().filter_map(Bucket::span).map(|(start, _)| start).collect())
}

/// The fixed-offset zone in which all of these are midnight, if there is one.
pub fn zone_of_midnight(starts: &[i64]) -> Option<Zone> {
    let past_midnight = starts.first()?.rem_euclid(DAY_MS);
    if past_midnight % HOUR_MS != 0 || starts.iter().any(|start| start.rem_euclid(DAY_MS) != past_midnight) {
        return None;
    }
    let hours_west = past_midnight / HOUR_MS;
    // The names count westwards: Etc/GMT-9 is nine hours ahead of UTC.
    let name = if hours_west > 12 { format!("Etc/GMT-{}", 24 - hours_west) } else { format!("Etc/GMT+{hours_west}") };
    Zone::parse(&name).ok()
}

/// Each bucket with a count: its own bounds are the interval, exact in UTC.
pub fn google_fit(
    bytes: &[u8],
    subject: &str,
    rules: &Rules,
    report: &mut FileReport,
) -> Result<Vec<Row>, ImportError> {
    let mut rows = Vec::new();
    for (index, bucket) in (1u64..).zip(buckets(bytes, report)?) {
        report.rows += 1;
        let Some((start, end)) = bucket.span() else {
            report.skip(index, "a bucket without bounds (counted in buckets)");
            continue;
        };
        let Some(steps) = bucket.steps() else {
            report.skip(index, "a bucket without a count (counted in buckets)");
            continue;
        };
        rows.push(Row {
            subject: subject.to_owned(),
            kind: GOOGLE_FIT,
            name: None,
            measure: Measure::StepCount,
            day: rules.local(start).date(),
            newest: Moment::Utc(end),
            reading: Reading {
                time: rules.with_offset(start),
                end_time: rules.with_offset(end),
                value: Some(steps as f64),
                unit: "{steps}".to_owned(),
                ..Reading::default()
            },
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monthly_export_is_read_in_english_and_in_french() {
        let english = "Activities\nDate,Calories Burned,Steps,Distance,Floors,Minutes Sedentary,Minutes Lightly Active,Minutes Fairly Active,Minutes Very Active,Activity Calories\n\
                       \"01-09-2016\",\"1,773\",\"12,430\",\"0.31\",\"0\",\"1,419\",\"21\",\"5\",\"2\",\"89\"\n";
        let french = "Activités\nDate,Calories brûlées,Pas,Distance,Étages,Minutes Sédentaire,Minutes Peu Actives,Minutes Assez Actives,Minutes Très actif,Dépense calorique\n\
                      \"01-09-2016\",\"1773\",\"12430\",\"4,12\",\"4\",\"1419\",\"91\",\"5\",\"2\",\"579\"\n";
        let read = |text: &str| {
            let rows = fitbit_monthly(text.as_bytes(), "participant1", &mut FileReport::new("m.csv")).unwrap();
            rows.into_iter().map(|row| (row.measure, row.reading.value, row.reading.time)).collect::<Vec<_>>()
        };
        assert_eq!(read(english), read(french));
        assert_eq!(read(english)[0], (Measure::StepCount, Some(12_430.0), "2016-09-01T00:00:00".to_owned()));
        assert_eq!(read(english)[2].1, Some(7.0));
    }

    #[test]
    fn a_google_fit_day_begins_at_the_wearers_midnight_and_an_empty_bucket_is_no_zero() {
        let text = r#"{"bucket": [
            {"startTimeMillis": "1531148400000", "endTimeMillis": "1531234800000", "dataset": [{"point": []}]},
            {"startTimeMillis": "1531234800000", "endTimeMillis": "1531321200000", "dataset": [{"point": [{"value": [{"intVal": 7784, "mapVal": []}]}]}]}]}"#;
        let mut report = FileReport::new("g.json");
        let zone = zone_of_midnight(&bucket_starts(text.as_bytes(), &report).unwrap()).unwrap();
        assert_eq!(zone.name(), "Etc/GMT-9");
        let rows = google_fit(text.as_bytes(), "participant2", &Rules::of(&zone), &mut report).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].reading.time, "2018-07-11T00:00:00+09:00");
        assert_eq!(report.skipped.iter().map(|skipped| skipped.count).sum::<u64>(), 1);
    }

    #[test]
    fn counts_that_no_number_holds_together_are_no_count() {
        let text = r#"{"bucket": [{"startTimeMillis": "1531148400000", "endTimeMillis": "1531234800000",
            "dataset": [{"point": [{"value": [{"intVal": 9223372036854775807}, {"intVal": 1}]}]}]}]}"#;
        let mut report = FileReport::new("g.json");
        let rows = google_fit(text.as_bytes(), "participant2", &Rules::of(&Zone::utc()), &mut report).unwrap();
        assert_eq!((rows.len(), report.skipped[0].count), (0, 1));
    }

    #[test]
    fn zero_days_of_the_api_are_sent_as_they_are() {
        let text =
            br#"{"activities-steps":[{"dateTime":"2019-05-10","value":"0"},{"dateTime":"2019-05-11","value":"32"}]}"#;
        let rows = fitbit_json(text, "participant5", &mut FileReport::new("f.json")).unwrap();
        assert_eq!(rows.iter().map(|row| row.reading.value).collect::<Vec<_>>(), [Some(0.0), Some(32.0)]);
    }
}
