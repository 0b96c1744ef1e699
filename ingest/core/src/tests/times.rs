use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{ClockOffset, EventTime, Flags, ProblemCode};

use super::*;

/// A saturation of 85 whose clock is off by `ahead_ms` from receipt at noon.
fn off_by(ahead_ms: i64) -> String {
    let time = ms(NOON) + ahead_ms;
    format!(
        r#"{{"device": "watch-0001", "measure": "oxygen_saturation", "time_ms": {time}, "value": 85, "unit": "%"}}"#
    )
}

#[test]
fn semantics_7_a_fast_clock_up_to_a_day_is_judged_at_receipt_and_keeps_its_claim() {
    for ahead in [5 * MINUTE_MS, HOUR_MS, 24 * HOUR_MS] {
        let (_, sample) = admitted(&off_by(ahead));
        assert_eq!((sample.time, sample.device_time), (EventTime(ms(NOON)), ms(NOON) + ahead));
        assert_eq!(sample.flags, Flags::CLOCK_AHEAD);
    }
    let (_, sample) = admitted(&off_by(5 * MINUTE_MS - 1));
    assert_eq!((sample.time.0, sample.flags), (ms(NOON) + 5 * MINUTE_MS - 1, Flags::default()));
}

#[test]
fn semantics_7_a_clock_further_ahead_or_not_set_is_quarantined() {
    let (code, detail) = refused(&off_by(24 * HOUR_MS + 1));
    assert_eq!(code, "time_in_future");
    assert_eq!(detail, "2026-03-02T12:00:00.001Z is more than 24 h after receipt at 2026-03-01T12:00:00Z");
    assert_eq!(super::code(&off_by(i64::MAX / 2)), "time_in_future");
    assert_eq!(super::code(&off_by(ms("1999-12-31T23:59:59Z") - ms(NOON))), "clock_not_set");
    assert_eq!(super::code(&off_by(i64::MIN / 2)), "clock_not_set");
    admitted(&off_by(ms("2000-01-01T00:00:00Z") - ms(NOON)));
}

#[test]
fn semantics_7_a_packed_sample_may_last_no_further_into_the_future_than_one_sent_alone() {
    let lasting = |period_ms: i64| {
        let packed = format!(r#""period_ms": {period_ms}, "values": [40, 3]"#);
        format!(
            r#"{{"device": "watch-0001", "measure": "step_count", "time_ms": {}, {packed}, "unit": "{{steps}}"}}"#,
            ms(NOON) - 25 * HOUR_MS
        )
    };
    // The second begins and ends with twice the period.
    let submission = judge(&lasting(49 * HOUR_MS / 2));
    assert_eq!((submission.admitted, submission.quarantined), (2, 0));
    for (period_ms, admitted) in [(49 * HOUR_MS / 2 + 1, 1), (49 * HOUR_MS, 1), (49 * HOUR_MS + 1, 0), (i64::MAX, 0)] {
        let submission = judge(&lasting(period_ms));
        assert_eq!((submission.admitted, submission.quarantined), (admitted, 2 - admitted), "{period_ms}");
        assert!(submission.problems.iter().all(|problem| problem.code == ProblemCode::TimeInFuture));
    }
}

#[test]
fn semantics_7_old_readings_are_always_stored_and_beyond_30_days_marked() {
    assert_eq!(admitted(&off_by(-30 * DAY_MS)).1.flags, Flags::default());
    assert_eq!(admitted(&off_by(-30 * DAY_MS - 1)).1.flags, Flags::BACKDATED);
    assert_eq!(admitted(&off_by(-9_000 * DAY_MS)).1.flags, Flags::BACKDATED);
}

fn timed(device: &str, rest: &str) -> String {
    format!(r#"{{"device": "{device}", "measure": "mood", "value": 1, {rest}}}"#)
}

#[test]
fn a_stamp_without_an_offset_is_read_in_the_readings_zone_then_the_devices_and_never_by_default() {
    let eleven = r#""time": "2026-03-01T11:00:00""#;
    let (series, sample) = admitted(&timed("paris-1", eleven));
    assert_eq!((sample.device_time, sample.flags), (ms("2026-03-01T10:00:00Z"), Flags::ZONE_ASSUMED));
    assert_eq!(series.meta.zone.as_deref(), Some("Europe/Paris"));

    let (series, sample) = admitted(&timed("paris-1", r#""time": "2026-03-01T11:00:00", "zone": "Europe/London""#));
    assert_eq!(sample.device_time, ms("2026-03-01T11:00:00Z"));
    assert_eq!(series.meta.zone.as_deref(), Some("Europe/London"));

    let (code, detail) = refused(&timed("watch-1", eleven));
    assert_eq!(code, "time_missing");
    assert!(detail.contains("no zone is known: add +01:00 or Z"), "{detail}");
    assert_eq!(
        super::code(&timed("watch-1", r#""time": "2026-03-01T11:00:00", "zone": "Mars/Base""#)),
        "decode_failed"
    );

    let (series, sample) = admitted(&timed("paris-1", r#""time": "2026-03-01T11:00:00+03:00""#));
    assert_eq!((sample.device_time, sample.flags), (ms("2026-03-01T08:00:00Z"), Flags::default()));
    assert_eq!(series.meta.zone, None);
}

#[test]
fn semantics_7_the_roster_is_asked_for_the_zone_of_what_the_stamp_says() {
    let asked = std::cell::RefCell::new(Vec::new());
    let zone = |_: &DeviceId, civil_ms: i64| {
        asked.borrow_mut().push(civil_ms);
        Zone::parse("Asia/Tokyo").ok()
    };
    with_envelope(Limits::default(), |envelope| {
        for time in [r#""time": "2026-03-01T11:00:05.250""#, r#""time": "2026-02-28""#] {
            let payload = timed("watch-1", time);
            let envelope = Envelope { device_zone: &zone, ..*envelope };
            assert_eq!(judge_bytes(payload.as_bytes(), Format::Json, &envelope).unwrap().admitted, 1, "{time}");
        }
    });
    assert_eq!(asked.into_inner(), [ms("2026-03-01T11:00:05.250Z"), ms("2026-02-28T00:00:00Z")]);
}

#[test]
fn a_date_spans_its_local_day_however_many_hours_that_has() {
    let day = |date: &str| {
        let (_, sample) = admitted(&timed("paris-1", &format!(r#""time": "{date}""#)));
        assert!(sample.flags.has(Flags::DATE_ONLY));
        (sample.device_time, sample.end.unwrap())
    };
    assert_eq!(day("2026-03-01"), (ms("2026-02-28T23:00:00Z"), ms("2026-03-01T23:00:00Z")));
    let (start, end) = day("2025-03-30");
    assert_eq!(end - start, 23 * HOUR_MS);
    assert_eq!(code(&timed("watch-1", r#""time": "2026-03-01""#)), "time_missing");
    assert_eq!(code(&timed("paris-1", r#""time": "2026-02-30""#)), "decode_failed");
    assert_eq!(code(&timed("paris-1", r#""time": "2026-02-20", "end_time": "2026-02-21T00:00:00Z""#)), "decode_failed");
}

#[test]
fn a_reading_says_its_time_once() {
    assert_eq!(code(&timed("w", r#""unit": "{score}""#)), "time_missing");
    assert_eq!(code(&timed("w", r#""time": "yesterday""#)), "decode_failed");
    assert_eq!(code(&timed("w", r#""time": "2026-03-01T11:00:00Z", "time_ms": 5"#)), "decode_failed");
    assert_eq!(code(&timed("w", r#""time_ms": 5, "age_ms": 5"#)), "decode_failed");
}

#[test]
fn an_end_before_the_start_is_quarantined() {
    let until = |end: &str| timed("w", &format!(r#""time": "2026-03-01T11:00:00Z", "end_time": "{end}""#));
    assert_eq!(code(&until("2026-03-01T10:59:59Z")), "end_before_start");
    assert_eq!(admitted(&until("2026-03-01T11:00:00Z")).1.end, Some(ms("2026-03-01T11:00:00Z")));
    assert_eq!(code(&until("2026-03-03T11:00:00Z")), "time_in_future");
    assert_eq!(code(&until("2026-03-01")), "decode_failed");
}

#[test]
fn an_unreadable_sent_at_harms_only_the_readings_that_count_from_it() {
    let by_age = r#"{"device": "w", "measure": "mood", "value": 1, "age_ms": 60000, "boot_id": 1, "seq": 2}"#;
    let by_time = timed("w", r#""time": "2026-03-01T11:00:00Z""#);
    let batch = |sent_at: &str| judge(&format!(r#"{{"sent_at": "{sent_at}", "readings": [{by_age}, {by_time}]}}"#));
    let submission = batch("noonish");
    assert_eq!((submission.admitted, submission.quarantined), (1, 1));
    assert_eq!(submission.problems[0].code.as_str(), "time_missing");
    assert_eq!(submission.batch.sent_at_ms, None);
    let submission = batch("2026-03-01T11:30:00Z");
    assert_eq!(submission.admitted, 2);
    assert_eq!(entries(&submission)[0].series.samples[0].device_time, ms("2026-03-01T11:29:00Z"));
    assert_eq!(submission.batch.sent_at_ms, Some(ms("2026-03-01T11:30:00Z")));
}

const TEN_YEARS: i64 = 3_650 * DAY_MS;

/// Judged as received at noon, with the clock of every device known to be `ahead_ms` ahead.
fn judged_by(ahead_ms: i64, json: &str) -> Submission {
    with_envelope(Limits::default(), |envelope| {
        let known = ClockOffset { ahead_ms, boot_id: None };
        let clocks: &dyn Fn(&DeviceId) -> Option<ClockOffset> = &|_| Some(known);
        judge_bytes(json.as_bytes(), Format::Json, &Envelope { device_clock: clocks, ..*envelope }).unwrap()
    })
}

#[test]
fn semantics_7_a_known_offset_is_taken_out_of_the_event_time_and_never_of_the_claim() {
    for ahead in [2 * HOUR_MS, TEN_YEARS, -2 * HOUR_MS, ms("1970-01-01T00:10:00Z") - ms(NOON)] {
        let [entry] = entries(&judged_by(ahead, &off_by(ahead))).try_into().unwrap();
        let sample = &entry.series.samples[0];
        assert_eq!((sample.time, sample.device_time), (EventTime(ms(NOON)), ms(NOON) + ahead));
        assert_eq!(sample.flags, Flags::CLOCK_CORRECTED);
        let claimed = entry.series.reading_id(&painwatch_domain::TenantId::default(), sample);
        let mut raw = sample.clone();
        raw.time = EventTime(0);
        assert_eq!(claimed, entry.series.reading_id(&painwatch_domain::TenantId::default(), &raw));
    }
}

#[test]
fn semantics_7_a_packed_series_is_corrected_as_a_whole_or_not_at_all() {
    let series = |start: i64| {
        format!(
            r#"{{"device": "w", "measure": "heart_rate", "time_ms": {start}, "period_ms": 600000, "values": [70, 71, 72, 73], "unit": "bpm"}}"#
        )
    };
    let times = |ahead: i64, start: i64| {
        let submission = judged_by(ahead, &series(start));
        let [entry] = entries(&submission).try_into().unwrap();
        entry.series.samples.iter().map(|sample| (sample.time.0 - ms(NOON)) / MINUTE_MS).collect::<Vec<_>>()
    };
    let start = ms(NOON) - 30 * MINUTE_MS;
    assert_eq!(times(20 * MINUTE_MS, start + 20 * MINUTE_MS), [-30, -20, -10, 0]);
    assert_eq!(times(20 * MINUTE_MS, start), [-30, -20, -10, 0], "its clock was set right: what is fresh stays");
}

#[test]
fn past_failure_34_an_offset_that_does_not_explain_a_claim_changes_nothing() {
    for claim in [TEN_YEARS, -TEN_YEARS, 3 * HOUR_MS, -1_000] {
        let alone = judge(&off_by(claim));
        let known = judged_by(2 * HOUR_MS, &off_by(claim));
        let corrected = entries(&known).iter().any(|entry| entry.series.samples[0].flags.has(Flags::CLOCK_CORRECTED));
        let explained = claim == -TEN_YEARS;
        assert_eq!((alone == known, corrected), (!explained, explained), "{claim}");
    }
}

#[test]
fn semantics_7_what_a_wrong_clock_keeps_back_says_what_it_claimed() {
    let submission = judge(&off_by(TEN_YEARS));
    assert_eq!(submission.batch.quarantined[0].device_time_ms, Some(ms(NOON) + TEN_YEARS));
    assert_eq!(
        judge(&reading("heart_rate", r#""value": 412, "unit": "bpm""#)).batch.quarantined[0].device_time_ms,
        None
    );
}

#[test]
fn semantics_1_kept_bytes_are_judged_again_as_they_came() {
    let one = off_by(TEN_YEARS);
    let by_age = r#"{"device": "w", "measure": "heart_rate", "value": 412, "unit": "bpm", "age_ms": 60000, "boot_id": 1, "seq": 2}"#;
    let batch = format!(
        r#"{{"batch_id": "b-7", "mode": "historical", "sent_at": "2026-03-01T11:30:00Z", "readings": [{one}, {by_age}]}}"#
    );
    let first = judge(&batch);
    assert_eq!((first.admitted, first.quarantined), (0, 2));
    let again = |nth: usize, ahead_ms: i64| {
        with_envelope(Limits::default(), |envelope| {
            let kept = Kept {
                payload: &first.batch.quarantined[nth].payload,
                format: Format::Json,
                batch_id: &first.batch.batch_id,
                sent_at: first.batch.sent_at_ms,
                historical: first.batch.historical,
            };
            let clocks: &dyn Fn(&DeviceId) -> Option<ClockOffset> = &|_| Some(ClockOffset { ahead_ms, boot_id: None });
            judge_again(&kept, &Envelope { device_clock: clocks, ..*envelope }).unwrap()
        })
    };
    let mended = again(0, TEN_YEARS);
    assert_eq!((mended.admitted, mended.quarantined), (1, 0));
    let header = (mended.batch.batch_id.as_str(), mended.batch.historical, mended.batch.sent_at_ms);
    assert_eq!(header, ("b-7", true, Some(ms("2026-03-01T11:30:00Z"))));
    assert_eq!(mended.batch.received_at_ms, ms(NOON));
    let refused = again(1, TEN_YEARS);
    assert_eq!((refused.admitted, refused.problems[0].code.as_str()), (0, "value_out_of_range"));
}
