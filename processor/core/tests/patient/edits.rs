//! Limits and rosters that change while something goes on: for one patient, for the clinic, ahead of time (semantics 11, 13).

use painwatch_domain::roster::Override;
use painwatch_domain::time::{DAY_MS, HOUR_MS, SECOND_MS};
use painwatch_domain::{EventTime, FindingKind, JournalTime, Measure, Roster, RuleId};
use painwatch_processor_core::rules;

use crate::ward::{Ward, number, patient_id, person, wears};

/// 2026-06-10T12:00Z.
const NOON: i64 = 20_614 * DAY_MS + 12 * HOUR_MS;
const RULE: &str = "spo2-low";
const TEXT: &str = r#"
[[rule]]
id = "spo2-low"
title = "Low"
domain = "safety"
signal = "oxygen_saturation"
condition = { below = 88 }
for = "10m"
max_gap = "90s"
clear = { at_least = 92, for = "5m" }
priority = "high"
action = "Call."
source = "test"
"#;
const STRICTER: &[(&str, &str)] = &[("condition", "{ below = 92 }"), ("for", "\"3m\"")];

fn roster() -> Roster {
    let mut roster = Roster::default();
    let ann = person("ann", &["clinic"]);
    roster.patients.insert(ann.id.clone(), ann);
    wears(&mut roster, "ann", "finger", &[]);
    roster
}

fn with_own(from: i64, numbers: &[(&str, &str)]) -> Roster {
    let mut roster = roster();
    roster.overrides.push(Override {
        patient: patient_id("ann"),
        rule: RuleId::parse(RULE).unwrap(),
        from: EventTime(from),
        numbers: numbers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        by: "Dr. A. Example".to_owned(),
        reason: "test".to_owned(),
    });
    roster
}

fn ward(roster: Roster) -> Ward {
    Ward::new(roster, Some(TEXT), NOON - 2 * HOUR_MS)
}

/// Seconds from noon.
fn at(seconds: i64) -> i64 {
    NOON + seconds * SECOND_MS
}

/// A sample every 30 s, each sent when it is measured.
fn send(ward: &mut Ward, seconds: std::ops::Range<i64>, percent: f64) {
    for second in seconds.step_by(30) {
        ward.send(number("finger", Measure::OxygenSaturation, at(second), percent), at(second));
    }
}

/// What was told of the rule, and how many seconds after noon.
fn told(ward: &Ward) -> Vec<(FindingKind, i64)> {
    let since_noon = |time: JournalTime| (time.0 - NOON) / SECOND_MS;
    ward.findings.iter().map(|finding| (finding.kind, since_noon(finding.detected_at))).collect()
}

#[test]
fn semantics_11_a_run_in_progress_is_judged_by_new_limits_of_the_patient_from_the_next_sample_on() {
    let mut ward = ward(roster());
    send(&mut ward, 0..30, 87.0);
    ward.roster(with_own(at(30), STRICTER), at(30));
    send(&mut ward, 60..270, 90.0);
    assert_eq!(told(&ward), [(FindingKind::Opened, 180)]);
}

#[test]
fn semantics_11_a_run_in_progress_is_judged_by_new_limits_of_the_clinic() {
    let mut ward = ward(roster());
    send(&mut ward, 0..30, 87.0);
    let edited =
        TEXT.replace("below = 88", "below = 92").replace("\"10m\"", "\"3m\"").replace("= 92, for", "= 93, for");
    let rule = rules::parse(&edited, "clinic.toml").unwrap().remove(0);
    ward.clinic.set_rule(rule, JournalTime(at(30)));
    send(&mut ward, 60..270, 90.0);
    assert_eq!(told(&ward), [(FindingKind::Opened, 180)]);
}

#[test]
fn semantics_11_numbers_that_are_dated_ahead_come_into_force_by_themselves() {
    let mut ward = ward(roster());
    ward.roster(with_own(at(30), STRICTER), at(-3600));
    send(&mut ward, 0..30, 87.0);
    send(&mut ward, 60..270, 90.0);
    assert_eq!(told(&ward), [(FindingKind::Opened, 180)]);
    // Until then the old ones judge, and at once.
    let mut ward = ward_with_looser_ahead();
    send(&mut ward, 0..660, 87.0);
    assert_eq!(told(&ward), [(FindingKind::Opened, 600)]);
}

fn ward_with_looser_ahead() -> Ward {
    let mut ward = ward(roster());
    ward.roster(with_own(NOON + DAY_MS, &[("condition", "{ below = 80 }")]), at(-3600));
    ward
}

#[test]
fn semantics_11_a_shorter_time_that_has_passed_already_rings_when_it_is_set() {
    let mut ward = ward(roster());
    send(&mut ward, 0..270, 87.0);
    assert_eq!(told(&ward), []);
    ward.roster(with_own(at(250), &[("for", "\"3m\"")]), at(250));
    assert_eq!(told(&ward), [(FindingKind::Opened, 250)]);
}

#[test]
fn semantics_11_an_easier_clear_condition_ends_the_episode_that_lasts() {
    let mut ward = ward(roster());
    send(&mut ward, 0..660, 87.0);
    ward.roster(with_own(at(650), &[("clear", "{ at_least = 90, for = \"1m\" }")]), at(650));
    send(&mut ward, 660..780, 91.0);
    assert_eq!(told(&ward), [(FindingKind::Opened, 600), (FindingKind::Cleared, 720)]);
}

#[test]
fn semantics_11_what_time_had_proved_under_the_old_limits_no_longer_time_takes_back() {
    let mut ward = ward(roster());
    send(&mut ward, 0..571, 87.0);
    ward.tick(at(630));
    ward.roster(with_own(at(630), &[("for", "\"20m\"")]), at(630));
    send(&mut ward, 645..700, 87.0);
    assert_eq!(told(&ward), [(FindingKind::Opened, 600)]);
}

/// Everything measured from noon on under limits that change at 300 s, and sent in time or two hours late.
fn history(samples: &[(i64, f64)], numbers: &[(&str, &str)], in_time: bool) -> Vec<String> {
    let mut ward = ward(roster());
    let (before, after): (Vec<_>, Vec<_>) = samples.iter().partition(|(second, _)| *second < 300);
    let late = if in_time { 0 } else { 2 * HOUR_MS };
    let send = |ward: &mut Ward, samples: &[(i64, f64)]| {
        for (second, percent) in samples {
            let one = number("finger", Measure::OxygenSaturation, at(*second), *percent);
            ward.send(one, at(*second).max(NOON + late));
        }
    };
    if in_time {
        send(&mut ward, &before);
    }
    ward.roster(with_own(at(300), numbers), at(300));
    send(&mut ward, &after);
    if !in_time {
        send(&mut ward, &before);
    }
    ward.tick(NOON + 3 * DAY_MS);
    ward.history()
}

#[test]
fn semantics_10_what_limits_that_change_make_of_readings_does_not_depend_on_when_they_came() {
    let every = |seconds: std::ops::Range<i64>, step: usize, percent: f64| -> Vec<(i64, f64)> {
        seconds.step_by(step).map(|second| (second, percent)).collect()
    };
    let worlds = [
        every(0..900, 30, 87.0),
        [every(0..270, 30, 87.0), every(270..900, 30, 90.0)].concat(),
        [every(0..290, 30, 87.0), every(420..900, 30, 87.0)].concat(),
        [every(0..290, 80, 87.0), every(340..1000, 80, 87.0), every(1000..2000, 30, 97.0)].concat(),
        every(100..290, 30, 87.0),
        every(100..290, 30, 90.0),
    ];
    let edits: [&[(&str, &str)]; 5] = [
        STRICTER,
        &[("for", "\"1m\"")],
        &[("for", "\"20m\"")],
        &[("max_gap", "\"5m\"")],
        &[("condition", "{ below = 80 }"), ("for", "\"4m\""), ("clear", "{ at_least = 85, for = \"1m\" }")],
    ];
    for samples in &worlds {
        for numbers in edits {
            let (in_time, late) = (history(samples, numbers, true), history(samples, numbers, false));
            assert_eq!(in_time, late, "{numbers:?} {samples:?}");
        }
    }
    assert!(history(&worlds[0], STRICTER, true).iter().any(|row| row.contains("High")), "the worlds show something");
}

#[test]
fn an_override_ends_and_the_clinics_limits_judge_the_run() {
    let mut ward = ward(with_own(NOON - 3 * HOUR_MS, &[("condition", "{ below = 70 }")]));
    send(&mut ward, 0..60, 87.0);
    ward.roster(roster(), at(50));
    send(&mut ward, 60..720, 87.0);
    assert_eq!(told(&ward), [(FindingKind::Opened, 660)]);
}

/// An alert that lasts for more than the 35 days of the horizon: low on the first, and nothing that clears it.
fn ward_of_a_lasting_alert() -> (Ward, i64) {
    let mut ward = ward(roster());
    send(&mut ward, 0..660, 87.0);
    // Another hour, where the fold begins once the first is forgotten.
    ward.send(number("finger", Measure::OxygenSaturation, at(18_000), 90.0), at(18_000));
    let now = NOON + 40 * DAY_MS;
    ward.tick(now);
    assert_eq!(told(&ward), [(FindingKind::Opened, 600)]);
    (ward, now)
}

#[test]
fn semantics_13_a_roster_that_changes_everything_folds_nothing_behind_the_horizon_again() {
    let (mut ward, now) = ward_of_a_lasting_alert();
    let mut named = roster();
    named.patients.values_mut().for_each(|ann| ann.mrn = Some("17".to_owned()));
    ward.roster(named, now);
    ward.tick(now + HOUR_MS);
    assert_eq!(told(&ward), [(FindingKind::Opened, 600)]);
    let later = 41 * 86_400;
    send(&mut ward, later..later + 100, 87.0);
    send(&mut ward, later + 120..later + 500, 97.0);
    // That what had grown old is of now again is news.
    assert_eq!(ward.told(RULE), [FindingKind::Opened, FindingKind::Changed, FindingKind::Cleared]);
}

#[test]
fn semantics_13_a_pairing_that_takes_readings_behind_the_horizon_away_leaves_the_alert() {
    let (mut ward, now) = ward_of_a_lasting_alert();
    let mut begun_later = roster();
    let mut pairings = begun_later.pairings.to_vec();
    pairings.iter_mut().for_each(|pairing| pairing.from = EventTime(NOON + 4 * HOUR_MS));
    begun_later.pairings = pairings.into();
    ward.roster(begun_later, now);
    ward.tick(now + HOUR_MS);
    assert_eq!(told(&ward), [(FindingKind::Opened, 600)]);
}
