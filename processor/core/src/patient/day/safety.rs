//! What is judged from several vital signs together (clinical catalogue A1 to A4): the day's worst set.

use painwatch_domain::roster::Patient;
use painwatch_domain::{Measure, Value};

use super::{DAY_EVIDENCE_MAX, DailyValue, Frame, Observation, Values, value_of};
use super::{orders, pressure, rest};
use crate::metrics::news2::{self, Band, Items, News2, SET_WITHIN_MS};
use crate::metrics::{oivi, prodigy, sedation};
use crate::rules::tables::has_condition;

pub(super) fn safety(frame: &Frame, seen: &[&Observation]) -> Values {
    let mut values = scores(frame, seen);
    values.extend(sedated(frame, seen));
    values.extend(pressure::pressure(frame, seen));
    values.extend(rest::rest(frame, seen));
    values.extend(risk(frame));
    values
}

/// Whether a sample alone tells so much that the day is judged before its end: everything that is measured now and then,
/// and of what is measured all the time a value that scores two points, by the second scale for saturation on oxygen as well
/// where the patient has that, or slows OIVI-4 down.
pub fn is_telling(person: &Patient, measure: Measure, value: Option<&Value>) -> bool {
    use Measure as M;
    let number = value.and_then(Value::number).map(|scaled| measure.to_canonical(scaled));
    let rounded = number.and_then(|number| news2::half_up(number, 0));
    match measure {
        M::BloodPressure | M::BodyTemperature | M::OxygenFlow | M::Acvpu | M::Poss | M::FallReport => true,
        M::MedicationEvent | M::SymptomSeverity => true,
        M::RespiratoryRate => rounded.is_some_and(|rate| rate <= 11 || news2::respirations(rate) >= 2),
        M::OxygenSaturation => rounded.is_some_and(|percent| {
            news2::saturation_1(percent) >= 2 || (person.spo2_scale_2 && percent >= news2::SCALE_2_HIGH)
        }),
        M::HeartRate => rounded.is_some_and(|rate| news2::pulse(rate) >= 2),
        _ => false,
    }
}

/// How long before a day what is judged with it may have begun: a set, or the hour between two signs; and before that an
/// episode of impaired breathing or a sitting.
pub const SIGNS_BEFORE_MS: i64 = SET_WITHIN_MS + oivi::LONGEST_MS;

const SLOTS: usize = 7;

/// Which item of a set a measure feeds.
const fn slot(measure: Measure) -> Option<usize> {
    Some(match measure {
        Measure::RespiratoryRate => 0,
        Measure::OxygenSaturation => 1,
        Measure::OxygenFlow => 2,
        Measure::BloodPressure => 3,
        Measure::HeartRate => 4,
        Measure::Acvpu => 5,
        Measure::BodyTemperature => 6,
        _ => return None,
    })
}

/// The latest reading of each item.
type Latest<'a> = [Option<&'a Observation>; SLOTS];

/// Every set of the day, worst first decided: greatest band, then greatest sum, then latest.
fn scores(frame: &Frame, seen: &[&Observation]) -> Values {
    let mut latest: Latest = [None; SLOTS];
    let mut sets: u32 = 0;
    let (mut worst, mut complete): (Option<Set>, Option<Set>) = (None, None);
    let mut before = Items::default();
    let mut items = seen.iter().filter(|seen| slot(seen.reading.measure).is_some()).peekable();
    while let Some(one) = items.next() {
        if let Some(slot) = slot(one.reading.measure) {
            latest[slot] = Some(one);
        }
        // All that one instant brings makes one set.
        if !frame.contains(one.time) || items.peek().is_some_and(|next| next.time == one.time) {
            continue;
        }
        latest.iter_mut().for_each(|item| *item = item.filter(|item| one.time - item.time < SET_WITHIN_MS));
        let now = items_of(&latest, frame.person);
        sets += 1;
        if now == before && worst.is_some() {
            continue;
        }
        before = now;
        let set = Set { at: one.time, score: news2::score(&now), latest };
        if set.score.total.is_some() && complete.as_ref().is_none_or(|known| known.score.total <= set.score.total) {
            complete = Some(set.clone());
        }
        if worst.as_ref().is_none_or(|known| known.rank() <= set.rank()) {
            worst = Some(set);
        }
    }
    worst.map(|worst| told(frame, sets, &worst, complete.as_ref())).unwrap_or_default()
}

#[derive(Clone)]
struct Set<'a> {
    at: i64,
    score: News2,
    latest: Latest<'a>,
}

impl Set<'_> {
    const fn rank(&self) -> (Band, u8) {
        (self.score.band, self.score.partial_sum)
    }

    /// The readings that score most.
    fn evidence(&self) -> Vec<&Observation> {
        let mut scored: Vec<(u8, &Observation)> = self
            .latest
            .iter()
            .zip(self.score.points)
            .filter_map(|(reading, points)| Some((points?, (*reading)?)))
            .collect();
        scored.sort_by_key(|(points, _)| std::cmp::Reverse(*points));
        scored.into_iter().map(|(_, reading)| reading).take(DAY_EVIDENCE_MAX).collect()
    }
}

fn items_of(latest: &Latest, person: &Patient) -> Items {
    let number = |slot: usize| latest[slot].and_then(Observation::number);
    let pressure = latest[3].and_then(|seen| match seen.reading.value {
        Value::Pressure { systolic, .. } => Some(Measure::BloodPressure.to_canonical(systolic)),
        _ => None,
    });
    let alert = latest[5].and_then(|seen| match &seen.reading.value {
        Value::Code(code) => alertness(code),
        _ => None,
    });
    Items {
        respirations: number(0),
        saturation: number(1),
        scale_2: person.spo2_scale_2,
        on_oxygen: number(2).map(|flow| flow > 0.0),
        systolic: pressure,
        pulse: number(4),
        alert,
        temperature: number(6),
    }
}

fn alertness(code: &str) -> Option<bool> {
    match code.to_ascii_lowercase().as_str() {
        "a" | "alert" => Some(true),
        "c" | "v" | "p" | "u" | "confusion" | "new_confusion" | "voice" | "pain" | "unresponsive" => Some(false),
        _ => None,
    }
}

fn told(frame: &Frame, sets: u32, worst: &Set, complete: Option<&Set>) -> Values {
    let value = |set: &Set, value: Option<f64>, reason: &str| {
        let missing = set.score.missing;
        DailyValue {
            n: sets,
            held_at: set.at,
            quality: if missing > 0 { format!("missing_items:{missing}") } else { String::new() },
            ..value_of(frame, &set.evidence(), value, reason)
        }
    };
    let total = complete.unwrap_or(worst);
    let reason = if complete.is_some() { "" } else { "incomplete" };
    // Items that are missing may hide any band: nobody may take that for a low one.
    let is_known = worst.score.band != Band::Unknown;
    let rank = is_known.then(|| worst.score.band.rank());
    let band = value(worst, rank, if is_known { "" } else { "incomplete" });
    Values::from([
        ("news2.total".to_owned(), value(total, total.score.total.map(f64::from), reason)),
        ("news2.partial_sum".to_owned(), value(worst, Some(f64::from(worst.score.partial_sum)), "")),
        ("news2.band".to_owned(), band),
    ])
}

fn samples(seen: &[&Observation], measure: Measure) -> Vec<(i64, f64)> {
    let of_measure = seen.iter().filter(|seen| seen.reading.measure == measure);
    of_measure.filter_map(|seen| Some((seen.time, seen.number()?))).collect()
}

/// Sedation by itself, beside shallow breathing, and beside any other sign of impaired ventilation.
fn sedated(frame: &Frame, seen: &[&Observation]) -> Values {
    let report = |seen: &&&Observation| match &seen.reading.value {
        Value::Code(code) if seen.reading.measure == Measure::Poss => sedation::level(code),
        _ => None,
    };
    let readings: Vec<(&Observation, u8)> = seen.iter().filter_map(|seen| Some((*seen, report(&seen)?))).collect();
    let reports: Vec<(i64, u8)> = readings.iter().map(|(seen, level)| (seen.time, *level)).collect();
    let (rates, saturations) = (samples(seen, Measure::RespiratoryRate), samples(seen, Measure::OxygenSaturation));
    let of_day: Vec<_> = readings.iter().filter(|(seen, _)| frame.contains(seen.time)).collect();
    let combined = oivi::combined(&rates, &saturations, &reports, frame.start);
    let mut values = Values::new();
    if !rates.is_empty() || !saturations.is_empty() {
        let early = orders::early_dose(frame, seen, &combined.any);
        values.extend(early.map(|value| ("oivi.after_early_dose".to_owned(), value)));
    }
    let mut put = |name: &str, holds_at: Option<i64>, n: usize, because: &[&Observation]| {
        let value = Some(f64::from(u8::from(holds_at.is_some())));
        let held_at = holds_at.unwrap_or(frame.start);
        let value = DailyValue { n: n as u32, held_at, ..value_of(frame, because, value, "") };
        values.insert(name.to_owned(), value);
    };
    if !rates.is_empty() && !saturations.is_empty() {
        let moderate = combined.moderate.iter().map(|(_, end)| *end).filter(|end| frame.contains(*end));
        let rated: Vec<_> =
            seen.iter().filter(|seen| seen.reading.measure == Measure::RespiratoryRate).copied().collect();
        put("oivi.moderate", moderate.max(), rates.len(), &rated);
    }
    let unacceptable = readings.iter().filter(|(_, level)| *level >= sedation::UNACCEPTABLE_FROM);
    let because: Vec<_> = unacceptable.map(|(seen, _)| *seen).collect();
    let shallow = sedation::with_depression(&reports, &rates, &saturations, frame.start);
    for (name, known) in [("poss.with_depression", shallow), ("oivi.sedated", combined.sedated)] {
        let known = known.into_iter().filter(|at| frame.contains(*at)).max();
        // A report of the evening before raises the next day; only one of the day itself says that it is over.
        if known.is_some() || !of_day.is_empty() {
            put(name, known, readings.len(), &because);
        }
    }
    let Some(worst) = of_day.iter().map(|(_, level)| *level).max() else { return values };
    let of_worst: Vec<_> = of_day.iter().filter(|(_, level)| *level == worst).map(|(seen, _)| *seen).collect();
    let newest = of_worst.iter().map(|seen| seen.time).max().unwrap_or(frame.start);
    let value = DailyValue { held_at: newest, ..value_of(frame, &of_worst, Some(f64::from(worst)), "") };
    values.insert("poss.worst".to_owned(), value);
    values
}

/// Completed years on the day, where the roster knows the birth date.
pub fn age_on(frame: &Frame) -> Option<u32> {
    let date = |text: &str| {
        let mut parts = text.split('-');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    let born = date(frame.person.birth_date.as_deref()?)?;
    prodigy::completed_years(born, date(&frame.day.to_string())?)
}

/// Context for the patient's card; without a birth date nothing can be said.
fn risk(frame: &Frame) -> Option<(String, DailyValue)> {
    if !frame.closed {
        return None;
    }
    let age = age_on(frame)?;
    let conditions = &frame.person.conditions;
    let (score, _) = prodigy::score(&prodigy::Risks {
        age,
        male: frame.person.sex.as_deref().is_some_and(|sex| ["m", "male"].contains(&sex.to_lowercase().as_str())),
        opioid_naive: frame.person.opioid_naive,
        sleep_disordered_breathing: has_condition(conditions, "sleep_disordered_breathing"),
        heart_failure: has_condition(conditions, "heart_failure"),
    });
    Some(("prodigy.score".to_owned(), value_of(frame, &[], Some(f64::from(score)), "")))
}
