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

/// The same instants as ascending intervals that do not touch.
pub fn merged(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.sort_unstable();
    let mut union: Vec<Interval> = Vec::new();
    for (from, to) in intervals {
        match union.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => union.push((from, to)),
        }
    }
    union
}

/// The parts of `window` that lie in none of `intervals`, which may come in any order and overlap.
pub fn outside(intervals: &[Interval], window: Interval) -> Vec<Interval> {
    let mut ends: Vec<i64> = intervals.iter().map(|(_, to)| *to).chain([window.0]).collect();
    ends.retain(|end| {
        (window.0..window.1).contains(end) && !intervals.iter().any(|(from, to)| from <= end && end < to)
    });
    ends.sort_unstable();
    ends.dedup();
    let until = |start: i64| intervals.iter().map(|(from, _)| *from).filter(|from| *from > start).min();
    ends.into_iter().map(|start| (start, until(start).unwrap_or(window.1).min(window.1))).collect()
}

/// Why nothing was seen, strongest first (semantics 15).
pub const CAUSES: [&str; 7] = ["self", "gateway", "link", "charging", "not_worn", "quality", "unknown"];

/// How strong a cause is: smaller wins. Empty is no cause at all.
pub fn rank(cause: &str) -> usize {
    CAUSES.iter().position(|known| *known == cause).unwrap_or(CAUSES.len())
}

/// What a device or its gateway said about why it could not see, as (from, state) changes in time order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceStates {
    /// `device_worn`: (time, worn).
    pub worn: Vec<(i64, bool)>,
    /// `device_charging`: (time, charging).
    pub charging: Vec<(i64, bool)>,
    /// `device_link`: (time, linked).
    pub link: Vec<(i64, bool)>,
}

/// When a state was `wanted`, from what is known of its changes until `until`.
pub fn spells(changes: &[(i64, bool)], wanted: bool, until: i64) -> Vec<Interval> {
    let ends = changes.iter().skip(1).map(|(at, _)| *at).chain([until]);
    let spells = changes.iter().zip(ends).filter(|((at, state), end)| *state == wanted && at < end);
    merged(spells.map(|((at, _), end)| (*at, end)).collect())
}

/// Instants in both; each list ascending and disjoint.
pub fn both(one: &[Interval], other: &[Interval]) -> Vec<Interval> {
    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))));
    merged(pairs.filter(|(from, to)| from < to).collect())
}

/// Why a rule may have been blind, by cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Causes(Vec<(&'static str, Vec<Interval>)>);

impl Causes {
    pub fn add(&mut self, cause: &'static str, intervals: Vec<Interval>) {
        self.0.push((cause, intervals));
    }

    /// What a device said, until `until`.
    pub fn add_device(&mut self, states: &DeviceStates, until: i64) {
        self.add("link", spells(&states.link, false, until));
        self.add("charging", spells(&states.charging, true, until));
        self.add("not_worn", spells(&states.worn, false, until));
    }

    /// When there was any.
    pub fn intervals(&self) -> impl Iterator<Item = Interval> + '_ {
        self.0.iter().flat_map(|(_, intervals)| intervals.iter().copied())
    }

    /// The strongest cause at `time`.
    pub fn at(&self, time: i64) -> &'static str {
        let holds = |intervals: &[Interval]| intervals.iter().any(|(from, to)| (*from..*to).contains(&time));
        let holding = self.0.iter().filter(|(_, intervals)| holds(intervals)).map(|(cause, _)| *cause);
        holding.min_by_key(|cause| rank(cause)).unwrap_or("unknown")
    }

    /// A blind interval cut where its cause changes.
    pub fn within(&self, (from, to): Interval) -> Vec<(i64, i64, &'static str)> {
        let changes = self.0.iter().flat_map(|(_, intervals)| intervals).flat_map(|(from, to)| [*from, *to]);
        let mut edges: Vec<i64> = changes.filter(|at| from < *at && *at < to).chain([from, to]).collect();
        edges.sort_unstable();
        edges.dedup();
        let mut parts: Vec<(i64, i64, &'static str)> = Vec::new();
        for edge in edges.windows(2) {
            let cause = self.at(edge[0]);
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

    fn told(states: &DeviceStates, until: i64) -> Causes {
        let mut causes = Causes::default();
        causes.add_device(states, until);
        causes
    }

    #[test]
    fn a_charging_device_is_a_better_reason_than_one_not_worn() {
        let states = DeviceStates { worn: vec![(0, false)], charging: vec![(10, true)], ..DeviceStates::default() };
        let causes = told(&states, 40);
        assert_eq!((causes.at(5), causes.at(15), causes.at(40)), ("not_worn", "charging", "unknown"));
    }

    #[test]
    fn a_gap_is_told_in_parts_where_its_cause_changes() {
        let states = DeviceStates { worn: vec![(10, false), (20, false), (30, true)], ..DeviceStates::default() };
        let parts = told(&states, 40).within((0, 40));
        assert_eq!(parts, [(0, 10, "unknown"), (10, 30, "not_worn"), (30, 40, "unknown")]);
    }

    #[test]
    fn semantics_15_the_causes_come_in_their_order_of_precedence() {
        for (nth, stronger) in CAUSES.iter().enumerate() {
            let mut causes = Causes::default();
            CAUSES[nth..6.max(nth)].iter().rev().for_each(|cause| causes.add(cause, vec![(0, 10)]));
            assert_eq!(causes.at(5), *stronger);
        }
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

        #[test]
        fn what_lies_outside_of_intervals_and_what_they_cover_fill_a_window(
            intervals in prop::collection::vec((-50i64..1_050, 1i64..200), 0..12)
        ) {
            let intervals: Vec<Interval> = intervals.into_iter().map(|(from, length)| (from, from + length)).collect();
            let window = (0, 1_000);
            let inside = merged(intervals.clone()).into_iter().map(|(from, to)| (from.max(0), to.min(1_000)));
            let inside: Vec<Interval> = inside.filter(|(from, to)| from < to).collect();
            let outside = outside(&intervals, window);
            prop_assert!(adds_up(&inside, &outside, window), "{inside:?} {outside:?}");
        }
    }
}
