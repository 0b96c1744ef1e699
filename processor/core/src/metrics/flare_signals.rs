//! Signals that point to a flare, counted (clinical catalogue F6; engineering choice, unvalidated).
//!
//! Definition, of those available: steps z <= -1.5; resting heart rate >= 3/min above its baseline; sleep z <= -1.5;
//! escalation of as-needed doses; pain z >= 1.5. At least 3 must be available. From 3 positive on 2 consecutive days: a low
//! "check in", never above low, never without the list of what contributed.

const AVAILABLE: usize = 3;

/// A signal of one day; `None` is not available.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signal {
    pub name: &'static str,
    pub positive: Option<bool>,
}

/// What the signals of a day come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    pub available: usize,
    pub positive: Vec<&'static str>,
}

/// `None` where fewer than three are available.
pub fn count(signals: &[Signal]) -> Option<Count> {
    let available = signals.iter().filter(|signal| signal.positive.is_some()).count();
    let positive = signals.iter().filter(|signal| signal.positive == Some(true)).map(|signal| signal.name).collect();
    (available >= AVAILABLE).then_some(Count { available, positive })
}

pub const LOW_Z: f64 = -1.5;
pub const HIGH_Z: f64 = 1.5;
/// A minute above the baseline.
pub const RESTING_RISE: f64 = 3.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_needs_three_available_signals_and_lists_what_contributed() {
        let signal = |name, positive| Signal { name, positive };
        let two = [signal("steps", Some(true)), signal("pain", Some(true)), signal("sleep", None)];
        assert_eq!(count(&two), None);
        let three = [two[0], two[1], signal("sleep", Some(false))];
        assert_eq!(count(&three), Some(Count { available: 3, positive: vec!["steps", "pain"] }));
    }
}
