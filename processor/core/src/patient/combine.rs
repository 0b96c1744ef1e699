//! Combinations: episodes of several rules at once, or within some time of each other.
//!
//! Each child's episode counts from its start until `within` after its end. A combination holds while at least `n` children
//! count. It is a function of the children's episodes alone, in whatever order they became known.

use std::collections::BTreeSet;

use super::coverage::Interval;
use super::episodes::Span;

/// Longest list of reasons in one sentence.
const REASONS_MAX: usize = 4;

/// The episodes of a combination, ascending, with all that shows them, and when the one that lasts will end if nothing more
/// is known.
pub fn episodes(children: &[Vec<Span>], n: u32, within_ms: i64, now: i64) -> (Vec<Span>, Option<i64>) {
    let counted: Vec<Vec<Interval>> = children.iter().map(|spans| counted(spans, within_ms)).collect();
    let mut told = Vec::new();
    let mut next = None;
    for (start, until) in at_least(&counted, n).into_iter().filter(|(start, _)| *start <= now) {
        // Its last instant is proven only when it has passed.
        let end = (until <= now).then_some(until - 1);
        next = next.max((end.is_none() && until < i64::MAX).then_some(until));
        told.push(span(children, within_ms, (start, until), end, now));
    }
    (told, next)
}

/// When a child counts: half-open, ascending, disjoint.
fn counted(spans: &[Span], within_ms: i64) -> Vec<Interval> {
    let until = |span: &Span| span.end.map_or(i64::MAX, |end| end.saturating_add(within_ms).saturating_add(1));
    super::coverage::merged(spans.iter().map(|span| (span.start, until(span))).collect())
}

/// When at least `n` of the lists hold at once.
pub fn at_least(lists: &[Vec<Interval>], n: u32) -> Vec<Interval> {
    let mut changes: Vec<(i64, i32)> = lists.iter().flatten().flat_map(|(from, to)| [(*from, 1), (*to, -1)]).collect();
    changes.sort_unstable();
    let (mut count, mut held): (i32, Vec<Interval>) = (0, Vec::new());
    let mut changes = changes.into_iter().peekable();
    while let Some((at, by)) = changes.next() {
        let before = count;
        count += by;
        while let Some((_, by)) = changes.next_if(|(next, _)| *next == at) {
            count += by;
        }
        let n = n.cast_signed();
        if before < n && count >= n {
            held.push((at, i64::MAX));
        } else if before >= n && count < n {
            held.last_mut().into_iter().for_each(|last| last.1 = at);
        }
    }
    held
}

fn span(children: &[Vec<Span>], within_ms: i64, (start, until): Interval, end: Option<i64>, now: i64) -> Span {
    let counts = |span: &&Span| span.start < until && span.end.is_none_or(|end| end.saturating_add(within_ms) >= start);
    let mut because: Vec<&Span> = children.iter().flatten().filter(counts).collect();
    because.sort_by(|a, b| (a.start, &a.why).cmp(&(b.start, &b.why)));
    let evidence: BTreeSet<[u8; 16]> = because.iter().flat_map(|span| span.evidence.iter().copied()).collect();
    let reasons: Vec<&str> = because.iter().map(|span| span.why.as_str()).collect();
    let more = reasons.len().saturating_sub(REASONS_MAX);
    let mut why = reasons[..reasons.len() - more].join("; ");
    if more > 0 {
        why.push_str(&format!("; and {more} more"));
    }
    let newest = |of: fn(&Span) -> i64| because.iter().map(|span| of(span)).max().unwrap_or(start);
    let last_held = end.unwrap_or_else(|| newest(|span| span.last_held).clamp(start, now.max(start)));
    Span {
        start,
        last_held,
        fresh_from: newest(|span| span.fresh_from).max(start),
        end,
        evidence: evidence.into_iter().collect(),
        why,
        historical: because.iter().all(|span| span.historical),
    }
}

/// What one child could see on a day, and where its condition held.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub covered: Vec<Interval>,
    pub blind: Vec<(i64, i64, &'static str)>,
    /// Until `within` after each end.
    pub holds: Vec<Interval>,
}

impl Seen {
    pub fn new(intervals: &[(i64, i64, &'static str)], spans: &[Span], within_ms: i64) -> Self {
        let covered = intervals.iter().filter(|(.., cause)| cause.is_empty()).map(|(from, to, _)| (*from, *to));
        let blind = intervals.iter().filter(|(.., cause)| !cause.is_empty()).copied();
        Self { covered: covered.collect(), blind: blind.collect(), holds: counted(spans, within_ms) }
    }
}

/// When enough children are covered to decide: `n` of them hold, or so many can be seen not to hold that the rest, whatever
/// they would show, are too few.
pub fn covered(children: &[Seen], n: u32, window: Interval) -> Vec<Interval> {
    let clip = |list: &[Interval]| super::coverage::both(list, &[window]);
    let holding: Vec<Vec<Interval>> = children.iter().map(|seen| clip(&seen.holds)).collect();
    let calm: Vec<Vec<Interval>> = children
        .iter()
        .map(|seen| super::coverage::both(&seen.covered, &super::coverage::outside(&seen.holds, window)))
        .collect();
    let enough_calm = (children.len() as u32 + 1).saturating_sub(n);
    let decided = at_least(&holding, n).into_iter().chain(at_least(&calm, enough_calm));
    super::coverage::both(&super::coverage::merged(decided.collect()), &[window])
}

/// When the children that are blind could still turn the scales, and the strongest of their causes: by a look at each
/// stretch in which nothing changes.
pub fn blind(children: &[Seen], n: u32, window: Interval) -> Vec<(i64, i64, &'static str)> {
    let inside = |at: i64, list: &[Interval]| list.iter().any(|(from, to)| *from <= at && at < *to);
    let of_child = |seen: &Seen| -> Vec<i64> {
        let blind = seen.blind.iter().flat_map(|(from, to, _)| [*from, *to]);
        blind.chain(seen.holds.iter().flat_map(|(from, to)| [*from, *to])).collect()
    };
    let mut edges: Vec<i64> =
        children.iter().flat_map(of_child).filter(|at| window.0 < *at && *at < window.1).collect();
    edges.extend([window.0, window.1]);
    edges.sort_unstable();
    edges.dedup();
    let mut told: Vec<(i64, i64, &'static str)> = Vec::new();
    for edge in edges.windows(2) {
        let (at, to) = (edge[0], edge[1]);
        let holds = children.iter().filter(|seen| inside(at, &seen.holds)).count();
        let unseen = children.iter().filter(|seen| !inside(at, &seen.holds));
        let causes: Vec<&'static str> = unseen
            .filter_map(|seen| {
                seen.blind.iter().find(|(from, to, _)| *from <= at && at < *to).map(|(.., cause)| *cause)
            })
            .collect();
        let open = holds < n as usize && holds + causes.len() >= n as usize;
        let Some(cause) = causes.into_iter().min_by_key(|cause| super::coverage::rank(cause)).filter(|_| open) else {
            continue;
        };
        match told.last_mut() {
            Some(last) if last.1 == at && last.2 == cause => last.1 = to,
            _ => told.push((at, to, cause)),
        }
    }
    told
}

#[cfg(test)]
mod tests;
