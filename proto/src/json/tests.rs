use painwatch_domain::{Class, Offset, Problem, ProblemCode};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::ingest::v1::{Components, Mode, Reading, ReadingBatch};

/// The contract's own example.
const CONTRACT: &str = r#"{ "batch_id": "gw-17/42", "sent_at": "2026-03-01T12:00:05Z", "mode": "live",
  "readings": [
    {"device": "scale-0042", "boot_id": 3, "seq": 991, "measure": "body_weight", "time": "2026-03-01T11:59:58+01:00", "value": 81.4, "unit": "kg"},
    {"device": "watch-0001", "measure": "heart_rate", "time": "2026-03-01T11:00:00Z", "period_ms": 5000, "values": [71, 72, null, 70], "unit": "/min"},
    {"device": "cuff-0003", "measure": "blood_pressure", "time": "2026-03-01T11:00:00Z", "components": {"systolic": 142, "diastolic": 91}, "unit": "mm[Hg]", "posture": "sitting"} ] }"#;

#[test]
fn the_contracts_batch_is_read_with_null_as_a_missing_sample() {
    let batch = batch_from_json(CONTRACT).unwrap();
    assert_eq!((batch.batch_id.as_str(), batch.mode()), ("gw-17/42", Mode::Live));
    let [weight, heart, pressure] = batch.readings.as_slice() else { panic!("three readings") };
    assert_eq!((weight.value, weight.boot_id, weight.seq), (Some(81.4), Some(3), Some(991)));
    assert_eq!(heart.period_ms, Some(5000));
    assert!(heart.values[2].is_nan());
    assert_eq!(pressure.components, Some(Components { systolic: 142.0, diastolic: 91.0 }));
}

#[test]
fn a_payload_may_be_a_batch_a_reading_or_an_array_of_readings() {
    let reading = r#"{"device": "w", "measure": "mood", "value": 1}"#;
    assert_eq!(split(reading).unwrap().entries, [reading]);
    assert_eq!(split(&format!(" [{reading}, {reading}]")).unwrap().entries, [reading, reading]);
    assert_eq!(split(r#"{"readings": []}"#).unwrap().entries.len(), 0);
    assert!(matches!(split("7"), Err(JsonError::WrongType { .. })));
    assert!(matches!(split("{\"readings\": [}"), Err(JsonError::Syntax { line: 1, .. })));
    assert!(matches!(split(r#"{"readings": 3}"#), Err(JsonError::WrongType { .. })));
}

#[test]
fn an_unknown_field_is_refused_by_name_with_the_nearest_known_one() {
    let error = reading_from_json(r#"{"device": "w", "unitt": "kg"}"#).unwrap_err();
    assert_eq!(error.to_string(), r#"unknown field "unitt", the nearest known one is "unit""#);
    let error = split(r#"{"readings": [], "batchid": "x"}"#).unwrap_err();
    assert_eq!(error, JsonError::UnknownField { name: "batchid".into(), nearest: Some("batch_id") });
    let error = reading_from_json(r#"{"qwertyuiop": 1}"#).unwrap_err();
    assert_eq!(error, JsonError::UnknownField { name: "qwertyuiop".into(), nearest: None });
}

#[test]
fn an_error_names_the_field_and_never_repeats_the_value() {
    let error = reading_from_json(r#"{"value": "Jane Doe"}"#).unwrap_err();
    assert_eq!(error.to_string(), "value must be a number");
    let error = reading_from_json(r#"{"components": {"systolic": 1, "mean": 2}}"#).unwrap_err();
    assert_eq!(error.to_string(), "components must be an object of the numbers systolic and diastolic");
    let error = reading_from_json(r#"{"value": 1, "value": 2}"#).unwrap_err();
    assert_eq!(error, JsonError::DuplicateField("value".into()));
}

#[test]
fn whole_numbers_may_come_as_floating_point_and_null_is_absent() {
    let reading = reading_from_json(r#"{"age_ms": 1500.0, "seq": 18446744073709551615, "unit": null}"#).unwrap();
    assert_eq!((reading.age_ms, reading.seq, reading.unit.as_str()), (Some(1500), Some(u64::MAX), ""));
    assert!(reading_from_json(r#"{"age_ms": 1.5}"#).is_err());
    assert!(reading_from_json(r#"{"boot_id": -1}"#).is_err());
}

#[test]
fn values_and_their_spacing_come_together() {
    assert!(reading_from_json(r#"{"values": [1], "period_ms": 5}"#).is_ok());
    assert!(matches!(reading_from_json(r#"{"values": [1]}"#), Err(JsonError::Contradiction(_))));
    assert!(matches!(reading_from_json(r#"{"period_ms": 5}"#), Err(JsonError::Contradiction(_))));
}

#[test]
fn the_verdict_is_written_as_the_contract_shows_it() {
    let problem = Problem {
        index: 1,
        sample: Some(37),
        result: Class::Quarantined,
        code: ProblemCode::ValueOutOfRange,
        detail: "heart_rate 412 > 300".into(),
        quarantine_id: Some("q-9f2".into()),
    };
    let verdict = BatchVerdict {
        cause: Offset(7),
        batch_id: "gw-17/42".into(),
        stored: 719,
        quarantined: 1,
        problems: vec![problem],
        ..BatchVerdict::default()
    };
    let message = verdict_message(&verdict, ReceivedAt(1_772_366_405_000), true);
    let text = verdict_to_json(&message);
    assert_eq!(
        text,
        r#"{"batch_id":"gw-17/42","server_time":"2026-03-01T12:00:05Z","final":true,"stored":719,"duplicate":0,"conflict":0,"quarantined":1,"problems":[{"index":1,"sample":37,"result":"quarantined","code":"value_out_of_range","detail":"heart_rate 412 > 300","quarantine_id":"q-9f2"}]}"#
    );
    // The offset is for gRPC's `GetVerdict`; in JSON a batch is asked for by its id.
    let without_offset = crate::ingest::v1::BatchVerdict { offset: 0, ..message };
    assert_eq!(verdict_from_json(&text).unwrap(), without_offset);
}

#[test]
fn what_is_not_finite_never_reaches_the_text() {
    let reading = Reading {
        value: Some(f64::NAN),
        values: vec![1.0, f64::NAN, f64::INFINITY],
        period_ms: Some(1),
        components: Some(Components { systolic: f64::NAN, diastolic: 80.0 }),
        ..Reading::default()
    };
    assert_eq!(
        reading_to_json(&reading),
        r#"{"components":{"diastolic":80.0},"period_ms":1,"values":[1.0,null,null]}"#
    );
}

#[test]
fn a_near_word_is_found_and_a_far_one_is_not() {
    assert_eq!(nearest("hart_rate", ["heart_rate", "mood"]), Some("heart_rate"));
    assert_eq!(nearest("zzz", ["heart_rate", "mood"]), None);
}

fn reading() -> impl Strategy<Value = Reading> {
    // Eighths are exact in binary and short in decimal.
    let number = || any::<i32>().prop_map(|number| f64::from(number) / 8.0);
    let texts = vec(".{0,12}", 8);
    let integers = (option::of(any::<i64>()), option::of(any::<u64>()), option::of(any::<u32>()), any::<i64>());
    let values = vec(number(), 0..5);
    let pressures = option::of((number(), number()));
    (texts, integers, option::of(number()), values, pressures, option::of(any::<bool>())).prop_map(
        |(mut texts, (time_ms, seq, boot_id, revision), value, values, pressures, prompted)| {
            let mut text = || texts.pop().unwrap_or_default();
            Reading {
                device: text(),
                measure: text(),
                unit: text(),
                body_site: text(),
                recall: text(),
                id: text(),
                event: text(),
                scheduled_for: text(),
                time_ms,
                seq,
                boot_id,
                revision,
                value,
                period_ms: (!values.is_empty()).then_some(1000),
                values,
                components: pressures.map(|(systolic, diastolic)| Components { systolic, diastolic }),
                prompted,
                ..Reading::default()
            }
        },
    )
}

proptest! {
    #[test]
    fn a_batch_comes_back_from_its_text_as_it_was(
        batch_id in ".{0,12}", historical in any::<bool>(), readings in vec(reading(), 0..4),
    ) {
        let mode = if historical { Mode::Historical } else { Mode::Live };
        let batch = ReadingBatch { batch_id, mode: mode.into(), readings, ..ReadingBatch::default() };
        prop_assert_eq!(batch_from_json(&batch_to_json(&batch)).unwrap(), batch);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,80}") {
        let _ = batch_from_json(&text);
        let _ = reading_from_json(&text);
        let _ = verdict_from_json(&text);
    }
}
