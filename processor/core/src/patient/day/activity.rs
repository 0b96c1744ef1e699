//! The day's wear, heart rate, steps and cadence (clinical catalogue C1, C3).

use painwatch_domain::Measure;
use painwatch_domain::time::MINUTE_MS;

use super::{DailyValue, Frame, Observation, SOURCES_OVERLAP, Values, intervals, night, of_day, stages, value_of};
use crate::metrics::interval_merge::{self, Contribution, Interval};
use crate::metrics::step_cadence::{StepCadence, step_cadence};
use crate::metrics::step_day::{self, Wear};
use crate::metrics::summary_stats::{median, sorted_present};
use crate::metrics::wear;

pub(super) fn activity(frame: &Frame, seen: &[&Observation]) -> Values {
    let mut values = Values::new();
    if !frame.closed {
        return values;
    }
    let worn = worn_ms(frame, seen);
    let day_ms = (frame.end - frame.start) as f64;
    let heart = of_day(frame, seen, Measure::HeartRate);
    if let Some(worn_ms) = worn.filter(|_| !heart.is_empty()) {
        let rates: Vec<_> = heart.iter().map(|seen| seen.number()).collect();
        let enough = worn_ms >= step_day::MIN_WEAR_MS;
        let rate = median(&sorted_present(&rates)).filter(|_| enough);
        let mut value = value_of(frame, &heart, rate, if enough { "" } else { "not_worn" });
        value.coverage = Some(worn_ms as f64 / day_ms);
        values.insert("heart_rate.daily_median".to_owned(), value);
    }
    values.extend(night::heart_rate(frame, seen).map(|mean| ("heart_rate.night_mean".to_owned(), mean)));
    if let Some((steps, cadence)) = steps(frame, seen, worn) {
        let of = |cadence: &StepCadence| {
            let minutes = |count: u32| Some(f64::from(count));
            [
                ("peak_1", cadence.peak1),
                ("peak_30", cadence.peak30),
                ("peak_60", cadence.peak60),
                ("moderate_minutes", minutes(cadence.min_ge100)),
                ("vigorous_minutes", minutes(cadence.min_ge130)),
            ]
        };
        for (name, peak) in cadence.iter().flat_map(of) {
            let value = DailyValue { value: peak, evidence: Vec::new(), ..steps.clone() };
            values.insert(format!("step_count.{name}"), value);
        }
        values.insert("step_count.daily_sum".to_owned(), steps);
    }
    values
}

/// Waking wear by heart-rate samples; `None` where no heart rate tells. Asleep is what any source says was slept: a total or
/// a stage.
fn worn_ms(frame: &Frame, seen: &[&Observation]) -> Option<i64> {
    let times: Vec<i64> =
        seen.iter().filter(|seen| seen.reading.measure == Measure::HeartRate).map(|seen| seen.time).collect();
    let slept = |seen: &&&Observation| seen.reading.measure == Measure::TotalSleepTime || stages::is_asleep(seen);
    let sleeps = seen.iter().filter(slept);
    let asleep = sleeps.filter_map(|seen| Some(wear::Span { start: seen.time, end: seen.end()? })).collect();
    let day = wear::Span { start: frame.start, end: frame.end };
    let in_day = times.iter().any(|time| frame.contains(*time));
    in_day.then(|| wear::waking_ms(&wear::worn(&times, day), &wear::union(asleep)))
}

fn steps(frame: &Frame, seen: &[&Observation], worn: Option<i64>) -> Option<(DailyValue, Option<StepCadence>)> {
    let readings = of_day(frame, seen, Measure::StepCount);
    let intervals = intervals(frame, &readings);
    let contributions = interval_merge::merge(&intervals);
    let total = interval_merge::total(&contributions)?;
    let wear = worn.map_or(Wear::Unknown, |worn_ms| Wear::Known { worn_ms });
    let day = step_day::judge(Some(total), wear);
    let mut value = value_of(frame, &readings, day.value(), day.reason);
    value.coverage = worn.map(|worn_ms| worn_ms as f64 / (frame.end - frame.start) as f64);
    let marks = [(day.wear_unknown, "wear_unknown"), (contributions.iter().any(|one| one.reduced), SOURCES_OVERLAP)];
    let marks: Vec<_> = marks.iter().filter(|(holds, _)| *holds).map(|(_, mark)| *mark).collect();
    value.quality = marks.join(",");
    Some((value, cadence(frame, &intervals, &contributions).filter(|_| day.valid)))
}

/// The busiest minutes, where the day's steps came in single minutes.
fn cadence(frame: &Frame, intervals: &[Interval], contributions: &[Contribution]) -> Option<StepCadence> {
    let minutes_in_day = ((frame.end - frame.start) / MINUTE_MS) as usize;
    let mut minutes = vec![0; minutes_in_day];
    for (interval, contribution) in intervals.iter().zip(contributions) {
        let minute = usize::try_from((interval.span.start - frame.start) / MINUTE_MS)
            .ok()
            .filter(|minute| *minute < minutes_in_day)?;
        match interval.span.ms() {
            MINUTE_MS => minutes[minute] += u32::try_from(contribution.count).unwrap_or(0),
            _ if contribution.count == 0 => {}
            _ => return None,
        }
    }
    intervals
        .iter()
        .any(|interval| interval.span.ms() == MINUTE_MS)
        .then(|| step_cadence(&minutes.into_iter().map(Some).collect::<Vec<_>>()))
}
