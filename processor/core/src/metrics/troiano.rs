//! Non-wear by Troiano 2008, the variant in which spikes are consecutive minutes (clinical catalogue C3). Shown beside Choi.
//!
//! Definition: each minute is zero, low (at most `spike_stop` counts) or high; a run of at most `spike_tolerance` low minutes
//! that zeros follow takes the label of what stands before it; a zero run of at least `min_period` minutes was not worn.
//! Defaults 60, 2, 100. A missing minute is none of these and ends every run.

use super::choi::Period;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Minutes.
    pub min_period: usize,
    pub spike_tolerance: usize,
    /// Counts a minute.
    pub spike_stop: u32,
}

pub const DEFAULTS: Params = Params { min_period: 60, spike_tolerance: 2, spike_stop: 100 };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Zero,
    Low,
    High,
    Missing,
}

/// The periods of non-wear, ascending.
pub fn non_wear(counts: &[Option<u32>], params: Params) -> Vec<Period> {
    let label = |count: &Option<u32>| match count {
        None => Label::Missing,
        Some(0) => Label::Zero,
        Some(count) if *count <= params.spike_stop => Label::Low,
        Some(_) => Label::High,
    };
    let labels: Vec<Label> = counts.iter().map(label).collect();
    let runs: Vec<&[Label]> = labels.chunk_by(|a, b| a == b).collect();
    let (mut periods, mut at, mut before): (Vec<Period>, usize, Label) = (Vec::new(), 0, Label::Low);
    for (index, run) in runs.iter().enumerate() {
        let zeros_follow = runs.get(index + 1).is_some_and(|next| next[0] == Label::Zero);
        let is_spike = run[0] == Label::Low && run.len() <= params.spike_tolerance && zeros_follow;
        let label = if is_spike { before } else { run[0] };
        if label == Label::Zero {
            extend(&mut periods, (at, at + run.len()));
        }
        before = label;
        at += run.len();
    }
    periods.retain(|(from, to)| to - from >= params.min_period);
    periods
}

fn extend(periods: &mut Vec<Period>, (from, to): Period) {
    match periods.last_mut() {
        Some(last) if last.1 == from => last.1 = to,
        _ => periods.push((from, to)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(runs: &[(Option<u32>, usize)]) -> Vec<Period> {
        let counts: Vec<_> = runs.iter().flat_map(|(count, length)| vec![*count; *length]).collect();
        non_wear(&counts, DEFAULTS)
    }

    #[test]
    fn two_low_minutes_are_bridged_where_zeros_follow_and_a_high_one_never() {
        assert_eq!(of(&[(Some(0), 30), (Some(100), 2), (Some(0), 30)]), [(0, 62)]);
        assert_eq!(of(&[(Some(0), 30), (Some(101), 1), (Some(0), 30)]), []);
        assert_eq!(of(&[(Some(5), 1), (Some(0), 60), (Some(5), 1)]), [(1, 61)]);
    }

    #[test]
    fn a_missing_minute_is_no_zero() {
        assert_eq!(of(&[(Some(0), 59), (None, 1), (Some(0), 59)]), []);
    }
}
