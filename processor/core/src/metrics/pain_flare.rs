//! Flare of pain (clinical catalogue F5; engineering choice after Costa 2019 and Parry 2018: no consensus gives a number).
//!
//! Definition: the baseline of a day is the median of the valid days outside flares among the 14 calendar days before it, at
//! least 7 of them. Onset: two consecutive calendar days, each at least 2 above its baseline and at least 4; the flare began
//! on the first. It ends on the second of two calm days (below its baseline + 1) that no present day between them
//! contradicts; days without a value are passed over. The patient's own answer wins over all of this.

use std::collections::VecDeque;

use super::summary_stats::{median, sorted_present};

const WINDOW_DAYS: i32 = 14;
const MIN_DAYS: usize = 7;
const RISE: f64 = 2.0;
const FLOOR: f64 = 4.0;
const CALM_BELOW: f64 = 1.0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flare {
    pub start: i32,
    pub confirmed: i32,
    /// First day after it.
    pub end: Option<i32>,
    pub baseline: f64,
    pub peak: f64,
}

/// Takes days in ascending order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlareWatch {
    /// Valid days outside flares.
    quiet: VecDeque<(i32, f64)>,
    /// A first hot day: its baseline and value.
    hot: Option<(i32, f64, f64)>,
    open: Option<(Flare, Option<i32>)>,
    pub ended: Vec<Flare>,
}

impl FlareWatch {
    /// Takes a day's value. Whether the day is known, on that day, to lie in a flare; `None` where nothing can be said: no
    /// value, or too few days to compare with.
    pub fn handle(&mut self, day: i32, value: Option<f64>) -> Option<bool> {
        let value = value.filter(|value| value.is_finite());
        if self.open.is_some() {
            return Some(self.go_on(day, value));
        }
        let Some(value) = value else {
            self.hot = None;
            return None;
        };
        let baseline = self.baseline(day);
        let is_hot = baseline.is_some_and(|baseline| value >= baseline + RISE && value >= FLOOR);
        let before = self.hot.take().filter(|(first, ..)| is_hot && *first == day - 1);
        if let Some((start, baseline, first)) = before {
            self.quiet.retain(|(quiet, _)| *quiet != start);
            let flare = Flare { start, confirmed: day, end: None, baseline, peak: first.max(value) };
            self.open = Some((flare, None));
            return Some(true);
        }
        self.hot = baseline.filter(|_| is_hot).map(|baseline| (day, baseline, value));
        self.quiet.push_back((day, value));
        baseline.map(|_| false)
    }

    /// A day of an open flare; `false` on the day that ends it.
    fn go_on(&mut self, day: i32, value: Option<f64>) -> bool {
        let Some(((flare, calm), value)) = self.open.as_mut().zip(value) else { return true };
        if value >= flare.baseline + CALM_BELOW {
            *calm = None;
        } else if calm.is_none() {
            *calm = Some(day);
        } else {
            let flare = Flare { end: Some(day), ..*flare };
            self.ended.push(flare);
            self.open = None;
            self.quiet.push_back((day, value));
            return false;
        }
        flare.peak = flare.peak.max(value);
        true
    }

    fn baseline(&mut self, day: i32) -> Option<f64> {
        while self.quiet.front().is_some_and(|(first, _)| *first < day - WINDOW_DAYS) {
            self.quiet.pop_front();
        }
        let values: Vec<_> = self.quiet.iter().map(|(_, value)| Some(*value)).collect();
        median(&sorted_present(&values)).filter(|_| values.len() >= MIN_DAYS)
    }

    /// All flares, the open one last.
    pub fn flares(&self) -> impl Iterator<Item = Flare> {
        self.ended.iter().copied().chain(self.open.map(|(flare, _)| flare))
    }

    pub fn open(&self) -> Option<Flare> {
        self.open.map(|(flare, _)| flare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_flare_is_known_on_its_second_day_and_over_on_its_second_calm_one() {
        let mut watch = FlareWatch::default();
        let days = [3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 6.0, 7.0, 3.0, 3.0, 3.0];
        let known: Vec<_> = (0..).zip(days).map(|(day, value)| watch.handle(day, Some(value))).collect();
        let expected =
            [None, None, None, None, None, None, None, Some(false), Some(true), Some(true), Some(false), Some(false)];
        assert_eq!(known, expected);
        assert_eq!(watch.ended[0], Flare { start: 7, confirmed: 8, end: Some(10), baseline: 3.0, peak: 7.0 });
    }

    proptest! {
        #[test]
        fn flares_do_not_overlap_and_a_day_without_a_value_does_not_end_one(days in prop::collection::vec(prop::option::weighted(0.8, 0u8..10), 0..120)) {
            let mut watch = FlareWatch::default();
            for (day, value) in (0..).zip(&days) {
                let known = watch.handle(day, value.map(f64::from));
                prop_assert!(value.is_some() || known != Some(false));
            }
            let flares: Vec<_> = watch.flares().collect();
            prop_assert!(flares.windows(2).all(|pair| pair[0].end.is_some_and(|end| end <= pair[1].start)));
            prop_assert!(flares.iter().all(|flare| flare.confirmed == flare.start + 1 && flare.peak >= FLOOR));
        }
    }
}
