//! Dose events against their schedule (clinical catalogue E3).
//!
//! Definition: the cell of a scheduled time reaches from the midpoint before it (open) to the midpoint after it (closed);
//! the outer edges are half an interval away, the first one closed. The nearest dose in the cell matches, of two equally
//! near the earlier; the others are extra. On time within the tolerance, else early or late; missed when the cell has
//! closed empty. taking % = matched / scheduled; timing % = on time / scheduled; interval % = gaps between all recorded
//! doses within 25 % of the prescribed interval. A cap opened is not a dose taken.

use serde::{Deserialize, Serialize};

pub const ON_TIME_MS: i64 = 60 * 60_000;
/// The longest gap that may still be kept: that of one dose a day.
pub const LONGEST_KEPT_MS: i64 = longest_kept(24 * 60 * 60_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    OnTime,
    Early,
    Late,
    Missed,
}

/// One scheduled dose and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub scheduled: i64,
    /// Last instant at which a dose still belongs to it.
    pub closes: i64,
    pub status: Status,
    pub matched: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Adherence {
    pub cells: Vec<Cell>,
    pub extra: Vec<i64>,
    pub taking_pct: Option<f64>,
    pub timing_pct: Option<f64>,
    pub interval_ok_pct: Option<f64>,
}

/// Matches doses to their schedule; both are instants in one unit, in any order, as is `interval`.
pub fn adherence(scheduled: &[i64], taken: &[i64], on_time: i64, interval: i64) -> Adherence {
    let (scheduled, taken) = (ascending(scheduled), ascending(taken));
    let mut matched_dose = vec![false; taken.len()];
    let mut cells = Vec::with_capacity(scheduled.len());
    for index in 0..scheduled.len() {
        let cell = Bounds::of(&scheduled, index, interval);
        let due = scheduled[index];
        let inside = (0..taken.len()).filter(|dose| cell.contains(taken[*dose]));
        let nearest = inside.min_by_key(|dose| ((taken[*dose] - due).abs(), taken[*dose], *dose));
        if let Some(dose) = nearest {
            matched_dose[dose] = true;
        }
        let matched = nearest.map(|dose| taken[dose]);
        cells.push(Cell { scheduled: due, closes: cell.closes(), status: status(due, matched, on_time), matched });
    }
    let percent_of_cells =
        |wanted: &dyn Fn(&Cell) -> bool| percent(cells.iter().filter(|cell| wanted(cell)).count(), cells.len());
    let (taking_pct, timing_pct) =
        (percent_of_cells(&|cell| cell.matched.is_some()), percent_of_cells(&|cell| cell.status == Status::OnTime));
    let extra = taken.iter().zip(&matched_dose).filter(|(_, matched)| !**matched).map(|(dose, _)| *dose).collect();
    Adherence { interval_ok_pct: interval_ok_pct(&taken, interval), cells, extra, taking_pct, timing_pct }
}

fn ascending(times: &[i64]) -> Vec<i64> {
    let mut times = times.to_vec();
    times.sort_unstable();
    times
}

/// Edges at twice their value, so that a midpoint is an integer.
struct Bounds {
    lower2: i64,
    upper2: i64,
    lower_closed: bool,
}

impl Bounds {
    fn of(scheduled: &[i64], index: usize, interval: i64) -> Self {
        let due = scheduled[index];
        let before = index.checked_sub(1).map(|before| scheduled[before] + due);
        let after = scheduled.get(index + 1).map(|after| due + after);
        Self {
            lower2: before.unwrap_or(2 * due - interval),
            upper2: after.unwrap_or(2 * due + interval),
            lower_closed: before.is_none(),
        }
    }

    const fn contains(&self, dose: i64) -> bool {
        let above = if self.lower_closed { 2 * dose >= self.lower2 } else { 2 * dose > self.lower2 };
        above && 2 * dose <= self.upper2
    }

    const fn closes(&self) -> i64 {
        self.upper2.div_euclid(2)
    }
}

const fn status(due: i64, matched: Option<i64>, on_time: i64) -> Status {
    match matched {
        None => Status::Missed,
        Some(dose) if (dose - due).abs() <= on_time => Status::OnTime,
        Some(dose) if dose < due => Status::Early,
        Some(_) => Status::Late,
    }
}

fn interval_ok_pct(taken: &[i64], interval: i64) -> Option<f64> {
    let gaps = taken.windows(2).map(|pair| pair[1] - pair[0]);
    percent(gaps.filter(|gap| is_kept(*gap, interval)).count(), taken.len().saturating_sub(1))
}

/// Whether a gap between two doses is within 25 % of the prescribed interval.
pub const fn is_kept(gap: i64, interval: i64) -> bool {
    4 * (gap - interval).abs() <= interval
}

/// The longest gap that is.
pub const fn longest_kept(interval: i64) -> i64 {
    interval + interval / 4
}

fn percent(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cell_closes_halfway_to_the_next_scheduled_time() {
        let cells = adherence(&[0, 12, 24, 36, 48], &[0], 1, 12).cells;
        assert_eq!(cells.iter().map(|cell| cell.closes).collect::<Vec<_>>(), [6, 18, 30, 42, 54]);
        assert_eq!(cells.iter().filter(|cell| cell.status == Status::Missed).count(), 4);
    }

    proptest! {
        #[test]
        fn no_gap_beyond_the_longest_is_kept(gap in 0i64..200, interval in 1i64..100) {
            prop_assert!(!is_kept(gap, interval) || gap <= longest_kept(interval));
            prop_assert!(is_kept(longest_kept(interval), interval) && !is_kept(longest_kept(interval) + 1, interval));
        }

        #[test]
        fn every_dose_is_matched_once_or_extra_whatever_the_order(mut taken in prop::collection::vec(-20i64..80, 0..12)) {
            let got = adherence(&[0, 12, 24, 36, 48], &taken, 1, 12);
            let mut accounted: Vec<_> = got.cells.iter().filter_map(|cell| cell.matched).chain(got.extra.clone()).collect();
            accounted.sort_unstable();
            taken.reverse();
            prop_assert_eq!(&adherence(&[48, 0, 12, 36, 24], &taken, 1, 12), &got);
            taken.sort_unstable();
            prop_assert_eq!(accounted, taken);
        }
    }
}
