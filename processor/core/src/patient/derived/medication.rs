//! Escalation of as-needed doses, rise of equivalents, days in a row, and overuse over months (clinical catalogue E1, E4,
//! E6, E7).

use std::collections::{BTreeMap, BTreeSet};

use painwatch_domain::Roster;
use painwatch_domain::roster::Patient;

use super::{Book, like};
use crate::metrics::medication_overuse::{self, DaysWith, Overuse};
use crate::metrics::{mme, mme_mean, prn_escalation, withdrawal};
use crate::patient::day::DailyValue;
use crate::rules::tables;

const RECENT_DAYS: i32 = 7;
const REFERENCE_DAYS: i32 = 28;
/// Equivalents are compared with the least of so many days before (clinical catalogue E1: rise in 7 d).
const RISE_DAYS: i32 = 7;

/// Medications that the patient is or was ordered and whose sudden stop brings withdrawal or relapse.
pub(super) fn threatening(roster: &Roster, person: &Patient) -> BTreeSet<String> {
    let ordered = roster.prescriptions.of_patient(&person.id);
    let known = ordered.filter_map(|order| roster.medications.get(&order.medication));
    let threatening = known.filter(|known| withdrawal::threatens(&known.ingredient, &known.release));
    threatening.map(|known| known.id.to_string()).collect()
}

pub(super) fn derive(book: &mut Book) {
    if book.wants(&["medication_event.prn_7d", "medication_event.prn_escalation"]) {
        escalation(book);
    }
    if book.wants(&["medication_event.mme_rise_pct"]) {
        rise(book);
    }
    if book.wants(&["medication_event.mme_mean_90d"]) {
        mean_of_90_days(book);
    }
    if book.wants(&["medication_event.days_over_limit"]) {
        days_in_a_row(book);
    }
    if book.wants(&["medication_event.overuse"]) && book.facts.has_headache {
        overuse(book);
    }
}

/// Days without an as-needed order are in neither window: they are no days of zero doses.
fn escalation(book: &mut Book) {
    let counts = book.numbers("medication_event.prn_doses");
    let window = |days: std::ops::RangeInclusive<i32>| {
        let inside: Vec<f64> = counts.iter().filter(|(day, _)| days.contains(day)).map(|(_, doses)| *doses).collect();
        (inside.iter().sum::<f64>() as u32, inside.len() as i32)
    };
    for (day, value) in book.each("medication_event.prn_doses") {
        let recent = window(day - RECENT_DAYS + 1..=day);
        let reference = window(day - RECENT_DAYS - REFERENCE_DAYS + 1..=day - RECENT_DAYS);
        let mut sum = like(value, Some(f64::from(recent.0)), recent.1 as usize);
        sum.coverage = Some(f64::from(recent.1) / f64::from(RECENT_DAYS));
        book.put(day, "medication_event.prn_7d", sum, (None, None));
        let enough = recent.1 == RECENT_DAYS && reference.1 >= RECENT_DAYS;
        let tested = enough
            .then(|| prn_escalation::test((recent.0, f64::from(recent.1)), (reference.0, f64::from(reference.1))));
        let escalates = tested.map(|tested| f64::from(u8::from(tested.escalation)));
        let around = (tested.map(|tested| tested.reference_per_day), tested.and_then(|tested| tested.p_greater));
        book.put(day, "medication_event.prn_escalation", like(value, escalates, recent.1 as usize), around);
    }
}

/// Of what is prescribed, against the least of the days before that had an opioid order.
fn rise(book: &mut Book) {
    let numbers = book.numbers("medication_event.mme_prescribed");
    for (day, value) in book.each("medication_event.mme_prescribed") {
        let before = super::within(&numbers, day - RISE_DAYS..=day - 1);
        let least = before.first().copied().filter(|least| *least > 0.0);
        let exact = |(least, now): (f64, f64)| (mme::from_mg(least), mme::from_mg(now));
        let pct = least.zip(value.value).map(exact).map(|(least, now)| (100 * (now - least)) as f64 / least as f64);
        let told = DailyValue { quality: value.quality.clone(), ..like(value, pct, before.len()) };
        book.put(day, "medication_event.mme_rise_pct", told, (least, None));
    }
}

/// The marks are those of the last day: which table, and whether it is complete.
fn mean_of_90_days(book: &mut Book) {
    let numbers = book.numbers("medication_event.mme_prescribed");
    for (day, value) in book.each("medication_event.mme_prescribed") {
        let mean = mme_mean::over_90_days(&numbers, day);
        let told = DailyValue { quality: value.quality.clone(), ..like(value, mean, mme_mean::DAYS as usize) };
        book.put(day, "medication_event.mme_mean_90d", told, (None, None));
    }
}

/// Days in a row with a dose of what may be taken for a few days only, beyond as many as the table of maxima allows; of
/// several ingredients the one that is furthest beyond.
fn days_in_a_row(book: &mut Book) {
    let mut runs: BTreeMap<&str, (i32, i32)> = BTreeMap::new();
    for (day, value) in book.each("medication_event.time_limited") {
        let today =
            value.quality.split(',').filter_map(|name| tables::maxima().iter().find(|row| row.ingredient == name));
        let over = today.filter_map(|row| {
            let run = runs.entry(&row.ingredient).or_insert((day, 0));
            *run = if run.0 == day - 1 { (day, run.1 + 1) } else { (day, 1) };
            Some((run.1 - i32::try_from(row.max_days?).ok()?, run.1, row.ingredient.as_str()))
        });
        let Some((over, run, ingredient)) = over.max() else { continue };
        let quality = format!("{ingredient} {run} days,table:{}", tables::maximum_version());
        let told = DailyValue { quality, ..like(value, Some(f64::from(over.max(0))), 1) };
        book.put(day, "medication_event.days_over_limit", told, (None, None));
    }
}

fn overuse(book: &mut Book) {
    let days_with = |metric: &str| -> Vec<i32> {
        book.numbers(metric).into_iter().filter(|(_, x)| *x > 0.0).map(|(day, _)| day).collect()
    };
    let days = DaysWith {
        acute: days_with("medication_event.acute_analgesic"),
        simple: days_with("medication_event.simple_analgesic"),
        headache: days_with("pain_nrs.headache"),
    };
    for (day, values) in book.days {
        let base = ["medication_event.acute_analgesic", "medication_event.simple_analgesic"];
        let Some(base) = base.iter().find_map(|name| values.get(name)) else { continue };
        let level = match medication_overuse::judge(&days, *day) {
            Overuse::None => 0.0,
            Overuse::Notice => 1.0,
            Overuse::Risk => 2.0,
        };
        book.put(*day, "medication_event.overuse", like(base, Some(level), 1), (None, None));
    }
}
