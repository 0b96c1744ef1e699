//! Sleep or wake of each minute by Sadeh 1994 from counts, with the threshold that ActiLife uses (clinical catalogue C4).
//!
//! Definition: 60-s epochs, counts capped at 300, zeros beyond the record; PS = 7.601 - 0.065·mean of t-5 .. t+5 - 1.08·NAT -
//! 0.056·sd of t-5 .. t (n - 1) - 0.703·ln(c + 1), NAT the minutes of t-5 .. t+5 with 50 <= c < 100; asleep iff PS > -4
//! (the paper: PS >= 0). A missing minute has no state and ends the record there. Shown beside Cole-Kripke.

use super::sleep_wake::{State, in_stretches};

const REACH: usize = 5;
const CAP: u32 = 300;
const ASLEEP_ABOVE: f64 = -4.0;

/// The probability score of each minute of a record without gaps.
pub fn score(counts: &[u32]) -> Vec<f64> {
    let c = |at: Option<usize>| at.and_then(|at| counts.get(at)).map_or(0.0, |count| f64::from((*count).min(CAP)));
    let score = |t: usize| {
        let around: [f64; 2 * REACH + 1] = std::array::from_fn(|place| c((t + place).checked_sub(REACH)));
        let natural = around.iter().filter(|c| (50.0..100.0).contains(*c)).count();
        let mean = around.iter().sum::<f64>() / around.len() as f64;
        7.601
            - 0.065 * mean
            - 1.08 * natural as f64
            - 0.056 * sd(&around[..=REACH])
            - 0.703 * libm::log(around[REACH] + 1.0)
    };
    (0..counts.len()).map(score).collect()
}

fn sd(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let centre = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - centre) * (value - centre)).sum();
    libm::sqrt(squares / (n - 1.0))
}

pub fn states(counts: &[Option<u32>]) -> Vec<Option<State>> {
    in_stretches(counts, |stretch| {
        score(stretch).into_iter().map(|score| State::asleep_if(score > ASLEEP_ABOVE)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stillness_is_sleep_and_movement_is_not() {
        assert_eq!(score(&[0])[0], 7.601);
        let told: String = states(&[Some(5_000); 20]).into_iter().flatten().map(State::letter).collect();
        assert_eq!(told, "W".repeat(20));
    }
}
