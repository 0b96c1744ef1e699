//! Opioid and benzodiazepine together (clinical catalogue E5).
//!
//! Definition: the days of supply of each class, as the union of [fill day, fill day + days); no supply is carried forward.
//! Overlap = days in both; PQA COB: >= 30 such days. By doses: an opioid and a benzodiazepine of which the
//! earlier lies in the 24 h that end with the later, exactly 24 h before it not included (clinical catalogue 0).

use painwatch_domain::time::DAY_MS;
use serde::Serialize;

use super::pdc_mpr::Fill;

const COB_DAYS: i64 = 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Overlap {
    pub overlap_days: i64,
    pub first: Option<i32>,
    /// Last day of overlap, included.
    pub last: Option<i32>,
    pub cob30: bool,
}

pub fn overlap(opioid: &[Fill], benzodiazepine: &[Fill]) -> Overlap {
    let (opioid, benzodiazepine) = (supply_days(opioid), supply_days(benzodiazepine));
    let pairs = opioid.iter().flat_map(|a| benzodiazepine.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))));
    let both: Vec<(i32, i32)> = pairs.filter(|(from, until)| from < until).collect();
    let overlap_days = both.iter().map(|(from, until)| i64::from(until - from)).sum();
    Overlap {
        overlap_days,
        first: both.iter().map(|(from, _)| *from).min(),
        last: both.iter().map(|(_, until)| until - 1).max(),
        cob30: overlap_days >= COB_DAYS,
    }
}

/// Disjoint half-open runs of days, ascending.
fn supply_days(fills: &[Fill]) -> Vec<(i32, i32)> {
    let mut spans: Vec<(i32, i32)> =
        fills.iter().filter(|fill| fill.days > 0).map(|fill| (fill.day, fill.day.saturating_add(fill.days))).collect();
    spans.sort_unstable();
    let mut union: Vec<(i32, i32)> = Vec::new();
    for (from, until) in spans {
        match union.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            _ => union.push((from, until)),
        }
    }
    union
}

/// Times of an opioid and a benzodiazepine dose that lie less than 24 h apart; the later of each such pair.
pub fn together(opioid: &[i64], benzodiazepine: &[i64]) -> Vec<i64> {
    let pairs = opioid.iter().flat_map(|a| benzodiazepine.iter().map(move |b| (*a, *b)));
    pairs.filter(|(a, b)| (a - b).abs() < DAY_MS).map(|(a, b)| a.max(b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doses_within_a_day_are_together_whichever_came_first() {
        assert_eq!(together(&[1, 3 * DAY_MS], &[DAY_MS]), [DAY_MS]);
        assert_eq!(together(&[DAY_MS - 1], &[0]), [DAY_MS - 1]);
        assert!(together(&[DAY_MS], &[0]).is_empty() && together(&[0], &[DAY_MS]).is_empty());
    }
}
