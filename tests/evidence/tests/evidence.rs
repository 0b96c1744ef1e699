//! The bounds of docs/evidence.md on a smaller cohort, and the alarm budgets on the recordings where they are.

use painwatch_evidence::burden::{self, Burden, ITEMS_MAX, PAGES_MAX};
use painwatch_evidence::follow::ship_in_shadow;
use painwatch_evidence::trial::{Size, Trial, run};
use painwatch_evidence::{causes, frozen, tables};
use painwatch_gateway::truth::EpisodeKind;

fn told(trial: &Trial) -> String {
    format!("{}\n{}", tables::sensitivity(trial), tables::rules(&trial.wrong, trial.patient_weeks))
}

#[test]
fn episodes_are_found_and_little_else_rings() {
    let trial = run(Size { seed: frozen::seed(1), people: 12, days: 84 }).unwrap();
    println!("measured: {:.3} false pages a patient-week", trial.false_pages_a_week());
    for (kind, least) in [
        (EpisodeKind::Spo2Depression, 0.6),
        (EpisodeKind::PainFlare, 0.6),
        (EpisodeKind::WeightGain, 0.6),
        (EpisodeKind::MissedDoses, 0.9),
        (EpisodeKind::HouseholdMixUp, 0.6),
        (EpisodeKind::DeviceOff, 0.7),
    ] {
        let found = &trial.found[&kind];
        assert!(
            found.episodes >= if kind == EpisodeKind::DeviceOff { 3 } else { 6 },
            "{kind:?}: {} episodes",
            found.episodes
        );
        assert!(trial.sensitivity(kind) >= least, "{kind:?}\n{}", told(&trial));
    }
    // The budget for pages holds on the recordings; these people were made to look as if.
    assert!(trial.false_pages_a_week() <= 0.8 && trial.false_items_a_week() <= 3.0, "{}", told(&trial));
}

#[test]
fn what_kept_a_rule_blind_is_told_apart_and_what_nobody_explains_is_unknown() {
    let confusion = causes::run(frozen::seed(3), 12).unwrap();
    let minutes = |was: &str, told: Option<&str>| -> u64 {
        let of_cause =
            confusion.0.iter().filter(|((cause, said), _)| *cause == was && told.is_none_or(|told| told == said));
        of_cause.map(|(_, minutes)| minutes).sum()
    };
    let table = tables::confusion(&confusion);
    for cause in causes::CAUSES {
        let (all, right) = (minutes(cause, None), minutes(cause, Some(cause)));
        assert!(all > 100 && right * 10 >= all * 6, "{cause}\n{table}");
        assert_eq!(right + minutes(cause, Some("unknown")) * u64::from(cause != "unknown"), all, "{cause}\n{table}");
    }
}

#[test]
fn the_packs_keep_their_alarm_budget_on_the_recordings() {
    let Some(folder) = burden::recordings() else {
        println!("skipped: no recordings");
        return;
    };
    let mut all = Burden::default();
    for set in burden::SETS {
        all.add(burden::of_set(&folder, set).unwrap());
    }
    println!("measured: {:.3} pages, {:.2} items a patient-week", all.pages_a_week(), all.items_a_week());
    let rules = tables::rules(&all.rules, f64::from(all.patient_weeks));
    assert!(all.patient_weeks > 100 && all.readings > 100_000, "{} weeks", all.patient_weeks);
    assert!(all.pages_a_week() <= PAGES_MAX && all.items_a_week() <= ITEMS_MAX, "{rules}");
}

#[test]
fn the_published_page_says_how_often_each_rule_in_shadow_would_ring() {
    let page = include_str!("../../../docs/evidence.md");
    for rule in ship_in_shadow() {
        let row = format!("| `{rule}` |");
        assert_eq!(page.matches(&row).count(), 2, "{rule}: simulated people and recordings");
    }
}
