//! Any arrival order, delay or repetition of the same readings ends in the same canonical history (semantics 10, 13, 15).

use painwatch_domain::time::MINUTE_MS;
use painwatch_domain::{EventTime, Measure, TenantId};
use painwatch_store::{Store, canonical_hash};
use proptest::prelude::*;

use crate::rig::{Journal, Rig};
use crate::world::{World, without_contradictions, world};
use crate::{history, oracle};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

async fn applied(journal: &Journal) -> Rig {
    let mut rig = Rig::new().await;
    rig.apply_all(journal).await;
    rig
}

async fn books_balance(rig: &Rig) -> Result<(), TestCaseError> {
    let tenant = TenantId::default();
    let (books, counts) = (rig.store.books(tenant.clone()).await.unwrap(), rig.store.counts(tenant).await.unwrap());
    prop_assert_eq!((books.stored, books.conflict), (counts.versions, counts.conflicts));
    Ok(())
}

async fn coverage_is_what_a_minute_by_minute_look_says(world: &World, rig: &Rig) -> Result<(), TestCaseError> {
    prop_assert_eq!(rig.engine.coverage_defects(), 0);
    let all = rig.store.coverage(TenantId::default(), None, EventTime::MIN, EventTime::MAX).await.unwrap();
    for patient in world.roster.patients.keys() {
        for measure in [Measure::OxygenSaturation, Measure::RespiratoryRate] {
            let readings = oracle::standing(&rig.store, patient, measure).await;
            for (rule, gap) in oracle::gaps(measure) {
                let mut rows: Vec<_> =
                    all.iter().filter(|row| &row.patient == patient && row.rule.as_str() == rule).collect();
                rows.sort_by_key(|row| row.start);
                let (first, last) = (rows[0].start.0, rows[rows.len() - 1].end.0);
                prop_assert!(
                    rows.windows(2).all(|pair| pair[0].end == pair[1].start),
                    "the ledger of {} has a seam",
                    rule
                );
                for minute in (first..last).step_by(MINUTE_MS as usize) {
                    let row = rows[rows.partition_point(|row| row.end.0 <= minute)];
                    let sees = oracle::sees(&readings, gap, minute);
                    prop_assert_eq!(row.state == "covered", sees, "{} {} at {}", patient, rule, EventTime(minute));
                }
            }
        }
    }
    Ok(())
}

async fn hold_episodes_are_what_one_fold_over_everything_says(world: &World, rig: &Rig) -> Result<(), TestCaseError> {
    let told = rig.store.episodes(TenantId::default()).await.unwrap();
    for patient in world.roster.patients.keys() {
        for measure in [Measure::OxygenSaturation, Measure::RespiratoryRate] {
            let readings = oracle::standing(&rig.store, patient, measure).await;
            let expected = oracle::episodes(measure, &readings, world.settled);
            let gaps = oracle::gaps(measure);
            let rows = told.iter().filter(|row| &row.patient == patient && gaps.contains_key(row.rule.as_str()));
            let mut found: Vec<_> =
                rows.map(|row| (row.rule.to_string(), row.start.0, row.end.map(EventTime::ms))).collect();
            found.sort();
            prop_assert_eq!(found, expected, "{} {}", patient, measure.name());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn semantics_10_the_order_of_arrival_does_not_change_canonical_history(seed in any::<u64>(), other in any::<u64>()) {
        block_on(async {
            let world = world(seed);
            let (plain, shuffled) = (applied(&world.in_order()).await, applied(&world.shuffled(other)).await);
            let (one, two) = (history::canonical(&plain.store).await, history::canonical(&shuffled.store).await);
            let difference = history::difference(&one, &two);
            prop_assert!(difference.is_none(), "{}", difference.unwrap_or_default());
            let tenant = TenantId::default();
            let hashes = (canonical_hash(&*plain.store, &tenant).await.unwrap(), canonical_hash(&*shuffled.store, &tenant).await.unwrap());
            prop_assert_eq!(hashes.0, hashes.1);
            books_balance(&plain).await?;
            books_balance(&shuffled).await
        })?;
    }

    #[test]
    fn semantics_15_the_ledger_fills_every_day_and_says_what_a_minute_by_minute_look_says(seed in any::<u64>()) {
        block_on(async {
            let world = without_contradictions(seed);
            let rig = applied(&world.in_order()).await;
            coverage_is_what_a_minute_by_minute_look_says(&world, &rig).await?;
            hold_episodes_are_what_one_fold_over_everything_says(&world, &rig).await
        })?;
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(16)
}
