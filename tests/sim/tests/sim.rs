//! Worlds by seed. `PAINWATCH_SIM_SEEDS` says how many (30), `PAINWATCH_SIM_SEED` runs that one and prints its log.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use painwatch_domain::Hash128;
use painwatch_journal::Class;
use painwatch_sim::clinic::PATIENTS;
use painwatch_sim::evidence::Evidence;
use painwatch_sim::invariants::{self, Violation};
use painwatch_sim::{Plan, run};

const SEEDS: u64 = 30;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn judge(seed: u64) -> Result<Evidence, Vec<Violation>> {
    let calm = run(Plan::calm(seed)).map_err(|violation| vec![violation])?;
    let stormy = run(Plan::stormy(seed)).map_err(|violation| vec![violation])?;
    let mut violations = invariants::all(&stormy, &calm);
    let of_calm = invariants::all(&calm, &calm).into_iter();
    violations.extend(of_calm.map(|it| Violation::new(it.invariant, format!("in the calm world: {}", it.what))));
    if violations.is_empty() { Ok(stormy) } else { Err(violations) }
}

fn told(seed: u64, violations: &[Violation]) -> String {
    let lines: Vec<String> = violations.iter().map(|violation| format!("  {violation}")).collect();
    format!("seed {seed} (again with PAINWATCH_SIM_SEED={seed}):\n{}", lines.join("\n"))
}

/// What went wrong in all worlds together: they must be as bad as they are meant to be.
#[derive(Default)]
struct Census(BTreeMap<&'static str, usize>);

impl Census {
    fn count(&mut self, world: &Evidence) {
        let told = |what: &str| world.chronicle.iter().filter(|line| line.contains(what)).count();
        for fault in ["how: Kill", "how: PowerCut", "how: DiskDies", "how: SyncFails", "how: Stop", "the disk fills up"]
        {
            *self.0.entry(fault).or_default() += told(fault);
        }
        let mut arrived: Vec<&String> = world.arrived.iter().map(|page| &page.notification_id).collect();
        let pages = arrived.len();
        arrived.sort();
        arrived.dedup();
        let counted = [
            ("pages", arrived.len()),
            ("pages repeated", pages - arrived.len()),
            ("pages unanswered", world.arrived.iter().filter(|page| !page.answered).count()),
            ("duplicates", world.books.duplicate as usize),
            ("conflicts", world.books.conflict as usize),
            ("quarantined", world.books.quarantined as usize),
            ("clicks", world.clicks.len()),
            ("clock steps", world.records.iter().filter(|record| record.class == Class::ClockStep).count()),
        ];
        counted.into_iter().for_each(|(what, times)| *self.0.entry(what).or_default() += times);
    }
}

/// Each worker takes the next seed; the first of each pair is what failed.
fn run_all(seeds: u64) -> (Vec<String>, Census) {
    let next = AtomicU64::new(0);
    let worker = || {
        let (mut failures, mut census) = (Vec::new(), Census::default());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return (failures, census);
            }
            match judge(seed) {
                Ok(world) => census.count(&world),
                Err(violations) => failures.push(told(seed, &violations)),
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let (mut failures, mut all) = (Vec::new(), Census::default());
        for worker in workers {
            let (failed, census) = worker.join().expect("no panic");
            failures.extend(failed);
            census.0.into_iter().for_each(|(what, times)| *all.0.entry(what).or_default() += times);
        }
        (failures, all)
    })
}

#[test]
fn every_promise_is_kept_in_every_world() {
    if let Some(seed) = number("PAINWATCH_SIM_SEED") {
        match run(Plan::stormy(seed)) {
            Ok(world) => println!("{:#?}\n{}", world.plan, world.log),
            Err(broken) => println!("{:#?}\n{broken}", Plan::stormy(seed)),
        }
        let judged = judge(seed);
        assert!(judged.is_ok(), "{}", told(seed, &judged.err().unwrap_or_default()));
        return;
    }
    let seeds = number("PAINWATCH_SIM_SEEDS").unwrap_or(SEEDS);
    let (failures, census) = run_all(seeds);
    println!("measured: {seeds} worlds: {:?}", census.0);
    assert!(failures.is_empty(), "{} of {seeds} worlds broke a promise\n{}", failures.len(), failures.join("\n"));
    let missing: Vec<_> = census.0.iter().filter(|(_, times)| **times == 0).collect();
    assert!(seeds < SEEDS || missing.is_empty(), "worlds in which this never happens prove little: {missing:?}");
}

/// Every page and when it arrived.
fn pages(world: &Evidence) -> Vec<(&str, i64)> {
    world.arrived.iter().map(|page| (page.notification_id.as_str(), page.at_ms)).collect()
}

#[test]
fn p16_f23_a_wall_clock_that_leaps_an_hour_or_a_day_and_back_costs_no_page_and_makes_none() {
    let mut told = 0;
    for seed in 0..4 {
        let calm = run(Plan::calm(seed)).expect("a world that ends");
        let leaping = run(Plan::leaping(seed)).expect("a world that ends");
        assert_eq!(pages(&leaping), pages(&calm), "seed {seed}: {:?}", leaping.plan.clock_steps);
        assert_eq!(invariants::all(&leaping, &calm), [], "seed {seed}");
        assert_eq!(leaping.coverage, calm.coverage, "seed {seed}");
        told += calm.arrived.len();
    }
    assert!(told > 4, "worlds without pages prove nothing");
}

#[test]
fn a_seed_repeats_byte_for_byte() {
    for seed in [3, 11, 42] {
        let once = run(Plan::stormy(seed)).expect("a world that ends");
        let again = run(Plan::stormy(seed)).expect("a world that ends");
        let first = once.chronicle.iter().zip(&again.chronicle).find(|(a, b)| a != b);
        assert_eq!(first, None, "seed {seed}");
        assert_eq!(once.fingerprint(), again.fingerprint(), "seed {seed}");
    }
}

#[test]
fn a_journal_that_does_not_sync_is_found_out_by_a_power_cut() {
    let broken: Vec<_> = (0..10).map(|seed| run(Plan::careless(seed)).err().map(|broken| broken.invariant)).collect();
    let lost = broken.iter().filter(|broken| **broken == Some("no_acknowledged_reading_is_lost")).count();
    assert!(lost >= 5, "a control that loses nothing proves nothing: {broken:?}");
}

/// One lie about a world that kept every promise, and the promise that has to notice it.
type Lie = (&'static str, fn(&mut Evidence));

const LIES: &[Lie] = &[
    ("no_acknowledged_reading_is_lost", |it| it.records.retain(|record| record.offset.0 % 50 != 49)),
    ("no_acknowledged_reading_is_lost", |it| it.acked.truncate(it.acked.len() - 1)),
    ("every_reading_is_accounted_for_once", |it| it.books.duplicate += 1),
    ("every_reading_is_accounted_for_once", |it| it.counts.versions -= 1),
    ("every_reading_is_accounted_for_once", |it| it.counts.identities += 1),
    ("the_canonical_history_is_that_of_a_calm_world", |it| it.undisturbed.push('0')),
    ("one_page_per_episode", |it| it.arrived.clear()),
    ("one_page_per_episode", |it| it.arrived[0].genuine = false),
    ("one_page_per_episode", |it| {
        let page = it.arrived.iter().rfind(|page| page.answered).cloned();
        it.arrived.extend(page);
    }),
    ("one_page_per_episode", |it| {
        let row = it.notifications[0].clone();
        it.notifications.extend((0..4).map(|n| {
            let mut more = row.clone();
            more.notification_id = Hash128::of(&[&[n]]);
            more
        }));
        let ids = it.notifications.iter().rev().take(4).map(|row| row.notification_id.to_string());
        let page = it.arrived[0].clone();
        it.arrived
            .extend(ids.map(|notification_id| painwatch_sim::receiver::Arrived { notification_id, ..page.clone() }));
    }),
    ("one_alert_per_episode", |it| it.alerts.clear()),
    ("one_alert_per_episode", |it| it.episodes.clear()),
    ("a_click_counts_once", |it| it.clicks.clear()),
    ("coverage_adds_up", |it| it.replayed.coverage_defects = 1),
    ("coverage_adds_up", |it| {
        it.coverage.remove(it.coverage.len() / 2);
    }),
    ("replay_equals_live", |it| {
        it.replayed.journalled.pop_last();
    }),
    ("nothing_is_unbounded", |it| it.most_pages_under_way = 65),
    ("no_patient_identifier_leaves_the_house", |it| it.log.push_str(PATIENTS[1].id)),
    ("no_patient_identifier_leaves_the_house", |it| it.arrived[0].body.push_str(PATIENTS[0].mrn)),
];

#[test]
fn every_promise_can_be_seen_to_be_broken() {
    let calm = run(Plan::calm(1)).expect("a world that ends");
    let truth = run(Plan::stormy(1)).expect("a world that ends");
    assert_eq!(invariants::all(&truth, &calm), []);
    for (number, (promise, lie)) in LIES.iter().enumerate() {
        let mut told = truth.clone();
        lie(&mut told);
        let broken = invariants::all(&told, &calm);
        assert!(broken.iter().any(|it| it.invariant == *promise), "lie {number} against {promise}: {broken:?}");
    }
}
