//! Heart-rate variability of a short recording at rest (clinical catalogue D2, D3; Task Force 1996).
//!
//! Definition: a spot is a run of successive beats (no two more than 3 s apart) of 60 s to 10 min; beats cleaned by range and
//! Malik's rule; it counts with at most 5 % artefacts. RMSSD and pNN50 from 60 s on; SDNN of the first five minutes, where
//! there are five, because SDNN of different lengths never compare. The day's value is the median of its spots. Longer runs
//! are no spots: nobody says that they were at rest. From optical sensors it is pulse-rate variability.

use super::hrv_artefact::{Rule, artefact_pct, cleaned};
use super::hrv_night::{SUCCESSIVE_WITHIN_MS, WINDOW_MS};
use super::hrv_time::hrv_time;
use super::summary_stats::{median, sorted_present};

const MIN_MS: f64 = 60_000.0;
const MAX_MS: f64 = 600_000.0;
const MAX_ARTEFACT_PCT: f64 = 5.0;
/// Five minutes less one slow beat.
const FIVE_MIN_MS: f64 = 298_000.0;

/// What a day's spots come to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HrvSpots {
    /// Spots that count, and recordings that were long enough to be one and had too many artefacts.
    pub spots: usize,
    pub rejected: usize,
    pub rmssd: Option<f64>,
    pub pnn50: Option<f64>,
    pub sdnn: Option<f64>,
}

/// Beats (time in ms, interval in ms), ascending.
pub fn hrv_spots(beats: &[(i64, f64)]) -> HrvSpots {
    let (mut rmssd, mut pnn50, mut sdnn, mut rejected) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for run in beats.chunk_by(|a, b| b.0 - a.0 <= SUCCESSIVE_WITHIN_MS) {
        let intervals: Vec<f64> = run.iter().map(|beat| beat.1).collect();
        let length: f64 = intervals.iter().sum();
        if !(MIN_MS..=MAX_MS).contains(&length) {
            continue;
        }
        let clean = cleaned(&intervals, Rule::Both);
        if artefact_pct(&clean).is_none_or(|pct| pct > MAX_ARTEFACT_PCT) {
            rejected += 1;
            continue;
        }
        let whole = hrv_time(&clean);
        rmssd.push(whole.rmssd);
        pnn50.push(whole.pnn50);
        let until = run.partition_point(|(time, _)| *time < run[0].0 + WINDOW_MS);
        let long_enough = intervals[..until].iter().sum::<f64>() >= FIVE_MIN_MS;
        sdnn.extend(long_enough.then(|| hrv_time(&clean[..until]).sdnn));
    }
    let middle = |values: &[Option<f64>]| median(&sorted_present(values));
    HrvSpots { spots: rmssd.len(), rejected, rmssd: middle(&rmssd), pnn50: middle(&pnn50), sdnn: middle(&sdnn) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beats of 800 and 840 ms in turn.
    fn recording(from: i64, seconds: i64) -> Vec<(i64, f64)> {
        (0..seconds * 1000 / 820).map(|beat| (from + beat * 820, if beat % 2 == 0 { 800.0 } else { 840.0 })).collect()
    }

    #[test]
    fn a_minute_is_enough_for_rmssd_and_five_for_sdnn_and_a_night_is_no_spot() {
        let of = |seconds| hrv_spots(&recording(0, seconds));
        assert_eq!((of(58).spots, of(62).rmssd, of(62).sdnn), (0, Some(40.0), None));
        let five = of(301);
        assert!(five.rmssd == Some(40.0) && five.sdnn.is_some_and(|sdnn| (sdnn - 20.0).abs() < 0.1), "{five:?}");
        assert_eq!(of(3_600), HrvSpots::default());
    }

    #[test]
    fn a_spot_of_more_than_one_artefact_in_twenty_is_rejected_and_said_to_be() {
        let mut beats = recording(0, 100);
        let last = beats.len();
        for at in (10..last).step_by(15) {
            beats[at].1 = 2_500.0;
        }
        assert_eq!((hrv_spots(&beats).spots, hrv_spots(&beats).rejected), (0, 1));
        let two = [recording(0, 100), recording(3_600_000, 100)].concat();
        assert_eq!((hrv_spots(&two).spots, hrv_spots(&two).rmssd), (2, Some(40.0)));
    }
}
