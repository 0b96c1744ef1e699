//! Change of a daily value within k days: the movement engine of weight gain (clinical catalogue A7) and of any rule
//! that says `changes`.
//!
//! Definition: up = w(d) - min of the valid w in [d - k, d - 1]; down = max of them - w(d); null when none is valid.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    Up,
    Down,
    Either,
}

impl Direction {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Either => "either",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Up, Self::Down, Self::Either].into_iter().find(|direction| direction.as_str() == text)
    }
}

/// Two decimals apart by exactly the limit may differ by a few units in the last place: they do not exceed it.
pub const GUARD: f64 = 1e-9;

/// Whether a change counts as more than `limit`: strictly, beyond what arithmetic may add.
pub fn exceeds(change: f64, limit: f64) -> bool {
    change > limit + GUARD
}

/// The valid days of the longest window asked for, as (local day, value), ascending.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DailyChange {
    keep_days: i32,
    days: VecDeque<(i32, f64)>,
}

impl DailyChange {
    pub const fn new(keep_days: i32) -> Self {
        Self { keep_days, days: VecDeque::new() }
    }

    /// The change of `day` with value `x` against the `within` days before it.
    pub fn change(&self, day: i32, x: f64, within: i32, direction: Direction) -> Option<f64> {
        let past = self.days.iter().filter(|(past, _)| (day - within..day).contains(past)).map(|(_, value)| *value);
        let (low, high) = past.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), w| (low.min(w), high.max(w)));
        let change = match direction {
            Direction::Up => x - low,
            Direction::Down => high - x,
            Direction::Either => (x - low).max(high - x),
        };
        low.is_finite().then_some(change)
    }

    /// Remembers a day; days come in ascending order.
    pub fn push(&mut self, day: i32, x: f64) {
        self.days.push_back((day, x));
        while self.days.front().is_some_and(|(first, _)| *first <= day - self.keep_days) {
            self.days.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_direction_looks_at_its_own_extreme_within_the_days_before() {
        let mut past = DailyChange::new(3);
        for (day, x) in [(0, 1.0), (1, 5.0), (2, 9.0), (3, 7.0)] {
            past.push(day, x);
        }
        let change = |direction| past.change(4, 6.0, 3, direction);
        assert_eq!(
            (change(Direction::Up), change(Direction::Down), change(Direction::Either)),
            (Some(1.0), Some(3.0), Some(3.0))
        );
        assert_eq!(past.change(9, 6.0, 3, Direction::Up), None);
    }
}
