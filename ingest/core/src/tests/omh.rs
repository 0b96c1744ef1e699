use painwatch_domain::Measure;

use super::*;

/// A data point of `schema` with this body, at an unremarkable time.
fn point(schema: &str, body: &str) -> String {
    framed(schema, body, r#"{"date_time": "2026-03-01T11:00:00Z"}"#)
}

fn framed(schema: &str, body: &str, frame: &str) -> String {
    let header = format!(
        r#"{{"id": "123e4567-e89b-12d3-a456-426614174000", "schema_id": {{"namespace": "omh", "name": "{schema}", "version": "2.0"}},
            "acquisition_provenance": {{"source_name": "watch-0001", "modality": "self-reported"}}}}"#
    );
    format!(r#"{{"header": {header}, "body": {{{body}, "effective_time_frame": {frame}}}}}"#)
}

fn interval(rest: &str) -> String {
    format!(r#"{{"time_interval": {{{rest}}}}}"#)
}

fn one(schema: &str, body: &str) -> Series {
    translated_one(Format::Omh, &point(schema, body))
}

#[test]
fn each_schema_becomes_its_measure_in_our_unit() {
    let hour = interval(r#""start_date_time": "2026-03-01T09:00:00Z", "end_date_time": "2026-03-01T10:00:00Z""#);
    for (schema, body, measure, expected) in [
        ("heart-rate", r#""heart_rate": {"value": 71, "unit": "beats/min"}"#, Measure::HeartRate, 71.0),
        ("rr-interval", r#""rr_interval": {"value": 0.81, "unit": "sec"}"#, Measure::RrInterval, 810.0),
        (
            "respiratory-rate",
            r#""respiratory_rate": {"value": 14, "unit": "breaths/min"}"#,
            Measure::RespiratoryRate,
            14.0,
        ),
        ("oxygen-saturation", r#""oxygen_saturation": {"value": 97, "unit": "%"}"#, Measure::OxygenSaturation, 97.0),
        ("body-weight", r#""body_weight": {"value": 200, "unit": "lb"}"#, Measure::BodyWeight, 90.718_474),
        ("body-height", r#""body_height": {"value": 6, "unit": "ft"}"#, Measure::BodyHeight, 182.88),
        ("body-temperature", r#""body_temperature": {"value": 98.6, "unit": "F"}"#, Measure::BodyTemperature, 37.0),
        (
            "body-fat-percentage",
            r#""body_fat_percentage": {"value": 21.5, "unit": "%"}"#,
            Measure::BodyFatPercentage,
            21.5,
        ),
        ("step-count", r#""step_count": 4300"#, Measure::StepCount, 4300.0),
        ("step-count", r#""step_count": {"value": 4300, "unit": "steps"}"#, Measure::StepCount, 4300.0),
        ("sleep-duration", r#""sleep_duration": {"value": 6.5, "unit": "h"}"#, Measure::TotalSleepTime, 390.0),
        ("total-sleep-time", r#""total_sleep_time": {"value": 390, "unit": "min"}"#, Measure::TotalSleepTime, 390.0),
        (
            "sleep-stage-summary",
            r#""sleep_stage_summary": {"total_sleep_time": {"value": 390, "unit": "min"}}"#,
            Measure::TotalSleepTime,
            390.0,
        ),
        (
            "minutes-moderate-activity",
            r#""minutes_moderate_activity": {"value": 30, "unit": "min"}"#,
            Measure::ActiveMinutes,
            30.0,
        ),
        ("physical-activity", r#""activity_name": "Brisk walking""#, Measure::ExerciseSession, 60.0),
    ] {
        let series = translated_one(Format::Omh, &framed(schema, body, &hour));
        assert_eq!((series.measure, canonical(&series)), (measure, expected), "{schema}");
        assert_eq!(series.samples[0].device_time, ms("2026-03-01T09:00:00Z"));
        assert_eq!(series.samples[0].end, Some(ms("2026-03-01T10:00:00Z")));
    }
}

#[test]
fn the_header_names_device_modality_and_identity() {
    let series = one("heart-rate", r#""heart_rate": {"value": 71, "unit": "beats/min"}"#);
    assert_eq!((series.device.as_str(), series.meta.modality.as_deref()), ("watch-0001", Some("self_reported")));
    assert_eq!(series.meta.id.as_deref(), Some("123e4567-e89b-12d3-a456-426614174000"));
    let point = |header: &str| {
        format!(
            r#"{{"header": {{"schema_id": "omh:heart-rate:2.0", {header}}}, "body": {{"heart_rate": {{"value": 71, "unit": "beats/min"}},
                "effective_time_frame": {{"date_time": "2026-03-01T11:00:00Z"}}}}}}"#
        )
    };
    let brand = r#""user_id": "p7", "acquisition_provenance": {"source_name": "Some Watch"}"#;
    assert_eq!(translated_one(Format::Omh, &point(brand)).device.as_str(), "Some-Watch@p7");
    let own = r#""device": "watch-0001", "acquisition_provenance": {"source_name": "Some Watch"}"#;
    assert_eq!(translated_one(Format::Omh, &point(own)).device.as_str(), "watch-0001");
    let (code, detail) = refused_as(Format::Omh, &point(r#""modality": "sensed""#));
    assert_eq!(code, "decode_failed");
    assert!(detail.contains("header.acquisition_provenance.source_name"), "{detail}");
}

#[test]
fn an_interval_is_said_in_four_ways() {
    let steps = r#""step_count": 100"#;
    let (start, end) = (ms("2026-03-01T09:00:00Z"), ms("2026-03-01T09:30:00Z"));
    for said in [
        r#""start_date_time": "2026-03-01T10:00:00+01:00", "end_date_time": "2026-03-01T09:30:00Z""#,
        r#""start_date_time": "2026-03-01T09:00:00Z", "duration": {"value": 0.5, "unit": "h"}"#,
        r#""end_date_time": "2026-03-01T09:30:00Z", "duration": {"value": 30, "unit": "min"}"#,
    ] {
        let series = translated_one(Format::Omh, &framed("step-count", steps, &interval(said)));
        assert_eq!((series.samples[0].device_time, series.samples[0].end), (start, Some(end)), "{said}");
    }
    let morning = interval(r#""date": "2026-02-28", "part_of_day": "morning""#);
    let paris = framed("step-count", steps, &morning).replace("watch-0001", "paris-1");
    let sample = translated_one(Format::Omh, &paris).samples.remove(0);
    assert_eq!(sample.device_time, ms("2026-02-27T23:00:00Z"));
    assert!(sample.flags.has(Flags::DATE_ONLY) && sample.flags.has(Flags::VERIFY));
}

#[test]
fn a_time_that_cannot_be_placed_is_refused_with_what_to_send() {
    let steps = r#""step_count": 100"#;
    for (frame, code) in [
        ("{}".to_owned(), "time_missing"),
        (interval(r#""start_date_time": "2026-03-01T09:00:00Z""#), "time_missing"),
        (
            interval(r#""start_date_time": "2026-03-01T09:00:00", "duration": {"value": 1, "unit": "h"}"#),
            "time_missing",
        ),
        (
            interval(r#""start_date_time": "2026-03-01T09:00:00Z", "duration": {"value": 1, "unit": "Mo"}"#),
            "decode_failed",
        ),
        (
            interval(r#""start_date_time": "2026-03-01T09:00:00Z", "end_date_time": "2026-03-01T08:00:00Z""#),
            "end_before_start",
        ),
        (r#"{"date_time": "2026-03-01T09:00:00"}"#.to_owned(), "time_missing"),
    ] {
        assert_eq!(refused_as(Format::Omh, &framed("step-count", steps, &frame)).0, code, "{frame}");
    }
}

#[test]
fn a_pressure_is_one_reading_with_its_posture() {
    let body = r#""systolic_blood_pressure": {"value": 142, "unit": "mmHg"}, "diastolic_blood_pressure": {"value": 91, "unit": "mmHg"}, "body_posture": "sitting""#;
    let series = one("blood-pressure", body);
    assert_eq!(series.samples[0].value, Value::Pressure { systolic: 142_000, diastolic: 91_000 });
    assert_eq!(series.meta.posture.as_deref(), Some("sitting"));
}

#[test]
fn saturation_under_oxygen_is_two_readings_with_ids_of_their_own() {
    let body = r#""oxygen_saturation": {"value": 93, "unit": "%"}, "supplemental_oxygen_flow_rate": {"value": 2, "unit": "L/min"}"#;
    let series = translated(Format::Omh, &point("oxygen-saturation", body));
    let measures: Vec<_> = series.iter().map(|series| series.measure).collect();
    assert_eq!(measures, [Measure::OxygenSaturation, Measure::OxygenFlow]);
    assert_ne!(series[0].meta.id, series[1].meta.id);
}

#[test]
fn an_average_is_no_reading_and_a_sum_over_an_interval_is() {
    let average = r#""heart_rate": {"value": 71, "unit": "beats/min"}, "descriptive_statistic": "average""#;
    let (code, detail) = refused_as(Format::Omh, &point("heart-rate", average));
    assert_eq!(
        (code, detail.as_str()),
        ("unknown_measure", "average of heart_rate is not a reading: send the readings it was made of")
    );
    one("step-count", r#""step_count": 100, "descriptive_statistic": "sum""#);
}

#[test]
fn an_unknown_schema_or_unit_is_named_and_never_guessed() {
    let (code, detail) = refused_as(Format::Omh, &point("hart-rate", r#""heart_rate": 71"#));
    assert_eq!(
        (code, detail.as_str()),
        ("unknown_measure", r#"the schema "hart-rate" has no measure here, the nearest that has is "heart-rate""#)
    );
    let (code, detail) =
        refused_as(Format::Omh, &point("body-weight", r#""body_weight": {"value": 12, "unit": "Metric Ton"}"#));
    assert_eq!(
        (code, detail.as_str()),
        ("unknown_unit", r#"unit "Metric Ton" of body_weight is not known, expected kg"#)
    );
    let foreign =
        point("heart-rate", r#""heart_rate": {"value": 71, "unit": "beats/min"}"#).replace(r#""omh""#, r#""acme""#);
    assert_eq!(refused_as(Format::Omh, &foreign).0, "unknown_measure");
}

#[test]
fn an_array_and_a_series_are_judged_point_by_point() {
    let good = point("heart-rate", r#""heart_rate": {"value": 71, "unit": "beats/min"}"#);
    let bad = point("heart-rate", r#""heart_rate": {"value": 412, "unit": "beats/min"}"#);
    let submission = try_judge(format!("[{good}, {bad}]").as_bytes(), Format::Omh).unwrap();
    assert_eq!((submission.admitted, submission.quarantined, submission.problems[0].index), (1, 1, 1));
    let kept = &submission.batch.quarantined[0];
    assert_eq!((kept.format.as_str(), &kept.payload[..]), ("omh", bad.as_bytes()));

    let sample = |rate: u32, second: u32| {
        format!(
            r#"{{"heart_rate": {{"value": {rate}, "unit": "beats/min"}}, "effective_time_frame": {{"date_time": "2026-03-01T11:00:0{second}Z"}}}}"#
        )
    };
    let header = r#"{"uuid": "u-1", "schema_id": {"namespace": "ieee", "name": "data-series", "version": "1.0"}, "device": "watch-0001"}"#;
    let bodies = [sample(71, 0), sample(412, 1), sample(73, 2)].join(",");
    for body in [format!("[{bodies}]"), format!(r#"{{"heart_rate": [{bodies}]}}"#)] {
        let series = format!(r#"{{"header": {header}, "body": {body}}}"#);
        let submission = try_judge(series.as_bytes(), Format::Omh).unwrap();
        assert_eq!((submission.admitted, submission.quarantined), (2, 1));
        // Only the reading that was refused is kept, so that sending it again brings no duplicates.
        let kept = &submission.batch.quarantined[0];
        assert_eq!(kept.format, "json");
        let again = std::str::from_utf8(&kept.payload).unwrap().replace("412", "72");
        assert_eq!(admitted(&again).0.meta.id.as_deref(), Some("u-1.1"));
    }
}

#[test]
fn steps_of_an_activity_come_beside_it() {
    let body = r#""activity_name": "Walking", "base_movement_quantity": {"value": 2000, "unit": "steps"}, "duration": {"value": 20, "unit": "min"}"#;
    let series = translated(Format::Omh, &point("physical-activity", body));
    let seen: Vec<_> = series.iter().map(|series| (series.measure, canonical(series))).collect();
    assert_eq!(seen, [(Measure::ExerciseSession, 20.0), (Measure::StepCount, 2000.0)]);
    assert_eq!(series[0].meta.instrument.as_deref(), Some("walking"));
}

#[test]
fn what_a_header_says_once_cannot_be_made_to_fill_the_journal() {
    let body = r#"{"heart_rate": 7, "effective_time_frame": {"date_time": "2026"}}"#;
    let series = |name: usize, bodies: usize| {
        let (name, bodies) = ("w".repeat(name), vec![body; bodies].join(","));
        let header = format!(r#"{{"uuid": "u", "schema_id": "ieee:data-series:1.0", "device": "{name}"}}"#);
        format!(r#"{{"header": {header}, "body": [{bodies}]}}"#)
    };
    // The longest name that is none, and each of many readings would be kept with it.
    let (code, detail) = refused_as(Format::Omh, &series(400_000, 8_000));
    assert_eq!(
        (code, detail.as_str()),
        ("decode_failed", "the payload means more readings than one may hold: send them in several")
    );
    let several = format!("[{}]", vec![series(2_000, 100); 40].join(","));
    let submission = try_judge(several.as_bytes(), Format::Omh).unwrap();
    assert!((1_000..4_000).contains(&submission.quarantined), "{}", submission.quarantined);
    assert_eq!(try_judge(series(64, 9_000).as_bytes(), Format::Omh).unwrap().quarantined, 9_000);
}
