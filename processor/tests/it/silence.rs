//! What stood between us and the devices: told by records, kept through restarts, named in the ledger, in explanations and on
//! the sheet after an outage.

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{EventTime, FindingKind, JournalTime, Measure, Roster, TenantId};
use painwatch_processor::Assumed;
use painwatch_processor::rerun::Rerun;
use painwatch_processor_core::patient::explain::{InForce, Need, Standing};
use painwatch_proto::journal::v1 as pb;
use painwatch_store::{CoverageRow, Store};

use crate::clinic::{self, PACKS};
use crate::rig::{Journal, Rig, Sent};

/// 2026-06-10T00:00Z.
const DAY: i64 = 20_614 * DAY_MS;
const SPO2: Measure = Measure::OxygenSaturation;
const SILENT: &str = "technical-stream-silent";

fn ann() -> Roster {
    let roster =
        clinic::with_patient(Roster::default(), clinic::patient("ann", "UTC", &[&PACKS[..], &["ward"]].concat()));
    let roster = clinic::with_medication(roster, "oxycodone-5mg", "oxycodone", "ir");
    let roster = clinic::with_stream(roster, "watch", SPO2, 30_000);
    let roster = clinic::paired(roster, "watch", "ann", 0, None);
    clinic::paired(clinic::with_device(roster, "cap", 2), "cap", "ann", 0, None)
}

fn begun() -> Journal {
    let mut journal = Journal::default();
    journal.roster(DAY, &clinic::publish(ann()));
    journal
}

fn saturation(from: i64, until: i64, value: f64) -> Sent {
    Sent::numbers("watch", SPO2, (from..until).step_by(30_000).map(|at| (at, value)))
}

/// Sent every ten minutes as measured.
fn live(journal: &mut Journal, from: i64, until: i64) {
    for at in (from..until).step_by(10 * MINUTE_MS as usize) {
        journal.batch(at + 10 * MINUTE_MS, &[saturation(at, at + 10 * MINUTE_MS, 97.0)]);
    }
}

fn away(online: bool) -> pb::GatewayStatus {
    pb::GatewayStatus { gateway: "gw".to_owned(), online, ..pb::GatewayStatus::default() }
}

async fn applied(journal: &Journal) -> Rig {
    let mut rig = Rig::new().await;
    rig.apply_all(journal).await;
    rig
}

/// What a rule could not see on the day, with the cause.
async fn gaps(rig: &Rig, rule: &str) -> Vec<(i64, i64, String)> {
    let rows = rig.store.coverage(TenantId::default(), None, EventTime(DAY), EventTime(DAY + DAY_MS)).await.unwrap();
    let blind = rows.into_iter().filter(|row: &CoverageRow| row.rule.as_str() == rule && row.state != "covered");
    blind.map(|row| ((row.start.0 - DAY) / MINUTE_MS, (row.end.0 - DAY) / MINUTE_MS, row.cause)).collect()
}

#[tokio::test]
async fn semantics_15_our_pause_a_gateway_that_is_away_and_a_charging_device_are_told_apart() {
    let mut journal = begun();
    live(&mut journal, DAY, DAY + 2 * HOUR_MS);
    journal.gap(DAY + 2 * HOUR_MS + 10 * MINUTE_MS, DAY + 4 * HOUR_MS);
    live(&mut journal, DAY + 4 * HOUR_MS, DAY + 6 * HOUR_MS);
    journal.status(DAY + 6 * HOUR_MS + 10 * MINUTE_MS, away(false));
    journal.status(DAY + 8 * HOUR_MS, away(true));
    live(&mut journal, DAY + 8 * HOUR_MS, DAY + 10 * HOUR_MS);
    let charging = pb::DeviceStatus { device: "watch".to_owned(), charging: Some(true), ..pb::DeviceStatus::default() };
    journal.status(DAY + 10 * HOUR_MS, pb::GatewayStatus { devices: vec![charging.clone()], ..away(true) });
    let over = pb::DeviceStatus { charging: Some(false), ..charging };
    journal.status(DAY + 12 * HOUR_MS, pb::GatewayStatus { devices: vec![over], ..away(true) });
    live(&mut journal, DAY + 12 * HOUR_MS, DAY + DAY_MS);
    journal.tick(DAY + 2 * DAY_MS);
    let rig = applied(&journal).await;
    let told = gaps(&rig, "spo2-sustained-low").await;
    let causes: Vec<(i64, &str)> = told.iter().map(|(from, _, cause)| (*from, cause.as_str())).collect();
    // A minute after the last sample that still speaks, nothing says why until something does.
    assert_eq!(
        causes,
        [(121, "unknown"), (130, "self"), (361, "unknown"), (370, "gateway"), (601, "charging")],
        "{told:?}"
    );
    assert_eq!(rig.engine.coverage_defects(), 0);
}

#[tokio::test]
async fn semantics_16_a_prescribed_stream_that_falls_silent_is_told_once_through_restarts_and_clears_when_it_speaks() {
    let mut journal = begun();
    live(&mut journal, DAY, DAY + 2 * HOUR_MS);
    (1..40).for_each(|hour| journal.tick(DAY + (2 + hour) * HOUR_MS));
    live(&mut journal, DAY + 42 * HOUR_MS, DAY + 43 * HOUR_MS);
    let mut rig = Rig::new().await;
    for record in &journal.records {
        rig.apply(record).await;
        rig.checkpoint().await;
        rig.crash().await;
    }
    let told: Vec<_> = rig.findings.iter().filter(|finding| finding.rule.as_str() == SILENT).collect();
    let kinds: Vec<FindingKind> = told.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::Opened, FindingKind::Cleared]);
    assert_eq!(told[0].patient.as_ref().unwrap().as_str(), "ann");
    assert!(
        told[0].episode.why.starts_with("no oxygen_saturation from watch since 2026-06-10T01:59:30Z"),
        "{}",
        told[0].episode.why
    );
}

#[tokio::test]
async fn semantics_16_our_own_pause_pages_nobody_as_a_patients_silence() {
    let mut journal = begun();
    live(&mut journal, DAY, DAY + 2 * HOUR_MS);
    journal.gap(DAY + 2 * HOUR_MS + 10 * MINUTE_MS, DAY + 50 * HOUR_MS);
    journal.batch(DAY + 50 * HOUR_MS + MINUTE_MS, &[saturation(DAY + 2 * HOUR_MS, DAY + 50 * HOUR_MS, 97.0)]);
    journal.tick(DAY + 52 * HOUR_MS);
    let rig = applied(&journal).await;
    assert!(rig.findings.iter().all(|finding| finding.rule.as_str() != SILENT), "{:?}", rig.findings);
}

const WARD: &str = r#"
[[rule]]
id = "low-and-slow"
title = "Saturation and breathing low"
domain = "safety"
condition = { all_of = ["spo2-sustained-low", { signal = "respiratory_rate", at_most = 9, for = "2m", max_gap = "5m" }], within = "15m" }
priority = "high"
action = "Call. Not for emergencies."
source = "test"
"#;

async fn asked(rerun: &mut Rerun, rule: &str, at: i64) -> InForce {
    let explained = rerun.explain(&clinic::patient_id("ann"), EventTime(at)).await.unwrap();
    let of_rule = explained.into_iter().find(|explained| explained.rule.as_str() == rule).expect("the rule applies");
    of_rule.in_force.expect("a version is in force")
}

async fn rerun(journal: &Journal, until: i64) -> Rerun {
    let mut rerun = Rerun::new(clinic::parse, Assumed::default()).await.unwrap();
    for record in journal.records.iter().filter(|record| record.journal_time.0 <= until) {
        rerun.apply(record).await.unwrap();
    }
    rerun.pass(JournalTime(until)).await.unwrap();
    rerun
}

#[tokio::test]
async fn a_combination_is_explained_by_what_each_of_its_parts_did() {
    let mut journal = Journal::default();
    journal.roster(DAY, &clinic::publish(ann()));
    let rules = painwatch_processor_core::rules::parse(WARD, "ward.toml").unwrap();
    journal.rule_of_pack(DAY, "ward", &rules[0]);
    let at = DAY + HOUR_MS;
    let slow = |from: i64, value| {
        Sent::numbers(
            "watch",
            Measure::RespiratoryRate,
            (from..from + 10 * MINUTE_MS).step_by(60_000).map(move |at| (at, value)),
        )
    };
    journal.batch(at + 10 * MINUTE_MS, &[saturation(at, at + 10 * MINUTE_MS, 86.0), slow(at, 14.0)]);
    journal.batch(
        at + 20 * MINUTE_MS,
        &[saturation(at + 10 * MINUTE_MS, at + 20 * MINUTE_MS, 86.0), slow(at + 10 * MINUTE_MS, 8.0)],
    );
    let mut known = rerun(&journal, at + 20 * MINUTE_MS).await;
    let early = asked(&mut known, "low-and-slow", at + 8 * MINUTE_MS).await;
    assert_eq!(early.saw.standing, Standing::Quiet, "{:?}", early.saw);
    assert_eq!(early.saw.needs, [Need::Parts { have: 1, need: 2 }]);
    assert!(early.saw.why.contains("did not hold"), "{}", early.saw.why);
    let late = asked(&mut known, "low-and-slow", at + 18 * MINUTE_MS).await;
    assert_eq!((late.saw.standing, late.saw.needs[0]), (Standing::Rings, Need::Parts { have: 2, need: 2 }));
    let before = asked(&mut known, "low-and-slow", DAY).await;
    assert_eq!((before.saw.standing, before.saw.sees, before.saw.cause), (Standing::Blind, false, "unknown"));
}

#[tokio::test]
async fn the_sheet_after_an_outage_says_what_was_not_seen_in_which_exposure_and_what_late_data_closed() {
    let mut journal = begun();
    journal.batch(DAY + 5 * MINUTE_MS, &[Sent::dose("cap", "oxycodone-5mg", DAY, 1_000)]);
    live(&mut journal, DAY, DAY + 2 * HOUR_MS);
    let window = (DAY + 2 * HOUR_MS + MINUTE_MS, DAY + 5 * HOUR_MS);
    journal.gap(window.0, window.1);
    // The first of the three hours come late.
    journal.batch(window.1 + 5 * MINUTE_MS, &[saturation(DAY + 2 * HOUR_MS, DAY + 3 * HOUR_MS, 86.0)]);
    live(&mut journal, DAY + 5 * HOUR_MS, DAY + 6 * HOUR_MS);
    let mut then = rerun(&journal, window.1).await;
    let mut now = rerun(&journal, DAY + 6 * HOUR_MS).await;
    let ann = clinic::patient_id("ann");
    let (then, now) = (then.sheet(&ann, window).await.unwrap(), now.sheet(&ann, window).await.unwrap());
    let of = |sheet: &painwatch_processor_core::patient::explain::Sheet| {
        sheet.rules.iter().find(|rule| rule.rule.as_str() == "spo2-sustained-low").cloned().unwrap()
    };
    let (then_rule, now_rule) = (of(&then), of(&now));
    assert!(then_rule.monitored_before);
    assert_eq!(then_rule.gaps, [(window.0, window.1, "self")]);
    assert_eq!(now_rule.gaps, [(DAY + 3 * HOUR_MS + MINUTE_MS, window.1, "self")]);
    assert_eq!(then.exposed, [(window.0, DAY + 4 * HOUR_MS)], "four hours from the dose on");
    let unwatched = now.rules.iter().find(|rule| rule.measure == Measure::RespiratoryRate).unwrap();
    assert!(!unwatched.monitored_before);
}
