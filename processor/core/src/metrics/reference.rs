//! The centre and spread that control charts measure from (clinical catalogue B2, B3).
//!
//! Definition: mu0 = median and sigma = scaled MAD (mean absolute deviation where that is 0) of the first 14 valid days of
//! the record, or of the 28 days that the chart restarts after; null with fewer than 14 (insufficient) or without any
//! spread (degenerate).

use super::robust_z::{Method, spread};
use super::summary_stats::{median, sorted_present};

/// Fewer days than this say nothing about a patient's own level.
pub const MIN_DAYS: usize = 14;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reference {
    pub mu0: f64,
    /// Above 0.
    pub sigma: f64,
}

/// # Errors
/// The reason code: `insufficient` or `degenerate`.
pub fn reference(days: &[Option<f64>]) -> Result<Reference, &'static str> {
    let sorted = sorted_present(days);
    let Some(mu0) = median(&sorted).filter(|_| sorted.len() >= MIN_DAYS) else {
        return Err(Method::Insufficient.reason());
    };
    match spread(&sorted, mu0) {
        (_, Method::Degenerate) => Err(Method::Degenerate.reason()),
        (sigma, _) => Ok(Reference { mu0, sigma }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirteen_days_are_too_few_and_fourteen_equal_ones_have_no_spread() {
        assert_eq!(reference(&[Some(60.0); 13]), Err("insufficient"));
        assert_eq!(reference(&[Some(60.0); 14]), Err("degenerate"));
        let mut days: Vec<_> = (0..14).map(|day| Some(f64::from(day))).collect();
        days.push(None);
        assert_eq!(reference(&days), Ok(Reference { mu0: 6.5, sigma: 3.5 * super::super::robust_z::MAD_TO_SD }));
    }
}
