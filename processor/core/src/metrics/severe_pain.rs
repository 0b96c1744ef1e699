//! Severe pain that lasts, and the response to rescue (clinical catalogue F4, E6; engineering choice).
//!
//! Definition: two reports >= 7 at least 1 h apart on one day, or at most 8 h apart over midnight, which is how long a report
//! is carried (F1); or one >= 7 an hour (30 to 120 min) after a rescue dose. The later report makes the day.
//! Response of a dose = the report nearest to 60 min after it (30 to 120) minus the last one at or before it, at most 2 h
//! old; told as the median of at least 5 such pairs. With a new neurological red flag answered yes on the same day, or in the
//! 8 h before it, it is more urgent; which symptoms are red flags is data: `processor/rules/tables/symptoms.toml`.

use painwatch_domain::time::{HOUR_MS, MINUTE_MS};

use super::pain_summary::{CARRY_MS, SEVERE_FROM};
use super::summary_stats::{median, sorted_present};

const AFTER_MS: std::ops::RangeInclusive<i64> = 30 * MINUTE_MS..=120 * MINUTE_MS;
const NEAREST_TO_MS: i64 = 60 * MINUTE_MS;
/// How old the report before a dose may be.
pub const BEFORE_MS: i64 = 2 * HOUR_MS;
const MIN_PAIRS: usize = 5;

/// How far back of a day's beginning reports bear on it.
pub const OVER_MIDNIGHT_MS: i64 = CARRY_MS;

/// When on the day that begins at `start` it was known that severe pain lasts; (time, score) reports of the day and before
/// it, times of rescue doses.
pub fn lasting(reports: &[(i64, f64)], rescue: &[i64], start: i64) -> Option<i64> {
    let severe = || reports.iter().filter(|(_, score)| *score >= SEVERE_FROM).map(|(time, _)| *time);
    let again = |time: i64| {
        let reaches = |before: i64| before >= start || time - before <= OVER_MIDNIGHT_MS;
        severe().any(|before| time - before >= HOUR_MS && reaches(before))
    };
    let after_dose = |time: i64| rescue.iter().any(|dose| AFTER_MS.contains(&(time - dose)));
    severe().filter(|time| *time >= start && (again(*time) || after_dose(*time))).min()
}

/// When severe pain that lasts and a red flag beside it were both known.
pub fn with_red_flag(lasting: Option<i64>, red_flags: &[i64]) -> Option<i64> {
    lasting.zip(red_flags.iter().min().copied()).map(|(pain, flag)| pain.max(flag))
}

/// The change of each rescue dose that has a report before and after it.
pub fn responses(reports: &[(i64, f64)], rescue: &[i64]) -> Vec<f64> {
    let response = |dose: &i64| {
        let before = reports.iter().rev().find(|(time, _)| *time <= *dose && dose - time <= BEFORE_MS)?;
        let after = reports.iter().filter(|(time, _)| AFTER_MS.contains(&(time - dose)));
        let after = after.min_by_key(|(time, _)| ((time - dose - NEAREST_TO_MS).abs(), *time))?;
        Some(after.1 - before.1)
    };
    rescue.iter().filter_map(response).collect()
}

/// The median response, and of how many pairs.
pub fn median_response(responses: &[f64]) -> (Option<f64>, usize) {
    let known: Vec<_> = responses.iter().copied().map(Some).collect();
    (median(&sorted_present(&known)).filter(|_| known.len() >= MIN_PAIRS), known.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severe_pain_lasts_when_it_is_said_again_an_hour_later_or_after_rescue() {
        assert_eq!(lasting(&[(0, 7.0), (59 * MINUTE_MS, 9.0)], &[], 0), None);
        assert_eq!(lasting(&[(0, 7.0), (HOUR_MS, 8.0)], &[], 0), Some(HOUR_MS));
        assert_eq!(lasting(&[(HOUR_MS, 7.0)], &[0], 0), Some(HOUR_MS));
        assert_eq!(lasting(&[(HOUR_MS, 6.9)], &[0], 0), None);
    }

    #[test]
    fn a_report_before_midnight_bears_on_the_day_for_eight_hours_and_makes_none_itself() {
        let before = [(-2 * HOUR_MS, 8.0), (-HOUR_MS, 8.0)];
        assert_eq!(lasting(&before, &[], 0), None);
        let with = |time: i64| lasting(&[before[0], before[1], (time, 7.0)], &[], 0);
        assert_eq!((with(5), with(7 * HOUR_MS), with(7 * HOUR_MS + 1)), (Some(5), Some(7 * HOUR_MS), None));
    }

    #[test]
    fn a_red_flag_by_itself_is_no_severe_pain() {
        assert_eq!((with_red_flag(None, &[5]), with_red_flag(Some(7), &[])), (None, None));
        assert_eq!((with_red_flag(Some(7), &[9, 5]), with_red_flag(Some(7), &[9])), (Some(7), Some(9)));
    }

    #[test]
    fn a_response_compares_the_report_before_a_dose_with_the_one_nearest_to_an_hour_after() {
        let reports = [(0, 8.0), (55 * MINUTE_MS, 5.0), (80 * MINUTE_MS, 6.0), (10 * HOUR_MS, 3.0)];
        assert_eq!(responses(&reports, &[5 * MINUTE_MS, 9 * HOUR_MS]), [-3.0]);
        assert_eq!(median_response(&[-1.0, -2.0, -3.0, -4.0]), (None, 4));
        assert_eq!(median_response(&[-1.0, -2.0, -3.0, -4.0, 0.0]), (Some(-2.0), 5));
    }
}
