//! Opioid-induced ventilatory impairment, the rules that look at more than one signal (clinical catalogue A2).
//!
//! Definition: OIVI-1 rate <= 5 or saturation <= 85 for 180 s; OIVI-2 rate <= 8 for 60 s, or two spot values within 5 min;
//! OIVI-3 saturation < 90 for 180 s; OIVI-4 rate above 8 and at most 11 for 10 min with a saturation of 92 to 93 in the same
//! window; OIVI-5 any of them and POSS >= 3 within 60 min. Samples are held for 90 s. One to three are rules on a measure in
//! the pack `opioid-safety`, and a test holds them to what stands here. "Within N min after a dose", never "caused by"; a
//! device's saturation alone never resolves an alert about breathing.

use painwatch_domain::time::{MINUTE_MS, SECOND_MS};

use super::sedation::{UNACCEPTABLE_FROM, WITHIN_MS};
use super::sustained_threshold::{Comparison, SustainedThreshold, Transition};

/// One condition on one signal, for so long, each sample held so long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sustained {
    pub comparison: Comparison,
    pub for_ms: i64,
    pub hold_ms: i64,
    pub min_samples: u32,
}

const HOLD_MS: i64 = 90 * SECOND_MS;
pub const RATE_CRITICAL: Sustained = sustained(Comparison::AtMost(5.0), 180 * SECOND_MS, HOLD_MS);
pub const SATURATION_CRITICAL: Sustained = sustained(Comparison::AtMost(85.0), 180 * SECOND_MS, HOLD_MS);
/// The wide hold lets two spot values within 5 min count as well.
pub const RATE_LOW: Sustained = sustained(Comparison::AtMost(8.0), 60 * SECOND_MS, 5 * MINUTE_MS);
pub const SATURATION_LOW: Sustained = sustained(Comparison::Below(90.0), 180 * SECOND_MS, HOLD_MS);
/// What is not low any more is slow at least: rates are kept in thousandths.
const ABOVE_LOW: Comparison = Comparison::Within { lo: 8.001, hi: 11.0 };
const RATE_SLOW: Sustained = Sustained { min_samples: 1, ..sustained(ABOVE_LOW, 10 * MINUTE_MS, HOLD_MS) };
const SATURATION_SLIGHTLY_LOW: Sustained =
    Sustained { min_samples: 1, ..sustained(Comparison::Within { lo: 92.0, hi: 93.0 }, 0, HOLD_MS) };

/// From the first sample of an episode until it is one and its last sample is held no longer, at most.
pub const LONGEST_MS: i64 = RATE_SLOW.for_ms + RATE_LOW.hold_ms;

const fn sustained(comparison: Comparison, for_ms: i64, hold_ms: i64) -> Sustained {
    Sustained { comparison, for_ms, hold_ms, min_samples: 2 }
}

impl Sustained {
    /// Half-open episodes among (time, value) samples in ascending time.
    pub fn episodes(&self, samples: &[(i64, f64)]) -> Vec<(i64, i64)> {
        let engine = SustainedThreshold::new(self.comparison, self.for_ms, self.hold_ms);
        let (mut engine, mut out) = (engine.with_min_samples(self.min_samples), Vec::new());
        for (time, value) in samples {
            engine.handle(*time, Some(*value), &mut out);
        }
        // The last sample is held like any other.
        engine.advance(i64::MAX, &mut out);
        let closed = out.into_iter().filter_map(|transition| match transition {
            Transition::Closed { start, end, .. } => Some((start, end)),
            Transition::Opened { .. } => None,
        });
        closed.collect()
    }
}

/// What two signals and the reports of sedation together show, each as (time, value) in ascending time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Combined {
    /// OIVI-4: windows of slow breathing with a slightly low saturation in them.
    pub moderate: Vec<(i64, i64)>,
    /// OIVI-5: for each report of sedation beside any of the others, when both had begun, or `since` if they had before it and
    /// breathing was still impaired.
    pub sedated: Vec<i64>,
    /// Every episode of OIVI-1 to OIVI-4, ascending.
    pub any: Vec<(i64, i64)>,
}

/// What was over before `since` is not told of a report again.
pub fn combined(rates: &[(i64, f64)], saturations: &[(i64, f64)], reports: &[(i64, u8)], since: i64) -> Combined {
    let slightly_low = SATURATION_SLIGHTLY_LOW.episodes(saturations);
    let meets = |(start, end): &(i64, i64)| slightly_low.iter().any(|other| other.0 < *end && *start < other.1);
    let moderate: Vec<_> = RATE_SLOW.episodes(rates).into_iter().filter(meets).collect();
    let severe =
        [(RATE_CRITICAL, rates), (RATE_LOW, rates), (SATURATION_CRITICAL, saturations), (SATURATION_LOW, saturations)];
    let mut any: Vec<(i64, i64)> = severe.iter().flat_map(|(rule, samples)| rule.episodes(samples)).collect();
    any.extend(&moderate);
    let beside = |at: i64| {
        let lasting = any.iter().filter(|(_, end)| since <= at || since < *end);
        let known = lasting.map(|(start, end)| (at.max(*start).max(since), *end));
        known.filter(|(known, end)| known - WITHIN_MS <= at && at <= end + WITHIN_MS).map(|(known, _)| known).min()
    };
    let sedated = reports.iter().filter(|(_, level)| *level >= UNACCEPTABLE_FROM);
    let sedated = sedated.filter_map(|(at, _)| beside(*at)).collect();
    any.sort_unstable();
    Combined { moderate, sedated, any }
}

#[cfg(test)]
mod tests {
    use super::*;
    use painwatch_domain::Measure;

    fn every_minute(minutes: i64, value: f64) -> Vec<(i64, f64)> {
        (0..minutes).map(|minute| (minute * MINUTE_MS, value)).collect()
    }

    #[test]
    fn slow_breathing_needs_ten_minutes_and_a_slightly_low_saturation_in_them() {
        let window = |minutes: i64, rate: f64, saturation: f64| {
            combined(&every_minute(minutes, rate), &[(2 * MINUTE_MS, saturation)], &[], i64::MIN).moderate
        };
        assert_eq!(window(11, 10.0, 92.0), [(0, 11 * MINUTE_MS + 30_000)]);
        assert!(window(8, 10.0, 92.0).is_empty() && window(11, 12.0, 92.0).is_empty());
        assert!(window(11, 10.0, 94.0).is_empty());
    }

    #[test]
    fn a_rate_between_8_and_9_is_slow_and_one_of_8_is_low() {
        let of = |rate: f64| combined(&every_minute(11, rate), &[(2 * MINUTE_MS, 92.0)], &[], i64::MIN);
        let [above_8, above_11] = [8_001, 11_001].map(|scaled| Measure::RespiratoryRate.to_canonical(scaled));
        assert_eq!([above_8, 8.5, 11.0].map(|rate| of(rate).moderate.len()), [1; 3]);
        assert_eq!([8.0, above_11].map(|rate| (of(rate).moderate.len(), of(rate).any.len())), [(0, 1), (0, 0)]);
    }

    #[test]
    fn sedation_within_an_hour_of_any_of_the_others_is_the_fifth() {
        let low = every_minute(5, 5.0);
        let hour = 60 * MINUTE_MS;
        let sedated = |at: i64, level: u8| combined(&low, &[], &[(at, level)], i64::MIN).sedated;
        assert_eq!((sedated(-hour, 3), sedated(hour, 3)), (vec![0], vec![hour]));
        assert!(sedated(-hour - 1, 3).is_empty() && sedated(0, 2).is_empty());
        assert!(combined(&[], &[], &[(0, 4)], i64::MIN).sedated.is_empty());
    }

    #[test]
    fn since_midnight_counts_what_goes_on_or_begins_after_it_beside_a_report_of_the_hour_before() {
        let (hour, midnight) = (60 * MINUTE_MS, 4 * MINUTE_MS);
        let sedated = |reports: &[i64], since: i64| {
            let reports: Vec<_> = reports.iter().map(|at| (*at, 3)).collect();
            combined(&every_minute(10, 5.0), &[], &reports, since).sedated
        };
        assert_eq!(sedated(&[0], midnight), [midnight], "it goes on");
        assert_eq!(sedated(&[-2 * MINUTE_MS], -MINUTE_MS), [0], "it begins");
        assert!(sedated(&[midnight - hour - 1], midnight).is_empty(), "the report is an hour old");
        assert!(sedated(&[0], 2 * hour).is_empty() && sedated(&[12 * MINUTE_MS], hour).is_empty(), "it is over");
        assert_eq!(sedated(&[12 * MINUTE_MS], 12 * MINUTE_MS), [12 * MINUTE_MS], "it was over when the report came");
    }
}
