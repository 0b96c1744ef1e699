//! EWMA chart of a daily value (clinical catalogue B2).
//!
//! Definition: z0 = mu0; z = lambda·x + (1 - lambda)·z; limits mu0 ± L·sigma·sqrt(lambda/(2 - lambda)·(1 - (1 - lambda)^2m))
//! with m the points seen so far. A missing x holds z and m. Signal iff z is strictly outside at a present x. Defaults:
//! lambda 0.2, L 2.962: one false signal in 500 independent normal days; autocorrelated days give more.

use super::reference::Reference;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    pub lambda: f64,
    /// Half the width of the limits in standard deviations of z.
    pub width: f64,
}

pub const DEFAULTS: Params = Params { lambda: 0.2, width: 2.962 };

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub z: f64,
    pub lower: f64,
    pub upper: f64,
    pub signal: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EwmaChart {
    params: Params,
    reference: Reference,
    z: f64,
    /// (1 - lambda)^2m.
    forgotten: f64,
}

impl EwmaChart {
    pub const fn new(params: Params, reference: Reference) -> Self {
        Self { params, reference, z: reference.mu0, forgotten: 1.0 }
    }

    /// Takes the next day, in ascending order.
    pub fn handle(&mut self, x: Option<f64>) -> Point {
        let (lambda, mu0) = (self.params.lambda, self.reference.mu0);
        if let Some(x) = x {
            self.z = lambda * x + (1.0 - lambda) * self.z;
            self.forgotten *= (1.0 - lambda) * (1.0 - lambda);
        }
        let deviation = libm::sqrt(lambda / (2.0 - lambda) * (1.0 - self.forgotten));
        let half = self.params.width * self.reference.sigma * deviation;
        let (lower, upper) = (mu0 - half, mu0 + half);
        Point { z: self.z, lower, upper, signal: x.is_some() && (self.z < lower || self.z > upper) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_day_holds_the_chart_and_never_signals() {
        let mut chart = EwmaChart::new(DEFAULTS, Reference { mu0: 65.0, sigma: 3.0 });
        let before = (0..10).map(|_| chart.handle(Some(75.0))).last().unwrap();
        assert!(before.signal);
        let held = chart.handle(None);
        assert_eq!((held.z, held.upper, held.signal), (before.z, before.upper, false));
    }
}
