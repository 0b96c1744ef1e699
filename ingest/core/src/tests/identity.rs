use painwatch_domain::{ReadingId, TenantId};

use super::*;

fn ids(submission: &Submission) -> Vec<ReadingId> {
    let of = |entry: Entry| {
        let series = entry.series;
        series.samples.iter().map(|sample| series.reading_id(&TenantId::default(), sample)).collect::<Vec<_>>()
    };
    entries(submission).into_iter().flat_map(of).collect()
}

fn by_age(sent_at: &str, age_ms: u32, seq: u32) -> String {
    format!(
        r#"{{"sent_at": "{sent_at}", "readings": [{{"device": "scale-1", "measure": "body_weight", "value": 81, "unit": "kg",
            "age_ms": {age_ms}, "boot_id": 3, "seq": {seq}}}]}}"#
    )
}

#[test]
fn semantics_2_a_clockless_reading_sent_twice_is_the_same_reading() {
    let first = ids(&judge(&by_age("2026-03-01T11:00:00Z", 60_000, 7)));
    let again = ids(&judge(&by_age("2026-03-01T11:30:00Z", 1_860_500, 7)));
    assert_eq!(first, again);
    assert_ne!(first, ids(&judge(&by_age("2026-03-01T11:00:00Z", 60_000, 8))));
}

#[test]
fn semantics_2_an_age_without_an_identity_is_quarantined() {
    let alone = r#"{"device": "scale-1", "measure": "body_weight", "value": 81, "unit": "kg", "age_ms": 60000"#;
    assert_eq!(code(&format!("{alone}}}")), "time_missing");
    assert_eq!(code(&format!(r#"{alone}, "seq": 4}}"#)), "time_missing");
    assert_eq!(code(&format!(r#"{alone}, "id": "x", "boot_id": -4}}"#)), "decode_failed");
    admitted(&format!(r#"{alone}, "id": "x"}}"#));
}

#[test]
fn semantics_2_an_id_on_a_packed_series_tells_its_samples_apart() {
    let packed =
        reading("heart_rate", r#""id": "s-1", "period_ms": 1000, "values": [70, null, 71, 999], "unit": "bpm""#);
    let submission = judge(&packed);
    assert_eq!((submission.admitted, submission.quarantined), (2, 1));
    let found = ids(&submission);
    assert_ne!(found[0], found[1]);
    let names: Vec<_> = entries(&submission).into_iter().map(|entry| entry.series.meta.id.unwrap()).collect();
    assert_eq!(names, ["s-1#0".into(), "s-1#2".into()]);
    let kept = String::from_utf8(submission.batch.quarantined[0].payload.to_vec()).unwrap();
    assert!(kept.contains(r#""id":"s-1#3""#), "{kept}");
}

#[test]
fn circumstances_travel_with_the_reading() {
    let rest = r#""value": 7, "body_site": "lower_back", "laterality": "left", "modality": "self_reported", "recall": "now",
        "prompted": true, "status": "entered_in_error", "revision": 5, "id": "r-1", "boot_id": 2, "seq": 9, "posture": "sitting""#;
    let (series, _) = admitted(&reading("pain_nrs", rest));
    let meta = series.meta;
    assert_eq!((meta.body_site.as_deref(), meta.laterality.as_deref()), (Some("lower_back"), Some("left")));
    assert_eq!((meta.status.as_str(), meta.revision), ("entered_in_error", 5));
    assert_eq!((meta.id.as_deref(), meta.boot_id, meta.seq), (Some("r-1"), Some(2), Some(9)));
    assert_eq!(
        (meta.prompted, meta.recall.as_deref(), meta.posture.as_deref()),
        (Some(true), Some("now"), Some("sitting"))
    );
    assert_eq!(code(&reading("pain_nrs", r#""value": 7, "status": "perhaps""#)), "decode_failed");
    let long = "x".repeat(65);
    assert_eq!(code(&reading("pain_nrs", &format!(r#""value": 7, "body_site": "{long}""#))), "decode_failed");
}
