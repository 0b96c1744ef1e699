//! One body, several sources, in the shapes in which other systems got it wrong (semantics 9).

use painwatch_processor_core::metrics::interval_merge::{Contribution, Interval, merge, total};
use painwatch_processor_core::metrics::wear::Span;
use proptest::prelude::*;

const MINUTE: i64 = 60_000;
const DAY: i64 = 1_440 * MINUTE;

fn over(device: &str, start: i64, length: i64, count: i64, source_priority: u32) -> Interval<'_> {
    Interval { span: Span { start, end: start + length }, count, source_priority, device }
}

fn day_total(intervals: &[Interval<'_>]) -> Option<i64> {
    total(&merge(intervals))
}

/// A day of a watch by the minute: 14,079 steps.
fn watch() -> Vec<Interval<'static>> {
    let mut minutes: Vec<_> = (480..600).map(|minute| over("watch", minute * MINUTE, MINUTE, 117, 1)).collect();
    minutes.push(over("watch", 600 * MINUTE, MINUTE, 39, 1));
    minutes
}

#[test]
fn semantics_9_a_phone_that_saw_4157_of_the_days_14079_steps_takes_none_of_the_watchs() {
    // The phone lay on the table for most of it, and counted by the quarter of an hour.
    let phone = (32..40).map(|quarter| over("phone", quarter * 15 * MINUTE, 15 * MINUTE, 4_157 / 8, 2));
    let both: Vec<_> = watch().into_iter().chain(phone.clone()).collect();
    assert_eq!(day_total(&both), Some(14_079));
    assert_eq!(day_total(&phone.collect::<Vec<_>>()), Some(4_152));
    let whole: Vec<_> = watch().into_iter().chain([over("phone", 0, DAY, 4_157, 2)]).collect();
    assert_eq!(day_total(&whole), Some(14_079));
    let more: Vec<_> = watch().into_iter().chain([over("phone", 0, DAY, 15_000, 2)]).collect();
    assert_eq!(day_total(&more), Some(15_000), "and what only the phone saw is added");
}

#[test]
fn semantics_9_one_phone_that_appears_as_73_sources_is_one_body() {
    let names: Vec<String> = (0..73).map(|nth| format!("phone-{nth:02}")).collect();
    let all: Vec<_> = names
        .iter()
        .flat_map(|name| watch().into_iter().map(|one| over(name, one.span.start, MINUTE, one.count, 1)))
        .collect();
    assert_eq!(day_total(&all), Some(14_079));
    let losers = merge(&all).iter().filter(|one| one.reduced).count();
    assert_eq!(losers, 72 * 121, "they are told, not dropped");
}

#[test]
fn semantics_9_the_same_reading_milliseconds_apart_counts_once() {
    for apart in [1, 3, 10] {
        let twice = [over("watch", 0, MINUTE, 43, 1), over("watch", apart, MINUTE, 43, 1)];
        assert_eq!(day_total(&twice), Some(43), "{apart} ms apart");
    }
}

proptest! {
    #[test]
    fn semantics_9_repetitions_under_other_names_add_nothing_however_many_and_in_any_order(
        counts in prop::collection::vec(0..150_i64, 1..200),
        copies in 1..20_usize,
        rotate in 0..4_000_usize,
    ) {
        let names: Vec<String> = (0..copies).map(|nth| format!("source-{nth:02}")).collect();
        let one = |name| (0..).zip(&counts).map(move |(minute, count)| over(name, minute * MINUTE, MINUTE, *count, 1));
        let mut all: Vec<_> = names.iter().flat_map(|name| one(name.as_str())).collect();
        let most = all.len();
        all.rotate_left(rotate % most);
        let steps: i64 = counts.iter().sum();
        prop_assert_eq!(day_total(&all), Some(steps));
        let contributions: Vec<Contribution> = merge(&all);
        prop_assert!(contributions.iter().all(|one| one.count >= 0));
    }
}
