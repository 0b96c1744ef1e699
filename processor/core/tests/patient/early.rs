//! What is told of a day before it is over (decision 0038).

use crate::ward::{Ward, number, person, wears};
use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{FindingKind, Measure, Roster};
use painwatch_processor_core::intake::EffectiveReading;
use proptest::prelude::*;

/// 2026-06-10T00:00Z.
const DAY: i64 = 20_614 * DAY_MS;
const NINE: i64 = DAY + 9 * HOUR_MS;
const PULSE: &str = "pulse-at-rest";

fn clinic(scale_2: bool) -> Roster {
    let mut roster = Roster::default();
    let mut ann = person("ann", &["opioid-safety", "post-op"]);
    ann.spo2_scale_2 = scale_2;
    roster.patients.insert(ann.id.clone(), ann);
    for device in ["watch", "finger", "flow"] {
        wears(&mut roster, "ann", device, &[]);
    }
    roster
}

fn pulse(minutes: std::ops::Range<i64>, rate: f64) -> Vec<EffectiveReading> {
    minutes.map(|minute| number("watch", Measure::HeartRate, NINE + minute * MINUTE_MS, rate)).collect()
}

/// Walked from some minute on, for so many minutes.
fn walk(minute: i64, minutes: i64) -> EffectiveReading {
    let from = NINE + minute * MINUTE_MS;
    EffectiveReading { end: Some(from + minutes * MINUTE_MS), ..number("watch", Measure::StepCount, from, 900.0) }
}

fn send_all(ward: &mut Ward, readings: Vec<EffectiveReading>) {
    for one in readings {
        let at = one.time.0 + MINUTE_MS;
        ward.send(one, at);
    }
}

#[test]
fn a_pulse_far_from_normal_at_rest_rings_within_minutes_and_steps_that_come_late_take_it_back() {
    let rung = |first: Vec<EffectiveReading>, late: Option<EffectiveReading>| {
        let mut ward = Ward::new(clinic(false), None, DAY);
        send_all(&mut ward, [first, pulse(0..20, 140.0)].concat());
        ward.tick(NINE + 30 * MINUTE_MS);
        let early = ward.told(PULSE);
        late.into_iter().for_each(|one| ward.send(one, NINE + HOUR_MS));
        ward.tick(DAY + 2 * DAY_MS);
        (early, ward.told(PULSE).last().copied())
    };
    use FindingKind::{Opened, Retracted};
    assert_eq!(rung(vec![walk(-60, 5)], None), (vec![Opened], Some(Opened)));
    assert_eq!(rung(vec![walk(-60, 5)], Some(walk(2, 15))), (vec![Opened], Some(Retracted)));
    assert_eq!(rung(vec![], None), (vec![], None), "a day without steps tells nothing about rest");
    assert_eq!(rung(vec![], Some(walk(-60, 5))), (vec![], Some(Opened)), "what the close finds is told then");
}

/// Too much oxygen for somebody whose saturation should lie between 88 and 92 %.
#[test]
fn a_saturation_that_is_too_high_on_oxygen_has_the_day_judged_within_minutes_for_who_has_the_second_scale() {
    let sum = |scale_2: bool, percent: f64| {
        let mut ward = Ward::new(clinic(scale_2), None, DAY);
        ward.send(number("flow", Measure::OxygenFlow, NINE, 2.0), NINE);
        ward.tick(NINE + 10 * MINUTE_MS);
        let at = NINE + 11 * MINUTE_MS;
        ward.send(number("finger", Measure::OxygenSaturation, at, percent), at);
        ward.tick(at + 10 * MINUTE_MS);
        ward.value("news2.partial_sum", DAY)
    };
    assert_eq!([94.0, 95.0, 97.0].map(|percent| sum(true, percent)), [Some(2.0), Some(4.0), Some(5.0)]);
    assert_eq!(sum(false, 97.0), Some(2.0), "nothing that scores");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Pulse and steps of a morning in any order and at any time: once the day is over, the same is known.
    #[test]
    fn semantics_10_what_is_told_of_an_open_day_leaves_no_trace_of_the_order_in_which_it_came(
        rates in prop::collection::vec(prop::sample::select(vec![70.0, 95.0, 140.0]), 4),
        walks in prop::collection::vec((0i64..80, 1i64..20), 0..3),
        later in prop::collection::vec(0i64..2_400, 90),
    ) {
        let mut readings: Vec<EffectiveReading> = walks.iter().map(|(from, minutes)| walk(*from, *minutes)).collect();
        for (nth, rate) in rates.iter().enumerate() {
            readings.extend(pulse(nth as i64 * 20..nth as i64 * 20 + 20, *rate));
        }
        let history = |delays: &[i64]| {
            let mut sent: Vec<_> = readings.iter().cloned().zip(delays.iter().cycle()).collect();
            sent.sort_by_key(|(one, later)| (one.time.0 + *later * MINUTE_MS, one.measure));
            let mut ward = Ward::new(clinic(false), None, DAY);
            for (one, later) in sent {
                let at = one.time.0 + (*later + 1) * MINUTE_MS;
                ward.send(one, at);
            }
            ward.tick(DAY + 3 * DAY_MS);
            ward.history()
        };
        prop_assert_eq!(history(&[0]), history(&later));
    }
}
