//! k of n days (clinical catalogue B1: "on 2 of 3 days"): enough of the last n calendar days were positive.
//!
//! Definition: the n local days that end with the judged one; a day without a verdict counts as not positive, because a
//! gap never counts as normal but never raises an alarm either.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaysOf {
    pub k: u32,
    /// At most 32: one bit a day.
    pub n: u32,
}

/// Which of the last 32 days were positive; bit 0 is `newest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositiveDays {
    rule: DaysOf,
    newest: i32,
    bits: u32,
}

impl PositiveDays {
    pub const fn new(rule: DaysOf) -> Self {
        Self { rule, newest: i32::MIN, bits: 0 }
    }

    /// Takes the verdict of a day, in ascending order of days (the newest may come again, revised). Whether enough of
    /// the n days that end with it are positive; `false` whenever the day itself has no verdict.
    pub fn handle(&mut self, day: i32, positive: Option<bool>) -> bool {
        if day > self.newest {
            let step = i64::from(day) - i64::from(self.newest);
            self.bits = if step >= 32 { 0 } else { self.bits << step };
            self.newest = day;
        }
        let Some(shift) = self.newest.checked_sub(day).filter(|shift| *shift < 32) else { return false };
        let bit = 1u32 << shift;
        self.bits = if positive == Some(true) { self.bits | bit } else { self.bits & !bit };
        positive.is_some() && self.met(day)
    }

    pub const fn rule(&self) -> DaysOf {
        self.rule
    }

    fn met(&self, day: i32) -> bool {
        self.count(day) >= self.rule.k
    }

    /// How many of the n days that end with `day` were positive; `day` is one that was handled.
    pub fn count(&self, day: i32) -> u32 {
        let shift = self.newest.checked_sub(day).and_then(|shift| u32::try_from(shift).ok());
        let from_day = shift.and_then(|shift| self.bits.checked_shr(shift)).unwrap_or(0);
        let mask = if self.rule.n >= 32 { u32::MAX } else { (1 << self.rule.n) - 1 };
        (from_day & mask).count_ones()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_three_calendar_days_and_a_day_without_a_verdict_is_not_positive() {
        let mut days = PositiveDays::new(DaysOf { k: 2, n: 3 });
        let verdicts = [
            (1, Some(true), false),
            (2, None, false),
            (3, Some(true), true),
            (4, Some(false), false),
            (5, Some(true), true),
        ];
        for (day, positive, expected) in verdicts {
            assert_eq!(days.handle(day, positive), expected, "day {day}");
        }
        assert!(!days.handle(40, Some(true)), "five weeks later nothing is left");
        assert!(days.handle(41, Some(true)));
        assert!(!days.handle(41, Some(false)), "a revised day replaces its verdict");
    }
}
