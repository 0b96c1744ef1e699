//! A rule over history says what it would have said in service.

use std::collections::BTreeSet;

use painwatch_domain::time::{HOUR_MS, MINUTE_MS};
use painwatch_domain::{Finding, FindingKind, JournalTime, Offset, PatientId, TenantId};
use painwatch_journal::Record;
use painwatch_processor::rerun::{Backtest, Devices, Ideal, Plan, Told};
use painwatch_processor_core::rules::{Comparison, Condition, Rule, default_packs};
use painwatch_store::Store;
use proptest::prelude::*;

use crate::clinic;
use crate::rig::{Journal, Rig};
use crate::world::world;

fn block_on(future: impl Future<Output = Result<(), TestCaseError>>) -> Result<(), TestCaseError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Everything the packs hold, accepted; saturation is told from below 93 % on, so that it differs from what is there.
fn rules() -> Vec<Rule> {
    let mut rules = default_packs();
    for rule in &mut rules {
        rule.accepted_by = Some("Dr. A. Example".to_owned());
        if let ("spo2-sustained-low", Condition::Threshold(limit)) = (rule.id.as_str(), &mut rule.condition) {
            *limit = Comparison::Below(93.0);
        }
    }
    rules
}

fn asked(from: Option<i64>) -> Plan {
    let (to, patient, everyone_has) = (None, None, BTreeSet::new());
    Plan { rules: rules(), from: from.map(JournalTime), to, patient, everyone_has }
}

/// The same records with the rules accepted before the first one later than `at`.
fn with_acceptance(journal: &Journal, at: i64) -> Journal {
    let mut accepted = Journal::default();
    for rule in rules() {
        accepted.rule(at, rule.id.as_str(), &rule.to_toml());
    }
    let cut = journal.records.partition_point(|record| record.journal_time.0 <= at);
    let mut records = journal.records.clone();
    records.splice(cut..cut, accepted.records);
    for (nth, record) in records.iter_mut().enumerate() {
        record.offset = Offset(nth as u64);
    }
    Journal { records }
}

/// What the rules said in service.
async fn in_service(journal: &Journal) -> Vec<Finding> {
    let mut rig = Rig::new().await;
    rig.apply_all(journal).await;
    let ids: BTreeSet<_> = rules().into_iter().map(|rule| rule.id).collect();
    rig.findings.into_iter().filter(|finding| ids.contains(&finding.rule)).collect()
}

async fn backtested(records: &[Record], plan: Plan) -> Backtest {
    let mut backtest = Backtest::new(clinic::parse, plan).await.unwrap();
    for record in records {
        if backtest.is_over(record) {
            break;
        }
        backtest.take(record).await.unwrap();
    }
    backtest
}

fn findings(backtest: &Backtest) -> Vec<Finding> {
    backtest.told().iter().map(|told| told.finding.clone()).collect()
}

fn same(found: &[Finding], expected: &[Finding]) -> Result<(), TestCaseError> {
    let first = found.iter().zip(expected).position(|(found, expected)| found != expected);
    if let Some(nth) = first {
        return Err(TestCaseError::fail(format!("{nth}: {:?}\nnot: {:?}", found[nth], expected[nth])));
    }
    prop_assert_eq!(found.len(), expected.len());
    Ok(())
}

/// When the roster came to it, and what it found.
async fn ideal(records: &[Record], settled: i64) -> (JournalTime, Backtest) {
    let mut ideal = Ideal::default();
    for record in records {
        ideal.gather(record).unwrap();
    }
    let beginning = ideal.beginning();
    let mut backtest = backtested(&beginning, asked(None)).await;
    for day in ideal.days() {
        for record in ideal.day(day).unwrap() {
            backtest.take(&record).await.unwrap();
        }
    }
    backtest.pass(JournalTime(settled)).await.unwrap();
    (beginning[0].journal_time, backtest)
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn as_received_a_backtest_finds_event_for_event_what_service_found(seed in any::<u64>(), order in any::<u64>()) {
        block_on(async {
            let world = world(seed);
            for journal in [world.in_order(), world.shuffled(order)] {
                let live = with_acceptance(&journal, world.start - HOUR_MS);
                let expected = in_service(&live).await;
                // Over the history in which it was accepted, and over one in which nobody ever heard of it.
                for records in [&live.records, &journal.records] {
                    same(&findings(&backtested(records, asked(None)).await), &expected)?;
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_rule_supposed_from_a_moment_on_finds_what_its_acceptance_at_that_moment_found(seed in any::<u64>(), hours in 2i64..60) {
        block_on(async {
            let world = world(seed);
            let (journal, from) = (world.in_order(), world.start + hours * HOUR_MS + 1);
            let expected = in_service(&with_acceptance(&journal, from)).await;
            let expected: Vec<_> = expected.into_iter().filter(|finding| finding.detected_at.0 >= from).collect();
            let told = findings(&backtested(&journal.records, asked(Some(from))).await);
            let told: Vec<_> = told.into_iter().filter(|finding| finding.detected_at.0 >= from).collect();
            same(&told, &expected)
        })?;
    }

    #[test]
    fn of_one_patient_alone_a_backtest_finds_what_it_finds_of_that_patient_among_others(seed in any::<u64>()) {
        block_on(async {
            let world = world(seed);
            let (journal, everybody) = (world.in_order(), findings(&backtested(&world.in_order().records, asked(None)).await));
            for patient in world.roster.patients.keys() {
                let mut devices = Devices::default();
                devices.note(&world.roster, patient);
                let own: Vec<Record> = journal.records.iter().map(|record| devices.narrow(record).unwrap()).collect();
                let plan = Plan { patient: Some(patient.clone()), ..asked(None) };
                let expected = everybody.iter().filter(|finding| finding.patient.as_ref() == Some(patient)).cloned();
                same(&findings(&backtested(&own, plan).await), &expected.collect::<Vec<_>>())?;
            }
            Ok(())
        })?;
    }

    #[test]
    fn in_the_order_of_event_time_nothing_is_late_and_the_episodes_are_the_same(seed in any::<u64>()) {
        block_on(async {
            let world = world(seed);
            let mut records = world.in_order().records;
            let (begins, ideal) = ideal(&records, world.settled).await;
            // Silence begins when somebody waits, which depends on when the roster came: let it come to both at one moment.
            records[0].journal_time = begins;
            let received = backtested(&records, asked(None)).await;
            let opened = |told: &&Told| told.finding.kind == FindingKind::Opened;
            let late = |told: &Told| told.finding.retrospective || told.finding.historical;
            prop_assert_eq!(ideal.told().iter().filter(opened).find(|told| late(told)), None);
            for rule in rules() {
                let (mut received, mut ideal) = (episodes(&received, &rule).await, episodes(&ideal, &rule).await);
                received.sort();
                ideal.sort();
                prop_assert_eq!(ideal, received, "{}", rule.id);
            }
            Ok(())
        })?;
    }
}

/// Patient, start, end: what is canonical of an episode and no matter of when a rule looked.
async fn episodes(backtest: &Backtest, rule: &Rule) -> Vec<(PatientId, i64, Option<i64>)> {
    let rows = backtest.store().episodes(TenantId::default()).await.unwrap();
    let of_rule = rows.into_iter().filter(|row| row.rule == rule.id);
    of_rule.map(|row| (row.patient, row.start.0, row.end.map(|end| end.0))).collect()
}

#[tokio::test]
async fn what_a_rule_could_see_is_told_in_hours_and_what_lies_outside_the_span_counts_for_nothing() {
    let world = world(7);
    let journal = world.in_order();
    let whole = &mut backtested(&journal.records, asked(None)).await;
    let half = world.start + (world.settled - world.start) / 2;
    let plan = Plan { to: Some(JournalTime(half)), ..asked(Some(world.start + 10 * MINUTE_MS)) };
    let part = &mut backtested(&journal.records, plan).await;
    let (mut monitored, mut lasted) = (0, 0);
    for rule in rules() {
        let (all, some) = (whole.outcome(&rule).await.unwrap(), part.outcome(&rule).await.unwrap());
        assert!(all.monitored_ms + all.blind_ms <= all.watched_ms, "{}: {all:?}", rule.id);
        assert!(some.watched_ms < all.watched_ms && some.monitored_ms <= all.monitored_ms, "{}", rule.id);
        assert!(some.watched_ms <= (half - world.start) * some.patients as i64, "{}: {some:?}", rule.id);
        monitored += all.monitored_ms;
        lasted += all.episodes;
    }
    assert!(monitored > HOUR_MS && lasted > 0, "it saw something");
    assert!(part.told().iter().all(|told| told.at.0 <= half));
}
