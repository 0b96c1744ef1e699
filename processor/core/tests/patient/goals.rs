//! Where patients want to be, and from where they come (clinical catalogue F8).

use crate::ward::{Ward, number, patient_id, person, reading, wears};
use painwatch_domain::roster::{F64Bits, Goal};
use painwatch_domain::time::{DAY_MS, HOUR_MS};
use painwatch_domain::{EventTime, Measure, Roster, Value};
use proptest::prelude::*;

/// 2026-06-10T00:00Z.
const DAY: i64 = 20_614 * DAY_MS;

fn clinic(goals: &[(&str, f64, Option<i64>)]) -> Roster {
    let mut roster = Roster::default();
    let ann = person("ann", &["pain"]);
    roster.patients.insert(ann.id.clone(), ann);
    wears(&mut roster, "ann", "phone", &[]);
    let goal = |(metric, target, by): &(&str, f64, Option<i64>)| Goal {
        patient: patient_id("ann"),
        metric: (*metric).to_owned(),
        target: F64Bits::new(*target),
        by: by.map(EventTime),
    };
    roster.goals = goals.iter().map(goal).collect();
    roster
}

fn peg(day: i64, score: f64) -> painwatch_processor_core::intake::EffectiveReading {
    number("phone", Measure::Peg, DAY + day * DAY_MS + 9 * HOUR_MS, score)
}

fn steps(day: i64, count: f64) -> painwatch_processor_core::intake::EffectiveReading {
    let mut day_of = reading("phone", Measure::StepCount, DAY + day * DAY_MS, Value::Number(0));
    day_of.value = Value::Number(Measure::StepCount.to_scaled(count));
    day_of.end = Some(DAY + (day + 1) * DAY_MS);
    day_of
}

/// PEG 8 at first and 5 is wanted: 7 is a third of the way.
#[test]
fn a_goal_says_how_much_of_the_way_is_done_and_when_its_day_is_over() {
    let mut ward = Ward::new(clinic(&[("peg.score", 5.0, Some(DAY + 10 * DAY_MS))]), None, DAY);
    for (day, score) in [(0, 8.0), (7, 7.0), (14, 5.0), (21, 9.0)] {
        ward.send(peg(day, score), DAY + day * DAY_MS + 10 * HOUR_MS);
    }
    ward.tick(DAY + 23 * DAY_MS);
    let told =
        |day: i64| (ward.value("peg.goal_pct", DAY + day * DAY_MS), ward.quality("peg.goal_pct", DAY + day * DAY_MS));
    assert_eq!(told(0), (Some(0.0), "target=5,by=2026-06-20"));
    assert_eq!(told(7), (Some(100.0 / 3.0), "target=5,by=2026-06-20"));
    assert_eq!(told(14), (Some(100.0), "target=5,by=2026-06-20,over"));
    assert!(told(21).0.is_some_and(|pct| pct < 0.0), "the wrong way");
    assert!(Ward::new(clinic(&[]), None, DAY).value("peg.goal_pct", DAY).is_none());
}

#[test]
fn day_0_stays_where_it_was_when_the_days_around_it_are_forgotten() {
    let mut ward = Ward::new(clinic(&[("peg.score", 2.0, None)]), None, DAY);
    ward.send(peg(0, 9.0), DAY + 10 * HOUR_MS);
    for week in 1..60 {
        ward.send(peg(7 * week, 8.5), DAY + 7 * week * DAY_MS + 10 * HOUR_MS);
    }
    let last = DAY + 7 * 59 * DAY_MS;
    ward.tick(last + 2 * DAY_MS);
    // Half a point from 9 is no change of a point; against a later week it would be none at all.
    let told = &ward.metrics[&("peg.goal_pct".to_owned(), last)].told;
    assert_eq!((told.baseline, told.deviation), (Some(9.0), Some(6.5)));
    ward.again();
    ward.send(peg(7 * 60, 7.9), last + 7 * DAY_MS + 10 * HOUR_MS);
    ward.tick(last + 9 * DAY_MS);
    assert_eq!(ward.value("peg.progress", last + 7 * DAY_MS), Some(1.0), "a point better than on day 0");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn the_way_to_a_goal_does_not_depend_on_the_order_of_arrival(order in Just((0..12i64).collect::<Vec<_>>()).prop_shuffle()) {
        let goals = [("step_count.daily_sum", 9000.0, None), ("peg.score", 3.0, None)];
        let told = |order: &[i64]| {
            let mut ward = Ward::new(clinic(&goals), None, DAY);
            for (nth, day) in (0..).zip(order) {
                let now = DAY + 20 * DAY_MS + nth * HOUR_MS;
                ward.send(steps(*day, 3000.0 + 400.0 * *day as f64), now);
                ward.send(peg(*day, 8.0 - *day as f64 / 4.0), now);
            }
            ward.tick(DAY + 25 * DAY_MS);
            let of_goals = ward.metrics.iter().filter(|((metric, _), _)| metric.ends_with("goal_pct"));
            // What shows a value may have been forgotten and is found again: it is no part of what is said.
            of_goals.map(|(key, row)| (key.clone(), row.told.value.value, row.told.baseline, row.told.deviation)).collect::<Vec<_>>()
        };
        let in_order = told(&(0..12).collect::<Vec<_>>());
        prop_assert!(in_order.iter().any(|((metric, _), value, ..)| metric == "step_count.goal_pct" && value.is_some()));
        prop_assert_eq!(told(&order), in_order);
    }
}
