//! Progress against day 0, and towards the roster's goals (clinical catalogue F8).

use painwatch_domain::Roster;
use painwatch_domain::roster::{self, Patient};

use super::{Book, like};
use crate::metrics::goal_progress::{By, LEVEL_DAYS, Scale, arrow, level, percent};
use crate::patient::calendar::Calendar;
use crate::patient::daily::Days;
use crate::patient::day::DailyValue;

/// Where an arrow is told, of what, and how much is a change.
const PROGRESS: [(&str, &str, Scale); 5] = [
    ("peg.progress", "peg.score", Scale { by: By::Amount(1.0), more_is_better: false }),
    ("step_count.progress", "step_count.daily_sum", Scale { by: By::Fraction(0.1), more_is_better: true }),
    ("total_sleep_time.progress", "total_sleep_time.daily_sum", Scale { by: By::Amount(30.0), more_is_better: true }),
    ("sleep_stage.progress", "sleep_stage.sleep_efficiency", Scale { by: By::Amount(5.0), more_is_better: true }),
    (
        "medication_event.progress",
        "medication_event.mme_prescribed",
        Scale { by: By::Fraction(0.3), more_is_better: false },
    ),
];

/// Daily metrics that a goal can be set on, and where the way to it is told.
pub const GOALS: [(&str, &str); 10] = [
    ("blood_pressure.daily_diastolic", "blood_pressure.goal_diastolic_pct"),
    ("blood_pressure.daily_systolic", "blood_pressure.goal_systolic_pct"),
    ("body_weight.day_value", "body_weight.goal_pct"),
    ("medication_event.mme_prescribed", "medication_event.goal_pct"),
    ("pain_nrs.daily_mean", "pain_nrs.goal_pct"),
    ("peg.score", "peg.goal_pct"),
    ("resting_heart_rate.daily_median", "resting_heart_rate.goal_pct"),
    ("sleep_stage.sleep_efficiency", "sleep_stage.goal_pct"),
    ("step_count.daily_sum", "step_count.goal_pct"),
    ("total_sleep_time.daily_sum", "total_sleep_time.goal_pct"),
];

/// A goal of a patient, in local days.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    pub metric: String,
    pub target: f64,
    pub by: Option<i32>,
}

/// The goals of a patient.
pub(super) fn of(clinic: &Roster, person: &Patient) -> Vec<Goal> {
    let calendar = Calendar::of(person);
    let own = clinic.goals.of_patient(&person.id);
    let goal = |goal: &roster::Goal| Goal {
        metric: goal.metric.clone(),
        target: goal.target.get(),
        by: goal.by.map(|by| calendar.day_of(by.0)),
    };
    own.map(goal).collect()
}

/// A value that is a level by itself, asked for now and then or ordered.
fn is_level(source: &str) -> bool {
    matches!(source, "peg.score" | "medication_event.mme_prescribed")
}

/// Values that make a level.
fn needed(source: &str) -> usize {
    if is_level(source) { 1 } else { LEVEL_DAYS }
}

/// The days whose values are the level of day 0, by metric: they are kept when the days around them are forgotten, so that
/// what is told stands on the same day for ever.
pub fn day_0(days: &Days) -> Vec<(i32, &'static str)> {
    let first = |source: &'static str| {
        let valid =
            days.iter().filter(move |(_, values)| values.get(source).is_some_and(|value| value.value.is_some()));
        valid.take(needed(source)).map(move |(day, _)| (*day, source))
    };
    GOALS.iter().flat_map(|(source, _)| first(source)).collect()
}

pub(super) fn derive(book: &mut Book) {
    for (target, source, scale) in PROGRESS {
        if book.wants(&[target]) {
            let told = |level: Level| level.day_0.zip(level.now).and_then(|(before, now)| arrow(scale, before, now));
            each_level(book, source, |book, day, value, level| {
                book.put(day, target, like(value, told(level), 1), (level.day_0, None));
            });
        }
    }
    for (source, target) in GOALS {
        if book.wants(&[target]) && book.facts.goals.iter().any(|goal| goal.metric == source) {
            each_level(book, source, |book, day, value, level| towards(book, (source, target), day, value, level));
        }
    }
}

/// The goal that is due next, or was last.
fn in_force<'a>(goals: &'a [Goal], source: &str, day: i32) -> Option<&'a Goal> {
    let own = || goals.iter().filter(|goal| goal.metric == source);
    let due = |goal: &&Goal| goal.by.unwrap_or(i32::MAX);
    own().filter(|goal| due(goal) >= day).min_by_key(due).or_else(|| own().max_by_key(due))
}

fn towards(book: &mut Book, (source, target): (&str, &'static str), day: i32, value: &DailyValue, level: Level) {
    let Some(goal) = in_force(&book.facts.goals, source, day) else { return };
    let pct = level.day_0.zip(level.now).and_then(|(before, now)| percent(before, now, goal.target));
    let mut quality = format!("target={}", goal.target);
    if let Some(by) = goal.by {
        quality += &format!(",by={}", painwatch_domain::LocalDay(by));
        quality += if day > by { ",over" } else { "" };
    }
    let mut told = DailyValue { quality, ..like(value, pct, 1) };
    if pct.is_none() && level.now.is_some() && level.day_0.is_some() {
        "degenerate".clone_into(&mut told.reason);
    }
    book.put(day, target, told, (level.day_0, level.now.map(|now| now - goal.target)));
}

#[derive(Clone, Copy)]
struct Level {
    day_0: Option<f64>,
    now: Option<f64>,
}

/// Every day with a value, and the levels then. A day before there is a level knows none, whatever comes later: otherwise
/// what it says would depend on when it was looked at.
fn each_level(book: &mut Book, source: &str, mut tell: impl FnMut(&mut Book, i32, &DailyValue, Level)) {
    let numbers = book.numbers(source);
    let (of_days, need) = (book.days, needed(source));
    let at = |index: usize| -> Option<f64> {
        let from = (index + 1).checked_sub(need)?;
        let values: Vec<f64> = numbers[from..=index].iter().map(|(_, x)| *x).collect();
        if need == 1 { values.first().copied() } else { level(&values) }
    };
    let first_level = if numbers.len() >= need { at(need - 1) } else { None };
    for (index, (day, _)) in numbers.iter().enumerate() {
        let Some(value) = of_days.get(day).and_then(|values| values.get(source)) else { continue };
        let day_0 = first_level.filter(|_| index + 1 >= need);
        tell(book, *day, value, Level { day_0, now: at(index) });
    }
}
