//! PMSYS, a diary for athletes. Its stamps are UTC.

use jiff::Timestamp;
use painwatch_domain::Measure;
use painwatch_domain::time::MINUTE_MS;
use painwatch_proto::ingest::v1::Reading;

use crate::import::ImportError;
use crate::import::collect::{Moment, Row};
use crate::import::local::Rules;
use crate::import::report::FileReport;
use crate::import::table::{Table, number, slug};

const PMSYS: &str = "pmsys";
/// Answers of 1 to 5: 0 is none.
const ANSWERS: [(&str, Measure); 5] = [
    ("fatigue", Measure::SurveyScore),
    ("mood", Measure::Mood),
    ("sleep_quality", Measure::SurveyScore),
    ("soreness", Measure::SurveyScore),
    ("stress", Measure::Stress),
];

fn stamp_ms(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

fn row(subject: &str, measure: Measure, at_ms: i64, rules: &Rules, reading: Reading) -> Row {
    let reading = Reading {
        time: if reading.time.is_empty() { rules.with_offset(at_ms) } else { reading.time },
        unit: if reading.unit.is_empty() { measure.spec().unit.to_owned() } else { reading.unit },
        modality: "self_reported".to_owned(),
        ..reading
    };
    let (day, newest) = (rules.local(at_ms).date(), Moment::Utc(at_ms));
    Row { subject: subject.to_owned(), kind: PMSYS, name: None, measure, day, newest, reading }
}

fn score(value: f64, instrument: &str) -> Reading {
    Reading { value: Some(value), instrument: format!("pmsys_{instrument}"), ..Reading::default() }
}

pub fn wellness(bytes: &[u8], subject: &str, rules: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let time = table.column(&["effective_time_frame"], report)?;
    let readiness = table.column(&["readiness"], report)?;
    let (slept, areas) = (table.column(&["sleep_duration_h"], report)?, table.column(&["soreness_area"], report)?);
    let soreness = table.column(&["soreness"], report)?;
    let answers = ANSWERS.map(|(name, measure)| Ok((table.column(&[name], report)?, name, measure)));
    let answers = answers.into_iter().collect::<Result<Vec<_>, ImportError>>()?;
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let Some(at) = stamp_ms(table.cell(time)) else {
            report.skip(line, "no time");
            continue;
        };
        for &(column, name, measure) in &answers {
            match number(table.cell(column)).filter(|answer| *answer > 0.0) {
                Some(answer) => rows.push(row(subject, measure, at, rules, score(answer, name))),
                None => report.skip(line, "an answer that was not given"),
            }
        }
        match number(table.cell(readiness)) {
            Some(answer) => rows.push(row(subject, Measure::SurveyScore, at, rules, score(answer, "readiness"))),
            None => report.skip(line, "an answer that was not given"),
        }
        match number(table.cell(slept)).filter(|hours| *hours > 0.0) {
            // How long, not from when to when: it has no end.
            Some(hours) => {
                let reading = Reading { value: Some(hours), unit: "h".to_owned(), ..Reading::default() };
                rows.push(row(subject, Measure::TotalSleepTime, at, rules, reading));
            }
            None => report.skip(line, "an answer that was not given"),
        }
        if let Some(answer) = number(table.cell(soreness)).filter(|answer| *answer > 0.0) {
            for area in snomed_codes(table.cell(areas)) {
                let body_site = format!("snomed_{area}");
                let reading = Reading { body_site, ..score(answer, &format!("soreness_{area}")) };
                rows.push(row(subject, Measure::SurveyScore, at, rules, reading));
            }
        }
    }
    Ok(rows)
}

/// `[48979004, 32696007]`
fn snomed_codes(list: &str) -> impl Iterator<Item = &str> {
    let inside = list.trim_start_matches('[').trim_end_matches(']');
    let digits = |code: &&str| !code.is_empty() && code.len() <= 18 && code.bytes().all(|byte| byte.is_ascii_digit());
    inside.split(',').map(str::trim).filter(digits)
}

pub fn injuries(bytes: &[u8], subject: &str, rules: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let time = table.column(&["effective_time_frame"], report)?;
    let places = table.column(&["injuries"], report)?;
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let Some(at) = stamp_ms(table.cell(time)) else {
            report.skip(line, "no time");
            continue;
        };
        let mut reported = 0;
        for (place, grade) in places_of(table.cell(places)) {
            let grade = match grade.as_str() {
                "minor" => 1.0,
                "major" => 2.0,
                _ => {
                    report.skip(line, "an injury that is neither minor nor major");
                    continue;
                }
            };
            let reading = Reading { body_site: place.clone(), ..score(grade, &format!("injury_{place}")) };
            rows.push(row(subject, Measure::SymptomSeverity, at, rules, reading));
            reported += 1;
        }
        if reported == 0 {
            report.skip(line, "a week without an injury");
        }
    }
    Ok(rows)
}

/// `{'left_leg': 'minor', 'right_leg': 'minor'}`
fn places_of(text: &str) -> Vec<(String, String)> {
    let inside = text.trim_start_matches('{').trim_end_matches('}');
    let pairs = inside.split(',').filter_map(|pair| pair.split_once(':'));
    pairs.map(|(place, grade)| (slug(place), slug(grade))).filter(|(place, _)| !place.is_empty()).collect()
}

pub fn sessions(bytes: &[u8], subject: &str, rules: &Rules, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let end = table.column(&["end_date_time"], report)?;
    let (names, exertion) =
        (table.column(&["activity_names"], report)?, table.column(&["perceived_exertion"], report)?);
    let lasted = table.column(&["duration_min"], report)?;
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let minutes = number(table.cell(lasted)).filter(|minutes| (0.0..=1_440.0).contains(minutes));
        let (Some(at), Some(minutes)) = (stamp_ms(table.cell(end)), minutes) else {
            report.skip(line, "no end or no length of up to a day");
            continue;
        };
        let start = at - (minutes * MINUTE_MS as f64).round() as i64;
        let session = Reading {
            time: rules.with_offset(start),
            end_time: rules.with_offset(at),
            value: Some(minutes),
            instrument: slug(table.cell(names)),
            ..Reading::default()
        };
        rows.push(row(subject, Measure::ExerciseSession, at, rules, session));
        match number(table.cell(exertion)) {
            Some(answer) => {
                rows.push(row(subject, Measure::SurveyScore, at, rules, score(answer, "perceived_exertion")));
            }
            None => report.skip(line, "an answer that was not given"),
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules::of(&painwatch_domain::Zone::parse("Europe/Oslo").unwrap())
    }

    #[test]
    fn sore_places_are_told_apart_and_an_answer_of_zero_is_none() {
        let text = "effective_time_frame,fatigue,mood,readiness,sleep_duration_h,sleep_quality,soreness,soreness_area,stress\n\
                    2019-11-01T08:03:15.527Z,2,0,0,7,3,2,\"[12921003, 69536005]\",3\n";
        let mut report = FileReport::new("wellness.csv");
        let rows = wellness(text.as_bytes(), "p03", &rules(), &mut report).unwrap();
        let instruments: Vec<&str> = rows.iter().map(|row| row.reading.instrument.as_str()).collect();
        assert_eq!(instruments[4..], ["pmsys_readiness", "", "pmsys_soreness_12921003", "pmsys_soreness_69536005"]);
        assert_eq!((rows[0].reading.time.as_str(), report.skipped[0].count), ("2019-11-01T09:03:15.527+01:00", 1));
    }

    #[test]
    fn each_injured_place_is_a_reading_and_a_week_without_one_is_none() {
        let text = "effective_time_frame,injuries\n2019-11-19T08:06:01.393Z,{}\n2019-11-26T08:06:01Z,\"{'left_leg': 'minor', 'groin_hip': 'major'}\"\n";
        let mut report = FileReport::new("injury.csv");
        let rows = injuries(text.as_bytes(), "p01", &rules(), &mut report).unwrap();
        let seen: Vec<_> = rows.iter().map(|row| (row.reading.body_site.as_str(), row.reading.value)).collect();
        assert_eq!(seen, [("left_leg", Some(1.0)), ("groin_hip", Some(2.0))]);
        assert_eq!(report.skipped[0].reason, "a week without an injury");
    }

    #[test]
    fn a_session_begins_as_long_before_its_end_as_it_lasted() {
        let text = "end_date_time,activity_names,perceived_exertion,duration_min\n2019-12-24T10:10:35.000Z,\"['individual', 'running']\",5,30\n";
        let rows = sessions(text.as_bytes(), "p03", &rules(), &mut FileReport::new("srpe.csv")).unwrap();
        assert_eq!(rows[0].reading.time, "2019-12-24T10:40:35+01:00");
        assert_eq!((rows[0].reading.instrument.as_str(), rows.len()), ("individual_running", 2));
    }
}
