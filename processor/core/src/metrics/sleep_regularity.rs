//! Sleep regularity index (clinical catalogue C6; Phillips 2017). Shown, never alerted on.
//!
//! Definition: SRI = 200·P(same state exactly 24 h apart) - 100 over the pairs whose halves are both known; null without a
//! pair. Shown from 5 days with sleep data on.

use super::sleep_wake::State;

pub const MIN_DAYS: usize = 5;

/// `epochs_a_day` epochs make 24 h.
pub fn sleep_regularity(states: &[Option<State>], epochs_a_day: usize) -> Option<f64> {
    let later = states.get(epochs_a_day..)?;
    let pairs = states.iter().zip(later).filter_map(|(today, tomorrow)| Some((*today)? == (*tomorrow)?));
    let (same, all) = pairs.fold((0u32, 0u32), |(same, all), alike| (same + u32::from(alike), all + 1));
    (all > 0).then(|| 200.0 * f64::from(same) / f64::from(all) - 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_day_again_is_100_its_opposite_minus_100_and_one_day_nothing() {
        let day = |first: State| (0..48).map(move |half_hour| if half_hour < 16 { first } else { State::Awake });
        let days = |firsts: &[State]| firsts.iter().flat_map(|first| day(*first)).map(Some).collect::<Vec<_>>();
        assert_eq!(sleep_regularity(&days(&[State::Asleep; 5]), 48), Some(100.0));
        assert_eq!(sleep_regularity(&days(&[State::Asleep]), 48), None);
        let opposite = [Some(State::Asleep), Some(State::Awake), None, Some(State::Asleep)];
        assert_eq!(sleep_regularity(&opposite, 1), Some(-100.0));
    }
}
