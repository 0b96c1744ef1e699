//! Walking after surgery, and overdoing it (clinical catalogue F7).

use std::collections::BTreeMap;

use super::{Book, Facts, like, within};
use crate::metrics::pacing::{WITHIN_DAYS, paid_for};
use crate::metrics::return_to_baseline::ReturnToBaseline;
use crate::metrics::summary_stats::mean;
use crate::patient::day::DailyValue;

/// How far before surgery the days of the baseline lie, and how long recovery is told [engineering choice].
const BEFORE_DAYS: i32 = 28;
const AFTER_DAYS: i32 = 60;

const NAMES: [&str; 3] = ["step_count.recovery_ratio", "step_count.recovered", "step_count.recovery_plateau"];

const PACING: &str = "step_count.pacing";
const WEEK_MEAN: &str = "step_count.mean_7d";
/// Valid days that a mean of a week needs (clinical catalogue C, valid day).
const WEEK_MIN: usize = 4;

pub(super) fn derive(book: &mut Book) {
    if book.wants(&[PACING]) {
        pacing(book);
    }
    if book.wants(&[WEEK_MEAN]) {
        mean_of_a_week(book);
    }
    if !book.wants(&NAMES) || book.facts.surgeries.is_empty() {
        return;
    }
    let steps = book.each("step_count.daily_sum");
    let rows: BTreeMap<i32, &DailyValue> = steps.iter().copied().collect();
    let Some(last) = rows.keys().next_back().copied() else { return };
    for index in 0..book.facts.surgeries.len() {
        let surgery = book.facts.surgeries[index];
        let until = book.facts.surgeries.get(index + 1).map_or(i32::MAX, |next| *next).min(surgery + AFTER_DAYS + 1);
        let before: Vec<_> = steps
            .iter()
            .filter(|(day, _)| (surgery - BEFORE_DAYS..surgery).contains(day))
            .map(|(_, value)| value.value)
            .collect();
        let mut recovery = ReturnToBaseline::new(&before);
        // A day without steps has the ratio of the days before it, and counts on the way to recovery.
        for day in surgery + 1..until.min(last + 1) {
            debug_assert_eq!(Facts::latest(&book.facts.surgeries, day), Some(surgery));
            let row = rows.get(&day);
            let now = recovery.handle(day, row.and_then(|row| row.value));
            let Some(row) = row else { continue };
            let told = [
                now.ratio,
                now.ratio.map(|_| f64::from(u8::from(now.recovered))),
                now.plateau.map(|holds| f64::from(u8::from(holds))),
            ];
            for (name, number) in NAMES.into_iter().zip(told) {
                book.put(day, name, like(row, number, before.len()), (recovery.baseline, None));
            }
        }
    }
}

fn mean_of_a_week(book: &mut Book) {
    let steps = book.numbers("step_count.daily_sum");
    for (day, value) in book.each("step_count.daily_sum") {
        let week = within(&steps, day - 6..=day);
        let told = mean(&week).filter(|_| week.len() >= WEEK_MIN);
        book.put(day, WEEK_MEAN, like(value, told, week.len()), (None, None));
    }
}

/// Told on days with pain where one of the days that may have been overdone has steps.
fn pacing(book: &mut Book) {
    let (steps, pain) = (book.numbers("step_count.daily_sum"), book.numbers("pain_nrs.daily_mean"));
    for (day, value) in book.each("pain_nrs.daily_mean") {
        if !steps.iter().any(|(walked, _)| (day - WITHIN_DAYS..day).contains(walked)) {
            continue;
        }
        let overdone = paid_for(&steps, &pain, day);
        let told = value.value.map(|_| f64::from(u8::from(overdone.is_some())));
        let since = overdone.map(|day| format!("overdone={}", painwatch_domain::LocalDay(day))).unwrap_or_default();
        book.put(day, PACING, DailyValue { quality: since, ..like(value, told, 1) }, (None, None));
    }
}
