//! Recovery of walking after surgery (clinical catalogue F7; engineering choice).
//!
//! Definition: ratio of a post-operative day = median of the valid days among it and the six before it, all after surgery
//! (at least 4) / median of the valid pre-operative days (at least 3); null where that is 0. Recovered on the third ratio in
//! a row that is at least 0.9, passing over days without a ratio. Plateau: the Theil-Sen slope of the ratio over 10 days is
//! at most 0 while the ratio is below 0.8.

use std::collections::VecDeque;

use super::summary_stats::{median, sorted_present};

const TRAILING_DAYS: i32 = 7;
const MIN_POST_DAYS: usize = 4;
const MIN_PRE_DAYS: usize = 3;
const RECOVERED_FROM: f64 = 0.9;
const RECOVERED_IN_A_ROW: u32 = 3;
const PLATEAU_DAYS: i32 = 10;
const PLATEAU_BELOW: f64 = 0.8;

/// What a post-operative day shows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Recovery {
    pub ratio: Option<f64>,
    /// On this day or an earlier one.
    pub recovered: bool,
    /// `None` with fewer than two ratios in the window.
    pub plateau: Option<bool>,
}

/// Takes post-operative days in ascending order.
#[derive(Clone, Debug, PartialEq)]
pub struct ReturnToBaseline {
    pub baseline: Option<f64>,
    days: VecDeque<(i32, f64)>,
    ratios: VecDeque<(i32, f64)>,
    in_a_row: u32,
    pub recovered_on: Option<i32>,
}

impl ReturnToBaseline {
    pub fn new(before: &[Option<f64>]) -> Self {
        let sorted = sorted_present(before);
        let baseline = median(&sorted).filter(|_| sorted.len() >= MIN_PRE_DAYS);
        Self { baseline, days: VecDeque::new(), ratios: VecDeque::new(), in_a_row: 0, recovered_on: None }
    }

    pub fn handle(&mut self, day: i32, value: Option<f64>) -> Recovery {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.days.push_back((day, value));
        }
        while self.days.front().is_some_and(|(first, _)| *first <= day - TRAILING_DAYS) {
            self.days.pop_front();
        }
        let trailing: Vec<_> = self.days.iter().map(|(_, value)| Some(*value)).collect();
        let trailing = median(&sorted_present(&trailing)).filter(|_| trailing.len() >= MIN_POST_DAYS);
        let baseline = self.baseline.filter(|baseline| *baseline != 0.0);
        let ratio = trailing.zip(baseline).map(|(trailing, baseline)| trailing / baseline);
        if let Some(ratio) = ratio {
            self.count(day, ratio);
        }
        Recovery { ratio, recovered: self.recovered_on.is_some(), plateau: self.plateau(day, ratio) }
    }

    fn count(&mut self, day: i32, ratio: f64) {
        self.ratios.push_back((day, ratio));
        self.in_a_row = if ratio >= RECOVERED_FROM { self.in_a_row + 1 } else { 0 };
        if self.in_a_row >= RECOVERED_IN_A_ROW && self.recovered_on.is_none() {
            self.recovered_on = Some(day);
        }
    }

    fn plateau(&mut self, day: i32, ratio: Option<f64>) -> Option<bool> {
        while self.ratios.front().is_some_and(|(first, _)| *first <= day - PLATEAU_DAYS) {
            self.ratios.pop_front();
        }
        let whole = self.ratios.front().is_some_and(|(first, _)| *first == day - PLATEAU_DAYS + 1);
        let slope = median_slope(self.ratios.make_contiguous()).filter(|_| whole)?;
        Some(slope <= 0.0 && ratio? < PLATEAU_BELOW)
    }
}

/// Theil-Sen: the median of the slopes of all pairs of days, a day.
fn median_slope(points: &[(i32, f64)]) -> Option<f64> {
    let pairs = points.iter().enumerate().flat_map(|(index, a)| points[index + 1..].iter().map(move |b| (a, b)));
    let slopes: Vec<_> = pairs.map(|(a, b)| Some((b.1 - a.1) / f64::from(b.0 - a.0))).collect();
    median(&sorted_present(&slopes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_that_stays_at_half_is_a_plateau_once_ten_days_show_it_and_a_rising_one_is_none() {
        let last = |daily: &dyn Fn(i32) -> f64| {
            let mut recovery = ReturnToBaseline::new(&[Some(1000.0); 3]);
            (0..14).map(|day| recovery.handle(day, Some(daily(day))).plateau).collect::<Vec<_>>()
        };
        let flat = last(&|_| 500.0);
        assert_eq!((flat[11], flat[12], flat[13]), (None, Some(true), Some(true)));
        assert_eq!(last(&|day| 100.0 + 20.0 * f64::from(day))[13], Some(false));
        assert_eq!(last(&|_| 850.0)[13], Some(false));
    }
}
