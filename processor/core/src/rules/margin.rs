//! How near a condition is to holding.

use super::Comparison;
use crate::metrics::daily_change::Direction;

/// A number, the limit it is measured against, and what lies between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margin {
    /// What is compared: a value, a change, a robust z, a count of doses.
    pub compared: f64,
    /// The limit nearest to it.
    pub limit: f64,
    /// In `unit`: positive while the condition does not hold, negative beyond the limit; 0 exactly on it.
    pub distance: f64,
    pub unit: &'static str,
}

impl Margin {
    pub fn of_comparison(comparison: Comparison, value: f64, unit: &'static str) -> Self {
        let (limit, distance) = (comparison.nearest_limit(value), comparison.distance(value));
        Self { compared: value, limit, distance, unit }
    }

    /// Of something that has to reach `limit` from below.
    pub const fn up_to(limit: f64, compared: f64, unit: &'static str) -> Self {
        Self { compared, limit, distance: limit - compared, unit }
    }

    /// Of a robust z that has to reach `limit` in a direction.
    pub const fn of_deviation(limit: f64, direction: Direction, z: f64) -> Self {
        match direction {
            Direction::Up => Self::up_to(limit, z, ""),
            Direction::Down => Self { compared: z, limit: -limit, distance: limit + z, unit: "" },
            Direction::Either => Self { compared: z, limit, distance: limit - z.abs(), unit: "" },
        }
    }

    /// The distance as a share of the limit; `None` where the limit is 0.
    pub fn share(&self) -> Option<f64> {
        (self.limit != 0.0).then(|| self.distance / self.limit.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_distance_is_what_is_missing_and_its_share_is_of_the_limit() {
        let low = Margin::of_comparison(Comparison::Below(90.0), 93.0, "%");
        assert_eq!((low.distance, low.limit, low.share()), (3.0, 90.0, Some(3.0 / 90.0)));
        let outside = Comparison::Outside { lo: 40.0, hi: 130.0 };
        let near_the_top = Margin::of_comparison(outside, 120.0, "/min");
        assert_eq!((near_the_top.limit, near_the_top.distance), (130.0, 10.0));
        assert_eq!(Margin::of_comparison(outside, 39.0, "/min").distance, -1.0);
        assert_eq!(Margin::up_to(0.0, -1.0, "").share(), None);
        assert_eq!(Margin::of_deviation(3.5, Direction::Down, -3.0).distance, 0.5);
        assert_eq!(Margin::of_deviation(3.5, Direction::Either, -4.0).distance, -0.5);
    }

    fn comparisons() -> impl Strategy<Value = Comparison> {
        let limit = || (-1_000i32..1_000).prop_map(f64::from);
        prop_oneof![
            limit().prop_map(Comparison::Below),
            limit().prop_map(Comparison::AtMost),
            limit().prop_map(Comparison::Above),
            limit().prop_map(Comparison::AtLeast),
            (limit(), 0i32..500).prop_map(|(lo, width)| Comparison::Outside { lo, hi: lo + f64::from(width) }),
            (limit(), 0i32..500).prop_map(|(lo, width)| Comparison::Within { lo, hi: lo + f64::from(width) }),
        ]
    }

    proptest! {
        #[test]
        fn what_holds_is_at_no_distance_and_what_does_not_hold_is_never_beyond(comparison in comparisons(), value in -2_000i32..2_000) {
            let (value, margin) = (f64::from(value), Margin::of_comparison(comparison, f64::from(value), ""));
            let holds = comparison.holds(value);
            prop_assert!((holds && margin.distance <= 0.0) || (!holds && margin.distance >= 0.0), "{:?}", margin);
            prop_assert!(margin.distance != 0.0 || margin.limit == value, "{margin:?}");
        }
    }
}
