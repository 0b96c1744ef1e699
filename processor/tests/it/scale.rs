//! A scale that a household shares (semantics 8), through the whole engine.

use std::collections::BTreeMap;

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{EventTime, Measure, Roster, TenantId};
use painwatch_store::Store;

use crate::clinic::{self, PACKS};
use crate::history;
use crate::rig::{Journal, Rig, Sent};
use crate::seed::Seed;

/// 2026-06-10T00:00Z.
const DAY: i64 = 20_614 * DAY_MS;
const DAYS: i64 = 12;

/// Ann has the scale to herself on the first day, Bob on the second, and both have it from the third on.
fn roster() -> Roster {
    let roster = clinic::with_patient(Roster::default(), clinic::patient("ann", "UTC", &PACKS));
    let roster = clinic::with_patient(roster, clinic::patient("bob", "UTC", &PACKS));
    let roster = clinic::paired(roster, "scale", "ann", DAY, Some(DAY + DAY_MS));
    let roster = clinic::paired(roster, "scale", "ann", DAY + 2 * DAY_MS, None);
    clinic::paired(roster, "scale", "bob", DAY + DAY_MS, None)
}

/// What the scale says: Ann's 61 kg, Bob's 88, both of them growing, and once a guest of 74 kg.
fn weights() -> Vec<(i64, f64)> {
    let of_day = |day: i64| {
        let (morning, gained) = (DAY + day * DAY_MS + 7 * HOUR_MS, day as f64 * 0.3);
        let ann = (morning, 61.0 + gained);
        let bob = (morning + 10 * MINUTE_MS, 88.0 + gained);
        let guest = (morning + 20 * MINUTE_MS, 74.0);
        match day {
            0 => vec![ann],
            1 => vec![bob],
            5 => vec![ann, bob, guest],
            _ => vec![ann, bob],
        }
    };
    (0..DAYS).flat_map(of_day).collect()
}

/// Each weight in a batch of its own, received at that time.
async fn applied(arrivals: &[(i64, (i64, f64))]) -> Rig {
    let mut journal = Journal::default();
    journal.roster(DAY - DAY_MS, &clinic::publish(roster()));
    for (at, weight) in arrivals {
        journal.batch(*at, &[Sent::numbers("scale", Measure::BodyWeight, [*weight])]);
    }
    journal.tick(DAY + 2 * DAYS * DAY_MS);
    let mut rig = Rig::new().await;
    rig.apply_all(&journal).await;
    rig
}

/// Kilograms by patient and day.
async fn daily(rig: &Rig) -> BTreeMap<(String, i64), f64> {
    let name = Some("body_weight.day_value".to_owned());
    let rows = rig.store.metrics(TenantId::default(), None, name, EventTime::MIN, EventTime::MAX).await.unwrap();
    let day = |at: EventTime| (at.0 - DAY).div_euclid(DAY_MS);
    rows.iter().filter_map(|row| Some(((row.patient.to_string(), day(row.window_start)), row.value?))).collect()
}

fn expected() -> BTreeMap<(String, i64), f64> {
    let mut expected = BTreeMap::new();
    for (time, kg) in weights().into_iter().filter(|(_, kg)| *kg != 74.0) {
        let whose = clinic::patient_id(if kg < 74.0 { "ann" } else { "bob" });
        expected.insert((whose.to_string(), (time - DAY).div_euclid(DAY_MS)), (kg * 10.0).round() / 10.0);
    }
    expected
}

#[tokio::test]
async fn semantics_8_weights_of_a_shared_scale_are_theirs_whose_they_are_in_any_order_of_arrival() {
    let live: Vec<_> = weights().into_iter().map(|weight| (weight.0 + MINUTE_MS, weight)).collect();
    let one = applied(&live).await;
    assert_eq!(daily(&one).await, expected());
    let history = history::canonical(&one.store).await;
    for seed in 0..6 {
        let mut dice = Seed::new(seed);
        // Some come at once, some days later, and then in no order.
        let mut late: Vec<_> = weights()
            .into_iter()
            .map(|weight| (weight.0 + if dice.chance(50) { MINUTE_MS } else { dice.between(0, DAYS * DAY_MS) }, weight))
            .collect();
        late.sort_by_key(|(at, _)| *at);
        let other = applied(&late).await;
        assert_eq!(daily(&other).await, expected(), "seed {seed}");
        assert_eq!(history::difference(&history, &history::canonical(&other.store).await), None, "seed {seed}");
    }
}
