//! The night that ends on the day (clinical catalogue section 0, C5).

use painwatch_domain::{LocalDay, Measure};

use super::{Frame, Observation, SOURCES_OVERLAP, Values, intervals, value_of};
use crate::metrics::interval_merge;

/// Minutes asleep in the night of this date: noon the day before to noon. Each instant is slept once, whoever tells it
/// (semantics 9); hours without their interval are somebody's memory and speak where nobody measured.
pub(super) fn sleep(frame: &Frame, seen: &[&Observation]) -> Values {
    let noon = |day: LocalDay| frame.zone.at(day, 12 * 60).0;
    let (from, to) = (noon(frame.day.plus(-1)), noon(frame.day));
    // A sleep until noon was slept before it; a report at noon is of what follows.
    let in_night = |seen: &Observation| match seen.end() {
        Some(end) => from < end && end <= to,
        None => (from..to).contains(&seen.time),
    };
    let ended = |seen: &&&Observation| seen.reading.measure == Measure::TotalSleepTime && in_night(seen);
    let readings: Vec<_> = seen.iter().filter(ended).copied().collect();
    if readings.is_empty() || !frame.closed {
        return Values::new();
    }
    let (measured, remembered): (Vec<_>, Vec<_>) = readings.iter().copied().partition(|seen| seen.end().is_some());
    let source = |seen: &Observation| (frame.source_priority(&seen.reading.device), seen.reading.device.clone());
    let (asleep, all_believed) = if measured.is_empty() {
        let best = remembered.iter().map(|seen| source(seen)).min();
        let of_best = remembered.iter().filter(|seen| Some(source(seen)) == best);
        let counts: Vec<i64> = of_best.filter_map(|seen| seen.reading.value.number()).collect();
        (Some(counts.iter().sum()), counts.len() == remembered.len())
    } else {
        let told = interval_merge::merge(&intervals(frame, &measured));
        (interval_merge::total(&told), remembered.is_empty() && !told.iter().any(|one| one.reduced))
    };
    let minutes = asleep.map(|asleep| Measure::TotalSleepTime.to_canonical(asleep));
    let mut value = value_of(frame, &readings, minutes, "");
    value.quality = if all_believed { "" } else { SOURCES_OVERLAP }.to_owned();
    Values::from([("total_sleep_time.daily_sum".to_owned(), value)])
}
