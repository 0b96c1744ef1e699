//! What was handed out (clinical catalogue E2, E5): a function of the roster's dispenses alone.

use painwatch_domain::MedicationId;
use painwatch_domain::roster::{Medication, Patient};

use super::super::calendar::Calendar;
use super::super::day::{DailyValue, Frame, Values};
use super::doses::active;
use crate::metrics::opioid_benzo_overlap::overlap;
use crate::metrics::pdc_mpr::{Fill, early_refill_days, supply};
use crate::rules::ingredients::is_of_class;

/// PQA measures look at half a year [engineering choice for a window that moves].
const WINDOW_DAYS: i32 = 180;
/// Fewer days than this after the first fill say nothing about adherence [engineering choice].
const MIN_WINDOW_DAYS: i32 = 30;

pub(super) fn values(person: &Patient, frame: &Frame) -> Values {
    if !frame.closed {
        return Values::new();
    }
    let told = |value: f64, quality: &str| DailyValue {
        value: Some(value),
        n: 1,
        quality: quality.to_owned(),
        held_at: frame.end,
        ..DailyValue::default()
    };
    let mut values = Values::new();
    let mut put = |method: &str, value: DailyValue| drop(values.insert(format!("medication_event.{method}"), value));
    let mut worst: Option<(f64, f64, i32, String)> = None;
    let mut earliest: Option<(i32, String)> = None;
    for medication in scheduled(person, frame) {
        let fills = fills(person, frame, &|known| known.id == medication);
        let Some(first) = fills.iter().map(|fill| fill.day).min().filter(|first| *first <= frame.day.0) else {
            continue;
        };
        let early = early_refill_days(&fills, frame.day.0);
        if let Some(days) = early.filter(|days| earliest.as_ref().is_none_or(|(most, _)| most < days)) {
            earliest = Some((days, medication.to_string()));
        }
        let start = first.max(frame.day.0 - WINDOW_DAYS + 1);
        let Some(got) = supply(&fills, (start, frame.day.0)).filter(|got| got.window_days >= MIN_WINDOW_DAYS) else {
            continue;
        };
        if worst.as_ref().is_none_or(|(pdc, ..)| got.pdc < *pdc) {
            worst = Some((got.pdc, got.mpr, got.left_over_days, medication.to_string()));
        }
    }
    if let Some((days, medication)) = earliest {
        put("early_refill_days", told(f64::from(days), &medication));
    }
    if let Some((pdc, mpr, left_over, medication)) = worst {
        put("pdc", told(pdc, &medication));
        put("mpr", told(mpr, &medication));
        put("left_over_days", told(f64::from(left_over), &medication));
    }
    let of_class = |class: &str| {
        let fills = fills(person, frame, &|known| is_of_class(&known.ingredient, class));
        // Of what lasts beyond the day only the days until then have been.
        let until_now = |fill: Fill| Fill { days: fill.days.min(frame.day.0 + 1 - fill.day), ..fill };
        fills
            .into_iter()
            .filter(|fill| frame.day.0 - WINDOW_DAYS < fill.day && fill.day <= frame.day.0)
            .map(until_now)
            .collect::<Vec<_>>()
    };
    let (opioid, benzodiazepine) = (of_class("opioid"), of_class("benzodiazepine"));
    if !opioid.is_empty() && !benzodiazepine.is_empty() {
        let both = overlap(&opioid, &benzodiazepine);
        let flagged = both.cob30 && opioid.len() >= 2 && benzodiazepine.len() >= 2;
        let today = f64::from(u8::from(both.last == Some(frame.day.0)));
        put("opioid_benzodiazepine_supply", told(today, ""));
        put("opioid_benzodiazepine_days", told(both.overlap_days as f64, if flagged { "pqa_cob" } else { "" }));
    }
    values
}

/// Medications the patient takes by schedule on this day.
fn scheduled(person: &Patient, frame: &Frame) -> Vec<MedicationId> {
    let orders = frame.roster.prescriptions.of_patient(&person.id).filter(|order| active(frame, order));
    let mut scheduled: Vec<MedicationId> =
        orders.filter(|order| order.prn.is_none()).map(|order| order.medication.clone()).collect();
    scheduled.sort();
    scheduled.dedup();
    scheduled
}

fn fills(person: &Patient, frame: &Frame, is: &dyn Fn(&Medication) -> bool) -> Vec<Fill> {
    let calendar = Calendar::of(person);
    let own = frame.roster.dispenses.of_patient(&person.id);
    let of_kind = own.filter(|dispense| frame.roster.medications.get(&dispense.medication).is_some_and(is));
    of_kind.map(|one| Fill { day: calendar.day_of(one.date.0), days: one.days_supply as i32 }).collect()
}
