//! Sedation by POSS, and what it means beside breathing (clinical catalogue A3).
//!
//! Definition: S asleep and easy to rouse, 1 alert, 2 slightly drowsy: acceptable; 3 drifts off in conversation:
//! unacceptable, medium, high with a respiratory rate <= 10 or a saturation < 92 within 60 min of the report (engineering
//! choice); 4 minimal or no response: high. Only the code list is here: the wording is copyrighted by C. Pasero. Not
//! exchangeable with RASS.

use painwatch_domain::time::HOUR_MS;

pub const WITHIN_MS: i64 = HOUR_MS;
/// From here sedation is unacceptable.
pub const UNACCEPTABLE_FROM: u8 = 3;
const SLOW_BREATHING_UNTIL: f64 = 10.0;
const LOW_SATURATION_BELOW: f64 = 92.0;

/// A POSS code as a level: S is 0, because a patient asleep and easy to rouse is no more sedated than one awake.
pub fn level(code: &str) -> Option<u8> {
    match code.trim() {
        "S" | "s" => Some(0),
        "1" => Some(1),
        "2" => Some(2),
        "3" => Some(3),
        "4" => Some(4),
        _ => None,
    }
}

/// For each report of unacceptable sedation with shallow breathing beside it, when both were known, of such instants the
/// first from `since` on; everything as (time, value).
pub fn with_depression(
    reports: &[(i64, u8)],
    rates: &[(i64, f64)],
    saturations: &[(i64, f64)],
    since: i64,
) -> Vec<i64> {
    let slow = rates.iter().filter(|(_, rate)| *rate <= SLOW_BREATHING_UNTIL);
    let low = saturations.iter().filter(|(_, saturation)| *saturation < LOW_SATURATION_BELOW);
    let shallow: Vec<i64> = slow.chain(low).map(|(time, _)| *time).collect();
    let sedated = reports.iter().filter(|(_, level)| *level >= UNACCEPTABLE_FROM).map(|(at, _)| *at);
    let known = |at: i64| {
        let near = shallow.iter().filter(|time| (*time - at).abs() <= WITHIN_MS).map(|time| at.max(*time));
        near.filter(|known| *known >= since).min()
    };
    sedated.filter_map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sedation_counts_with_shallow_breathing_within_an_hour_on_either_side() {
        let reports = [(0, 2), (HOUR_MS, 3), (9 * HOUR_MS, 4)];
        assert_eq!(with_depression(&reports, &[(0, 10.0)], &[], i64::MIN), [HOUR_MS]);
        assert_eq!(with_depression(&reports, &[(0, 11.0)], &[(10 * HOUR_MS, 91.9)], i64::MIN), [10 * HOUR_MS]);
        assert!(with_depression(&reports, &[], &[(0, 92.0)], i64::MIN).is_empty());
        assert!(with_depression(&reports, &[(0, 10.0)], &[], HOUR_MS + 1).is_empty());
        assert_eq!([level("S"), level("4"), level("5")], [Some(0), Some(4), None]);
    }
}
