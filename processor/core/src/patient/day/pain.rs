//! The day's pain reports (clinical catalogue F1, F3 to F5).

use painwatch_domain::time::MINUTE_MS;
use painwatch_domain::{Flags, Measure, Value};

use super::rescue::{nrs, rescue_doses};
use super::symptoms::{names, reported};
use super::{DailyValue, Frame, Observation, Values, of_day, value_of};
use crate::metrics::pain_summary::{self, Report};
use crate::metrics::{peg, severe_pain};

/// An area says in its coverage over how much of 24 hours it reaches.
pub const DAY_H: f64 = 24.0;

/// Each by itself: no scale is converted into another.
const SCALES: [Measure; 3] = [Measure::PainNrs, Measure::PainVas, Measure::PainScaleOther];

pub(super) fn pain(frame: &Frame, seen: &[&Observation]) -> Values {
    let mut values = answers(frame, seen);
    values.extend(lasting(frame, seen));
    for measure in SCALES {
        let readings = of_day(frame, seen, measure);
        if !readings.is_empty() {
            values.extend(scores(frame, measure, &readings));
        }
    }
    values
}

fn report_of(seen: &Observation) -> Option<Report> {
    let date_only = seen.reading.flags.has(Flags::DATE_ONLY);
    Some(Report { time_ms: seen.time, score: seen.number()?, date_only, prompted: seen.reading.about.prompted })
}

fn scores(frame: &Frame, measure: Measure, readings: &[&Observation]) -> Values {
    let day = pain_summary::day(&readings.iter().filter_map(|seen| report_of(seen)).collect::<Vec<_>>(), frame.end);
    let value = |value: Option<f64>, readings: &[&Observation]| {
        value_of(frame, readings, value, if value.is_some() { "" } else { "insufficient" })
    };
    let valid = |value: Option<f64>| value.filter(|_| day.valid);
    let worst: Vec<_> = readings.iter().filter(|seen| seen.number() == day.summary.worst).copied().collect();
    let held = worst.iter().map(|seen| seen.end().map_or(seen.time, |end| end - 1)).max();
    let held_at = held.unwrap_or(frame.start);
    let mut rows = vec![("daily_worst", DailyValue { held_at, ..value(day.summary.worst, &worst) })];
    if frame.closed {
        let (own, asked): (Vec<&Observation>, Vec<&Observation>) =
            readings.iter().partition(|seen| seen.reading.about.prompted == Some(false));
        let (of, averaged) = (day.averaged(), if asked.is_empty() { &own } else { &asked });
        let average =
            |number: Option<f64>| DailyValue { quality: day.tag().to_owned(), ..value(valid(number), averaged) };
        rows.push(("daily_mean", average(of.mean)));
        if !own.is_empty() {
            rows.push(("self_started_mean", value(valid(day.self_started.mean), &own)));
        }
        if measure == Measure::PainNrs {
            let severe_min = day.summary.carried_severe_ms as f64 / MINUTE_MS as f64;
            let spanned = valid(of.span_h).filter(|hours| *hours > 0.0);
            let coverage = spanned.map(|hours| hours / DAY_H);
            rows.extend([
                ("daily_least", value(day.summary.least, readings)),
                ("severe_minutes", value(valid(Some(severe_min)), readings)),
                ("daily_sd", average(of.sd)),
                ("time_weighted_mean", average(of.twa)),
                ("mssd", average(of.mssd)),
                ("frac_severe", average(of.frac_severe)),
                ("auc_24h", DailyValue { coverage, ..average(spanned.and(of.auc_h)) }),
            ]);
        }
    }
    rows.into_iter().map(|(method, value)| (format!("{}.{method}", measure.name()), value)).collect()
}

/// Whether severe pain lasts; said as soon as a report comes.
fn lasting(frame: &Frame, seen: &[&Observation]) -> Values {
    let readings = of_day(frame, seen, Measure::PainNrs);
    if readings.is_empty() {
        return Values::new();
    }
    let near = frame.start - severe_pain::OVER_MIDNIGHT_MS..frame.end;
    let reports = seen.iter().filter(|seen| seen.reading.measure == Measure::PainNrs && near.contains(&seen.time));
    let reports: Vec<&Observation> = reports.copied().collect();
    let known = severe_pain::lasting(&nrs(&reports), &rescue_doses(frame, seen), frame.start);
    let severe: Vec<_> = reports
        .iter()
        .filter(|seen| seen.number().is_some_and(|score| score >= pain_summary::SEVERE_FROM))
        .copied()
        .collect();
    let newest = readings.iter().map(|seen| seen.time).max().unwrap_or(frame.start);
    let value = Some(f64::from(u8::from(known.is_some())));
    let value = DailyValue {
        held_at: known.unwrap_or(newest),
        n: readings.len() as u32,
        ..value_of(frame, if known.is_some() { &severe } else { &readings }, value, "")
    };
    let red_flags: Vec<_> =
        reported(seen, "neurological_red_flag").into_iter().filter(|seen| near.contains(&seen.time)).collect();
    let both = severe_pain::with_red_flag(known, &red_flags.iter().map(|seen| seen.time).collect::<Vec<_>>());
    let urgent = DailyValue {
        value: Some(f64::from(u8::from(both.is_some()))),
        held_at: both.unwrap_or(newest),
        quality: if both.is_some() { names(&red_flags) } else { String::new() },
        ..value.clone()
    };
    let mut values =
        Values::from([("pain_nrs.severe".to_owned(), value), ("pain_nrs.severe_with_red_flag".to_owned(), urgent)]);
    values.extend(headache(frame, &readings));
    values
}

/// Words of a body site that make a report one of headache.
const HEAD: [&str; 3] = ["head", "headache", "temple"];

/// Pain in the head on this day, where a report of it says yes or no.
fn headache(frame: &Frame, readings: &[&Observation]) -> Option<(String, DailyValue)> {
    let of_head =
        |seen: &&&Observation| seen.reading.about.body_site.as_deref().is_some_and(|site| HEAD.contains(&site));
    let of_head: Vec<_> = readings.iter().filter(of_head).copied().collect();
    let worst = of_head.iter().filter_map(|seen| seen.number()).reduce(f64::max)?;
    let value = value_of(frame, &of_head, Some(f64::from(u8::from(worst > 0.0))), "");
    Some(("pain_nrs.headache".to_owned(), value))
}

/// The PEG of the day and the patient's own answer about a flare: of several the latest.
fn answers(frame: &Frame, seen: &[&Observation]) -> Values {
    let mut values = Values::new();
    let peg = of_day(frame, seen, Measure::Peg);
    if let Some(newest) = peg.iter().map(|seen| seen.time).max() {
        let score = peg_score(&peg);
        let reason = if score.is_some() { "" } else { "incomplete" };
        values.insert("peg.score".to_owned(), DailyValue { held_at: newest, ..value_of(frame, &peg, score, reason) });
    }
    let flare = of_day(frame, seen, Measure::FlareReport);
    let said = flare.iter().rev().find_map(|seen| match &seen.reading.value {
        Value::Code(code) => Some((*seen, yes_or_no(code)?)),
        _ => None,
    });
    if let Some((seen, yes)) = said {
        let value = value_of(frame, &[seen], Some(f64::from(u8::from(yes))), "");
        values.insert("flare_report.said_yes".to_owned(), DailyValue { held_at: seen.time, ..value });
    }
    values
}

fn yes_or_no(code: &str) -> Option<bool> {
    match code.to_ascii_lowercase().as_str() {
        "yes" | "true" | "y" | "flare" => Some(true),
        "no" | "false" | "n" | "none" => Some(false),
        _ => None,
    }
}

/// Out of the items, else the total as it was sent.
fn peg_score(readings: &[&Observation]) -> Option<f64> {
    let item = |names: [&str; 3]| {
        let is = |instrument: &str| names.iter().any(|name| instrument.eq_ignore_ascii_case(name));
        let said = readings.iter().rev().find(|seen| seen.reading.about.instrument.as_deref().is_some_and(is));
        said.and_then(|seen| seen.number())
    };
    let items = [
        item(["P", "pain", "75893-8"]),
        item(["E", "enjoyment", "91145-3"]),
        item(["G", "general_activity", "91146-1"]),
    ];
    let total = readings.iter().rev().find(|seen| {
        seen.reading.about.instrument.as_deref().is_none_or(|instrument| instrument.eq_ignore_ascii_case("peg"))
    });
    peg::score(&items).or_else(|| total.and_then(|seen| seen.number()))
}
