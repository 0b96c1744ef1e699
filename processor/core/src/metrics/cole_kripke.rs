//! Sleep or wake of each minute by Cole-Kripke 1992 from counts (clinical catalogue C4).
//!
//! Definition: 60-s epochs; c = min(count/100, 300); SI = 0.001·(106, 54, 58, 76, 230, 74, 67)·c[t-4 .. t+2], zeros beyond
//! the record; asleep iff SI < 1. A missing minute has no state and ends the record there: nothing is imputed. Wake is told
//! badly (low specificity), worse with insomnia and opioids. Never in one baseline with a vendor's sleep.

use super::sleep_wake::{State, in_stretches};

const WEIGHTS: [f64; 7] = [106.0, 54.0, 58.0, 76.0, 230.0, 74.0, 67.0];
/// Where the minute itself stands among the weights.
const NOW: usize = 4;
const CAP: f64 = 300.0;

/// The sleep index of each minute of a record without gaps.
pub fn sleep_index(counts: &[u32]) -> Vec<f64> {
    let c =
        |at: Option<usize>| at.and_then(|at| counts.get(at)).map_or(0.0, |count| (f64::from(*count) / 100.0).min(CAP));
    let index = |t: usize| {
        let weighted = WEIGHTS.iter().enumerate().map(|(place, weight)| weight * c((t + place).checked_sub(NOW)));
        0.001 * weighted.sum::<f64>()
    };
    (0..counts.len()).map(index).collect()
}

pub fn states(counts: &[Option<u32>]) -> Vec<Option<State>> {
    in_stretches(counts, |stretch| {
        sleep_index(stretch).into_iter().map(|index| State::asleep_if(index < 1.0)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_has_no_state_and_what_follows_begins_anew() {
        let counts = [Some(0), Some(60_000), None, Some(0), Some(0)];
        let told: Vec<_> = states(&counts).into_iter().map(|state| state.map(State::letter)).collect();
        assert_eq!(told, [Some('W'), Some('W'), None, Some('S'), Some('S')]);
    }
}
