//! Pulse at rest by the bands of NEWS2 (clinical catalogue A8): those bands are the only limits, so that two places cannot
//! disagree.
//!
//! Definition: the greatest number of points that samples outside minutes of walking kept for 10 min, each held 90 s. A day
//! without step data tells nothing about rest. A day that goes on is judged by what has come of it: steps that come later than
//! the pulse they explain take back what it told.

use painwatch_domain::Measure;
use painwatch_domain::time::{MINUTE_MS, SECOND_MS};

use super::{DailyValue, Frame, Observation, Values, value_of};
use crate::metrics::news2;
use crate::metrics::oivi::Sustained;
use crate::metrics::sustained_threshold::Comparison;

/// A longer step interval does not tell which of its minutes were walked.
const WALK_MAX_MS: i64 = 15 * MINUTE_MS;

pub(super) fn rest(frame: &Frame, seen: &[&Observation]) -> Values {
    let of = |measure: Measure| seen.iter().filter(move |seen| seen.reading.measure == measure);
    let in_day = of(Measure::HeartRate).any(|seen| frame.contains(seen.time));
    let known = of(Measure::StepCount).any(|seen| frame.contains(seen.time));
    // Before the day is over, steps may still come.
    if !in_day || !(known || frame.closed) {
        return Values::new();
    }
    let walks: Vec<(i64, i64)> = of(Measure::StepCount)
        .filter(|seen| seen.number().is_some_and(|steps| steps > 0.0))
        .filter_map(|seen| Some((seen.time, seen.end()?)))
        .filter(|(from, until)| until - from <= WALK_MAX_MS)
        .collect();
    let points = |seen: &&Observation| {
        let rate = news2::half_up(seen.number()?, 0)?;
        Some((seen.time, f64::from(news2::pulse(rate))))
    };
    let at_rest = of(Measure::HeartRate).filter(|seen| !walked(&walks, seen.time));
    let points: Vec<(i64, f64)> = at_rest.filter_map(points).collect();
    let sustained = |least: f64| {
        let rule = Sustained {
            comparison: Comparison::AtLeast(least),
            for_ms: 10 * MINUTE_MS,
            hold_ms: 90 * SECOND_MS,
            min_samples: 2,
        };
        rule.episodes(&points).iter().map(|(_, end)| *end).filter(|end| *end > frame.start).max()
    };
    let worst = [3.0, 2.0, 1.0].into_iter().find_map(|least| Some((least, sustained(least)?)));
    let (value, held_at) = worst.unwrap_or((0.0, frame.end));
    let reason = if known { "" } else { "no_steps" };
    let rated: Vec<&Observation> = of(Measure::HeartRate).copied().collect();
    let value = value_of(frame, &rated, Some(value).filter(|_| known), reason);
    let value = DailyValue { n: points.len() as u32, held_at: held_at.min(frame.end).min(frame.now), ..value };
    Values::from([("heart_rate.rest_score".to_owned(), value)])
}

/// `walks` in ascending order of their start.
fn walked(walks: &[(i64, i64)], time: i64) -> bool {
    let begun = walks.partition_point(|(from, _)| *from <= time);
    let near = walks[..begun].iter().rev().take_while(|(from, _)| time - from < WALK_MAX_MS);
    near.into_iter().any(|(_, until)| time < *until)
}
