//! MedicationRequest and MedicationDispense: what was ordered and what was handed over, in the words of the roster.

use painwatch_domain::roster::{F64Bits, Medication, Patient, Prescription, Prn};
use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, parse_stamp};
use painwatch_domain::{EventTime, ProblemCode};
use painwatch_proto::json::shown;

use super::super::node::Node;
use super::super::{time_missing, value_missing};
use super::Resource;
use super::intake::dose_unit;
use super::medication::{medication, patient};
use super::value::quantity_of;
use crate::reading::Refusal;
use painwatch_domain::order::{Fill, Order, OrderState};

pub(super) fn order(resource: &Resource<'_>) -> Result<Order, Refusal> {
    let node = resource.node;
    if !matches!(node.text("intent")?, "order" | "original-order" | "reflex-order" | "filler-order" | "instance-order")
    {
        return Err(Refusal::unreadable("intent must be an order: proposals and plans order nothing"));
    }
    let state = state(node.text("status")?)?;
    let patient = patient(resource)?;
    let medication = known_medication(resource)?;
    let [instruction] = node.list("dosageInstruction") else {
        return Err(Refusal::unreadable(
            "an order needs one dosageInstruction: one that changes is an order for each part",
        ));
    };
    let repeat = instruction.get("timing").and_then(|timing| timing.get("repeat"));
    let (start, end) = bounds(node, repeat, patient)?;
    if state == OrderState::Ended && end.is_none() {
        return Err(time_missing("an order that has ended needs timing.repeat.boundsPeriod.end"));
    }
    let dose = dose(instruction, medication)?;
    let (times_min, prn) = schedule(instruction, repeat, dose)?;
    let prescription = Prescription {
        patient: patient.id.clone(),
        medication: medication.id.clone(),
        dose: F64Bits::new(dose),
        start,
        end,
        times_min,
        prn,
    };
    let revision = resource.revision(state != OrderState::Active)?;
    Ok(Order { id: own_id(resource)?, revision, state, prescription })
}

pub(super) fn fill(resource: &Resource<'_>) -> Result<Fill, Refusal> {
    let node = resource.node;
    let entered_in_error = match node.text("status")? {
        "completed" => false,
        "entered-in-error" => true,
        other => {
            return Err(Refusal::unreadable(format!(
                "status {:?} hands nothing over, expected completed",
                shown(other)
            )));
        }
    };
    let patient = patient(resource)?;
    let handed_over =
        [node.text("whenHandedOver")?, node.text("whenPrepared")?].into_iter().find(|text| !text.is_empty());
    let handed_over = handed_over.ok_or_else(|| time_missing("a dispense needs whenHandedOver"))?;
    let supply = node.get("daysSupply").ok_or_else(|| value_missing("a dispense needs daysSupply"))?;
    let (days, unit) = quantity_of(supply, "daysSupply")?;
    let whole = days.fract() == 0.0 && (1.0..=3_660.0).contains(&days) && matches!(unit, "d" | "days" | "day" | "");
    if !whole {
        return Err(Refusal::unreadable("daysSupply must be a whole number of days, at most ten years"));
    }
    Ok(Fill {
        id: own_id(resource)?,
        revision: resource.revision(entered_in_error)?,
        patient: patient.id.clone(),
        medication: known_medication(resource)?.id.clone(),
        handed_over: instant("whenHandedOver", handed_over, patient)?,
        days_supply: days as u32,
        entered_in_error,
    })
}

/// Without a name of its own it could be neither changed nor ended.
fn own_id(resource: &Resource<'_>) -> Result<String, Refusal> {
    let id = resource.id()?;
    if id.is_empty() { Err(value_missing("an order or a fill needs an identifier or an id")) } else { Ok(id) }
}

fn state(status: &str) -> Result<OrderState, Refusal> {
    match status {
        "active" => Ok(OrderState::Active),
        "completed" | "stopped" | "cancelled" => Ok(OrderState::Ended),
        "entered-in-error" => Ok(OrderState::EnteredInError),
        other => {
            let expected = "expected active completed stopped cancelled entered-in-error";
            Err(Refusal::unreadable(format!("status {:?} orders nothing, {expected}", shown(other))))
        }
    }
}

/// Unlike a dose, an order must be for a medication of the roster: without its strength no dose can be worked out.
fn known_medication<'a>(resource: &'a Resource<'_>) -> Result<&'a Medication, Refusal> {
    let id = medication(resource)?;
    let known = resource.roster.medications.get(&id);
    known.ok_or_else(|| Refusal::new(ProblemCode::UnknownMedication, format!("{id} is not a medication of the roster")))
}

/// A time of the order; without an offset in the patient's own zone.
fn instant(field: &str, text: &str, patient: &Patient) -> Result<EventTime, Refusal> {
    let stamp = parse_stamp(text, patient.zone_at(EventTime::MAX));
    let wrong = |_| Refusal::unreadable(format!("{field} is not an ISO 8601 time or date"));
    stamp.map(|stamp| EventTime(stamp.utc_ms)).map_err(wrong)
}

fn bounds(
    node: &Node<'_>,
    repeat: Option<&Node<'_>>,
    patient: &Patient,
) -> Result<(EventTime, Option<EventTime>), Refusal> {
    const NONE: &Node<'_> = &Node::Null;
    let period = repeat.and_then(|repeat| repeat.get("boundsPeriod")).unwrap_or(NONE);
    let start = [period.text("start")?, node.text("authoredOn")?].into_iter().find(|text| !text.is_empty());
    let start = start.ok_or_else(|| time_missing("an order needs timing.repeat.boundsPeriod.start or authoredOn"))?;
    let start = instant("start", start, patient)?;
    let end = period.text("end")?;
    let end = if end.is_empty() { None } else { Some(instant("end", end, patient)?) };
    if end.is_some_and(|end| end < start) {
        return Err(Refusal::new(ProblemCode::EndBeforeStart, "the order ends before it starts"));
    }
    Ok((start, end))
}

/// In units of the medication: milligrams are divided by its strength.
fn dose(instruction: &Node<'_>, medication: &Medication) -> Result<f64, Refusal> {
    let amount = instruction.list("doseAndRate").first().and_then(|rate| rate.get("doseQuantity"));
    let amount = amount.ok_or_else(|| value_missing("an order needs doseAndRate.doseQuantity"))?;
    let (value, unit) = (quantity_of(amount, "doseQuantity")?.0, dose_unit(amount)?);
    let dose = match (unit, medication.strength_mg) {
        (unit, _) if unit == medication.unit => value,
        ("mg", Some(strength)) if strength.get() > 0.0 => value / strength.get(),
        _ => {
            let detail =
                format!("the dose is in {:?}, the roster counts {} in {}", shown(unit), medication.id, medication.unit);
            return Err(Refusal::new(ProblemCode::UnitNotConvertible, detail));
        }
    };
    if !(dose.is_finite() && dose > 0.0) {
        return Err(value_missing("an order needs a dose greater than 0"));
    }
    Ok(dose)
}

/// Times of the day, or how often as needed. "Twice a day" without its times is not turned into some.
fn schedule(instruction: &Node<'_>, repeat: Option<&Node<'_>>, dose: f64) -> Result<(Vec<u32>, Option<Prn>), Refusal> {
    let as_needed = matches!(instruction.get("asNeededBoolean"), Some(Node::Bool(true)))
        || instruction.get("asNeededCodeableConcept").is_some();
    if as_needed {
        return prn(instruction, repeat, dose).map(|prn| (Vec::new(), Some(prn)));
    }
    let times = repeat.map(|repeat| repeat.list("timeOfDay")).unwrap_or_default();
    let mut minutes = times.iter().map(time_of_day).collect::<Result<Vec<_>, _>>()?;
    minutes.sort_unstable();
    minutes.dedup();
    if minutes.is_empty() {
        return Err(time_missing("an order at fixed times needs timing.repeat.timeOfDay"));
    }
    Ok((minutes, None))
}

fn time_of_day(node: &Node<'_>) -> Result<u32, Refusal> {
    let read = |text: &str| {
        let (hours, rest) = text.split_once(':')?;
        let minutes = rest.get(..2)?;
        let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
        (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    };
    node.as_text().and_then(read).ok_or_else(|| Refusal::unreadable("timeOfDay must be as 08:00:00"))
}

fn prn(instruction: &Node<'_>, repeat: Option<&Node<'_>>, dose: f64) -> Result<Prn, Refusal> {
    let most = instruction.get("maxDosePerPeriod");
    let most = most.ok_or_else(|| value_missing("an order as needed needs maxDosePerPeriod over one day"))?;
    let part = |name: &str| most.get(name).map(|node| quantity_of(node, name)).transpose();
    let (Some((amount, _)), Some((days, unit))) = (part("numerator")?, part("denominator")?) else {
        return Err(value_missing("maxDosePerPeriod needs numerator and denominator"));
    };
    let a_day = matches!((days, unit), (1.0, "d" | "day") | (24.0, "h"));
    let doses = (amount / dose).floor();
    if !a_day || !(1.0..=96.0).contains(&doses) {
        return Err(Refusal::unreadable("maxDosePerPeriod must allow at least one dose in one day"));
    }
    let spacing = repeat.map(spacing_ms).transpose()?.flatten();
    let min_interval_ms = spacing.ok_or_else(|| value_missing("an order as needed needs timing.repeat.period"))?;
    Ok(Prn { max_per_day: doses as u32, min_interval_ms })
}

/// `period` and `periodUnit`: at least this long between two doses.
fn spacing_ms(repeat: &Node<'_>) -> Result<Option<i64>, Refusal> {
    let Some(period) = repeat.number("period")? else { return Ok(None) };
    let unit_ms = match repeat.text("periodUnit")? {
        "min" => MINUTE_MS,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        _ => return Ok(None),
    };
    let frequency = repeat.number("frequency")?.unwrap_or(1.0);
    let ms = period * unit_ms as f64 / frequency;
    Ok((ms.is_finite() && ms > 0.0 && ms < 9.0e12).then_some(ms as i64))
}
