//! Change of pain against a baseline (clinical catalogue F2; Farrar 2001, Salaffi 2004, IMMPACT).
//!
//! Definition: delta = current - baseline; pct = 100 * delta / baseline, null for a baseline of 0. Minimal improvement: at
//! least 1 point and 15 %; moderate: 30 %; substantial: 50 %; and the two-point rule both ways, which is contested (a pain
//! clinic's patients needed more, and it depends on the baseline). Compared on the raw numbers, without an epsilon.

use serde::Serialize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PainChange {
    pub delta: Option<f64>,
    pub pct: Option<f64>,
    pub imp_minimal: Option<bool>,
    pub imp_moderate: Option<bool>,
    pub imp_substantial: Option<bool>,
    pub imp_2pt: Option<bool>,
    pub worse_2pt: Option<bool>,
}

pub fn change(baseline: Option<f64>, current: Option<f64>) -> PainChange {
    let (Some(baseline), Some(current)) = (baseline, current) else { return PainChange::default() };
    let delta = current - baseline;
    let pct = (baseline != 0.0).then(|| 100.0 * (current - baseline) / baseline);
    let fell_by = |percent: f64| pct.is_some_and(|pct| pct <= -percent);
    PainChange {
        delta: Some(delta),
        pct,
        imp_minimal: Some(delta <= -1.0 && fell_by(15.0)),
        imp_moderate: Some(fell_by(30.0)),
        imp_substantial: Some(fell_by(50.0)),
        imp_2pt: Some(delta <= -2.0),
        worse_2pt: Some(delta >= 2.0),
    }
}

impl PainChange {
    /// 3 substantial, 2 moderate (30 % or 2 points), 1 minimal, 0 none of them, -1 worse by 2 points.
    pub fn grade(&self) -> Option<f64> {
        let holds = |part: Option<bool>| part == Some(true);
        self.delta?;
        Some(if holds(self.imp_substantial) {
            3.0
        } else if holds(self.imp_moderate) || holds(self.imp_2pt) {
            2.0
        } else if holds(self.imp_minimal) {
            1.0
        } else if holds(self.worse_2pt) {
            -1.0
        } else {
            0.0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grade_is_the_greatest_improvement_that_holds() {
        let grades = [(8.0, 3.0), (8.0, 5.5), (8.0, 6.0), (7.0, 5.9), (5.0, 5.0), (5.0, 7.0), (0.0, 2.0)];
        let grades = grades.map(|(baseline, current)| change(Some(baseline), Some(current)).grade());
        assert_eq!(grades, [3.0, 2.0, 2.0, 1.0, 0.0, -1.0, -1.0].map(Some));
        assert_eq!(change(None, Some(5.0)).grade(), None);
    }
}
