//! Heart-rate variability of the night from intervals between beats (clinical catalogue D1 to D3).

use painwatch_domain::Measure;

use super::minutes::speaker;
use super::{DailyValue, Frame, Observation, Values, value_of};
use crate::metrics::hrv_night::hrv_night;
use crate::metrics::night_signal::NIGHT_MIN;

pub(super) fn beats(frame: &Frame, seen: &[&Observation]) -> Values {
    let until = frame.zone.at(frame.day, NIGHT_MIN.end).0.min(frame.end);
    let in_night =
        |seen: &&&Observation| seen.reading.measure == Measure::RrInterval && (frame.start..until).contains(&seen.time);
    let night: Vec<&Observation> = seen.iter().filter(in_night).copied().collect();
    let Some(device) = speaker(frame, &night, Measure::RrInterval).filter(|_| frame.closed) else {
        return Values::new();
    };
    let own: Vec<&Observation> = night.into_iter().filter(|seen| seen.reading.device == *device).collect();
    let intervals: Vec<(i64, f64)> = own.iter().filter_map(|seen| Some((seen.time, seen.number()?))).collect();
    let told = hrv_night(&intervals, frame.start);
    // Only an electrocardiogram sees the heart itself: from a pulse it is pulse-rate variability.
    let kind = frame.roster.devices.get(device).map_or_else(String::new, |known| known.kind.to_lowercase());
    let quality = if kind.contains("ecg") { "" } else { "pulse_rate_variability" };
    let value = |method: &str, value: Option<f64>| {
        let reason = if value.is_some() { "" } else { "insufficient" };
        let base = value_of(frame, &own, value, reason);
        let told = DailyValue { n: told.windows as u32, quality: quality.to_owned(), evidence: Vec::new(), ..base };
        (format!("rr_interval.{method}"), told)
    };
    Values::from([
        value("night_rmssd", told.rmssd),
        value("night_sdnn", told.sdnn),
        value("night_pnn50", told.pnn50),
        value("night_artefact_pct", told.artefact_pct),
    ])
}
