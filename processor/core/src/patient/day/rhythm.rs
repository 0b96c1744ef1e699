//! Rhythms of the week that ends with a Sunday (clinical catalogue B10, C6, C7). Shown, never alerted on: computed once a
//! week, so that no day pays for the seven it would have to read.

use std::ops::Range;

use painwatch_domain::time::MINUTE_MS;
use painwatch_domain::{LocalDay, Measure};

use super::counts::worn;
use super::minutes::{self, speaker};
use super::stages::{self, in_bed};
use super::{DailyValue, Frame, Observation, Values, value_of};
use crate::metrics::circadian::{self, DAY_MIN, circadian};
use crate::metrics::cole_kripke;
use crate::metrics::cosinor::{self, Cosinor, PERIOD_H};
use crate::metrics::sleep_regularity::{self, sleep_regularity};
use crate::metrics::sleep_wake::State;
use crate::metrics::summary_stats::{mean, sorted_present};

pub const DAYS: i32 = 7;

/// A day of a rhythm has this many valid hours: the practice of 24-h protocols (GGIR).
const MIN_VALID_HOURS: usize = 16;

/// Whether a week ends with the day: with a Sunday.
pub const fn ends_week(day: i32) -> bool {
    // 1970-01-01, day 0, was a Thursday.
    day.rem_euclid(7) == 3
}

pub(super) fn rhythm(frame: &Frame, seen: &[&Observation]) -> Values {
    let mut values = Values::new();
    if !frame.closed || !ends_week(frame.day.0) {
        return values;
    }
    for measure in [Measure::StepCount, Measure::ActivityCount] {
        activity(frame, seen, measure, &mut values);
    }
    vendor_regularity(frame, seen, &mut values);
    counts_regularity(frame, seen, &mut values);
    values
}

fn of<'a>(seen: &[&'a Observation], measure: Measure) -> Vec<&'a Observation> {
    seen.iter().filter(|seen| seen.reading.measure == measure).copied().collect()
}

fn days(frame: &Frame) -> impl Iterator<Item = LocalDay> {
    let last = frame.day;
    (1 - DAYS..=0).map(move |back| last.plus(back))
}

/// Bounds of the 24 hours that the wall clock shows on a day; an hour that is skipped is empty.
fn hours(frame: &Frame, day: LocalDay) -> [(i64, i64); 24] {
    std::array::from_fn(|hour| {
        let at = |hour: u32| if hour == 24 { frame.zone.at(day.plus(1), 0).0 } else { frame.zone.at(day, hour * 60).0 };
        (at(hour as u32), at(hour as u32 + 1))
    })
}

fn told(frame: &Frame, readings: &[&Observation], value: Option<f64>, n: usize) -> DailyValue {
    let reason = if value.is_some() { "" } else { "insufficient" };
    DailyValue { n: n as u32, evidence: Vec::new(), ..value_of(frame, readings, value, reason) }
}

/// The readings of those devices that speak for each day of the week and the one before it.
fn spoken<'a>(frame: &Frame, seen: &[&'a Observation], measure: Measure) -> Vec<&'a Observation> {
    let mut spoken = Vec::new();
    for day in std::iter::once(frame.day.plus(-DAYS)).chain(days(frame)) {
        let (start, end) = (frame.zone.at(day, 0).0, frame.zone.at(day.plus(1), 0).0);
        let mut of_day = of(seen, measure);
        of_day.retain(|seen| (start..end).contains(&seen.time));
        let device = speaker(frame, &of_day, measure);
        spoken.extend(of_day.into_iter().filter(|seen| Some(&seen.reading.device) == device));
    }
    spoken
}

/// What was counted each minute from noon before the week on, and when the patient was in bed.
struct Minutes {
    from: i64,
    counts: Vec<Option<u32>>,
    in_bed: Vec<Range<usize>>,
}

impl Minutes {
    fn of(frame: &Frame, seen: &[&Observation], spoken: &[&Observation]) -> Self {
        let noon = |day: LocalDay| frame.zone.at(day, DAY_MIN as u32 / 2).0;
        let from = noon(frame.day.plus(-DAYS));
        let mut minutes = Self { from, counts: minutes::counts(spoken, from, frame.end), in_bed: Vec::new() };
        let nights = days(frame).chain(std::iter::once(frame.day.plus(1)));
        let beds = nights.filter_map(|day| in_bed(seen, (noon(day.plus(-1)), noon(day))));
        minutes.in_bed = beds.map(|(start, end)| minutes.at(start)..minutes.at(end)).collect();
        minutes
    }

    fn at(&self, time: i64) -> usize {
        usize::try_from((time - self.from) / MINUTE_MS).unwrap_or(0).min(self.counts.len())
    }

    /// Without those in which nobody wore the device: zeros of counts alone tell it, of steps they do not.
    fn worn(mut self) -> Self {
        self.counts = worn(&self.counts, &self.in_bed);
        self
    }

    /// Mean of the minutes of an hour, if at least half of it was seen.
    fn hour_mean(&self, (from, to): (i64, i64)) -> Option<f64> {
        let minutes = self.counts.get(self.at(from)..self.at(to))?;
        let present = sorted_present(&minutes.iter().map(|count| count.map(f64::from)).collect::<Vec<_>>());
        mean(&present).filter(|_| present.len() * 2 >= minutes.len())
    }
}

fn activity(frame: &Frame, seen: &[&Observation], measure: Measure, values: &mut Values) {
    let readings = &of(seen, measure)[..];
    let minutes = Minutes::of(frame, seen, &spoken(frame, seen, measure));
    let minutes = if measure == Measure::ActivityCount { minutes.worn() } else { minutes };
    let hours = days(frame).flat_map(|day| hours(frame, day));
    let week: Vec<Option<f64>> = hours.map(|hour| minutes.hour_mean(hour)).collect();
    if let Some((found, n)) = cosine(&week) {
        let quality = found.r2.map_or_else(String::new, |r2| format!("r2={r2:.3}"));
        for (method, value) in [
            ("cosinor_mesor", found.mesor),
            ("cosinor_amplitude", found.amplitude),
            ("cosinor_acrophase", found.acrophase_h),
        ] {
            let value = DailyValue { quality: quality.clone(), ..told(frame, readings, Some(value), n) };
            values.insert(format!("{}.{method}", measure.name()), value);
        }
    }
    let valid = week.chunks(24).filter(|day| day.iter().flatten().count() >= MIN_VALID_HOURS).count();
    if valid < circadian::MIN_DAYS {
        return;
    }
    let found = circadian(&week, DAY_MIN / 24);
    let onset = |minute: Option<usize>| minute.map(|minute| minute as f64);
    for (method, value) in [
        ("interdaily_stability", found.is),
        ("intradaily_variability", found.iv),
        ("l5", found.l5),
        ("l5_onset", onset(found.l5_onset)),
        ("m10", found.m10),
        ("m10_onset", onset(found.m10_onset)),
        ("relative_amplitude", found.ra),
    ] {
        let value = told(frame, readings, value, week.iter().flatten().count());
        values.insert(format!("{}.{method}", measure.name()), value);
    }
}

/// The cosine that fits the hours of the days with enough of them.
fn cosine(week: &[Option<f64>]) -> Option<(Cosinor, usize)> {
    let hours = |(day, hours): (usize, &[Option<f64>])| {
        let point = |(hour, mean): (usize, &Option<f64>)| Some(((day * 24 + hour) as f64 + 0.5, (*mean)?));
        hours.iter().enumerate().filter_map(point).collect::<Vec<_>>()
    };
    let mut days: Vec<_> = week.chunks(24).enumerate().map(hours).collect();
    days.retain(|day| day.len() >= cosinor::MIN_POINTS_A_DAY);
    let points = days.concat();
    let found = cosinor::cosinor(&points, PERIOD_H).filter(|_| days.len() >= cosinor::MIN_DAYS)?;
    Some((found, points.len()))
}

/// Of a night with stages every minute from noon to noon is known: what is not asleep is awake.
fn vendor_regularity(frame: &Frame, seen: &[&Observation], values: &mut Values) {
    let noon = |day: LocalDay| frame.zone.at(day, DAY_MIN as u32 / 2).0;
    let (mut week, mut nights) = (Vec::new(), 0);
    for day in days(frame) {
        let (from, to) = (noon(day.plus(-1)), noon(day));
        let length = usize::try_from((to - from) / MINUTE_MS).unwrap_or(0);
        let stages = stages::minutes(&stages::of_one_source(frame, seen, (from, to)));
        let mut night = vec![stages.is_some().then_some(State::Awake); length];
        let first = stages.as_ref().map_or(0, |(start, _)| (start - from).div_euclid(MINUTE_MS));
        let minutes = stages.iter().flat_map(|(_, minutes)| minutes);
        for (minute, _) in (first..).zip(minutes).filter(|(_, state)| **state == Some(State::Asleep)) {
            if let Some(known) = usize::try_from(minute).ok().and_then(|at| night.get_mut(at)) {
                *known = Some(State::Asleep);
            }
        }
        nights += usize::from(stages.is_some());
        week.extend(night);
    }
    if nights >= sleep_regularity::MIN_DAYS {
        let readings = of(seen, Measure::SleepStage);
        let value = told(frame, &readings, sleep_regularity(&week, DAY_MIN), nights);
        values.insert("sleep_stage.regularity_index".to_owned(), value);
    }
}

fn counts_regularity(frame: &Frame, seen: &[&Observation], values: &mut Values) {
    let Some(device) = speaker(frame, seen, Measure::ActivityCount) else { return };
    let mut readings = of(seen, Measure::ActivityCount);
    readings.retain(|seen| seen.reading.device == *device);
    let minutes = Minutes::of(frame, seen, &readings).worn();
    let states = &cole_kripke::states(&minutes.counts)[minutes.at(frame.zone.at(frame.day.plus(1 - DAYS), 0).0)..];
    let known = states.chunks(DAY_MIN).filter(|day| day.iter().flatten().count() >= MIN_VALID_HOURS * 60).count();
    if known >= sleep_regularity::MIN_DAYS {
        let value = told(frame, &readings, sleep_regularity(states, DAY_MIN), known);
        values.insert("activity_count.regularity_index".to_owned(), value);
    }
}
