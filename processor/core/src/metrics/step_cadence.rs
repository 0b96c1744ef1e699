//! Step cadence of one local day (clinical catalogue C1; Tudor-Locke 2011, 2012).
//!
//! Definition: peak-k = mean of the k highest minutes, not necessarily consecutive, zeros included; minutes in the bands
//! 0, 1-19, 20-39, 40-59, 60-79, 80-99, 100-119, >= 120 steps/min; >= 100 is moderate, >= 130 vigorous.

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StepCadence {
    pub total: u64,
    /// Null when the day has fewer minutes than the peak asks for.
    pub peak1: Option<f64>,
    pub peak30: Option<f64>,
    pub peak60: Option<f64>,
    pub bands: [u32; 8],
    pub min_ge100: u32,
    pub min_ge130: u32,
}

/// Takes the steps of each minute of the day; a missing minute counts in nothing.
pub fn step_cadence(minutes: &[Option<u32>]) -> StepCadence {
    let mut descending: Vec<u32> = minutes.iter().flatten().copied().collect();
    descending.sort_unstable_by(|a, b| b.cmp(a));
    let at_least = |steps: u32| descending.partition_point(|minute| *minute >= steps) as u32;
    let mut bands = [0; 8];
    for steps in &descending {
        bands[band(*steps)] += 1;
    }
    StepCadence {
        total: descending.iter().map(|steps| u64::from(*steps)).sum(),
        peak1: peak(&descending, 1),
        peak30: peak(&descending, 30),
        peak60: peak(&descending, 60),
        bands,
        min_ge100: at_least(100),
        min_ge130: at_least(130),
    }
}

fn band(steps: u32) -> usize {
    if steps == 0 { 0 } else { (steps as usize / 20 + 1).min(7) }
}

fn peak(descending: &[u32], k: usize) -> Option<f64> {
    let highest = descending.get(..k)?;
    Some(highest.iter().map(|steps| u64::from(*steps)).sum::<u64>() as f64 / k as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_with_fewer_minutes_than_a_peak_asks_for_has_no_such_peak() {
        let minutes: Vec<_> = (0..40).map(|minute| if minute < 10 { None } else { Some(minute) }).collect();
        let cadence = step_cadence(&minutes);
        assert_eq!((cadence.peak1, cadence.peak30, cadence.peak60), (Some(39.0), Some(24.5), None));
        assert_eq!((cadence.total, cadence.bands), (735, [0, 10, 20, 0, 0, 0, 0, 0]));
    }
}
