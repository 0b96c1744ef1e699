//! Escalation of as-needed doses (clinical catalogue E6).
//!
//! Definition: the daily rate of a recent window (7 days) against that of a reference window before it (28 days). One-sided
//! conditional test of two Poisson rates: P(X >= k) of a binomial of k + m doses with p = a / (a + b) for windows of a and b
//! days; null without any dose. Escalation iff p < 0.05 and at least 0.5 doses a day more. Transcendentals from `libm`, and
//! the tail summed from its smallest term, so that the number is the same everywhere.

use serde::Serialize;

const SIGNIFICANT_BELOW: f64 = 0.05;
const MORE_PER_DAY: f64 = 0.5;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Escalation {
    pub recent_per_day: f64,
    pub reference_per_day: f64,
    pub ratio: Option<f64>,
    pub p_greater: Option<f64>,
    pub escalation: bool,
}

/// Counts of doses and lengths in days (above 0) of the two windows.
pub fn test(recent: (u32, f64), reference: (u32, f64)) -> Escalation {
    let (recent_per_day, reference_per_day) = (f64::from(recent.0) / recent.1, f64::from(reference.0) / reference.1);
    let ratio = (reference_per_day > 0.0).then(|| recent_per_day / reference_per_day);
    let doses = recent.0 + reference.0;
    let p_greater = (doses > 0).then(|| binomial_tail(recent.0, doses, recent.1 / (recent.1 + reference.1)));
    let more = recent_per_day - reference_per_day >= MORE_PER_DAY;
    let escalation = more && p_greater.is_some_and(|p| p < SIGNIFICANT_BELOW);
    Escalation { recent_per_day, reference_per_day, ratio, p_greater, escalation }
}

/// P(X >= k) of n trials.
fn binomial_tail(k: u32, n: u32, p: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    let (log_p, log_q) = (libm::log(p), libm::log1p(-p));
    let log_choose = |i: u32| ln_factorial(n) - ln_factorial(i) - ln_factorial(n - i);
    let mut terms: Vec<f64> =
        (k..=n).map(|i| libm::exp(log_choose(i) + f64::from(i) * log_p + f64::from(n - i) * log_q)).collect();
    terms.sort_by(f64::total_cmp);
    terms.iter().sum::<f64>().min(1.0)
}

fn ln_factorial(n: u32) -> f64 {
    libm::lgamma(f64::from(n) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rise_that_chance_explains_or_that_is_small_is_no_escalation() {
        assert!(test((14, 7.0), (28, 28.0)).escalation);
        assert!(!test((7, 7.0), (28, 28.0)).escalation);
        assert!(!test((3, 7.0), (0, 28.0)).escalation, "significant, and less than half a dose a day");
        assert_eq!(test((0, 7.0), (0, 28.0)).p_greater, None);
    }

    proptest! {
        #[test]
        fn the_tail_is_a_probability_that_falls_with_every_recent_dose(n in 1u32..400, p in 0.05f64..0.95) {
            let tails: Vec<f64> = (0..=n).map(|k| binomial_tail(k, n, p)).collect();
            prop_assert!(tails.iter().all(|tail| (0.0..=1.0).contains(tail)));
            prop_assert!(tails.windows(2).all(|pair| pair[1] <= pair[0] + 1e-12));
            let mean: f64 = tails[1..].iter().sum();
            prop_assert!((mean - f64::from(n) * p).abs() < 1e-6 * f64::from(n), "the tails sum to the mean");
        }
    }
}
