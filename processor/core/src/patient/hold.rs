//! Hold rules: a measure beyond a limit for a while (semantics 12–15, clinical catalogue A2).
//!
//! The *fold* reads readings in (time, identity) order from the day blocks and says what is true: episodes with evidence.
//! Because truth always comes from the fold, live, late, doubled and shuffled data end in the same history.

use painwatch_domain::finding::EVIDENCE_MAX;
use painwatch_domain::{Flags, Hash128, Measure, ReadingId, TenantId};
use serde::{Deserialize, Serialize};

use super::day::Observation;
use super::episodes::{Span, VERIFY_SENSOR};
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

impl HoldRule {
    fn enters(&self) -> SustainedThreshold {
        let enter = SustainedThreshold::new(self.enter, self.enter_for_ms, self.max_gap_ms);
        enter.with_min_samples(self.min_samples.max(1))
    }

    fn clears(&self) -> SustainedThreshold {
        SustainedThreshold::new(self.clear, self.clear_for_ms, self.max_gap_ms)
    }

    pub fn automaton(&self) -> HeldEpisode {
        HeldEpisode::new(self.enters(), Some(self.clears()))
    }

    /// Whether a value bears on an episode at all: a late one that does is judged at once.
    pub fn concerns(&self, value: f64) -> bool {
        self.enter.holds(value)
    }

    /// Tells a state that other limits made from one that these did.
    fn tag(&self) -> u64 {
        let text = format!("{self:?}");
        let hash = Hash128::of(&[text.as_bytes()]).0;
        u64::from_le_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
    }
}

/// The versions of one rule by the event time from which each is in force, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HoldVersions(Vec<(i64, u64, HoldRule)>);

impl HoldVersions {
    pub fn new(versions: impl IntoIterator<Item = (i64, HoldRule)>) -> Self {
        Self(versions.into_iter().map(|(from, rule)| (from, rule.tag(), rule)).collect())
    }

    fn at(&self, time: i64) -> Option<&(i64, u64, HoldRule)> {
        self.0.iter().rev().find(|(from, ..)| *from <= time)
    }

    /// An automaton that has seen nothing, under the limits in force at that time.
    pub fn at_rest(&self, time: i64) -> Option<HeldEpisode> {
        self.at(time).or(self.0.first()).map(|(.., rule)| rule.automaton())
    }

    /// Whether the same limits are in force at both times.
    pub fn agree(&self, one: i64, other: i64) -> bool {
        let tag = |time: i64| self.at(time).map(|(_, tag, _)| *tag);
        tag(one) == tag(other)
    }

    /// The rule whose limits a state holds; after an upgrade that changed them, the newest.
    fn tagged(&self, wanted: u64) -> Option<&HoldRule> {
        let exact = self.0.iter().find(|(_, tag, _)| *tag == wanted);
        exact.or(self.0.last()).map(|(.., rule)| rule)
    }
}

/// One sample as the fold reads it.
pub struct HoldSample<'a> {
    pub time: i64,
    pub value: f64,
    pub id: SampleId<'a>,
    pub historical: bool,
    /// Plausible but unusual, or doubted by its source.
    pub verify: bool,
}

impl<'a> HoldSample<'a> {
    pub fn of(tenant: &'a TenantId, seen: &'a Observation, value: f64) -> Self {
        let verify = seen.reading.flags.has(Flags::VERIFY);
        Self { time: seen.time, value, id: SampleId::Of(tenant, seen), historical: seen.historical, verify }
    }
}

/// What a sample becomes evidence by.
#[derive(Clone, Copy)]
pub enum SampleId<'a> {
    Known(ReadingId),
    Of(&'a TenantId, &'a Observation),
}

impl SampleId<'_> {
    fn get(self) -> [u8; 16] {
        match self {
            Self::Known(id) => id.0,
            Self::Of(tenant, seen) => seen.id(tenant).0,
        }
    }
}

/// Evidence of a run of samples that hold, kept while the run lasts and for the episode it may become.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Run {
    newest: i64,
    worst: f64,
    worst_id: [u8; 16],
    evidence: Vec<[u8; 16]>,
    /// One byte: before [`VERIFY`] was known it was a flag that said whether all is historical.
    marks: u8,
}

/// Marks of a run: everything that shows it is historical; its worst sample is to be verified.
const HISTORICAL: u8 = 1;
const VERIFY: u8 = 1 << 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    start: i64,
    /// How much of the evidence was there when it opened: what an episode shows while it lasts, so that a longer look at
    /// the same episode does not change it.
    shown: usize,
}

/// Where one rule stands after a sample; the checkpoint between two folds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoldState {
    /// Which limits the automaton holds.
    tag: u64,
    pub episode: HeldEpisode,
    /// The run in progress; while an episode is active, everything since its start that holds.
    run: Option<Run>,
    active: Option<Open>,
}

impl HoldState {
    fn start(tag: u64, rule: &HoldRule) -> Self {
        Self { tag, episode: rule.automaton(), run: None, active: None }
    }

    /// Nothing begun that a later sample could continue: as good as never having seen any.
    fn rests(&self) -> bool {
        self.active.is_none() && self.run.is_none() && self.episode.deadline().is_none()
    }

    /// The automaton under the limits in force at `time`, if it holds others. What time alone proved before these began is
    /// for the others to judge: no later edit takes it back (semantics 11).
    fn retuned(
        &self,
        versions: &HoldVersions,
        time: i64,
        changes: &mut Vec<EpisodeChange>,
    ) -> Option<(u64, HeldEpisode)> {
        let (from, tag, rule) = versions.at(time).filter(|(_, tag, _)| *tag != self.tag)?;
        let mut episode = self.episode;
        episode.advance(*from, changes);
        episode.retune(rule.enters(), Some(rule.clears()));
        Some((*tag, episode))
    }

    /// Goes on under the limits in force at `time`. Says which episodes ended before these began.
    fn adopt(
        &mut self,
        versions: &HoldVersions,
        measure: Measure,
        time: i64,
        changes: &mut Vec<EpisodeChange>,
    ) -> Vec<Span> {
        changes.clear();
        let Some(retuned) = self.retuned(versions, time, changes) else { return Vec::new() };
        let before = versions.tagged(self.tag);
        (self.tag, self.episode) = retuned;
        let ended = before.map_or_else(Vec::new, |rule| self.follow(rule, measure, changes));
        if self.active.is_none() && self.episode.run().is_none() {
            self.run = None;
        }
        ended
    }

    /// Takes the next sample; says which episodes it ended.
    fn handle(
        &mut self,
        rule: &HoldRule,
        measure: Measure,
        sample: &HoldSample<'_>,
        changes: &mut Vec<EpisodeChange>,
    ) -> Vec<Span> {
        changes.clear();
        self.episode.handle(sample.time, Some(sample.value), changes);
        // What time proved without this sample is no matter of its evidence.
        let before = changes.iter().take_while(|change| self.needs_no_sample(rule, change, sample.time)).count();
        let mut ended = self.follow(rule, measure, &changes[..before]);
        self.take(rule, sample);
        ended.extend(self.follow(rule, measure, &changes[before..]));
        if self.active.is_none() && !rule.enter.holds(sample.value) {
            self.run = None;
        }
        ended
    }

    fn needs_no_sample(&self, rule: &HoldRule, change: &EpisodeChange, time: i64) -> bool {
        let enough = self.run.as_ref().is_some_and(|run| run.evidence.len() >= rule.min_samples.max(1) as usize);
        match *change {
            EpisodeChange::Began { start, known_at } => {
                known_at < time || (enough && known_at == start + rule.enter_for_ms)
            }
            EpisodeChange::Ended { known_at, .. } => known_at < time,
        }
    }

    /// Gathers evidence: a run begins anew after a contrary sample or a gap, unless an episode is active.
    fn take(&mut self, rule: &HoldRule, sample: &HoldSample<'_>) {
        if !rule.enter.holds(sample.value) {
            return;
        }
        let gap = |run: &Run| sample.time.saturating_sub(run.newest) > rule.max_gap_ms;
        if self.active.is_none() && self.run.as_ref().is_some_and(gap) {
            self.run = None;
        }
        let (worst, worst_id, evidence) = (sample.value, [0; 16], Vec::new());
        let run = self.run.get_or_insert(Run { newest: sample.time, worst, worst_id, evidence, marks: HISTORICAL });
        run.newest = run.newest.max(sample.time);
        let worst = rule.enter.worse(run.worst, sample.value);
        if worst.to_bits() != run.worst.to_bits() || run.evidence.is_empty() {
            (run.worst, run.worst_id) = (worst, sample.id.get());
            run.mark(VERIFY, sample.verify);
        }
        run.mark(HISTORICAL, run.has(HISTORICAL) && sample.historical);
        if run.evidence.len() < EVIDENCE_MAX {
            run.evidence.push(sample.id.get());
        }
    }

    /// Turns the automaton's changes into ended episodes.
    fn follow(&mut self, rule: &HoldRule, measure: Measure, changes: &[EpisodeChange]) -> Vec<Span> {
        let mut ended = Vec::new();
        for change in changes {
            match *change {
                EpisodeChange::Began { start, .. } => {
                    let shown = self.run.as_ref().map_or(0, |run| run.evidence.len());
                    self.active = Some(Open { start, shown });
                }
                EpisodeChange::Ended { start, last_held, .. } => {
                    self.active = None;
                    if let Some(run) = self.run.take() {
                        ended.push(span(
                            rule,
                            measure,
                            &run,
                            (start, last_held),
                            Some(last_held),
                            run.evidence_with_worst(),
                        ));
                    }
                }
            }
        }
        ended
    }

    /// When the condition was last seen to hold, where that may be or become an episode: should it be over, it ended then.
    pub fn last_held(&self) -> Option<i64> {
        self.run.as_ref().map(|run| run.newest)
    }

    /// The automaton as the next sample meets it: under the limits in force at `now`.
    pub fn live(&self, versions: &HoldVersions, now: i64) -> HeldEpisode {
        self.retuned(versions, now, &mut Vec::new()).map_or(self.episode, |(_, episode)| episode)
    }

    /// The automaton once time has passed until `now`, with no sample after those it took, and what that proved.
    pub fn at(&self, versions: &HoldVersions, now: i64) -> (HeldEpisode, Vec<EpisodeChange>) {
        let mut changes = Vec::new();
        let retuned = self.retuned(versions, now, &mut changes);
        let mut ahead = retuned.map_or(self.episode, |(_, episode)| episode);
        ahead.advance(now, &mut changes);
        (ahead, changes)
    }

    /// What the passing of time until `now` proves, on a copy: the next sample lets the same time pass again. The active
    /// episode, if any, comes last.
    pub fn ahead(&self, versions: &HoldVersions, measure: Measure, now: i64) -> Vec<Span> {
        let (mut ahead, mut changes) = (self.clone(), Vec::new());
        let mut spans = ahead.adopt(versions, measure, now, &mut changes);
        let Some(rule) = versions.tagged(ahead.tag) else { return spans };
        changes.clear();
        ahead.episode.advance(now, &mut changes);
        spans.extend(ahead.follow(rule, measure, &changes));
        if let (Some(active), Some(open), Some(run)) = (ahead.episode.active(now), ahead.active, &ahead.run) {
            let evidence = run.evidence[..open.shown.min(run.evidence.len())].to_vec();
            spans.push(span(rule, measure, run, (open.start, active.last_held), None, evidence));
        }
        spans
    }
}

impl Run {
    const fn has(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    const fn mark(&mut self, mark: u8, holds: bool) {
        self.marks = if holds { self.marks | mark } else { self.marks & !mark };
    }

    fn evidence_with_worst(&self) -> Vec<[u8; 16]> {
        let mut evidence = self.evidence.clone();
        if !evidence.contains(&self.worst_id)
            && let Some(last) = evidence.last_mut()
        {
            *last = self.worst_id;
        }
        evidence
    }
}

fn span(
    rule: &HoldRule,
    measure: Measure,
    run: &Run,
    held: (i64, i64),
    end: Option<i64>,
    evidence: Vec<[u8; 16]>,
) -> Span {
    let (start, last_held) = held;
    let (name, unit) = (measure.name(), measure.spec().unit);
    let (lasted, needed) = (seconds((last_held - start) / 1000), seconds(rule.enter_for_ms / 1000));
    let doubt = if run.has(VERIFY) { VERIFY_SENSOR } else { "" };
    let why = format!("{name} {} {unit} for {lasted} (rule: {needed}); worst {} {unit}{doubt}", rule.enter, run.worst);
    Span { start, last_held, fresh_from: last_held, end, evidence, why, historical: run.has(HISTORICAL) }
}

fn seconds(total_s: i64) -> String {
    if total_s < 120 { format!("{total_s} s") } else { format!("{} min", total_s / 60) }
}

/// Folds samples in (time, identity) order from the state `before` them. Returns the state after them (`None`: at rest) and
/// the episodes that ended within.
pub fn fold(
    versions: &HoldVersions,
    measure: Measure,
    before: Option<HoldState>,
    samples: &[HoldSample<'_>],
) -> (Option<HoldState>, Vec<Span>) {
    let (mut state, mut ended, mut changes) = (before, Vec::new(), Vec::new());
    for sample in samples {
        let Some((_, tag, rule)) = versions.at(sample.time) else { continue };
        let state = state.get_or_insert_with(|| HoldState::start(*tag, rule));
        ended.extend(state.adopt(versions, measure, sample.time, &mut changes));
        ended.extend(state.handle(rule, measure, sample, &mut changes));
    }
    (state.filter(|state| !state.rests()), ended)
}

#[cfg(test)]
mod tests;
