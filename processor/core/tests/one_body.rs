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

/// A counter, told every five minutes from `start` on, that ends the day at 32 steps for each time it was told.
fn counter(device: &str, start: i64, from: i64, until: i64) -> impl Iterator<Item = Interval<'_>> {
    (from + 1..=until).map(move |told| over(device, start, told * 5 * MINUTE - start, 32 * (told - from), 1))
}

/// The shape of LAMP-platform#730: over 200,000 steps a day.
#[test]
fn semantics_9_a_counter_since_midnight_that_is_told_all_day_and_twice_is_its_last_value() {
    let told: Vec<_> = counter("band", 0, 0, 288).chain(counter("band-again", 0, 0, 288)).collect();
    assert!(told.iter().map(|one| one.count).sum::<i64>() > 200_000);
    assert_eq!(day_total(&told), Some(9_216));
    let backwards: Vec<_> = told.into_iter().rev().collect();
    assert_eq!(day_total(&backwards), Some(9_216));
}

#[test]
fn semantics_9_a_counter_that_begins_again_at_noon_adds_its_second_half_if_it_says_so_and_never_invents_steps() {
    let noon = 12 * 60 * MINUTE;
    let says_so: Vec<_> = counter("band", 0, 0, 144).chain(counter("band", noon, 144, 288)).collect();
    assert_eq!(day_total(&says_so), Some(9_216));
    // It counts from its restart and claims midnight: what it said last before cannot be told from what it says now.
    let silent: Vec<_> = counter("band", 0, 0, 144).chain(counter("band", 0, 144, 288)).collect();
    let total = day_total(&silent).unwrap();
    assert!((4_608..=9_216).contains(&total), "{total}");
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
