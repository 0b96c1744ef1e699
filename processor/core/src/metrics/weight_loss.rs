//! Loss of weight over weeks and months (clinical catalogue A7; general knowledge, to be confirmed by a clinician).
//!
//! Definition: the level of a day is the median of the valid day values among it and the six days before, at least 3 of them;
//! loss_k(d) = 100 · (greatest level of the days [d - k, d - 7] - level(d)) / that level, never below 0. Alert on strict
//! excess: more than 5 % in 30 days, more than 10 % in 180 days. Levels instead of single weighings, so that a visitor on
//! the scale loses nobody weight.

use super::summary_stats::{median, sorted_present};

const LEVEL_DAYS: i32 = 7;
const MIN_WEIGHINGS: usize = 3;

/// Longest look back of the default limits, in days.
pub const LONGEST_DAYS: i32 = 180;

/// Percent lost on `day` against the heaviest level of the `days` before it. `weights` ascending by day, one a day.
/// `None` where there is no level now or none to compare with.
pub fn loss_pct(weights: &[(i32, f64)], day: i32, days: i32) -> Option<f64> {
    let now = level(weights, day)?;
    let before = (day - days..=day - LEVEL_DAYS).filter_map(|day| level(weights, day));
    let heaviest = before.max_by(f64::total_cmp).filter(|heaviest| *heaviest > 0.0)?;
    Some((100.0 * (heaviest - now) / heaviest).max(0.0))
}

fn level(weights: &[(i32, f64)], day: i32) -> Option<f64> {
    let from = weights.partition_point(|(at, _)| *at <= day - LEVEL_DAYS);
    let until = weights.partition_point(|(at, _)| *at <= day);
    let inside: Vec<_> = weights[from..until].iter().map(|(_, kg)| Some(*kg)).collect();
    median(&sorted_present(&inside)).filter(|_| inside.len() >= MIN_WEIGHINGS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_day(of: impl Fn(i32) -> f64, days: i32) -> Vec<(i32, f64)> {
        (0..days).map(|day| (day, of(day))).collect()
    }

    #[test]
    fn a_loss_is_told_against_the_heaviest_week_and_a_visitor_on_the_scale_loses_nothing() {
        let falling = every_day(|day| 100.0 - 0.2 * f64::from(day), 41);
        // Levels lie 3 days back: 92.6 on day 40, and 98.6 on day 10.
        assert!(loss_pct(&falling, 40, 30).is_some_and(|pct| (pct - 100.0 * 6.0 / 98.6).abs() < 1e-9));
        let visited = every_day(|day| if day == 20 { 120.0 } else { 80.0 }, 41);
        assert_eq!(loss_pct(&visited, 40, 30), Some(0.0));
        assert_eq!(loss_pct(&every_day(|day| 80.0 + f64::from(day), 41), 40, 30), Some(0.0), "a gain is no loss");
    }

    #[test]
    fn a_level_needs_three_weighings_within_a_week_and_a_week_before_it() {
        let weights = [(0, 90.0), (3, 90.0), (6, 90.0), (20, 80.0), (24, 80.0), (26, 80.0)];
        assert_eq!(loss_pct(&weights, 26, 30), Some(100.0 / 9.0));
        assert_eq!(loss_pct(&weights, 25, 30), None, "two weighings");
        assert_eq!(loss_pct(&weights[3..], 26, 30), None, "nothing before");
        assert_eq!(loss_pct(&weights, 26, 19), None, "longer ago than asked for");
    }
}
