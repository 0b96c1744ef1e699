//! Robust z against a personal baseline (clinical catalogue B1, Iglewicz-Hoaglin).
//!
//! Definition: z = (x - median) / (1.482602218505602 · MAD) over the 28 local days before x, x excluded, at least 7 of
//! them valid. MAD = 0: mean absolute deviation · sqrt(pi/2) instead. Both 0: z = 0 if x is the median, else null
//! (degenerate). Notice from |z| >= 2, alert from |z| >= 3.5; a clinician must confirm both.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::summary_stats::{mean, median, sorted_present};

/// Makes the MAD of a normal sample estimate its standard deviation: 1 / Phi^-1(3/4).
pub const MAD_TO_SD: f64 = 1.482_602_218_505_602;
/// Makes the mean absolute deviation of a normal sample do the same: sqrt(pi/2).
pub const MEAN_AD_TO_SD: f64 = 1.253_314_137_315_500_1;
pub const WINDOW_DAYS: i32 = 28;
pub const MIN_VALID_DAYS: usize = 7;

/// Which estimate of spread carried the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    Mad,
    MeanAd,
    /// No spread at all.
    Degenerate,
    /// Too few baseline days, or no x.
    Insufficient,
}

impl Method {
    /// Why z may be null; empty when it never is.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Mad | Self::MeanAd => "",
            Self::Degenerate => "degenerate",
            Self::Insufficient => "insufficient",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RobustZ {
    /// Valid baseline days.
    pub n: usize,
    pub median: Option<f64>,
    pub scale: Option<f64>,
    pub z: Option<f64>,
    pub method: Method,
}

pub fn robust_z(baseline: &[Option<f64>], x: Option<f64>) -> RobustZ {
    let sorted = sorted_present(baseline);
    let n = sorted.len();
    let insufficient = RobustZ { n, median: None, scale: None, z: None, method: Method::Insufficient };
    let (Some(x), Some(centre)) = (x, median(&sorted).filter(|_| n >= MIN_VALID_DAYS)) else { return insufficient };
    let (scale, method) = spread(&sorted, centre);
    let z = match method {
        Method::Degenerate => (x == centre).then_some(0.0),
        _ => Some((x - centre) / scale),
    };
    RobustZ { n, median: Some(centre), scale: Some(scale), z, method }
}

/// The spread about `centre`: scaled MAD, else scaled mean absolute deviation, else 0.
pub fn spread(sorted: &[f64], centre: f64) -> (f64, Method) {
    let deviations: Vec<_> = sorted.iter().map(|value| Some((value - centre).abs())).collect();
    let deviations = sorted_present(&deviations);
    let mad = median(&deviations).unwrap_or(0.0);
    if mad > 0.0 {
        return (MAD_TO_SD * mad, Method::Mad);
    }
    let mean_ad = mean(&deviations).unwrap_or(0.0);
    if mean_ad > 0.0 { (MEAN_AD_TO_SD * mean_ad, Method::MeanAd) } else { (0.0, Method::Degenerate) }
}

/// The valid days of the window before the next one, as (local day, value), ascending. Days come in ascending order; a
/// revised past day means folding forward again from a snapshot before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DailyBaseline {
    window_days: i32,
    days: VecDeque<(i32, f64)>,
}

impl Default for DailyBaseline {
    fn default() -> Self {
        Self::new(WINDOW_DAYS)
    }
}

impl DailyBaseline {
    pub const fn new(window_days: i32) -> Self {
        Self { window_days, days: VecDeque::new() }
    }

    /// Judges `day` against the days before it, then makes it part of the baseline of the days to come.
    pub fn handle(&mut self, day: i32, x: Option<f64>) -> RobustZ {
        let judged = self.judge(day, x);
        self.remember(day, x);
        judged
    }

    /// Makes a day part of the baseline of the days to come, without judging it.
    pub fn remember(&mut self, day: i32, x: Option<f64>) {
        if let Some(x) = x.filter(|x| x.is_finite()) {
            self.days.push_back((day, x));
        }
    }

    /// Judges without remembering: for a provisional day.
    pub fn judge(&mut self, day: i32, x: Option<f64>) -> RobustZ {
        while self.days.front().is_some_and(|(first, _)| *first < day - self.window_days) {
            self.days.pop_front();
        }
        let baseline: Vec<_> =
            self.days.iter().filter(|(past, _)| *past < day).map(|(_, value)| Some(*value)).collect();
        robust_z(&baseline, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_window_is_28_days_before_the_day_and_the_day_itself_is_not_in_it() {
        let mut baseline = DailyBaseline::default();
        for day in 0..10 {
            assert_eq!(baseline.handle(day, Some(f64::from(day % 3))).n, day as usize);
        }
        assert_eq!(baseline.judge(30, Some(1.0)).n, 8, "days 2 to 9 are within 28 days of day 30");
        assert_eq!(baseline.handle(34, Some(1.0)).method, Method::Insufficient);
        assert_eq!(baseline.handle(35, None).reason_and_n(), ("insufficient", 4));
    }

    impl RobustZ {
        fn reason_and_n(&self) -> (&'static str, usize) {
            (self.method.reason(), self.n)
        }
    }

    proptest! {
        #[test]
        fn neither_the_order_of_the_days_nor_a_null_changes_a_bit(mut days in prop::collection::vec(0.0f64..200.0, 7..28), x in 0.0f64..200.0, at in 0usize..7) {
            let of = |days: &[f64]| robust_z(&days.iter().copied().map(Some).collect::<Vec<_>>(), Some(x));
            let expected = of(&days);
            let mut with_null: Vec<_> = days.iter().copied().map(Some).collect();
            with_null.insert(at, None);
            prop_assert_eq!(robust_z(&with_null, Some(x)), expected);
            days.reverse();
            days.rotate_left(at);
            prop_assert_eq!(of(&days), expected);
        }

        #[test]
        fn a_restored_baseline_judges_as_the_one_that_was_saved(days in prop::collection::vec((1i32..4, prop::option::of(0.0f64..9.0)), 1..60)) {
            let (mut live, mut restored, mut day) = (DailyBaseline::default(), DailyBaseline::default(), 0);
            for (step, x) in days {
                day += step;
                prop_assert_eq!(live.handle(day, x), restored.handle(day, x));
                restored = serde_json::from_str(&serde_json::to_string(&live).unwrap()).unwrap();
            }
        }
    }
}
