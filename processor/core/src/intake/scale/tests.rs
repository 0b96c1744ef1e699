use painwatch_domain::Measure;
use painwatch_domain::time::HOUR_MS;
use proptest::prelude::*;

use super::*;

fn person(name: &str) -> PatientId {
    PatientId::parse(name).unwrap()
}

fn weight(day: i64, hour: i64, kg: f64) -> Weight {
    Weight { time: day * DAY_MS + hour * HOUR_MS, scaled: Measure::BodyWeight.to_scaled(kg), doubtful: false }
}

/// Ann has the scale to herself until day 1, Ben on day 1, and from day 2 on both have it.
fn household(weights: &[Weight]) -> Vec<Option<String>> {
    let (ann, ben) = (person("ann"), person("ben"));
    let paired = |time: i64| match time / DAY_MS {
        0 => vec![&ann],
        1 => vec![&ben],
        _ => vec![&ann, &ben],
    };
    attribute(weights, paired).into_iter().map(|owner| owner.map(ToString::to_string)).collect()
}

fn owners(named: &[&str]) -> Vec<Option<String>> {
    named.iter().map(|name| (!name.is_empty()).then(|| (*name).to_owned())).collect()
}

#[test]
fn semantics_8_a_weight_on_a_shared_scale_is_theirs_whose_past_it_fits() {
    let weights = [
        weight(0, 7, 60.0),
        weight(1, 7, 90.0),
        weight(2, 7, 61.0),
        weight(2, 8, 89.0),
        weight(3, 7, 75.0),
        weight(4, 7, 63.0),
        weight(4, 8, 97.0),
    ];
    assert_eq!(household(&weights), owners(&["ann", "ben", "ann", "ben", "", "ann", ""]));
}

#[test]
fn semantics_8_two_whom_a_weight_fits_alike_are_not_told_apart() {
    let weights = [weight(0, 7, 80.0), weight(1, 7, 83.0), weight(2, 7, 81.6), weight(2, 8, 82.5), weight(2, 9, 80.4)];
    assert_eq!(household(&weights), owners(&["ann", "ben", "", "ben", "ann"]));
}

#[test]
fn semantics_8_a_past_of_more_than_28_days_ago_speaks_for_nobody() {
    let weights = [weight(0, 7, 60.0), weight(1, 7, 90.0), weight(28, 6, 60.0), weight(57, 7, 60.0)];
    assert_eq!(household(&weights), owners(&["ann", "ben", "ann", ""]));
}

#[test]
fn semantics_8_a_weight_by_a_wrong_clock_is_no_past() {
    let wrong = Weight { doubtful: true, ..weight(0, 7, 60.0) };
    assert_eq!(household(&[wrong, weight(1, 7, 90.0), weight(2, 7, 60.0)]), owners(&["ann", "ben", ""]));
}

#[test]
fn semantics_6_a_weight_7_percent_off_within_a_day_is_doubtful_and_a_slow_change_is_not() {
    let past: Vec<Weight> = (0..10).map(|day| weight(day, 7, 80.0)).collect();
    let after = |hours: i64, kg: f64| is_doubtful(&[&past[..], &[weight(9, 7 + hours, kg)]].concat());
    assert!(after(1, 85.7) && after(23, 74.3));
    assert!(!after(1, 85.6) && !after(1, 74.4), "7 % is not more than 7 %");
    assert!(!after(25, 90.0), "a day has gone by");
    assert!(!is_doubtful(&[weight(0, 7, 80.0)]) && !is_doubtful(&[]));
}

proptest! {
    #[test]
    fn semantics_8_what_comes_later_in_event_time_changes_no_earlier_attribution(
        seen in prop::collection::vec((0..60_i64, 0..24_i64, 550..1_000_i64), 1..60),
        cut in 0..60_usize,
    ) {
        let mut weights: Vec<Weight> = seen.iter().map(|(day, hour, kg)| weight(*day, *hour, *kg as f64 / 10.0)).collect();
        weights.sort_by_key(|weight| (weight.time, weight.scaled));
        let whole = household(&weights);
        let cut = cut.min(weights.len());
        prop_assert_eq!(&household(&weights[..cut])[..], &whole[..cut]);
        for (weight, owner) in weights.iter().zip(&whole) {
            let alone = weight.time < 2 * DAY_MS;
            prop_assert!(!alone || owner.is_some());
        }
    }
}
