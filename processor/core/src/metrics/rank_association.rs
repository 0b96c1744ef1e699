//! Rank association of two daily values (clinical catalogue B8; Kendall, Spearman). Shown, never alerted on.
//!
//! Definition: over the days on which both are present, tau-b = (concordant - discordant)/sqrt((N - ties in x)(N - ties in
//! y)) with N = n(n-1)/2, and rho = Pearson's correlation of the mid-ranks. Null for a constant or for fewer than two
//! pairs. Shown from 14 pairs on, of the same day and of the day after (sleep and the next day's pain).

use serde::Serialize;

use super::summary_stats::mean;

pub const MIN_PAIRS: usize = 14;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RankAssociation {
    pub n: usize,
    pub tau_b: Option<f64>,
    pub rho: Option<f64>,
}

/// Pairs in any order; one with a missing half counts in nothing.
pub fn rank_association(pairs: impl IntoIterator<Item = (Option<f64>, Option<f64>)>) -> RankAssociation {
    let mut pairs: Vec<(f64, f64)> = pairs.into_iter().filter_map(|(x, y)| x.zip(y)).collect();
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    RankAssociation { n: pairs.len(), tau_b: tau_b(&pairs), rho: rho(&pairs) }
}

fn tau_b(pairs: &[(f64, f64)]) -> Option<f64> {
    let (mut agreement, mut untied_x, mut untied_y) = (0i64, 0i64, 0i64);
    for (index, a) in pairs.iter().enumerate() {
        for b in &pairs[index + 1..] {
            let (x, y) = (sign(b.0 - a.0), sign(b.1 - a.1));
            agreement += x * y;
            untied_x += x.abs();
            untied_y += y.abs();
        }
    }
    let possible = libm::sqrt(untied_x as f64) * libm::sqrt(untied_y as f64);
    (possible > 0.0).then(|| agreement as f64 / possible)
}

fn sign(difference: f64) -> i64 {
    i64::from(difference > 0.0) - i64::from(difference < 0.0)
}

fn rho(pairs: &[(f64, f64)]) -> Option<f64> {
    let x = mid_ranks(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>());
    let y = mid_ranks(&pairs.iter().map(|pair| pair.1).collect::<Vec<_>>());
    let centre = mean(&x)?;
    let product = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| (a - centre) * (b - centre)).sum() };
    let possible = libm::sqrt(product(&x, &x) * product(&y, &y));
    (possible > 0.0).then(|| product(&x, &y) / possible)
}

/// Ranks from 1; equal values share the mean of theirs.
fn mid_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let (mut ranks, mut before) = (vec![0.0; values.len()], 0);
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + (group.len() as f64 + 1.0) / 2.0;
        group.iter().for_each(|index| ranks[*index] = rank);
        before += group.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_constant_goes_with_nothing() {
        let constant = rank_association((0..20).map(|day| (Some(3.0), Some(f64::from(day)))));
        assert_eq!(constant, RankAssociation { n: 20, tau_b: None, rho: None });
        assert_eq!(rank_association([(Some(1.0), Some(1.0)), (None, Some(2.0))]).tau_b, None);
    }

    proptest! {
        #[test]
        fn neither_order_nor_a_missing_half_changes_a_bit(
            mut pairs in prop::collection::vec((0i32..9, 0i32..9), 2..40), at in 0usize..40
        ) {
            let of = |pairs: &[(i32, i32)]| pairs.iter().map(|(x, y)| (Some(f64::from(*x)), Some(f64::from(*y)))).collect::<Vec<_>>();
            let expected = rank_association(of(&pairs));
            let middle = at % pairs.len();
            pairs.rotate_left(middle);
            let mut with_null = of(&pairs);
            with_null.insert(middle, (Some(4.0), None));
            prop_assert_eq!(rank_association(with_null), expected);
        }
    }
}
