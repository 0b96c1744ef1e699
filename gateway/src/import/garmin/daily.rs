//! Garmin Connect daily summaries. Times are there as GMT and as local: their difference is the offset that is sent.
//! Left out, with the reason in the report: highest and lowest heart rate and respiration of a day (no instant), body
//! battery and energy (no measure). A negative stress level is Garmin's "not measured".

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use painwatch_domain::Measure;
use painwatch_proto::ingest::v1::Reading;
use serde::Deserialize;

use crate::import::ImportError;
use crate::import::collect::{Moment, Row};
use crate::import::local;
use crate::import::report::FileReport;

const GARMIN: &str = "garmin";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Day {
    calendar_date: Option<String>,
    wellness_start_time_gmt: Option<String>,
    wellness_end_time_gmt: Option<String>,
    wellness_start_time_local: Option<String>,
    total_steps: Option<f64>,
    moderate_intensity_minutes: Option<f64>,
    vigorous_intensity_minutes: Option<f64>,
    resting_heart_rate: Option<f64>,
    resting_heart_rate_timestamp: Option<i64>,
    all_day_stress: Option<Stress>,
    respiration: Option<Respiration>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stress {
    #[serde(default)]
    aggregator_list: Vec<StressOf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StressOf {
    r#type: String,
    average_stress_level: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Respiration {
    latest_respiration_value: Option<f64>,
    #[serde(rename = "latestRespirationTimeGMT")]
    latest_respiration_time_gmt: Option<String>,
}

/// A day's bounds, by the watch's own account.
struct Frame {
    date: Date,
    start_ms: i64,
    end_ms: i64,
    offset: Offset,
}

pub fn daily_summaries(bytes: &[u8], subject: &str, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let days: Vec<Day> =
        serde_json::from_slice(bytes).map_err(|error| report.wrong(error.line() as u64, error.to_string()))?;
    let mut rows = Vec::new();
    for (index, day) in (1u64..).zip(days) {
        report.rows += 1;
        let Some(frame) = frame(&day) else {
            report.skip(index, "a day without usable bounds (counted in days)");
            continue;
        };
        rows.extend(totals(&day, &frame, subject));
        rows.extend(spots(&day, &frame, subject));
        rows.extend(stress(&day, &frame, subject, index, report));
        report.skip(index, "highest and lowest heart rate and respiration of a day have no instant (counted in days)");
    }
    Ok(rows)
}

/// `2023-04-11T22:00:00.0`, in GMT.
pub(super) fn gmt_ms(text: &str) -> Option<i64> {
    let civil: DateTime = text.parse().ok()?;
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

fn frame(day: &Day) -> Option<Frame> {
    let start_ms = gmt_ms(day.wellness_start_time_gmt.as_deref()?)?;
    let end_ms = gmt_ms(day.wellness_end_time_gmt.as_deref()?)?;
    let ahead_s = (gmt_ms(day.wellness_start_time_local.as_deref()?)? - start_ms) / 1_000;
    let offset = Offset::from_seconds(i32::try_from(ahead_s).ok()?).ok()?;
    Some(Frame { date: local::date(day.calendar_date.as_deref()?)?, start_ms, end_ms, offset })
        .filter(|frame| frame.start_ms < frame.end_ms)
}

impl Frame {
    fn stamp(&self, utc_ms: i64) -> String {
        let stamp = jiff::Timestamp::from_millisecond(utc_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        stamp.display_with_offset(self.offset).to_string()
    }

    fn row(&self, subject: &str, measure: Measure, newest_ms: i64, value: f64, reading: Reading) -> Row {
        Row {
            subject: subject.to_owned(),
            kind: GARMIN,
            name: None,
            measure,
            day: self.date,
            newest: Moment::Utc(newest_ms),
            reading: Reading { value: Some(value), unit: measure.spec().unit.to_owned(), ..reading },
        }
    }
}

fn totals(day: &Day, frame: &Frame, subject: &str) -> Vec<Row> {
    let intensity = day
        .moderate_intensity_minutes
        .zip(day.vigorous_intensity_minutes)
        .map(|(moderate, vigorous)| moderate + vigorous);
    let values = [(Measure::StepCount, day.total_steps), (Measure::ActiveMinutes, intensity)];
    let whole_day =
        || Reading { time: frame.stamp(frame.start_ms), end_time: frame.stamp(frame.end_ms), ..Reading::default() };
    let present = values.into_iter().filter_map(|(measure, value)| Some((measure, value?)));
    present.map(|(measure, value)| frame.row(subject, measure, frame.end_ms, value, whole_day())).collect()
}

fn spots(day: &Day, frame: &Frame, subject: &str) -> Vec<Row> {
    // A 0 is Garmin's "not measured".
    let resting = day.resting_heart_rate.filter(|rate| *rate > 0.0);
    let resting = resting.map(|rate| (rate, day.resting_heart_rate_timestamp.unwrap_or(frame.end_ms)));
    let breathing = day.respiration.as_ref().and_then(|respiration| {
        let at = gmt_ms(respiration.latest_respiration_time_gmt.as_deref()?)?;
        Some((respiration.latest_respiration_value.filter(|rate| *rate > 0.0)?, at))
    });
    let values = [(Measure::RestingHeartRate, resting), (Measure::RespiratoryRate, breathing)];
    let present = values.into_iter().filter_map(|(measure, value)| Some((measure, value?)));
    let spot = |(measure, (value, at))| {
        // Garmin stamps the day's resting rate with the day's end: it is the day's, not the next one's.
        let is_of_the_day = measure == Measure::RestingHeartRate && at >= frame.end_ms;
        let time = if is_of_the_day { frame.date.to_string() } else { frame.stamp(at) };
        frame.row(subject, measure, at, value, Reading { time, ..Reading::default() })
    };
    present.map(spot).collect()
}

fn stress(day: &Day, frame: &Frame, subject: &str, index: u64, report: &mut FileReport) -> Vec<Row> {
    let mut rows = Vec::new();
    for part in day.all_day_stress.iter().flat_map(|stress| &stress.aggregator_list) {
        match part.average_stress_level {
            Some(level) if level >= 0.0 => {
                let instrument = format!("garmin_{}", part.r#type.to_lowercase());
                let reading = Reading { time: frame.date.to_string(), instrument, ..Reading::default() };
                rows.push(frame.row(subject, Measure::Stress, frame.end_ms, level, reading));
            }
            _ => report.skip(index, "a stress level that was not measured (counted in days)"),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_keeps_the_watchs_offset_and_drops_what_was_not_measured() {
        let text = br#"[{"calendarDate":"2023-04-12","wellnessStartTimeGmt":"2023-04-11T22:00:00.0","wellnessEndTimeGmt":"2023-04-12T22:00:00.0",
            "wellnessStartTimeLocal":"2023-04-12T00:00:00.0","totalSteps":59,"moderateIntensityMinutes":1,"vigorousIntensityMinutes":2,
            "restingHeartRate":60,"restingHeartRateTimestamp":1681336800000,"minHeartRate":57,
            "allDayStress":{"aggregatorList":[{"type":"TOTAL","averageStressLevel":16},{"type":"ASLEEP","averageStressLevel":-2}]},
            "respiration":{"latestRespirationValue":15.0,"latestRespirationTimeGMT":"2023-04-12T21:51:00.0"}}]"#;
        let mut report = FileReport::new("UDSFile.json");
        let rows = daily_summaries(text, "participant1", &mut report).unwrap();
        let seen: Vec<_> = rows.iter().map(|row| (row.measure, row.reading.time.as_str(), row.reading.value)).collect();
        assert_eq!(
            seen,
            [
                (Measure::StepCount, "2023-04-12T00:00:00+02:00", Some(59.0)),
                (Measure::ActiveMinutes, "2023-04-12T00:00:00+02:00", Some(3.0)),
                (Measure::RestingHeartRate, "2023-04-12", Some(60.0)),
                (Measure::RespiratoryRate, "2023-04-12T23:51:00+02:00", Some(15.0)),
                (Measure::Stress, "2023-04-12", Some(16.0)),
            ]
        );
        assert_eq!(report.skipped[0].reason, "a stress level that was not measured (counted in days)");
    }
}
