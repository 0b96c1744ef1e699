//! What rules could see, and why not (semantics 15).

use crate::ward::{Ward, number, patient_id, person, wears};
use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{FindingKind, Flags, JournalTime, Measure, Roster};
use painwatch_processor_core::rules;
use proptest::prelude::*;

/// 2026-06-10T00:00Z.
const DAY: i64 = 20_614 * DAY_MS;
const RULE: &str = "spo2-critical";

fn ward() -> Ward {
    let mut roster = Roster::default();
    let ann = person("ann", &["opioid-safety"]);
    roster.patients.insert(ann.id.clone(), ann);
    wears(&mut roster, "ann", "finger", &[]);
    Ward::new(roster, None, DAY)
}

/// A sample a minute for some minutes.
fn send(ward: &mut Ward, from_min: i64, minutes: i64, percent: f64, flags: Flags) {
    for minute in from_min..from_min + minutes {
        let at = DAY + minute * MINUTE_MS;
        let mut one = number("finger", Measure::OxygenSaturation, at, percent);
        one.flags = flags;
        ward.send(one, at);
    }
}

fn ledger(ward: &Ward) -> Vec<(i64, i64, &'static str)> {
    ledger_of(ward, RULE)
}

fn ledger_of(ward: &Ward, rule: &str) -> Vec<(i64, i64, &'static str)> {
    let day = &ward.coverage[&(patient_id("ann"), rule.to_owned(), DAY + DAY_MS)];
    day.intervals.iter().map(|(from, to, cause)| ((from - DAY) / 30_000, (to - DAY) / 30_000, *cause)).collect()
}

/// An hour is seen, an hour is flagged, and after that there is nothing. In halves of minutes.
#[test]
fn semantics_15_readings_that_are_flagged_unusable_are_a_gap_by_quality() {
    let mut ward = ward();
    send(&mut ward, 0, 60, 97.0, Flags::default());
    send(&mut ward, 60, 60, 97.0, Flags::VERIFY.with(Flags::UNUSABLE));
    ward.tick(DAY + 2 * DAY_MS);
    // Each sample speaks for 90 s, the flagged ones of their quality.
    assert_eq!(ledger(&ward), [(0, 121, ""), (121, 241, "quality"), (241, 2880, "unknown")]);
    assert_eq!(ward.coverage_defects, 0);
}

/// A filter is never tighter than an alert (clinical catalogue G1): what is doubtful and low still rings.
#[test]
fn semantics_15_a_low_value_of_poor_quality_rings_and_a_high_one_is_no_proof_of_calm() {
    let mut ward = ward();
    send(&mut ward, 0, 10, 82.0, Flags::VERIFY.with(Flags::UNUSABLE));
    ward.tick(DAY + HOUR_MS);
    assert_eq!(ward.told(RULE).first(), Some(&FindingKind::Opened));
    ward.tick(DAY + 2 * DAY_MS);
    assert!(ledger(&ward).iter().all(|(.., cause)| !cause.is_empty()), "nothing of the day was seen");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn semantics_15_the_ledger_fills_the_day_whatever_is_flagged_and_in_whatever_order_it_comes(
        samples in prop::collection::btree_map(0i64..1440, prop::bool::ANY, 0..40)
            .prop_flat_map(|map| Just(map.into_iter().collect::<Vec<_>>()).prop_shuffle()),
    ) {
        let told = |samples: &[(i64, bool)]| {
            let mut ward = ward();
            for (minute, unusable) in samples {
                let mut one = number("finger", Measure::OxygenSaturation, DAY + minute * MINUTE_MS, 97.0);
                one.flags = if *unusable { Flags::UNUSABLE } else { Flags::default() };
                ward.send(one, DAY + DAY_MS + HOUR_MS);
            }
            // Watched even if nothing comes.
            ward.send(number("finger", Measure::HeartRate, DAY, 60.0), DAY + DAY_MS + HOUR_MS);
            ward.tick(DAY + 2 * DAY_MS);
            prop_assert_eq!(ward.coverage_defects, 0);
            Ok(ledger(&ward))
        };
        let mut sorted = samples.clone();
        sorted.sort_unstable();
        let ledger = told(&samples)?;
        prop_assert_eq!(&told(&sorted)?, &ledger);
        prop_assert_eq!(ledger.iter().map(|(from, to, _)| to - from).sum::<i64>(), 2880);
        // Halves of minutes that a usable sample speaks for, counted one by one.
        let seen = |half: i64, wanted: bool| sorted.iter().any(|(minute, bad)| *bad == wanted && (2 * minute..2 * minute + 3).contains(&half));
        for half in 0..2880 {
            let (.., cause) = ledger.iter().find(|(from, to, _)| (*from..*to).contains(&half)).unwrap();
            let expected = if seen(half, false) { "" } else if seen(half, true) { "quality" } else { "unknown" };
            prop_assert_eq!(*cause, expected, "at {}", half);
        }
    }
}

const ADDED: &str = r#"
[[rule]]
id = "spo2-added"
title = "Added"
domain = "safety"
signal = "oxygen_saturation"
condition = { below = 80 }
for = "10m"
max_gap = "90s"
priority = "high"
action = "Call."
source = "test"

[[rule]]
id = "either-added"
title = "Either"
domain = "safety"
condition = { any_of = [{ signal = "oxygen_saturation", below = 75, for = "2m", max_gap = "90s" }, { signal = "oxygen_saturation", below = 70, for = "1m", max_gap = "90s" }] }
priority = "low"
action = "Call."
source = "test"
"#;

#[test]
fn semantics_15_nothing_was_monitored_by_a_rule_before_it_was_in_force() {
    let mut ward = ward();
    for rule in rules::parse(ADDED, "opioid-safety.toml").unwrap() {
        ward.clinic.set_rule(rule, JournalTime(DAY));
    }
    let mut later = self::ward();
    send(&mut later, 0, 600, 97.0, Flags::default());
    send(&mut ward, 0, 600, 97.0, Flags::default());
    for rule in rules::parse(ADDED, "opioid-safety.toml").unwrap() {
        later.clinic.set_rule(rule, JournalTime(DAY + 600 * MINUTE_MS - 30_000));
    }
    [&mut ward, &mut later].into_iter().for_each(|ward| send(ward, 600, 100, 97.0, Flags::default()));
    [&mut ward, &mut later].into_iter().for_each(|ward| ward.tick(DAY + 2 * DAY_MS));
    let whole = [(0, 1401, ""), (1401, 2880, "unknown")];
    for rule in ["spo2-added", "either-added"] {
        assert_eq!(ledger_of(&ward, rule), whole, "{rule}");
    }
    assert_eq!(ledger_of(&later, "spo2-added"), [(0, 1200, "unknown"), (1200, 1401, ""), (1401, 2880, "unknown")]);
    // Its parts are always in force: they see by the sample before it.
    assert_eq!(ledger_of(&later, "either-added"), [(0, 1199, "unknown"), (1199, 1401, ""), (1401, 2880, "unknown")]);
    assert_eq!(ledger_of(&later, RULE), whole);
    assert_eq!((ward.coverage_defects, later.coverage_defects), (0, 0));
}
