//! Hold rules: a measure beyond a limit for a while (semantics 12–15, clinical catalogue A2).
//!
//! Two readers of one definition. The *live* automaton sees each in-order sample once and only says "look now". The *fold*
//! reads a whole local day in (time, identity) order from the day blocks and says what is true: episodes with evidence.
//! Because truth always comes from the fold, live, late, doubled and shuffled data end in the same history.

use std::collections::BTreeMap;

use painwatch_domain::finding::EVIDENCE_MAX;
use painwatch_domain::{Measure, ReadingId};
use serde::{Deserialize, Serialize};

use super::episodes::Span;
use crate::metrics::hysteresis::{EpisodeChange, HeldEpisode};
use crate::metrics::sustained_threshold::{Comparison, SustainedThreshold};

/// A hold rule as the automaton needs it: limits in the canonical unit, times in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct HoldRule {
    pub enter: Comparison,
    pub enter_for_ms: i64,
    /// Holds when the episode may end. Where the rule gives none: the opposite of `enter`, seen once.
    pub clear: Comparison,
    pub clear_for_ms: i64,
    pub max_gap_ms: i64,
    pub min_samples: u32,
}

/// Evidence of a run of samples that hold, kept while the run lasts and for the episode it may become.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Run {
    start: i64,
    newest: i64,
    worst: f64,
    evidence: Vec<[u8; 16]>,
    historical: bool,
}

/// Where one rule stands after a sample; the checkpoint between two days.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoldState {
    episode: HeldEpisode,
    /// The run in progress; while an episode is active, everything since its start that holds.
    run: Option<Run>,
    /// Start of the active episode.
    active: Option<i64>,
}

/// One sample as the fold reads it.
pub struct HoldSample {
    pub time: i64,
    pub value: f64,
    pub id: ReadingId,
    pub historical: bool,
}

impl HoldRule {
    fn episode(&self) -> HeldEpisode {
        let enter = SustainedThreshold::new(self.enter, self.enter_for_ms, self.max_gap_ms);
        let clear = SustainedThreshold::new(self.clear, self.clear_for_ms, self.max_gap_ms);
        HeldEpisode::new(enter.with_min_samples(self.min_samples.max(1)), Some(clear))
    }

    pub fn start(&self) -> HoldState {
        HoldState { episode: self.episode(), run: None, active: None }
    }

    /// Whether a value bears on an episode at all: a late one that does is judged at once.
    pub fn concerns(&self, value: f64) -> bool {
        self.enter.holds(value)
    }

    /// Folds one day's samples, in (time, identity) order, from `state`; `now` lets a run qualify that is still held.
    /// Returns every episode that was active at some instant of the fold, the still active one last.
    pub fn fold(&self, measure: Measure, state: &mut HoldState, samples: &[HoldSample], now: i64) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut changes = Vec::new();
        for sample in samples {
            changes.clear();
            state.episode.handle(sample.time, Some(sample.value), &mut changes);
            state.take(self, sample);
            spans.extend(state.follow(self, measure, &changes));
            if state.active.is_none() && !self.enter.holds(sample.value) {
                state.run = None;
            }
        }
        // What the passing of time alone proves, on a copy: the next day's first sample lets the same time pass again.
        let mut ahead = state.clone();
        changes.clear();
        ahead.episode.advance(now, &mut changes);
        spans.extend(ahead.follow(self, measure, &changes));
        if let (Some(active), Some(run)) = (ahead.episode.active(now), &ahead.run) {
            spans.push(self.span(measure, run, active.start, active.last_held, None));
        }
        spans
    }

    fn span(&self, measure: Measure, run: &Run, start: i64, last_held: i64, end: Option<i64>) -> Span {
        let (name, unit) = (measure.name(), measure.spec().unit);
        let (lasted, needed) = (seconds((last_held - start) / 1000), seconds(self.enter_for_ms / 1000));
        let why = format!("{name} {} {unit} for {lasted} (rule: {needed}); worst {} {unit}", self.enter, run.worst);
        Span { start, last_held, end, evidence: run.evidence.clone(), why, historical: run.historical }
    }
}

impl HoldState {
    /// Gathers evidence: a run begins anew after a contrary sample or a gap, unless an episode is active.
    fn take(&mut self, rule: &HoldRule, sample: &HoldSample) {
        if !rule.enter.holds(sample.value) {
            return;
        }
        let gap = |run: &Run| sample.time.saturating_sub(run.newest) > rule.max_gap_ms;
        if self.active.is_none() && self.run.as_ref().is_some_and(gap) {
            self.run = None;
        }
        let fresh = Run { start: sample.time, newest: sample.time, worst: sample.value, evidence: vec![], historical: true };
        let run = self.run.get_or_insert(fresh);
        run.newest = run.newest.max(sample.time);
        run.worst = rule.enter.worse(run.worst, sample.value);
        run.historical &= sample.historical;
        if run.evidence.len() < EVIDENCE_MAX {
            run.evidence.push(sample.id.0);
        }
    }

    /// Turns the automaton's changes into ended episodes.
    fn follow(&mut self, rule: &HoldRule, measure: Measure, changes: &[EpisodeChange]) -> Vec<Span> {
        let mut ended = Vec::new();
        for change in changes {
            match *change {
                EpisodeChange::Began { start, .. } => self.active = Some(start),
                EpisodeChange::Ended { start, last_held, .. } => {
                    self.active = None;
                    if let Some(run) = self.run.take() {
                        ended.push(rule.span(measure, &run, start, last_held, Some(last_held)));
                    }
                }
            }
        }
        ended
    }
}

fn seconds(total_s: i64) -> String {
    if total_s < 120 { format!("{total_s} s") } else { format!("{} min", total_s / 60) }
}

/// The live automaton: the same episode without evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Live(HeldEpisode);

/// What a live sample asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    No,
    Now,
    /// If no sample comes before this event time, the condition will have held long enough.
    At(i64),
}

impl Live {
    pub fn new(rule: &HoldRule) -> Self {
        Self(rule.episode())
    }

    pub fn handle(&mut self, time: i64, value: f64, changes: &mut Vec<EpisodeChange>) -> Look {
        changes.clear();
        self.0.handle(time, Some(value), changes);
        if !changes.is_empty() {
            return Look::Now;
        }
        if self.0.active(time).is_some() {
            return Look::No;
        }
        self.0.deadline().map_or(Look::No, Look::At)
    }
}

/// One measure of one patient under hold rules: rules by their position in the clinic's rule list.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct HoldSignal {
    pub live: BTreeMap<String, Live>,
    /// Newest event time the live automata saw.
    pub newest: Option<i64>,
    /// State after each folded local day, and the episodes seen in it, by rule.
    pub folded: BTreeMap<i32, BTreeMap<String, FoldedDay>>,
    /// Days whose fold no longer matches the readings.
    pub stale: std::collections::BTreeSet<i32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldedDay {
    pub end: HoldState,
    pub spans: Vec<Span>,
}

impl HoldSignal {
    /// The state a fold of `day` starts from.
    pub fn state_before(&self, day: i32, rule_id: &str, rule: &HoldRule) -> HoldState {
        let earlier = self.folded.range(..day).rev().find_map(|(_, rules)| rules.get(rule_id));
        earlier.map_or_else(|| rule.start(), |folded| folded.end.clone())
    }

    /// Takes the result of a fold; says whether the day after must be folded again because it began from another state.
    pub fn set(&mut self, day: i32, rule_id: &str, folded: FoldedDay) -> bool {
        let rules = self.folded.entry(day).or_default();
        let changed = rules.get(rule_id).is_none_or(|old| old.end != folded.end);
        rules.insert(rule_id.to_owned(), folded);
        changed
    }

    /// All episodes of a rule. One that spans days is told best by the last day that saw it.
    pub fn spans(&self, rule_id: &str) -> Vec<Span> {
        let mut by_start = BTreeMap::new();
        for folded in self.folded.values().filter_map(|rules| rules.get(rule_id)) {
            for span in &folded.spans {
                by_start.insert(span.start, span.clone());
            }
        }
        by_start.into_values().collect()
    }

    /// Forgets days before `day`, keeping the newest of them as the state to start from.
    pub fn forget_before(&mut self, day: i32) {
        let mut kept = self.folded.split_off(&day);
        if let Some((last, rules)) = self.folded.pop_last() {
            let without_spans = |folded: FoldedDay| FoldedDay { spans: Vec::new(), ..folded };
            kept.insert(last, rules.into_iter().map(|(rule, folded)| (rule, without_spans(folded))).collect());
        }
        self.folded = kept;
        self.stale = self.stale.split_off(&day);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn samples(values: &[(i64, f64)]) -> Vec<HoldSample> {
        let id = |time: i64| painwatch_domain::Hash128::of(&[&time.to_le_bytes()]);
        values.iter().map(|&(s, value)| HoldSample { time: s * 1000, value, id: id(s), historical: false }).collect()
    }

    fn every_30_s(from: i64, to: i64, value: f64) -> Vec<(i64, f64)> {
        (from..to).step_by(30).map(|s| (s, value)).collect()
    }

    #[test]
    fn an_episode_lasts_until_the_clear_condition_has_held_and_not_before() {
        let rule = low_saturation();
        let values = [every_30_s(0, 300, 85.0), every_30_s(300, 420, 93.0), every_30_s(420, 450, 88.0), every_30_s(450, 900, 95.0)];
        let spans = rule.fold(Measure::OxygenSaturation, &mut rule.start(), &samples(&values.concat()), i64::MAX / 2);
        assert_eq!(spans.len(), 1);
        assert_eq!((spans[0].start, spans[0].end), (0, Some(450_000)));
    }

    #[test]
    fn a_gap_never_clears_an_episode() {
        let rule = low_saturation();
        let spans = rule.fold(Measure::OxygenSaturation, &mut rule.start(), &samples(&every_30_s(0, 300, 85.0)), i64::MAX / 2);
        assert_eq!(spans[0].end, None);
    }

    #[test]
    fn folding_a_day_in_two_parts_gives_what_folding_it_whole_gives() {
        let rule = low_saturation();
        let values = [every_30_s(0, 600, 85.0), every_30_s(600, 1200, 95.0), every_30_s(1200, 1600, 84.0)].concat();
        let whole = rule.fold(Measure::OxygenSaturation, &mut rule.start(), &samples(&values), 1_600_000);
        for cut in 0..values.len() {
            let mut state = rule.start();
            let mut signal = HoldSignal::default();
            for (day, part) in [&values[..cut], &values[cut..]].into_iter().enumerate() {
                let spans = rule.fold(Measure::OxygenSaturation, &mut state, &samples(part), 1_600_000);
                signal.set(day as i32, "r", FoldedDay { end: state.clone(), spans });
            }
            let told: Vec<_> = signal.spans("r").iter().map(|span| (span.start, span.end, span.last_held)).collect();
            assert_eq!(told, whole.iter().map(|span| (span.start, span.end, span.last_held)).collect::<Vec<_>>(), "cut {cut}");
        }
    }

    #[test]
    fn the_live_automaton_asks_to_look_when_an_episode_opens_and_when_it_clears() {
        let rule = low_saturation();
        let mut live = Live::new(&rule);
        let mut looks = Vec::new();
        let values = [every_30_s(0, 300, 85.0), every_30_s(300, 700, 95.0)].concat();
        for (s, value) in values {
            if live.handle(s * 1000, value, &mut Vec::new()) == Look::Now {
                looks.push(s);
            }
        }
        assert_eq!(looks, [180, 600]);
    }
}
