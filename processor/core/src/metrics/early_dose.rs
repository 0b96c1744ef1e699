//! An opioid dose that came too soon, and impaired breathing after it (clinical catalogue E3 with A2; engineering choice).
//!
//! Definition: a dose is early when less than half the least interval of its order has passed since the one before. With an
//! episode of OIVI-1 to OIVI-4 that overlaps the exposure window of an early dose, the two together are an emergency: told at
//! the later of their beginnings. "Within N min after a dose", never "caused by".

/// Whether a dose that came `gap` after the one before was early, by the least interval of its order.
pub const fn is_early(gap: i64, least_interval: i64) -> bool {
    2 * gap < least_interval
}

/// When an episode of impaired breathing and the exposure to an early dose were both there, the latest such instant; both
/// half-open.
pub fn with_impairment(exposures: &[(i64, i64)], episodes: &[(i64, i64)]) -> Option<i64> {
    let pairs = exposures.iter().flat_map(|exposure| episodes.iter().map(move |episode| (exposure, episode)));
    let together = pairs.filter(|(exposure, episode)| episode.0 < exposure.1 && exposure.0 < episode.1);
    together.map(|(exposure, episode)| exposure.0.max(episode.0)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_interval_is_not_too_soon() {
        assert_eq!([is_early(119, 240), is_early(120, 240), is_early(0, 240)], [true, false, true]);
    }

    #[test]
    fn breathing_that_was_impaired_before_the_dose_and_is_over_is_not_after_it() {
        let dose = [(100, 340)];
        assert_eq!(with_impairment(&dose, &[(10, 100), (340, 400)]), None);
        assert_eq!(with_impairment(&dose, &[(10, 101)]), Some(100));
        assert_eq!(with_impairment(&dose, &[(10, 101), (339, 400)]), Some(339));
    }
}
