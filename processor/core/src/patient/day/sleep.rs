//! The night that ends on the day (clinical catalogue section 0, C5).

use painwatch_domain::{LocalDay, Measure};

use super::{Frame, Observation, Values, value_of};

/// Minutes asleep in the night of this date: noon the day before to noon.
pub(super) fn sleep(frame: &Frame, seen: &[&Observation]) -> Values {
    let noon = |day: LocalDay| frame.zone.at(day, 12 * 60).0;
    let night = noon(frame.day.plus(-1))..noon(frame.day);
    let ended = |seen: &&&Observation| {
        seen.reading.measure == Measure::TotalSleepTime && night.contains(&seen.end().unwrap_or(seen.time))
    };
    let readings: Vec<_> = seen.iter().filter(ended).copied().collect();
    if readings.is_empty() || !frame.closed {
        return Values::new();
    }
    let minutes: i64 = readings.iter().filter_map(|seen| seen.reading.value.number()).sum();
    let value = value_of(frame, &readings, Some(Measure::TotalSleepTime.to_canonical(minutes)), "");
    Values::from([("total_sleep_time.daily_sum".to_owned(), value)])
}
