//! Weight gain by fluid retention (clinical catalogue A7).
//!
//! Definition: day value = first valid reading from 04:00 to before 12:00 local, else the median of the day.
//! gain_k(d) = w(d) - min of the valid w in [d - k, d - 1]; alert on strict excess (guard 1e-9 kg). Defaults: 1 day 2 lb,
//! 3 days 2.0 kg (ESC), 7 days 5 lb. Published variants disagree; a named clinician must confirm.

use serde::{Deserialize, Serialize};

use super::daily_change::{DailyChange, Direction, exceeds};
use super::summary_stats::{median, sorted_present};

const MORNING_MIN: std::ops::Range<u32> = 4 * 60..12 * 60;

/// A valid reading of the day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighing {
    pub time_ms: i64,
    /// Minutes since local midnight by the wall clock.
    pub minute_of_day: u32,
    pub kg: f64,
}

/// The weight of one local day out of its valid readings, in any order.
pub fn day_value(weighings: &[Weighing]) -> Option<f64> {
    let morning = weighings.iter().filter(|weighing| MORNING_MIN.contains(&weighing.minute_of_day));
    // Two scales at one instant: the lighter, so that the order of arrival decides nothing.
    let first = morning.min_by(|a, b| a.time_ms.cmp(&b.time_ms).then(a.kg.total_cmp(&b.kg)));
    let all: Vec<_> = weighings.iter().map(|weighing| Some(weighing.kg)).collect();
    first.map(|weighing| weighing.kg).or_else(|| median(&sorted_present(&all)))
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GainLimit {
    pub days: i32,
    pub kg: f64,
}

pub const DEFAULT_LIMITS: [GainLimit; 3] =
    [GainLimit { days: 1, kg: 0.907_184_74 }, GainLimit { days: 3, kg: 2.0 }, GainLimit { days: 7, kg: 2.267_961_85 }];

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gain {
    pub limit: GainLimit,
    pub kg: Option<f64>,
    pub alert: bool,
}

/// Remembers as many days as its longest limit looks back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeightGain {
    limits: Vec<GainLimit>,
    past: DailyChange,
}

impl Default for WeightGain {
    fn default() -> Self {
        Self::new(&DEFAULT_LIMITS)
    }
}

impl WeightGain {
    pub fn new(limits: &[GainLimit]) -> Self {
        let keep = limits.iter().map(|limit| limit.days).max().unwrap_or(0);
        Self { limits: limits.to_vec(), past: DailyChange::new(keep) }
    }

    /// Takes the value of a day, in ascending order; one gain for each limit, none for a day without a value.
    pub fn handle(&mut self, day: i32, kg: Option<f64>) -> Option<Vec<Gain>> {
        let weight = kg?;
        let gain = |limit: &GainLimit| {
            let kg = self.past.change(day, weight, limit.days, Direction::Up);
            Gain { limit: *limit, kg, alert: kg.is_some_and(|kg| exceeds(kg, limit.kg)) }
        };
        let gains = self.limits.iter().map(gain).collect();
        self.past.push(day, weight);
        Some(gains)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: u32, kg: f64) -> Weighing {
        Weighing { time_ms: i64::from(hour) * 3_600_000, minute_of_day: hour * 60, kg }
    }

    #[test]
    fn the_day_value_is_the_first_of_the_morning_else_the_median() {
        assert_eq!(day_value(&[at(13, 82.0), at(11, 81.5), at(4, 81.0), at(3, 80.0)]), Some(81.0));
        assert_eq!(day_value(&[at(12, 82.0), at(20, 84.0)]), Some(83.0), "noon is no longer the morning");
        assert_eq!(day_value(&[]), None);
    }

    #[test]
    fn exactly_the_limit_is_no_alert_and_a_day_without_a_weight_has_no_row() {
        let mut gains = WeightGain::default();
        gains.handle(0, Some(80.0));
        assert_eq!(gains.handle(1, None), None);
        let rows = gains.handle(3, Some(82.0)).unwrap();
        assert_eq!(
            rows.iter().map(|gain| (gain.kg, gain.alert)).collect::<Vec<_>>(),
            [(None, false), (Some(2.0), false), (Some(2.0), false)]
        );
    }
}
