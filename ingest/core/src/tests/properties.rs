use painwatch_proto::ingest::v1::{Components, Reading, ReadingBatch};
use painwatch_proto::json::{batch_to_json, reading_to_json};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// Readings as devices send them: mostly right, wrong in every way we have a code for.
fn reading() -> impl Strategy<Value = Reading> {
    let measures =
        vec!["heart_rate", "step_count", "blood_pressure", "acvpu", "medication_event", "pain_nrs", "aura", ""];
    let units = vec!["/min", "bpm", "{steps}", "mmHg", "", "furlong", "kg", "{tablet}"];
    let times = vec![
        "2026-03-01T11:00:00Z",
        "2026-03-01T11:00:00",
        "2026-03-01",
        "2026-03-02T11:00:00Z",
        "1999-01-01",
        "never",
        "",
    ];
    let number =
        || prop_oneof![4 => (0..3000i32).prop_map(|n| f64::from(n) / 8.0), 1 => Just(f64::NAN), 1 => any::<f64>()];
    let values = prop_oneof![2 => Just(Vec::new()), 1 => vec(number(), 1..6)];
    let words = (select(vec!["watch-1", "paris-1", "w 1"]), select(measures), select(units), select(times));
    let pressure = option::weighted(0.2, (number(), number()));
    let ages = (option::weighted(0.1, -5..100_000i64), option::of(0..3u32), option::of(0..3u64));
    let extras = (option::weighted(0.2, 0..9_000_000i64), select(vec!["", "A", "zz"]), select(vec!["", "taken"]), ages);
    (words, option::weighted(0.8, number()), values, pressure, extras).prop_map(
        |((device, measure, unit, time), value, values, pressure, (lasts, code, event, (age_ms, boot_id, seq)))| {
            Reading {
                device: device.into(),
                measure: measure.into(),
                unit: unit.into(),
                time: time.into(),
                end_time_ms: lasts.map(|lasts| ms(NOON) - 4_000_000 + lasts),
                value: if values.is_empty() { value } else { None },
                period_ms: (!values.is_empty()).then_some(60_000),
                values,
                components: pressure.map(|(systolic, diastolic)| Components { systolic, diastolic }),
                code: code.into(),
                event: event.into(),
                medication: event.into(),
                age_ms,
                boot_id,
                seq,
                ..Reading::default()
            }
        },
    )
}

fn batch() -> impl Strategy<Value = ReadingBatch> {
    vec(reading(), 0..8).prop_map(|readings| ReadingBatch { batch_id: "b".into(), readings, ..ReadingBatch::default() })
}

fn bytes(batch: &ReadingBatch, format: Format) -> Vec<u8> {
    match format {
        Format::Protobuf => batch.encode_to_vec(),
        // The others are not what a batch is written in; as their input it is as wrong as any.
        _ => batch_to_json(batch).into_bytes(),
    }
}

/// Readings an entry claims to hold, counted without judging it: refused as a whole it is never none.
fn claimed(reading: &Reading, judged: u64) -> u64 {
    match reading.values.iter().filter(|value| !value.is_nan()).count() as u64 {
        0 if reading.values.is_empty() => 1,
        0 => judged.min(1),
        samples => samples,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_decoder_panic_or_unbalance_the_books(payload in vec(any::<u8>(), 0..300)) {
        for format in Format::ALL {
            let _ = try_judge(&payload, format);
        }
    }

    #[test]
    fn damaged_payloads_are_judged_and_balance(
        batch in batch(), format in select(Format::ALL.to_vec()),
        damage in vec((any::<Index>(), any::<u8>()), 1..4), cut in option::of(any::<Index>()),
    ) {
        let mut payload = bytes(&batch, format);
        if payload.is_empty() {
            return Ok(());
        }
        for (place, byte) in damage {
            let place = place.index(payload.len());
            payload[place] = byte;
        }
        if let Some(cut) = cut {
            payload.truncate(cut.index(payload.len()));
        }
        let _ = try_judge(&payload, format);
    }

    #[test]
    fn semantics_1_every_submitted_reading_is_counted_exactly_once(batch in batch()) {
        let submission = try_judge(&bytes(&batch, Format::Protobuf), Format::Protobuf).unwrap();
        let mut of_entry = vec![0u64; batch.readings.len()];
        for entry in entries(&submission) {
            of_entry[entry.index as usize] += entry.series.samples.len() as u64;
        }
        for item in &submission.batch.quarantined {
            of_entry[item.index as usize] += item.count;
        }
        for (reading, judged) in batch.readings.iter().zip(of_entry) {
            prop_assert_eq!(judged, claimed(reading, judged), "{:?}", reading);
        }
    }

    #[test]
    fn semantics_3_a_reading_is_judged_alike_alone_and_among_others(batch in batch()) {
        let together = judge(&batch_to_json(&batch));
        for (index, reading) in (0u32..).zip(&batch.readings) {
            let alone = judge(&reading_to_json(reading));
            let beside: Vec<_> = entries(&together).into_iter().filter(|entry| entry.index == index).collect();
            let same: Vec<_> = entries(&alone).into_iter().map(|entry| Entry { index, ..entry }).collect();
            prop_assert_eq!(beside, same);
            let problems = |submission: &Submission, of: u32| -> Vec<_> {
                let own = submission.problems.iter().filter(|problem| problem.index == of);
                own.map(|problem| (problem.sample, problem.code, problem.detail.clone())).collect()
            };
            prop_assert_eq!(problems(&together, index), problems(&alone, 0));
        }
    }

    #[test]
    fn both_doors_for_messages_judge_alike(batch in batch()) {
        let payload = bytes(&batch, Format::Protobuf);
        let decoded = with_envelope(Limits::default(), |envelope| judge_batch(&batch, Some(&payload), envelope));
        // An empty message has no bytes, and no bytes are no message.
        if !payload.is_empty() {
            prop_assert_eq!(try_judge(&payload, Format::Protobuf), decoded);
        }
    }

    #[test]
    fn no_stamp_date_or_zone_makes_the_clocks_panic(
        time in "[0-9]{4}-[01][0-9]-[0-3][0-9](T[0-2][0-9]:[0-5][0-9](:[0-6][0-9](\\.[0-9]{1,9})?)?)?(Z|[+-][0-9]{2}:[0-9]{2})?",
        zone in select(vec!["", "Europe/Paris", "Pacific/Apia", "America/Sao_Paulo", "../etc", "UTC"]),
        end in option::of(any::<i64>()),
    ) {
        let reading = Reading {
            device: "w".into(), measure: "mood".into(), value: Some(1.0), time, zone: zone.into(), end_time_ms: end,
            ..Reading::default()
        };
        prop_assert_eq!(judge(&reading_to_json(&reading)).submitted(), 1);
    }
}
