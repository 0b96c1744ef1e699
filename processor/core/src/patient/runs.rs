//! Times of readings as runs: what silence is told by (semantics 16).
//!
//! A run goes from its first to its last reading, neighbours being at most `pause_ms` apart; between two runs lies a pause.
//! Runs are a function of the set of times: in whatever order readings arrive, the same runs remain.

use serde::{Deserialize, Serialize};

use super::coverage::Interval;

/// Maximal runs, ascending: first and last time of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs(Vec<Interval>);

impl Runs {
    pub fn newest(&self) -> Option<i64> {
        self.0.last().map(|(_, last)| *last)
    }

    /// The last reading before a silence that lasts at `time`; `None` while they come, and before the first.
    pub fn silent_since(&self, time: i64) -> Option<i64> {
        let at = self.0.partition_point(|(first, _)| *first <= time);
        self.0[..at].last().map(|(_, last)| *last).filter(|last| *last <= time)
    }

    /// Takes the time of one more reading. True where a pause began, ended or changed: a reading that goes on with the
    /// newest run changes none.
    pub fn add(&mut self, time: i64, pause_ms: i64) -> bool {
        if let Some((first, last)) = self.0.last_mut()
            && *first <= time
            && time.saturating_sub(*last) <= pause_ms
        {
            *last = time.max(*last);
            return false;
        }
        let at = self.0.partition_point(|(first, _)| *first <= time);
        if at > 0 && time <= self.0[at - 1].1 {
            return false;
        }
        self.0.insert(at, (time, time));
        self.join(at + 1, pause_ms);
        self.join(at, pause_ms);
        true
    }

    /// Makes one run of the run at `at` and the one before it, if they are near enough.
    fn join(&mut self, at: usize, pause_ms: i64) {
        if at == 0 || at >= self.0.len() || self.0[at].0.saturating_sub(self.0[at - 1].1) > pause_ms {
            return;
        }
        self.0[at - 1].1 = self.0[at].1.max(self.0[at - 1].1);
        self.0.remove(at);
    }

    /// The readings within `window` are exactly those of `times`, ascending, which also hold those up to `pause_ms` before
    /// and after it.
    pub fn replace(&mut self, (from, until): Interval, times: &[i64], pause_ms: i64) {
        let before = times.iter().copied().rfind(|time| *time < from);
        let after = times.iter().copied().find(|time| *time >= until);
        let mut runs: Vec<Interval> = Vec::new();
        for &(first, last) in self.0.iter().filter(|(first, _)| *first < from) {
            let last = if last < from { last } else { before.map_or(first, |time| time.max(first)) };
            runs.push((first, last));
        }
        runs.extend(times.iter().filter(|time| (from..until).contains(*time)).map(|time| (*time, *time)));
        for &(first, last) in self.0.iter().filter(|(_, last)| *last >= until) {
            let first = if first >= until { first } else { after.map_or(last, |time| time.min(last)) };
            runs.push((first, last));
        }
        self.0 = runs;
        (1..self.0.len()).rev().for_each(|at| self.join(at, pause_ms));
    }

    /// Every silence longer than `limit_ms` from `since` on, as (last reading or `since`, next reading): what lasts has none.
    pub fn silences(&self, limit_ms: i64, since: i64, now: i64) -> Vec<(i64, Option<i64>)> {
        let mut silences = Vec::new();
        let mut silent_from = since;
        for &(first, last) in self.0.iter().filter(|(_, last)| *last >= since) {
            if first.saturating_sub(silent_from) > limit_ms {
                silences.push((silent_from, Some(first)));
            }
            silent_from = last;
        }
        if now.saturating_sub(silent_from) > limit_ms {
            silences.push((silent_from, None));
        }
        silences
    }

    /// Forgets the runs before `time`, but for the newest of them.
    pub fn forget_before(&mut self, time: i64) {
        let old = self.0.iter().take_while(|(_, last)| *last < time).count();
        self.0.drain(..old.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn model(times: &BTreeSet<i64>, pause_ms: i64) -> Vec<Interval> {
        let mut runs: Vec<Interval> = Vec::new();
        for &time in times {
            match runs.last_mut() {
                Some(last) if time - last.1 <= pause_ms => last.1 = time,
                _ => runs.push((time, time)),
            }
        }
        runs
    }

    #[test]
    fn a_silence_is_longer_than_its_limit_not_as_long() {
        let mut runs = Runs::default();
        assert_eq!(runs.silences(10, 0, 10), []);
        assert_eq!(runs.silences(10, 0, 11), [(0, None)]);
        runs.add(10, 1);
        assert_eq!(runs.silences(10, 0, 20), []);
        runs.add(21, 1);
        assert_eq!(runs.silences(10, 0, 32), [(10, Some(21)), (21, None)]);
        assert_eq!(runs.silences(10, 15, 21), [], "nobody looked before 15");
    }

    proptest! {
        #[test]
        fn runs_are_a_function_of_the_set_of_times(times in prop::collection::vec(0i64..500, 0..60), pause in 1i64..40) {
            let mut runs = Runs::default();
            for (nth, time) in times.iter().enumerate() {
                let before: BTreeSet<i64> = times[..nth].iter().copied().collect();
                let known = runs.clone();
                let changed = runs.add(*time, pause);
                let goes_on = before.last().is_some_and(|newest| time > newest && time - newest <= pause);
                prop_assert_eq!(changed, runs != known && !goes_on);
            }
            prop_assert_eq!(runs.0, model(&times.iter().copied().collect(), pause));
        }

        #[test]
        fn readings_that_are_taken_back_leave_the_runs_of_those_that_remain(
            times in prop::collection::btree_set(0i64..500, 0..60), pause in 1i64..40, from in 0i64..500, length in 0i64..200, every in 1usize..4,
        ) {
            let mut runs = Runs::default();
            for time in &times {
            runs.add(*time, pause);
        }
            let window = (from, from + length);
            let inside = |time: &&i64| (window.0..window.1).contains(*time);
            let gone: Vec<i64> = times.iter().filter(inside).step_by(every).copied().collect();
            let left: BTreeSet<i64> = times.iter().filter(|time| !gone.contains(time)).copied().collect();
            let near: Vec<i64> = left.range(window.0 - pause..=window.1 + pause).copied().collect();
            runs.replace(window, &near, pause);
            prop_assert_eq!(runs.0, model(&left, pause));
        }

        #[test]
        fn silences_are_what_a_look_at_every_instant_says(
            times in prop::collection::btree_set(0i64..300, 0..20), limit in 2i64..60, since in 0i64..100, now in 300i64..400,
        ) {
            let mut runs = Runs::default();
            for time in &times {
            runs.add(*time, 2);
        }
            let told = runs.silences(limit, since, now);
            for at in since..=now {
                let newest = times.range(..=at).next_back().copied().unwrap_or(i64::MIN).max(since);
                let silent = at - newest > limit;
                let said = told.iter().any(|(from, until)| from + limit < at && until.is_none_or(|until| at < until));
                prop_assert_eq!(silent, said, "at {}", at);
            }
        }
    }
}
