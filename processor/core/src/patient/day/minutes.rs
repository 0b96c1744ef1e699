//! A device's day cut into minutes.

use painwatch_domain::time::MINUTE_MS;
use painwatch_domain::{DeviceId, Measure};

use super::{Frame, Observation};

/// The device that speaks for the time where several measure the same: the smallest source priority, then the id. Minutes
/// of two devices are never mixed: thresholds and baselines belong to one.
pub(super) fn speaker<'a>(frame: &Frame, seen: &[&'a Observation], measure: Measure) -> Option<&'a DeviceId> {
    let devices = seen.iter().filter(|seen| seen.reading.measure == measure).map(|seen| &seen.reading.device);
    devices.min_by_key(|device| (frame.source_priority(device), *device))
}

/// Counts of each whole minute of `[from, to)`; missing where its intervals do not fill it. Longer intervals than a minute
/// say nothing about one.
pub(super) fn counts(readings: &[&Observation], from: i64, to: i64) -> Vec<Option<u32>> {
    let length = usize::try_from((to - from) / MINUTE_MS).unwrap_or(0);
    let (mut sums, mut filled) = (vec![0u64; length], vec![0i64; length]);
    for seen in readings {
        let Some((end, count)) = seen.end().zip(seen.reading.value.number()) else { continue };
        let minute = (seen.time - from).div_euclid(MINUTE_MS);
        let Some(at) = usize::try_from(minute).ok().filter(|at| *at < length) else { continue };
        if (end - 1 - from).div_euclid(MINUTE_MS) == minute && !seen.undecided {
            sums[at] += u64::try_from(count).unwrap_or(0);
            filled[at] += end - seen.time;
        }
    }
    let minute = |(sum, filled): (u64, i64)| (filled == MINUTE_MS).then(|| u32::try_from(sum).unwrap_or(u32::MAX));
    sums.into_iter().zip(filled).map(minute).collect()
}
