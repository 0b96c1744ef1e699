//! Nights. The account export gives the seconds of each stage and no segments; where segments stand (as Garmin's own pages
//! are fed), they are sent as well.

use painwatch_domain::Measure;
use painwatch_proto::ingest::v1::Reading;
use serde::Deserialize;

use super::daily::gmt_ms;
use super::{WATCH, elements, row};
use crate::import::ImportError;
use crate::import::collect::{Moment, Row};
use crate::import::local::Rules;
use crate::import::report::FileReport;
use crate::import::source::Found;

/// Garmin's numbers for its stages, in order.
const STAGES: [&str; 4] = ["deep", "light", "rem", "awake"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Night {
    #[serde(rename = "sleepStartTimestampGMT")]
    start: Option<String>,
    #[serde(rename = "sleepEndTimestampGMT")]
    end: Option<String>,
    deep_sleep_seconds: Option<f64>,
    light_sleep_seconds: Option<f64>,
    rem_sleep_seconds: Option<f64>,
    #[serde(default)]
    sleep_levels: Vec<Level>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Level {
    #[serde(rename = "startGMT")]
    start: String,
    #[serde(rename = "endGMT")]
    end: String,
    activity_level: f64,
}

pub fn nights(file: &Found, rules: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut rows = Vec::new();
    let frame = report.clone();
    file.stream(|reader| {
        elements::each(reader, &frame, &mut |number, night: Night| {
            report.rows += 1;
            let span = night.start.as_deref().and_then(gmt_ms).zip(night.end.as_deref().and_then(gmt_ms));
            let Some((start, end)) = span.filter(|(start, end)| start < end) else {
                report.skip(number, "a night without start and end (counted in nights)");
                return Ok(());
            };
            let stages = [night.deep_sleep_seconds, night.light_sleep_seconds, night.rem_sleep_seconds];
            if stages.iter().all(Option::is_none) {
                report.skip(number, "a night whose sleep was not measured (counted in nights)");
                return Ok(());
            }
            let asleep: f64 = stages.into_iter().flatten().sum();
            let reading = Reading { value: Some(asleep), unit: "s".to_owned(), ..over(start, end, rules) };
            rows.push(of(Measure::TotalSleepTime, end, rules, reading));
            for level in &night.sleep_levels {
                match stage(level, rules) {
                    Some((end, reading)) => rows.push(of(Measure::SleepStage, end, rules, reading)),
                    None => report.skip(number, "a segment without a stage, a start or an end (counted in nights)"),
                }
            }
            Ok(())
        })
    })?;
    Ok(rows)
}

fn over(start: i64, end: i64, rules: &Rules) -> Reading {
    Reading { time: rules.with_offset(start), end_time: rules.with_offset(end), ..Reading::default() }
}

fn of(measure: Measure, end: i64, rules: &Rules, reading: Reading) -> Row {
    row(WATCH, measure, rules.local(end).date(), Moment::Utc(end), reading)
}

fn stage(level: &Level, rules: &Rules) -> Option<(i64, Reading)> {
    let (start, end) = (gmt_ms(&level.start)?, gmt_ms(&level.end)?);
    let code = STAGES.iter().zip(0u8..).find(|(_, number)| f64::from(*number) == level.activity_level)?.0;
    let reading = Reading { code: (*code).to_owned(), algorithm: "vendor".to_owned(), ..over(start, end, rules) };
    (start < end).then_some((end, reading))
}
