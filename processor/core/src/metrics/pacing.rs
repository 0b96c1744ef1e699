//! Overdoing and paying for it (clinical catalogue F7, pacing; shown, no alert).
//!
//! Definition: a day is overdone when its steps exceed 1.5 times the median of the valid days among the seven before it (at
//! least 4). It was paid for when the mean pain of one of the two days after it is at least 2 above its own. Told on the day
//! of the pain.

use super::summary_stats::{median, sorted_present};

const BEFORE_DAYS: i32 = 7;
const MIN_DAYS: usize = 4;
const OVERDONE_FROM: f64 = 1.5;
const RISE: f64 = 2.0;
/// So many days after it is paid for.
pub const WITHIN_DAYS: i32 = 2;
/// Means of reports that differ by exactly two may be a few units in the last place apart.
const GUARD: f64 = 1e-9;

/// The overdone day that the pain of `day` followed, the later one of two; `None` where there is none. Both series ascending.
pub fn paid_for(steps: &[(i32, f64)], pain: &[(i32, f64)], day: i32) -> Option<i32> {
    let now = on(pain, day)?;
    (1..=WITHIN_DAYS).map(|back| day - back).find(|before| {
        let rose = on(pain, *before).is_some_and(|before| now - before >= RISE - GUARD);
        rose && is_overdone(steps, *before)
    })
}

/// Whether `day` exceeds what was usual in the week before it.
pub fn is_overdone(steps: &[(i32, f64)], day: i32) -> bool {
    let from = steps.partition_point(|(at, _)| *at < day - BEFORE_DAYS);
    let until = steps.partition_point(|(at, _)| *at < day);
    let week: Vec<_> = steps[from..until].iter().map(|(_, steps)| Some(*steps)).collect();
    let usual = median(&sorted_present(&week)).filter(|_| week.len() >= MIN_DAYS);
    on(steps, day).zip(usual).is_some_and(|(steps, usual)| steps > OVERDONE_FROM * usual)
}

fn on(series: &[(i32, f64)], day: i32) -> Option<f64> {
    series.binary_search_by_key(&day, |(at, _)| *at).ok().map(|index| series[index].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_walk_is_paid_for_when_pain_is_two_points_higher_within_two_days() {
        let walked = |last: f64| (0..10).map(|day| (day, if day == 7 { last } else { 4_000.0 })).collect::<Vec<_>>();
        let pain = |after: [f64; 2]| (0..10).map(move |day| (day, if day < 8 { 3.0 } else { after[day as usize - 8] }));
        let told = |steps: f64, after: [f64; 2]| {
            let (steps, pain) = (walked(steps), pain(after).collect::<Vec<_>>());
            [8, 9].map(|day| paid_for(&steps, &pain, day))
        };
        assert_eq!(told(6_001.0, [5.0, 5.0]), [Some(7), Some(7)]);
        assert_eq!(told(6_001.0, [3.0, 4.9]), [None, None]);
        assert_eq!(told(6_000.0, [5.0, 5.0]), [None, None], "exactly half more is not more than half more");
    }

    #[test]
    fn without_four_days_before_nothing_is_overdone() {
        let steps = [(3, 100.0), (4, 100.0), (5, 100.0), (7, 9_000.0)];
        assert!(!is_overdone(&steps, 7));
        assert!(is_overdone(&[&[(2, 100.0)], &steps[..]].concat(), 7));
    }
}
