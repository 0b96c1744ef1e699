use painwatch_proto::ingest::v1::{Reading, ReadingBatch};

use super::*;

#[test]
fn semantics_1_a_packed_series_counts_its_samples_a_panel_once_and_a_missing_one_not() {
    let heart = reading("heart_rate", r#""period_ms": 5000, "values": [71, null, 412, 70], "unit": "/min""#);
    let panel = reading("blood_pressure", r#""components": {"systolic": 142, "diastolic": 91}, "unit": "mm[Hg]""#);
    let submission = judge(&format!(r#"{{"batch_id": "gw-17/42", "readings": [{panel}, {heart}]}}"#));
    assert_eq!((submission.submitted(), submission.admitted, submission.quarantined), (4, 3, 1));
    let [problem] = submission.problems.as_slice() else { panic!("one problem") };
    assert_eq!((problem.index, problem.sample, problem.detail.as_str()), (1, Some(2), "heart_rate 412 > 300"));
    let kept = entries(&submission).remove(1);
    assert_eq!((kept.index, kept.positions), (1, vec![0, 3]));
    assert_eq!(kept.series.samples[1].device_time, ms("2026-03-01T11:00:15Z"));
}

#[test]
fn semantics_1_a_payload_that_cannot_be_decoded_is_one_reading_with_its_bytes_kept() {
    for (payload, format) in [
        (&b"\xff\xfe"[..], Format::Json),
        (b"", Format::Json),
        (b"", Format::Protobuf),
        (b"{\"readings\": [{]}", Format::Json),
        (b"{\"readings\": [], \"mode\": \"dead\"}", Format::Json),
        (b"[[[[[[[[[1]]]]]]]]]", Format::Json),
        (b"{\"device\": \"w\"}", Format::Protobuf),
        (b"\x32\x03abc", Format::Protobuf),
    ] {
        let submission = try_judge(payload, format).unwrap();
        assert_eq!((submission.admitted, submission.quarantined, submission.decodable), (0, 1, false), "{payload:?}");
        assert_eq!(submission.problems[0].code.as_str(), "decode_failed");
        assert_eq!(submission.batch.quarantined[0].payload, payload);
    }
}

#[test]
fn semantics_3_one_bad_entry_leaves_its_neighbours_alone() {
    let good = reading("mood", r#""value": 1"#);
    let bad = r#"{"device": "watch-0001", "measure": "mood", "valu": 3}"#;
    let submission = judge(&format!("[{good}, {bad}, 7, {good}]"));
    assert_eq!((submission.admitted, submission.quarantined, submission.decodable), (2, 2, true));
    assert_eq!(submission.problems[0].detail, r#"unknown field "valu", the nearest known one is "value""#);
    assert_eq!(submission.batch.quarantined[0].payload, bad.as_bytes());
    assert_eq!(submission.problems[1].detail, "a reading must be an object");
    let indices: Vec<_> = entries(&submission).iter().map(|entry| entry.index).collect();
    assert_eq!(indices, [0, 3]);
}

#[test]
fn an_entry_refused_as_a_whole_counts_as_its_samples() {
    let packed = r#""period_ms": 1000, "values": [1, null, 3]"#;
    let submission = judge(&reading("aura", packed));
    assert_eq!((submission.quarantined, submission.problems[0].code.as_str()), (2, "unknown_measure"));
    let both = reading("heart_rate", r#""period_ms": 1000, "offsets_ms": [0, 5], "values": [1, 3], "unit": "bpm""#);
    assert_eq!(refused(&both), ("decode_failed", "give period_ms or offsets_ms, not both".into()));
    for spacing in [r#""period_ms": 0"#, r#""offsets_ms": [0]"#] {
        assert_eq!(
            code(&reading("heart_rate", &format!(r#"{spacing}, "values": [70, 71], "unit": "bpm""#))),
            "decode_failed"
        );
    }
    let silent = judge(&reading("heart_rate", r#""period_ms": 1000, "values": [null], "unit": "bpm""#));
    assert_eq!((silent.submitted(), silent.problems.len()), (0, 0));
}

#[test]
fn offsets_place_the_samples_of_an_irregular_series_and_a_period_ends_those_of_an_interval_measure() {
    let submission =
        judge(&reading("rr_interval", r#""offsets_ms": [0, 810, 1630], "values": [810, 820, 790], "unit": "ms""#));
    let times: Vec<_> = entries(&submission)[0].series.samples.iter().map(|sample| sample.device_time).collect();
    let start = ms("2026-03-01T11:00:00Z");
    assert_eq!(times, [start, start + 810, start + 1630]);
    let submission = judge(&reading("step_count", r#""period_ms": 60000, "values": [43, 301], "unit": "steps""#));
    assert_eq!((submission.admitted, submission.quarantined), (1, 1));
    assert_eq!(entries(&submission)[0].series.samples[0].end, Some(start + 60_000));
}

#[test]
fn a_quarantined_sample_can_be_submitted_again_by_itself() {
    let submission = judge(&reading("step_count", r#""period_ms": 60000, "values": [43, 301], "unit": "steps""#));
    let kept = std::str::from_utf8(&submission.batch.quarantined[0].payload).unwrap();
    assert_eq!(refused(kept), ("value_out_of_range", submission.problems[0].detail.clone()));
    let again = judge(&kept.replace("301", "103"));
    let sample = &entries(&again)[0].series.samples[0];
    let start = ms("2026-03-01T11:01:00Z");
    assert_eq!((sample.device_time, sample.end), (start, Some(start + 60_000)));
}

#[test]
fn a_device_of_somebody_else_refuses_the_whole_payload() {
    let good = reading("mood", r#""value": 1"#);
    let other = r#"{"device": "other-1", "measure": "nonsense"}"#;
    let refused = try_judge(format!("[{good}, {other}]").as_bytes(), Format::Json).unwrap_err();
    let detail = "gateway gw-17 may not send for device other-1".to_owned();
    assert_eq!(refused, Refused::NotYourDevice { detail });
}

#[test]
fn a_batch_of_another_gateway_is_refused() {
    let batch = |gateway: &str| format!(r#"{{"gateway": "{gateway}", "readings": []}}"#);
    assert!(matches!(try_judge(batch("gw-18").as_bytes(), Format::Json), Err(Refused::GatewayMismatch { .. })));
    assert_eq!(judge(&batch("gw-17")).submitted(), 0);
}

#[test]
fn limits_hold_at_their_edge_and_one_beyond() {
    let judge = |limits: Limits, json: &str| {
        with_envelope(limits, |envelope| judge_bytes(json.as_bytes(), Format::Json, envelope))
    };
    let (one, limits) = (reading("mood", r#""value": 1"#), Limits::default());
    let two = format!("[{one},{one}]");
    assert!(judge(Limits { max_payload_bytes: one.len(), ..limits }, &one).is_ok());
    let too_long = judge(Limits { max_payload_bytes: one.len() - 1, ..limits }, &one);
    assert_eq!(too_long, Err(Refused::TooLarge { what: "bytes", limit: one.len() - 1, actual: one.len() }));
    assert_eq!(judge(Limits { max_readings: 2, ..limits }, &two).unwrap().admitted, 2);
    assert!(matches!(judge(Limits { max_readings: 1, ..limits }, &two), Err(Refused::TooLarge { actual: 2, .. })));
    assert!(judge(Limits { max_depth: 2, ..limits }, &two).unwrap().decodable);
    assert!(!judge(Limits { max_depth: 1, ..limits }, &two).unwrap().decodable);
    let packed = reading("heart_rate", r#""period_ms": 1000, "values": [70, 71], "unit": "bpm""#);
    assert_eq!(judge(Limits { max_samples_per_series: 2, ..limits }, &packed).unwrap().admitted, 2);
    assert_eq!(judge(Limits { max_samples_per_series: 1, ..limits }, &packed).unwrap().quarantined, 2);
    let cut = judge(Limits { max_quarantined_bytes: 4, ..limits }, "nonsense").unwrap().batch.quarantined.remove(0);
    assert_eq!((&cut.payload[..], cut.payload_length), (&b"nons"[..], 8));
}

/// As shipped; `limits_hold_at_their_edge_and_one_beyond` has them smaller.
#[test]
fn s42_a_payload_has_so_many_readings_and_samples_and_is_so_deep_at_most() {
    let judge =
        |json: &str| with_envelope(Limits::default(), |envelope| judge_bytes(json.as_bytes(), Format::Json, envelope));
    let entries = |count: usize| format!("[{}]", vec!["{}"; count].join(","));
    assert_eq!(judge(&entries(10_000)).unwrap().quarantined, 10_000);
    let refused = judge(&entries(10_001));
    assert_eq!(refused, Err(Refused::TooLarge { what: "readings", limit: 10_000, actual: 10_001 }));

    let packed = |count: usize| {
        let values = vec!["70"; count].join(",");
        reading("heart_rate", &format!(r#""period_ms": 100, "values": [{values}], "unit": "/min""#))
    };
    assert_eq!(judge(&packed(100_000)).unwrap().admitted, 100_000);
    assert_eq!(judge(&packed(100_001)).unwrap().quarantined, 100_001);

    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let said = |json: &str| judge(json).unwrap().problems.remove(0).detail;
    assert!(!said(&deep(8)).contains("nested"));
    assert_eq!(said(&deep(9)), "nested 9 deep, at most 8");
    for format in [Format::Omh, Format::Fhir, Format::Gatt] {
        let said = |depth: usize| try_judge(deep(depth).as_bytes(), format).unwrap().problems.remove(0).detail;
        assert!(!said(32).contains("nested"), "{format:?}");
        assert_eq!(said(33), "nested 33 deep, at most 32", "{format:?}");
    }
}

#[test]
fn s42_what_is_no_number_and_what_has_no_known_unit_is_kept_out() {
    for (value, unit, code) in [
        ("71", "/min", None),
        ("NaN", "/min", Some("decode_failed")),
        ("Infinity", "/min", Some("decode_failed")),
        ("1e999", "/min", Some("decode_failed")),
        ("71", "furlong", Some("unknown_unit")),
        ("71", "kg", Some("unit_not_convertible")),
    ] {
        let one = reading("heart_rate", &format!(r#""value": {value}, "unit": "{unit}""#));
        let judged = judge(&one);
        let found = judged.problems.first().map(|problem| problem.code.as_str());
        assert_eq!((found, judged.admitted), (code, u64::from(code.is_none())), "{value} {unit}");
    }
}

#[test]
fn beyond_the_listed_samples_the_rest_of_a_series_is_one_item_that_says_how_many() {
    let values = vec!["999"; 2_000].join(",");
    let packed = reading("heart_rate", &format!(r#""period_ms": 1000, "values": [{values}, 70], "unit": "bpm""#));
    let submission = judge(&packed);
    assert_eq!((submission.admitted, submission.quarantined, submission.problems.len()), (1, 2_000, 1_001));
    assert_eq!(submission.problems[1_000].detail, "heart_rate 999 > 300 (and 999 more samples of this series)");
    assert_eq!(submission.batch.quarantined[1_000].count, 1_000);
}

#[test]
fn the_worst_payload_of_its_size_still_fits_a_journal_record() {
    let limit = Limits::default().max_payload_bytes;
    let head =
        r#"{"device":"a","measure":"step_count","time":"2026-03-01T12:06:00Z","period_ms":1,"unit":"","values":["#;
    let series = |value: &str, samples: usize| format!("{head}{}]}}", vec![value; samples].join(","));
    let one = |value: &str| format!("[{}]", vec![series(value, 90_000); 5].join(","));
    let many = |value: &str| format!("[{}]", vec![series(value, 1); 9_000].join(","));
    for payload in [one("0"), one("9"), many("0"), many("9")] {
        assert!(payload.len() <= limit, "{}", payload.len());
        assert!(judge(&payload).submitted() >= 9_000);
    }
    let empty =
        ReadingBatch { readings: vec![Reading::default(); 10_000], batch_id: "b".repeat(128), ..Default::default() };
    assert_eq!(try_judge(&empty.encode_to_vec(), Format::Protobuf).unwrap().quarantined, 10_000);
    let more = [5 << 3 | 2, 0].repeat(10_001);
    assert!(matches!(try_judge(&more, Format::Protobuf), Err(Refused::TooLarge { what: "readings", .. })));
}

#[test]
fn quarantine_ids_are_the_same_each_time_and_different_for_each_item() {
    let payload = r#"[{"device": "w"}, {"device": "w"}, 3]"#;
    let ids = |submission: &Submission| -> Vec<_> {
        submission.problems.iter().map(|problem| problem.quarantine_id.clone().unwrap()).collect()
    };
    let (first, second) = (judge(payload), judge(payload));
    assert_eq!(first, second);
    let mut distinct = ids(&first);
    distinct.dedup();
    assert_eq!(distinct.len(), 3);
    assert!(distinct.iter().all(|id| id.starts_with("q-") && id.len() == 18));
}

#[test]
fn semantics_1_of_the_same_bytes_in_one_millisecond_each_submission_has_items_of_its_own() {
    let id = |number: u64| {
        with_envelope(Limits::default(), |envelope| {
            let submission = judge_bytes(b"{", Format::Json, &Envelope { number, ..*envelope }).unwrap();
            submission.problems[0].quarantine_id.clone().unwrap()
        })
    };
    assert_ne!(id(0), id(1));
    assert_ne!(id(1), id(2));
    assert_eq!(id(2), id(2));
}

#[test]
fn readings_are_grouped_by_device_and_carry_the_envelope() {
    let of = |device: &str| {
        format!(r#"{{"device": "{device}", "measure": "mood", "time": "2026-03-01T11:00:00Z", "value": 1}}"#)
    };
    let json =
        format!(r#"{{"mode": "historical", "batch_id": "b", "readings": [{}, {}, {}]}}"#, of("a"), of("b"), of("a"));
    let batch = judge(&json).batch;
    let devices: Vec<_> = batch.sections.iter().map(|section| section.device.as_str()).collect();
    assert_eq!(devices, ["a", "b"]);
    assert_eq!((batch.gateway.as_str(), batch.protocol.as_str(), batch.historical), ("gw-17", "mqtt", true));
    assert_eq!(batch.received_at_ms, ms(NOON));
}

#[test]
fn an_explanation_gives_reason_and_fix_for_each_problem() {
    let text = explain(&judge(&reading("body_weight", r#""value": 81, "unit": "furlong""#))).to_string();
    assert!(
        text.starts_with("0 readings admitted, 1 quarantined\nreading 0: unknown_unit: unit \"furlong\""),
        "{text}"
    );
    assert!(text.contains("fix: send the UCUM unit that the detail names"), "{text}");
}
