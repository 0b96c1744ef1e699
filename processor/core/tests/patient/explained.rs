//! What `explain` says of rules that judge days or wait for readings, against what they told.

use crate::ward::{Ward, number, person, reading, wears};
use painwatch_domain::time::{DAY_MS, HOUR_MS};
use painwatch_domain::{FindingKind, Measure, Roster, Value};
use painwatch_processor_core::patient::explain::Standing;

use FindingKind::{Cleared, Opened};

/// 2026-06-10T00:00Z.
const DAY: i64 = 20_614 * DAY_MS;
const ID: &str = "asked";

fn ward(signal: &str, condition: &str) -> Ward {
    let text = format!(
        "[[rule]]\nid = \"{ID}\"\ntitle = \"Asked\"\ndomain = \"pain\"\nsignal = \"{signal}\"\ncondition = {condition}\n\
         priority = \"low\"\naction = \"Look.\"\nsource = \"engineering choice\"\n"
    );
    let mut roster = Roster::default();
    let ann = person("ann", &["clinic"]);
    roster.patients.insert(ann.id.clone(), ann);
    wears(&mut roster, "ann", "phone", &[]);
    Ward::new(roster, Some(&text), DAY)
}

fn at(hours: i64) -> i64 {
    DAY + hours * HOUR_MS
}

fn report(ward: &mut Ward, hours: i64, score: f64) {
    ward.send(number("phone", Measure::PainNrs, at(hours), score), at(hours));
}

/// A mild report in the morning says nothing about the evening (decision 0011).
#[test]
fn a_daily_rule_rings_until_a_day_that_is_over_ends_it_and_so_says_explain() {
    let mut ward = ward("pain_nrs.daily_worst", "{ at_least = 7 }");
    let standing = |ward: &Ward, hours: i64| ward.explained("ann", ID, at(hours)).saw.standing;
    report(&mut ward, 9, 8.0);
    assert_eq!(standing(&ward, 10), Standing::Rings);
    report(&mut ward, 33, 2.0);
    assert_eq!(ward.told(ID), [Opened]);
    assert_eq!(standing(&ward, 34), Standing::Rings, "the second day is not over");
    ward.tick(at(72));
    assert_eq!(ward.told(ID), [Opened, Cleared]);
    assert_eq!((standing(&ward, 10), standing(&ward, 34)), (Standing::Rings, Standing::Quiet), "what is known now");
    report(&mut ward, 73, 2.0);
    assert_eq!(standing(&ward, 74), Standing::Quiet);
    report(&mut ward, 75, 9.0);
    assert_eq!((standing(&ward, 76), ward.told(ID).last()), (Standing::Rings, Some(&Opened)), "today may begin one");
}

#[test]
fn a_rule_that_waits_for_days_with_a_value_says_since_when_it_rings() {
    let mut ward = ward("pain_nrs.daily_worst", "{ absent = \"2d\" }");
    report(&mut ward, 9, 3.0);
    ward.tick(at(72));
    let quiet = ward.explained("ann", ID, at(71)).saw;
    assert_eq!((quiet.standing, quiet.sees, quiet.held_since), (Standing::Quiet, true, None));
    assert_eq!(quiet.values[0].from, DAY, "the last day with a value");
    ward.tick(at(80));
    assert_eq!((ward.told(ID), ward.spans(ID)), (vec![Opened], vec![(at(48), None)]));
    let rings = ward.explained("ann", ID, at(80)).saw;
    assert_eq!((rings.standing, rings.sees, rings.held_since), (Standing::Rings, true, Some(at(48))));
    assert_eq!(rings.why, "no pain_nrs.daily_worst on 2 days in a row");
    report(&mut ward, 100, 3.0);
    ward.tick(at(130));
    assert_eq!(ward.explained("ann", ID, at(101)).saw.standing, Standing::Quiet);
    assert_eq!(ward.explained("ann", ID, at(80)).saw.standing, Standing::Rings);
}

#[test]
fn a_silence_is_explained_with_a_link_that_was_lost_days_ago() {
    let mut ward = ward("pain_nrs", "{ absent = \"24h\" }");
    report(&mut ward, 1, 3.0);
    for (hours, state) in [(2, "lost"), (90, "connected")] {
        ward.send(reading("phone", Measure::DeviceLink, at(hours), Value::Code(state.into())), at(hours));
    }
    for hours in [91, 100, 110, 113] {
        ward.tick(at(hours) - 1);
        assert_eq!((ward.told(ID), ward.explained("ann", ID, at(hours) - 2).saw.standing), (vec![], Standing::Quiet));
    }
    ward.tick(at(114));
    assert_eq!(ward.told(ID), [Opened]);
    assert_eq!(ward.explained("ann", ID, at(114)).saw.standing, Standing::Rings);
}
