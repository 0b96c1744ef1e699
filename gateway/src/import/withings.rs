//! The CSV files of a Withings account export.
//!
//! | file | one row becomes | identity within the device (semantics 2) |
//! |---|---|---|
//! | weight.csv | body_weight; body_fat_percentage where the fat mass stands (fat / weight) | stamp |
//! | height.csv | body_height | stamp |
//! | bp.csv | blood_pressure, and heart_rate where it stands | stamp |
//! | aggregates_steps.csv | step_count over the local day | day start, end |
//! | raw_tracker_steps.csv | step_count of each part of the row | start, end |
//! | raw_hr_hr, raw_tracker_hr, raw_bed_hr, raw_sleep-monitor_hr.csv | heart_rate at the start of each part | stamp |
//! | raw_spo2_auto_spo2, raw_bed_respiratory-rate, raw_sleep-monitor_respiratory-rate.csv | oxygen_saturation, respiratory_rate | stamp |
//! | raw_tracker_, raw_bed_, raw_sleep-monitor_sleep-state.csv | sleep_stage of each part (0 awake, 1 light, 2 deep, 3 REM; of a sleep monitor 1 is asleep) | start, end |
//! | sleep.csv | total_sleep_time (light + deep + REM) over the night | start, end |
//!
//! The unit of a weight or height stands in the column's name. A raw row has a start and, in brackets, the seconds and
//! values of the parts that follow each other. Raw stamps carry an offset; the others are wall time in the given zone.
//! Scale, cuff, watch and mat are four devices. Day totals and raw minutes of one watch are both sent: the merge by
//! interval (semantics 9) lets a total add only what the minutes lack. Blood pressures that stand twice, a whole number of
//! hours apart, are both sent and marked. The part of a day's total that is energy, distance or floors is no measure here.

use std::path::Path;

use jiff::civil::DateTime;
use painwatch_domain::{Measure, Shape};
use painwatch_proto::ingest::v1::{Components, Reading};

use super::ImportError;
use super::blood_pressure::{Stamped, mark_shifted_copies};
use super::collect::{Collector, Moment, Row, Rows, over_day};
use super::local::{self, Rules};
use super::report::FileReport;
use super::source::{self, Found};
use super::table::{Table, number};

/// Parts of one raw row: an hour of seconds.
const PARTS_MAX: usize = 3_600;
/// Longest part in seconds: a day.
const PART_S_MAX: f64 = 86_400.0;

type Parser = fn(&[u8], &mut FileReport) -> Result<Vec<Row>, ImportError>;

/// A raw table, whatever its file was called over the years.
#[derive(Clone, Copy)]
struct Raw {
    measure: Measure,
    kind: &'static str,
    /// Codes of the values, in order, where they are codes.
    stages: &'static [&'static str],
}

const STAGES: &[&str] = &["awake", "light", "deep", "rem"];

pub fn read(path: &Path, collector: &mut Collector<'_>) -> Result<(), ImportError> {
    let rules = Rules::of(collector.zone());
    for file in source::find(path)? {
        let name = file.name();
        if let Some(raw) = raw(&name) {
            let bytes = file.bytes()?;
            collector.add_in_passing(file.shown(), &|report, rows| raw_table(&bytes, raw, &rules, report, rows))?;
        } else if let Some(parse) = parser(&name) {
            add(&file, parse, collector)?;
        } else if name == "sleep.csv" {
            let mut report = FileReport::new(file.shown());
            let rows = nights(&file.bytes()?, &rules, &mut report)?;
            collector.add(rows, report)?;
        } else {
            collector.report.left_out.push((file.shown(), "holds nothing there is a measure for".to_owned()));
        }
    }
    Ok(())
}

fn add(file: &Found, parse: Parser, collector: &mut Collector<'_>) -> Result<(), ImportError> {
    let mut report = FileReport::new(file.shown());
    let rows = parse(&file.bytes()?, &mut report)?;
    collector.add(rows, report)
}

fn parser(name: &str) -> Option<Parser> {
    let parsers: [(&str, Parser); 4] = [
        ("weight.csv", weights),
        ("height.csv", heights),
        ("bp.csv", blood_pressures),
        ("aggregates_steps.csv", daily_steps),
    ];
    parsers.into_iter().find(|(known, _)| *known == name).map(|(_, parser)| parser)
}

fn raw(name: &str) -> Option<Raw> {
    let stem = name.strip_suffix(".csv")?.strip_prefix("raw_")?;
    let kind = if stem.starts_with("bed") || stem.starts_with("sleep-monitor") { "mat" } else { "watch" };
    let numbers = |measure| Some(Raw { measure, kind, stages: &[] });
    match stem {
        "tracker_steps" => numbers(Measure::StepCount),
        "hr_hr" | "tracker_hr" | "bed_hr" | "sleep-monitor_hr" => numbers(Measure::HeartRate),
        "spo2_auto_spo2" => numbers(Measure::OxygenSaturation),
        "bed_respiratory-rate" | "sleep-monitor_respiratory-rate" => numbers(Measure::RespiratoryRate),
        "sleep-monitor_sleep-state" => Some(Raw { measure: Measure::SleepStage, kind, stages: &["awake", "asleep"] }),
        "tracker_sleep-state" | "bed_sleep-state" => Some(Raw { measure: Measure::SleepStage, kind, stages: STAGES }),
        _ => None,
    }
}

fn at(kind: &'static str, measure: Measure, stamp: DateTime, reading: Reading) -> Row {
    let unit = if reading.unit.is_empty() { measure.spec().unit.to_owned() } else { reading.unit };
    let reading = Reading { time: stamp.to_string(), unit, ..reading };
    let newest = Moment::Local(stamp);
    Row { subject: String::new(), kind, name: None, measure, day: stamp.date(), newest, reading }
}

fn value(value: f64, unit: &str) -> Reading {
    Reading { value: Some(value), unit: unit.to_owned(), ..Reading::default() }
}

/// The first column that is called `name (unit)`, and the unit.
fn with_unit(table: &Table<'_>, name: &str) -> Option<(usize, String)> {
    table.header().enumerate().find_map(|(place, column)| {
        let unit = column.strip_prefix(name)?.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some((
            place,
            match unit {
                "in" => "[in_i]".to_owned(),
                "st" => "[stone_av]".to_owned(),
                unit => unit.to_owned(),
            },
        ))
    })
}

fn weights(bytes: &[u8], report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let date = table.column(&["Date"], report)?;
    let Some((weight, unit)) = with_unit(&table, "Weight") else {
        return Err(report.wrong(1, "no column named Weight (kg) or Weight (lb)"));
    };
    let fat = with_unit(&table, "Fat mass").filter(|(_, fat)| *fat == unit);
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let (Some(stamp), Some(heavy)) = (local::stamp(table.cell(date)), number(table.cell(weight))) else {
            report.skip(line, "no date or no weight");
            continue;
        };
        rows.push(at("scale", Measure::BodyWeight, stamp, value(heavy, &unit)));
        let share = fat.as_ref().and_then(|(column, _)| number(table.cell(*column))).filter(|_| heavy > 0.0);
        if let Some(share) = share {
            let algorithm = "fat_mass_over_weight".to_owned();
            let reading = Reading { algorithm, ..value(100.0 * share / heavy, "%") };
            rows.push(at("scale", Measure::BodyFatPercentage, stamp, reading));
        }
    }
    Ok(rows)
}

fn heights(bytes: &[u8], report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let date = table.column(&["Date"], report)?;
    let Some((height, unit)) = with_unit(&table, "Height") else {
        return Err(report.wrong(1, "no column named Height (m) or Height (in)"));
    };
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        match (local::stamp(table.cell(date)), number(table.cell(height))) {
            (Some(stamp), Some(tall)) => rows.push(at("scale", Measure::BodyHeight, stamp, value(tall, &unit))),
            _ => report.skip(line, "no date or no height in one number"),
        }
    }
    Ok(rows)
}

fn blood_pressures(bytes: &[u8], report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let date = table.column(&["Date"], report)?;
    let (upper, lower) = (table.column(&["Systolic"], report)?, table.column(&["Diastolic"], report)?);
    let pulse = table.optional_column("Heart rate");
    let (mut rows, mut stamps) = (Vec::new(), Vec::new());
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let (Some(stamp), Some(systolic), Some(diastolic)) =
            (local::stamp(table.cell(date)), number(table.cell(upper)), number(table.cell(lower)))
        else {
            report.skip(line, "no date or no pressure");
            continue;
        };
        let panel = Reading { components: Some(Components { systolic, diastolic }), ..Reading::default() };
        stamps.push(Stamped { ms: local::as_if_utc_ms(stamp), line, row: rows.len() });
        rows.push(at("cuff", Measure::BloodPressure, stamp, panel));
        if let Some(rate) = pulse.and_then(|column| number(table.cell(column))) {
            rows.push(at("cuff", Measure::HeartRate, stamp, value(rate, "/min")));
        }
    }
    mark_shifted_copies(&mut rows, &stamps, report);
    Ok(rows)
}

fn daily_steps(bytes: &[u8], report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let (date, total) = (table.column(&["date", "Date"], report)?, table.column(&["value", "Value"], report)?);
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        match (local::date(table.cell(date)), number(table.cell(total))) {
            (Some(day), Some(steps)) => {
                let end = local::days_after(day, 1).at(0, 0, 0, 0);
                let reading = over_day(day, steps, "{steps}");
                let frame = at("watch", Measure::StepCount, end, Reading::default());
                rows.push(Row { day, reading, ..frame });
            }
            _ => report.skip(line, "no date or no number"),
        }
    }
    Ok(rows)
}

/// `2022-01-06T12:50:26+01:00`, or wall time: UTC milliseconds.
fn instant(text: &str, rules: &Rules) -> Option<i64> {
    let exact = text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
    exact.or_else(|| local::stamp(text).map(|stamp| rules.utc_ms(stamp)))
}

/// `[60,60]`, or one number. A bracket that does not close is a list that was cut at a comma.
fn list(cell: &str) -> Option<Vec<f64>> {
    let inside = match cell.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None => cell,
    };
    inside.split(',').take(PARTS_MAX + 1).map(|part| number(part.trim())).collect()
}

fn raw_table(
    bytes: &[u8],
    raw: Raw,
    rules: &Rules,
    report: &mut FileReport,
    rows: Rows<'_>,
) -> Result<(), ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let (start, lasted) = (table.column(&["start"], report)?, table.column(&["duration"], report)?);
    let values = table.column(&["value"], report)?;
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let cells = (instant(table.cell(start), rules), list(table.cell(lasted)), list(table.cell(values)));
        let (Some(mut from), Some(lengths), Some(found)) = cells else {
            report.skip(line, "no start, or a list with something that is no number");
            continue;
        };
        let fits = lengths.len() == found.len() && found.len() <= PARTS_MAX;
        if !fits || lengths.iter().any(|seconds| !(0.0..=PART_S_MAX).contains(seconds)) {
            report.skip(line, "not as many seconds as values, or a part longer than a day");
            continue;
        }
        for (seconds, found) in lengths.iter().zip(found) {
            let to = from + (seconds * 1_000.0).round() as i64;
            match part(raw, from, to, found, rules) {
                Some(row) => rows(row)?,
                None => report.skip(line, "a stage that is not known"),
            }
            from = to;
        }
    }
    Ok(())
}

fn part(raw: Raw, from: i64, to: i64, found: f64, rules: &Rules) -> Option<Row> {
    let spot = raw.measure.spec().shape == Shape::Spot;
    let mut reading = Reading { time: rules.with_offset(from), ..Reading::default() };
    if !spot {
        reading.end_time = rules.with_offset(to);
    }
    if raw.stages.is_empty() {
        reading.value = Some(found);
        reading.unit = raw.measure.spec().unit.to_owned();
    } else {
        let code = raw.stages.iter().zip(0u8..).find(|(_, number)| f64::from(*number) == found)?.0;
        reading.code = (*code).to_owned();
        reading.algorithm = "vendor".to_owned();
    }
    Some(Row {
        subject: String::new(),
        kind: raw.kind,
        name: None,
        measure: raw.measure,
        day: rules.local(from).date(),
        newest: Moment::Utc(if spot { from } else { to }),
        reading,
    })
}

fn nights(bytes: &[u8], rules: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let (from, to) = (table.column(&["from"], report)?, table.column(&["to"], report)?);
    let stages = ["light (s)", "deep (s)", "rem (s)"].map(|name| table.optional_column(name));
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let span = instant(table.cell(from), rules).zip(instant(table.cell(to), rules));
        let seconds: Vec<f64> = stages.iter().flatten().filter_map(|column| number(table.cell(*column))).collect();
        let Some((start, end)) = span.filter(|(start, end)| start < end && !seconds.is_empty()) else {
            report.skip(line, "no start and end, or no seconds of sleep");
            continue;
        };
        let reading = Reading {
            time: rules.with_offset(start),
            end_time: rules.with_offset(end),
            ..value(seconds.iter().sum(), "s")
        };
        let day = rules.local(end);
        rows.push(Row {
            newest: Moment::Utc(end),
            reading,
            ..at("watch", Measure::TotalSleepTime, day, Reading::default())
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules::of(&painwatch_domain::Zone::parse("Europe/Paris").unwrap())
    }

    #[test]
    fn the_unit_of_a_weight_stands_in_the_columns_name() {
        for (unit, sent) in [("kg", "kg"), ("lb", "lb"), ("st", "[stone_av]")] {
            let text =
                format!("Date,\"Weight ({unit})\",\"Fat mass ({unit})\",Comments\n\"2026-06-10 08:15:00\",80,20,\n");
            let rows = weights(text.as_bytes(), &mut FileReport::new("weight.csv")).unwrap();
            let seen: Vec<_> = rows.iter().map(|row| (row.reading.value, row.reading.unit.as_str())).collect();
            assert_eq!(seen, [(Some(80.0), sent), (Some(25.0), "%")]);
        }
    }

    #[test]
    fn a_raw_row_holds_parts_that_follow_each_other() {
        let text = b"start,duration,value\n2022-01-06T12:50:26+01:00,\"[60,30]\",\"[43,7]\"\n2022-01-06T12:59:00+01:00,[60],[1,2]\n";
        let mut found = Vec::new();
        let mut report = FileReport::new("raw_tracker_steps.csv");
        let steps = raw("raw_tracker_steps.csv").unwrap();
        raw_table(text, steps, &rules(), &mut report, &mut |row| {
            found.push((row.reading.time.clone(), row.reading.end_time.clone(), row.reading.value));
            Ok(())
        })
        .unwrap();
        let expected = [
            ("2022-01-06T12:50:26+01:00", "2022-01-06T12:51:26+01:00", 43.0),
            ("2022-01-06T12:51:26+01:00", "2022-01-06T12:51:56+01:00", 7.0),
        ];
        assert_eq!(found, expected.map(|(from, to, steps)| (from.to_owned(), to.to_owned(), Some(steps))));
        assert_eq!((report.rows, report.skipped[0].count), (2, 1));
    }

    #[test]
    fn a_blood_pressure_of_bp_csv_brings_its_pulse_and_its_shifted_copy_is_marked() {
        let text = "Date,\"Heart rate\",Systolic,Diastolic,Comments\n\"2022-01-06 08:00:10\",61,142,91,\n\"2022-01-06 09:00:10\",61,142,91,\n";
        let rows = blood_pressures(text.as_bytes(), &mut FileReport::new("bp.csv")).unwrap();
        let marks: Vec<&str> = rows.iter().map(|row| row.reading.quality.as_str()).collect();
        assert_eq!(marks, ["possible_copy_1h", "", "possible_copy_1h", ""]);
    }
}
