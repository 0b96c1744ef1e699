//! Theil-Sen slope of a series (clinical catalogue B6; Theil 1950, Sen 1968).
//!
//! Definition: the median of the slopes of all pairs with dt > 0; intercept = median(y) - slope·median(t); 95 % interval by
//! the ranks (N ± z·sigma)/2 of Sen's equation 2.6 with ties in t and y, ranks rounded half to even and kept within the
//! slopes. Null without a pair. Asked for over 28 days, it needs 8 points over at least 14 days.

use super::normal::{Z_975, rank_variance, tie_term};
use super::summary_stats::{median, sorted_present};

pub const WINDOW_DAYS: i32 = 28;
pub const MIN_POINTS: usize = 8;
pub const MIN_SPAN_DAYS: i32 = 14;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TheilSen {
    /// Per unit of t.
    pub slope: f64,
    pub intercept: f64,
    /// Null where ties leave no variance to build an interval on.
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// Points (t, y) in any order.
pub fn theil_sen(points: &[(f64, f64)]) -> Option<TheilSen> {
    let slopes = pair_slopes(points);
    let slope = median(&slopes)?;
    let sorted_of =
        |of: fn(&(f64, f64)) -> f64| sorted_present(&points.iter().map(|p| Some(of(p))).collect::<Vec<_>>());
    let (t, y) = (sorted_of(|p| p.0), sorted_of(|p| p.1));
    let intercept = median(&y)? - slope * median(&t)?;
    let interval = ranks(slopes.len(), (rank_variance(points.len()) - tie_term(&t) - tie_term(&y)) / 18.0);
    let (low, high) = interval.map_or((None, None), |(low, high)| (Some(slopes[low]), Some(slopes[high])));
    Some(TheilSen { slope, intercept, low, high })
}

/// The slopes of all pairs with dt > 0, ascending.
pub fn pair_slopes(points: &[(f64, f64)]) -> Vec<f64> {
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (index, a) in points.iter().enumerate() {
        for b in &points[index + 1..] {
            if a.0 != b.0 {
                slopes.push((b.1 - a.1) / (b.0 - a.0));
            }
        }
    }
    slopes.sort_unstable_by(f64::total_cmp);
    slopes
}

/// The ranks of the interval's ends among `n` slopes.
fn ranks(n: usize, variance: f64) -> Option<(usize, usize)> {
    let half = (variance >= 0.0).then(|| Z_975 * libm::sqrt(variance))?;
    let (low, high) = (libm::rint((n as f64 - half) / 2.0) - 1.0, libm::rint((n as f64 + half) / 2.0));
    Some((low.max(0.0) as usize, (high as usize).min(n - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn points_of_one_time_have_no_slope() {
        assert_eq!(theil_sen(&[]), None);
        assert_eq!(theil_sen(&[(1.0, 2.0)]), None);
        assert_eq!(theil_sen(&[(1.0, 2.0), (1.0, 3.0)]), None);
    }

    proptest! {
        #[test]
        fn the_order_of_the_points_does_not_change_a_bit(
            mut points in prop::collection::vec((0i32..30, -50i32..50), 2..30), at in 0usize..30
        ) {
            let of = |points: &[(i32, i32)]| {
                theil_sen(&points.iter().map(|(t, y)| (f64::from(*t), f64::from(*y) / 8.0)).collect::<Vec<_>>())
            };
            let expected = of(&points);
            let middle = at % points.len();
            points.rotate_left(middle);
            points.reverse();
            prop_assert_eq!(of(&points), expected);
        }
    }
}
