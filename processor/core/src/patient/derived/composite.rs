//! What looks at several groups at once: signals of a flare, and progress towards goals (clinical catalogue F6, F8).

use std::collections::BTreeSet;

use super::{Book, like};
use crate::metrics::flare_signals::{self, Count, HIGH_Z, LOW_Z, RESTING_RISE, Signal};
use crate::metrics::goal_progress::{By, LEVEL_DAYS, Scale, arrow, level};
use crate::patient::daily::{self, Derived, DerivedDays};
use crate::patient::day::DailyValue;

/// What the signals stand on; of the pulse at night the rise above its baseline counts, of the device's own resting value
/// where no night tells.
const SOURCES: [&str; 7] = [
    "heart_rate.night_signal",
    "medication_event.prn_escalation",
    "pain_nrs.robust_z",
    "resting_heart_rate.robust_z",
    "sleep_stage.efficiency_z",
    "sleep_stage.waso_z",
    "step_count.robust_z",
];
const COUNT: &str = "pain_nrs.flare_signals";
const CHECK_IN: &str = "pain_nrs.flare_check_in";

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
    if book.wants(&[COUNT, CHECK_IN]) {
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
    let kept = daily::Kept { facts: book.facts, ..daily::Kept::of(book.days) };
    // The check-in of the first day looks at the day before it.
    let derived = daily::derive(&kept, book.since.saturating_sub(1), wanted);
    let days: BTreeSet<i32> = derived.keys().map(|(day, _)| *day).collect();
    let mut before: Option<(i32, Option<Count>)> = None;
    for day in days {
        let of_day = OfDay { day, derived: &derived, book };
        let counted = flare_signals::count(&of_day.signals());
        let base = of_day.base();
        let number = counted.as_ref().map(|counted| counted.positive.len() as f64);
        let available = counted.as_ref().map_or(0, |counted| counted.available);
        let list = counted.as_ref().map(|counted| counted.positive.join(",")).unwrap_or_default();
        let yesterday = before.take().filter(|(at, _)| *at == day - 1).and_then(|(_, counted)| counted);
        let checks_in = flare_signals::checks_in(yesterday.as_ref(), counted.as_ref());
        let told = DailyValue { quality: list.clone(), ..like(&base, number, available) };
        book.put(day, COUNT, told, (None, None));
        let flag = checks_in.map(|yes| f64::from(u8::from(yes)));
        let quality = if checks_in == Some(true) { list } else { String::new() };
        book.put(day, CHECK_IN, DailyValue { quality, ..like(&base, flag, available) }, (None, None));
        before = Some((day, counted));
    }
}

/// The derived values of one day.
struct OfDay<'a, 'b> {
    day: i32,
    derived: &'a DerivedDays,
    book: &'a Book<'b>,
}

impl OfDay<'_, '_> {
    fn found(&self, name: &'static str) -> Option<&Derived> {
        self.derived.get(&(self.day, name))
    }

    fn number(&self, name: &'static str) -> Option<f64> {
        self.found(name).and_then(|found| found.value.value)
    }

    /// A minute above what is usual for this patient.
    fn pulse_rise(&self) -> Option<f64> {
        let night = self.found("heart_rate.night_signal").and_then(|night| night.deviation);
        night.or_else(|| {
            let usual = self.found("resting_heart_rate.robust_z")?.baseline?;
            let values = self.book.days.get(&self.day)?;
            Some(values.get("resting_heart_rate.daily_median")?.value? - usual)
        })
    }

    fn signals(&self) -> [Signal; 5] {
        let low = |name| self.number(name).map(|z| z <= LOW_Z);
        let high = |name| self.number(name).map(|z| z >= HIGH_Z);
        let sleep = [low("sleep_stage.efficiency_z"), high("sleep_stage.waso_z")];
        let signal = |name, positive| Signal { name, positive };
        [
            signal("steps", low("step_count.robust_z")),
            signal("resting_heart_rate", self.pulse_rise().map(|rise| rise >= RESTING_RISE)),
            signal("sleep", sleep.into_iter().flatten().reduce(|one, other| one || other)),
            signal("as_needed_doses", self.number("medication_event.prn_escalation").map(|escalates| escalates > 0.0)),
            signal("pain", high("pain_nrs.robust_z")),
        ]
    }

    /// When the newest of them held.
    fn base(&self) -> DailyValue {
        let of_day = self.derived.iter().filter(|((at, _), _)| *at == self.day).map(|(_, found)| &found.value);
        let held_at = of_day.clone().map(|value| value.held_at).max().unwrap_or_default();
        let historical = of_day.clone().all(|value| value.historical);
        DailyValue { held_at, historical, ..DailyValue::default() }
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
