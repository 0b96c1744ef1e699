//! What looks at several groups at once: signals of a flare, and progress towards goals (clinical catalogue F6, F8).

use std::collections::BTreeMap;

use super::{Book, OfDay, like};
use crate::metrics::flare_signals::{self, HIGH_Z, LOW_Z, RESTING_RISE, Signal};
use crate::metrics::goal_progress::{By, LEVEL_DAYS, Scale, arrow, level};
use crate::patient::daily::{self, DerivedDays};
use crate::patient::day::DailyValue;

/// Signals and the derived metrics they stand on.
const SOURCES: [&str; 5] = [
    "step_count.robust_z",
    "resting_heart_rate.robust_z",
    "total_sleep_time.robust_z",
    "medication_event.prn_escalation",
    "pain_nrs.robust_z",
];

const PROGRESS: [(&str, &str, Scale); 4] = [
    ("peg.progress", "peg.score", Scale { by: By::Amount(1.0), more_is_better: false }),
    ("step_count.progress", "step_count.daily_sum", Scale { by: By::Fraction(0.1), more_is_better: true }),
    ("total_sleep_time.progress", "total_sleep_time.daily_sum", Scale { by: By::Amount(30.0), more_is_better: true }),
    (
        "medication_event.progress",
        "medication_event.mme_prescribed",
        Scale { by: By::Fraction(0.3), more_is_better: false },
    ),
];

pub(super) fn derive(book: &mut Book) {
    if book.wants(&["pain_nrs.flare_signals"]) {
        flare_signals(book);
    }
    for (target, source, scale) in PROGRESS {
        if book.wants(&[target]) {
            progress(book, target, source, scale);
        }
    }
}

fn flare_signals(book: &mut Book) {
    let wanted = |name: &str| SOURCES.contains(&name);
    let derived: DerivedDays =
        daily::derive(&daily::Kept { facts: book.facts, ..daily::Kept::of(book.days) }, book.since, wanted);
    let mut by_day: BTreeMap<i32, (OfDay, Option<f64>)> = BTreeMap::new();
    for ((day, name), found) in &derived {
        let (values, resting) = by_day.entry(*day).or_default();
        if let Some(number) = found.value.value {
            values.insert(name, number);
        }
        if *name == "resting_heart_rate.robust_z" {
            let own = book.days.get(day).and_then(|values| values.get("resting_heart_rate.daily_median")?.value);
            *resting = own.zip(found.baseline).map(|(own, usual)| own - usual);
        }
    }
    for (day, (values, resting)) in by_day {
        let of = |name: &'static str, says: &str, positive: &dyn Fn(f64) -> bool| Signal {
            name,
            positive: values.get(says).map(|number| positive(*number)),
        };
        let signals = [
            of("steps", SOURCES[0], &|z| z <= LOW_Z),
            Signal { name: "resting_heart_rate", positive: resting.map(|rise| rise >= RESTING_RISE) },
            of("sleep", SOURCES[2], &|z| z <= LOW_Z),
            of("as_needed_doses", SOURCES[3], &|escalates| escalates > 0.0),
            of("pain", SOURCES[4], &|z| z >= HIGH_Z),
        ];
        let counted = flare_signals::count(&signals);
        let base = derived.iter().filter(|((at, _), _)| *at == day).map(|(_, found)| &found.value);
        let held_at = base.clone().map(|value| value.held_at).max().unwrap_or_default();
        let historical = base.clone().all(|value| value.historical);
        let base = DailyValue { held_at, historical, ..DailyValue::default() };
        let number = counted.as_ref().map(|counted| counted.positive.len() as f64);
        let mut told = like(&base, number, counted.as_ref().map_or(0, |counted| counted.available));
        told.quality = counted.map(|counted| counted.positive.join(",")).unwrap_or_default();
        book.put(day, "pain_nrs.flare_signals", told, (None, None));
    }
}

/// Day 0 is the first level that is kept; PEG is a level by itself. A day before there is a level knows none, whatever
/// comes later: otherwise what it says would depend on when it was looked at.
fn progress(book: &mut Book, target: &'static str, source: &str, scale: Scale) {
    let numbers = book.numbers(source);
    let single = matches!(source, "peg.score" | "medication_event.mme_prescribed");
    let at = |index: usize| -> Option<f64> {
        if single {
            return numbers.get(index).map(|(_, x)| *x);
        }
        let from = (index + 1).checked_sub(LEVEL_DAYS)?;
        level(&numbers[from..=index].iter().map(|(_, x)| *x).collect::<Vec<_>>())
    };
    let first = if single { 0 } else { LEVEL_DAYS - 1 };
    let first_level = at(first.min(numbers.len().saturating_sub(1)));
    for (index, (day, _)) in numbers.iter().enumerate() {
        let Some(value) = book.days.get(day).and_then(|values| values.get(source)) else { continue };
        let day_0 = first_level.filter(|_| index >= first);
        let moved = day_0.zip(at(index)).and_then(|(before, now)| arrow(scale, before, now));
        book.put(*day, target, like(value, moved, 1), (day_0, None));
    }
}
