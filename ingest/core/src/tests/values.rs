use painwatch_domain::reading::DoseEvent;
use painwatch_domain::{Flags, Value};

use super::*;

fn heart_rate(value: f64) -> String {
    reading("heart_rate", &format!(r#""value": {value}, "unit": "/min""#))
}

#[test]
fn semantics_6_a_value_outside_the_reject_bounds_is_quarantined_and_one_on_them_is_kept() {
    assert_eq!(refused(&heart_rate(412.0)), ("value_out_of_range", "heart_rate 412 > 300".into()));
    assert_eq!(refused(&heart_rate(-1.0)), ("value_out_of_range", "heart_rate -1 < 0".into()));
    assert_eq!(number(&heart_rate(300.0)), (300_000, Flags::VERIFY));
    assert_eq!(number(&heart_rate(300.0004)), (300_000, Flags::VERIFY));
    assert_eq!(code(&heart_rate(300.001)), "value_out_of_range");
}

#[test]
fn an_unusual_value_is_kept_and_marked_because_alerts_must_still_run() {
    assert_eq!(number(&heart_rate(71.5)), (71_500, Flags::default()));
    assert_eq!(number(&heart_rate(25.0)), (25_000, Flags::VERIFY));
    assert_eq!(number(&reading("oxygen_saturation", r#""value": 65, "unit": "%""#)), (65_000, Flags::VERIFY));
}

#[test]
fn units_are_converted_and_bounds_hold_exactly_after_it() {
    assert_eq!(number(&reading("body_temperature", r#""value": 113, "unit": "°F""#)).0, 45_000);
    assert_eq!(code(&reading("body_temperature", r#""value": 113.01, "unit": "F""#)), "value_out_of_range");
    assert_eq!(number(&reading("body_weight", r#""value": 180, "unit": "lbs""#)).0, 8_164_662_660);
    assert_eq!(number(&reading("oxygen_saturation", r#""value": 0.97, "unit": "1""#)).0, 97_000);
    assert_eq!(number(&reading("rr_interval", r#""value": 0.8, "unit": "s""#)).0, 800_000);
    assert_eq!(number(&reading("activity_count", r#""value": 8, "unit": "count""#)).0, 8);
}

#[test]
fn a_unit_is_never_guessed() {
    let (code, detail) = refused(&reading("body_weight", r#""value": 81, "unit": "furlong""#));
    assert_eq!((code, detail.as_str()), ("unknown_unit", r#"unit "furlong" of body_weight is not known, expected kg"#));
    let (code, detail) = refused(&reading("body_weight", r#""value": 81"#));
    assert_eq!((code, detail.as_str()), ("unknown_unit", r#"unit "" of body_weight is missing, expected kg"#));
    let (code, detail) = refused(&reading("body_weight", r#""value": 81, "unit": "Cel""#));
    assert_eq!(code, "unit_not_convertible");
    assert!(detail.ends_with("expected kg"));
    assert_eq!(super::code(&reading("oxygen_saturation", r#""value": 0.97, "unit": """#)), "unknown_unit");
    assert_eq!(number(&reading("pain_nrs", r#""value": 7"#)).0, 7_000, "a score has but one unit");
}

#[test]
fn a_measure_that_nobody_knows_is_named_with_its_neighbour() {
    let (code, detail) = refused(&reading("hart_rate", r#""value": 71, "unit": "/min""#));
    assert_eq!(code, "unknown_measure");
    assert_eq!(detail, r#"no measure is called "hart_rate", the nearest known one is "heart_rate""#);
}

#[test]
fn a_reading_without_its_value_is_named_by_what_it_needs() {
    assert_eq!(refused(&reading("heart_rate", r#""unit": "bpm""#)), ("value_missing", "heart_rate needs value".into()));
    assert_eq!(refused(&reading("acvpu", r#""unit": """#)), ("value_missing", "acvpu needs code".into()));
    assert_eq!(code(&reading("blood_pressure", r#""unit": "mmHg""#)), "value_missing");
    assert_eq!(code(&reading("blood_pressure", r#""components": {"systolic": 120}, "unit": "mmHg""#)), "value_missing");
}

#[test]
fn what_belongs_to_another_kind_of_measure_is_refused_instead_of_dropped() {
    assert_eq!(code(&reading("heart_rate", r#""value": 70, "unit": "bpm", "code": "high""#)), "decode_failed");
    assert_eq!(code(&reading("acvpu", r#""code": "A", "value": 1"#)), "decode_failed");
    assert_eq!(code(&reading("blood_pressure", r#""period_ms": 5, "values": [1]"#)), "decode_failed");
    let both = r#""value": 70, "unit": "bpm", "period_ms": 5, "values": [70]"#;
    assert_eq!(code(&reading("heart_rate", both)), "decode_failed");
}

fn pressure(systolic: f64, diastolic: f64) -> String {
    let components = format!(r#""components": {{"systolic": {systolic}, "diastolic": {diastolic}}}, "unit": "mmHg""#);
    reading("blood_pressure", &components)
}

#[test]
fn a_pressure_panel_is_one_reading_and_its_parts_are_held_against_each_other() {
    let (_, sample) = admitted(&pressure(142.0, 91.0));
    assert_eq!(sample.value, Value::Pressure { systolic: 142_000, diastolic: 91_000 });
    assert_eq!(admitted(&pressure(230.0, 91.0)).1.flags, Flags::VERIFY);
    assert_eq!(admitted(&pressure(100.0, 90.0)).1.flags, Flags::default());
    for (systolic, diastolic) in [(301.0, 90.0), (39.0, 20.0), (250.0, 201.0), (80.0, 9.0), (99.9, 90.0), (90.0, 120.0)]
    {
        assert_eq!(code(&pressure(systolic, diastolic)), "value_out_of_range", "{systolic}/{diastolic}");
    }
    let kilopascal = r#""components": {"systolic": 16, "diastolic": 10.5}, "unit": "kPa""#;
    assert_eq!(
        admitted(&reading("blood_pressure", kilopascal)).1.value,
        Value::Pressure { systolic: 120_010, diastolic: 78_757 }
    );
}

fn steps(count: u32, end: &str) -> String {
    reading("step_count", &format!(r#""value": {count}, "unit": "{{steps}}", "end_time": "2026-03-01T{end}Z""#))
}

#[test]
fn nobody_takes_more_than_300_steps_a_minute_and_beyond_an_hour_the_day_bound_decides() {
    assert_eq!(number(&steps(200, "11:01:00")), (200, Flags::default()));
    assert_eq!(number(&steps(300, "11:01:00")), (300, Flags::VERIFY));
    assert_eq!(code(&steps(301, "11:01:00")), "value_out_of_range");
    assert_eq!(code(&steps(18_001, "12:00:00")), "value_out_of_range");
    assert_eq!(number(&steps(18_001, "12:00:01")), (18_001, Flags::default()));
    assert_eq!(code(&steps(1, "11:00:00")), "value_out_of_range");
}

#[test]
fn whole_number_scores_with_a_fraction_are_kept_and_marked() {
    let score = |measure: &str, value: &str| number(&reading(measure, &format!(r#""value": {value}"#))).1;
    assert_eq!((score("pain_nrs", "7"), score("pain_nrs", "6.5")), (Flags::default(), Flags::VERIFY));
    assert_eq!((score("peg", "6.333"), score("peg", "6.5")), (Flags::default(), Flags::VERIFY));
    assert_eq!(score("peg", r#"6.333, "instrument": "P""#), Flags::VERIFY);
}

#[test]
fn codes_are_those_of_the_list_or_one_of_their_spellings() {
    let stage = |word: &str| reading("sleep_stage", &format!(r#""code": "{word}""#));
    assert_eq!(admitted(&stage("rem")).1.value, Value::Code("rem".into()));
    assert_eq!(admitted(&stage("wake")).1.value, Value::Code("awake".into()));
    let (code, detail) = refused(&stage("dreaming"));
    assert_eq!(code, "value_out_of_range");
    assert_eq!(detail, r#"sleep_stage "dreaming" is none of awake light deep rem asleep restless in_bed"#);
    assert_eq!(admitted(&reading("acvpu", r#""code": "V""#)).1.value, Value::Code("V".into()));
    assert_eq!(super::code(&reading("poss", r#""code": "5""#)), "value_out_of_range");
    assert_eq!(admitted(&reading("patient_request", r#""code": "call_me""#)).1.value, Value::Code("call_me".into()));
}

fn dose(rest: &str) -> String {
    reading("medication_event", rest)
}

#[test]
fn a_dose_needs_its_medication_and_event_and_its_amount_a_unit() {
    let scheduled = r#""scheduled_for": "2026-03-01T10:30:00Z""#;
    let (series, sample) = admitted(&dose(&format!(
        r#""event": "taken", "medication": "oxycodone-5mg", "value": 1.5, "unit": "{{tablet}}", {scheduled}"#
    )));
    assert_eq!(sample.value, Value::Dose { amount: Some(1_500), unit: "{tablet}".into() });
    let of = series.meta.dose.unwrap();
    assert_eq!((of.medication.as_str(), of.event), ("oxycodone-5mg", DoseEvent::Taken));
    assert_eq!(of.scheduled_for.unwrap().0, ms("2026-03-01T10:30:00Z"));

    let (_, opened) = admitted(&dose(r#""event": "opened", "medication": "m""#));
    assert_eq!(opened.value, Value::Dose { amount: None, unit: "".into() });
    let (_, micro) = admitted(&dose(r#""event": "taken", "medication": "m", "value": 400, "unit": "mcg""#));
    assert_eq!(micro.value, Value::Dose { amount: Some(400_000), unit: "ug".into() });

    assert_eq!(code(&dose(r#""event": "taken""#)), "value_missing");
    assert_eq!(code(&dose(r#""medication": "m""#)), "value_missing");
    assert_eq!(code(&dose(r#""medication": "m", "event": "swallowed""#)), "decode_failed");
    assert_eq!(code(&dose(r#""medication": "m", "event": "taken", "value": 1"#)), "unknown_unit");
    assert_eq!(code(&dose(r#""medication": "m", "event": "taken", "value": 1, "unit": "pill""#)), "unknown_unit");
    assert_eq!(code(&dose(r#""medication": "m", "event": "taken", "value": -1, "unit": "mg""#)), "value_out_of_range");
    assert_eq!(
        code(&dose(r#""medication": "m", "event": "taken", "value": 1e30, "unit": "mg""#)),
        "value_out_of_range"
    );
}

#[test]
fn a_doubt_of_the_source_is_kept_as_a_mark() {
    let quality =
        |words: &str| number(&reading("heart_rate", &format!(r#""value": 70, "unit": "bpm", "quality": "{words}""#))).1;
    assert_eq!(quality("good"), Flags::default());
    assert_eq!(quality("who knows"), Flags::VERIFY);
    for words in ["motion", "Poor signal", "good, low-perfusion", "signal_poor"] {
        assert_eq!(quality(words), Flags::VERIFY.with(Flags::UNUSABLE), "{words}");
    }
    assert_eq!(quality("wear_unknown, clock_ahead"), Flags::WEAR_UNKNOWN);
}
