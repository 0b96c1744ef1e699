//! Non-parametric circadian rhythm of activity (clinical catalogue C7; Witting 1990, Van Someren 1999). Shown, never alerted
//! on.
//!
//! Definition, over equal epochs of local time, missing ones left out: IS = n·sum_h(mean_h - mean)² / (p·sum_i(x_i - mean)²);
//! IV = mean of squared differences of neighbouring epochs / population variance; L5 and M10 = the lowest 5 and highest 10
//! hours in a row of the mean day, around midnight, with their onset (null where several tie); RA = (M10 - L5)/(M10 + L5).
//! Values are not made binary. Shown hourly from 5 valid days on, an hour valid with half its epochs.

use serde::Serialize;

use super::summary_stats::{mean, sorted_present};

pub const MIN_DAYS: usize = 5;
pub const DAY_MIN: usize = 1440;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Circadian {
    /// Null without variance, as IV.
    pub is: Option<f64>,
    pub iv: Option<f64>,
    /// Null where an epoch of the day was never seen.
    pub l5: Option<f64>,
    /// Minutes since local midnight.
    pub l5_onset: Option<usize>,
    pub m10: Option<f64>,
    pub m10_onset: Option<usize>,
    pub ra: Option<f64>,
    /// As programs print them that divide by n - 1.
    pub is_ddof1: Option<f64>,
    pub iv_ddof1: Option<f64>,
}

/// Epochs of `epoch_min` minutes from a local midnight on.
pub fn circadian(epochs: &[Option<f64>], epoch_min: usize) -> Circadian {
    let sorted = sorted_present(epochs);
    let Some(centre) = mean(&sorted) else { return Circadian::default() };
    let squares: f64 = sorted.iter().map(|x| (x - centre) * (x - centre)).sum();
    let (profile, n) = (profile(epochs, DAY_MIN / epoch_min), sorted.len() as f64);
    let (is, is_ddof1) = stability(&profile, centre, squares / n, squares / (n - 1.0));
    let iv = variability(epochs).filter(|_| squares > 0.0).map(|difference| difference * n / squares);
    let extreme = |hours: usize, sign: f64| extreme(&profile, hours * 60 / epoch_min, sign);
    let (l5, m10) = (extreme(5, -1.0), extreme(10, 1.0));
    let ra = l5.zip(m10).and_then(|((l, _), (m, _))| (m + l != 0.0).then(|| (m - l) / (m + l)));
    let onset = |found: Option<(f64, Option<usize>)>| found.and_then(|(_, at)| at).map(|at| at * epoch_min);
    Circadian {
        is,
        iv,
        l5: l5.map(|found| found.0),
        l5_onset: onset(l5),
        m10: m10.map(|found| found.0),
        m10_onset: onset(m10),
        ra,
        is_ddof1,
        iv_ddof1: iv.map(|iv| iv * (n - 1.0) / n),
    }
}

/// The mean day: null for an epoch that was never seen.
fn profile(epochs: &[Option<f64>], a_day: usize) -> Vec<Option<f64>> {
    let of_epoch = |at: usize| epochs.iter().skip(at).step_by(a_day).copied().collect::<Vec<_>>();
    (0..a_day).map(|at| mean(&sorted_present(&of_epoch(at)))).collect()
}

/// IS of the published formula and with n - 1 in both variances.
fn stability(profile: &[Option<f64>], centre: f64, variance: f64, variance_1: f64) -> (Option<f64>, Option<f64>) {
    let hours = sorted_present(profile);
    let about = |centre: f64| hours.iter().map(|hour| (hour - centre) * (hour - centre)).sum::<f64>();
    let Some(mean_hour) = mean(&hours).filter(|_| variance > 0.0) else { return (None, None) };
    let published = about(centre) / (hours.len() as f64 * variance);
    let ddof1 = (hours.len() > 1).then(|| about(mean_hour) / ((hours.len() - 1) as f64 * variance_1));
    (Some(published), ddof1)
}

/// Mean squared difference of neighbouring epochs.
fn variability(epochs: &[Option<f64>]) -> Option<f64> {
    let differences = epochs.windows(2).map(|pair| {
        let difference = pair[1]? - pair[0]?;
        Some(difference * difference)
    });
    mean(&sorted_present(&differences.collect::<Vec<_>>()))
}

/// Windows whose means differ by less than this fraction are tied.
const TIE: f64 = 1e-9;

/// The greatest (sign 1) or least (sign -1) mean of `width` epochs in a row around the day, and where it begins, if nowhere
/// else.
fn extreme(profile: &[Option<f64>], width: usize, sign: f64) -> Option<(f64, Option<usize>)> {
    let profile: Vec<f64> = profile.iter().copied().collect::<Option<_>>()?;
    let window = |start: usize| {
        let hours = (start..start + width).map(|at| Some(profile[at % profile.len()])).collect::<Vec<_>>();
        mean(&sorted_present(&hours))
    };
    let means: Vec<f64> = (0..profile.len()).map(window).collect::<Option<_>>()?;
    let best = means.iter().copied().max_by(|a, b| (sign * a).total_cmp(&(sign * b)))?;
    let mut tied = (0..means.len()).filter(|at| (means[*at] - best).abs() <= TIE * best.abs().max(1.0));
    let first = tied.next();
    Some((best, first.filter(|_| tied.next().is_none())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_day_again_is_perfectly_stable_and_a_constant_has_no_rhythm() {
        let day: Vec<_> = (0..24).map(|hour| Some(f64::from(hour) * 10.0)).collect();
        let regular = circadian(&day.repeat(7), 60);
        assert_eq!((regular.is, regular.l5, regular.l5_onset), (Some(1.0), Some(20.0), Some(0)));
        assert_eq!((regular.m10, regular.m10_onset), (Some(185.0), Some(14 * 60)));
        let flat = circadian(&[Some(50.0); 48], 60);
        assert_eq!((flat.is, flat.iv, flat.l5, flat.l5_onset, flat.ra), (None, None, Some(50.0), None, Some(0.0)));
        assert_eq!(circadian(&[None; 48], 60), Circadian::default());
    }

    #[test]
    fn an_hour_that_was_never_seen_is_not_zero() {
        let mut week: Vec<Option<f64>> = (0..168).map(|hour| Some(f64::from(hour % 24))).collect();
        week.iter_mut().step_by(24).for_each(|midnight| *midnight = None);
        let told = circadian(&week, 60);
        assert!(told.l5.is_none() && told.m10.is_none() && told.ra.is_none() && told.is.is_some());
    }
}
