//! Time-domain heart-rate variability (clinical catalogue D1; Task Force 1996).
//!
//! Definition, over NN intervals in ms: SDNN and SDSD with n - 1; RMSSD; NN50 = successive differences above 50, strictly;
//! pNN50 = 100·NN50/(number of differences); mean HR = mean of 60000/NN. Null what needs more intervals than there are. A
//! difference never spans a rejected beat. SDNN of windows of different lengths are not comparable.

use super::summary_stats::{mean, sd, sorted_present};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HrvTime {
    pub n: usize,
    pub mean_nn: Option<f64>,
    pub sdnn: Option<f64>,
    pub n_differences: usize,
    pub rmssd: Option<f64>,
    pub sdsd: Option<f64>,
    pub nn50: Option<usize>,
    pub pnn50: Option<f64>,
    pub mean_hr: Option<f64>,
}

const NN50_MS: f64 = 50.0;

/// One interval a beat, in order; null where the beat was rejected.
pub fn hrv_time(nn_ms: &[Option<f64>]) -> HrvTime {
    let nn = sorted_present(nn_ms);
    let differences = sorted_present(&nn_ms.windows(2).map(|pair| Some(pair[1]? - pair[0]?)).collect::<Vec<_>>());
    let squares = sorted_present(&differences.iter().map(|d| Some(d * d)).collect::<Vec<_>>());
    let rates = sorted_present(&nn.iter().map(|nn| Some(60_000.0 / nn)).collect::<Vec<_>>());
    let nn50 = (!differences.is_empty()).then(|| differences.iter().filter(|d| d.abs() > NN50_MS).count());
    HrvTime {
        n: nn.len(),
        mean_nn: mean(&nn),
        sdnn: sd(&nn),
        n_differences: differences.len(),
        rmssd: mean(&squares).map(libm::sqrt),
        sdsd: sd(&differences),
        nn50,
        pnn50: nn50.map(|nn50| 100.0 * nn50 as f64 / differences.len() as f64),
        mean_hr: mean(&rates),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_does_not_span_a_rejected_beat_and_50_ms_are_not_more_than_50() {
        let told = hrv_time(&[Some(800.0), Some(850.0), None, Some(900.0), Some(951.0)]);
        assert_eq!((told.n, told.n_differences, told.nn50, told.pnn50), (4, 2, Some(1), Some(50.0)));
        let one = hrv_time(&[Some(800.0)]);
        assert_eq!((one.mean_hr, one.sdnn, one.rmssd, one.nn50), (Some(75.0), None, None, None));
    }
}
