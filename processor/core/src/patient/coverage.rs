//! When could a rule have seen something, and when not, and why (semantics 15).
//!
//! Covered and blind are computed by separate code from the same samples and only then compared: a mistake in either
//! shows as a sum that does not fill the day.

/// Half-open, in event-time milliseconds.
pub type Interval = (i64, i64);

/// Covered by a hold rule: a non-null sample is no older than `max_gap_ms`. `samples` ascending, from `max_gap_ms` before
/// the window on.
pub fn covered(samples: &[i64], max_gap_ms: i64, window: Interval) -> Vec<Interval> {
    let mut union: Vec<Interval> = Vec::new();
    for &sample in samples {
        let (start, end) = (sample.max(window.0), (sample + max_gap_ms).min(window.1));
        if start >= end {
            continue;
        }
        match union.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => union.push((start, end)),
        }
    }
    union
}

/// Blind to a hold rule: later than `max_gap_ms` after the newest sample, or before the first.
pub fn blind(samples: &[i64], max_gap_ms: i64, window: Interval) -> Vec<Interval> {
    let mut gaps = Vec::new();
    let mut sees_until = window.0;
    for next in samples.iter().copied().chain([window.1]) {
        let gap = (sees_until.max(window.0), next.min(window.1));
        if gap.0 < gap.1 {
            gaps.push(gap);
        }
        sees_until = sees_until.max(next.saturating_add(max_gap_ms));
    }
    gaps
}

/// Whether the two tellings fill the window exactly: no overlap, no hole.
pub fn adds_up(covered: &[Interval], blind: &[Interval], window: Interval) -> bool {
    let mut all: Vec<Interval> = covered.iter().chain(blind).copied().collect();
    all.sort_unstable();
    let mut at = window.0;
    for (start, end) in all {
        if start != at || end <= start {
            return false;
        }
        at = end;
    }
    at == window.1
}

/// What the device itself said about why it could not see, as (from, state) changes in time order.
#[derive(Clone, Debug, Default)]
pub struct DeviceStates {
    /// `device_worn`: (time, worn).
    pub worn: Vec<(i64, bool)>,
    /// `device_charging`: (time, charging).
    pub charging: Vec<(i64, bool)>,
}

impl DeviceStates {
    /// The cause of blindness at `time`, in the precedence of semantics 15 as far as the device knows it.
    pub fn cause_at(&self, time: i64) -> &'static str {
        let state = |changes: &[(i64, bool)]| changes.iter().rev().find(|(at, _)| *at <= time).map(|(_, state)| *state);
        if state(&self.charging) == Some(true) {
            "charging"
        } else if state(&self.worn) == Some(false) {
            "not_worn"
        } else {
            "unknown"
        }
    }

    /// A blind interval cut where its cause changes.
    pub fn causes_in(&self, (from, to): Interval) -> Vec<(i64, i64, &'static str)> {
        let changes = self.worn.iter().chain(&self.charging).map(|(at, _)| *at);
        let mut edges: Vec<i64> = changes.filter(|at| from < *at && *at < to).chain([from, to]).collect();
        edges.sort_unstable();
        edges.dedup();
        let mut parts: Vec<(i64, i64, &'static str)> = Vec::new();
        for edge in edges.windows(2) {
            let cause = self.cause_at(edge[0]);
            match parts.last_mut() {
                Some(last) if last.2 == cause => last.1 = edge[1],
                _ => parts.push((edge[0], edge[1], cause)),
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sample_before_the_window_still_covers_its_start() {
        assert_eq!(covered(&[-50], 90, (0, 100)), [(0, 40)]);
        assert_eq!(blind(&[-50], 90, (0, 100)), [(40, 100)]);
    }

    #[test]
    fn a_charging_device_is_a_better_reason_than_one_not_worn() {
        let states = DeviceStates { worn: vec![(0, false)], charging: vec![(10, true)] };
        assert_eq!((states.cause_at(5), states.cause_at(15)), ("not_worn", "charging"));
    }

    #[test]
    fn a_gap_is_told_in_parts_where_its_cause_changes() {
        let states = DeviceStates { worn: vec![(10, false), (20, false), (30, true)], charging: vec![] };
        assert_eq!(states.causes_in((0, 40)), [(0, 10, "unknown"), (10, 30, "not_worn"), (30, 40, "unknown")]);
    }

    proptest! {
        #[test]
        fn semantics_15_covered_and_blind_fill_the_window(
            mut samples in prop::collection::vec(-200i64..1_200, 0..60), gap in 1i64..120
        ) {
            samples.sort_unstable();
            let window = (0, 1_000);
            let (covered, blind) = (covered(&samples, gap, window), blind(&samples, gap, window));
            prop_assert!(adds_up(&covered, &blind, window), "{covered:?} {blind:?}");
        }
    }
}
