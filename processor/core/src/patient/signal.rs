//! One measure of one patient under hold rules: what was folded, what must be folded again, and a live look ahead.
//!
//! Readings are folded by the hour of event time, as many hours as are stale at a time: a late reading costs an hour's
//! fold, not a day's, and hours do not move when a patient's zone does. The *live* automata see each in-order sample once and only say "fold now".

use std::collections::{BTreeMap, BTreeSet};

use painwatch_domain::Measure;
use painwatch_domain::time::HOUR_MS;
use serde::{Deserialize, Serialize};

use super::episodes::Span;
use super::hold::{HoldState, HoldVersions};
use crate::metrics::hysteresis::{EpisodeChange, HeldEpisode};

/// Length of what is folded at once.
pub const HOUR: i64 = HOUR_MS;

/// Most hours whose readings are fetched together.
const HOURS_AT_ONCE: i32 = 24;

/// The hour of event time, counted from 1970.
pub const fn hour_of(time: i64) -> i32 {
    let hour = time.div_euclid(HOUR);
    if hour > i32::MAX as i64 {
        i32::MAX
    } else if hour < i32::MIN as i64 {
        i32::MIN
    } else {
        hour as i32
    }
}

/// What a live sample asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    No,
    Now,
    /// If no sample comes before this event time, a condition will have held long enough: to begin, or to clear.
    At(i64),
}

/// The live automaton: the same episode without evidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Live(pub HeldEpisode);

impl Live {
    pub fn handle(&mut self, time: i64, value: f64, changes: &mut Vec<EpisodeChange>) -> Look {
        changes.clear();
        self.0.handle(time, Some(value), changes);
        if !changes.is_empty() {
            return Look::Now;
        }
        self.0.deadline().map_or(Look::No, Look::At)
    }

    pub fn is_active(&self) -> bool {
        self.0.active(i64::MIN).is_some()
    }

    /// What the passing of time alone asks for, on a copy.
    pub fn wait(mut self, now: i64) -> Look {
        let mut changes = Vec::new();
        match self.0.deadline() {
            Some(deadline) if deadline > now => Look::At(deadline),
            Some(_) => {
                self.0.advance(now, &mut changes);
                if changes.is_empty() { Look::No } else { Look::Now }
            }
            None => Look::No,
        }
    }
}

/// What folding one hour under one rule gave. Nothing at all is not kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Folded {
    /// The state after the hour; `None`: at rest.
    pub after: Option<HoldState>,
    /// Episodes that ended within it.
    pub ended: Vec<Span>,
}

/// Every hour that was folded, and by rule what came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FoldedHours(pub BTreeMap<i32, BTreeMap<String, Folded>>);

impl FoldedHours {
    /// The state a fold of `hour` starts from.
    pub fn before(&self, hour: i32, rule: &str) -> Option<HoldState> {
        let (_, rules) = self.0.range(..hour).next_back()?;
        rules.get(rule)?.after.clone()
    }

    /// Takes what folding an hour gave, by rule. Says which hour is stale by it: the one after, if that began from another
    /// state. An hour that was never folded let the state before it pass through.
    #[must_use]
    pub fn set(&mut self, hour: i32, folded: BTreeMap<&str, Folded>) -> Option<i32> {
        let known = self.0.get(&hour).or_else(|| Some(self.0.range(..hour).next_back()?.1));
        let after = |rule: &str| known.and_then(|rules| rules.get(rule)?.after.as_ref());
        let changed = folded.iter().any(|(rule, new)| after(rule) != new.after.as_ref());
        let kept = folded.into_iter().filter(|(_, folded)| *folded != Folded::default());
        self.0.insert(hour, kept.map(|(rule, folded)| (rule.to_owned(), folded)).collect());
        self.0.range(hour + 1..).next().map(|(&next, _)| next).filter(|_| changed)
    }

    /// All episodes of a rule as of `now`, ascending. Only meaningful while nothing is stale.
    pub fn spans(&self, rule: &str, versions: &HoldVersions, measure: Measure, now: i64) -> Vec<Span> {
        let of_rule = self.0.values().filter_map(|rules| rules.get(rule));
        let mut spans: Vec<Span> = of_rule.flat_map(|folded| folded.ended.iter().cloned()).collect();
        spans.extend(self.newest_state(rule).iter().flat_map(|state| state.ahead(versions, measure, now)));
        spans
    }

    pub fn newest_state(&self, rule: &str) -> Option<&HoldState> {
        self.0.last_key_value()?.1.get(rule)?.after.as_ref()
    }

    pub fn hours(&self) -> impl Iterator<Item = i32> {
        self.0.keys().copied()
    }

    /// Forgets the hours before `hour`, keeping the newest of them as the state to start from.
    pub fn forget_before(&mut self, hour: i32) {
        let mut kept = self.0.split_off(&hour);
        if let Some((last, mut rules)) = self.0.pop_last() {
            rules.values_mut().for_each(|folded| folded.ended.clear());
            rules.retain(|_, folded| folded.after.is_some());
            kept.insert(last, rules);
        }
        self.0 = kept;
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HoldSignal {
    /// By rule.
    pub live: BTreeMap<String, Live>,
    /// Newest event time the live automata saw.
    pub newest: Option<i64>,
    /// Hours whose fold no longer matches the readings.
    pub stale: BTreeSet<i32>,
    /// When time alone may prove something, in journal time.
    pub look_at: Option<i64>,
    /// An episode that is too old or too historical to page about is open: live samples may change that.
    pub dormant: bool,
}

impl HoldSignal {
    /// Puts the live automaton where the fold is, now that nothing is stale.
    pub fn follow_fold(&mut self, rule: &str, live: Live) {
        match self.live.get_mut(rule) {
            Some(known) => *known = live,
            None => drop(self.live.insert(rule.to_owned(), live)),
        }
    }

    /// The stale hours to fold next, from the first to the last: a day's worth, because what holds them is a day's block.
    pub fn next_stale(&self) -> Option<(i32, i32)> {
        let first = *self.stale.first()?;
        let last = self.stale.range(..first.saturating_add(HOURS_AT_ONCE)).next_back()?;
        Some((first, *last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::sustained_threshold::Comparison;
    use crate::patient::hold::HoldRule;

    fn low_saturation() -> HoldRule {
        HoldRule {
            enter: Comparison::Below(90.0),
            enter_for_ms: 180_000,
            clear: Comparison::AtLeast(92.0),
            clear_for_ms: 300_000,
            max_gap_ms: 90_000,
            min_samples: 1,
        }
    }

    #[test]
    fn the_live_automaton_asks_to_look_when_an_episode_opens_and_when_it_clears() {
        let mut live = Live(low_saturation().automaton());
        let values = (0..300).step_by(30).map(|s| (s, 85.0)).chain((300..700).step_by(30).map(|s| (s, 95.0)));
        let looks = values.filter(|(s, value)| live.handle(s * 1000, *value, &mut Vec::new()) == Look::Now);
        assert_eq!(looks.map(|(s, _)| s).collect::<Vec<_>>(), [180, 600]);
    }

    #[test]
    fn waiting_proves_only_what_a_held_sample_can_reach() {
        let quick = HoldRule { enter_for_ms: 60_000, ..low_saturation() };
        for (rule, proves) in [(quick, Look::Now), (low_saturation(), Look::No)] {
            let mut live = Live(rule.automaton());
            live.handle(0, 85.0, &mut Vec::new());
            assert_eq!(live.wait(500_000), proves);
        }
    }
}
