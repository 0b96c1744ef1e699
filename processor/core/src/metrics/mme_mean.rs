//! Mean of morphine equivalents over three months (clinical catalogue E1; PQA, CMS).
//!
//! Definition: mean of the prescribed equivalents of the 90 local days that end with the day, all of which had an opioid
//! order with a factor. The measures of PQA and CMS ask whether it is >= 90 over >= 90 days; CDC 2022 dropped 90 as a limit.
//! Never a reason to advise a taper.

use super::mme::mean_mg;

pub const DAYS: i32 = 90;

/// Out of (day, equivalents) pairs, one a day at most; `None` unless each of the days has one.
pub fn over_90_days(equivalents: &[(i32, f64)], day: i32) -> Option<f64> {
    let inside = equivalents.iter().filter(|(at, _)| (day - DAYS + 1..=day).contains(at));
    let values: Vec<f64> = inside.map(|(_, mg)| *mg).collect();
    mean_mg(&values).filter(|_| values.len() as i32 == DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ninety_days_are_needed_and_no_more_count() {
        let every: Vec<(i32, f64)> = (0..120).map(|day| (day, if day < 30 { 1000.0 } else { 90.0 })).collect();
        assert_eq!((over_90_days(&every, 119), over_90_days(&every, 88)), (Some(90.0), None));
        assert_eq!(over_90_days(&every[1..], 89), None);
    }

    #[test]
    fn exactly_ninety_is_ninety_whatever_the_decimals() {
        let every: Vec<(i32, f64)> = (0..90).map(|day| (day, [93.4, 97.0, 79.6][day as usize % 3])).collect();
        assert_eq!(over_90_days(&every, 89), Some(90.0));
    }
}
