//! One body, several sources (semantics 9): which interval's count is believed for which instants.
//!
//! Definition: each instant is owned by the finest interval that contains it, then by the roster's source priority, then
//! by device id. A coarse total adds only max(0, total - sum of what finer readings inside it contribute); of an interval
//! that shares instants with a preferred one of its own length, only the share outside counts, in proportion, rounded
//! down; a finer reading across its edge counts in proportion too. Losers are returned, not dropped.

use std::collections::{BTreeMap, BTreeSet};

use super::wear::Span;

/// A count over `[start, end)`; an instant has both alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval<'a> {
    pub span: Span,
    pub count: i64,
    /// Smaller wins.
    pub source_priority: u32,
    pub device: &'a str,
}

/// What became of one interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contribution {
    pub count: i64,
    /// Less than it claimed was believed: the reading is flagged, and stays visible.
    pub reduced: bool,
}

/// Intervals of one length, with what each contributes.
#[derive(Default)]
struct Level {
    length: i64,
    /// Ascending by start.
    placed: Vec<(i64, i64)>,
    starts: BTreeSet<i64>,
}

/// What each interval contributes, in the order given; the order itself decides nothing.
pub fn merge(intervals: &[Interval<'_>]) -> Vec<Contribution> {
    let mut contributions = vec![Contribution { count: 0, reduced: false }; intervals.len()];
    let mut by_length: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (index, interval) in intervals.iter().enumerate() {
        by_length.entry(interval.span.ms().max(0)).or_default().push(index);
    }
    let mut finer: Vec<Level> = Vec::new();
    for (length, mut members) in by_length {
        members.sort_by_key(|index| {
            let Interval { span, count, source_priority, device } = intervals[*index];
            (source_priority, device, span.start, -count)
        });
        let mut level = Level { length, ..Level::default() };
        for index in members {
            let Interval { span, count, .. } = intervals[index];
            let believed = believe(span.start, count, &level, &finer);
            contributions[index] = Contribution { count: believed, reduced: believed < count };
            level.starts.insert(span.start);
            level.placed.push((span.start, believed));
        }
        level.placed.sort_unstable();
        finer.push(level);
    }
    contributions
}

/// The sum of the day: what all its intervals contribute; `None` without any.
pub fn total(contributions: &[Contribution]) -> Option<i64> {
    (!contributions.is_empty()).then(|| contributions.iter().map(|contribution| contribution.count).sum())
}

fn believe(start: i64, count: i64, level: &Level, finer: &[Level]) -> i64 {
    if level.length == 0 {
        return if level.starts.contains(&start) { 0 } else { count };
    }
    let free = level.free(start);
    let free_ms: i64 = free.iter().map(|span| span.ms()).sum();
    let claimed = in_proportion(count, free_ms, level.length);
    let already: i64 = finer.iter().map(|level| level.counted_in(&free)).sum();
    (claimed - already).max(0)
}

fn in_proportion(count: i64, part: i64, whole: i64) -> i64 {
    (i128::from(count) * i128::from(part)).div_euclid(i128::from(whole)) as i64
}

impl Level {
    /// The instants of an interval of this length that no preferred one of the same length owns.
    fn free(&self, start: i64) -> Vec<Span> {
        let end = start + self.length;
        let (mut free, mut from) = (Vec::new(), start);
        for &taken in self.starts.range(start - self.length + 1..end) {
            if taken > from {
                free.push(Span { start: from, end: taken });
            }
            from = from.max(taken + self.length);
        }
        if from < end {
            free.push(Span { start: from, end });
        }
        free
    }

    /// How much of this level's counts lies within `spans`.
    fn counted_in(&self, spans: &[Span]) -> i64 {
        let first = |start: i64| self.placed.partition_point(|(placed, _)| *placed < start);
        let mut inside: i128 = 0;
        for span in spans {
            let reach = if self.length == 0 { span.start } else { span.start - self.length + 1 };
            for (start, count) in &self.placed[first(reach)..first(span.end)] {
                let overlap = ((start + self.length).min(span.end) - (*start).max(span.start)).max(0);
                let share = if self.length == 0 { 1 } else { i128::from(overlap) };
                inside += i128::from(*count) * share;
            }
        }
        inside.div_euclid(i128::from(self.length.max(1))) as i64
    }
}

#[cfg(test)]
mod tests;
