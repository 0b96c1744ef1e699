//! Progress towards a patient's goals (clinical catalogue F8).
//!
//! Definition: for PEG, steps, sleep and equivalents of morphine one arrow each against day 0, the first valid values that
//! are kept: better (1), as it was (0), worse (-1). PEG by 1 point (F3); the median of the last 7 valid days of steps by 10 %
//! (F7) and of sleep by 30 min; equivalents by 30 % (E1). No single weighted score: no validated weights were found.

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

/// The median of values, at least seven of them.
pub fn level(values: &[f64]) -> Option<f64> {
    let known: Vec<_> = values.iter().copied().map(Some).collect();
    median(&sorted_present(&known)).filter(|_| known.len() >= LEVEL_DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;

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
