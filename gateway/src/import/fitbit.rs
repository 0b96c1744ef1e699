//! Fitbit account exports as published by Furberg et al. 2016: `*_merged.csv`, plain or gzipped, of one or several exports.
//!
//! | file | one row becomes | identity within the device (semantics 2) |
//! |---|---|---|
//! | dailyActivity | step_count, sedentary_minutes, active_minutes (fairly + very active) over the local day | measure, day start, day end |
//! | hourlySteps | step_count over the hour | hour start, end |
//! | minuteStepsWide | 60 step_count of a minute each, packed; a sample's interval is `[t, t + period_ms)` | minute start, end |
//! | heartrate_seconds | one heart_rate sample; rows of one local hour travel packed | stamp |
//! | sleepDay | total_sleep_time over the local day on which the sleep ended | day start, day end |
//! | weightLogInfo | body_weight, and body_fat_percentage where given | stamp out of LogId |
//!
//! Tracker and scale are two devices of a wearer. Stamps are wall time without a zone and are sent as such. `LogId` is that
//! same wall time written as if it were UTC (it agrees with the Date column wherever that kept its clock time), so it is
//! sent as wall time too. A stamp that no clock of the zone showed (the hour skipped in spring) keeps an identity of its own
//! through `id`, and says so in `quality`. Zeros are sent: a day or hour with 0 steps may mean "not worn", which is for the
//! metrics to decide. The revision is the file's last day, so that the later of two overlapping exports supersedes.

use std::path::Path;

use jiff::ToSpan;
use jiff::civil::DateTime;
use painwatch_domain::time::{HOUR_MS, MINUTE_MS};
use painwatch_domain::{Measure, Zone};
use painwatch_proto::ingest::v1::Reading;

use super::collect::{Collector, Moment, Row, interval, keep_apart, over_day};
use super::local::{self, Rules};
use super::report::FileReport;
use super::table::{Table, number};
use super::{ImportError, source};

const TRACKER: &str = "tracker";
const SCALE: &str = "scale";
const NO_MEASURE: [(&str, &str); 5] = [
    ("hourlyCalories", "energy estimates are no measure here"),
    ("hourlyIntensities", "vendor intensity levels are no counts"),
    ("minuteIntensitiesWide", "vendor intensity levels are no counts"),
    ("minuteCalories", "energy estimates are no measure here"),
    ("minuteMETs", "energy estimates are no measure here"),
];

type Parser = fn(&[u8], &Rules, &mut FileReport) -> Result<Vec<Row>, ImportError>;

pub fn read(path: &Path, collector: &mut Collector<'_>) -> Result<(), ImportError> {
    let rules = Rules::of(collector.zone());
    for file in source::find(path)? {
        let name = file.name();
        if let Some(parse) = parser(&name) {
            let mut report = FileReport::new(file.shown());
            let rows = parse(&file.bytes()?, &rules, &mut report)?;
            collector.add(rows, report)?;
        } else {
            let known = NO_MEASURE.iter().find(|(stem, _)| name.starts_with(stem));
            let reason = known.map_or("not a file of this format", |(_, reason)| reason);
            collector.report.left_out.push((file.shown(), reason.to_owned()));
        }
    }
    Ok(())
}

fn parser(name: &str) -> Option<Parser> {
    let parsers: [(&str, Parser); 6] = [
        ("dailyActivity", daily_activity),
        ("heartrate_seconds", heart_rate),
        ("hourlySteps", hourly_steps),
        ("minuteStepsWide", minute_steps_wide),
        ("sleepDay", sleep_day),
        ("weightLogInfo", weight_log),
    ];
    let plain = name.strip_suffix(".csv")?;
    let stem = plain.strip_suffix("_merged").unwrap_or(plain);
    parsers.into_iter().find(|(known, _)| *known == stem).map(|(_, parser)| parser)
}

fn row(subject: &str, measure: Measure, start: DateTime, newest: DateTime, reading: Reading) -> Row {
    let kind = if matches!(measure, Measure::BodyWeight | Measure::BodyFatPercentage) { SCALE } else { TRACKER };
    Row {
        subject: subject.to_owned(),
        kind,
        name: None,
        measure,
        day: start.date(),
        newest: Moment::Local(newest),
        reading,
    }
}

fn daily_activity(bytes: &[u8], _: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let (id, day) = (table.column(&["Id"], report)?, table.column(&["ActivityDate"], report)?);
    let steps = table.column(&["TotalSteps"], report)?;
    let sedentary = table.column(&["SedentaryMinutes"], report)?;
    let active = [table.column(&["FairlyActiveMinutes"], report)?, table.column(&["VeryActiveMinutes"], report)?];
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let Some(date) = local::date(table.cell(day)) else {
            report.skip(line, "ActivityDate is no date");
            continue;
        };
        let active_minutes = active.iter().map(|&column| number(table.cell(column))).sum::<Option<f64>>();
        let values = [
            (Measure::StepCount, number(table.cell(steps))),
            (Measure::SedentaryMinutes, number(table.cell(sedentary))),
            (Measure::ActiveMinutes, active_minutes),
        ];
        let (start, end) = (date.at(0, 0, 0, 0), local::days_after(date, 1).at(0, 0, 0, 0));
        for (measure, value) in values {
            match value {
                Some(value) => {
                    rows.push(row(table.cell(id), measure, start, end, over_day(date, value, measure.spec().unit)))
                }
                None => report.skip(line, &format!("no number for {}", measure.name())),
            }
        }
    }
    Ok(rows)
}

fn hourly_steps(bytes: &[u8], rules: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let (id, hour) = (table.column(&["Id"], report)?, table.column(&["ActivityHour"], report)?);
    let total = table.column(&["StepTotal"], report)?;
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let (Some(start), Some(steps)) = (local::stamp(table.cell(hour)), number(table.cell(total))) else {
            report.skip(line, "no hour or no number");
            continue;
        };
        let end = start.saturating_add(1.hour());
        let reading = row(table.cell(id), Measure::StepCount, start, end, interval(start, end, steps, "{steps}"));
        rows.push(keep_apart(reading, start, HOUR_MS, rules, line, report));
    }
    Ok(rows)
}

fn minute_steps_wide(bytes: &[u8], rules: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let (id, hour) = (table.column(&["Id"], report)?, table.column(&["ActivityHour"], report)?);
    let columns =
        (0..60).map(|minute| table.column(&[&format!("Steps{minute:02}")], report)).collect::<Result<Vec<_>, _>>()?;
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let Some(start) = local::stamp(table.cell(hour)) else {
            report.skip(line, "no hour");
            continue;
        };
        let values: Vec<f64> = columns.iter().map(|&column| number(table.cell(column)).unwrap_or(f64::NAN)).collect();
        for _ in values.iter().filter(|value| value.is_nan()) {
            report.skip(line, "a minute without a number");
        }
        if rules.is_skipped(start) {
            rows.extend(minutes_one_by_one(table.cell(id), start, &values, rules, line, report));
            continue;
        }
        let packed = Reading {
            time: start.to_string(),
            period_ms: Some(60_000),
            values,
            unit: "{steps}".to_owned(),
            ..Reading::default()
        };
        rows.push(row(table.cell(id), Measure::StepCount, start, start.saturating_add(1.hour()), packed));
    }
    Ok(rows)
}

fn minutes_one_by_one(
    id: &str,
    hour: DateTime,
    values: &[f64],
    rules: &Rules,
    line: u64,
    report: &mut FileReport,
) -> Vec<Row> {
    let mut rows = Vec::new();
    for (minute, &value) in (0i64..).zip(values).filter(|(_, value)| !value.is_nan()) {
        let (start, end) = (hour.saturating_add(minute.minutes()), hour.saturating_add((minute + 1).minutes()));
        let reading = row(id, Measure::StepCount, start, end, interval(start, end, value, "{steps}"));
        rows.push(keep_apart(reading, start, MINUTE_MS, rules, line, report));
    }
    rows
}

fn heart_rate(bytes: &[u8], _: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let (id, time) = (table.column(&["Id"], report)?, table.column(&["Time"], report)?);
    let value = table.column(&["Value"], report)?;
    let mut rows: Vec<Row> = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let (Some(stamp), Some(rate)) = (local::stamp(table.cell(time)), number(table.cell(value))) else {
            report.skip(line, "no time or no number");
            continue;
        };
        let hour = stamp.date().at(stamp.hour(), 0, 0, 0);
        let base = hour.to_string();
        let continues = rows.last().is_some_and(|last| last.subject == table.cell(id) && last.reading.time == base);
        if !continues {
            let packed = Reading { time: base, unit: "/min".to_owned(), ..Reading::default() };
            rows.push(row(table.cell(id), Measure::HeartRate, hour, stamp, packed));
        }
        let Some(last) = rows.last_mut() else { continue };
        last.reading.offsets_ms.push((i64::from(stamp.minute()) * 60 + i64::from(stamp.second())) * 1_000);
        last.reading.values.push(rate);
        last.newest = Moment::Local(stamp);
    }
    Ok(rows)
}

fn sleep_day(bytes: &[u8], _: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let (id, day) = (table.column(&["Id"], report)?, table.column(&["SleepDay"], report)?);
    let asleep = table.column(&["TotalMinutesAsleep"], report)?;
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let (Some(start), Some(minutes)) = (local::stamp(table.cell(day)), number(table.cell(asleep))) else {
            report.skip(line, "no day or no number");
            continue;
        };
        let end = local::days_after(start.date(), 1).at(0, 0, 0, 0);
        rows.push(row(table.cell(id), Measure::TotalSleepTime, start, end, over_day(start.date(), minutes, "min")));
    }
    Ok(rows)
}

fn weight_log(bytes: &[u8], rules: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let (id, log_id) = (table.column(&["Id"], report)?, table.column(&["LogId"], report)?);
    let (weight, manual) = (table.column(&["WeightKg"], report)?, table.column(&["IsManualReport"], report)?);
    let fat = table.optional_column("Fat");
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let Some(log_ms) = table.cell(log_id).parse::<i64>().ok().filter(|ms| *ms > 0) else {
            report.skip(line, "LogId is no time");
            continue;
        };
        let stamp = Rules::of(&Zone::utc()).local(log_ms);
        let typed = table.cell(manual).eq_ignore_ascii_case("true");
        let values = [
            (Measure::BodyWeight, number(table.cell(weight))),
            (Measure::BodyFatPercentage, fat.and_then(|column| number(table.cell(column)))),
        ];
        if values[0].1.is_none() {
            report.skip(line, "no number for body_weight");
        }
        for (measure, value) in values.into_iter().filter_map(|(measure, value)| Some((measure, value?))) {
            let reading = Reading {
                time: stamp.to_string(),
                value: Some(value),
                unit: measure.spec().unit.to_owned(),
                modality: if typed { "self_reported" } else { "sensed" }.to_owned(),
                ..Reading::default()
            };
            if typed {
                report.remark(line, "typed by hand: the clock time 23:59:59 stands for \"some time that day\"");
            }
            rows.push(keep_apart(row(table.cell(id), measure, stamp, stamp, reading), stamp, 0, rules, line, report));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(parse: Parser, text: &str) -> (Vec<Row>, FileReport) {
        let rules = Rules::of(&Zone::parse("America/New_York").unwrap());
        let mut report = FileReport::new("sample.csv");
        (parse(text.as_bytes(), &rules, &mut report).unwrap(), report)
    }

    #[test]
    fn a_daily_row_becomes_three_intervals_over_the_local_day_in_either_date_format() {
        let header = "Id,ActivityDate,TotalSteps,VeryActiveMinutes,FairlyActiveMinutes,SedentaryMinutes\n";
        for day in ["4/12/2016", "2016-04-12", "04/12/2016"] {
            let (rows, _) = run(daily_activity, &format!("{header}7,{day},224,3,4,1400\n"));
            let seen: Vec<_> = rows.iter().map(|row| (row.measure, row.reading.value)).collect();
            let expected =
                [(Measure::StepCount, 224.0), (Measure::SedentaryMinutes, 1400.0), (Measure::ActiveMinutes, 7.0)];
            assert_eq!(seen, expected.map(|(measure, value)| (measure, Some(value))));
            assert_eq!(rows[0].reading.time, "2016-04-12T00:00:00");
            assert_eq!(rows[0].reading.end_time, "2016-04-13T00:00:00");
        }
    }

    #[test]
    fn heart_rate_rows_of_one_local_hour_travel_packed_and_a_bad_row_is_named() {
        let (rows, report) = run(
            heart_rate,
            "Id,Time,Value\n7,2016-04-01 07:59:55,93\n7,2016-04-01 08:00:05,91\n7,2016-04-01 08:00:10,90\n8,2016-04-01 08:00:10,70\n8,never,70\n",
        );
        let packs: Vec<_> = rows.iter().map(|row| (row.subject.as_str(), row.reading.offsets_ms.clone())).collect();
        assert_eq!(packs, [("7", vec![3_595_000]), ("7", vec![5_000, 10_000]), ("8", vec![10_000])]);
        assert_eq!((report.skipped[0].reason.as_str(), report.skipped[0].first_line), ("no time or no number", 6));
    }

    #[test]
    fn a_wide_row_is_sixty_minutes_and_an_empty_minute_is_null() {
        let columns: String = (0..60).map(|minute| format!(",Steps{minute:02}")).collect();
        let cells: String =
            (0..60).map(|minute| if minute == 2 { ",".to_owned() } else { format!(",{minute}") }).collect();
        let (rows, _) = run(minute_steps_wide, &format!("Id,ActivityHour{columns}\n7,4/13/2016 12:00:00 AM{cells}\n"));
        assert_eq!(rows[0].reading.period_ms, Some(60_000));
        assert_eq!(crate::outgoing::sample_count(&rows[0].reading), 59);
        assert!(rows[0].reading.values[2].is_nan());
    }

    #[test]
    fn an_hour_that_the_zone_skipped_keeps_an_identity_of_its_own() {
        let (rows, report) =
            run(hourly_steps, "Id,ActivityHour,StepTotal\n7,3/13/2016 1:00:00 AM,5\n7,3/13/2016 2:00:00 AM,27\n");
        assert_eq!((rows[0].reading.id.as_str(), rows[0].reading.time.as_str()), ("", "2016-03-13T01:00:00-05:00"));
        assert_eq!(rows[0].reading.end_time, "2016-03-13T03:00:00-04:00");
        assert_eq!(rows[1].reading.id, "step_count@2016-03-13T02:00:00_60min");
        assert_eq!(report.remarks.len(), 1);
    }

    #[test]
    fn a_weighing_is_stamped_by_its_log_id_even_where_the_date_lost_its_clock() {
        let header = "Id,Date,WeightKg,WeightPounds,Fat,BMI,IsManualReport,LogId\n";
        let (rows, _) = run(
            weight_log,
            &format!(
                "{header}7,4/12/2016 6:47:11 AM,85.8000030517578,1,,1,False,1460443631000\n7,2016-05-02,52.6,1,22,1,TRUE,1462233599000\n"
            ),
        );
        let seen: Vec<_> =
            rows.iter().map(|row| (row.measure, row.reading.time.as_str(), row.reading.modality.as_str())).collect();
        assert_eq!(
            seen,
            [
                (Measure::BodyWeight, "2016-04-12T06:47:11", "sensed"),
                (Measure::BodyWeight, "2016-05-02T23:59:59", "self_reported"),
                (Measure::BodyFatPercentage, "2016-05-02T23:59:59", "self_reported"),
            ]
        );
    }

    #[test]
    fn a_file_of_another_shape_is_refused_with_its_name_and_line() {
        let error =
            sleep_day(b"Id,Night\n", &Rules::of(&Zone::utc()), &mut FileReport::new("sleepDay.csv")).unwrap_err();
        assert_eq!(error.to_string(), "sleepDay.csv:1: no column named SleepDay");
    }
}
