//! Walking after surgery (clinical catalogue F7).

use super::{Book, Facts, like};
use crate::metrics::return_to_baseline::ReturnToBaseline;

/// How far before surgery the days of the baseline lie, and how long recovery is told [engineering choice].
const BEFORE_DAYS: i32 = 28;
const AFTER_DAYS: i32 = 60;

const NAMES: [&str; 3] = ["step_count.recovery_ratio", "step_count.recovered", "step_count.recovery_plateau"];

pub(super) fn derive(book: &mut Book) {
    if !book.wants(&NAMES) || book.facts.surgeries.is_empty() {
        return;
    }
    let steps = book.each("step_count.daily_sum");
    for index in 0..book.facts.surgeries.len() {
        let surgery = book.facts.surgeries[index];
        let until = book.facts.surgeries.get(index + 1).map_or(i32::MAX, |next| *next).min(surgery + AFTER_DAYS + 1);
        let before: Vec<_> = steps
            .iter()
            .filter(|(day, _)| (surgery - BEFORE_DAYS..surgery).contains(day))
            .map(|(_, value)| value.value)
            .collect();
        let mut recovery = ReturnToBaseline::new(&before);
        for (day, value) in steps.iter().filter(|(day, _)| (surgery + 1..until).contains(day)) {
            debug_assert_eq!(Facts::latest(&book.facts.surgeries, *day), Some(surgery));
            let now = recovery.handle(*day, value.value);
            let told = [
                now.ratio,
                now.ratio.map(|_| f64::from(u8::from(now.recovered))),
                now.plateau.map(|holds| f64::from(u8::from(holds))),
            ];
            for (name, number) in NAMES.into_iter().zip(told) {
                book.put(*day, name, like(value, number, before.len()), (recovery.baseline, None));
            }
        }
    }
}
