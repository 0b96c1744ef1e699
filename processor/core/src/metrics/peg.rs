//! PEG: pain, enjoyment, general activity (clinical catalogue F3; Krebs 2009, doi 10.1007/s11606-009-0981-1).
//!
//! Definition: mean of the three items, each 0 to 10 over the past week. All three are needed and an item out of range is
//! missing: no proration is published. Better: 30 % (CDC 2022) or 1 point (Reed 2024, estimates 0.6 to 1.75); worse: 1
//! point. Flags allow 1e-9, because a mean of three is not exact.

use serde::Serialize;

const GUARD: f64 = 1e-9;
const BETTER_PCT: f64 = 30.0;
const MID: f64 = 1.0;

/// Pain, enjoyment of life, general activity.
pub type Answers = [Option<f64>; 3];

pub fn score(answers: &Answers) -> Option<f64> {
    let item = |index: usize| answers[index].filter(|item| (0.0..=10.0).contains(item));
    Some((item(0)? + item(1)? + item(2)?) / 3.0)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PegChange {
    pub score: Option<f64>,
    pub baseline: Option<f64>,
    pub delta: Option<f64>,
    pub pct: Option<f64>,
    pub imp_30pct: Option<bool>,
    pub imp_mid: Option<bool>,
    pub worse_mid: Option<bool>,
}

pub fn change(score: Option<f64>, baseline: Option<f64>) -> PegChange {
    let (Some(now), Some(before)) = (score, baseline) else {
        return PegChange { score, baseline, ..PegChange::default() };
    };
    let delta = now - before;
    let pct = (before != 0.0).then(|| 100.0 * (now - before) / before);
    PegChange {
        score,
        baseline,
        delta: Some(delta),
        pct,
        imp_30pct: pct.map(|pct| pct <= -BETTER_PCT + GUARD),
        imp_mid: Some(delta <= -MID + GUARD),
        worse_mid: Some(delta >= MID - GUARD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_item_or_one_out_of_range_gives_no_score() {
        assert_eq!(score(&[Some(5.0), None, Some(5.0)]), None);
        assert_eq!(score(&[Some(10.5), Some(5.0), Some(5.0)]), None);
        assert_eq!(score(&[Some(10.0), Some(0.0), Some(5.0)]), Some(5.0));
    }
}
