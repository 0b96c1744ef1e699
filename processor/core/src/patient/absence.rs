//! Silence as episodes: how long nothing came of what was expected, counted only while it could have come (semantics 16).

use super::coverage::Interval;
use super::runs::Runs;

/// One silence that lasted too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// The newest reading before it, or when the rule began to look.
    pub last: i64,
    /// When it had lasted as long as the rule allows.
    pub start: i64,
    /// The reading that ended it.
    pub end: Option<i64>,
    /// It began later than the silence alone says: something stood between us and the device (semantics 10: operational).
    pub delayed: bool,
}

/// What a look at a silence gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub absences: Vec<Absence>,
    /// When the silence that lasts will have been too long; `i64::MAX` while nothing could arrive.
    pub next: Option<i64>,
}

/// Versions of an absence rule as (in force from, longest silence it allows), ascending; never empty.
pub type Limits = [(i64, i64)];

/// Every silence that was too long by the version then in force. `down`, ascending and disjoint: when nothing could
/// arrive, which counts as no silence.
pub fn find(limits: &Limits, runs: &Runs, since: i64, down: &[Interval], now: i64) -> Found {
    let least = limits.iter().map(|(_, limit)| *limit).min().unwrap_or(i64::MAX);
    let mut found = Found::default();
    for (last, end) in runs.silences(least, since, now) {
        let (starts, undisturbed) = (start(limits, last, down), start(limits, last, &[]));
        if starts >= end.unwrap_or(i64::MAX) {
            found.next = end.is_none().then_some(i64::MAX).or(found.next);
        } else if end.is_none() && now <= starts {
            found.next = Some(starts.saturating_add(1));
        } else {
            found.absences.push(Absence { last, start: starts, end, delayed: starts != undisturbed });
        }
    }
    let silent_from = runs.newest().unwrap_or(since).max(since);
    if now.saturating_sub(silent_from) <= least {
        found.next = Some(start(limits, silent_from, down).saturating_add(1));
    }
    found
}

/// When a silence after `last` is too long: by the earliest version by which it becomes so while that is in force.
fn start(limits: &Limits, last: i64, down: &[Interval]) -> i64 {
    let until = limits.iter().skip(1).map(|(from, _)| *from).chain([i64::MAX]);
    let by_version = limits.iter().zip(until).filter_map(|((from, limit), until)| {
        let start = after_up_time(last, *limit, down).max(*from);
        (start < until).then_some(start)
    });
    by_version.min().unwrap_or(i64::MAX)
}

/// `from` and as much later as it takes for `ms` outside of `down` to pass.
pub(super) fn after_up_time(from: i64, ms: i64, down: &[Interval]) -> i64 {
    let (mut at, mut left) = (from, ms);
    for &(start, end) in down.iter().filter(|(_, end)| *end > from) {
        let up = start.saturating_sub(at).max(0);
        // At that instant it has lasted as long as it may: what comes after must be up to count.
        if up > left {
            break;
        }
        left -= up;
        at = end.max(at);
        if at == i64::MAX {
            return at;
        }
    }
    at.saturating_add(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn runs(times: &[i64]) -> Runs {
        let mut runs = Runs::default();
        for time in times {
            runs.add(*time, 1);
        }
        runs
    }

    #[test]
    fn a_silence_that_lasts_says_when_it_will_be_too_long() {
        let limits = [(i64::MIN, 100)];
        assert_eq!(find(&limits, &runs(&[50]), 0, &[], 90).next, Some(151));
        let found = find(&limits, &runs(&[50]), 0, &[], 151);
        assert_eq!(found.absences, [Absence { last: 50, start: 150, end: None, delayed: false }]);
        assert_eq!(find(&limits, &runs(&[50]), 0, &[], 150).absences, []);
    }

    #[test]
    fn semantics_16_time_in_which_nothing_could_arrive_is_no_silence() {
        let limits = [(i64::MIN, 100)];
        let found = find(&limits, &runs(&[50]), 0, &[(60, 90)], 185);
        assert_eq!(found.absences, [Absence { last: 50, start: 180, end: None, delayed: true }]);
        assert_eq!(find(&limits, &runs(&[50, 170]), 0, &[(60, 90)], 200).absences, []);
        let away = find(&limits, &runs(&[50]), 0, &[(60, i64::MAX)], 900);
        assert_eq!(away, Found { absences: Vec::new(), next: Some(i64::MAX) });
    }

    #[test]
    fn a_silence_is_judged_by_the_version_under_which_it_grows_too_long() {
        let limits = [(i64::MIN, 1_000), (200, 100)];
        let start = |last| find(&limits, &runs(&[last]), last, &[], 5_000).absences[0].start;
        assert_eq!((start(50), start(150)), (200, 250));
        let longer = [(i64::MIN, 100), (200, 1_000)];
        let start = |last| find(&longer, &runs(&[last]), last, &[], 5_000).absences[0].start;
        assert_eq!((start(50), start(150)), (150, 1_150));
    }

    proptest! {
        #[test]
        fn semantics_16_absences_are_what_counting_every_silent_instant_says(
            times in prop::collection::btree_set(0i64..300, 0..12), limit in 2i64..60, since in 0i64..60,
            down in prop::collection::vec((0i64..300, 1i64..50), 0..4), now in 300i64..360,
        ) {
            let down = super::super::coverage::merged(down.into_iter().map(|(from, length)| (from, from + length)).collect());
            let times: Vec<i64> = times.into_iter().collect();
            let told = find(&[(i64::MIN, limit)], &runs(&times), since, &down, now).absences;
            let mut silent = 0;
            for at in since..=now {
                if times.contains(&at) || at == since {
                    silent = 0;
                } else if !down.iter().any(|(from, to)| (*from..*to).contains(&(at - 1))) {
                    silent += 1;
                }
                let said = told.iter().any(|one| one.start < at && one.end.is_none_or(|end| at < end));
                prop_assert_eq!(silent > limit, said, "at {}: {} of {} in {:?}", at, silent, limit, &told);
            }
        }
    }
}
