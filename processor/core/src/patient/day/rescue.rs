//! A week of rescue doses and what followed them (clinical catalogue E6).

use painwatch_domain::Measure;
use painwatch_domain::reading::DoseEvent;

use super::{Frame, Observation, Values, value_of};
use crate::metrics::severe_pain;

/// The response to rescue over the seven days that end with this one.
pub(super) fn rescue(frame: &Frame, seen: &[&Observation]) -> Values {
    let doses: Vec<i64> = rescue_doses(frame, seen);
    if !frame.closed || doses.is_empty() {
        return Values::new();
    }
    let reports: Vec<&Observation> =
        seen.iter().filter(|seen| seen.reading.measure == Measure::PainNrs).copied().collect();
    let (response, pairs) = severe_pain::median_response(&severe_pain::responses(&nrs(&reports), &doses));
    let reason = if response.is_some() { "" } else { "insufficient" };
    let mut value = value_of(frame, &[], response, reason);
    value.n = pairs as u32;
    value.historical = reports.iter().all(|seen| seen.historical);
    Values::from([("pain_nrs.rescue_response".to_owned(), value)])
}

/// (time, score) of reports, as they are ordered.
pub(super) fn nrs(readings: &[&Observation]) -> Vec<(i64, f64)> {
    readings.iter().filter_map(|seen| Some((seen.time, seen.number()?))).collect()
}

/// Times of doses taken as needed that count in sums.
pub(super) fn rescue_doses(frame: &Frame, seen: &[&Observation]) -> Vec<i64> {
    let taken = |seen: &&&Observation| {
        let dose = seen.reading.about.dose.as_ref().filter(|_| !seen.undecided);
        dose.is_some_and(|dose| {
            matches!(dose.event, DoseEvent::Taken | DoseEvent::Applied)
                && frame.roster.prescriptions.of_patient(&frame.person.id).any(|order| {
                    order.medication == dose.medication
                        && order.prn.is_some()
                        && order.start.0 <= seen.time
                        && order.end.is_none_or(|end| seen.time < end.0)
                })
        })
    };
    seen.iter().filter(taken).map(|seen| seen.time).collect()
}
