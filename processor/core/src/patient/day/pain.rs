//! The day's pain reports (clinical catalogue F1).

use painwatch_domain::{Flags, Measure};

use super::{DailyValue, Frame, Group, Observation, Values, of_day, value_of};
use crate::metrics::pain_summary::{self, Report};

pub(super) fn pain(frame: &Frame, seen: &[&Observation]) -> Values {
    let mut values = Values::new();
    for measure in Group::Pain.measures() {
        let readings = of_day(frame, seen, *measure);
        if readings.is_empty() {
            continue;
        }
        let report = |seen: &&Observation| {
            let date_only = seen.reading.flags.has(Flags::DATE_ONLY);
            Some(Report { time_ms: seen.time, score: seen.number()?, date_only, prompted: seen.reading.about.prompted })
        };
        let reports: Vec<_> = readings.iter().filter_map(report).collect();
        let day = pain_summary::day(&reports, frame.end);
        let name = measure.name();
        let mut put = |method: &str, value: Option<f64>, held_at: i64, readings: &[&Observation]| {
            let reason = if value.is_some() { "" } else { "insufficient" };
            let value = DailyValue { held_at, ..value_of(frame, readings, value, reason) };
            values.insert(format!("{name}.{method}"), value);
        };
        let worst: Vec<_> = readings.iter().filter(|seen| seen.number() == day.summary.worst).copied().collect();
        let worst_at =
            worst.iter().map(|seen| seen.end().map_or(seen.time, |end| end - 1)).max().unwrap_or(frame.start);
        put("daily_worst", day.summary.worst, worst_at, &worst);
        if frame.closed {
            let valid = |value: Option<f64>| value.filter(|_| day.valid);
            put("daily_mean", valid(day.daily_mean()), frame.end, &readings);
            if *measure == Measure::PainNrs {
                put("frac_severe", valid(day.summary.frac_severe), frame.end, &readings);
                put("auc_24h", valid(day.summary.auc_h), frame.end, &readings);
            }
        }
    }
    values
}
