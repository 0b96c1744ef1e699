//! Page-Hinkley test of a daily value (clinical catalogue B4).
//!
//! Definition: d = x - running mean since the last reset, x included; `s_inc = alpha·s_inc + d - delta` and
//! `s_dec = alpha·s_dec + d + delta`; drift iff s_inc - min(s_inc) or max(s_dec) - s_dec exceeds the threshold, from
//! `min_instances` values on. The value after a drift begins anew. A missing x changes nothing. Defaults, engineering choice:
//! delta 0.5 sd, threshold 10 sd, 10 values, alpha 1.

use super::reference::Reference;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    Up,
    Down,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    pub min_instances: u32,
    /// In the unit of the values, as the threshold.
    pub delta: f64,
    pub threshold: f64,
    pub alpha: f64,
    pub sides: Sides,
}

impl Params {
    /// The defaults, for values that spread like this.
    pub const fn of(reference: Reference) -> Self {
        let (delta, threshold) = (0.5 * reference.sigma, 10.0 * reference.sigma);
        Self { min_instances: 10, delta, threshold, alpha: 1.0, sides: Sides::Both }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PageHinkley {
    params: Params,
    pub state: State,
    drifted: bool,
}

/// Since the last reset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    pub n: u32,
    pub mean: f64,
    pub sum_increase: f64,
    pub sum_decrease: f64,
    min_increase: f64,
    max_decrease: f64,
}

impl State {
    const START: Self = Self {
        n: 0,
        mean: 0.0,
        sum_increase: 0.0,
        sum_decrease: 0.0,
        min_increase: f64::INFINITY,
        max_decrease: f64::NEG_INFINITY,
    };

    /// The greater of the two distances that the mode looks at.
    fn distance(&self, sides: Sides) -> f64 {
        let (up, down) = (self.sum_increase - self.min_increase, self.max_decrease - self.sum_decrease);
        match sides {
            Sides::Up => up,
            Sides::Down => down,
            Sides::Both => up.max(down),
        }
    }
}

impl PageHinkley {
    pub const fn new(params: Params) -> Self {
        Self { params, state: State::START, drifted: false }
    }

    /// Takes the next day, in ascending order; whether it shows a drift.
    pub fn handle(&mut self, x: Option<f64>) -> bool {
        let Some(x) = x else { return false };
        if self.drifted {
            self.state = State::START;
        }
        let Params { delta, alpha, threshold, min_instances, sides } = self.params;
        let state = &mut self.state;
        state.n += 1;
        state.mean += (x - state.mean) / f64::from(state.n);
        let deviation = x - state.mean;
        state.sum_increase = alpha * state.sum_increase + deviation - delta;
        state.sum_decrease = alpha * state.sum_decrease + deviation + delta;
        state.min_increase = state.min_increase.min(state.sum_increase);
        state.max_decrease = state.max_decrease.max(state.sum_decrease);
        self.drifted = state.n >= min_instances && state.distance(sides) > threshold;
        self.drifted
    }

    /// How far the test is towards its threshold, since the last reset; 1 is at it. `None` without a value.
    pub fn towards_drift(&self) -> Option<f64> {
        (self.state.n > 0).then(|| self.state.distance(self.params.sides) / self.params.threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_after_a_drift_begins_anew_and_a_missing_one_changes_nothing() {
        let mut test = PageHinkley::new(Params::of(Reference { mu0: 0.0, sigma: 1.0 }));
        assert!((0..20).all(|_| !test.handle(Some(0.0))));
        assert!((0..10).any(|_| test.handle(Some(8.0))));
        let drifted = test;
        assert!(!test.handle(None));
        assert_eq!(test, drifted);
        test.handle(Some(8.0));
        assert_eq!((test.state.n, test.state.mean, test.towards_drift()), (1, 8.0, Some(0.0)));
    }
}
