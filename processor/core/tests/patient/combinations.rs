//! Combinations: a function of the episodes they look at, in whatever order the readings came.

use crate::ward::{Ward, good_or_bad, number, person, wears};
use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{FindingKind, Measure, Roster};
use painwatch_processor_core::intake::EffectiveReading;
use painwatch_processor_core::patient::day::Observation;
use proptest::prelude::*;

const DAY: i64 = 20_614 * DAY_MS;
const SPO2: Measure = Measure::OxygenSaturation;
const RATE: Measure = Measure::RespiratoryRate;
const PAIN: Measure = Measure::PainNrs;

/// Named and inline, nested, over samples, days and silences.
const RULES: &str = r#"
[[rule]]
id = "spo2-low"
title = "Low"
domain = "safety"
signal = "oxygen_saturation"
condition = { below = 90 }
for = "2m"
max_gap = "10m"
priority = "medium"
action = "Call."
source = "test"

[[rule]]
id = "both"
title = "Both"
domain = "safety"
condition = { all_of = ["spo2-low", { signal = "respiratory_rate", at_most = 8, for = "1m", max_gap = "10m" }], within = "15m" }
priority = "high"
action = "Call."
source = "test"

[[rule]]
id = "two-of-four"
title = "Two of four"
domain = "safety"
condition = { n_of = { n = 2, within = "1d", rules = ["both", "spo2-low", { signal = "pain_nrs.daily_worst", at_least = 7 }, { any_of = [{ signal = "pain_nrs", absent = "30h" }, "two-of-four-never"] }] } }
priority = "low"
action = "Call."
source = "test"

[[rule]]
id = "two-of-four-never"
title = "Never"
domain = "safety"
signal = "oxygen_saturation"
condition = { below = 10 }
priority = "low"
action = "Call."
source = "test"
"#;

fn ward() -> Ward {
    ward_of(RULES)
}

fn ward_of(rules: &str) -> Ward {
    let mut roster = Roster::default();
    let ann = person("ann", &["clinic"]);
    roster.patients.insert(ann.id.clone(), ann);
    wears(&mut roster, "ann", "watch", &[]);
    Ward::new(roster, Some(rules), DAY)
}

fn each_minute(measure: Measure, from: i64, minutes: i64, value: f64) -> Vec<EffectiveReading> {
    (0..minutes).map(|minute| number("watch", measure, from + minute * MINUTE_MS, value)).collect()
}

#[test]
fn a_late_reading_that_changes_one_part_is_judged_with_the_other_at_once() {
    let mut ward = ward();
    let at = DAY + 9 * HOUR_MS;
    each_minute(SPO2, at, 5, 85.0).into_iter().for_each(|one| ward.send(one.clone(), one.time.0));
    each_minute(SPO2, at + 5 * MINUTE_MS, 10, 97.0).into_iter().for_each(|one| ward.send(one.clone(), one.time.0));
    assert_eq!((ward.told("spo2-low").len(), ward.told("both").len()), (2, 0));
    let late = at + 15 * MINUTE_MS;
    each_minute(RATE, at + MINUTE_MS, 3, 7.0).into_iter().for_each(|one| ward.send(one, late));
    ward.tick(late + MINUTE_MS);
    assert_eq!(ward.told("both"), [FindingKind::Opened]);
    let told = ward.findings.last().unwrap();
    assert_eq!(told.episode.start.0, at + MINUTE_MS, "since the second of them");
    assert_eq!(told.episode.evidence.len(), 5 + 1, "all of the one that is over, and what opened the one that lasts");
    assert!(told.episode.why.contains("oxygen_saturation") && told.episode.why.contains("respiratory_rate"));
    let nth = ward.readings.iter().position(|seen| seen.measure == RATE).unwrap();
    (0..3).for_each(|_| ward.take_back(nth, late + 2 * MINUTE_MS));
    ward.tick(late + 5 * MINUTE_MS);
    assert_eq!(ward.told("both").last(), Some(&FindingKind::Retracted));
}

#[test]
fn a_combination_that_holds_for_a_while_after_its_parts_ends_by_itself() {
    let mut ward = ward();
    let at = DAY + 9 * HOUR_MS;
    for (spo2, rate) in each_minute(SPO2, at, 5, 85.0).into_iter().zip(each_minute(RATE, at, 5, 7.0)) {
        ward.send(spo2.clone(), spo2.time.0);
        ward.send(rate.clone(), rate.time.0);
    }
    ward.send(number("watch", SPO2, at + 5 * MINUTE_MS, 97.0), at + 5 * MINUTE_MS);
    ward.send(number("watch", RATE, at + 5 * MINUTE_MS, 14.0), at + 5 * MINUTE_MS);
    // What its parts come to is news, and pages nobody again.
    let told = |ward: &Ward| -> Vec<FindingKind> {
        ward.told("both").into_iter().filter(|kind| *kind != FindingKind::Changed).collect()
    };
    ward.tick(at + 20 * MINUTE_MS);
    assert_eq!(told(&ward), [FindingKind::Opened]);
    ward.tick(at + 21 * MINUTE_MS);
    assert_eq!(told(&ward), [FindingKind::Opened, FindingKind::Cleared]);
}

/// Pain that is never told by itself, and what may happen days later.
const LATER: &str = r#"
[[rule]]
id = "pain-and-saturation"
title = "Both"
domain = "safety"
condition = { all_of = [{ signal = "pain_nrs.daily_worst", at_least = 7 }, { signal = "oxygen_saturation", below = 90, for = "2m", max_gap = "10m" }] }
priority = "low"
action = "Call."
source = "test"
"#;

#[test]
fn a_combination_names_the_readings_of_a_part_that_began_days_ago_and_goes_on_naming_them() {
    let mut ward = ward_of(LATER);
    let pain = DAY + 9 * HOUR_MS;
    ward.send(number("watch", PAIN, pain, 8.0), pain);
    let at = DAY + 5 * DAY_MS + 9 * HOUR_MS;
    each_minute(SPO2, at, 5, 85.0).into_iter().for_each(|one| ward.send(one.clone(), one.time.0));
    ward.tick(at + 5 * MINUTE_MS);
    let shown = |ward: &Ward| ward.findings.last().unwrap().episode.evidence.clone();
    let (told, first) = (ward.told("pain-and-saturation"), shown(&ward));
    let reported = Observation::new(ward.readings[0].clone()).id(&painwatch_domain::TenantId::default());
    assert_eq!((told, first.contains(&reported)), (vec![FindingKind::Opened], true), "{first:?}");
    // Days close, and a late reading has it told again.
    ward.tick(at + 3 * DAY_MS);
    let late = at + 3 * DAY_MS;
    each_minute(SPO2, at + 5 * MINUTE_MS, 5, 84.0).into_iter().for_each(|one| ward.send(one, late));
    each_minute(SPO2, at + 10 * MINUTE_MS, 5, 97.0).into_iter().for_each(|one| ward.send(one, late));
    assert_eq!(ward.told("pain-and-saturation").last(), Some(&FindingKind::Cleared));
    assert!(shown(&ward).contains(&reported), "{:?}", shown(&ward));
}

fn any_day() -> impl Strategy<Value = Vec<(EffectiveReading, i64)>> {
    let burst =
        (0i64..3, 0i64..1_380, 1i64..12, prop_oneof![Just(SPO2), Just(RATE), Just(PAIN)], any::<bool>(), 0i64..40);
    prop::collection::vec(burst, 1..10).prop_map(|bursts| {
        let mut all: Vec<(EffectiveReading, i64)> = Vec::new();
        for (day, minute, length, measure, bad, late_h) in bursts {
            let from = DAY + day * DAY_MS + minute * MINUTE_MS;
            for one in each_minute(measure, from, length, good_or_bad(measure, bad)) {
                if all.iter().all(|(other, _)| (other.measure, other.time) != (one.measure, one.time)) {
                    all.push((one, late_h * HOUR_MS));
                }
            }
        }
        all
    })
}

fn lived(mut sent: Vec<(EffectiveReading, i64)>, late: bool, restarts: bool) -> Ward {
    let mut ward = ward();
    sent.sort_by_key(|(one, delay)| (one.time.0 + if late { *delay } else { 0 }, one.measure));
    let mut now = DAY;
    for (nth, (one, delay)) in sent.into_iter().enumerate() {
        now = now.max(one.time.0 + if late { delay } else { 0 });
        ward.send(one, now);
        if restarts && nth % 7 == 3 {
            ward.again();
        }
    }
    ward.tick(DAY + 8 * DAY_MS);
    ward
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn combinations_and_what_they_could_see_do_not_depend_on_the_order_of_arrival(sent in any_day()) {
        let (plain, late) = (lived(sent.clone(), false, false), lived(sent.clone(), true, true));
        let (one, other) = (plain.history(), late.history());
        let differing: Vec<_> = one.iter().filter(|line| !other.contains(line)).chain(other.iter().filter(|line| !one.contains(line))).collect();
        let told: Vec<_> = sent.iter().map(|(one, late)| (one.measure.name(), (one.time.0 - DAY) / MINUTE_MS, &one.value, late / HOUR_MS)).collect();
        prop_assert!(differing.is_empty(), "{:#?} of {:?}", differing, told);
        prop_assert_eq!((plain.coverage_defects, late.coverage_defects), (0, 0));
        let told = plain.coverage.keys().filter(|(_, rule, _)| rule == "two-of-four").count();
        prop_assert!(told >= 6, "{} days", told);
        prop_assert!(plain.coverage.keys().all(|(_, rule, _)| !rule.starts_with("inline-")));
    }
}
