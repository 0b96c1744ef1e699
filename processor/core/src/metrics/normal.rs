//! What tests and intervals need of the normal distribution, from one portable implementation (semantics 14).

/// Phi^-1(0.975): half the width of a two-sided 95 % interval, in standard deviations.
pub const Z_975: f64 = 1.959_963_984_540_054;

/// Probability of being at least as far from 0 as `z`, on either side.
pub fn two_sided_p(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// sum of t(t-1)(2t+5) over groups of `t` equal values: what ties take off 18 times the variance of Kendall's S.
pub fn tie_term(sorted: &[f64]) -> f64 {
    sorted.chunk_by(|a, b| a == b).map(|group| rank_variance(group.len())).sum()
}

/// n(n-1)(2n+5): 18 times the variance of Kendall's S over n untied values.
pub const fn rank_variance(n: usize) -> f64 {
    let n = n as f64;
    n * (n - 1.0) * (2.0 * n + 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_quantiles_have_known_tails() {
        for (z, p) in [(0.0, 1.0), (Z_975, 0.05), (-Z_975, 0.05), (3.935_479_640_399_629_7, 8.303_070_332_638_107e-5)] {
            assert!((two_sided_p(z) - p).abs() < 1e-15, "{z}");
        }
        assert!(two_sided_p(f64::INFINITY) == 0.0 && two_sided_p(f64::NAN).is_nan());
    }
}
