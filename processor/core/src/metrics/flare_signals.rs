//! Signals that point to a flare, counted (clinical catalogue F6; engineering choice, unvalidated).
//!
//! Definition, of those available: steps z <= -1.5; heart rate at night (B5) >= 3 /min above its baseline; sleep efficiency
//! z <= -1.5 or wake after sleep onset z >= 1.5; escalation of as-needed doses (E6); pain z >= 1.5. At least 3 must be
//! available. From 3 positive on 2 consecutive days: a low "check in", never above low, never without the list of what
//! contributed.

const AVAILABLE: usize = 3;
const POSITIVE: usize = 3;

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

/// Whether to check in: at least three positive on this day and on the one before. `None` where today tells nothing.
pub fn checks_in(yesterday: Option<&Count>, today: Option<&Count>) -> Option<bool> {
    let enough = |counted: &Count| counted.positive.len() >= POSITIVE;
    Some(enough(today?) && yesterday.is_some_and(enough))
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

    #[test]
    fn three_positive_signals_on_two_days_in_a_row_ask_for_a_check_in() {
        let of = |positive: &[&'static str]| Count { available: 5, positive: positive.to_vec() };
        let (three, two) = (of(&["steps", "sleep", "pain"]), of(&["steps", "pain"]));
        assert_eq!(checks_in(Some(&three), Some(&three)), Some(true));
        assert_eq!(checks_in(Some(&two), Some(&three)), Some(false));
        assert_eq!(checks_in(None, Some(&three)), Some(false), "the day before told nothing");
        assert_eq!(checks_in(Some(&three), None), None);
    }
}
