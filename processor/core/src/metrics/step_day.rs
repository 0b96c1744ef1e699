//! Steps a day and whether the day counts (clinical catalogue C1, valid day).
//!
//! Definition: the sum over the local day of what each owned interval contributes (semantics 9). Valid with >= 10 h of
//! waking wear (NHANES practice). A daily total without wear data is valid iff > 0, flagged `wear_unknown`; a zero is
//! stored and used by no metric. Weekly mean from >= 4 valid days, off-baseline alerts from >= 3 of 7.

use serde::Serialize;

pub const MIN_WEAR_MS: i64 = 10 * 3_600_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wear {
    /// No stream tells whether it was worn.
    Unknown,
    /// Waking wear in the local day.
    Known { worn_ms: i64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StepDay {
    /// Present whenever any interval was; used by baselines and rules only if `valid`.
    pub total: Option<i64>,
    pub valid: bool,
    pub wear_unknown: bool,
    /// `insufficient` (no interval), `not_worn`, `zero_without_wear`, or empty.
    pub reason: &'static str,
}

impl StepDay {
    /// The total where the day counts.
    pub fn value(&self) -> Option<f64> {
        self.total.filter(|_| self.valid).map(|total| total as f64)
    }
}

pub fn judge(total: Option<i64>, wear: Wear) -> StepDay {
    let reason = match (total, wear) {
        (None, _) => "insufficient",
        (Some(_), Wear::Known { worn_ms }) if worn_ms < MIN_WEAR_MS => "not_worn",
        (Some(0), Wear::Unknown) => "zero_without_wear",
        _ => "",
    };
    StepDay { total, valid: reason.is_empty(), wear_unknown: total.is_some() && wear == Wear::Unknown, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_without_wear_data_is_kept_and_used_by_nothing() {
        let zero = judge(Some(0), Wear::Unknown);
        assert_eq!(
            (zero.total, zero.value(), zero.reason, zero.wear_unknown),
            (Some(0), None, "zero_without_wear", true)
        );
        assert_eq!(judge(Some(1), Wear::Unknown).value(), Some(1.0));
    }

    #[test]
    fn a_day_counts_from_ten_hours_of_wear_and_then_even_with_no_step() {
        assert_eq!(judge(Some(9_000), Wear::Known { worn_ms: MIN_WEAR_MS - 1 }).reason, "not_worn");
        assert_eq!(judge(Some(0), Wear::Known { worn_ms: MIN_WEAR_MS }).value(), Some(0.0));
        assert_eq!(judge(None, Wear::Unknown).reason, "insufficient");
    }
}
