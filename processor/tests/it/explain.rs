//! Why a rule rang at a moment, or did not.

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use painwatch_domain::{EventTime, JournalTime, Measure, Roster, TenantId};
use painwatch_processor::Assumed;
use painwatch_processor::rerun::Rerun;
use painwatch_processor_core::patient::explain::{InForce, Need, Standing};
use painwatch_processor_core::rules::{Circumstance, DaysOf, Rule, default_packs};
use painwatch_store::{CoverageRow, EpisodeRow, Store};
use proptest::prelude::*;

use crate::clinic::{self, PACKS};
use crate::rig::{Journal, Sent};
use crate::world::{World, world};

/// 2026-06-10T00:00Z.
const DAY: i64 = 20_614 * DAY_MS;
const NOON: i64 = DAY + 12 * HOUR_MS;

fn block_on(future: impl Future<Output = Result<(), TestCaseError>>) -> Result<(), TestCaseError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn begun(roster: Roster) -> Journal {
    let mut journal = Journal::default();
    journal.roster(DAY - 20 * DAY_MS, &clinic::publish(roster));
    journal
}

fn ann() -> Roster {
    let roster = clinic::with_patient(Roster::default(), clinic::patient("ann", "UTC", &PACKS));
    let roster = clinic::with_medication(roster, "oxycodone-5mg", "oxycodone", "ir");
    let roster = clinic::paired(roster, "watch", "ann", 0, None);
    clinic::paired(roster, "scale", "ann", 0, None)
}

fn saturation(from: i64, until: i64, value: f64) -> Sent {
    Sent::numbers("watch", Measure::OxygenSaturation, (from..until).step_by(30_000).map(|at| (at, value)))
}

/// The state after everything with a journal time up to `known_at`.
async fn known_at(journal: &Journal, known_at: i64) -> Rerun {
    let mut rerun = Rerun::new(clinic::parse, Assumed::default()).await.unwrap();
    for record in journal.records.iter().filter(|record| record.journal_time.0 <= known_at) {
        rerun.apply(record).await.unwrap();
    }
    rerun.pass(JournalTime(known_at)).await.unwrap();
    rerun
}

async fn asked(rerun: &mut Rerun, rule: &str, at: i64) -> InForce {
    let patient = rerun.roster().patients.keys().next().unwrap().clone();
    let explained = rerun.explain(&patient, EventTime(at)).await.unwrap();
    let of_rule = explained.into_iter().find(|explained| explained.rule.as_str() == rule).expect("the rule applies");
    of_rule.in_force.expect("a version is in force")
}

#[tokio::test]
async fn a_silent_rule_says_the_value_it_saw_and_how_far_that_was_from_its_limit() {
    let mut journal = begun(ann());
    journal.batch(NOON + HOUR_MS, &[saturation(NOON, NOON + HOUR_MS, 93.0)]);
    let mut now = known_at(&journal, NOON + HOUR_MS).await;
    let told = asked(&mut now, "spo2-sustained-low", NOON + 45 * SECOND_MS).await;
    let value = &told.saw.values[0];
    assert_eq!((told.saw.standing, told.saw.cause), (Standing::Quiet, ""));
    assert_eq!((value.number, value.unit, value.from), (Some(93.0), "%", NOON + 30 * SECOND_MS));
    let margin = told.saw.margin.unwrap();
    assert_eq!((margin.limit, margin.distance, margin.share()), (90.0, 3.0, Some(3.0 / 90.0)));
    assert_eq!(value.readings.len(), 1);
    assert_eq!((told.since, told.raised_by), (None, Vec::new()));
}

#[tokio::test]
async fn a_condition_that_has_not_held_long_enough_says_since_when_it_holds() {
    let mut journal = begun(ann());
    journal.batch(
        NOON + HOUR_MS,
        &[
            saturation(NOON, NOON + 10 * MINUTE_MS, 97.0),
            saturation(NOON + 10 * MINUTE_MS, NOON + 20 * MINUTE_MS, 88.0),
        ],
    );
    let mut now = known_at(&journal, NOON + HOUR_MS).await;
    let began = NOON + 10 * MINUTE_MS;
    let early = asked(&mut now, "spo2-sustained-low", began + 2 * MINUTE_MS).await;
    assert_eq!((early.saw.standing, early.saw.held_since), (Standing::Holds, Some(began)));
    let ringing = asked(&mut now, "spo2-sustained-low", began + 3 * MINUTE_MS).await;
    assert_eq!((ringing.saw.standing, ringing.saw.held_since), (Standing::Rings, Some(began)));
}

#[tokio::test]
async fn what_was_known_then_lacks_what_came_late() {
    let mut journal = begun(ann());
    let at = NOON + 8 * MINUTE_MS;
    journal.batch(NOON, &[saturation(NOON - MINUTE_MS, NOON, 96.0)]);
    journal.batch(NOON + 5 * HOUR_MS, &[saturation(NOON, NOON + 10 * MINUTE_MS, 84.0)]);
    let then = asked(&mut known_at(&journal, at).await, "spo2-sustained-low", at).await;
    let now = asked(&mut known_at(&journal, NOON + 6 * HOUR_MS).await, "spo2-sustained-low", at).await;
    assert_eq!((then.saw.standing, now.saw.standing), (Standing::Blind, Standing::Rings));
    assert_eq!(then.saw.values[0].number, Some(96.0), "the last one known, eight minutes old");
    assert_eq!((then.saw.margin, then.saw.cause), (None, "unknown"));
}

#[tokio::test]
async fn a_rule_that_could_not_see_says_why() {
    let mut journal = begun(ann());
    journal.batch(
        NOON + MINUTE_MS,
        &[saturation(NOON - HOUR_MS, NOON, 96.0), Sent::code("watch", Measure::DeviceWorn, NOON + 1, "false")],
    );
    let mut now = known_at(&journal, NOON + HOUR_MS).await;
    let told = asked(&mut now, "spo2-sustained-low", NOON + HOUR_MS).await;
    assert_eq!((told.saw.standing, told.saw.cause), (Standing::Blind, "not_worn"));
    assert_eq!(told.saw.values[0].from, NOON - 30 * SECOND_MS, "an old value is shown, and counts for nothing");
}

#[tokio::test]
async fn semantics_15_of_a_day_that_is_not_over_it_says_what_was_seen_so_far_and_the_ledger_says_nothing_yet() {
    let mut journal = begun(ann());
    let until = NOON + HOUR_MS;
    journal.batch(until, &[saturation(NOON, until, 96.0)]);
    let mut now = known_at(&journal, until + HOUR_MS).await;
    let told = asked(&mut now, "spo2-sustained-low", until + 30 * MINUTE_MS).await;
    // The last sample, 30 s before the hour, speaks for 90 s.
    let seen = (NOON, until + MINUTE_MS);
    let expected = [(DAY, NOON, "unknown"), (seen.0, seen.1, ""), (seen.1, until + 30 * MINUTE_MS + 1, "unknown")];
    assert_eq!(told.so_far, expected);
    let ledger = now.store().coverage(TenantId::default(), None, EventTime(DAY), EventTime::MAX).await.unwrap();
    assert!(ledger.is_empty(), "{ledger:?}");
}

#[tokio::test]
async fn a_rule_that_judges_days_speaks_of_the_local_day_of_the_moment() {
    let roster =
        clinic::prescribed(clinic::paired(ann(), "cap", "ann", 0, None), "ann", "oxycodone-5mg", DAY, &[480, 1200]);
    let mut journal = begun(roster);
    journal.batch(NOON + 8 * HOUR_MS + MINUTE_MS, &[Sent::dose("cap", "oxycodone-5mg", NOON + 8 * HOUR_MS, 1)]);
    journal.tick(DAY + 3 * DAY_MS);
    let mut now = known_at(&journal, DAY + 3 * DAY_MS).await;
    let missed = default_packs().into_iter().find(|rule| rule.condition_text().contains("missed in a row")).unwrap();
    let told = asked(&mut now, missed.id.as_str(), NOON).await;
    assert_eq!((told.saw.standing, told.saw.values[0].number), (Standing::Quiet, Some(1.0)));
    assert_eq!(told.saw.margin.map(|margin| (margin.distance, margin.unit)), Some((1.0, "{dose}")));
    assert_eq!((told.saw.values[0].from, told.saw.values[0].until), (DAY, DAY + DAY_MS));
    let after = asked(&mut now, missed.id.as_str(), NOON + DAY_MS).await;
    assert_eq!(after.saw.standing, Standing::Rings, "both of the next day were missed: {:?}", after.saw);
}

#[tokio::test]
async fn a_deviation_says_on_how_many_of_the_days_it_held() {
    let mut journal = begun(ann());
    let steps = |day: i64, count: f64| {
        (8..20).map(move |hour| {
            let from = DAY + day * DAY_MS + hour * HOUR_MS;
            Sent::interval("watch", Measure::StepCount, from, from + HOUR_MS, count)
        })
    };
    for day in -14..0 {
        journal.batch(DAY + (day + 1) * DAY_MS, &steps(day, 400.0 + (day % 3) as f64 * 20.0).collect::<Vec<_>>());
    }
    journal.batch(DAY + DAY_MS, &steps(0, 20.0).collect::<Vec<_>>());
    journal.tick(DAY + 2 * DAY_MS);
    let mut now = known_at(&journal, DAY + 2 * DAY_MS).await;
    let told = asked(&mut now, "steps-drop", NOON).await;
    let margin = told.saw.margin.expect("a robust z");
    assert!(margin.distance < 0.0, "far beyond: {margin:?}");
    assert_eq!(told.saw.standing, Standing::Holds, "one day of the two it needs: {:?}", told.saw);
    assert_eq!(told.saw.needs[0], Need::Days { have: 1, of: DaysOf { k: 2, n: 3 } });
    let early = asked(&mut now, "steps-drop", NOON - 11 * DAY_MS).await;
    assert_eq!((early.saw.standing, early.saw.sees), (Standing::Blind, true), "{:?}", early.saw);
    assert_eq!(early.saw.needs, [Need::Past { have: 3, need: 7 }]);
}

#[tokio::test]
async fn the_version_in_force_at_the_moment_answers_and_an_opioid_makes_it_more_urgent() {
    let roster = clinic::paired(ann(), "cap", "ann", 0, None);
    let mut journal = begun(roster);
    journal.batch(NOON, &[Sent::dose("cap", "oxycodone-5mg", NOON, 1)]);
    let default = rule("spo2-sustained-low");
    let changed = default
        .to_toml()
        .replace("below = 90.0", "below = 92.0")
        .replace("accepted_by = \"\"", "accepted_by = \"Dr. A\"");
    journal.rule(NOON + HOUR_MS, "spo2-sustained-low", &changed);
    journal.batch(NOON + 3 * HOUR_MS, &[saturation(NOON, NOON + 2 * HOUR_MS, 91.0)]);
    let mut now = known_at(&journal, NOON + 3 * HOUR_MS).await;
    let before = asked(&mut now, "spo2-sustained-low", NOON + 59 * MINUTE_MS).await;
    assert_eq!(
        (before.version.clone(), before.rule.accepted_by.clone(), before.since),
        (default.version(), None, None)
    );
    assert_eq!(before.saw.standing, Standing::Quiet);
    assert_eq!(before.raised_by, [Circumstance::Exposure("opioid".to_owned())]);
    assert!(before.priority > before.rule.priority);
    let after = asked(&mut now, "spo2-sustained-low", NOON + 90 * MINUTE_MS).await;
    assert_eq!((after.rule.accepted_by.as_deref(), after.since), (Some("Dr. A"), Some(NOON + HOUR_MS)));
    assert_eq!((after.saw.standing, after.saw.margin.map(|margin| margin.limit)), (Standing::Rings, Some(92.0)));
}

fn rule(id: &str) -> Rule {
    default_packs().into_iter().find(|rule| rule.id.as_str() == id).unwrap()
}

/// Moments at which something changes, and others.
fn moments(world: &World, seed: u64) -> impl Iterator<Item = i64> {
    let (start, length) = (world.start, world.settled - 4 * DAY_MS - world.start);
    (0..40).map(move |nth: u64| {
        let mixed = seed.wrapping_add(nth).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        start + (mixed % length as u64) as i64
    })
}

fn around<'a>(episodes: &'a [EpisodeRow], rule: &Rule, patient: &str, at: i64) -> Option<&'a EpisodeRow> {
    let of_rule = |row: &&EpisodeRow| row.rule == rule.id && row.patient.as_str() == patient;
    let lasts = |row: &&EpisodeRow| row.start.0 <= at && row.end.is_none_or(|end| at < end.0);
    episodes.iter().filter(of_rule).find(lasts)
}

fn sees(ledger: &[CoverageRow], rule: &Rule, patient: &str, at: i64) -> Option<bool> {
    let of_rule = |row: &&CoverageRow| row.rule == rule.id && row.patient.as_str() == patient;
    let row = ledger.iter().filter(of_rule).find(|row| (row.start.0..row.end.0).contains(&at))?;
    Some(row.cause.is_empty())
}

/// Compares the answers about one moment with what the tables say of it.
async fn agrees(rerun: &mut Rerun, patient: &str, at: i64) -> Result<(), TestCaseError> {
    let (tenant, first, last) = (TenantId::default(), EventTime::MIN, EventTime::MAX);
    let episodes = rerun.store().episodes(tenant.clone()).await.unwrap();
    let ledger = rerun.store().coverage(tenant, None, first, last).await.unwrap();
    for explained in rerun.explain(&clinic::patient_id(patient), EventTime(at)).await.unwrap() {
        let InForce { rule, saw, .. } = explained.in_force.expect("the packs are always in force");
        let place = format!("{} of {patient} at {}: {saw:?}", rule.id, EventTime(at));
        let episode = around(&episodes, &rule, patient, at);
        if saw.held_since.is_some() && saw.standing == Standing::Rings {
            let begun = |row: &EpisodeRow| row.rule == rule.id && row.patient.as_str() == patient && row.start.0 <= at;
            prop_assert!(episodes.iter().any(begun), "rings without an episode: {}", place);
        }
        if let Some(episode) = episode.filter(|_| rule.min_data.count == 1) {
            let proven = at >= episode.start.0 + rule.for_ms;
            let expected = if proven { Standing::Rings } else { Standing::Holds };
            prop_assert_eq!(saw.standing, expected, "{} in {:?}", place, episode);
        }
        if let Some(covered) = sees(&ledger, &rule, patient, at) {
            prop_assert_eq!(saw.sees, covered, "{}", place);
        }
    }
    Ok(())
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn at_every_moment_the_answer_is_what_episodes_and_ledger_say(seed in any::<u64>(), other in any::<u64>()) {
        block_on(async {
            let world = world(seed);
            let mut rerun = known_at(&world.shuffled(other), world.settled).await;
            let patients: Vec<String> = world.roster.patients.keys().map(ToString::to_string).collect();
            for at in moments(&world, seed) {
                for patient in &patients {
                    agrees(&mut rerun, patient, at).await?;
                }
            }
            Ok(())
        })?;
    }
}
