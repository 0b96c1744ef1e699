//! The day's weight (clinical catalogue A7).

use painwatch_domain::{EventTime, Measure};

use super::{DailyValue, Frame, Observation, Values, of_day, value_of};
use crate::metrics::weight_gain::{self, Weighing};

pub(super) fn weight(frame: &Frame, seen: &[&Observation]) -> Values {
    let readings = of_day(frame, seen, Measure::BodyWeight);
    let weighing = |seen: &&Observation| {
        let minute_of_day = frame.zone.minute_of_day(EventTime(seen.time));
        Some(Weighing { time_ms: seen.time, minute_of_day, kg: seen.number()? })
    };
    let weighings: Vec<_> = readings.iter().filter_map(weighing).collect();
    let Some(kg) = weight_gain::day_value(&weighings) else { return Values::new() };
    let newest = readings.iter().map(|seen| seen.time).max().unwrap_or(frame.start);
    let value = DailyValue { held_at: newest, ..value_of(frame, &readings, Some(kg), "") };
    Values::from([("body_weight.day_value".to_owned(), value)])
}
