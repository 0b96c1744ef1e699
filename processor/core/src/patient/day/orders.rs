//! Opioid doses and the orders they were taken under.

use painwatch_domain::reading::DoseEvent;
use painwatch_domain::roster::{Medication, Prescription};
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{Flags, MedicationId};

use super::{DailyValue, Frame, Observation, value_of};
use crate::metrics::early_dose;
use crate::metrics::opioid_exposure::{Release, windows};
use crate::rules::ingredients::is_of_class;

/// The longest oral exposure that reaches into a day, and half the longest interval of a schedule before it.
pub const LOOK_BACK_MS: i64 = DAY_MS;

/// Taken, by a clock that is trusted, in an amount that nobody doubts.
pub fn counts(seen: &Observation) -> bool {
    let given = |event| matches!(event, DoseEvent::Taken | DoseEvent::Applied);
    let trusted = !seen.undecided && !seen.reading.flags.has(Flags::CLOCK_AHEAD);
    trusted && seen.reading.about.dose.as_ref().is_some_and(|dose| given(dose.event))
}

fn medication_of(seen: &Observation) -> Option<&MedicationId> {
    seen.reading.about.dose.as_ref().map(|dose| &dose.medication)
}

/// The order that a dose was taken under; of several, the as-needed one.
pub fn order_of<'a>(frame: &'a Frame, seen: &Observation) -> Option<&'a Prescription> {
    let medication = medication_of(seen)?;
    let orders = frame.roster.prescriptions.of_patient(&frame.person.id).filter(|order| {
        order.medication == *medication && order.start.0 <= seen.time && order.end.is_none_or(|end| seen.time < end.0)
    });
    orders.max_by_key(|order| order.prn.is_some())
}

fn least_interval(order: &Prescription) -> Option<i64> {
    let scheduled = || DAY_MS.checked_div(order.times_min.len() as i64);
    order.prn.map(|prn| prn.min_interval_ms).or_else(scheduled)
}

/// Of doses of opioids those whose order names an interval, each with whether it came too soon after one of the same
/// medication.
pub fn judged<'a>(frame: &Frame, opioid: &[&'a Observation]) -> Vec<(&'a Observation, bool)> {
    let judge = |seen: &&'a Observation| {
        let interval = order_of(frame, seen).and_then(least_interval)?;
        let before = opioid
            .iter()
            .filter(|other| other.time < seen.time && medication_of(other) == medication_of(seen))
            .map(|other| other.time)
            .max();
        Some((*seen, before.is_some_and(|before| early_dose::is_early(seen.time - before, interval))))
    };
    opioid.iter().filter_map(judge).collect()
}

/// Whether breathing was impaired within the exposure to a dose that came too soon; nothing on a day without a dose.
pub(super) fn early_dose(frame: &Frame, seen: &[&Observation], impaired: &[(i64, i64)]) -> Option<DailyValue> {
    let medication = |seen: &Observation| -> Option<&Medication> { frame.roster.medications.get(medication_of(seen)?) };
    let of_opioid = |seen: &&&Observation| {
        counts(seen) && medication(seen).is_some_and(|known| is_of_class(&known.ingredient, "opioid"))
    };
    let opioid: Vec<&Observation> = seen.iter().filter(of_opioid).copied().collect();
    let exposed = |seen: &Observation| {
        let release = medication(seen).map_or(Release::Extended, |known| Release::of(&known.release));
        windows(release, &[(seen.time, DoseEvent::Taken)]).first().map(|window| (window.start, window.end))
    };
    let reaching: Vec<(&Observation, bool, (i64, i64))> = judged(frame, &opioid)
        .into_iter()
        .filter_map(|(seen, early)| Some((seen, early, exposed(seen)?)))
        .filter(|(.., window)| window.0 < frame.end && frame.start < window.1)
        .collect();
    let newest = reaching.iter().map(|(seen, ..)| seen.time).max()?;
    let early: Vec<_> = reaching.iter().filter(|(_, early, _)| *early).collect();
    let exposures: Vec<(i64, i64)> = early.iter().map(|(.., window)| *window).collect();
    // What goes on at midnight was impaired on both days.
    let impaired: Vec<(i64, i64)> = impaired
        .iter()
        .filter(|(_, end)| frame.start < *end)
        .map(|(start, end)| ((*start).max(frame.start), *end))
        .collect();
    let at = early_dose::with_impairment(&exposures, &impaired).filter(|at| frame.contains(*at));
    let because: Vec<&Observation> = early.iter().map(|(seen, ..)| *seen).collect();
    let value = value_of(frame, if at.is_some() { &because } else { &[] }, Some(f64::from(u8::from(at.is_some()))), "");
    let held_at = at.unwrap_or_else(|| newest.clamp(frame.start, frame.end));
    Some(DailyValue { n: reaching.len() as u32, held_at, ..value })
}
