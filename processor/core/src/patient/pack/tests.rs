use painwatch_domain::time::DAY_MS;
use proptest::prelude::*;

use super::*;
use crate::metrics::numbers::Number;
use crate::patient::by_metric::ByMetric;
use crate::patient::daily::Derived;
use crate::patient::day::{DailyValue, evidence};
use crate::patient::past::{FINGERPRINT, MissedDose, OpioidDose, Told, fingerprint};

/// Numbers as metrics have them, and every other one.
fn number(n: u32) -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        3 => Just(None),
        5 => (-20_000_i64..20_000).prop_map(|x| Some(x as f64)),
        3 => (-200_000_i64..200_000).prop_map(|x| Some(x as f64 / 1000.0)),
        3 => (0_i64..4_000).prop_map(move |x| Some(x as f64 / f64::from(n))),
        2 => (0_i64..100).prop_map(move |x| Some(100.0 * x as f64 / f64::from(n))),
        2 => any::<f64>().prop_map(Some),
        1 => prop::sample::select(vec![0.0, -0.0, f64::MAX, f64::MIN_POSITIVE, 1e300, 4_503_599_627_370_497.5]).prop_map(Some),
    ]
}

fn value(day: i32) -> impl Strategy<Value = DailyValue> {
    let end = i64::from(day + 1) * DAY_MS;
    let text = |of: &'static [&'static str]| prop::sample::select(of).prop_map(str::to_owned);
    let n = prop_oneof![Just(3_u32), 0_u32..5, any::<u32>()];
    let ids = prop_oneof![4 => Just(0_u8), 2 => 1_u8..4, 1 => Just(255)];
    let held_at = prop_oneof![5 => Just(end), 2 => end - DAY_MS..end, 1 => any::<i64>()];
    let coverage = prop_oneof![
        Just(None),
        (0..=DAY_MS).prop_map(|ms| Some(ms as f64 / DAY_MS as f64)),
        any::<f64>().prop_map(Some)
    ];
    n.prop_flat_map(move |n| (Just(n), number(n))).prop_flat_map(move |(n, value)| {
        let texts = (text(&["", "insufficient", "not_worn"]), text(&["", "sources_overlap", "p=0.0123", "ø"]));
        (texts, held_at.clone(), ids.clone(), coverage.clone(), any::<[bool; 2]>()).prop_map(
            move |((reason, quality), held_at, ids, coverage, [historical, verify])| {
                let evidence = match ids {
                    255 => vec![evidence::forgotten(Number::parse(3).unwrap(), day)],
                    ids => (0..ids).map(|nth| [nth; 16]).collect(),
                };
                DailyValue { value, n, reason, coverage, quality, held_at, evidence, historical, verify }
            },
        )
    })
}

fn past() -> impl Strategy<Value = Past> {
    let day = prop_oneof![4 => 20_600..20_640_i32, 1 => 20_000..21_000, 1 => Just(-3)];
    let metric = prop_oneof![4 => 0_u64..5, 1 => 0_u64..150].prop_map(|number| Number::parse(number).unwrap());
    let values =
        prop::collection::vec((day, metric).prop_flat_map(|(day, metric)| (Just((day, metric)), value(day))), 0..80);
    let told = prop::collection::vec((0..5_u8, any::<u64>(), 0..4_i64, 0..9_u8), 80);
    let doses = prop::collection::vec((20_600..20_630_i32, 0..3_i64, any::<bool>(), 0..DAY_MS), 0..30);
    (values, told, doses).prop_map(|(values, told, doses)| {
        let mut past = Past::default();
        for (((day, metric), value), told) in values.into_iter().zip(told) {
            past.told.entry(day).or_default().put(metric, told_of(day, &value, told));
            // Some of what was told is not kept.
            if told.3 > 2 {
                past.days.entry(day).or_default().put(metric, value);
            }
        }
        for (day, which, missed, minute) in doses {
            let medication = ["morphine-er-15mg", "oxycodone-5mg", "x"][which as usize].to_owned();
            let scheduled = i64::from(day) * DAY_MS + if missed { minute } else { which };
            let of_day = past.missed.entry(day).or_default().entry(medication.clone()).or_default();
            of_day.push(MissedDose { scheduled, missed });
            let (release, event) = ("ir".to_owned(), "taken".to_owned());
            past.opioids.entry(day).or_default().push(OpioidDose { medication, release, time: scheduled, event });
        }
        past
    })
}

fn told_of(day: i32, value: &DailyValue, (kind, bits, revision, other): (u8, u64, i64, u8)) -> Told {
    let derived = Derived { value: value.clone(), baseline: None, deviation: None };
    let fingerprint = match kind {
        0 => bits & FINGERPRINT,
        1 => 7,
        kind => fingerprint(&derived, kind == 2),
    };
    let start = i64::from(day) * DAY_MS;
    let window = if other == 8 { (start - 5, start + DAY_MS / 2) } else { (start, start + DAY_MS) };
    Told { fingerprint, revision, window }
}

fn as_bits(past: &Past) -> Vec<(i32, Number, [Option<u64>; 2], DailyValue)> {
    let of_day = |(day, values): (&i32, &ByMetric<DailyValue>)| {
        let bits = |value: &DailyValue| [value.value, value.coverage].map(|x| x.map(f64::to_bits));
        let plain = |value: &DailyValue| DailyValue { value: None, coverage: None, ..value.clone() };
        values.numbered().map(|(number, value)| (*day, number, bits(value), plain(value))).collect::<Vec<_>>()
    };
    past.days.iter().flat_map(of_day).collect()
}

proptest! {
    #[test]
    fn what_was_packed_is_unpacked_bit_for_bit(past in past()) {
        let packed = Packed::of(&past);
        let again = packed.unpack().unwrap();
        prop_assert_eq!(as_bits(&again), as_bits(&past));
        prop_assert_eq!((&again.told, &again.opioids, &again.missed), (&past.told, &past.opioids, &past.missed));
        prop_assert_eq!(Packed::of(&again), packed);
    }

    #[test]
    fn damage_that_the_checksum_does_not_see_is_an_error_or_another_past_and_never_more(
        past in past(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut bytes = Packed::of(&past).into_bytes();
        let at = at.index(bytes.len() - HEAD) + HEAD;
        bytes[at] = byte;
        let sum = crc32c::crc32c(&bytes[HEAD..]).to_le_bytes();
        bytes[1..HEAD].copy_from_slice(&sum);
        let _ = Packed::parse(bytes).unwrap().unpack();
    }
}

#[test]
fn nothing_at_all_is_a_past_in_which_nothing_happened() {
    assert_eq!(Packed::default().unpack().unwrap(), Past::default());
    assert_eq!(Packed::parse(Packed::default().into_bytes()).unwrap().unpack().unwrap(), Past::default());
    assert!(Packed::parse(Vec::new()).is_err());
}

#[test]
fn a_month_of_a_metric_that_never_changes_takes_no_more_than_its_head() {
    let value = |day: i32| DailyValue {
        value: Some(30.0),
        n: 1,
        held_at: i64::from(day + 1) * DAY_MS,
        evidence: Vec::new(),
        ..DailyValue::default()
    };
    let metric = Number::of("medication_event.mme_prescribed").unwrap();
    let of_days = |days: std::ops::Range<i32>| {
        let mut past = Past::default();
        for day in days {
            past.days.entry(day).or_default().put(metric, value(day));
            let told = told_of(day, &value(day), (2, 0, 0, 0));
            past.told.entry(day).or_default().put(metric, told);
        }
        Packed::of(&past).into_bytes().len()
    };
    assert!(of_days(20_000..20_060) <= of_days(20_000..20_002) + 4);
}

#[test]
fn a_mark_is_no_id_and_says_what_to_compute_again() {
    let metric = Number::of("news2.band").unwrap();
    assert_eq!(evidence::is_forgotten(&evidence::forgotten(metric, -7)), Some((metric, -7)));
    assert_eq!(evidence::is_forgotten(&[0xfe; 16]), None);
}
