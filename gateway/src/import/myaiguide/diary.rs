//! Pain diaries.

use jiff::civil::Date;
use painwatch_domain::Measure;
use painwatch_proto::ingest::v1::Reading;

use crate::import::ImportError;
use crate::import::collect::{Moment, Row};
use crate::import::local;
use crate::import::report::FileReport;
use crate::import::table::{Table, number, slug};

const PHONE: &str = "phone";

/// What a diary row says, whatever the file's layout.
struct Entry<'a> {
    about: Date,
    /// When it was written down, where that is known and on the same day.
    clock: Option<jiff::civil::DateTime>,
    /// Tells apart a row that was written on another day.
    id: String,
    name: &'a str,
    side: &'a str,
    intensity: f64,
}

/// `year,month,day,region,side,intensity` under a title line; year, month and day are written only when they change.
pub fn by_region(bytes: &[u8], subject: &str, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 1, report)?;
    let date_columns = ["year", "month", "day"].map(|name| table.column(&[name], report));
    let [year, month, day] = date_columns;
    let date_columns = [year?, month?, day?];
    let (region, side) = (table.column(&["region"], report)?, table.column(&["side"], report)?);
    let intensity = table.column(&["intensity"], report)?;
    let mut current: [Option<i16>; 3] = [None; 3];
    let mut rows = Vec::new();
    while let Some(line) = table.advance(1, report)? {
        report.rows += 1;
        for (part, &column) in current.iter_mut().zip(&date_columns) {
            if !table.cell(column).is_empty() {
                *part = table.cell(column).parse().ok();
            }
        }
        let about = whole_date(current);
        let (Some(about), Some(intensity)) = (about, number(table.cell(intensity))) else {
            report.skip(line, "no date or no intensity");
            continue;
        };
        let (name, side) = (table.cell(region), table.cell(side));
        rows.push(row(subject, &Entry { about, clock: None, id: String::new(), name, side, intensity }));
    }
    Ok(rows)
}

fn whole_date([year, month, day]: [Option<i16>; 3]) -> Option<Date> {
    Date::new(year?, i8::try_from(month?).ok()?, i8::try_from(day?).ok()?).ok()
}

/// `name,startday,startmonth,startyear,intensity` and, in some files, `date`: when the entry was made.
pub fn by_name(bytes: &[u8], subject: &str, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let name = table.column(&["name"], report)?;
    let date_columns = ["startyear", "startmonth", "startday"].map(|name| table.column(&[name], report));
    let [year, month, day] = date_columns;
    let date_columns = [year?, month?, day?];
    let intensity = table.column(&["intensity"], report)?;
    let entered = table.optional_column("date");
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let written = entered.and_then(|column| local::stamp(table.cell(column)));
        let parts = date_columns.map(|column| table.cell(column).parse::<i16>().ok());
        // A start year of 0 is this format's "not given".
        let about = if parts[0] == Some(0) { written.map(|stamp| stamp.date()) } else { whole_date(parts) };
        let (Some(about), Some(intensity)) = (about, number(table.cell(intensity))) else {
            report.skip(line, "no date or no intensity");
            continue;
        };
        let name = table.cell(name);
        let clock = written.filter(|stamp| stamp.date() == about);
        let id = match written {
            Some(stamp) if clock.is_none() => {
                report.remark(line, "entered on another day than the one it is about: dated on that day");
                format!("{}@{stamp}", slug(name))
            }
            _ => String::new(),
        };
        rows.push(row(subject, &Entry { about, clock, id, name, side: "", intensity }));
    }
    Ok(rows)
}

fn row(subject: &str, entry: &Entry<'_>) -> Row {
    let is_mood = entry.name == "happiness";
    let reading = Reading {
        time: entry.clock.map_or_else(|| entry.about.to_string(), |stamp| stamp.to_string()),
        id: entry.id.clone(),
        value: Some(entry.intensity),
        unit: "{score}".to_owned(),
        body_site: if is_mood { String::new() } else { slug(entry.name) },
        laterality: slug(entry.side),
        modality: "self_reported".to_owned(),
        instrument: if is_mood { "myaiguide_happiness" } else { "myaiguide" }.to_owned(),
        ..Reading::default()
    };
    let end_of_day = local::days_after(entry.about, 1).at(0, 0, 0, 0);
    Row {
        subject: subject.to_owned(),
        kind: PHONE,
        name: None,
        measure: if is_mood { Measure::Mood } else { Measure::PainScaleOther },
        day: entry.about,
        newest: Moment::Local(entry.clock.unwrap_or(end_of_day)),
        reading,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(rows: &[Row]) -> Vec<(&str, &str, f64)> {
        let tell = |row: &Row| row.reading.value.unwrap_or(f64::NAN);
        rows.iter().map(|row| (row.reading.time.as_str(), row.reading.body_site.as_str(), tell(row))).collect()
    }

    #[test]
    fn year_month_and_day_carry_forward_under_two_header_lines() {
        let text = "No value = similar as previous day for:,,,region,side  and ,intensity\nyear,month,day,region,side,intensity\n\
                    2015,11,30,Knees,,5.7\n,,,Hip,Right Only,3\n,12,1,Knees,,4\n2016,1,1,Knees,,bad\n";
        let mut report = FileReport::new("pain.csv");
        let rows = by_region(text.as_bytes(), "participant1", &mut report).unwrap();
        assert_eq!(
            seen(&rows),
            [("2015-11-30", "knees", 5.7), ("2015-11-30", "hip", 3.0), ("2015-12-01", "knees", 4.0)]
        );
        assert_eq!(rows[1].reading.laterality, "right_only");
        assert_eq!((report.skipped[0].reason.as_str(), report.skipped[0].first_line), ("no date or no intensity", 6));
    }

    #[test]
    fn an_entry_is_stamped_by_its_own_time_unless_it_is_about_another_day() {
        let text = "name,startday,startmonth,startyear,intensity,date\n\"Knee Pain\",31,1,2018,3,\"2018-01-31 20:21:49\"\n\
                    Knee Pain,30,1,2018,2,2018-01-31 20:22:00\nKnee Pain,0,0,0,4,2018-02-01 08:00:00\nhappiness,31,1,2018,4,2018-01-31 20:29:08\n";
        let mut report = FileReport::new("Pain.csv");
        let rows = by_name(text.as_bytes(), "participant2", &mut report).unwrap();
        let expected = [
            ("2018-01-31T20:21:49", "knee_pain", 3.0),
            ("2018-01-30", "knee_pain", 2.0),
            ("2018-02-01T08:00:00", "knee_pain", 4.0),
            ("2018-01-31T20:29:08", "", 4.0),
        ];
        assert_eq!(seen(&rows), expected);
        assert_eq!(rows[1].reading.id, "knee_pain@2018-01-31T20:22:00");
        assert_eq!((rows[3].measure, rows[0].measure), (Measure::Mood, Measure::PainScaleOther));
    }

    #[test]
    fn a_diary_without_entry_stamps_is_date_only() {
        let mut report = FileReport::new("Pain.csv");
        let rows = by_name(
            b"name,startday,startmonth,startyear,intensity\nHip Pain,2,7,2019,3.6\n",
            "participant7",
            &mut report,
        )
        .unwrap();
        assert_eq!(seen(&rows), [("2019-07-02", "hip_pain", 3.6)]);
    }
}
