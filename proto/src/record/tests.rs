use painwatch_domain::reading::{Dose, DoseEvent};
use painwatch_domain::{
    AlertKind, BatchVerdict, Class, Episode, EventTime, Finding, FindingKind, Flags, Hash128, JournalTime,
    MedicationId, Meta, Offset, PatientId, Priority, Problem, ProblemCode, RuleDomain, RuleId, Sample, Shape, Status,
    TenantId, Value,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message as _;

use super::*;

fn text() -> impl Strategy<Value = Box<str>> {
    "[a-zA-Z0-9 éß/_-]{1,12}".prop_map(|text| text.into_boxed_str())
}

fn meta(measure: Measure) -> impl Strategy<Value = Meta> {
    let words = vec(option::of(text()), 9);
    let status = select(vec![Status::Final, Status::Corrected, Status::EnteredInError]);
    let dose = ("[a-z0-9-]{1,20}", select(DoseEvent::ALL.to_vec()), option::of(any::<i64>()));
    let numbers = (option::of(any::<bool>()), any::<i64>(), option::of(any::<u32>()), option::of(any::<u64>()));
    (words, status, numbers, dose).prop_map(move |(mut words, status, (prompted, revision, boot_id, seq), dose)| {
        let mut word = || words.pop().flatten();
        let (medication, event, scheduled_for) = dose;
        let medication = MedicationId::parse(&medication).unwrap();
        let dose = Dose { medication, event, scheduled_for: scheduled_for.map(EventTime) };
        Meta {
            body_site: word(),
            laterality: word(),
            modality: word(),
            recall: word(),
            instrument: word(),
            algorithm: word(),
            posture: word(),
            id: word(),
            zone: word(),
            prompted,
            status,
            revision,
            boot_id,
            seq,
            dose: (measure.spec().shape == Shape::Dose).then_some(dose),
        }
    })
}

fn value(measure: Measure) -> BoxedStrategy<Value> {
    match measure.spec().shape {
        Shape::Spot | Shape::Interval => any::<i64>().prop_map(Value::Number).boxed(),
        Shape::Panel => {
            any::<(i64, i64)>().prop_map(|(systolic, diastolic)| Value::Pressure { systolic, diastolic }).boxed()
        }
        Shape::Code => text().prop_map(Value::Code).boxed(),
        Shape::Dose => (option::of(any::<i64>()), option::of(text()))
            .prop_map(|(amount, unit)| Value::Dose { amount, unit: unit.unwrap_or_default() })
            .boxed(),
    }
}

fn sample(measure: Measure) -> impl Strategy<Value = Sample> {
    (any::<i64>(), any::<i64>(), option::of(0..i64::MAX), value(measure), any::<u16>()).prop_map(
        |(time, device_time, lasted, value, flags)| Sample {
            time: EventTime(time),
            device_time,
            end: lasted.map(|lasted| device_time.wrapping_add(lasted)),
            value,
            flags: Flags(flags),
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    select(Measure::ALL).prop_flat_map(|measure| {
        let samples = vec(sample(measure), 1..12);
        (any::<u32>(), meta(measure), samples, 0..3u32).prop_map(move |(index, meta, samples, stride)| {
            let positions =
                if stride == 0 { Vec::new() } else { (0u32..).map(|n| n * stride).take(samples.len()).collect() };
            let device = DeviceId::parse("watch-0001").unwrap();
            Entry { index, series: Series { device, measure, meta, samples }, positions }
        })
    })
}

fn finding() -> impl Strategy<Value = Finding> {
    let words = (
        select(vec![FindingKind::Opened, FindingKind::Changed, FindingKind::Cleared, FindingKind::Retracted]),
        select(AlertKind::ALL.to_vec()),
        select(RuleDomain::ALL.to_vec()),
        select(Priority::ALL.to_vec()),
    );
    let times = (any::<i64>(), any::<i64>(), option::of(any::<i64>()), any::<i64>());
    let ids = (any::<[u8; 16]>(), vec(any::<[u8; 16]>(), 0..4), option::of("[a-z0-9-]{1,20}"), "[a-z0-9-]{1,20}");
    (words, times, ids, vec(".{0,20}", 4), any::<[bool; 3]>()).prop_map(
        |(
            (kind, alert_kind, domain, peak),
            (start, held, end, at),
            (alert, evidence, patient, rule),
            mut texts,
            marks,
        )| {
            let mut text = || texts.pop().unwrap_or_default();
            Finding {
                kind,
                alert_id: Hash128(alert),
                tenant: TenantId::default(),
                patient: patient.map(|id| PatientId::parse(&id).unwrap()),
                rule: RuleId::parse(&rule).unwrap(),
                rule_version: text(),
                title: text(),
                action: text(),
                alert_kind,
                domain,
                episode: Episode {
                    start: EventTime(start),
                    last_held: EventTime(held),
                    end: end.map(EventTime),
                    peak,
                    evidence: evidence.into_iter().map(Hash128).collect(),
                    why: text(),
                },
                detected_at: JournalTime(at),
                retrospective: marks[0],
                historical: marks[1],
                shadow: marks[2],
            }
        },
    )
}

fn problem() -> impl Strategy<Value = Problem> {
    let words = (select(Class::ALL.to_vec()), select(ProblemCode::ALL.to_vec()));
    (any::<u32>(), option::of(any::<u32>()), words, ".{0,20}", option::of("q-[0-9a-f]{16}")).prop_map(
        |(index, sample, (result, code), detail, quarantine_id)| Problem {
            index,
            sample,
            result,
            code,
            detail,
            quarantine_id,
        },
    )
}

proptest! {
    #[test]
    fn series_come_back_from_their_bytes_as_they_were(entries in vec(entry(), 0..6)) {
        let bytes = encode_series(&entries).encode_to_vec();
        let message = pb::DeviceReadings::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(decode_series(&DeviceId::parse("watch-0001").unwrap(), &message).unwrap(), entries);
    }

    #[test]
    fn findings_come_back_from_their_bytes_as_they_were(finding in finding()) {
        let bytes = encode_finding(&finding).encode_to_vec();
        let message = pb::Finding::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(decode_finding(&TenantId::default(), &message).unwrap(), finding);
    }

    #[test]
    fn verdicts_come_back_from_their_bytes_as_they_were(
        counts in any::<[u64; 5]>(), batch_id in ".{0,20}", problems in vec(problem(), 0..5),
    ) {
        let [cause, stored, duplicate, conflict, quarantined] = counts;
        let verdict = BatchVerdict { cause: Offset(cause), batch_id, stored, duplicate, conflict, quarantined, problems };
        let message = pb::Verdict::decode(encode_verdict(&verdict).encode_to_vec().as_slice()).unwrap();
        prop_assert_eq!(decode_verdict(&message).unwrap(), verdict);
    }

    #[test]
    fn bytes_that_nobody_wrote_are_an_error_and_never_a_panic(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(message) = pb::DeviceReadings::decode(bytes.as_slice()) {
            let _ = decode_series(&DeviceId::parse("watch-0001").unwrap(), &message);
        }
    }
}

fn heart_rates(count: i64) -> Entry {
    let sample = |nth: i64| Sample {
        time: EventTime(1_772_000_000_000 + nth * 5_000),
        device_time: 1_772_000_000_000 + nth * 5_000,
        end: None,
        value: Value::Number((60 + nth * 7 % 40) * 1_000),
        flags: Flags::default(),
    };
    let device = DeviceId::parse("watch-0001").unwrap();
    let samples: Vec<Sample> = (0..count).map(sample).collect();
    let positions = (0u32..).take(samples.len()).collect();
    let series = Series { device, measure: Measure::HeartRate, meta: Meta::default(), samples };
    Entry { index: 0, series, positions }
}

#[test]
fn a_steady_packed_series_takes_at_most_six_bytes_a_sample() {
    let bytes = encode_series(&[heart_rates(720)]).encode_to_vec();
    assert!(bytes.len() <= 720 * 6, "{} bytes", bytes.len());
}

#[test]
fn damage_is_named() {
    let device = DeviceId::parse("watch-0001").unwrap();
    let damaged = |damage: fn(&mut pb::Series)| {
        let mut message = encode_series(&[heart_rates(3)]);
        damage(&mut message.series[0]);
        decode_series(&device, &message).unwrap_err()
    };
    let column = |column, found| RecordError::ColumnLength { measure: "heart_rate", column, found, samples: 3 };
    assert_eq!(damaged(|series| series.number.truncate(2)), column("number", 2));
    assert_eq!(damaged(|series| series.flags = vec![1]), column("flags", 1));
    assert_eq!(damaged(|series| series.position = vec![1]), column("position", 1));
    assert_eq!(damaged(|series| series.measure = "aura".into()), RecordError::UnknownMeasure("aura".into()));
    let negative = RecordError::OutOfRange { field: "duration_ms", found: -2 };
    assert_eq!(damaged(|series| series.duration_ms = vec![-2, 0, 0]), negative);
    assert_eq!(
        damaged(|series| series.flags = vec![0, 0, 1 << 16]),
        RecordError::OutOfRange { field: "flags", found: 1 << 16 }
    );
}

#[test]
fn a_reading_submitted_alone_has_no_sample_and_a_packed_one_has() {
    let device = DeviceId::parse("watch-0001").unwrap();
    let mut entry = heart_rates(1);
    let decoded = decode_series(&device, &encode_series(&[entry.clone()])).unwrap();
    assert_eq!(decoded[0].sample(0), Some(0));
    entry.positions.clear();
    let decoded = decode_series(&device, &encode_series(&[entry])).unwrap();
    assert_eq!(decoded[0].sample(0), None);
}
