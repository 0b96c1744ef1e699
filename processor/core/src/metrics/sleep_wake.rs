//! What the sleep-wake algorithms and the summary of a night have in common (clinical catalogue C4, C5).
//!
//! Definition: a minute is asleep, awake, or unknown; unknown is never awake and never asleep.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Asleep,
    Awake,
}

impl State {
    pub const fn asleep_if(asleep: bool) -> Self {
        if asleep { Self::Asleep } else { Self::Awake }
    }

    /// As actigraphs print it.
    pub const fn letter(self) -> char {
        match self {
            Self::Asleep => 'S',
            Self::Awake => 'W',
        }
    }
}

/// Applies an algorithm to each stretch of minutes without a gap.
pub fn in_stretches(counts: &[Option<u32>], algorithm: impl Fn(&[u32]) -> Vec<State>) -> Vec<Option<State>> {
    let mut states = Vec::with_capacity(counts.len());
    for stretch in counts.chunk_by(|a, b| a.is_some() == b.is_some()) {
        let present: Vec<u32> = stretch.iter().flatten().copied().collect();
        match present.is_empty() {
            true => states.extend(vec![None; stretch.len()]),
            false => states.extend(algorithm(&present).into_iter().map(Some)),
        }
    }
    states
}
