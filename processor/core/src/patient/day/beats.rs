//! Heart-rate variability from intervals between beats: of the night, and of recordings at rest (clinical catalogue D1 to D3).

use painwatch_domain::Measure;

use super::minutes::speaker;
use super::{DailyValue, Frame, Observation, Values, value_of};
use crate::metrics::hrv_night::{MIN_WINDOWS, hrv_night};
use crate::metrics::hrv_spot::hrv_spots;
use crate::metrics::night_signal::NIGHT_MIN;

pub(super) fn beats(frame: &Frame, seen: &[&Observation]) -> Values {
    if !frame.closed {
        return Values::new();
    }
    let until = frame.zone.at(frame.day, NIGHT_MIN.end).0.min(frame.end);
    let (mut values, windows) = night(frame, seen, until);
    // Short pieces of a night that was recorded whole are no recordings at rest.
    let from = if windows >= MIN_WINDOWS { until } else { frame.start };
    values.extend(spots(frame, seen, from));
    values
}

/// Beats between two instants, of the one device that speaks for them.
fn of_one_device<'a>(frame: &Frame, seen: &[&'a Observation], (from, until): (i64, i64)) -> Vec<&'a Observation> {
    let inside =
        |seen: &&&Observation| seen.reading.measure == Measure::RrInterval && (from..until).contains(&seen.time);
    let all: Vec<&Observation> = seen.iter().filter(inside).copied().collect();
    let Some(device) = speaker(frame, &all, Measure::RrInterval) else { return Vec::new() };
    all.iter().filter(|seen| seen.reading.device == *device).copied().collect()
}

fn intervals(own: &[&Observation]) -> Vec<(i64, f64)> {
    own.iter().filter_map(|seen| Some((seen.time, seen.number()?))).collect()
}

/// Only an electrocardiogram sees the heart itself: from a pulse it is pulse-rate variability.
fn quality(frame: &Frame, own: &[&Observation]) -> String {
    let kind = own.first().and_then(|seen| frame.roster.devices.get(&seen.reading.device));
    let is_ecg = kind.is_some_and(|known| known.kind.to_lowercase().contains("ecg"));
    if is_ecg { "" } else { "pulse_rate_variability" }.to_owned()
}

fn told(frame: &Frame, own: &[&Observation], rows: &[(&str, Option<f64>)], n: usize) -> Values {
    let value = |(method, value): &(&str, Option<f64>)| {
        let reason = if value.is_some() { "" } else { "insufficient" };
        let base = value_of(frame, own, *value, reason);
        let told = DailyValue { n: n as u32, quality: quality(frame, own), evidence: Vec::new(), ..base };
        (format!("rr_interval.{method}"), told)
    };
    rows.iter().map(value).collect()
}

fn night(frame: &Frame, seen: &[&Observation], until: i64) -> (Values, usize) {
    let own = of_one_device(frame, seen, (frame.start, until));
    if own.is_empty() {
        return (Values::new(), 0);
    }
    let found = hrv_night(&intervals(&own), frame.start);
    let rows = [
        ("night_rmssd", found.rmssd),
        ("night_sdnn", found.sdnn),
        ("night_pnn50", found.pnn50),
        ("night_artefact_pct", found.artefact_pct),
    ];
    (told(frame, &own, &rows, found.windows), found.windows)
}

/// A day without a recording at rest has no row of one.
fn spots(frame: &Frame, seen: &[&Observation], from: i64) -> Values {
    let own = of_one_device(frame, seen, (from, frame.end));
    let found = hrv_spots(&intervals(&own));
    if found.spots + found.rejected == 0 {
        return Values::new();
    }
    let rows = [("spot_rmssd", found.rmssd), ("spot_pnn50", found.pnn50), ("spot_sdnn", found.sdnn)];
    let needed = rows.into_iter().filter(|(method, value)| *method != "spot_sdnn" || value.is_some());
    told(frame, &own, &needed.collect::<Vec<_>>(), found.spots)
}
