//! Stories that a small mistake would change: `cargo xtask defects` makes those mistakes and runs them.

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use painwatch_domain::{EventTime, FindingKind, Measure, Roster, TenantId};
use painwatch_store::{MetricRow, Store};

use crate::clinic::{self, PACKS};
use crate::rig::{Journal, Rig, Sent};

const DAY: i64 = 20_614 * DAY_MS;

async fn applied(zone: &str, sent: Vec<(i64, Sent)>, until: i64) -> Rig {
    let mut roster = clinic::with_patient(Roster::default(), clinic::patient("ann", zone, &PACKS));
    for device in ["watch", "scale", "phone"] {
        roster = clinic::paired(roster, device, "ann", 0, None);
    }
    let mut journal = Journal::default();
    let first = sent.first().map_or(until, |(at, _)| *at);
    journal.roster(first - DAY_MS, &clinic::publish(roster));
    sent.iter().for_each(|(at, one)| journal.batch(*at, std::slice::from_ref(one)));
    journal.tick(until);
    let mut rig = Rig::new().await;
    rig.apply_all(&journal).await;
    rig
}

async fn metrics(rig: &Rig, name: &str) -> Vec<MetricRow> {
    let (tenant, name) = (TenantId::default(), Some(name.to_owned()));
    let mut rows = rig.store.metrics(tenant, None, name, EventTime::MIN, EventTime::MAX).await.unwrap();
    rows.sort_by_key(|row| row.window_start);
    rows
}

fn kinds(rig: &Rig, rule: &str) -> Vec<FindingKind> {
    rig.findings.iter().filter(|finding| finding.rule.as_str() == rule).map(|finding| finding.kind).collect()
}

/// 2026-10-25 in Paris lasts from 22:00Z to 23:00Z of the next day, 25 hours; 2026-03-29 lasts 23.
#[tokio::test]
async fn the_hour_that_clocks_repeat_is_part_of_its_day() {
    let midnight = 20_751 * DAY_MS - 2 * HOUR_MS;
    let hourly = (0..49).map(|hour| midnight + hour * HOUR_MS + 30 * MINUTE_MS);
    let score = |at: i64| if (at - midnight) / HOUR_MS == 24 { 9.0 } else { 2.0 };
    let sent = hourly.map(|at| (at + 1, Sent::numbers("phone", Measure::PainNrs, [(at, score(at))]))).collect();
    let rig = applied("Europe/Paris", sent, midnight + 3 * DAY_MS).await;
    let worst = metrics(&rig, "pain_nrs.daily_worst").await;
    let told: Vec<_> = worst.iter().map(|row| (row.window_end.0 - row.window_start.0, row.n, row.value)).collect();
    // So many reports are the worst.
    assert_eq!(told[..2], [(25 * HOUR_MS, 1, Some(9.0)), (24 * HOUR_MS, 24, Some(2.0))]);
    let spring = 20_541 * DAY_MS - HOUR_MS;
    let hourly = (0..24).map(|hour| spring + hour * HOUR_MS + 30 * MINUTE_MS);
    let sent = hourly.map(|at| (at + 1, Sent::numbers("phone", Measure::PainNrs, [(at, 2.0)]))).collect();
    let rig = applied("Europe/Paris", sent, spring + 3 * DAY_MS).await;
    let worst = metrics(&rig, "pain_nrs.daily_worst").await;
    assert_eq!((worst[0].window_end.0 - worst[0].window_start.0, worst[0].n, worst[1].n), (23 * HOUR_MS, 23, 1));
}

#[tokio::test]
async fn low_values_on_both_sides_of_a_silence_do_not_hold_across_it() {
    let low = |from: i64| Sent::numbers("watch", Measure::OxygenSaturation, (0..3).map(|i| (from + i * 30_000, 84.0)));
    let after = |silence_ms: i64| {
        let again = DAY + MINUTE_MS + silence_ms;
        vec![(DAY + MINUTE_MS + 1, low(DAY)), (again + MINUTE_MS + 1, low(again))]
    };
    for (silence_ms, expected) in [(90 * SECOND_MS, vec![FindingKind::Opened]), (91 * SECOND_MS, vec![])] {
        let rig = applied("UTC", after(silence_ms), DAY + 6 * MINUTE_MS).await;
        assert_eq!(kinds(&rig, "spo2-critical"), expected, "{silence_ms} ms");
    }
}

#[tokio::test]
async fn a_day_is_no_part_of_the_baseline_that_judges_it() {
    let score = |day: i64| if day == 8 { 9.0 } else { 2.0 + (day % 3) as f64 };
    let report = |day: i64| {
        let at = [9, 20].map(|hour| DAY + day * DAY_MS + hour * HOUR_MS);
        (at[1] + 1, Sent::numbers("phone", Measure::PainNrs, at.map(|at| (at, score(day)))))
    };
    let rig = applied("UTC", (0..9).map(report).collect(), DAY + 10 * DAY_MS).await;
    let judged = metrics(&rig, "pain_nrs.robust_z").await;
    let eight_days_before = [2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0, 4.0];
    let last = judged.iter().find(|row| row.window_start.0 == DAY + 8 * DAY_MS).unwrap();
    assert_eq!((last.n, last.baseline), (eight_days_before.len() as i64, Some(3.0)));
    // Median absolute deviation 1.
    assert!(last.value.is_some_and(|z| (z - 6.0 / 1.482_602_218_505_602).abs() < 1e-12), "{:?}", last.value);
}

#[tokio::test]
async fn exactly_at_a_strict_limit_is_not_beyond_it() {
    let run = |value: f64| {
        let samples = (0..20).map(|i| (DAY + i * 30_000, value));
        vec![(DAY + 10 * MINUTE_MS, Sent::numbers("watch", Measure::OxygenSaturation, samples))]
    };
    for (value, low, critical) in [(90.0, 0, 0), (89.9, 1, 0), (85.1, 1, 0), (85.0, 1, 1)] {
        let rig = applied("UTC", run(value), DAY + 10 * MINUTE_MS).await;
        let found = (kinds(&rig, "spo2-sustained-low").len(), kinds(&rig, "spo2-critical").len());
        assert_eq!(found, (low, critical), "below 90, at most 85: {value}");
    }
}
