//! Progress towards a patient's goals (clinical catalogue F8).
//!
//! Definition: for PEG, steps, sleep and equivalents of morphine one arrow each against day 0: better (1), as it was (0),
//! worse (-1). PEG by 1 point (F3); the median of the last 7 valid days of steps by 10 % (F7), of sleep by 30 min and of its
//! efficiency by 5 %; equivalents by 30 % (E1). Day 0 is the first level since the patient is watched: the first PEG, the first
//! day with an opioid order, the median of the first 7 valid days. It stays when the days around it are forgotten. Towards a
//! goal of the roster: 100 * (now - day 0) / (target - day 0), 100 is there, below 0 is the wrong way. No single weighted
//! score: no validated weights were found.

use super::summary_stats::{median, sorted_present};

/// Valid days that make a level.
pub const LEVEL_DAYS: usize = 7;

/// How much is a change, and which way is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    pub by: By,
    pub more_is_better: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum By {
    Amount(f64),
    Fraction(f64),
}

/// Numbers that differ by exactly the amount may be a few units in the last place apart.
const GUARD: f64 = 1e-9;

/// 1 better, 0 as it was, -1 worse; `None` where a fraction of nothing is asked for.
pub fn arrow(scale: Scale, day_0: f64, now: f64) -> Option<f64> {
    let step = match scale.by {
        By::Amount(amount) => amount,
        By::Fraction(_) if day_0 == 0.0 => return None,
        By::Fraction(fraction) => fraction * day_0.abs(),
    };
    let moved = now - day_0;
    let sign = if scale.more_is_better { 1.0 } else { -1.0 };
    Some(if moved >= step - GUARD {
        sign
    } else if moved <= -step + GUARD {
        -sign
    } else {
        0.0
    })
}

/// How much of the way from day 0 to a target is done, in percent; `None` where there was no way to go.
pub fn percent(day_0: f64, now: f64, target: f64) -> Option<f64> {
    let way = target - day_0;
    // No way at all is one zero, whichever way was to go.
    (way != 0.0).then(|| 100.0 * (now - day_0) / way + 0.0)
}

/// The median of values, at least seven of them.
pub fn level(values: &[f64]) -> Option<f64> {
    let known: Vec<_> = values.iter().copied().map(Some).collect();
    median(&sorted_present(&known)).filter(|_| known.len() >= LEVEL_DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_goal_is_the_same_up_and_down() {
        assert_eq!([percent(2000.0, 3000.0, 6000.0), percent(8.0, 7.0, 4.0)], [Some(25.0), Some(25.0)]);
        assert_eq!(
            [percent(8.0, 9.0, 4.0), percent(8.0, 4.0, 4.0), percent(4.0, 3.0, 4.0)],
            [Some(-25.0), Some(100.0), None]
        );
    }

    #[test]
    fn an_arrow_points_up_when_it_is_better_whichever_way_that_is() {
        let pain = Scale { by: By::Amount(1.0), more_is_better: false };
        let steps = Scale { by: By::Fraction(0.1), more_is_better: true };
        assert_eq!(
            [arrow(pain, 6.0, 5.0), arrow(pain, 6.0, 5.1), arrow(pain, 6.0, 7.0)],
            [Some(1.0), Some(0.0), Some(-1.0)]
        );
        assert_eq!(
            [arrow(steps, 1000.0, 1100.0), arrow(steps, 1000.0, 899.0), arrow(steps, 0.0, 5.0)],
            [Some(1.0), Some(-1.0), None]
        );
    }
}
