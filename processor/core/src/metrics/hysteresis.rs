//! Episode with hysteresis (clinical catalogue section 1: enter condition, sustain time, clear condition).
//!
//! Definition: an episode begins when the enter condition has held its duration (A2) and, where a clear condition is
//! given, lasts until that has held its own duration on samples seen; runs in between belong to the same episode. A gap
//! never clears an episode that has a clear condition (G4). Without one the episode ends with its run.

use serde::{Deserialize, Serialize};

use super::sustained_threshold::{SustainedThreshold, Transition};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpisodeChange {
    Began {
        start: i64,
        known_at: i64,
    },
    /// `last_held` is when the enter condition last held, which is the episode's end; `known_at` is when that was proven.
    /// `by_gap`: samples stopped coming, nobody saw it end.
    Ended {
        start: i64,
        last_held: i64,
        known_at: i64,
        by_gap: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    pub start: i64,
    pub last_held: i64,
}

/// The whole state of one hold rule for one patient; copy it to snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldEpisode {
    enter: SustainedThreshold,
    clear: Option<SustainedThreshold>,
    /// `clear` before any sample, to begin each wait for clearance anew.
    clear_at_rest: Option<SustainedThreshold>,
    active: Option<Active>,
}

impl HeldEpisode {
    pub const fn new(enter: SustainedThreshold, clear: Option<SustainedThreshold>) -> Self {
        Self { enter, clear, clear_at_rest: clear, active: None }
    }

    /// Goes on under other limits: what runs, runs on, and the next sample is judged by them.
    pub const fn retune(&mut self, enter: SustainedThreshold, clear: Option<SustainedThreshold>) {
        self.enter = enter.continuing(&self.enter);
        self.clear = match (clear, &self.clear) {
            (Some(clear), Some(old)) => Some(clear.continuing(old)),
            (clear, _) => clear,
        };
        self.clear_at_rest = clear;
    }

    /// Takes a sample, in time order. A null one changes nothing.
    pub fn handle(&mut self, t_ms: i64, value: Option<f64>, out: &mut Vec<EpisodeChange>) {
        if value.is_some() {
            self.step(t_ms, out, |engine, transitions| engine.handle(t_ms, value, transitions));
        }
    }

    pub fn advance(&mut self, now_ms: i64, out: &mut Vec<EpisodeChange>) {
        self.step(now_ms, out, |engine, transitions| engine.advance(now_ms, transitions));
    }

    /// The next instant at which `advance` would change something, if no sample comes before.
    pub fn deadline(&self) -> Option<i64> {
        let clear = self.active.and(self.clear).and_then(|clear| clear.deadline());
        [self.enter.deadline(), clear].into_iter().flatten().min()
    }

    /// The episode in progress, its `last_held` as known at `now_ms`.
    pub fn active(&self, now_ms: i64) -> Option<Active> {
        let active = self.active?;
        let last_held = self.enter.held_until(now_ms).unwrap_or(active.last_held).max(active.last_held);
        Some(Active { last_held, ..active })
    }

    /// How far the enter condition has come, after time has passed up to now: start and samples of its run.
    pub fn run(&self) -> Option<(i64, u32)> {
        self.enter.running().map(|(start, _)| (start, self.enter.run_samples()))
    }

    /// Since when the clear condition of an active episode has held.
    pub fn clearing_since(&self) -> Option<i64> {
        self.active.and(self.clear)?.running().map(|(start, _)| start)
    }

    fn step(
        &mut self,
        now_ms: i64,
        out: &mut Vec<EpisodeChange>,
        apply: impl Fn(&mut SustainedThreshold, &mut Vec<Transition>),
    ) {
        let held_until = self.enter.held_until(now_ms);
        if let (Some(active), Some(held)) = (&mut self.active, held_until) {
            active.last_held = active.last_held.max(held);
        }
        let mut entered = Vec::new();
        apply(&mut self.enter, &mut entered);
        for transition in entered {
            self.entered(transition, out);
        }
        // What cleared an episode came after what began it: the samples of one instant are seen by `enter` first.
        if let (Some(active), Some(clear)) = (self.active, &mut self.clear) {
            let mut cleared = Vec::new();
            apply(clear, &mut cleared);
            if let Some(Transition::Opened { qualified_at, .. }) = cleared.first() {
                let Active { start, last_held } = active;
                out.push(EpisodeChange::Ended { start, last_held, known_at: *qualified_at, by_gap: false });
                self.active = None;
                self.clear = self.clear_at_rest;
            }
        }
    }

    fn entered(&mut self, transition: Transition, out: &mut Vec<EpisodeChange>) {
        match transition {
            Transition::Opened { start, qualified_at } if self.active.is_none() => {
                self.active = Some(Active { start, last_held: qualified_at });
                out.push(EpisodeChange::Began { start, known_at: qualified_at });
            }
            Transition::Opened { .. } => {}
            Transition::Closed { start, end, by_gap } if self.clear.is_none() => {
                self.active = None;
                // A gap is proven by the first instant at which no sample continued the run.
                let known_at = end.saturating_add(i64::from(by_gap));
                out.push(EpisodeChange::Ended { start, last_held: end, known_at, by_gap });
            }
            Transition::Closed { end, .. } => {
                if let Some(active) = &mut self.active {
                    active.last_held = active.last_held.max(end);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
