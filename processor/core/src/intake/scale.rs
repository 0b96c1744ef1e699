//! Whose weight it is, where several people are paired with one scale at once (semantics 8), and whether a weight is to
//! be believed of its wearer (semantics 6). A pure function of the scale's weighings in order of event time: late data
//! mean that it is asked again, not that anything is remembered.

use std::collections::BTreeMap;

use painwatch_domain::PatientId;
use painwatch_domain::time::DAY_MS;

/// How far back a person's weights speak for the next one (clinical catalogue A7).
const PAST_MS: i64 = 28 * DAY_MS;
/// A weight within this share of the median of a person's past fits it (clinical catalogue A7, G: body weight).
const FITS_PERCENT: i128 = 7;
/// Of two people whom a weight fits, one has to be so much nearer, or nobody can tell.
const NEARER: i128 = 2;

/// A weight as it was taken, at the measure's scale, in order of event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    pub time: i64,
    pub scaled: i64,
    /// Stamped by a clock that is known to be wrong: attributed like any other, but no past (semantics 7).
    pub doubtful: bool,
}

/// The weights of each person so far.
#[derive(Default)]
struct Past<'a>(BTreeMap<&'a PatientId, Vec<Weight>>);

impl Past<'_> {
    /// How far a weight lies from a person's past; `None` where that is further than it may be, or there is none.
    fn distance(&self, person: &PatientId, weight: Weight) -> Option<i64> {
        let since = weight.time.saturating_sub(PAST_MS)..weight.time;
        let known = self.0.get(person)?.iter().filter(|past| since.contains(&past.time)).map(|past| past.scaled);
        distance(median(known.collect())?, weight.scaled)
    }
}

pub(crate) fn median(mut weights: Vec<i64>) -> Option<i64> {
    weights.sort_unstable();
    let middle = weights.len() / 2;
    match (weights.len() % 2, weights.get(middle)?) {
        (1, upper) => Some(*upper),
        (_, upper) => Some(weights[middle - 1].midpoint(*upper)),
    }
}

/// How far a weight lies from a median; `None` where that is more than 7 % of it.
pub(crate) fn distance(median: i64, scaled: i64) -> Option<i64> {
    let apart = scaled.saturating_sub(median).saturating_abs();
    (i128::from(apart) * 100 <= i128::from(median) * FITS_PERCENT).then_some(apart)
}

/// Whose each weight is. `paired` names who was paired with the scale at a time: where that is one person it is theirs,
/// whatever it weighs; where it is several, theirs whose past it fits, and nobody's if that cannot be told.
pub fn attribute<'a>(weights: &[Weight], paired: impl Fn(i64) -> Vec<&'a PatientId>) -> Vec<Option<&'a PatientId>> {
    let mut past = Past::default();
    let mut owners = Vec::with_capacity(weights.len());
    for weight in weights {
        let owner = match paired(weight.time).as_slice() {
            [only] => Some(*only),
            several => nearest(&past, several, *weight),
        };
        owners.push(owner);
        if let Some(owner) = owner.filter(|_| !weight.doubtful) {
            past.0.entry(owner).or_default().push(*weight);
        }
    }
    owners
}

fn nearest<'a>(past: &Past<'_>, several: &[&'a PatientId], weight: Weight) -> Option<&'a PatientId> {
    let fits = |person: &&'a PatientId| past.distance(person, weight).map(|apart| (apart, *person));
    let mut fitting: Vec<(i64, &PatientId)> = several.iter().filter_map(fits).collect();
    fitting.sort_unstable();
    match fitting.as_slice() {
        [] => None,
        [(_, only)] => Some(*only),
        [(near, owner), (far, _), ..] => (i128::from(*near) * NEARER < i128::from(*far)).then_some(*owner),
    }
}

/// Whether the last of a person's weights may be another's: further from the median of their past than a body goes in a
/// day, and weighed less than a day after one that was not (clinical catalogue A7).
pub fn is_doubtful(weights: &[Weight]) -> bool {
    let Some((last, before)) = weights.split_last() else { return false };
    let past = |since_ms: i64| {
        let window = last.time.saturating_sub(since_ms)..last.time;
        before
            .iter()
            .filter(move |weight| !weight.doubtful && window.contains(&weight.time))
            .map(|weight| weight.scaled)
    };
    let Some(median) = median(past(PAST_MS).collect()) else { return false };
    distance(median, last.scaled).is_none() && past(DAY_MS).any(|scaled| distance(median, scaled).is_some())
}

#[cfg(test)]
mod tests;
