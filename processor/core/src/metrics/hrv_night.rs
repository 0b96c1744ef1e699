//! Heart-rate variability of a night (clinical catalogue D3; Task Force 1996).
//!
//! Definition: windows of 5 minutes from 00:00 to 06:59 local; beats cleaned by range and Malik's rule; a window counts with
//! at most 20 % artefacts and beats over at least 4 of its 5 minutes; the night's SDNN, RMSSD and pNN50 are the medians of at
//! least 6 windows. Beats more than 3 s apart are not successive. From optical sensors it is pulse-rate variability. Lower on
//! average in chronic pain, poor for one person: shown, low priority at most.

use super::hrv_artefact::{Rule, artefact_pct, cleaned};
use super::hrv_time::{HrvTime, hrv_time};
use super::summary_stats::{median, sorted_present};

pub const WINDOW_MS: i64 = 5 * 60_000;
pub const MIN_WINDOWS: usize = 6;
const MAX_ARTEFACT_PCT: f64 = 20.0;
/// Least sum of intervals in a window: an engineering choice, so that a few beats are not five minutes.
const MIN_COVERED_MS: f64 = 240_000.0;
/// Longer than the slowest beat that the range admits, with a second for the clock.
pub const SUCCESSIVE_WITHIN_MS: i64 = 3_000;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HrvNight {
    /// Windows that count.
    pub windows: usize,
    /// Null below six windows.
    pub sdnn: Option<f64>,
    pub rmssd: Option<f64>,
    pub pnn50: Option<f64>,
    /// Of all beats of the night.
    pub artefact_pct: Option<f64>,
}

/// Beats (time in ms, interval in ms) of the night, ascending; `start` is where its first window begins.
pub fn hrv_night(beats: &[(i64, f64)], start: i64) -> HrvNight {
    let (mut windows, mut all): (Vec<HrvTime>, Vec<Option<f64>>) = (Vec::new(), Vec::new());
    for window in beats.chunk_by(|a, b| (a.0 - start).div_euclid(WINDOW_MS) == (b.0 - start).div_euclid(WINDOW_MS)) {
        let (beats, spaced) = clean(window);
        let covered: f64 = window.iter().map(|beat| beat.1).sum();
        if covered >= MIN_COVERED_MS && artefact_pct(&beats).is_some_and(|pct| pct <= MAX_ARTEFACT_PCT) {
            windows.push(hrv_time(&spaced));
        }
        all.extend(beats);
    }
    let middle = |of: fn(&HrvTime) -> Option<f64>| {
        median(&sorted_present(&windows.iter().map(of).collect::<Vec<_>>())).filter(|_| windows.len() >= MIN_WINDOWS)
    };
    HrvNight {
        windows: windows.len(),
        sdnn: middle(|window| window.sdnn),
        rmssd: middle(|window| window.rmssd),
        pnn50: middle(|window| window.pnn50),
        artefact_pct: artefact_pct(&all),
    }
}

/// Each stretch of successive beats cleaned by itself: once as it is, once with a gap between stretches.
fn clean(window: &[(i64, f64)]) -> (Vec<Option<f64>>, Vec<Option<f64>>) {
    let (mut beats, mut spaced) = (Vec::new(), Vec::new());
    for stretch in window.chunk_by(|a, b| b.0 - a.0 <= SUCCESSIVE_WITHIN_MS) {
        let clean = cleaned(&stretch.iter().map(|beat| beat.1).collect::<Vec<_>>(), Rule::Both);
        spaced.extend(clean.iter().copied().chain([None]));
        beats.extend(clean);
    }
    (beats, spaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beats of 800 and 840 ms in turn.
    fn minutes(from: i64, n: i64) -> Vec<(i64, f64)> {
        (0..n * 60_000 / 820).map(|beat| (from + beat * 820, if beat % 2 == 0 { 800.0 } else { 840.0 })).collect()
    }

    #[test]
    fn six_windows_make_a_night_and_five_do_not() {
        let night = hrv_night(&minutes(0, 30), 0);
        assert_eq!(
            (night.windows, night.rmssd, night.pnn50, night.artefact_pct),
            (6, Some(40.0), Some(0.0), Some(0.0))
        );
        let short = hrv_night(&minutes(0, 25), 0);
        assert_eq!((short.windows, short.rmssd), (5, None));
        assert_eq!(hrv_night(&[], 0), HrvNight::default());
    }

    #[test]
    fn a_window_of_artefacts_does_not_count() {
        let mut beats = minutes(0, 35);
        for beat in beats.iter_mut().take(300).step_by(3) {
            beat.1 = 2_500.0;
        }
        let night = hrv_night(&beats, 0);
        assert_eq!((night.windows, night.rmssd), (6, Some(40.0)));
        assert!(night.artefact_pct.is_some_and(|pct| pct > 3.0));
    }
}
