//! A form on the web in which people typed what they weighed: dates are day first, and an entry may come weeks late.

use painwatch_domain::Measure;
use painwatch_proto::ingest::v1::Reading;

use crate::import::ImportError;
use crate::import::collect::{Moment, Row};
use crate::import::local;
use crate::import::report::FileReport;
use crate::import::table::{Table, number};

const FORM: &str = "form";

pub fn weights(bytes: &[u8], subject: &str, report: &mut FileReport) -> Result<Vec<Row>, ImportError> {
    let mut table = Table::open(bytes, 0, report)?;
    let (date, weight) = (table.column(&["date"], report)?, table.column(&["weight"], report)?);
    let mut rows = Vec::new();
    while let Some(line) = table.advance(0, report)? {
        report.rows += 1;
        let (Some(day), Some(kilograms)) = (local::date_day_first(table.cell(date)), number(table.cell(weight))) else {
            report.skip(line, "no day or no weight");
            continue;
        };
        rows.push(Row {
            subject: subject.to_owned(),
            kind: FORM,
            name: None,
            measure: Measure::BodyWeight,
            day,
            newest: Moment::Local(local::days_after(day, 1).at(0, 0, 0, 0)),
            reading: Reading {
                time: day.to_string(),
                value: Some(kilograms),
                unit: "kg".to_owned(),
                modality: "self_reported".to_owned(),
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
    fn a_typed_weight_is_dated_on_the_day_it_is_about_with_the_day_first() {
        let text = "date,timestamp,meals,weight,glasses_of_fluid,alcohol_consumed\n06/11/2019,06/12/2019 03:05:51,Lunch,82,6,Yes\n15/11/2019,,,,,\n";
        let mut report = FileReport::new("reporting.csv");
        let rows = weights(text.as_bytes(), "p03", &mut report).unwrap();
        assert_eq!((rows[0].reading.time.as_str(), rows[0].reading.value), ("2019-11-06", Some(82.0)));
        assert_eq!((rows.len(), report.skipped[0].first_line), (1, 3));
    }
}
