//! Heart rate at rest in the night (clinical catalogue B5).

use std::collections::BTreeSet;

use painwatch_domain::Measure;
use painwatch_domain::time::{HOUR_MS, MINUTE_MS};

use super::{DailyValue, Frame, Observation, of_day, value_of};
use crate::metrics::night_signal::{MIN_VALID_MINUTES, NIGHT_MIN, Params, night_mean};

/// Steps over longer intervals do not tell which minutes were still.
const STEPS_TELL_WITHIN_MS: i64 = HOUR_MS;

/// The night's mean heart rate in minutes without a step; null with fewer than an hour of them, and on a day without step
/// data, which tell of no minute that it was still (as in `rest`).
pub(super) fn heart_rate(frame: &Frame, seen: &[&Observation]) -> Option<DailyValue> {
    let until = frame.zone.at(frame.day, NIGHT_MIN.end).0.min(frame.end);
    let night = frame.start..until;
    let moving = moving_minutes(seen);
    let still = |seen: &&&Observation| {
        seen.reading.measure == Measure::HeartRate
            && night.contains(&seen.time)
            && !moving.contains(&seen.time.div_euclid(MINUTE_MS))
    };
    let samples: Vec<&Observation> = seen.iter().filter(still).copied().collect();
    if samples.is_empty() {
        return None;
    }
    let minutes: BTreeSet<i64> = samples.iter().map(|seen| seen.time.div_euclid(MINUTE_MS)).collect();
    let enough = minutes.len() >= MIN_VALID_MINUTES;
    let rates: Vec<f64> = samples.iter().filter_map(|seen| seen.number()).collect();
    let known = !of_day(frame, seen, Measure::StepCount).is_empty();
    let mean = night_mean(&rates, &Params::CAUSAL).filter(|_| enough && known);
    let reason = match (known, enough) {
        (false, _) => "no_steps",
        (true, false) => "insufficient",
        (true, true) => "",
    };
    // One sample of hundreds is evidence enough of a mean.
    let value = value_of(frame, &samples[..1], mean, reason);
    let historical = samples.iter().all(|seen| seen.historical);
    let coverage = Some(minutes.len() as f64 / NIGHT_MIN.len() as f64);
    Some(DailyValue { n: minutes.len() as u32, coverage, historical, ..value })
}

fn moving_minutes(seen: &[&Observation]) -> BTreeSet<i64> {
    let steps = seen.iter().filter(|seen| seen.reading.measure == Measure::StepCount);
    let spans = steps.filter(|seen| seen.reading.value.number().is_some_and(|steps| steps > 0));
    let spans = spans.filter_map(|seen| Some((seen.time, seen.end()?)));
    let short = spans.filter(|(start, end)| end - start <= STEPS_TELL_WITHIN_MS);
    short.flat_map(|(start, end)| start.div_euclid(MINUTE_MS)..=(end - 1).div_euclid(MINUTE_MS)).collect()
}
