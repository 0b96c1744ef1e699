//! Numbers of rules that one patient has alone.

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{EventTime, FindingKind, JournalTime, Measure, Roster};
use painwatch_processor::Assumed;
use painwatch_processor::rerun::Rerun;

use crate::clinic::{self, PACKS};
use crate::history;
use crate::rig::{Journal, Rig, Sent};

/// 2026-06-10T00:00Z.
const DAY: i64 = 20_614 * DAY_MS;
const NOON: i64 = DAY + 12 * HOUR_MS;
const RULE: &str = "spo2-sustained-low";
const OWN: &[(&str, &str)] = &[("condition", "{ below = 86 }"), ("for", "\"5m\"")];

/// Two patients with a watch each.
fn ward() -> Roster {
    ["ann", "bob"].into_iter().fold(Roster::default(), |roster, name| {
        let roster = clinic::with_patient(roster, clinic::patient(name, "UTC", &PACKS));
        clinic::paired(roster, &format!("watch-{name}"), name, 0, None)
    })
}

fn saturation(name: &str, from: i64, until: i64, value: f64) -> Sent {
    let device = format!("watch-{name}");
    Sent::numbers(&device, Measure::OxygenSaturation, (from..until).step_by(30_000).map(|at| (at, value)))
}

fn begun(roster: Roster, at: i64) -> Journal {
    let mut journal = Journal::default();
    journal.roster(at, &clinic::publish(roster));
    journal
}

async fn applied(journal: &Journal) -> Rig {
    let mut rig = Rig::new().await;
    rig.apply_all(journal).await;
    rig
}

/// Whose episodes of the rule opened, and when they began.
fn opened(rig: &Rig) -> Vec<(String, i64)> {
    let of_rule = rig.findings.iter().filter(|finding| finding.rule.as_str() == RULE);
    let opened = of_rule.filter(|finding| finding.kind == FindingKind::Opened);
    opened.map(|found| (found.patient.as_ref().unwrap().to_string(), found.episode.start.0)).collect()
}

#[tokio::test]
async fn an_override_moves_the_limit_of_one_patient_and_of_nobody_else() {
    let mut journal = begun(clinic::with_own(ward(), "ann", RULE, DAY, OWN), DAY);
    for name in ["ann", "bob"] {
        journal.batch(NOON + 20 * MINUTE_MS, &[saturation(name, NOON, NOON + 20 * MINUTE_MS, 87.0)]);
    }
    let rig = applied(&journal).await;
    assert_eq!(opened(&rig), [("bob".to_owned(), NOON)]);
}

#[tokio::test]
async fn an_override_begins_when_it_was_known_however_far_back_it_is_dated() {
    let mut journal = begun(ward(), DAY - DAY_MS);
    journal.batch(NOON, &[saturation("ann", NOON - HOUR_MS, NOON - 50 * MINUTE_MS, 87.0)]);
    journal.roster(NOON, &clinic::publish(clinic::with_own(ward(), "ann", RULE, DAY - DAY_MS, OWN)));
    journal.batch(NOON + HOUR_MS, &[saturation("ann", NOON + 30 * MINUTE_MS, NOON + 50 * MINUTE_MS, 87.0)]);
    let rig = applied(&journal).await;
    assert_eq!(opened(&rig), [("ann".to_owned(), NOON - HOUR_MS)]);
    assert!(rig.findings.iter().all(|finding| finding.kind != FindingKind::Retracted));
}

#[tokio::test]
async fn an_override_that_leaves_the_roster_ends_and_late_readings_are_judged_by_what_was_in_force() {
    let mut journal = begun(clinic::with_own(ward(), "ann", RULE, DAY, OWN), DAY);
    journal.roster(NOON, &clinic::publish(ward()));
    journal.batch(NOON + HOUR_MS, &[saturation("ann", NOON + 30 * MINUTE_MS, NOON + 50 * MINUTE_MS, 87.0)]);
    // Late, from the time of the override.
    journal.batch(NOON + HOUR_MS, &[saturation("ann", NOON - HOUR_MS, NOON - 40 * MINUTE_MS, 87.0)]);
    journal.tick(NOON + 2 * HOUR_MS);
    let rig = applied(&journal).await;
    assert_eq!(opened(&rig), [("ann".to_owned(), NOON + 30 * MINUTE_MS)]);
}

#[tokio::test]
async fn a_rule_accepted_later_keeps_the_numbers_that_a_patient_has_of_it() {
    let mut journal = begun(clinic::with_own(ward(), "ann", RULE, DAY, OWN), DAY);
    let rule = painwatch_processor_core::rules::default_packs().into_iter().find(|rule| rule.id.as_str() == RULE);
    let mut rule = rule.unwrap();
    rule.accepted_by = Some("Dr. B. Example".to_owned());
    rule.condition =
        painwatch_processor_core::rules::Condition::Threshold(painwatch_processor_core::rules::Comparison::Below(92.0));
    journal.rule(DAY + HOUR_MS, RULE, &rule.to_toml());
    for name in ["ann", "bob"] {
        journal.batch(NOON + 20 * MINUTE_MS, &[saturation(name, NOON, NOON + 20 * MINUTE_MS, 85.0)]);
    }
    let (rig, mut rules) = (applied(&journal).await, Vec::new());
    let mut again = Rig::new().await;
    for record in &journal.records {
        rules.extend(again.engine.apply(record).await.unwrap().rows.rules);
    }
    assert_eq!(opened(&rig), [("ann".to_owned(), NOON), ("bob".to_owned(), NOON)]);
    let of = |name: &str| {
        rig.findings
            .iter()
            .find(|found| found.patient.as_ref().unwrap().as_str() == name && found.rule.as_str() == RULE)
    };
    let (ann, bob) = (of("ann").unwrap(), of("bob").unwrap());
    assert!(
        ann.episode.why.contains("< 86 %") && bob.episode.why.contains("< 92 %"),
        "{} {}",
        ann.episode.why,
        bob.episode.why
    );
    assert!(!ann.shadow && !bob.shadow);
    let known = |version: &str| rules.iter().any(|row| row.version == version && row.accepted_by == "Dr. B. Example");
    assert!(ann.rule_version != bob.rule_version && known(&ann.rule_version) && known(&bob.rule_version));
}

#[tokio::test]
async fn a_restart_keeps_from_when_an_override_is_in_force() {
    let mut journal = begun(ward(), DAY - DAY_MS);
    journal.roster(NOON, &clinic::publish(clinic::with_own(ward(), "ann", RULE, DAY - DAY_MS, OWN)));
    journal.batch(NOON + HOUR_MS, &[saturation("ann", NOON - HOUR_MS, NOON - 50 * MINUTE_MS, 87.0)]);
    journal.batch(NOON + HOUR_MS, &[saturation("ann", NOON + 30 * MINUTE_MS, NOON + 50 * MINUTE_MS, 87.0)]);
    journal.tick(NOON + 2 * HOUR_MS);
    let whole = applied(&journal).await;
    assert_eq!(opened(&whole), [("ann".to_owned(), NOON - HOUR_MS)]);
    let mut rig = Rig::new().await;
    for record in &journal.records {
        rig.apply(record).await;
        rig.checkpoint().await;
        rig.crash().await;
    }
    assert_eq!(opened(&rig), [("ann".to_owned(), NOON - HOUR_MS)]);
    let (one, other) = (history::canonical(&whole.store).await, history::canonical(&rig.store).await);
    assert_eq!(history::difference(&one, &other), None);
}

#[tokio::test]
async fn the_moment_explained_says_who_set_the_numbers_and_why() {
    let mut rerun = Rerun::new(clinic::parse, Assumed::default()).await.unwrap();
    let mut journal = begun(clinic::with_own(ward(), "ann", RULE, DAY, OWN), DAY);
    journal.batch(NOON + HOUR_MS, &[saturation("ann", NOON, NOON + HOUR_MS, 87.0)]);
    for record in &journal.records {
        rerun.apply(record).await.unwrap();
    }
    rerun.pass(JournalTime(NOON + HOUR_MS)).await.unwrap();
    let explained = rerun.explain(&clinic::patient_id("ann"), EventTime(NOON + 10 * MINUTE_MS)).await.unwrap();
    let of_rule = explained.into_iter().find(|explained| explained.rule.as_str() == RULE).unwrap().in_force.unwrap();
    let set = of_rule.set_by.expect("set for this patient");
    assert_eq!((set.by.as_str(), set.reason.as_str(), set.from.0), ("Dr. A. Example", "chronic hypercapnia", DAY));
    assert_eq!(of_rule.saw.margin.unwrap().limit, 86.0);
}
