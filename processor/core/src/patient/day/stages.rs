//! The night by a vendor's sleep stages (clinical catalogue C4, C5): passed through, under names of their own.

use painwatch_domain::time::MINUTE_MS;
use painwatch_domain::{Measure, Value};

use super::counts::night_of;
use super::{DailyValue, Frame, Observation, Values, value_of};
use crate::metrics::sleep_summary::summarise;
use crate::metrics::sleep_wake::State;

const IN_BED: &str = "in_bed";
const ASLEEP: [&str; 4] = ["light", "deep", "rem", "asleep"];

pub(super) fn stages(frame: &Frame, seen: &[&Observation]) -> Values {
    if !frame.closed {
        return Values::new();
    }
    let (from, to) = night_of(frame);
    let readings = of_one_source(frame, seen, (from, to));
    let Some((start, minutes)) = minutes(&readings) else { return Values::new() };
    let told = summarise(&minutes);
    if told.tib == 0 {
        return Values::new();
    }
    let algorithm = readings[0].reading.about.algorithm.as_deref().unwrap_or("vendor");
    let base = DailyValue { n: told.tib, quality: algorithm.to_owned(), ..value_of(frame, &readings, None, "") };
    let coverage = Some(f64::from(told.tib) / minutes.len() as f64);
    let value = |value: Option<f64>| {
        let reason = if value.is_some() { "" } else { "insufficient" }.to_owned();
        DailyValue { value, reason, coverage, held_at: frame.end.max(start), ..base.clone() }
    };
    let whole = |count: Option<u32>| value(count.map(f64::from));
    let named = [
        ("time_in_bed", whole(Some(told.tib))),
        ("total_sleep", whole(Some(told.tst))),
        ("sleep_onset_latency", whole(told.sol)),
        ("wake_after_sleep_onset", whole(told.waso)),
        ("sleep_efficiency", value(told.se_pct)),
        ("awakenings", whole(told.awakenings)),
        ("mean_sleep_bout", value(told.mean_sleep_bout)),
        ("p_sleep_to_wake", value(told.p_sleep_to_wake)),
        ("fragmentation_index", value(told.sfi_per_h)),
    ];
    let keeps_evidence = ["wake_after_sleep_onset", "sleep_efficiency"];
    let evidence = |method: &str, value: DailyValue| match keeps_evidence.contains(&method) {
        true => value,
        false => DailyValue { evidence: Vec::new(), ..value },
    };
    named.into_iter().map(|(method, value)| (format!("sleep_stage.{method}"), evidence(method, value))).collect()
}

/// The stages that end in a night, of the source that speaks for it: smallest source priority, then device and algorithm.
pub(super) fn of_one_source<'a>(frame: &Frame, seen: &[&'a Observation], night: (i64, i64)) -> Vec<&'a Observation> {
    let ended = |seen: &&&Observation| {
        seen.reading.measure == Measure::SleepStage && seen.end().is_some_and(|end| night.0 < end && end <= night.1)
    };
    let readings: Vec<&Observation> = seen.iter().filter(ended).copied().collect();
    let source = |seen: &Observation| {
        let about = seen.reading.about.discriminator(Measure::SleepStage);
        (frame.source_priority(&seen.reading.device), seen.reading.device.clone(), about)
    };
    let stages = readings.iter().filter(|seen| stage(seen) != Some(IN_BED)).map(|seen| source(seen));
    let Some(best) = stages.min() else { return Vec::new() };
    readings.into_iter().filter(|seen| source(seen) == best).collect()
}

fn stage(seen: &Observation) -> Option<&str> {
    match &seen.reading.value {
        Value::Code(code) => Some(code),
        _ => None,
    }
}

/// A stage of sleep, by whichever source.
pub(super) fn is_asleep(seen: &Observation) -> bool {
    seen.reading.measure == Measure::SleepStage && stage(seen).is_some_and(|code| ASLEEP.contains(&code))
}

/// State of each minute from the first stage to the last, and when the first begins. In bed and in no stage is awake; a
/// minute that nothing is said of is unknown. Of two stages the one that began later.
pub(super) fn minutes(readings: &[&Observation]) -> Option<(i64, Vec<Option<State>>)> {
    let spans = readings.iter().filter_map(|seen| Some((seen.time, seen.end()?, stage(seen)?)));
    let mut spans: Vec<(i64, i64, &str)> = spans.collect();
    spans.sort_by_key(|(start, end, code)| (*code != IN_BED, *start, *end));
    let (start, end) = (spans.iter().map(|span| span.0).min()?, spans.iter().map(|span| span.1).max()?);
    let mut minutes = vec![None; usize::try_from((end - start + MINUTE_MS - 1) / MINUTE_MS).ok()?];
    for (from, to, code) in spans {
        let at = |time: i64| usize::try_from((time - start + MINUTE_MS - 1) / MINUTE_MS).unwrap_or(0);
        let state = State::asleep_if(ASLEEP.contains(&code));
        minutes[at(from)..at(to)].fill(Some(state));
    }
    Some((start, minutes))
}

/// The longest time in bed that ends in a night, whoever said so.
pub(super) fn in_bed(seen: &[&Observation], (from, to): (i64, i64)) -> Option<(i64, i64)> {
    let said = seen.iter().filter(|seen| seen.reading.measure == Measure::SleepStage && stage(seen) == Some(IN_BED));
    let spans = said.filter_map(|seen| Some((seen.time.max(from), seen.end()?)));
    spans
        .filter(|(start, end)| start < end && from < *end && *end <= to)
        .max_by_key(|(start, end)| (end - start, -start))
}
