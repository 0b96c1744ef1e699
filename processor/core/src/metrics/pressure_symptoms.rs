//! A severely high pressure with symptoms beside it (clinical catalogue A6; ACC/AHA 2017).
//!
//! Definition: a sitting of category severe and a symptom of the table, reported above 0, within 60 min of it on either side
//! (the window is an engineering choice). Which symptoms count is data: `processor/rules/tables/symptoms.toml`.

use painwatch_domain::time::HOUR_MS;

pub const WITHIN_MS: i64 = HOUR_MS;

/// When both were known, of several pairs the latest.
pub fn together(severe: &[i64], symptoms: &[i64]) -> Option<i64> {
    let pairs = severe.iter().flat_map(|at| symptoms.iter().map(move |symptom| (*at, *symptom)));
    pairs.filter(|(at, symptom)| (at - symptom).abs() <= WITHIN_MS).map(|(at, symptom)| at.max(symptom)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symptom_counts_within_an_hour_of_the_sitting_on_either_side() {
        assert_eq!(together(&[2 * HOUR_MS], &[HOUR_MS]), Some(2 * HOUR_MS));
        assert_eq!(together(&[2 * HOUR_MS], &[3 * HOUR_MS]), Some(3 * HOUR_MS));
        assert_eq!(together(&[2 * HOUR_MS], &[HOUR_MS - 1, 3 * HOUR_MS + 1]), None);
    }
}
