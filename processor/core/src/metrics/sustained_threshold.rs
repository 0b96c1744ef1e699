//! Sustained threshold, the engine of the ventilation rules (clinical catalogue A2; any "holds for" rule).
//!
//! Definition: each non-null sample is held until the next one, at most `max_hold`. An episode is a maximal run of held
//! samples whose value satisfies the comparison, at least `min_duration` long. Null samples are skipped: they neither
//! hold nor break. A gap longer than `max_hold` ends the run at last sample + `max_hold`; a sample exactly `max_hold`
//! after the last one continues it.
//!
//! Replaces the tempting design that compares arrival times and counts bad samples: a batch that arrives late, or twice,
//! must give the same episode as the same samples one by one.

use serde::{Deserialize, Serialize};

/// Exact on decimals: a stored integer at its measure's scale and the limit's text both become the nearest `f64`, which
/// keeps their order and their equality up to 15 digits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Comparison {
    Below(f64),
    AtMost(f64),
    Above(f64),
    AtLeast(f64),
    /// Strictly below `lo` or strictly above `hi`.
    Outside {
        lo: f64,
        hi: f64,
    },
    /// From `lo` to `hi`, both included: what clears `Outside`.
    Within {
        lo: f64,
        hi: f64,
    },
}

impl Comparison {
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::Below(limit) => value < limit,
            Self::AtMost(limit) => value <= limit,
            Self::Above(limit) => value > limit,
            Self::AtLeast(limit) => value >= limit,
            Self::Outside { lo, hi } => value < lo || value > hi,
            Self::Within { lo, hi } => lo <= value && value <= hi,
        }
    }

    /// How far a value is from where the comparison turns, in the value's unit: positive while it does not hold, negative
    /// beyond. Exactly on the limit it is 0, and [`Self::holds`] says on which side that is.
    pub const fn distance(self, value: f64) -> f64 {
        match self {
            Self::Below(limit) | Self::AtMost(limit) => value - limit,
            Self::Above(limit) | Self::AtLeast(limit) => limit - value,
            Self::Outside { lo, hi } => (value - lo).min(hi - value),
            Self::Within { lo, hi } => (lo - value).max(value - hi),
        }
    }

    /// The limit nearest to a value.
    pub fn nearest_limit(self, value: f64) -> f64 {
        match self {
            Self::Below(limit) | Self::AtMost(limit) | Self::Above(limit) | Self::AtLeast(limit) => limit,
            Self::Outside { lo, hi } | Self::Within { lo, hi } => {
                if (value - lo).abs() <= (hi - value).abs() {
                    lo
                } else {
                    hi
                }
            }
        }
    }

    /// Which of two values is the more extreme in the direction of the comparison.
    pub fn worse(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Below(_) | Self::AtMost(_) => a.min(b),
            Self::Above(_) | Self::AtLeast(_) => a.max(b),
            Self::Outside { lo, hi } | Self::Within { lo, hi } => {
                let beyond = |value: f64| (lo - value).max(value - hi);
                if beyond(a) >= beyond(b) { a } else { b }
            }
        }
    }
}

impl std::fmt::Display for Comparison {
    /// As a person reads it: `< 90`, `outside 40 to 130`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Below(limit) => write!(f, "< {limit}"),
            Self::AtMost(limit) => write!(f, "<= {limit}"),
            Self::Above(limit) => write!(f, "> {limit}"),
            Self::AtLeast(limit) => write!(f, ">= {limit}"),
            Self::Outside { lo, hi } => write!(f, "outside {lo} to {hi}"),
            Self::Within { lo, hi } => write!(f, "{lo} to {hi}"),
        }
    }
}

/// What became true. Times are event times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The duration is reached; the run still lasts, or its `Closed` follows at once.
    Opened { start: i64, qualified_at: i64 },
    /// A run that had opened ended. `by_gap`: samples stopped coming, nobody saw it end.
    Closed { start: i64, end: i64, by_gap: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    start: i64,
    samples: u32,
    opened: bool,
}

/// The whole state: copy it to snapshot, store the copy to restore. Samples must come in time order; one older than the
/// newest seen is ignored here, because late truth is judged by folding the day again (semantics 13).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SustainedThreshold {
    comparison: Comparison,
    min_duration_ms: i64,
    max_hold_ms: i64,
    min_samples: u32,
    /// Newest non-null sample.
    last: Option<i64>,
    run: Option<Run>,
}

impl SustainedThreshold {
    pub const fn new(comparison: Comparison, min_duration_ms: i64, max_hold_ms: i64) -> Self {
        Self { comparison, min_duration_ms, max_hold_ms, min_samples: 1, last: None, run: None }
    }

    /// A run must also hold at least this many samples (a rule's `min_data`).
    #[must_use]
    pub const fn with_min_samples(mut self, samples: u32) -> Self {
        self.min_samples = samples;
        self
    }

    /// These limits, at the point that `other` has reached under its own.
    pub const fn continuing(mut self, other: &Self) -> Self {
        self.last = other.last;
        self.run = other.run;
        self
    }

    /// Takes a sample. A null one changes nothing.
    pub fn handle(&mut self, t_ms: i64, value: Option<f64>, out: &mut Vec<Transition>) {
        let Some(value) = value else { return };
        if self.last.is_some_and(|last| t_ms < last) {
            return;
        }
        self.advance(t_ms, out);
        self.last = Some(t_ms);
        if self.comparison.holds(value) {
            let run = self.run.get_or_insert(Run { start: t_ms, samples: 0, opened: false });
            run.samples = run.samples.saturating_add(1);
            self.open_if_due(t_ms, out);
        } else {
            self.close(t_ms, false, out);
        }
    }

    /// Lets time pass: says what follows from no sample having come until `now_ms`.
    pub fn advance(&mut self, now_ms: i64, out: &mut Vec<Transition>) {
        let (Some(_), Some(last)) = (self.run, self.last) else { return };
        let held_until = last.saturating_add(self.max_hold_ms);
        self.open_if_due(now_ms.min(held_until), out);
        if now_ms > held_until {
            self.close(held_until, true, out);
        }
    }

    /// The record ends here: a run still open is known to last until its last sample and no longer.
    pub fn finish(&mut self, out: &mut Vec<Transition>) {
        if let Some(last) = self.last {
            self.close(last, false, out);
        }
    }

    /// The next instant at which `advance` would say or end something, if no sample comes before.
    pub fn deadline(&self) -> Option<i64> {
        let (run, last) = (self.run?, self.last?);
        let held_until = last.saturating_add(self.max_hold_ms);
        let due = run.start.saturating_add(self.min_duration_ms);
        let opens = !run.opened && run.samples >= self.min_samples && due <= held_until;
        Some(if opens { due } else { held_until.saturating_add(1) })
    }

    /// Start of the run in progress and whether it has opened.
    pub fn running(&self) -> Option<(i64, bool)> {
        self.run.map(|run| (run.start, run.opened))
    }

    /// Samples of the run in progress.
    pub fn run_samples(&self) -> u32 {
        self.run.map_or(0, |run| run.samples)
    }

    /// Up to when the run in progress is known to hold, seen from `now_ms`.
    pub fn held_until(&self, now_ms: i64) -> Option<i64> {
        self.run?;
        Some(now_ms.min(self.last?.saturating_add(self.max_hold_ms)))
    }

    fn open_if_due(&mut self, held_to: i64, out: &mut Vec<Transition>) {
        let Some(run) = self.run.as_mut().filter(|run| !run.opened && run.samples >= self.min_samples) else { return };
        let due = run.start.saturating_add(self.min_duration_ms);
        if held_to < due {
            return;
        }
        run.opened = true;
        // With a sample minimum the proof may come later than the duration: with the sample that completes it.
        let proof = self.last.unwrap_or(due);
        out.push(Transition::Opened { start: run.start, qualified_at: due.max(proof) });
    }

    fn close(&mut self, end: i64, by_gap: bool, out: &mut Vec<Transition>) {
        if let Some(run) = self.run.take().filter(|run| run.opened) {
            out.push(Transition::Closed { start: run.start, end, by_gap });
        }
    }
}

#[cfg(test)]
mod tests;
