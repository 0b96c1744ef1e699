use std::collections::BTreeMap;

use super::super::daily::{self, Days, Kept};
use super::super::day::DailyValue;
use super::Facts;
use crate::metrics::catalogue;
use crate::patient::prune::is_looked_back_on;

/// Days of one metric, each with the number of readings.
fn days(metrics: &[(&str, &[(i32, f64)])]) -> Days {
    let mut days: Days = BTreeMap::new();
    for (metric, values) in metrics {
        for (day, value) in *values {
            let value = DailyValue { value: Some(*value), n: 3, held_at: i64::from(*day), ..DailyValue::default() };
            days.entry(*day).or_default().insert(metric, value);
        }
    }
    days
}

fn derived(days: &Days, facts: &Facts, metric: &'static str) -> BTreeMap<i32, Option<f64>> {
    let kept = Kept { facts, ..Kept::of(days) };
    let found = daily::derive(&kept, i32::MIN, |name| name == metric);
    found.into_iter().map(|((day, _), found)| (day, found.value.value)).collect()
}

fn every(range: std::ops::Range<i32>, value: impl Fn(i32) -> f64) -> Vec<(i32, f64)> {
    range.map(|day| (day, value(day))).collect()
}

#[test]
fn pain_of_a_week_is_compared_with_the_four_weeks_before_it() {
    let means = every(0..35, |day| if day < 28 { 7.0 } else { 5.0 });
    let days = days(&[("pain_nrs.daily_mean", &means)]);
    let grade = derived(&days, &Facts::NONE, "pain_nrs.change_grade");
    assert_eq!((grade[&34], grade[&10]), (Some(2.0), None));
    assert_eq!(derived(&days, &Facts::NONE, "pain_nrs.change")[&34], Some(-2.0));
}

#[test]
fn the_patients_own_yes_makes_a_flare_where_the_numbers_do_not() {
    let means = every(0..12, |day| if day >= 10 { 7.0 } else { 3.0 });
    let days = days(&[("pain_nrs.daily_mean", &means), ("flare_report.said_yes", &[(8, 1.0), (9, 0.0)])]);
    let flare = derived(&days, &Facts::NONE, "pain_nrs.flare");
    assert_eq!(
        [6, 7, 8, 9, 10, 11].map(|day| flare[&day]),
        [None, Some(0.0), Some(1.0), Some(0.0), Some(0.0), Some(1.0)]
    );
}

#[test]
fn a_weekly_peg_is_compared_with_the_week_before() {
    let days = days(&[("peg.score", &[(0, 5.0), (2, 5.5), (7, 6.0), (14, 4.0)])]);
    let grade = derived(&days, &Facts::NONE, "peg.change_grade");
    assert_eq!([0, 2, 7, 14].map(|day| grade[&day]), [None, None, Some(0.0), Some(1.0)]);
    assert_eq!(derived(&days, &Facts::NONE, "peg.progress")[&7], Some(-1.0));
}

#[test]
fn as_needed_doses_escalate_against_the_four_weeks_before() {
    let doses = every(0..35, |day| if day >= 28 { 3.0 } else { 1.0 });
    let days = days(&[("medication_event.prn_doses", &doses)]);
    let escalation = derived(&days, &Facts::NONE, "medication_event.prn_escalation");
    assert_eq!((escalation[&34], escalation[&27], escalation[&8]), (Some(1.0), Some(0.0), None));
    assert_eq!(derived(&days, &Facts::NONE, "medication_event.prn_7d")[&34], Some(21.0));
}

#[test]
fn equivalents_that_rise_by_a_third_in_a_week_show_it() {
    let mme = every(0..10, |day| if day >= 8 { 40.0 } else { 30.0 });
    let days = days(&[("medication_event.mme_prescribed", &mme)]);
    let rise = derived(&days, &Facts::NONE, "medication_event.mme_rise_pct");
    assert!(rise[&8].is_some_and(|pct| (pct - 100.0 / 3.0).abs() < 1e-9) && rise[&0].is_none());
    assert_eq!(derived(&days, &Facts::NONE, "medication_event.progress")[&9], Some(-1.0));
}

#[test]
fn pressure_at_home_needs_twelve_readings_on_three_days_and_an_nsaid_shows_against_the_weeks_before() {
    let systolic = every(0..20, |day| if day >= 10 { 141.0 } else { 132.0 });
    let diastolic = every(0..20, |_| 70.0);
    let days = days(&[("blood_pressure.daily_systolic", &systolic), ("blood_pressure.daily_diastolic", &diastolic)]);
    let home = derived(&days, &Facts::NONE, "blood_pressure.home_category");
    assert_eq!((home[&2], home[&3], home[&19]), (None, Some(2.0), Some(3.0)));
    let facts = Facts { nsaid_starts: vec![6], ..Facts::NONE };
    let rise = derived(&days, &facts, "blood_pressure.nsaid_rise");
    assert_eq!((rise.get(&9), rise[&11]), (None, Some(9.0)));
    assert_eq!(derived(&days, &facts, "blood_pressure.nsaid_effect")[&11], Some(1.0));
}

#[test]
fn exactly_five_more_is_an_effect_and_exactly_thirty_percent_a_rise_whatever_the_decimals() {
    // Seven readings before that add up to 928.7 and seven after to 963.7.
    let of = |value: f64, n: u32| DailyValue { value: Some(value), n, ..DailyValue::default() };
    let rows = [(0, 266.2, 2), (1, 662.5, 5), (10, 384.9, 3), (11, 578.8, 4)];
    let mut pressures: Days = BTreeMap::new();
    for (day, sum, n) in rows {
        let values = pressures.entry(day).or_default();
        values.insert("blood_pressure.daily_systolic", of(sum / f64::from(n), n));
        values.insert("blood_pressure.daily_diastolic", of(70.0, n));
    }
    let facts = Facts { nsaid_starts: vec![6], ..Facts::NONE };
    assert_eq!(derived(&pressures, &facts, "blood_pressure.nsaid_rise")[&11], Some(5.0));
    assert_eq!(derived(&pressures, &facts, "blood_pressure.nsaid_effect")[&11], Some(1.0));
    let mme = days(&[("medication_event.mme_prescribed", &[(0, 9.0), (1, 11.7)])]);
    assert_eq!(derived(&mme, &Facts::NONE, "medication_event.mme_rise_pct")[&1], Some(30.0));
}

#[test]
fn walking_recovers_against_the_days_before_surgery() {
    let steps = every(0..30, |day| if day < 10 { 5000.0 } else { 500.0 * f64::from(day - 10) });
    let days = days(&[("step_count.daily_sum", &steps)]);
    let facts = Facts { surgeries: vec![10], ..Facts::NONE };
    let ratio = derived(&days, &facts, "step_count.recovery_ratio");
    assert_eq!((ratio.get(&10), ratio[&11], ratio[&17]), (None, None, Some(0.4)));
    let recovered = derived(&days, &facts, "step_count.recovered");
    assert_eq!((recovered[&17], recovered[&29]), (Some(0.0), Some(1.0)));
    assert!(derived(&days, &Facts::NONE, "step_count.recovery_ratio").is_empty());
}

#[test]
fn a_weight_7_percent_off_the_median_of_four_weeks_is_to_be_verified_whenever_the_one_before_it_was_weighed() {
    let verified = |weights: &[(i32, f64)]| {
        let days = days(&[("body_weight.day_value", weights)]);
        let found = daily::derive(&Kept::of(&days), i32::MIN, |name| name.starts_with("body_weight."));
        let last = weights.last().unwrap().0;
        ["gain_7d", "loss_30d"].map(|name| {
            let name = format!("body_weight.{name}");
            found
                .iter()
                .find(|((day, of), _)| (*day, *of) == (last, name.as_str()))
                .map(|(_, found)| found.value.verify)
        })
    };
    let weighed = |last: (i32, f64)| [every(0..20, |_| 80.0), vec![last]].concat();
    assert_eq!(verified(&weighed((20, 85.7))), [Some(true); 2]);
    assert_eq!(verified(&weighed((24, 74.3))), [Some(true); 2]);
    assert_eq!([(20, 85.6), (24, 74.4)].map(|last| verified(&weighed(last))), [[Some(false); 2]; 2]);
    assert_eq!(verified(&weighed((48, 90.0)))[0], Some(false), "a past of more than 28 days ago speaks for nobody");
}

/// Three days before surgery and four after it as usual, two without steps, two at half.
#[test]
fn days_without_steps_count_on_the_way_to_recovery_and_have_no_row() {
    let steps: Vec<_> =
        [7, 8, 9, 11, 12, 13, 14].map(|day| (day, 1000.0)).into_iter().chain([(17, 500.0), (18, 500.0)]).collect();
    let days = days(&[("step_count.daily_sum", &steps)]);
    let facts = Facts { surgeries: vec![10], ..Facts::NONE };
    let ratio = derived(&days, &facts, "step_count.recovery_ratio");
    assert_eq!((ratio[&13], ratio[&14], ratio.get(&15), ratio[&17]), (None, Some(1.0), None, Some(1.0)));
    let recovered = derived(&days, &facts, "step_count.recovered");
    assert_eq!((recovered[&14], recovered[&17]), (Some(0.0), Some(1.0)), "on the second day without steps");
}

#[test]
fn signals_of_a_flare_are_counted_when_three_are_there_and_named() {
    let steps = every(0..20, |day| if day == 19 { 100.0 } else { 5000.0 + f64::from(day % 3) * 100.0 });
    let resting = every(0..20, |day| if day == 19 { 70.0 } else { 60.0 + f64::from(day % 2) });
    let pain = every(0..20, |day| if day == 19 { 9.0 } else { 3.0 + f64::from(day % 3) });
    let days = days(&[
        ("step_count.daily_sum", &steps),
        ("resting_heart_rate.daily_median", &resting),
        ("pain_nrs.daily_mean", &pain),
    ]);
    let kept = Kept::of(&days);
    let found = daily::derive(&kept, i32::MIN, |name| name == "pain_nrs.flare_signals");
    let last = &found[&(19, "pain_nrs.flare_signals")].value;
    assert_eq!((last.value, last.n, last.quality.as_str()), (Some(3.0), 3, "steps,resting_heart_rate,pain"));
    assert_eq!(found[&(2, "pain_nrs.flare_signals")].value.value, None);
}

#[test]
fn three_signals_on_two_days_in_a_row_ask_for_a_check_in_and_the_night_comes_before_the_devices_own_pulse() {
    let bad = |from: i32| move |day: i32| day >= from;
    let steps = every(0..20, |day| if bad(18)(day) { 100.0 } else { 5000.0 + f64::from(day % 3) * 100.0 });
    let pain = every(0..20, |day| if bad(18)(day) { 9.0 } else { 3.0 + f64::from(day % 3) });
    let efficiency = every(0..20, |day| if bad(18)(day) { 60.0 } else { 88.0 + f64::from(day % 3) });
    let night = every(0..20, |day| if bad(19)(day) { 63.0 } else { 60.0 });
    let resting = every(0..20, |_| 90.0);
    let days = days(&[
        ("step_count.daily_sum", &steps),
        ("pain_nrs.daily_mean", &pain),
        ("sleep_stage.sleep_efficiency", &efficiency),
        ("heart_rate.night_mean", &night),
        ("resting_heart_rate.daily_median", &resting),
    ]);
    let found = daily::derive(&Kept::of(&days), 0, |name| name.starts_with("pain_nrs.flare_"));
    let signals = |day| &found[&(day, "pain_nrs.flare_signals")].value;
    assert_eq!((signals(18).value, signals(18).quality.as_str()), (Some(3.0), "steps,sleep,pain"));
    assert_eq!(signals(19).quality, "steps,resting_heart_rate,sleep,pain");
    let check_in = |day| &found[&(day, "pain_nrs.flare_check_in")].value;
    assert_eq!([17, 18, 19].map(|day| check_in(day).value), [Some(0.0), Some(0.0), Some(1.0)]);
    assert_eq!(check_in(19).quality, "steps,resting_heart_rate,sleep,pain");
    let last = daily::derive(&Kept::of(&days), 19, |name| name == "pain_nrs.flare_check_in");
    assert_eq!(last[&(19, "pain_nrs.flare_check_in")].value, *check_in(19), "also where only the last day is told");
}

#[test]
fn a_loss_is_told_over_months_where_a_month_shows_little() {
    let weights = every(0..170, |day| 100.0 - 0.1 * f64::from(day));
    let days = days(&[("body_weight.day_value", &weights)]);
    let lost = |name| derived(&days, &Facts::NONE, name)[&169].unwrap();
    assert!(lost("body_weight.loss_30d") < 5.0 && lost("body_weight.loss_180d") > 10.0);
    assert_eq!(derived(&days, &Facts::NONE, "body_weight.loss_30d").get(&5), None, "nothing to compare with yet");
}

#[test]
fn what_may_be_taken_for_five_days_counts_its_days_in_a_row() {
    let mut days = days(&[("medication_event.time_limited", &every(0..12, |_| 1.0))]);
    days.remove(&4);
    for values in days.values_mut() {
        values.values_mut().for_each(|(_, value)| value.quality = "ketorolac".to_owned());
    }
    let over = derived(&days, &Facts::NONE, "medication_event.days_over_limit");
    assert_eq!((over[&3], over[&9], over[&10], over[&11]), (Some(0.0), Some(0.0), Some(1.0), Some(2.0)));
}

#[test]
fn a_long_walk_before_a_bad_day_is_shown_on_the_bad_day() {
    let steps = every(0..12, |day| if day == 9 { 9_000.0 } else { 4_000.0 });
    let pain = every(0..12, |day| if day == 10 { 6.0 } else { 3.0 });
    let days = days(&[("step_count.daily_sum", &steps), ("pain_nrs.daily_mean", &pain)]);
    let found = daily::derive(&Kept::of(&days), 0, |name| name == "step_count.pacing");
    let told = |day| &found[&(day, "step_count.pacing")].value;
    assert_eq!((told(9).value, told(10).value, told(11).value), (Some(0.0), Some(1.0), Some(0.0)));
    assert!(told(10).quality.starts_with("overdone="));
}

#[test]
fn what_is_walked_after_a_day_does_not_decide_whether_the_day_is_told() {
    let pain = every(0..12, |_| 3.0);
    let told = |steps: &[(i32, f64)]| {
        let days = days(&[("step_count.daily_sum", steps), ("pain_nrs.daily_mean", &pain)]);
        derived(&days, &Facts::NONE, "step_count.pacing").into_keys().collect::<Vec<_>>()
    };
    assert!(told(&[]).is_empty());
    assert_eq!(told(&[(8, 4_000.0)]), [9, 10]);
}

#[test]
fn relief_is_the_area_between_usual_pain_and_todays() {
    let mut days = days(&[
        ("pain_nrs.daily_mean", &every(0..10, |day| if day == 9 { 2.0 } else { 5.0 })),
        ("pain_nrs.auc_24h", &every(0..10, |day| if day == 9 { 24.0 } else { 60.0 })),
    ]);
    for values in days.values_mut() {
        values.values_mut().for_each(|(_, value)| value.coverage = Some(0.5));
    }
    let relief = derived(&days, &Facts::NONE, "pain_nrs.spid");
    assert_eq!((relief.get(&6), relief[&8], relief[&9]), (None, Some(0.0), Some(36.0)));
}

#[test]
fn nothing_that_others_derive_from_is_forgotten_once_it_is_final() {
    let values = every(0..60, |day| f64::from(day % 7));
    let all: Vec<_> = catalogue::list().iter().map(|info| (info.name, values.as_slice())).collect();
    let days = days(&all);
    let mut kept = days.clone();
    kept.values_mut().for_each(|values| values.retain(|name| is_looked_back_on(name, &[])));
    assert!(kept[&0].len() < days[&0].len() / 2, "most of it is told and forgotten");
    let facts = Facts { surgeries: vec![20], nsaid_starts: vec![30], has_headache: true, ..Facts::NONE };
    let derive = |days: &Days| daily::derive(&Kept { facts: &facts, ..Kept::of(days) }, 0, |_| true);
    let (of_all, of_kept) = (derive(&days), derive(&kept));
    assert!(of_all.keys().all(|key| of_kept.contains_key(key)));
    assert_eq!(of_all, of_kept);
}
