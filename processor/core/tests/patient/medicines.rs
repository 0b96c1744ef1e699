//! Medicines: what a combination is, what is prescribed as needed, and windows of doses (clinical catalogue E1, E2, E5, E7).

use crate::ward::{Ward, dose_of, ordered, patient_id, person, reading, wears};
use painwatch_domain::reading::{Dose, DoseEvent};
use painwatch_domain::roster::{Dispense, Prn};
use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{EventTime, Measure, MedicationId, Meta, Roster, Value};
use painwatch_processor_core::intake::EffectiveReading;
use std::sync::Arc;

/// 2026-06-10T00:00Z.
const DAY: i64 = 20_614 * DAY_MS;

fn clinic() -> Roster {
    let mut roster = Roster::default();
    let ann = person("ann", &["opioid-safety", "adherence"]);
    roster.patients.insert(ann.id.clone(), ann);
    wears(&mut roster, "ann", "phone", &[]);
    roster
}

fn ward_of(roster: Roster, doses: impl IntoIterator<Item = EffectiveReading>) -> Ward {
    let mut ward = Ward::new(roster, None, DAY);
    doses.into_iter().for_each(|one| {
        let time = one.time.0;
        ward.send(one, time);
    });
    ward.tick(DAY + 3 * DAY_MS);
    ward
}

fn value(ward: &Ward, method: &str) -> Option<f64> {
    ward.value(&format!("medication_event.{method}"), DAY)
}

fn milligrams(medication: &str, time: i64, mg: i64) -> EffectiveReading {
    let medication = MedicationId::parse(medication).unwrap();
    let dose = Some(Dose { medication, event: DoseEvent::Taken, scheduled_for: None });
    let amount = Value::Dose { amount: Some(mg * 1000), unit: "mg".into() };
    let about = Arc::new(Meta { dose, ..Meta::default() });
    EffectiveReading { about, ..reading("phone", Measure::MedicationEvent, time, amount) }
}

#[test]
fn an_analgesic_beside_what_the_table_does_not_know_is_a_combination() {
    let told = |ingredient: &str| {
        let mut roster = clinic();
        ordered(&mut roster, "ann", DAY - DAY_MS, ("tablet", ingredient, 500.0, "ir"), &[480]);
        let ward = ward_of(roster, [dose_of("tablet", "phone", DAY + 8 * HOUR_MS)]);
        ["acute_analgesic", "simple_analgesic"].map(|kind| value(&ward, kind).is_some())
    };
    for combination in ["acetaminophen/caffeine", "aspirin + caffeine", "butalbital, acetaminophen"] {
        assert_eq!(told(combination), [true, true], "{combination}");
    }
    for single in ["acetaminophen", "acetaminophen, extended release"] {
        assert_eq!(told(single), [false, true], "{single}");
    }
}

/// 6000 mg of a tablet, of which nobody said how much is acetaminophen.
#[test]
fn milligrams_of_a_whole_tablet_are_not_those_of_the_part_that_is_known() {
    let told = |ingredient: &str| {
        let mut roster = clinic();
        ordered(&mut roster, "ann", DAY - DAY_MS, ("tablet", ingredient, 500.0, "ir"), &[480]);
        let ward = ward_of(roster, [milligrams("tablet", DAY + 8 * HOUR_MS, 6000)]);
        let verify = ward
            .metrics
            .iter()
            .any(|((metric, _), row)| metric.ends_with(".simple_analgesic") && row.told.value.verify);
        (value(&ward, "acetaminophen_ratio"), verify)
    };
    assert_eq!(told("acetaminophen"), (Some(1.5), true));
    assert_eq!(told("acetaminophen/caffeine"), (None, false));
}

/// Thirty days were handed out; of one medicine again after ten days, of the other after twenty.
#[test]
fn of_two_early_refills_the_earlier_is_told_in_whatever_order_their_names_are() {
    for (first, second) in [("a", "b"), ("b", "a")] {
        let mut roster = clinic();
        for (id, refilled) in [(first, 10), (second, 20)] {
            ordered(&mut roster, "ann", DAY - 60 * DAY_MS, (id, "pregabalin", 75.0, "ir"), &[480]);
            for day in [-25, refilled - 25] {
                let (patient, medication) = (patient_id("ann"), MedicationId::parse(id).unwrap());
                let date = EventTime(DAY + day * DAY_MS);
                roster.dispenses.push(Dispense { patient, medication, date, days_supply: 30 });
            }
        }
        let ward = ward_of(roster, [dose_of(first, "phone", DAY + 8 * HOUR_MS)]);
        assert_eq!(value(&ward, "early_refill_days"), Some(20.0));
        assert_eq!(ward.quality("medication_event.early_refill_days", DAY), first);
    }
}

/// 30 mg of morphine by schedule, and 5 mg of oxycodone up to four times a day.
#[test]
fn as_needed_orders_are_told_at_their_maximum_apart_and_together_with_the_schedule() {
    let told = |scheduled: bool, as_needed: bool| {
        let mut roster = clinic();
        ordered(&mut roster, "ann", DAY - DAY_MS, ("morphine-15", "morphine", 15.0, "er"), &[480, 1200]);
        ordered(&mut roster, "ann", DAY - DAY_MS, ("oxycodone-5", "oxycodone", 5.0, "ir"), &[]);
        let mut orders = roster.prescriptions.to_vec();
        orders[1].prn = Some(Prn { max_per_day: 4, min_interval_ms: 4 * HOUR_MS });
        orders.retain(|order| if order.prn.is_some() { as_needed } else { scheduled });
        roster.prescriptions = orders.into();
        let ward = ward_of(roster, [dose_of("oxycodone-5", "phone", DAY + 8 * HOUR_MS)]);
        ["mme_prescribed", "mme_prn_maximum", "mme_with_prn"].map(|method| value(&ward, method))
    };
    assert_eq!(told(true, true), [Some(30.0), Some(30.0), Some(60.0)]);
    assert_eq!(told(true, false), [Some(30.0), None, Some(30.0)]);
    assert_eq!(told(false, true), [None, Some(30.0), Some(30.0)]);
    assert_eq!(told(false, false), [None; 3]);
}

#[test]
fn an_opioid_and_a_benzodiazepine_exactly_a_day_apart_are_in_no_24_hours_together() {
    let told = |apart: i64| {
        let mut roster = clinic();
        ordered(&mut roster, "ann", DAY - 9 * DAY_MS, ("oxycodone-5", "oxycodone", 5.0, "ir"), &[480]);
        ordered(&mut roster, "ann", DAY - 9 * DAY_MS, ("lorazepam-1", "lorazepam", 1.0, "ir"), &[480]);
        let later = DAY + 8 * HOUR_MS;
        let doses = [dose_of("lorazepam-1", "phone", later - apart), dose_of("oxycodone-5", "phone", later)];
        let mut ward = Ward::new(roster, None, DAY - 2 * DAY_MS);
        doses.into_iter().for_each(|one| {
            let time = one.time.0;
            ward.send(one, time);
        });
        ward.tick(DAY + 2 * DAY_MS);
        value(&ward, "opioid_benzodiazepine")
    };
    assert_eq!((told(DAY_MS), told(DAY_MS - MINUTE_MS)), (Some(0.0), Some(1.0)));
}
