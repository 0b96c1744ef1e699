//! Medians of the day's vital signs.

use painwatch_domain::Measure;

use super::{Frame, Group, Observation, Values, of_day, value_of};
use crate::metrics::summary_stats::{median, sorted_present};

pub(super) fn vitals(frame: &Frame, seen: &[&Observation]) -> Values {
    let daily_median = |measure: &Measure| {
        let readings = of_day(frame, seen, *measure);
        let numbers: Vec<_> = readings.iter().map(|seen| seen.number()).collect();
        let middle = median(&sorted_present(&numbers))?;
        Some((format!("{}.daily_median", measure.name()), value_of(frame, &readings, Some(middle), "")))
    };
    if frame.closed { Group::Vitals.measures().iter().filter_map(daily_median).collect() } else { Values::new() }
}
