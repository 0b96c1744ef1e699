//! Adherence by fills (clinical catalogue E2; PQA).
//!
//! Definition, over the days of a window, both ends included: PDC = days covered by supply / days, where supply of
//! overlapping fills is carried forward, also from before the window; adherent from 0.80. MPR = supply filled inside the
//! window / days, also capped at 1. A gap is a run of days without supply; left over is the stock after the last day. An
//! early refill comes more than 15 % of its predecessor's supply before that would run out (engineering choice: pharmacy
//! rules differ). For scheduled long-term medicines only, not for as-needed ones.

use serde::Serialize;

/// A dispense: the day it was filled and how many days it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fill {
    pub day: i32,
    pub days: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Supply {
    pub window_days: i32,
    pub covered_days: i32,
    pub pdc: f64,
    pub adherent80: bool,
    pub mpr: f64,
    pub mpr_capped: f64,
    pub n_gaps: u32,
    pub max_gap_days: i32,
    pub left_over_days: i32,
}

/// Fills in any order over `[start, end]`; `None` for a window that ends before it begins.
pub fn supply(fills: &[Fill], (start, end): (i32, i32)) -> Option<Supply> {
    let window_days = end.checked_sub(start)?.checked_add(1).filter(|days| *days > 0)?;
    let mut walk = Walk { stocked_until: start, ..Walk::default() };
    for (from, until) in stocked(fills, end) {
        walk.take(from.max(start), until.min(end + 1));
        walk.left_over = until - (end + 1);
    }
    walk.gap(end + 1);
    let inside = fills.iter().filter(|fill| (start..=end).contains(&fill.day));
    let mpr = inside.map(|fill| f64::from(fill.days.max(0))).sum::<f64>() / f64::from(window_days);
    Some(Supply {
        window_days,
        covered_days: walk.covered,
        pdc: f64::from(walk.covered) / f64::from(window_days),
        adherent80: 5 * i64::from(walk.covered) >= 4 * i64::from(window_days),
        mpr,
        mpr_capped: mpr.min(1.0),
        n_gaps: walk.gaps,
        max_gap_days: walk.longest_gap,
        left_over_days: walk.left_over.max(0),
    })
}

/// For each fill until `end`, ascending, the half-open days on which its supply is used: after what was there before.
fn stocked(fills: &[Fill], end: i32) -> Vec<(i32, i32)> {
    let mut fills: Vec<Fill> = fills.iter().copied().filter(|fill| fill.day <= end && fill.days > 0).collect();
    fills.sort_unstable();
    let mut used_until = i32::MIN;
    let span = |fill: Fill| {
        let from = fill.day.max(used_until);
        used_until = from.saturating_add(fill.days);
        (from, used_until)
    };
    fills.into_iter().map(span).collect()
}

#[derive(Default)]
struct Walk {
    stocked_until: i32,
    covered: i32,
    gaps: u32,
    longest_gap: i32,
    left_over: i32,
}

impl Walk {
    fn take(&mut self, from: i32, until: i32) {
        if until <= from {
            return;
        }
        self.gap(from);
        self.covered += until - from;
        self.stocked_until = until;
    }

    fn gap(&mut self, until: i32) {
        let days = until - self.stocked_until;
        if days > 0 {
            self.gaps += 1;
            self.longest_gap = self.longest_gap.max(days);
        }
    }
}

/// How many days the last fill until `day` came too early, beyond the 15 % that are allowed; `None` if it did not, or if
/// there is none before it.
pub fn early_refill_days(fills: &[Fill], day: i32) -> Option<i32> {
    let stocked = stocked(fills, day);
    let [.., (before, run_out), (_, _)] = stocked[..] else { return None };
    let last = fills.iter().filter(|fill| fill.day <= day && fill.days > 0).max()?;
    let early = run_out - last.day;
    (20 * i64::from(early) > 3 * i64::from(run_out - before)).then_some(early)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fill(day: i32, days: i32) -> Fill {
        Fill { day, days }
    }

    #[test]
    fn a_refill_is_early_beyond_15_percent_of_the_supply_before_it() {
        assert_eq!(early_refill_days(&[fill(0, 20), fill(17, 20)], 17), None, "three days of twenty are 15 %");
        assert_eq!(early_refill_days(&[fill(16, 20), fill(0, 20)], 17), Some(4));
        assert_eq!(early_refill_days(&[fill(0, 20)], 17), None);
    }

    proptest! {
        #[test]
        fn carried_supply_agrees_with_a_stock_counted_day_by_day(
            mut fills in prop::collection::vec((-40i32..120, 0i32..40), 0..12), start in -10i32..30, length in 1i32..100
        ) {
            let end = start + length - 1;
            let of = |fills: &[(i32, i32)]| supply(&fills.iter().map(|(day, days)| fill(*day, *days)).collect::<Vec<_>>(), (start, end)).unwrap();
            let (mut stock, mut covered) = (0, 0);
            for day in -40..=end {
                stock += fills.iter().filter(|(at, _)| *at == day).map(|(_, days)| days).sum::<i32>();
                covered += i32::from(stock > 0 && day >= start);
                stock = (stock - 1).max(0);
            }
            let got = of(&fills);
            prop_assert_eq!((got.covered_days, got.left_over_days), (covered, stock));
            fills.reverse();
            prop_assert_eq!(of(&fills), got);
        }
    }
}
