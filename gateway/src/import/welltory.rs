//! The Welltory COVID-19 data set (github.com/Welltory/hrv-covid19, folder `data`): one table for each kind of data,
//! all people in it, told apart by `user_code`.
//!
//! | file | one row becomes | identity within the device (semantics 2) |
//! |---|---|---|
//! | blood_pressure.csv | blood_pressure | stamp |
//! | hrv_measurements.csv | heart_rate, hrv_sdnn, hrv_rmssd; mood and survey_score where answered; the RR list packed as rr_interval, each beat at its end | stamp (answers: instrument; beats: stamp + sum of the intervals) |
//! | sleep.csv | total_sleep_time over the sleep | begin, end |
//! | wearables.csv | step_count over the local day; resting_heart_rate, heart_rate, oxygen_saturation, body_temperature of the day, date-only | measure, day |
//! | surveys.csv | symptom_severity; pain in the chest: pain_scale_other; everything else: survey_score; date-only | day, instrument (pain: site) |
//!
//! Stamps are wall time without a zone: the given zone is used for all. The means of a day say so (`algorithm`). Blood
//! pressures that stand twice, a whole number of hours apart, are both sent and marked. Lowest and highest pulse of a day
//! have no instant, light and deep minutes of a night no segments, participants.csv no date: left out.

use std::path::Path;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use painwatch_domain::Measure;
use painwatch_proto::ingest::v1::{Components, Reading};

use super::blood_pressure::{Stamped, mark_shifted_copies};
use super::collect::{Collector, Moment, Row, interval, over_day};
use super::local;
use super::report::FileReport;
use super::table::{Table, number};
use super::{ImportError, source};

const CUFF: &str = "cuff";
const PHONE: &str = "phone";
const TRACKER: &str = "tracker";
const DAILY_MEAN: &str = "daily_mean";
/// Scales on which people say how strong a symptom is, 1 none to 6 extremely severe.
const SYMPTOMS: [&str; 9] = [
    "S_COVID_COUGH",
    "S_COVID_FEVER",
    "S_COVID_BREATH",
    "S_COVID_FATIGUE",
    "S_COVID_CONFUSION",
    "S_COVID_TROUBLE",
    "S_COVID_BLUISH",
    "S_COVID_OVERALL",
    "S_COVID_PAIN",
];

type Parser = fn(&[u8], &mut FileReport) -> Result<Vec<Row>, ImportError>;

pub fn read(path: &Path, collector: &mut Collector<'_>) -> Result<(), ImportError> {
    for file in source::find(path)? {
        let parser: Option<Parser> = match file.name().as_str() {
            "blood_pressure.csv" => Some(blood_pressure),
            "hrv_measurements.csv" => Some(hrv),
            "sleep.csv" => Some(sleep),
            "wearables.csv" => Some(days),
            "surveys.csv" => Some(surveys),
            _ => None,
        };
        if let Some(parse) = parser {
            let mut report = FileReport::new(file.shown());
            let rows = parse(&file.bytes()?, &mut report)?;
            collector.add(rows, report)?;
        } else {
            let reason = match file.name().as_str() {
                "participants.csv" => "facts about people without a date are no readings",
                "weather.csv" => "weather is no measure here",
                _ => "not a file of this format",
            };
            collector.report.left_out.push((file.shown(), reason.to_owned()));
        }
    }
    Ok(())
}

fn at(subject: &str, kind: &'static str, measure: Measure, stamp: DateTime, reading: Reading) -> Row {
    let reading = Reading { time: stamp.to_string(), unit: measure.spec().unit.to_owned(), ..reading };
    let (day, newest) = (stamp.date(), Moment::Local(stamp));
    Row { subject: subject.to_owned(), kind, name: None, measure, day, newest, reading }
}

fn on_day(subject: &str, kind: &'static str, measure: Measure, day: Date, reading: Reading) -> Row {
    let newest = Moment::Local(local::days_after(day, 1).at(0, 0, 0, 0));
    Row { subject: subject.to_owned(), kind, name: None, measure, day, newest, reading }
}

fn value(value: f64) -> Reading {
    Reading { value: Some(value), ..Reading::default() }
}

fn blood_pressure(bytes: &[u8], report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let (user, time) = (table.column(&["user_code"], report)?, table.column(&["measurement_datetime"], report)?);
    let (upper, lower) = (table.column(&["systolic"], report)?, table.column(&["diastolic"], report)?);
    let (mut rows, mut stamps) = (Vec::new(), Vec::new());
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        // Two blanks stand between date and time.
        let stamp = local::stamp(&table.cell(time).replace("  ", " "));
        let (Some(stamp), Some(systolic), Some(diastolic)) =
            (stamp, number(table.cell(upper)), number(table.cell(lower)))
        else {
            report.skip(line, "no time or no pressure");
            continue;
        };
        let reading = Reading { components: Some(Components { systolic, diastolic }), ..Reading::default() };
        stamps.push(Stamped { ms: local::as_if_utc_ms(stamp), line, row: rows.len() });
        rows.push(at(table.cell(user), CUFF, Measure::BloodPressure, stamp, reading));
    }
    mark_shifted_copies(&mut rows, &stamps, report);
    Ok(rows)
}

fn hrv(bytes: &[u8], report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let (user, time) = (table.column(&["user_code"], report)?, table.column(&["measurement_datetime"], report)?);
    let numbers = [("bpm", Measure::HeartRate), ("sdnn", Measure::HrvSdnn), ("rmssd", Measure::HrvRmssd)];
    let numbers = columns(numbers, &table, report)?;
    let answers =
        [("how_feel", Measure::SurveyScore), ("how_mood", Measure::Mood), ("how_sleep", Measure::SurveyScore)];
    let answers = columns(answers, &table, report)?;
    let beats = table.column(&["rr_data"], report)?;
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let Some(stamp) = local::stamp(table.cell(time)) else {
            report.skip(line, "no time");
            continue;
        };
        let subject = table.cell(user);
        for &(column, name, measure) in &numbers {
            match number(table.cell(column)) {
                Some(found) => rows.push(at(subject, PHONE, measure, stamp, value(found))),
                None => report.skip(line, &format!("no number for {name}")),
            }
        }
        for &(column, name, measure) in &answers {
            if let Some(score) = number(table.cell(column)) {
                let instrument = format!("welltory_{name}");
                let modality = "self_reported".to_owned();
                let answer = Reading { instrument, modality, ..value(score) };
                rows.push(at(subject, PHONE, measure, stamp, answer));
            }
        }
        rows.extend(rr_list(subject, stamp, table.cell(beats), line, report));
    }
    Ok(rows)
}

type Column = (usize, &'static str, Measure);

fn columns<const N: usize>(
    names: [(&'static str, Measure); N],
    table: &Table<'_>,
    report: &FileReport,
) -> Result<Vec<Column>, ImportError> {
    names.into_iter().map(|(name, measure)| Ok((table.column(&[name], report)?, name, measure))).collect()
}

/// The measurement's stamp is taken for its start, so a beat ends as much later as all intervals up to it last.
fn rr_list(subject: &str, start: DateTime, list: &str, line: u64, report: &mut FileReport) -> Option<Row> {
    let mut values = Vec::new();
    let mut offsets_ms = Vec::new();
    let mut elapsed_ms = 0;
    for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let Some(length) = number(text).filter(|length| *length > 0.0 && *length < 60_000.0) else {
            report.skip(line, "an RR list with something that is no length in ms: the beats after it have no time");
            break;
        };
        elapsed_ms += length.round() as i64;
        values.push(length);
        offsets_ms.push(elapsed_ms);
    }
    let reading = Reading { values, offsets_ms, ..Reading::default() };
    let mut row = at(subject, PHONE, Measure::RrInterval, start, reading);
    row.newest = Moment::Local(start.saturating_add(elapsed_ms.milliseconds()));
    (!row.reading.values.is_empty()).then_some(row)
}

fn sleep(bytes: &[u8], report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let user = table.column(&["user_code"], report)?;
    let (begin, end) = (table.column(&["sleep_begin"], report)?, table.column(&["sleep_end"], report)?);
    let asleep = table.column(&["sleep_duration"], report)?;
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let span = local::stamp(table.cell(begin)).zip(local::stamp(table.cell(end)));
        let (Some((begin, end)), Some(seconds)) = (span, number(table.cell(asleep))) else {
            report.skip(line, "no begin, no end or no duration");
            continue;
        };
        // The description says hours; the values are seconds.
        let reading = interval(begin, end, seconds, "s");
        rows.push(Row {
            newest: Moment::Local(end),
            reading,
            ..at(table.cell(user), TRACKER, Measure::TotalSleepTime, begin, Reading::default())
        });
    }
    Ok(rows)
}

fn days(bytes: &[u8], report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let (user, day) = (table.column(&["user_code"], report)?, table.column(&["day"], report)?);
    let steps = table.column(&["steps_count"], report)?;
    let spots = [
        ("resting_pulse", Measure::RestingHeartRate, "/min"),
        ("pulse_average", Measure::HeartRate, "/min"),
        // A fraction, whatever the description says.
        ("average_spo2_value", Measure::OxygenSaturation, "1"),
        ("body_temperature_avg", Measure::BodyTemperature, "Cel"),
    ];
    let spots = spots
        .into_iter()
        .map(|(name, measure, unit)| Ok((table.column(&[name], report)?, measure, unit)))
        .collect::<Result<Vec<_>, ImportError>>()?;
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let Some(date) = local::date(table.cell(day)) else {
            report.skip(line, "no day");
            continue;
        };
        let (subject, before) = (table.cell(user), rows.len());
        if let Some(count) = number(table.cell(steps)) {
            rows.push(on_day(subject, TRACKER, Measure::StepCount, date, over_day(date, count, "{steps}")));
        }
        for &(column, measure, unit) in &spots {
            if let Some(found) = number(table.cell(column)) {
                let algorithm = if measure == Measure::RestingHeartRate { "" } else { DAILY_MEAN }.to_owned();
                let reading = Reading { time: date.to_string(), unit: unit.to_owned(), algorithm, ..value(found) };
                rows.push(on_day(subject, TRACKER, measure, date, reading));
            }
        }
        if rows.len() == before {
            report.skip(line, "a day with nothing but energy, distance, floors or sound levels");
        }
    }
    Ok(rows)
}

fn surveys(bytes: &[u8], report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let (user, scale) = (table.column(&["user_code"], report)?, table.column(&["scale"], report)?);
    let (day, answer) = (table.column(&["created_at"], report)?, table.column(&["value"], report)?);
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let (Some(date), Some(score)) = (local::stamp(table.cell(day)), number(table.cell(answer))) else {
            report.skip(line, "no day or no number");
            continue;
        };
        let scale = table.cell(scale);
        let (measure, site) = match scale {
            "S_COVID_PAIN" => (Measure::PainScaleOther, "chest"),
            _ if SYMPTOMS.contains(&scale) => (Measure::SymptomSeverity, ""),
            _ => (Measure::SurveyScore, ""),
        };
        let reading = Reading {
            time: date.date().to_string(),
            unit: "{score}".to_owned(),
            instrument: format!("welltory_{}", scale.to_lowercase()),
            modality: "self_reported".to_owned(),
            body_site: site.to_owned(),
            ..value(score)
        };
        rows.push(on_day(table.cell(user), PHONE, measure, date.date(), reading));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(parse: Parser, text: &str) -> (Vec<Row>, FileReport) {
        let mut report = FileReport::new("sample.csv");
        (parse(text.as_bytes(), &mut report).unwrap(), report)
    }

    #[test]
    fn a_blood_pressure_that_stands_twice_a_whole_number_of_hours_apart_is_sent_twice_and_marked() {
        let (rows, report) = run(
            blood_pressure,
            "user_code,measurement_datetime,diastolic,systolic\nu,2020-04-29  22:33:33,100,150\nu,2020-04-30  01:33:33,100,150\n\
             u,2020-04-30  09:33:33,95,150\nv,2020-04-29  23:33:33,100,150\nu,2020-05-02  01:33:33,100,150\n",
        );
        let marks: Vec<&str> = rows.iter().map(|row| row.reading.quality.as_str()).collect();
        assert_eq!(marks, ["possible_copy_3h", "possible_copy_3h", "", "", ""]);
        assert_eq!((rows[0].reading.time.as_str(), report.remarks[0].count), ("2020-04-29T22:33:33", 2));
    }

    #[test]
    fn a_beat_ends_where_the_intervals_up_to_it_add_up_to() {
        let (rows, _) = run(
            hrv,
            "user_code,measurement_datetime,bpm,sdnn,rmssd,how_feel,how_mood,how_sleep,rr_data\nu,2020-05-15 04:14:21,83,54.8,65.9,-1,-2,,\"694,832,642\"\n",
        );
        let measures: Vec<&str> = rows.iter().map(|row| row.measure.name()).collect();
        assert_eq!(measures, ["heart_rate", "hrv_sdnn", "hrv_rmssd", "survey_score", "mood", "rr_interval"]);
        assert_eq!(rows[5].reading.offsets_ms, [694, 1526, 2168]);
    }

    #[test]
    fn a_day_with_nothing_but_energy_is_counted_and_a_saturation_is_a_fraction() {
        let header = "user_code,day,resting_pulse,pulse_average,average_spo2_value,body_temperature_avg,steps_count,basal_calories_burned\n";
        let (rows, report) = run(days, &format!("{header}u,2020-02-12,,,,,,2624\nu,2020-02-13,60,,0.97,,8574,\n"));
        let seen: Vec<_> = rows.iter().map(|row| (row.measure.name(), row.reading.unit.as_str())).collect();
        assert_eq!(seen, [("step_count", "{steps}"), ("resting_heart_rate", "/min"), ("oxygen_saturation", "1")]);
        assert_eq!(report.skipped[0].count, 1);
    }

    #[test]
    fn pain_in_the_chest_has_a_site_and_is_no_nrs() {
        let (rows, _) = run(
            surveys,
            "user_code,scale,created_at,value,text\nu,S_COVID_PAIN,2020-04-23,2,Very mild\nu,S_CORONA,2020-04-23,2,x\n",
        );
        assert_eq!((rows[0].measure, rows[0].reading.body_site.as_str()), (Measure::PainScaleOther, "chest"));
        assert_eq!((rows[1].measure, rows[1].reading.instrument.as_str()), (Measure::SurveyScore, "welltory_s_corona"));
    }
}
