//! What is plausible but unusual is kept and marked, and rings with the text to verify the sensor (clinical catalogue G1).

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{EventTime, Finding, FindingKind, Flags, Measure, Roster, TenantId};
use painwatch_store::Store;

use crate::clinic::{self, PACKS};
use crate::rig::{Journal, Rig, Sent};

/// 2026-06-10T00:00Z.
const DAY: i64 = 20_614 * DAY_MS;

fn begun() -> Journal {
    let mut roster = clinic::with_patient(Roster::default(), clinic::patient("ann", "UTC", &PACKS));
    for device in ["watch", "scale", "cap"] {
        roster = clinic::paired(roster, device, "ann", 0, None);
    }
    let roster = clinic::with_medication(roster, "paracetamol-5mg", "paracetamol", "ir");
    let mut journal = Journal::default();
    journal.roster(DAY - DAY_MS, &clinic::publish(roster));
    journal
}

async fn applied(journal: &Journal) -> Rig {
    let mut rig = Rig::new().await;
    rig.apply_all(journal).await;
    rig
}

fn opened<'a>(rig: &'a Rig, rule: &str) -> &'a Finding {
    let mut of_rule = rig.findings.iter().filter(|finding| finding.rule.as_str() == rule);
    of_rule.find(|finding| finding.kind == FindingKind::Opened).unwrap_or_else(|| panic!("{rule} did not ring"))
}

/// As ingest marks them.
fn doubted(mut sent: Sent) -> Sent {
    sent.series.samples.iter_mut().for_each(|sample| sample.flags = Flags::VERIFY);
    sent
}

#[tokio::test]
async fn a_saturation_of_65_rings_and_asks_to_verify_the_sensor_and_one_of_84_asks_for_nothing() {
    let ten_minutes = |percent: f64| {
        let times = (DAY + 9 * HOUR_MS..DAY + 9 * HOUR_MS + 10 * MINUTE_MS).step_by(30_000);
        Sent::numbers("watch", Measure::OxygenSaturation, times.map(|at| (at, percent)))
    };
    for (sent, asks) in [(doubted(ten_minutes(65.0)), true), (ten_minutes(84.0), false)] {
        let mut journal = begun();
        journal.batch(DAY + 9 * HOUR_MS + 11 * MINUTE_MS, &[sent]);
        let rig = applied(&journal).await;
        for rule in ["spo2-critical", "spo2-sustained-low"] {
            let why = &opened(&rig, rule).episode.why;
            assert_eq!(why.ends_with("; verify sensor"), asks, "{rule}: {why}");
        }
    }
}

#[tokio::test]
async fn the_mark_outlives_a_restart_and_goes_with_the_daily_value_that_came_from_a_doubted_reading() {
    let mut journal = begun();
    let weight =
        |day: i64, kg: f64| Sent::numbers("scale", Measure::BodyWeight, [(DAY + day * DAY_MS + 7 * HOUR_MS, kg)]);
    journal.batch(DAY + 8 * HOUR_MS, &[weight(0, 80.0)]);
    journal.batch(DAY + DAY_MS + 8 * HOUR_MS, &[doubted(weight(1, 90.0))]);
    let mut rig = applied(&journal).await;
    let why = &opened(&rig, "weight-gain-1d").episode.why;
    assert!(why.ends_with("; verify sensor"), "{why}");
    rig.checkpoint().await;
    rig.crash().await;
    journal.tick(DAY + 3 * DAY_MS);
    rig.apply_all(&journal).await;
    let (name, from) = ("body_weight.day_value".to_owned(), EventTime(DAY));
    let until = EventTime(DAY + 2 * DAY_MS);
    let rows = rig.store.metrics(TenantId::default(), None, Some(name), from, until).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.quality.as_str()).collect::<Vec<_>>(), ["", "verify"]);
}

/// 1000 mg is the most of paracetamol at once: up to five times as much asks for nothing, and more counts all the same.
#[tokio::test]
async fn a_dose_of_more_than_five_times_the_greatest_single_one_counts_and_asks_to_be_verified() {
    for (tablets, asks) in [(1000, false), (1001, true)] {
        let mut journal = begun();
        let at = DAY + 9 * HOUR_MS;
        journal.batch(at + MINUTE_MS, &[Sent::dose("cap", "paracetamol-5mg", at, tablets)]);
        let why = &opened(&applied(&journal).await, "daily-maximum-exceeded").episode.why.clone();
        assert_eq!(why.ends_with("; verify sensor"), asks, "{why}");
    }
}
