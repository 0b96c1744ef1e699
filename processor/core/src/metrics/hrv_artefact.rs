//! Beats that are no normal ones (clinical catalogue D2; Malik 1996).
//!
//! Definition: a beat is rejected outside 300 to 2000 ms; by Malik's rule where |rr[i+1] - rr[i]| > 0.2·rr[i], against the raw
//! beat before it, and the beat right after a rejected one is accepted unchecked. Differences never span a rejected beat.

/// Which beats count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Range,
    Malik,
    /// Both: what patients get.
    Both,
}

pub const RANGE_MS: std::ops::RangeInclusive<f64> = 300.0..=2000.0;
const MALIK: f64 = 0.2;

/// Whether each beat of a gap-free recording counts.
pub fn valid(rr_ms: &[f64], rule: Rule) -> Vec<bool> {
    let mut valid = Vec::with_capacity(rr_ms.len());
    let mut unchecked = true;
    for (at, rr) in rr_ms.iter().enumerate() {
        let before = at.checked_sub(1).map_or(*rr, |before| rr_ms[before]);
        let by_malik = unchecked || (rr - before).abs() <= MALIK * before;
        unchecked = !by_malik;
        valid.push((rule == Rule::Range || by_malik) && (rule == Rule::Malik || RANGE_MS.contains(rr)));
    }
    valid
}

/// The beats that count, in place; the others missing.
pub fn cleaned(rr_ms: &[f64], rule: Rule) -> Vec<Option<f64>> {
    rr_ms.iter().zip(valid(rr_ms, rule)).map(|(rr, valid)| valid.then_some(*rr)).collect()
}

/// Share of rejected beats in percent; null without a beat.
pub fn artefact_pct(cleaned: &[Option<f64>]) -> Option<f64> {
    let rejected = cleaned.iter().filter(|beat| beat.is_none()).count();
    (!cleaned.is_empty()).then(|| 100.0 * rejected as f64 / cleaned.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beat_after_a_rejected_one_is_accepted_unchecked_and_20_percent_are_kept() {
        assert_eq!(
            valid(&[800.0, 800.0, 400.0, 400.0, 800.0, 800.0], Rule::Malik),
            [true, true, false, true, false, true]
        );
        assert_eq!(valid(&[1000.0, 1200.0, 960.0], Rule::Malik), [true, true, true]);
        assert_eq!(valid(&[300.0, 2000.0, 299.0, 2001.0], Rule::Range), [true, true, false, false]);
        assert_eq!((cleaned(&[250.0, 800.0], Rule::Both), artefact_pct(&[])), (vec![None, None], None));
    }
}
