//! Bytes that real devices sent, with what they mean. They lie outside of the repository: where they do not, the vectors
//! of our own in `gatt.rs` stand alone.

use std::path::PathBuf;

use painwatch_domain::Measure;
use serde_json::Value as Json;

use super::*;

/// Long after every stamp in the recordings.
const RECEIVED: &str = "2026-06-01T12:00:00Z";

fn recordings() -> Option<PathBuf> {
    let told = std::env::var_os("PAINWATCH_RECORDINGS").map(PathBuf::from);
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    Some(told.unwrap_or_else(beside).join("ble_vectors/dev/vectors.json")).filter(|path| path.exists())
}

fn judged(vector: &Json) -> Submission {
    let characteristic = vector["characteristic"].as_str().unwrap().split([' ', ',']).next().unwrap();
    let (service, hex) = (characteristic.to_ascii_lowercase(), vector["hex"].as_str().unwrap());
    let payload = format!(
        r#"{{"device": "paris-1", "characteristic": "{service}", "received_at": "{RECEIVED}", "hex": "{hex}"}}"#
    );
    let roster = Roster::default();
    let submission = with_roster(Limits::default(), &roster, false, RECEIVED, |envelope| {
        judge_bytes(payload.as_bytes(), Format::Gatt, envelope)
    });
    submission.inspect(audit).unwrap()
}

fn holds(submission: &Submission, measure: Measure, expected: f64) -> bool {
    let same = |entry: &Entry| entry.series.measure == measure && (canonical(&entry.series) - expected).abs() < 5e-4;
    entries(submission).iter().any(same)
}

fn check(vector: &Json) {
    let (name, expected) = (&vector["id"], &vector["expected"]);
    let submission = judged(vector);
    let says = |key: &str, value: bool| expected[key] == Json::Bool(value);
    if says("decodable", false)
        || says("stabilized", false)
        || expected["body_fat_pct"].is_null() && expected.get("body_fat_pct").is_some()
    {
        assert_eq!(submission.admitted, 0, "{name}: {:?}", entries(&submission));
        return;
    }
    for (key, measure) in [
        ("hr_bpm", Measure::HeartRate),
        ("pulse_bpm", Measure::HeartRate),
        ("weight_kg", Measure::BodyWeight),
        ("body_fat_pct", Measure::BodyFatPercentage),
        ("temperature_c", Measure::BodyTemperature),
        ("spo2_pct", Measure::OxygenSaturation),
    ] {
        let Some(value) = expected[key].as_f64() else { continue };
        assert!(
            holds(&submission, measure, value),
            "{name}: {key} {value} in {:?} {:?}",
            entries(&submission),
            submission.problems
        );
    }
    if let Some(systolic) = expected["systolic"].as_f64() {
        let (systolic, diastolic) = (systolic * 1e3, expected["diastolic"].as_f64().unwrap() * 1e3);
        let wanted = Value::Pressure { systolic: systolic as i64, diastolic: diastolic as i64 };
        assert!(entries(&submission).iter().any(|entry| entry.series.samples[0].value == wanted), "{name}");
    }
    intervals(vector, &submission);
    stamp(vector, &submission);
}

fn intervals(vector: &Json, submission: &Submission) {
    let ticks = vector["expected"].get("rr_1024").or_else(|| vector["expected"].get("rr_1024_complete"));
    let Some(ticks) = ticks.and_then(Json::as_array) else { return };
    let expected: Vec<i64> = ticks.iter().map(|tick| (tick.as_f64().unwrap() * 1e6 / 1024.0).round() as i64).collect();
    let series = entries(submission).into_iter().find(|entry| entry.series.measure == Measure::RrInterval);
    let samples = series.map(|entry| entry.series.samples).unwrap_or_default();
    let found: Vec<i64> = samples.iter().filter_map(|sample| sample.value.number()).collect();
    assert_eq!(found, expected, "{}", vector["id"]);
}

fn stamp(vector: &Json, submission: &Submission) {
    let Some(stamp) = vector["expected"]["timestamp"].as_str() else { return };
    let set = vector["expected"]["clock_not_set"] != Json::Bool(true);
    let paris = Zone::parse("Europe/Paris").unwrap();
    let expected = if set { parse_stamp(stamp, &paris).unwrap().utc_ms } else { ms(RECEIVED) };
    assert!(
        entries(submission).iter().all(|entry| entry.series.samples[0].device_time == expected),
        "{}",
        vector["id"]
    );
}

#[test]
fn recorded_values_mean_what_their_owners_read_off_the_device() {
    let Some(path) = recordings() else {
        println!("skipped: no recorded Bluetooth values; set PAINWATCH_RECORDINGS");
        return;
    };
    let vectors: Vec<Json> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(vectors.len() >= 20);
    vectors.iter().for_each(check);
}
