//! Non-wear by Choi 2011 from counts a minute (clinical catalogue C3). For waist-worn counts without a heart-rate stream.
//!
//! Definition: runs of zero and of non-zero minutes; zero runs shorter than the spike tolerance join the spikes around them;
//! a spike run of at most the tolerance is bridged iff at least `min_window` zero minutes precede and follow it; what is
//! then a zero run of at least `min_period` minutes was not worn. Defaults 90, 30, 2. A missing minute is neither and ends
//! every run. For older or sedentary adults 120 minutes misclassify less.

/// Half-open range of minutes.
pub type Period = (usize, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Minutes.
    pub min_period: usize,
    pub min_window: usize,
    pub spike_tolerance: usize,
}

pub const DEFAULTS: Params = Params { min_period: 90, min_window: 30, spike_tolerance: 2 };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Zero,
    Spike,
    Missing,
}

/// The periods of non-wear, ascending.
pub fn non_wear(counts: &[Option<u32>], params: Params) -> Vec<Period> {
    let kind = |count: &Option<u32>| match count {
        None => Kind::Missing,
        Some(0) => Kind::Zero,
        Some(_) => Kind::Spike,
    };
    let mut runs = joined(counts.iter().map(|count| (kind(count), 1)));
    for run in runs.iter_mut().filter(|run| run.0 == Kind::Zero && run.1 < params.spike_tolerance) {
        run.0 = Kind::Spike;
    }
    runs = joined(runs);
    let long_zero =
        |run: Option<&(Kind, usize)>| run.is_some_and(|run| run.0 == Kind::Zero && run.1 >= params.min_window);
    let bridged: Vec<bool> = (0..runs.len())
        .map(|at| {
            let before = at.checked_sub(1).and_then(|at| runs.get(at));
            runs[at].0 == Kind::Spike
                && runs[at].1 <= params.spike_tolerance
                && long_zero(before)
                && long_zero(runs.get(at + 1))
        })
        .collect();
    for (run, _) in runs.iter_mut().zip(bridged).filter(|(_, bridged)| *bridged) {
        run.0 = Kind::Zero;
    }
    let mut at = 0;
    let placed = joined(runs).into_iter().map(|(kind, length)| {
        at += length;
        (kind, (at - length, at))
    });
    placed.filter(|(kind, (from, to))| *kind == Kind::Zero && to - from >= params.min_period).map(|run| run.1).collect()
}

fn joined(runs: impl IntoIterator<Item = (Kind, usize)>) -> Vec<(Kind, usize)> {
    let mut joined: Vec<(Kind, usize)> = Vec::new();
    for (kind, length) in runs {
        match joined.last_mut() {
            Some(last) if last.0 == kind => last.1 += length,
            _ => joined.push((kind, length)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(runs: &[(Option<u32>, usize)]) -> Vec<Period> {
        let counts: Vec<_> = runs.iter().flat_map(|(count, length)| vec![*count; *length]).collect();
        non_wear(&counts, DEFAULTS)
    }

    #[test]
    fn a_short_spike_is_bridged_only_between_half_hours_of_zeros() {
        assert_eq!(of(&[(Some(0), 45), (Some(5), 2), (Some(0), 45)]), [(0, 92)]);
        assert_eq!(of(&[(Some(0), 45), (Some(5), 3), (Some(0), 45)]), []);
        assert_eq!(of(&[(Some(0), 90), (Some(5), 1), (Some(0), 29)]), [(0, 90)]);
    }

    #[test]
    fn a_missing_minute_is_no_zero() {
        assert_eq!(of(&[(Some(0), 89), (None, 1), (Some(0), 90)]), [(90, 180)]);
        assert_eq!(of(&[(None, 500)]), []);
    }
}
