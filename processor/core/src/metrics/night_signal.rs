//! Resting heart rate by night, green, yellow or red (clinical catalogue B5; after Mishra 2020, Alavi 2022).
//!
//! Definition: night mean of the heart-rate samples from 00:00 to 06:59 local in minutes without a step; B = median of the
//! earlier nights, at most 28, the night itself excluded, from 7 nights of at least 60 valid minutes on. Yellow: two calendar
//! nights in a row at least B + 3 /min; red: both at least B + 4. A missing night breaks the chain; nothing is imputed. It
//! also answers to stress, alcohol and travel: low priority at most.
//!
//! [`Params::COMPAT`] reproduces the script that was published with the study, for comparison alone: whole numbers, the night
//! itself within its baseline, single missing nights filled from both neighbours. No rule can select it.

use std::collections::BTreeMap;

use super::summary_stats::{mean, median, sorted_present};

/// Minutes since local midnight.
pub const NIGHT_MIN: std::ops::Range<u32> = 0..7 * 60;
pub const MIN_VALID_MINUTES: usize = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Light {
    Green,
    Yellow,
    Red,
}

impl Light {
    pub const fn level(self) -> u8 {
        match self {
            Self::Green => 0,
            Self::Yellow => 1,
            Self::Red => 2,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// /min above the baseline.
    pub yellow: f64,
    pub red: f64,
    /// Nights before a night that its baseline looks at.
    pub window_nights: i32,
    pub min_nights: usize,
    /// Cut decimals off means and medians, count the night itself in its baseline, fill single gaps.
    compat: bool,
}

impl Params {
    pub const CAUSAL: Self = Self { yellow: 3.0, red: 4.0, window_nights: 28, min_nights: 7, compat: false };
    pub const COMPAT: Self = Self { window_nights: i32::MAX, min_nights: 1, compat: true, ..Self::CAUSAL };

    fn rounded(&self, value: f64) -> f64 {
        if self.compat { libm::trunc(value) } else { value }
    }
}

/// One night with a mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Night {
    pub mean: f64,
    /// Median of the nights it is compared with, if there are enough.
    pub baseline: Option<f64>,
    /// Null without a baseline.
    pub light: Option<Light>,
}

/// The mean of a night's samples, in any order; null without one.
pub fn night_mean(samples: &[f64], params: &Params) -> Option<f64> {
    let samples: Vec<_> = samples.iter().map(|sample| Some(params.rounded(*sample))).collect();
    mean(&sorted_present(&samples)).map(|mean| params.rounded(mean))
}

/// The light of each night that has a mean.
pub fn lights(means: &BTreeMap<i32, f64>, usable: impl Fn(i32) -> bool, params: &Params) -> BTreeMap<i32, Night> {
    let filled = if params.compat { filled(means, params) } else { means.clone() };
    let mut nights: BTreeMap<i32, Night> = BTreeMap::new();
    for (&night, &mean) in &filled {
        let first = night.saturating_sub(params.window_nights);
        let last = if params.compat { night } else { night - 1 };
        let earlier = filled.range(first..=last).filter(|(night, _)| usable(**night));
        let earlier = sorted_present(&earlier.map(|(_, mean)| Some(*mean)).collect::<Vec<_>>());
        let baseline = median(&earlier).filter(|_| earlier.len() >= params.min_nights);
        let baseline = baseline.map(|baseline| params.rounded(baseline));
        let before = nights.get(&(night - 1)).copied();
        let light = baseline.map(|_| light(before, mean, baseline, params));
        nights.insert(night, Night { mean, baseline, light });
    }
    nights
}

fn light(before: Option<Night>, mean: f64, baseline: Option<f64>, params: &Params) -> Light {
    let above = |mean: f64, baseline: Option<f64>, by: f64| baseline.is_some_and(|baseline| mean >= baseline + by);
    let both = |by: f64| before.is_some_and(|b| above(b.mean, b.baseline, by)) && above(mean, baseline, by);
    match (both(params.red), both(params.yellow)) {
        (true, _) => Light::Red,
        (_, true) => Light::Yellow,
        _ => Light::Green,
    }
}

/// The nights with single missing ones between two neighbours filled in by their mean, as the published script does: only
/// beside a night that has another night right on its other side.
fn filled(means: &BTreeMap<i32, f64>, params: &Params) -> BTreeMap<i32, f64> {
    let mut all = means.clone();
    let known: Vec<(i32, f64)> = means.iter().map(|(night, mean)| (*night, *mean)).collect();
    for three in known.windows(3) {
        let (before, after) = (three[1].0 - three[0].0, three[2].0 - three[1].0);
        let other = match (before, after) {
            (2, 1) => three[0],
            (1, 2) => three[2],
            _ => continue,
        };
        let missing = (three[1].0 + other.0) / 2;
        all.entry(missing).or_insert_with(|| params.rounded((three[1].1 + other.1) / 2.0));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(nights: &[(i32, f64)]) -> Vec<(i32, Option<Light>)> {
        let nights = lights(&nights.iter().copied().collect(), |_| true, &Params::CAUSAL);
        nights.into_iter().map(|(night, found)| (night, found.light)).collect()
    }

    fn calm() -> Vec<(i32, f64)> {
        (0..8).map(|night| (night, 60.0)).collect()
    }

    #[test]
    fn two_nights_in_a_row_three_above_are_yellow_and_four_above_are_red() {
        let mut nights = calm();
        nights.extend([(8, 63.0), (9, 63.0), (10, 64.0), (11, 64.0)]);
        let found = of(&nights);
        assert_eq!(found[6].1, None, "six earlier nights are no baseline");
        assert_eq!(
            found[7..].iter().map(|(_, light)| light.unwrap()).collect::<Vec<_>>(),
            [Light::Green, Light::Green, Light::Yellow, Light::Yellow, Light::Red]
        );
    }

    #[test]
    fn a_missing_night_breaks_the_chain_and_a_frozen_one_is_in_no_baseline() {
        let mut nights = calm();
        nights.extend([(8, 65.0), (10, 65.0), (11, 65.0)]);
        assert_eq!(of(&nights)[8..], [(8, Some(Light::Green)), (10, Some(Light::Green)), (11, Some(Light::Red))]);
        let frozen = lights(&nights.into_iter().collect(), |night| night < 6, &Params::CAUSAL);
        assert_eq!(frozen[&11].baseline, None);
    }

    proptest! {
        #[test]
        fn later_nights_change_nothing_about_earlier_ones(
            nights in prop::collection::btree_map(0i32..60, 50i32..75, 1..50), cut in 0i32..60
        ) {
            let all: Vec<_> = nights.into_iter().map(|(night, mean)| (night, f64::from(mean))).collect();
            let early: Vec<_> = all.iter().copied().filter(|(night, _)| *night < cut).collect();
            prop_assert_eq!(&of(&all)[..early.len()], &of(&early)[..]);
        }
    }
}
