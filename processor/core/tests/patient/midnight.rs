//! What begins before midnight and is told by what follows it (clinical catalogue A2, A3, A6).

use std::sync::Arc;

use crate::ward::{Ward, dose, number, person, prescribed, reading, wears};
use painwatch_domain::time::{DAY_MS, MINUTE_MS};
use painwatch_domain::{FindingKind, Measure, Meta, Priority, Roster, Value};
use painwatch_processor_core::intake::EffectiveReading;

/// 2026-06-10T00:00Z, and the midnight that ends the day.
const DAY: i64 = 20_614 * DAY_MS;
const MIDNIGHT: i64 = DAY + DAY_MS;
const OPENED: [FindingKind; 1] = [FindingKind::Opened];
const RATE: Measure = Measure::RespiratoryRate;
const SPO2: Measure = Measure::OxygenSaturation;

fn clinic() -> Roster {
    let mut roster = Roster::default();
    let ann = person("ann", &["opioid-safety", "fluid"]);
    roster.patients.insert(ann.id.clone(), ann);
    for device in ["phone", "watch", "cuff"] {
        wears(&mut roster, "ann", device, &[]);
    }
    roster
}

/// Minutes from midnight, before it as well.
const fn at(minutes: i64) -> i64 {
    MIDNIGHT + minutes * MINUTE_MS
}

fn each_minute(measure: Measure, minutes: std::ops::RangeInclusive<i64>, value: f64) -> Vec<EffectiveReading> {
    minutes.map(|minute| number("watch", measure, at(minute), value)).collect()
}

fn poss(level: &str, minute: i64) -> EffectiveReading {
    reading("phone", Measure::Poss, at(minute), Value::Code(level.into()))
}

/// As they come, until `until`.
fn ward_of(mut readings: Vec<EffectiveReading>, until: i64) -> Ward {
    readings.sort_by_key(|one| one.time);
    let mut ward = Ward::new(clinic(), None, DAY);
    readings.into_iter().for_each(|one| {
        let time = one.time.0;
        ward.send(one, time);
    });
    ward.tick(until);
    ward
}

/// On both days, from the day after the next on: whatever came first, or days too late, the values are these.
fn on_both_days(readings: &[EffectiveReading], metric: &str) -> [Option<f64>; 2] {
    let (end, values) = (at(3 * 24 * 60), |ward: &Ward| [DAY, MIDNIGHT].map(|day| ward.value(metric, day)));
    let told = values(&ward_of(readings.to_vec(), end));
    for before_midnight_first in [true, false] {
        let mut late = readings.to_vec();
        late.sort_by_key(|one| ((one.time.0 < MIDNIGHT) != before_midnight_first, std::cmp::Reverse(one.time)));
        let mut ward = Ward::new(clinic(), None, DAY);
        for (nth, one) in late.into_iter().enumerate() {
            ward.send(one, at(24 * 60) + nth as i64 * 20 * MINUTE_MS);
        }
        ward.tick(end);
        assert_eq!(values(&ward), told, "{metric} {before_midnight_first}");
    }
    told
}

fn held_at(ward: &Ward, metric: &str) -> Option<i64> {
    let row = ward.metrics.get(&(metric.to_owned(), MIDNIGHT));
    row.map(|row| (row.told.value.held_at - MIDNIGHT) / MINUTE_MS)
}

fn peak(ward: &Ward, rule: &str) -> Option<Priority> {
    ward.findings.iter().rev().find(|finding| finding.rule.as_str() == rule).map(|finding| finding.episode.peak)
}

/// POSS 3 at 23:40, rate 5 from 0:10 to 0:20.
#[test]
fn sedation_before_midnight_and_breathing_impaired_after_it_are_one_emergency_of_the_new_day() {
    let readings = [vec![poss("3", -20)], each_minute(RATE, 10..=20, 5.0)].concat();
    let ward = ward_of(readings.clone(), at(21));
    for (rule, metric) in [
        ("sedated-with-impaired-breathing", "oivi.sedated"),
        ("sedation-with-shallow-breathing", "poss.with_depression"),
    ] {
        assert_eq!((ward.told(rule), peak(&ward, rule)), (OPENED.to_vec(), Some(Priority::High)), "{rule}");
        assert_eq!((ward.value(metric, MIDNIGHT), held_at(&ward, metric)), (Some(1.0), Some(10)), "{metric}");
        assert_eq!(on_both_days(&readings, metric), [Some(0.0), Some(1.0)]);
    }
    assert_eq!(ward.value("poss.worst", MIDNIGHT), None, "nobody was asked on the new day");
    let hour_before = [vec![poss("3", -51)], each_minute(RATE, 10..=20, 5.0)].concat();
    assert_eq!(on_both_days(&hour_before, "oivi.sedated"), [Some(0.0), None], "61 min apart");
    let awake = [vec![poss("2", -20)], each_minute(RATE, 10..=20, 5.0)].concat();
    assert_eq!(on_both_days(&awake, "oivi.sedated"), [Some(0.0), None]);
}

/// The report of 23:40 is uploaded at half past midnight.
#[test]
fn a_report_of_sedation_that_comes_after_midnight_is_judged_with_the_new_day_at_once() {
    let mut ward = ward_of(each_minute(RATE, 10..=20, 5.0), at(30));
    assert_eq!(ward.told("sedated-with-impaired-breathing"), []);
    ward.send(poss("3", -20), at(30));
    ward.tick(at(31));
    assert_eq!(ward.told("sedated-with-impaired-breathing"), OPENED);
}

/// Saturation 84 from 23:58 to 0:10: three minutes of it are not over before midnight.
#[test]
fn an_episode_that_is_one_only_after_midnight_is_of_the_new_day() {
    let impaired = each_minute(SPO2, -2..=10, 84.0);
    let sedated = [vec![poss("3", -20)], impaired.clone()].concat();
    assert_eq!(on_both_days(&sedated, "oivi.sedated"), [Some(0.0), Some(1.0)]);
    let mut roster = clinic();
    prescribed(&mut roster, "ann", DAY - 30 * DAY_MS, &[0, 240, 480, 720, 960, 1200]);
    let mut ward = Ward::new(roster, None, DAY);
    for one in [vec![dose("phone", at(-120)), dose("phone", at(-60))], impaired].concat() {
        let time = one.time.0;
        ward.send(one, time);
    }
    ward.tick(at(20));
    assert_eq!(ward.told("opioid-too-soon-with-impaired-breathing"), OPENED);
}

/// Rate 10 and saturation 92 from 22:50 to 23:05, POSS 3 at 0:01.
#[test]
fn slow_breathing_before_eleven_is_whole_for_a_report_of_the_hour_after_it() {
    let readings = [each_minute(RATE, -70..=-55, 10.0), each_minute(SPO2, -70..=-55, 92.0), vec![poss("3", 1)]];
    assert_eq!(on_both_days(&readings.concat(), "oivi.sedated"), [None, Some(1.0)]);
}

fn pressure(minute: i64, systolic: f64, diastolic: f64) -> EffectiveReading {
    let scaled = |mmhg: f64| Measure::BloodPressure.to_scaled(mmhg);
    let value = Value::Pressure { systolic: scaled(systolic), diastolic: scaled(diastolic) };
    reading("cuff", Measure::BloodPressure, at(minute), value)
}

fn chest_pain(minute: i64) -> EffectiveReading {
    let about = Arc::new(Meta { instrument: Some("chest pain".into()), ..Meta::default() });
    EffectiveReading { about, ..number("phone", Measure::SymptomSeverity, at(minute), 4.0) }
}

/// 23:58 and 0:03.
#[test]
fn two_pressures_on_two_sides_of_midnight_are_one_sitting_of_the_new_day() {
    let low = [pressure(-2, 86.0, 50.0), pressure(3, 88.0, 52.0)];
    assert_eq!(ward_of(low.to_vec(), at(4)).told("blood-pressure-low"), OPENED);
    assert_eq!(on_both_days(&low, "blood_pressure.sitting_systolic"), [None, Some(87.0)]);
    let ward = ward_of(low.to_vec(), at(2 * 24 * 60));
    let row = &ward.metrics[&("blood_pressure.sitting_systolic".to_owned(), MIDNIGHT)].told.value;
    assert_eq!((row.n, row.evidence.len()), (2, 2), "shown by both");
    let means = [DAY, MIDNIGHT].map(|day| ward.value("blood_pressure.daily_systolic", day));
    assert_eq!(means, [Some(86.0), Some(88.0)], "and each day's mean is its own");
    let severe = [pressure(-2, 190.0, 125.0), pressure(3, 190.0, 125.0)];
    assert_eq!(ward_of(severe.to_vec(), at(4)).told("blood-pressure-severe"), OPENED);
    assert_eq!(on_both_days(&severe, "blood_pressure.category"), [None, Some(4.0)]);
    let apart = [pressure(-2, 86.0, 50.0), pressure(9, 88.0, 52.0)];
    assert_eq!(on_both_days(&apart, "blood_pressure.sitting_systolic"), [None, None]);
}

/// Severe at 23:45 and 23:50, chest pain at 0:15; and the other way round.
#[test]
fn a_severe_pressure_and_a_symptom_on_two_sides_of_midnight_are_an_emergency_of_the_new_day() {
    const RULE: &str = "blood-pressure-severe-with-symptoms";
    const METRIC: &str = "blood_pressure.severe_with_symptoms";
    let severe = |minute: i64| [minute, minute + 5].map(|minute| pressure(minute, 190.0, 125.0)).to_vec();
    let pain_later = [severe(-15), vec![chest_pain(15)]].concat();
    let ward = ward_of(pain_later.clone(), at(16));
    assert_eq!(
        (ward.told(RULE), peak(&ward, RULE), held_at(&ward, METRIC)),
        (OPENED.to_vec(), Some(Priority::High), Some(15))
    );
    assert_eq!(on_both_days(&pain_later, METRIC), [Some(0.0), Some(1.0)]);
    assert_eq!(on_both_days(&pain_later, "blood_pressure.category"), [Some(4.0), None], "nothing was measured");
    let pain_before = [severe(10), vec![chest_pain(-30)]].concat();
    assert_eq!(ward_of(pain_before.clone(), at(16)).told(RULE), OPENED);
    assert_eq!(on_both_days(&pain_before, METRIC), [None, Some(1.0)]);
    let too_late = [severe(-15), vec![chest_pain(51)]].concat();
    assert_eq!(on_both_days(&too_late, METRIC), [Some(0.0), None]);
    // Of a sitting an hour before the symptom both readings are needed.
    let hour_before = [severe(-60), vec![chest_pain(5)]].concat();
    assert_eq!(on_both_days(&hour_before, METRIC), [Some(0.0), Some(1.0)]);
}

/// Rate 24 two points, saturation 93 two points: one set of 4 within the hour, two of 2 an hour apart.
#[test]
fn an_item_of_exactly_an_hour_ago_is_of_no_set() {
    let sum = |apart: i64| {
        let readings = vec![number("watch", RATE, at(600 - apart), 24.0), number("watch", SPO2, at(600), 93.0)];
        ward_of(readings, at(2 * 24 * 60)).value("news2.partial_sum", MIDNIGHT)
    };
    assert_eq!((sum(60), sum(59)), (Some(2.0), Some(4.0)));
}
