//! Rules that are edited to look at something else, or in another way (semantics 11, decision 0091): what they told is over and
//! stays, and what they look at now is told from then on.

use crate::ward::{Ward, number, person, reading, wears};
use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{FindingKind, Measure, Roster, Value};
use painwatch_processor_core::intake::EffectiveReading;

use FindingKind::{Changed, Cleared, Opened, Retracted};

/// 2026-06-10T00:00Z.
const DAY: i64 = 20_614 * DAY_MS;
const ID: &str = "edited";
const WHY: &str = "the rule looks at something else now";

fn rule(signal: &str, condition: &str, more: &str) -> String {
    format!(
        "[[rule]]\nid = \"{ID}\"\ntitle = \"Edited\"\ndomain = \"safety\"\nsignal = \"{signal}\"\ncondition = {condition}\n{more}\n\
         priority = \"medium\"\naction = \"Look.\"\nsource = \"engineering choice\"\n"
    )
}

fn low_saturation() -> String {
    rule("oxygen_saturation", "{ below = 90 }", "for = \"3m\"\nmax_gap = \"90s\"")
}

fn clinic() -> Roster {
    let mut roster = Roster::default();
    let ann = person("ann", &["clinic"]);
    roster.patients.insert(ann.id.clone(), ann);
    for device in ["watch", "cuff", "phone"] {
        wears(&mut roster, "ann", device, &[]);
    }
    roster
}

/// A sample a minute for ten minutes.
fn ten_minutes(ward: &mut Ward, measure: Measure, from: i64, value: f64) {
    for minute in 0..10 {
        let at = from + minute * MINUTE_MS;
        ward.send(number("watch", measure, at, value), at);
    }
}

/// Two episodes of low saturation, of which the second lasts at three hours.
fn two_episodes() -> Ward {
    let mut ward = Ward::new(clinic(), Some(&low_saturation()), DAY);
    ten_minutes(&mut ward, Measure::OxygenSaturation, DAY + HOUR_MS, 85.0);
    ten_minutes(&mut ward, Measure::OxygenSaturation, DAY + 2 * HOUR_MS, 97.0);
    ten_minutes(&mut ward, Measure::OxygenSaturation, DAY + 3 * HOUR_MS - 10 * MINUTE_MS, 85.0);
    assert_eq!(ward.told(ID), [Opened, Cleared, Opened]);
    ward
}

#[test]
fn semantics_11_a_rule_that_is_moved_to_another_signal_ends_what_it_told_and_takes_nothing_back() {
    let (mut ward, edit) = (two_episodes(), DAY + 3 * HOUR_MS);
    ward.rule(&rule("heart_rate", "{ above = 130 }", "for = \"3m\"\nmax_gap = \"90s\""), edit);
    assert_eq!(ward.told(ID), [Opened, Cleared, Opened, Cleared]);
    let last = ward.findings.last().unwrap();
    assert_eq!((last.title.as_str(), last.episode.why.as_str()), ("Edited", WHY));
    let before = ward.spans(ID);
    assert_eq!(before.len(), 2);
    assert_eq!(before[1], (DAY + 3 * HOUR_MS - 10 * MINUTE_MS, Some(edit)));
    // What it is about now opens and clears; late readings of what it was about change nothing.
    ward.again();
    ten_minutes(&mut ward, Measure::HeartRate, DAY + 4 * HOUR_MS, 140.0);
    ward.send(number("watch", Measure::OxygenSaturation, DAY + HOUR_MS + MINUTE_MS / 2, 99.0), DAY + 5 * HOUR_MS);
    ten_minutes(&mut ward, Measure::HeartRate, DAY + 5 * HOUR_MS, 70.0);
    ward.tick(DAY + 2 * DAY_MS);
    assert_eq!(ward.told(ID)[4..], [Opened, Cleared]);
    assert_eq!(ward.spans(ID)[..2], before[..]);
    assert_eq!(ward.spans(ID)[2].0, DAY + 4 * HOUR_MS);
    // And back: what it was about then is not told again.
    ward.rule(&low_saturation(), DAY + 2 * DAY_MS);
    ward.send(number("watch", Measure::OxygenSaturation, DAY + HOUR_MS + MINUTE_MS / 3, 84.0), DAY + 2 * DAY_MS);
    ward.tick(DAY + 3 * DAY_MS);
    assert_eq!((ward.told(ID).len(), ward.spans(ID).len()), (6, 3));
}

#[test]
fn semantics_11_a_limit_that_becomes_a_silence_ends_what_it_told_and_waits_from_then_on() {
    let (mut ward, edit) = (two_episodes(), DAY + 3 * HOUR_MS);
    ward.rule(&rule("oxygen_saturation", "{ absent = \"24h\" }", ""), edit);
    ward.tick(edit + DAY_MS);
    assert_eq!(ward.told(ID), [Opened, Cleared, Opened, Cleared]);
    ward.again();
    ward.tick(edit + DAY_MS + 1);
    assert_eq!(ward.told(ID), [Opened, Cleared, Opened, Cleared, Opened]);
    assert_eq!(ward.spans(ID).len(), 3);
    assert_eq!(ward.spans(ID)[2], (edit + DAY_MS, None));
}

/// The other half of the same reading: what was folded of it under the other half is nothing to go on with.
#[test]
fn semantics_11_a_rule_that_is_moved_within_a_measure_begins_at_rest() {
    let pressure = |minute: i64, systolic: f64, diastolic: f64| -> EffectiveReading {
        let scaled = |mmhg: f64| Measure::BloodPressure.to_scaled(mmhg);
        let value = Value::Pressure { systolic: scaled(systolic), diastolic: scaled(diastolic) };
        reading("cuff", Measure::BloodPressure, DAY + minute * MINUTE_MS, value)
    };
    let held = "for = \"5m\"\nmax_gap = \"30m\"";
    let mut ward = Ward::new(clinic(), Some(&rule("blood_pressure_systolic", "{ below = 90 }", held)), DAY);
    for minute in (0..120).step_by(10) {
        ward.send(pressure(minute, 85.0, 70.0), DAY + minute * MINUTE_MS);
    }
    let edit = DAY + 115 * MINUTE_MS;
    ward.rule(&rule("blood_pressure_diastolic", "{ below = 60 }", held), edit);
    assert_eq!(ward.told(ID), [Opened, Cleared]);
    for minute in (120..240).step_by(10) {
        let diastolic = if minute < 180 { 70.0 } else { 50.0 };
        ward.send(pressure(minute, 85.0, diastolic), DAY + minute * MINUTE_MS);
    }
    assert_eq!(ward.told(ID), [Opened, Cleared, Opened]);
    assert_eq!(ward.spans(ID), [(DAY, Some(edit)), (DAY + 180 * MINUTE_MS, None)]);
}

#[test]
fn semantics_11_days_above_a_limit_that_become_days_without_a_value_stay_and_no_day_is_missed_before() {
    let mut ward = Ward::new(clinic(), Some(&rule("pain_nrs.daily_worst", "{ at_least = 7 }", "")), DAY);
    let report = |ward: &mut Ward, hours: i64, score: f64| {
        let at = DAY + hours * HOUR_MS;
        ward.send(number("phone", Measure::PainNrs, at, score), at);
    };
    report(&mut ward, 9, 8.0);
    report(&mut ward, 33, 8.0);
    let edit = DAY + 36 * HOUR_MS;
    ward.rule(&rule("pain_nrs.daily_worst", "{ absent = \"2d\" }", ""), edit);
    assert_eq!(ward.told(ID), [Opened, Changed, Cleared]);
    ward.tick(DAY + 5 * DAY_MS);
    assert_eq!(ward.told(ID), [Opened, Changed, Cleared, Opened]);
    assert_eq!(ward.spans(ID), [(DAY, Some(edit)), (DAY + 3 * DAY_MS, None)]);
    assert_eq!(ward.findings.last().unwrap().episode.why, "no pain_nrs.daily_worst on 2 days in a row");
    // Back to a limit on a day that goes on: the day before the edit is none of its days.
    let back = DAY + 5 * DAY_MS + 12 * HOUR_MS;
    report(&mut ward, 5 * 24 + 9, 9.0);
    ward.rule(&rule("pain_nrs.daily_worst", "{ at_least = 7 }", ""), back);
    report(&mut ward, 5 * 24 + 14, 9.5);
    ward.again();
    ward.tick(DAY + 9 * DAY_MS);
    assert!(!ward.told(ID).contains(&Retracted), "{:?}", ward.told(ID));
    assert_eq!(ward.spans(ID)[..2], [(DAY, Some(edit)), (DAY + 3 * DAY_MS, Some(back))]);
    assert!(ward.spans(ID)[2..].iter().all(|(start, _)| *start >= back), "{:?}", ward.spans(ID));
}

#[test]
fn semantics_11_silence_of_another_measure_is_counted_from_when_somebody_waits_for_it() {
    let mut ward = Ward::new(clinic(), Some(&rule("pain_nrs", "{ absent = \"24h\" }", "")), DAY);
    for half_day in 0..10 {
        let at = DAY + half_day * 12 * HOUR_MS;
        ward.send(number("phone", Measure::PainNrs, at, 3.0), at);
    }
    let edit = DAY + 5 * DAY_MS;
    ward.rule(&rule("mood", "{ absent = \"24h\" }", ""), edit);
    ward.tick(edit + DAY_MS);
    assert_eq!(ward.told(ID), []);
    ward.tick(edit + DAY_MS + 1);
    assert_eq!(ward.told(ID), [Opened]);
    assert_eq!(ward.spans(ID), [(edit + DAY_MS, None)]);
}

/// A limit that moves is the same rule: its episode goes on.
#[test]
fn semantics_11_a_rule_whose_limit_moves_goes_on() {
    let mut ward = two_episodes();
    let edit = DAY + 3 * HOUR_MS;
    ward.rule(&low_saturation().replace("below = 90", "below = 88"), edit);
    ten_minutes(&mut ward, Measure::OxygenSaturation, edit, 85.0);
    ten_minutes(&mut ward, Measure::OxygenSaturation, edit + HOUR_MS, 97.0);
    ward.tick(DAY + DAY_MS);
    assert!(!ward.told(ID).contains(&Retracted) && ward.spans(ID).len() == 2, "{:?}", ward.told(ID));
    assert!(ward.spans(ID)[1].1.is_some_and(|end| end > edit));
}
