use painwatch_domain::{Zone, time::parse_stamp};
use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000;
/// 2026-03-01T12:00:00Z.
const NOON: i64 = 1_772_366_400_000;

fn tenant() -> TenantId {
    TenantId::default()
}

fn device(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap()
}

fn gateway() -> GatewayId {
    GatewayId::parse("gw-17").unwrap()
}

/// A clinic's clocks, and every conclusion put in force as soon as it is made.
#[derive(Default)]
struct World {
    clocks: Clocks,
    concluded: Vec<(String, i64)>,
}

impl World {
    fn sees(&mut self, name: &str, claimed: i64, received_at: i64, boot_id: Option<u32>) {
        let seen = Sighting { claimed, received_at, boot_id };
        if let Some(estimate) = self.clocks.see_device(&tenant(), &device(name), &gateway(), seen) {
            self.concluded.push((name.to_owned(), estimate.ahead_ms));
            self.clocks.decide_device(&tenant(), &device(name), estimate);
        }
    }

    /// Once a minute, two seconds on the way.
    fn streams(&mut self, name: &str, from: i64, minutes: i64, ahead_ms: i64) {
        for minute in 0..minutes {
            let taken = from + minute * MINUTE_MS;
            self.sees(name, taken.saturating_add(ahead_ms), taken + 2 * SECOND, None);
        }
    }

    fn known(&self, name: &str) -> Option<i64> {
        self.clocks.known().of(&tenant(), &device(name)).map(|offset| offset.ahead_ms)
    }
}

/// Offsets within what an upload takes.
fn near(found: Option<i64>, ahead_ms: i64) {
    let found = found.unwrap_or_else(|| panic!("nothing is known of a clock {ahead_ms} ms ahead"));
    assert!(found.abs_diff(ahead_ms) <= 5 * SECOND as u64, "{found} instead of {ahead_ms}");
}

#[test]
fn semantics_7_a_clock_that_is_ahead_is_known_after_three_submissions() {
    for ahead in [6 * MINUTE_MS, 2 * HOUR_MS, 24 * HOUR_MS, 3_650 * DAY_MS] {
        let mut world = World::default();
        world.streams("watch", NOON, 2, ahead);
        assert_eq!(world.known("watch"), None);
        world.streams("watch", NOON + 2 * MINUTE_MS, 1, ahead);
        near(world.known("watch"), ahead);
        world.streams("watch", NOON + 3 * MINUTE_MS, 600, ahead);
        assert_eq!(world.concluded.len(), 1, "what stays is concluded once");
        let mut burst = World::default();
        (0..50).for_each(|n| burst.sees("watch", NOON + ahead + n, NOON + n * 2 * SECOND, None));
        assert_eq!(burst.known("watch"), None, "one thing said fifty times within two minutes");
    }
}

#[test]
fn p16_a_clock_in_1970_1900_2000_or_2036_or_that_starts_at_0_is_known() {
    let at = |stamp: &str| parse_stamp(stamp, &Zone::utc()).unwrap().utc_ms;
    let starts = [0, at("1970-01-01T09:00:00Z"), at("1900-01-01T00:00:00Z"), at("2036-02-07T06:28:16Z")];
    for start in starts {
        let mut world = World::default();
        world.streams("cap", NOON, 5, start - NOON);
        near(world.known("cap"), start - NOON);
    }
    let mut world = World::default();
    world.streams("cap", NOON, 40, at("2000-01-01T00:00:00Z") - NOON);
    assert_eq!(world.known("cap"), None, "26 years old may be an old store being read out");
    world.streams("cap", NOON + 40 * MINUTE_MS, 30, at("2000-01-01T00:00:00Z") - NOON);
    near(world.known("cap"), at("2000-01-01T00:00:00Z") - NOON);
}

#[test]
fn semantics_7_a_clock_that_is_behind_by_hours_is_known_after_an_hour_of_streaming() {
    let mut world = World::default();
    world.streams("watch", NOON, 59, -HOUR_MS);
    assert_eq!(world.known("watch"), None);
    world.streams("watch", NOON + 59 * MINUTE_MS, 3, -HOUR_MS);
    near(world.known("watch"), -HOUR_MS);
}

#[test]
fn p16_the_hour_that_a_device_does_not_change_with_its_zone_is_taken_out_on_both_days() {
    // A watch that stamps local time as if it were the zone's winter, or summer, time.
    for (days, ahead) in [("2026-03-29T01:00:00Z", -HOUR_MS), ("2026-10-25T01:00:00Z", HOUR_MS)] {
        let change = parse_stamp(days, &Zone::utc()).unwrap().utc_ms;
        let mut world = World::default();
        world.streams("watch", change - 3 * HOUR_MS, 180, 0);
        assert_eq!(world.known("watch"), None);
        world.streams("watch", change, 120, ahead);
        near(world.known("watch"), ahead);
        world.streams("watch", change + 2 * HOUR_MS, 5, 0);
        assert_eq!(world.known("watch"), None, "the next synchronisation set it right");
    }
}

#[test]
fn semantics_7_what_is_only_late_is_not_taken_for_a_clock_that_is_behind() {
    let cases: [(&str, Vec<(i64, i64)>); 4] = [
        // One measurement each morning, fetched by a nightly job.
        ("nightly", (0..60).map(|day| (NOON + day * DAY_MS, NOON + day * DAY_MS + 14 * HOUR_MS)).collect()),
        // Ten-minute means, stamped with their beginning.
        ("means", (0..200).map(|n| (NOON + n * 10 * MINUTE_MS, NOON + (n + 1) * 10 * MINUTE_MS)).collect()),
        // A day without a link, caught up in order.
        ("backlog", (0..500).map(|n| (NOON + n * MINUTE_MS, NOON + DAY_MS + n * SECOND)).collect()),
        // A phone that is in reach now and then.
        ("now and then", (0..300).map(|n| (NOON + n * HOUR_MS, NOON + n * HOUR_MS + n * n % 97 * MINUTE_MS)).collect()),
    ];
    for (name, seen) in cases {
        let mut world = World::default();
        seen.iter().for_each(|&(claimed, received)| world.sees("w", claimed, received, None));
        assert_eq!(world.known("w"), None, "{name}");
    }
}

#[test]
fn semantics_7_a_device_behind_with_its_gateway_is_known_as_soon_as_one_that_is_ahead() {
    let mut world = World::default();
    for minute in 0..8 {
        let (taken, received_at) = (NOON + minute * MINUTE_MS, NOON + minute * MINUTE_MS + 2 * SECOND);
        let seen = Sighting { claimed: taken + SECOND - 2 * HOUR_MS, received_at, boot_id: None };
        if let Some(estimate) = world.clocks.see_gateway(&tenant(), &gateway(), seen) {
            near(Some(estimate.ahead_ms), -2 * HOUR_MS);
        }
        world.sees("phone", taken - 2 * HOUR_MS, received_at, None);
    }
    near(world.known("phone"), -2 * HOUR_MS);
}

#[test]
fn semantics_7_an_estimate_ends_with_the_clock_it_was_made_of() {
    let mut world = World::default();
    world.streams("watch", NOON, 10, 2 * HOUR_MS);
    world.streams("watch", NOON + 10 * MINUTE_MS, 10, 3 * HOUR_MS);
    near(world.known("watch"), 3 * HOUR_MS);
    world.streams("watch", NOON + 20 * MINUTE_MS, 10, 0);
    assert_eq!(world.known("watch"), None);
    // Counting from its start, and started anew.
    for (boot, start) in [(1, NOON), (2, NOON + HOUR_MS)] {
        for minute in 0..5 {
            let taken = start + minute * MINUTE_MS;
            world.sees("cap", minute * MINUTE_MS, taken + SECOND, Some(boot));
        }
        near(world.known("cap"), -start);
    }
}

proptest! {
    #[test]
    fn past_failure_34_one_wrong_clock_in_a_thousand_changes_nothing_for_the_others(
        ahead in prop_oneof![Just(2 * HOUR_MS), Just(3_650 * DAY_MS), any::<i64>()],
        lags in prop::collection::vec(0..90 * MINUTE_MS, 60),
    ) {
        let others = |world: &mut World, wrong: bool| {
            for (minute, lag) in (0..).zip(&lags) {
                let received_at = NOON + minute * MINUTE_MS;
                if wrong {
                    world.sees("wrong", received_at.saturating_add(ahead), received_at, None);
                }
                world.sees("late", received_at - lag, received_at, None);
                world.sees("prompt", received_at - 2 * SECOND, received_at, None);
            }
        };
        let (mut alone, mut among) = (World::default(), World::default());
        others(&mut alone, false);
        others(&mut among, true);
        for name in ["late", "prompt"] {
            prop_assert_eq!(alone.known(name), among.known(name));
            prop_assert_eq!(among.known(name), None);
            prop_assert_eq!(alone.clocks.devices.get(&format!("main/{name}")), among.clocks.devices.get(&format!("main/{name}")));
        }
    }

    #[test]
    fn semantics_7_a_clock_ahead_is_never_estimated_beyond_what_it_is(
        ahead in 6 * MINUTE_MS..40 * HOUR_MS,
        lags in prop::collection::vec(prop_oneof![0..40 * SECOND, 0..5 * HOUR_MS], 3..80),
    ) {
        let mut world = World::default();
        for (minute, lag) in (0..).zip(&lags) {
            let received_at = NOON + minute * MINUTE_MS;
            world.sees("watch", received_at + ahead - lag, received_at, None);
        }
        for (_, found) in &world.concluded {
            prop_assert!(*found <= ahead, "{} of {}", found, ahead);
        }
    }

    #[test]
    fn semantics_7_what_was_seen_goes_through_a_checkpoint_unchanged(lags in prop::collection::vec(0..90 * MINUTE_MS, 40), cut in 0..40_usize) {
        let (mut whole, mut cut_short) = (World::default(), World::default());
        for (minute, lag) in (0..).zip(&lags) {
            let received_at = NOON + minute * MINUTE_MS;
            for world in [&mut whole, &mut cut_short] {
                world.sees("watch", received_at + HOUR_MS - lag / 60, received_at, Some(7));
            }
            if minute == cut as i64 {
                let bytes = serde_json::to_vec(&cut_short.clocks).unwrap();
                cut_short.clocks = serde_json::from_slice(&bytes).unwrap();
            }
        }
        prop_assert_eq!(whole.clocks, cut_short.clocks);
        prop_assert_eq!(whole.concluded, cut_short.concluded);
    }
}
