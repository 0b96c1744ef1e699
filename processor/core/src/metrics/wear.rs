//! Wear of an optical device, by its heart-rate samples (clinical catalogue C3).
//!
//! Definition: not worn where no heart-rate sample comes for >= 30 min; preferred to counting zero steps where such a
//! stream exists. Waking wear leaves out sleep, where it is known.

pub const NON_WEAR_GAP_MS: i64 = 30 * 60_000;

/// `[start, end)` in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub start: i64,
    pub end: i64,
}

impl Span {
    pub const fn ms(self) -> i64 {
        self.end - self.start
    }
}

/// The parts of `day` in which the device was worn. `samples` are ascending times of heart-rate samples; those shortly
/// before and after the day may be among them and make its edges exact.
pub fn worn(samples: &[i64], day: Span) -> Vec<Span> {
    let mut worn: Vec<Span> = Vec::new();
    for pair in samples.windows(2).filter(|pair| pair[1] - pair[0] < NON_WEAR_GAP_MS) {
        append(&mut worn, pair[0].max(day.start), pair[1].min(day.end));
    }
    // Towards an edge without a neighbour beyond it: worn if the edge is near enough.
    let mut edges = Vec::new();
    if let Some(&first) = samples.first().filter(|first| (day.start..day.start + NON_WEAR_GAP_MS).contains(*first)) {
        edges.push(Span { start: day.start, end: first });
    }
    if let Some(&last) = samples.last().filter(|last| **last < day.end && day.end - **last < NON_WEAR_GAP_MS) {
        edges.push(Span { start: last.max(day.start), end: day.end });
    }
    worn.extend(edges);
    union(worn)
}

fn append(spans: &mut Vec<Span>, start: i64, end: i64) {
    match spans.last_mut() {
        _ if start >= end => {}
        Some(last) if last.end == start => last.end = end,
        _ => spans.push(Span { start, end }),
    }
}

/// The same instants as disjoint ascending spans.
pub fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.start < span.end);
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

pub fn total_ms(disjoint: &[Span]) -> i64 {
    disjoint.iter().map(|span| span.ms()).sum()
}

/// Milliseconds of `worn` outside `asleep`, both disjoint and ascending.
pub fn waking_ms(worn: &[Span], asleep: &[Span]) -> i64 {
    let overlap = |a: &Span, b: &Span| (a.end.min(b.end) - a.start.max(b.start)).max(0);
    let slept: i64 = worn.iter().map(|w| asleep.iter().map(|s| overlap(w, s)).sum::<i64>()).sum();
    total_ms(worn) - slept
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: i64 = 60_000;
    const DAY: Span = Span { start: 0, end: 1440 * MIN };

    #[test]
    fn half_an_hour_without_heart_rate_is_not_worn_and_the_edges_see_beyond_the_day() {
        let samples: Vec<i64> = [-10, 15, 44, 74, 100, 1435, 1450].map(|minute| minute * MIN).to_vec();
        let worn = worn(&samples, DAY);
        assert_eq!(
            worn.iter().map(|span| (span.start / MIN, span.end / MIN)).collect::<Vec<_>>(),
            [(0, 44), (74, 100), (1435, 1440)]
        );
        assert_eq!(total_ms(&worn), 75 * MIN);
        assert_eq!(waking_ms(&worn, &[Span { start: 30 * MIN, end: 80 * MIN }]), 55 * MIN);
    }

    #[test]
    fn a_day_without_samples_is_not_worn_and_one_sample_wears_nothing_but_its_edge() {
        assert_eq!(worn(&[], DAY), []);
        assert_eq!(worn(&[700 * MIN], DAY), []);
        assert_eq!(total_ms(&worn(&[29 * MIN, 30 * MIN], DAY)), 30 * MIN);
    }
}
