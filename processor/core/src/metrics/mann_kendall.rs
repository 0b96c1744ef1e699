//! Mann-Kendall trend test of a daily value (clinical catalogue B7; Mann 1945, Kendall 1975).
//!
//! Definition: S = sum of the signs of all later minus earlier values; var = (n(n-1)(2n+5) - sum t(t-1)(2t+5))/18 with t the
//! sizes of ties; z = (S ∓ 1)/sqrt(var); p two-sided; tau-a = S/(n(n-1)/2). Slope and intercept by Theil-Sen over the
//! positions, gaps kept. Trend iff p < alpha. A trend counts from 10 values on and, since daily values are autocorrelated
//! and p is optimistic, only if the slope over 28 days reaches the least change that matters.

use serde::Serialize;

use super::normal::{rank_variance, tie_term, two_sided_p};
use super::summary_stats::{median, sorted_present};
use super::theil_sen::pair_slopes;

pub const MIN_VALUES: usize = 10;
pub const ALPHA: f64 = 0.05;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Trend {
    #[serde(rename = "increasing")]
    Increasing,
    #[serde(rename = "decreasing")]
    Decreasing,
    #[serde(rename = "no trend")]
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MannKendall {
    pub n: usize,
    pub s: f64,
    pub var_s: f64,
    pub z: f64,
    pub p: f64,
    /// Null with fewer than two values, as slope and intercept.
    pub tau: Option<f64>,
    pub slope: Option<f64>,
    pub intercept: Option<f64>,
    pub trend: Trend,
}

/// One value a position; null where there is none.
pub fn mann_kendall(x: &[Option<f64>], alpha: f64) -> MannKendall {
    let points: Vec<(f64, f64)> =
        x.iter().enumerate().filter_map(|(position, x)| Some((position as f64, (*x)?))).collect();
    let (n, s) = (points.len(), score(&points));
    let sorted = sorted_present(x);
    let var_s = (rank_variance(n) - tie_term(&sorted)) / 18.0;
    let z = if s == 0.0 { 0.0 } else { (s - s.signum()) / libm::sqrt(var_s) };
    let p = two_sided_p(z);
    let trend = match p < alpha {
        true if z > 0.0 => Trend::Increasing,
        true => Trend::Decreasing,
        false => Trend::None,
    };
    let slope = median(&pair_slopes(&points));
    let positions: Vec<f64> = points.iter().map(|point| point.0).collect();
    let intercept = slope.zip(median(&sorted).zip(median(&positions))).map(|(slope, (y, t))| y - t * slope);
    let tau = (n > 1).then(|| s / (n as f64 * (n as f64 - 1.0) / 2.0));
    MannKendall { n, s, var_s, z, p, tau, slope, intercept, trend }
}

fn score(points: &[(f64, f64)]) -> f64 {
    let mut score = 0i64;
    for (index, a) in points.iter().enumerate() {
        for b in &points[index + 1..] {
            score += i64::from(b.1 > a.1) - i64::from(b.1 < a.1);
        }
    }
    score as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_one_value_and_equal_values_show_no_trend() {
        let none = mann_kendall(&[], ALPHA);
        assert_eq!((none.n, none.p, none.tau, none.slope, none.trend), (0, 1.0, None, None, Trend::None));
        assert_eq!(mann_kendall(&[None, Some(3.0)], ALPHA).tau, None);
        let equal = mann_kendall(&[Some(4.0); 12], ALPHA);
        assert_eq!((equal.var_s, equal.z, equal.p, equal.slope), (0.0, 0.0, 1.0, Some(0.0)));
    }

    proptest! {
        #[test]
        fn the_mirrored_series_has_the_mirrored_trend(x in prop::collection::vec(prop::option::of(-40i32..40), 2..40)) {
            let of = |sign: f64| {
                mann_kendall(&x.iter().map(|x| x.map(|x| sign * f64::from(x))).collect::<Vec<_>>(), ALPHA)
            };
            let (up, down) = (of(1.0), of(-1.0));
            prop_assert!(up.s == -down.s && up.p == down.p && up.var_s == down.var_s);
            let apart = up.slope.zip(down.slope).map_or(0.0, |(up, down)| (up + down).abs());
            prop_assert!(apart < 1e-12);
            prop_assert_eq!(up.trend == Trend::Increasing, down.trend == Trend::Decreasing);
        }
    }
}
