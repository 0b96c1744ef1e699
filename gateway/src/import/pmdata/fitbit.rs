//! What Fitbit's own export holds, as JSON. Its stamps are wall time without a zone.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use painwatch_domain::Measure;
use painwatch_domain::time::MINUTE_MS;
use painwatch_proto::ingest::v1::Reading;
use serde::Deserialize;

use super::{Days, TRACKER, elements};
use crate::import::ImportError;
use crate::import::collect::{Moment, Row, interval, keep_apart, over_day};
use crate::import::local::{self, Rules};
use crate::import::report::FileReport;
use crate::import::source::Found;
use crate::import::table::{number, slug};

const SHORT_WAKE: &str = "fitbit_short_wake";

#[derive(Deserialize)]
struct Stamped<T> {
    #[serde(rename = "dateTime")]
    date_time: String,
    value: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sleep {
    start_time: String,
    end_time: String,
    minutes_asleep: Option<f64>,
    #[serde(default)]
    r#type: String,
    levels: Option<Levels>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Levels {
    #[serde(default)]
    data: Vec<Segment>,
    #[serde(default)]
    short_data: Vec<Segment>,
}

#[derive(Deserialize)]
struct Segment {
    #[serde(rename = "dateTime")]
    date_time: String,
    level: String,
    seconds: i64,
}

fn row(subject: &str, measure: Measure, start: DateTime, newest: DateTime, reading: Reading) -> Row {
    let newest = Moment::Local(newest);
    Row { subject: subject.to_owned(), kind: TRACKER, name: None, measure, day: start.date(), newest, reading }
}

/// `2019-11-01 01:48:00` or `2019-11-01T04:03:00.000`
fn stamp(text: &str) -> Option<DateTime> {
    local::stamp(text.split('.').next()?)
}

fn each<T: serde::de::DeserializeOwned>(
    file: &Found,
    report: &mut FileReport,
    take: &mut dyn FnMut(u64, T, &mut FileReport),
) -> Result<(), ImportError> {
    let frame = report.clone();
    file.stream(|reader| {
        elements::each(reader, &frame, &mut |number, element| {
            report.rows += 1;
            take(number, element, report);
            Ok(())
        })
    })
}

pub fn sleep(file: &Found, subject: &str, rules: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut rows = Vec::new();
    each(file, report, &mut |number, sleep: Sleep, report| {
        match (stamp(&sleep.start_time).zip(stamp(&sleep.end_time)), sleep.minutes_asleep) {
            (Some((start, end)), Some(minutes)) if start < end => {
                let reading = interval(start, end, minutes, "min");
                let lasted = local::as_if_utc_ms(end) - local::as_if_utc_ms(start);
                let asleep = row(subject, Measure::TotalSleepTime, start, end, reading);
                rows.push(keep_apart(asleep, start, lasted, rules, number, report));
            }
            _ => report.skip(number, "a sleep without start, end or minutes (counted in sleeps)"),
        }
        let Some(levels) = sleep.levels else { return };
        let algorithm = format!("fitbit_{}", sleep.r#type);
        let long = levels.data.iter().map(|segment| (segment, ""));
        let short = levels.short_data.iter().map(|segment| (segment, SHORT_WAKE));
        for (segment, instrument) in long.chain(short) {
            rows.extend(stage(subject, segment, &algorithm, instrument, rules, number, report));
        }
    })?;
    Ok(rows)
}

fn stage(
    subject: &str,
    segment: &Segment,
    algorithm: &str,
    instrument: &str,
    rules: &Rules,
    number: u64,
    report: &mut FileReport,
) -> Option<Row> {
    let start = stamp(&segment.date_time).filter(|_| (1..=86_400).contains(&segment.seconds));
    let known = ["wake", "awake", "light", "deep", "rem", "asleep", "restless"].contains(&segment.level.as_str());
    let Some(start) = start.filter(|_| known) else {
        report.skip(number, "a segment without a stage, a start or a length (counted in sleeps)");
        return None;
    };
    let end = start.saturating_add(segment.seconds.seconds());
    let reading = Reading {
        time: start.to_string(),
        end_time: end.to_string(),
        code: segment.level.clone(),
        algorithm: algorithm.to_owned(),
        instrument: instrument.to_owned(),
        ..Reading::default()
    };
    let row = row(subject, Measure::SleepStage, start, end, reading);
    Some(keep_apart(row, start, segment.seconds * 1_000, rules, number, report))
}

/// One reading an hour, its minutes in their places; a minute in an hour that no clock showed travels alone.
pub fn steps(file: &Found, subject: &str, rules: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut hours: BTreeMap<DateTime, Vec<f64>> = BTreeMap::new();
    let mut rows = Vec::new();
    each(file, report, &mut |entry, minute: Stamped<String>, report| {
        let (Some(start), Some(count)) = (stamp(&minute.date_time), number(&minute.value)) else {
            report.skip(entry, "a minute without a time or a number (counted in entries)");
            return;
        };
        let hour = start.date().at(start.hour(), 0, 0, 0);
        let place = usize::from(start.minute().unsigned_abs());
        let slot = hours.entry(hour).or_insert_with(|| vec![f64::NAN; 60]);
        if rules.is_skipped(hour) || start.second() != 0 || !slot[place].is_nan() {
            let end = start.saturating_add(1.minute());
            let alone = row(subject, Measure::StepCount, start, end, interval(start, end, count, "{steps}"));
            rows.push(keep_apart(alone, start, MINUTE_MS, rules, entry, report));
        } else {
            slot[place] = count;
        }
    })?;
    for (hour, values) in hours.into_iter().filter(|(_, values)| values.iter().any(|value| !value.is_nan())) {
        let packed = Reading {
            time: hour.to_string(),
            period_ms: Some(60_000),
            values,
            unit: "{steps}".to_owned(),
            ..Reading::default()
        };
        rows.push(row(subject, Measure::StepCount, hour, hour.saturating_add(1.hour()), packed));
    }
    Ok(rows)
}

#[derive(Deserialize)]
struct Pulse {
    bpm: f64,
}

pub fn heart_rate(file: &Found, subject: &str, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut rows: Vec<Row> = Vec::new();
    each(file, report, &mut |entry, sample: Stamped<Pulse>, report| {
        let Some(at) = stamp(&sample.date_time) else {
            report.skip(entry, "a sample without a time (counted in entries)");
            return;
        };
        let hour = at.date().at(at.hour(), 0, 0, 0);
        let base = hour.to_string();
        if rows.last().is_none_or(|last| last.reading.time != base) {
            let packed = Reading { time: base, unit: "/min".to_owned(), ..Reading::default() };
            rows.push(row(subject, Measure::HeartRate, hour, at, packed));
        }
        let Some(last) = rows.last_mut() else { return };
        last.reading.offsets_ms.push((i64::from(at.minute()) * 60 + i64::from(at.second())) * 1_000);
        last.reading.values.push(sample.value.bpm);
        last.newest = Moment::Local(at);
    })?;
    Ok(rows)
}

#[derive(Deserialize)]
struct Resting {
    date: Option<String>,
    value: f64,
}

pub fn resting(file: &Found, subject: &str, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut rows = Vec::new();
    each(file, report, &mut |entry, day: Stamped<Resting>, report| {
        let date = stamp(&day.date_time).map(|stamp| stamp.date());
        let Some(date) = date.filter(|_| day.value.date.is_some() && day.value.value > 0.0) else {
            report.skip(entry, "a day without a resting heart rate (counted in days)");
            return;
        };
        let reading = Reading {
            time: date.to_string(),
            value: Some(day.value.value),
            unit: "/min".to_owned(),
            ..Reading::default()
        };
        let end = local::days_after(date, 1).at(0, 0, 0, 0);
        rows.push(Row { day: date, ..row(subject, Measure::RestingHeartRate, end, end, reading) });
    })?;
    Ok(rows)
}

pub fn minutes_by_day(file: &Found, report: &mut FileReport) -> Result<Days, ImportError> {
    let mut days = Days::new();
    each(file, report, &mut |entry, day: Stamped<String>, report| match (stamp(&day.date_time), number(&day.value)) {
        (Some(at), Some(minutes)) if days.insert(at.date(), (entry, minutes)).is_none() => {}
        _ => report.skip(entry, "no date, no number, or a day that was there before (counted in days)"),
    })?;
    Ok(days)
}

pub fn sedentary(file: &Found, subject: &str, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let days = minutes_by_day(file, report)?;
    Ok(days.into_iter().map(|(day, (_, minutes))| of_day(subject, Measure::SedentaryMinutes, day, minutes)).collect())
}

pub fn active(subject: &str, day: Date, minutes: f64) -> Row {
    of_day(subject, Measure::ActiveMinutes, day, minutes)
}

fn of_day(subject: &str, measure: Measure, day: Date, minutes: f64) -> Row {
    let end = local::days_after(day, 1).at(0, 0, 0, 0);
    Row { day, ..row(subject, measure, end, end, over_day(day, minutes, "min")) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exercise {
    start_time: String,
    /// Milliseconds.
    duration: i64,
    #[serde(default)]
    activity_name: String,
}

pub fn exercise(file: &Found, subject: &str, rules: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut rows = Vec::new();
    each(file, report, &mut |entry, session: Exercise, report| {
        let start = stamp(&session.start_time).filter(|_| (1..=86_400_000).contains(&session.duration));
        let Some(start) = start else {
            report.skip(entry, "a session without a start or a length of up to a day (counted in sessions)");
            return;
        };
        let end = start.saturating_add(session.duration.milliseconds());
        let reading = Reading {
            instrument: slug(&session.activity_name),
            ..interval(start, end, session.duration as f64 / 60_000.0, "min")
        };
        let row = row(subject, Measure::ExerciseSession, start, end, reading);
        rows.push(keep_apart(row, start, session.duration, rules, entry, report));
    })?;
    Ok(rows)
}
