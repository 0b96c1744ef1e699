//! Summary statistics of a window (clinical catalogue section 0).
//!
//! Definition: nulls dropped; standard deviation with n - 1, needs two values; quantiles of type 7 (linear between order
//! statistics); the median of an even number is the mean of the two middle values; cv = sd / mean, null for a zero mean.

use serde::Serialize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SummaryStats {
    pub n: usize,
    pub mean: Option<f64>,
    pub sd: Option<f64>,
    pub median: Option<f64>,
    pub q25: Option<f64>,
    pub q75: Option<f64>,
    pub p05: Option<f64>,
    pub p95: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub cv: Option<f64>,
}

pub fn summarise(values: &[Option<f64>]) -> SummaryStats {
    let sorted = sorted_present(values);
    let (mean, sd) = (mean(&sorted), sd(&sorted));
    SummaryStats {
        n: sorted.len(),
        mean,
        sd,
        median: quantile(&sorted, 0.5),
        q25: quantile(&sorted, 0.25),
        q75: quantile(&sorted, 0.75),
        p05: quantile(&sorted, 0.05),
        p95: quantile(&sorted, 0.95),
        min: sorted.first().copied(),
        max: sorted.last().copied(),
        cv: mean.filter(|mean| *mean != 0.0).and_then(|mean| sd.map(|sd| sd / mean)),
    }
}

/// The values that are present and finite, ascending: the form every function below takes.
pub fn sorted_present(values: &[Option<f64>]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().flatten().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

pub fn mean(sorted: &[f64]) -> Option<f64> {
    (!sorted.is_empty()).then(|| sorted.iter().sum::<f64>() / sorted.len() as f64)
}

/// Two passes, so that a large common offset costs no digits.
pub fn sd(sorted: &[f64]) -> Option<f64> {
    let centre = mean(sorted).filter(|_| sorted.len() >= 2)?;
    let squares: f64 = sorted.iter().map(|value| (value - centre) * (value - centre)).sum();
    Some(libm::sqrt(squares / (sorted.len() - 1) as f64))
}

pub fn median(sorted: &[f64]) -> Option<f64> {
    quantile(sorted, 0.5)
}

/// Type 7: position (n - 1)·p, linear between its neighbours.
pub fn quantile(sorted: &[f64], p: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = last as f64 * p;
    let below = (libm::floor(position) as usize).min(last);
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64))
}
