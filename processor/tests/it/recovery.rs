//! A restart changes nothing (semantics 20, 21).

use proptest::prelude::*;

use crate::history;
use crate::rig::{Journal, Rig};
use crate::seed::Seed;
use crate::world::world;

/// What each record said without any interruption.
async fn uninterrupted(journal: &Journal) -> (Vec<String>, Vec<String>) {
    let mut rig = Rig::new().await;
    let mut said = Vec::new();
    for record in &journal.records {
        said.push(rig.apply(record).await);
    }
    (said, history::canonical(&rig.store).await)
}

async fn interrupted(journal: &Journal, seed: &mut Seed, said: &[String]) -> Result<Vec<String>, TestCaseError> {
    let mut rig = Rig::new().await;
    let mut reached = 0;
    while reached < journal.records.len() {
        let at = rig.engine.next().0 as usize;
        let again =
            if at < reached { rig.repeat(&journal.records[at]).await } else { rig.apply(&journal.records[at]).await };
        prop_assert!(again == said[at], "record {at} said\n{again}\nbut without a restart\n{}", said[at]);
        reached = reached.max(at + 1);
        if seed.chance(10) {
            rig.checkpoint().await;
        }
        if seed.chance(6) {
            rig.crash().await;
        }
    }
    Ok(history::canonical(&rig.store).await)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn semantics_20_a_crash_at_any_record_repeats_byte_for_byte_what_it_had_said(seed in any::<u64>(), other in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut crashes = Seed::new(other);
            let world = world(seed);
            let journal = if crashes.chance(50) { world.in_order() } else { world.shuffled(other) };
            let mut journal = Journal { records: journal.records.into_iter().take(400).collect() };
            journal.tick(world.settled);
            let (said, history) = uninterrupted(&journal).await;
            let after = interrupted(&journal, &mut crashes, &said).await?;
            let difference = history::difference(&history, &after);
            prop_assert!(difference.is_none(), "{}", difference.unwrap_or_default());
            Ok(())
        })?;
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10)
}
