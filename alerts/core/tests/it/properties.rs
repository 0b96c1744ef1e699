//! Random schedules of everything that may happen, against what must hold whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use painwatch_alerts_core::{AlertsCore, Effects, Input, Outcome, Verb};
use painwatch_domain::{AlertId, FindingKind, Priority};
use proptest::prelude::*;

use crate::world::{SECOND, World, command, finding, routing};

#[derive(Clone, Debug)]
enum Step {
    Finding {
        alert: u8,
        kind: FindingKind,
        peak: Priority,
        silence: u8,
    },
    Person {
        alert: u8,
        verb: Verb,
        key: u8,
    },
    /// The outcome of the n-th page asked for so far, whether or not it is still awaited.
    Outcome {
        page: usize,
        outcome: Outcome,
    },
    Roster {
        contacts: u8,
    },
    Wait {
        seconds: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = prop::sample::select(FindingKind::ALL.to_vec());
    let peaks = prop::sample::select(Priority::ALL.to_vec());
    let verbs = prop::sample::select(Verb::ALL.to_vec());
    let outcomes = prop::sample::select(vec![Outcome::Delivered, Outcome::Failed, Outcome::Failed, Outcome::Abandoned]);
    prop_oneof![
        6 => (0..3u8, kinds, peaks, 0..8u8)
            .prop_map(|(alert, kind, peak, silence)| Step::Finding { alert, kind, peak, silence }),
        3 => (0..3u8, verbs, 0..40u8).prop_map(|(alert, verb, key)| Step::Person { alert, verb, key }),
        4 => (any::<prop::sample::Index>(), outcomes)
            .prop_map(|(page, outcome)| Step::Outcome { page: page.index(64), outcome }),
        1 => (0..4u8).prop_map(|contacts| Step::Roster { contacts }),
        2 => (0..400i64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

fn take(world: &mut World, step: &Step) -> Effects {
    match step {
        Step::Finding { alert, kind, peak, silence } => {
            let mut f = finding(*kind, *alert, *peak);
            // Half of the findings are live.
            f.retrospective = *silence == 1 || *silence == 4;
            f.historical = *silence == 2 || *silence == 4;
            f.shadow = *silence == 3;
            world.finding(f)
        }
        Step::Person { alert, verb, key } => {
            let mut order = command(crate::world::id(*alert), "ada", *verb);
            order.idempotency_key = key.to_string();
            world.apply(Input::Command(order))
        }
        Step::Outcome { page, outcome } => {
            let asked = world.all.pages.len();
            if asked == 0 {
                return Effects::default();
            }
            let page = world.all.pages[page % asked].clone();
            world.outcome(&page, *outcome)
        }
        Step::Roster { contacts } => {
            let all = [
                ("nurse", "team-a", Priority::Low),
                ("doctor", "team-a", Priority::High),
                ("x", "team-b", Priority::Low),
            ];
            world.apply(Input::Roster(routing(&all[..usize::from(*contacts)])))
        }
        Step::Wait { seconds } => world.wait(seconds * SECOND),
    }
}

fn restart(core: &AlertsCore) -> AlertsCore {
    let parts = core.snapshot().into_iter().map(|(key, bytes)| (key, bytes.expect("a part of what is there")));
    AlertsCore::restore(parts).expect("our own snapshot")
}

/// One page is one (alert, transition); every recipient's first attempt belongs to one.
fn pages_by_alert(world: &World) -> BTreeMap<AlertId, Vec<Priority>> {
    let mut paged: BTreeMap<AlertId, BTreeMap<i64, Priority>> = BTreeMap::new();
    for (at, page) in world.all.pages.iter().enumerate().filter(|(_, page)| page.attempt == 1) {
        let of_alert = paged.entry(page.alert_id).or_default();
        if !of_alert.values().any(|priority| *priority == page.priority) {
            of_alert.insert(at as i64, page.priority);
        }
    }
    paged.into_iter().map(|(alert, pages)| (alert, pages.into_values().collect())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_each_alert_exists_once_and_pages_at_most_once_per_rise(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new();
        let mut live: BTreeMap<AlertId, BTreeSet<Priority>> = BTreeMap::new();
        for step in &steps {
            if let Step::Finding { alert, kind, peak, silence } = step
                && *kind != FindingKind::Retracted && !(1..=4).contains(silence)
            {
                live.entry(crate::world::id(*alert)).or_default().insert(*peak);
            }
            take(&mut world, step);
        }
        let unique: BTreeSet<_> = world.all.opened.iter().collect();
        prop_assert_eq!(unique.len(), world.all.opened.len(), "an alert was made twice");

        let mut firsts = BTreeSet::new();
        for page in &world.all.pages {
            prop_assert!(page.priority > Priority::Info);
            prop_assert!(live.contains_key(&page.alert_id), "a page for what was never live");
            prop_assert!(firsts.insert((page.notification_id, page.attempt)), "an attempt was asked for twice");
        }
        for (alert, priorities) in pages_by_alert(&world) {
            prop_assert!(priorities.is_sorted_by(|a, b| a < b), "{alert} paged {priorities:?}");
        }
        for alert in unique {
            let seqs: Vec<u32> = world.all.events.iter().filter(|e| e.alert_id == *alert).map(|e| e.seq).collect();
            prop_assert_eq!(&seqs, &(1..=seqs.len() as u32).collect::<Vec<_>>(), "events are consecutive");
            let told = world.events(*alert).iter().any(|e| *e == "paged" || *e == "no_recipient");
            let urgent = live.get(alert).is_some_and(|peaks| peaks.iter().any(|peak| *peak > Priority::Info));
            prop_assert_eq!(told, urgent, "silence for what is live, or noise for what is not");
        }
    }

    #[test]
    fn a_restart_at_any_point_changes_no_effect(
        steps in prop::collection::vec(step(), 1..60), cut in any::<prop::sample::Index>(),
    ) {
        let (mut whole, mut broken) = (World::new(), World::new());
        let cut = cut.index(steps.len());
        for (at, step) in steps.iter().enumerate() {
            if at == cut {
                broken.core = restart(&broken.core);
            }
            prop_assert_eq!(take(&mut whole, step), take(&mut broken, step));
        }
        prop_assert_eq!(whole.core.snapshot(), broken.core.snapshot());
        prop_assert_eq!(whole.core.next_deadline(), broken.core.next_deadline());
    }

    #[test]
    fn the_changes_taken_after_each_step_add_up_to_the_snapshot(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        let mut kept = BTreeMap::new();
        for step in &steps {
            take(&mut world, step);
            for (key, bytes) in world.core.take_changes() {
                match bytes {
                    Some(bytes) => kept.insert(key, bytes),
                    None => kept.remove(&key),
                };
            }
        }
        let snapshot: BTreeMap<_, _> = world.core.snapshot().into_iter().filter_map(|(k, b)| Some((k, b?))).collect();
        prop_assert_eq!(kept, snapshot);
    }
}
