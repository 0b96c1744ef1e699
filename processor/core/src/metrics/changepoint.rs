//! Change points of a daily series (clinical catalogue B9; Killick 2012). For the page of trends; shown, never alerted on.
//!
//! Definition: the segmentation with the least sum of squared errors about the segments' means, plus a penalty for each
//! change; no segment shorter than the minimum. Found exactly, by optimal partitioning: over some sixty days the pruning of
//! PELT saves nothing. Of equal segmentations the one whose last segment is the longest. Defaults, engineering choice:
//! penalty 3·ln(n)·sigma², segments of 3 days, from 14 values on.

use super::summary_stats::{median, sorted_present};

pub const MIN_VALUES: usize = 14;
pub const MIN_SEGMENT: usize = 3;

#[derive(Clone, Debug, PartialEq)]
pub struct Segmentation {
    /// Exclusive ends of the segments, the last of which is the length of the series.
    pub ends: Vec<usize>,
    pub objective: f64,
}

/// The default penalty for `n` values that spread by `sigma` within a segment.
pub fn default_penalty(n: usize, sigma: f64) -> f64 {
    3.0 * libm::log(n as f64) * sigma * sigma
}

/// `None` for fewer values than one segment needs.
pub fn segment(x: &[f64], penalty: f64, min_segment: usize) -> Option<Segmentation> {
    let costs = Costs::of(x);
    let mut best: Vec<Option<(f64, usize)>> = vec![None; x.len() + 1];
    best[0] = Some((-penalty, 0));
    for end in min_segment.max(1)..=x.len() {
        let candidates = (0..=end - min_segment.max(1)).filter_map(|start| {
            let (before, _) = best[start]?;
            Some((before + penalty + costs.of_segment(start, end), start))
        });
        best[end] = candidates.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }
    let objective = best[x.len()].filter(|_| !x.is_empty())?.0;
    let mut ends = Vec::new();
    let mut end = x.len();
    while end > 0 {
        ends.push(end);
        end = best[end]?.1;
    }
    ends.reverse();
    Some(Segmentation { ends, objective })
}

/// The objective of a given segmentation.
pub fn objective(x: &[f64], ends: &[usize], penalty: f64) -> f64 {
    let costs = Costs::of(x);
    let starts = std::iter::once(&0).chain(ends);
    let cost: f64 = starts.zip(ends).map(|(start, end)| costs.of_segment(*start, *end)).sum();
    cost + penalty * ends.len().saturating_sub(1) as f64
}

/// Running sums of the values about their median: a large common offset costs no digits.
struct Costs {
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Costs {
    fn of(x: &[f64]) -> Self {
        let centre = median(&sorted_present(&x.iter().copied().map(Some).collect::<Vec<_>>())).unwrap_or(0.0);
        let running = |of: &dyn Fn(f64) -> f64| {
            let mut sums = vec![0.0];
            sums.extend(x.iter().scan(0.0, |sum, x| {
                *sum += of(x - centre);
                Some(*sum)
            }));
            sums
        };
        Self { sums: running(&|x| x), squares: running(&|x| x * x) }
    }

    fn of_segment(&self, start: usize, end: usize) -> f64 {
        let sum = self.sums[end] - self.sums[start];
        (self.squares[end] - self.squares[start] - sum * sum / (end - start) as f64).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_step_is_found_where_it_is_and_a_constant_has_none() {
        let step: Vec<f64> = (0..20).map(|day| if day < 10 { 0.0 } else { 8.0 }).collect();
        assert_eq!(segment(&step, 5.0, 3), Some(Segmentation { ends: vec![10, 20], objective: 5.0 }));
        assert_eq!(segment(&[2.0; 12], 5.0, 3).unwrap().ends, [12]);
        assert_eq!((segment(&[], 5.0, 3), segment(&[1.0, 2.0], 5.0, 3)), (None, None));
    }

    proptest! {
        #[test]
        fn no_single_change_is_better_and_the_objective_is_that_of_the_ends(
            x in prop::collection::vec(-9.0f64..9.0, 3..24), penalty in 0.5f64..20.0
        ) {
            let found = segment(&x, penalty, 3).unwrap();
            prop_assert!((objective(&x, &found.ends, penalty) - found.objective).abs() < 1e-9);
            for at in 3..=x.len().saturating_sub(3) {
                prop_assert!(found.objective <= objective(&x, &[at, x.len()], penalty) + 1e-9);
            }
            prop_assert!(found.objective <= objective(&x, &[x.len()], penalty) + 1e-9);
        }
    }
}
