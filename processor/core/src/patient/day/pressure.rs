//! The day's blood pressure: means, sittings, and what standing up did (clinical catalogue A5, A6).

use painwatch_domain::time::MINUTE_MS;
use painwatch_domain::{Measure, Value};

use super::symptoms::{names, reported};
use super::{DailyValue, Frame, Observation, Values, value_of};
use crate::metrics::bp_category::{self, Category, Sitting, category};
use crate::metrics::orthostatic::{self, Orthostatic, Reading};
use crate::metrics::pressure_symptoms;

/// A reading after standing up belongs to the supine one so long before it [engineering choice].
const STANDING_WITHIN_MS: i64 = 15 * MINUTE_MS;
/// A pulse this near to a pressure is of the same inflation [engineering choice].
const PULSE_WITHIN_MS: i64 = MINUTE_MS;

pub(super) fn pressure(frame: &Frame, seen: &[&Observation]) -> Values {
    let all: Vec<(&Observation, f64, f64)> = seen
        .iter()
        .filter_map(|seen| Some((*seen, parts(seen)?)))
        .map(|(seen, (systolic, diastolic))| (seen, systolic, diastolic))
        .collect();
    let seated: Vec<_> = all.iter().filter(|(seen, ..)| posture(seen) == Posture::Other).copied().collect();
    let of_day: Vec<_> = seated.iter().filter(|(seen, ..)| frame.contains(seen.time)).copied().collect();
    let mut values = means(frame, &of_day);
    values.extend(sittings(frame, seen, &seated));
    values.extend(standing_up(frame, seen, &all));
    values
}

fn parts(seen: &Observation) -> Option<(f64, f64)> {
    match seen.reading.value {
        Value::Pressure { systolic, diastolic } => {
            let of = |scaled| Measure::BloodPressure.to_canonical(scaled);
            Some((of(systolic), of(diastolic)))
        }
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Posture {
    Supine,
    Standing,
    Other,
}

fn posture(seen: &Observation) -> Posture {
    match seen.reading.about.posture.as_deref() {
        Some("supine" | "lying" | "lying_down" | "recumbent") => Posture::Supine,
        Some("standing" | "upright") => Posture::Standing,
        _ => Posture::Other,
    }
}

fn means(frame: &Frame, seated: &[(&Observation, f64, f64)]) -> Values {
    let readings: Vec<&Observation> = seated.iter().map(|(seen, ..)| *seen).collect();
    let of = |part: fn(&(&Observation, f64, f64)) -> f64| {
        let sum = seated.iter().map(|reading| Measure::BloodPressure.to_scaled(part(reading))).sum();
        Some(bp_category::mean(sum, seated.len() as u32))
    };
    if readings.is_empty() || !frame.closed {
        return Values::new();
    }
    Values::from([
        ("blood_pressure.daily_systolic".to_owned(), value_of(frame, &readings, of(|reading| reading.1), "")),
        ("blood_pressure.daily_diastolic".to_owned(), value_of(frame, &readings, of(|reading| reading.2), "")),
    ])
}

fn category_of(one: &Sitting) -> Category {
    category(one.systolic, one.diastolic)
}

/// The worst category and the lowest systolic mean of the sittings that end in the day, and whether a severe one and a symptom
/// were there, of which the later came in the day: either may have begun before midnight.
fn sittings(frame: &Frame, seen: &[&Observation], seated: &[(&Observation, f64, f64)]) -> Values {
    let rows: Vec<(i64, f64, f64)> =
        seated.iter().map(|(seen, systolic, diastolic)| (seen.time, *systolic, *diastolic)).collect();
    let all = bp_category::sittings(&rows);
    let found: Vec<Sitting> = all.iter().filter(|one| frame.contains(one.at)).copied().collect();
    let severe: Vec<Sitting> = all.iter().filter(|one| category_of(one) == Category::Severe).copied().collect();
    // The day's readings, and those before it that belong to one of these.
    let readings_of = |sittings: &[Sitting]| -> Vec<&Observation> {
        let is_part = |time: i64| sittings.iter().any(|one| (one.from..=one.at).contains(&time));
        let readings = seated.iter().map(|(seen, ..)| *seen);
        readings.filter(|seen| frame.contains(seen.time) || is_part(seen.time)).collect()
    };
    let value = |readings: &[&Observation], at: Option<i64>, value: Option<f64>| {
        let reason = if value.is_some() { "" } else { "insufficient" };
        let newest = readings.last().map_or(frame.start, |seen| seen.time);
        DailyValue { held_at: at.unwrap_or(newest), ..value_of(frame, readings, value, reason) }
    };
    let symptoms = reported(seen, "hypertensive_emergency");
    let times: Vec<i64> = symptoms.iter().map(|seen| seen.time).collect();
    let severe_at: Vec<i64> = severe.iter().map(|one| one.at).collect();
    let together = pressure_symptoms::together(&severe_at, &times).filter(|at| frame.contains(*at));
    let readings = readings_of(&found);
    let mut values = Values::new();
    if together.is_some() {
        let urgent = value(&readings_of(&severe), together, Some(1.0));
        let urgent = DailyValue { quality: names(&symptoms), ..urgent };
        values.insert("blood_pressure.severe_with_symptoms".to_owned(), urgent);
    }
    if readings.is_empty() {
        return values;
    }
    let calm = value(&readings, None, (!found.is_empty()).then_some(0.0));
    values.entry("blood_pressure.severe_with_symptoms".to_owned()).or_insert(calm);
    let worst = found.iter().map(|one| (category_of(one), one.at)).max();
    let lowest = found.iter().min_by(|a, b| a.systolic.total_cmp(&b.systolic).then(b.at.cmp(&a.at)));
    let category = value(&readings, worst.map(|(_, at)| at), worst.map(|(worst, _)| worst.rank()));
    let systolic = value(&readings, lowest.map(|one| one.at), lowest.map(|one| one.systolic));
    values.extend([
        ("blood_pressure.category".to_owned(), category),
        ("blood_pressure.sitting_systolic".to_owned(), systolic),
    ]);
    values
}

/// The worst of the day's orthostatic tests: a supine reading and the standing ones that follow it. When the patient stood
/// up is not sent: the seconds count from the supine reading, which makes a fall look later, never earlier.
fn standing_up(frame: &Frame, seen: &[&Observation], all: &[(&Observation, f64, f64)]) -> Values {
    let pulses: Vec<(i64, f64)> = seen
        .iter()
        .filter(|seen| seen.reading.measure == Measure::HeartRate)
        .filter_map(|seen| Some((seen.time, seen.number()?)))
        .collect();
    let mut tests: Vec<Test> = Vec::new();
    for (index, (supine, ..)) in all.iter().enumerate() {
        if posture(supine) == Posture::Supine
            && let Some(test) = test(frame, &all[index..], &pulses)
        {
            tests.push(test);
        }
    }
    let rank =
        |test: &Test| (test.judged.standing_sbp_lt90, test.judged.is_hypotension(), test.judged.pots_hr_criterion);
    let Some(worst) = tests.iter().max_by(|a, b| rank(a).cmp(&rank(b)).then(a.at.cmp(&b.at))) else {
        return Values::new();
    };
    let fell = seen.iter().any(|seen| seen.reading.measure == Measure::FallReport && frame.contains(seen.time));
    let judged = &worst.judged;
    let urgent = judged.is_low() && (judged.standing_sbp_lt90 || fell);
    let sustained = tests.iter().filter(|test| test.sustained).max_by_key(|test| test.at);
    let quality = words(judged, fell);
    let of_test = |test: &Test, value: Option<f64>| {
        let reason = if value.is_some() { "" } else { "insufficient" };
        DailyValue { held_at: test.at, ..value_of(frame, &test.readings, value, reason) }
    };
    let value = |value: Option<f64>| DailyValue { quality: quality.clone(), ..of_test(worst, value) };
    let flag = |holds: bool| Some(f64::from(u8::from(holds)));
    Values::from([
        ("blood_pressure.orthostatic".to_owned(), value(flag(judged.is_low()))),
        (
            "blood_pressure.orthostatic_sustained".to_owned(),
            of_test(sustained.unwrap_or(worst), flag(sustained.is_some())),
        ),
        ("blood_pressure.orthostatic_urgent".to_owned(), value(flag(urgent))),
        ("blood_pressure.orthostatic_pulse_rise".to_owned(), value(judged.hr_rise_max)),
        ("blood_pressure.orthostatic_ratio".to_owned(), value(judged.dhr_dsbp)),
    ])
}

fn words(judged: &Orthostatic, fell: bool) -> String {
    let words = [
        (judged.classic, "classic"),
        (judged.initial, "initial"),
        (judged.delayed, "delayed"),
        (judged.standing_sbp_lt90, "standing_below_90"),
        (judged.pots_hr_criterion, "pots_like"),
        (judged.neurogenic_pattern == Some(true), "neurogenic_pattern"),
        (fell, "fall_report"),
    ];
    words.iter().filter(|(holds, _)| *holds).map(|(_, word)| *word).collect::<Vec<_>>().join(",")
}

struct Test<'a> {
    at: i64,
    judged: Orthostatic,
    /// Low also where the fall must still be there in the last reading within 3 min.
    sustained: bool,
    readings: Vec<&'a Observation>,
}

/// `rows` begin with the supine reading.
fn test<'a>(frame: &Frame, rows: &[(&'a Observation, f64, f64)], pulses: &[(i64, f64)]) -> Option<Test<'a>> {
    let reading = |(seen, systolic, diastolic): &(&Observation, f64, f64)| Reading {
        systolic: *systolic,
        diastolic: *diastolic,
        pulse: nearest(pulses, seen.time),
    };
    let (supine, rest) = rows.split_first()?;
    let until = supine.0.time + STANDING_WITHIN_MS;
    let after = rest.iter().take_while(|(seen, ..)| seen.time <= until && posture(seen) != Posture::Supine);
    let standing: Vec<_> = after.filter(|(seen, ..)| posture(seen) == Posture::Standing).collect();
    let at = standing.last()?.0.time;
    let timed: Vec<(f64, Reading)> =
        standing.iter().map(|row| ((row.0.time - supine.0.time) as f64 / 1000.0, reading(row))).collect();
    let [judged, lasting] = [false, true].map(|sustained| orthostatic::judge(reading(supine), &timed, sustained));
    let readings = std::iter::once(supine.0).chain(standing.iter().map(|(seen, ..)| *seen)).collect();
    frame.contains(at).then_some(Test { at, judged, sustained: lasting.is_low(), readings })
}

fn nearest(pulses: &[(i64, f64)], time: i64) -> Option<f64> {
    let near = pulses.iter().filter(|(at, _)| (at - time).abs() <= PULSE_WITHIN_MS);
    near.min_by_key(|(at, _)| ((at - time).abs(), *at)).map(|(_, pulse)| *pulse)
}
