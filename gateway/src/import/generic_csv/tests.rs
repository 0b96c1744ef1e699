use super::*;
use crate::import::collect::Row;
use painwatch_domain::Measure;

fn try_run(text: &str, sidecar: &str) -> Result<(Vec<Row>, FileReport), ImportError> {
    let rules = Rules::of(&painwatch_domain::Zone::parse("Europe/Paris").unwrap());
    let mut report = FileReport::new("t.csv");
    let mut found = Vec::new();
    table(text.as_bytes(), &toml::from_str(sidecar).unwrap(), &rules, &mut report, &mut |row| {
        found.push(row);
        Ok(())
    })?;
    Ok((found, report))
}

fn run(text: &str, sidecar: &str) -> (Vec<Row>, FileReport) {
    try_run(text, sidecar).unwrap()
}

fn refused(text: &str, sidecar: &str) -> String {
    try_run(text, sidecar).unwrap_err().to_string()
}

fn seen(rows: &[Row]) -> Vec<(&str, Option<f64>, &str)> {
    rows.iter().map(|row| (row.measure.name(), row.reading.value, row.reading.unit.as_str())).collect()
}

#[test]
fn a_long_table_is_a_reading_a_row_with_every_field_that_has_a_column() {
    let (rows, report) = run(
        "\u{feff}time,measure,value,unit,device,body_site,systolic,diastolic,revision\n\
         2026-03-01T12:00:05+01:00,pain_nrs,7,{score},phone-01,lower_back,,,3\n\
         2026-03-01 12:10,blood_pressure,,mmHg,cuff,,142,91,\n2026-03-01,body_weight,81.4,kg,,,,,\n",
        "",
    );
    assert_eq!(seen(&rows)[0], ("pain_nrs", Some(7.0), "{score}"));
    assert_eq!((rows[0].reading.body_site.as_str(), rows[0].reading.revision), ("lower_back", 3));
    assert_eq!((rows[0].name.as_deref(), rows[2].name.as_deref()), (Some("phone-01"), Some("")));
    assert_eq!(rows[1].reading.components.map(|panel| panel.diastolic), Some(91.0));
    let times: Vec<&str> = rows.iter().map(|row| row.reading.time.as_str()).collect();
    assert_eq!(times, ["2026-03-01T12:00:05+01:00", "2026-03-01T12:10:00", "2026-03-01"]);
    assert_eq!((report.rows, report.problems.len()), (3, 0));
}

#[test]
fn a_wide_table_is_a_reading_a_cell_and_a_decimal_comma_is_read_where_it_cannot_separate() {
    let (rows, report) = run(
        "time;body_weight (kg);step_count;heart_rate (bpm)\n2026-03-01 08:00;81,4;;61\n2026-03-02 08:00;1.081,4;12;\n2026-03-03 08:00;;;\n",
        "",
    );
    let expected =
        [("body_weight", Some(81.4), "kg"), ("heart_rate", Some(61.0), "bpm"), ("step_count", Some(12.0), "{steps}")];
    assert_eq!(seen(&rows), expected);
    let bad = &report.problems[0];
    assert_eq!((bad.line, bad.column.as_str()), (3, "body_weight (kg)"));
    assert!(bad.fix.starts_with("write it with a decimal comma"), "{}", bad.fix);
    assert_eq!(report.skipped.last().map(|skipped| skipped.reason.as_str()), Some("a row without a value"));
}

#[test]
fn a_bad_row_is_told_with_its_line_its_column_and_what_would_mend_it_and_the_others_are_sent() {
    let (rows, report) = run(
        "time,measure,value,unit\n03/04/2026,heart_rate,61,/min\n2026-03-01,hart_rate,61,/min\n2026-03-01,heart_rate,\"61,5\",/min\n2026-03-01,heart_rate,61,/min\n",
        "",
    );
    assert_eq!(rows.len(), 1);
    let told: Vec<_> = report.problems.iter().map(|bad| (bad.line, bad.column.as_str(), bad.fix.as_str())).collect();
    assert_eq!(
        told[0],
        (2, "time", "say whether the day or the month comes first: dates = \"day_first\" or \"month_first\"")
    );
    assert_eq!(told[1], (3, "measure", "did you mean heart_rate?"));
    assert_eq!(told[2], (4, "value", "write it with a decimal dot and without separators, or set decimal = \",\""));
}

#[test]
fn a_file_beside_the_table_names_its_columns() {
    let sidecar = "dates = \"day_first\"\n[columns]\n\"Datum\" = { field = \"time\" }\n\"Gewicht\" = { measure = \"body_weight\", unit = \"kg\" }\n\"Bemerkung\" = { ignore = true }\n";
    let (rows, _) = run("Datum\tGewicht\tBemerkung\n03.04.2026 07:30\t81,4\tnüchtern\n", sidecar);
    assert_eq!(seen(&rows), [("body_weight", Some(81.4), "kg")]);
    assert_eq!(rows[0].reading.time, "2026-04-03T07:30:00");
}

#[test]
fn a_counter_counts_from_local_midnight() {
    let sidecar = "counters = [\"step_count\"]";
    let (rows, report) =
        run("time,step_count\n2026-07-01 08:00,120\n2026-07-01T07:00:00Z,340\n2026-07-02 00:00,9000\n", sidecar);
    let spans: Vec<_> = rows.iter().map(|row| (row.reading.time.as_str(), row.reading.end_time.as_str())).collect();
    let midnight = "2026-07-01T00:00:00+02:00";
    assert_eq!(spans, [(midnight, "2026-07-01T08:00:00"), (midnight, "2026-07-01T07:00:00Z")]);
    assert_eq!(report.problems[0].line, 4);
}

#[test]
fn a_header_that_cannot_be_understood_says_what_would_mend_it() {
    assert!(refused("time,heart_rat (bpm)\n", "").contains("the nearest known one is \"heart_rate\""));
    assert!(refused("time,body_weight\n", "").contains("call it \"body_weight (kg)\""));
    assert!(refused("when,heart_rate (bpm)\n", "").contains("not known"));
    assert!(refused("heart_rate (bpm),unit\n", "").contains("no column is the time"));
    assert!(refused("time\n2026\n", "").contains("the header has one column"));
    assert!(refused("time,systolic,diastolic\n", "").contains("systolic (mmHg)"));
}

#[test]
fn codes_and_doses_have_their_own_columns() {
    let (rows, report) = run(
        "time,end_time,measure,value,unit,code,event,medication\n2026-03-01T22:00:00Z,2026-03-01T23:00:00Z,sleep_stage,,,rem,,\n\
         2026-03-01T08:00:00Z,,medication_event,1,{tablet},,taken,oxycodone-5mg\n2026-03-01T22:00:00Z,,sleep_stage,,,,,\n",
        "",
    );
    assert_eq!((rows[0].measure, rows[0].reading.code.as_str()), (Measure::SleepStage, "rem"));
    assert_eq!((rows[1].reading.event.as_str(), rows[1].reading.medication.as_str()), ("taken", "oxycodone-5mg"));
    assert_eq!(report.problems[0].column, "code");
}
