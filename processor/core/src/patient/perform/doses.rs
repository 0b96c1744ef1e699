//! What the doses of a day come to: amounts by ingredient, sums over 24 hours, equivalents, and what was handed out
//! (clinical catalogue E1, E2, E4 to E7). Pure functions of the roster and the readings.

use painwatch_domain::roster::{Medication, Prescription, Roster};
use painwatch_domain::{Flags, Value};

use super::super::day::orders::{counts, judged, order_of};
use super::super::day::{self, DailyValue, Frame, Observation, Values};
use crate::metrics::mme::{self, Amount, Equivalents};
use crate::metrics::naloxone_risk::{self, Circumstances};
use crate::metrics::opioid_benzo_overlap::together;
use crate::metrics::rolling_dose::{DAY_WINDOW_MS, Total, micrograms, milligrams, share, totals};
use crate::rules::ingredients::{self, is_combination, is_of_class, named};
use crate::rules::tables;

/// One ingredient of a recorded dose.
struct Part<'a> {
    seen: &'a Observation,
    ingredient: &'static str,
    /// Beside another, whether or not the table knows that one.
    combined: bool,
    /// `None`: how much is not known.
    micrograms: Option<i64>,
    patch: bool,
}

/// Ingredients of a medication with micrograms in one unit of it; of a patch, micrograms an hour times 1000.
fn ingredients(medication: &Medication) -> Vec<(&'static str, Option<i64>)> {
    let parts: Vec<&str> = ingredients::parts(&medication.ingredient).collect();
    let own = |part: &str| -> Option<i64> {
        let digits = part.find(|c: char| c.is_ascii_digit())?;
        let number = part[digits..].split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        micrograms(number.parse().ok()?)
    };
    let shared = medication.strength_mg.and_then(|strength| micrograms(strength.get()));
    let without = parts.iter().filter(|part| own(part).is_none()).count();
    let amount = |part: &str| own(part).or(shared.filter(|_| without == 1));
    parts.iter().flat_map(|part| named(part).into_iter().map(|name| (name, amount(part))).take(1)).collect()
}

/// What was taken, where it counts in sums: neither undecided nor by a fast clock; ascending in time.
fn taken<'a>(roster: &Roster, history: &'a [Observation]) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    for seen in history.iter().filter(|seen| counts(seen)) {
        let Some(dose) = seen.reading.about.dose.as_ref() else { continue };
        let Some(medication) = roster.medications.get(&dose.medication) else { continue };
        let patch = medication.release == "patch";
        let combined = is_combination(&medication.ingredient);
        for (ingredient, strength) in ingredients(medication) {
            let micrograms = amount_of(&seen.reading.value, medication, strength, !combined);
            parts.push(Part { seen, ingredient, combined, micrograms, patch });
        }
    }
    parts
}

fn amount_of(value: &Value, medication: &Medication, strength: Option<i64>, single: bool) -> Option<i64> {
    let Value::Dose { amount, unit } = value else { return None };
    // Thousandths of milligrams are micrograms.
    let milli = amount.filter(|milli| (0..1_000_000_000).contains(milli))?;
    match &**unit {
        "mg" => Some(milli).filter(|_| single),
        "ug" => Some((milli + 500) / 1000).filter(|_| single),
        "g" => Some(milli * 1000).filter(|_| single),
        unit if unit == medication.unit || unit.is_empty() || unit.starts_with('{') => {
            Some(strength?.checked_mul(milli)? / 1000)
        }
        _ => None,
    }
}

/// So many times the greatest single dose is kept and to be verified (clinical catalogue G1).
const SINGLE_DOSES: i64 = 5;

/// Whether one of these doses is to be verified: its source doubts it, or it is far beyond a single dose, as far as its
/// strength is known.
pub(super) fn is_doubted(roster: &Roster, doses: &[&Observation]) -> bool {
    doses.iter().any(|seen| seen.reading.flags.has(Flags::VERIFY) || is_far_beyond_one(roster, seen))
}

fn is_far_beyond_one(roster: &Roster, seen: &Observation) -> bool {
    let medication = seen.reading.about.dose.as_ref().and_then(|dose| roster.medications.get(&dose.medication));
    let Some(medication) = medication.filter(|known| known.release != "patch") else { return false };
    let single = !is_combination(&medication.ingredient);
    ingredients(medication).into_iter().any(|(ingredient, strength)| {
        let taken = amount_of(&seen.reading.value, medication, strength, single);
        let most = tables::single_dose_mg(ingredient).map(|mg| SINGLE_DOSES * mg * 1000);
        taken.zip(most).is_some_and(|(taken, most)| taken > most)
    })
}

/// Everything about the doses of the frame's day. `history` reaches a day back at least.
pub(super) fn values(frame: &Frame, history: &[Observation]) -> Values {
    let taken = taken(frame.roster, history);
    let mut values = prescribed(frame);
    values.extend(sums(frame, &taken, history));
    values.extend(opioids(frame, &taken, history));
    values.extend(analgesics(frame, &taken));
    values
}

fn told(frame: &Frame, value: Option<f64>, held_at: i64, because: &[&Observation]) -> DailyValue {
    DailyValue {
        value,
        n: because.len() as u32,
        held_at,
        evidence: because.iter().rev().take(4).map(|seen| seen.id(&frame.roster.tenant).0).collect(),
        historical: !because.is_empty() && because.iter().all(|seen| seen.historical),
        verify: is_doubted(frame.roster, because),
        ..DailyValue::default()
    }
}

fn named_values(values: impl IntoIterator<Item = (&'static str, DailyValue)>) -> Values {
    values.into_iter().map(|(method, value)| (format!("medication_event.{method}"), value)).collect()
}

/// Orders in force at some moment of the day.
pub(super) fn active(frame: &Frame, order: &Prescription) -> bool {
    order.start.0 < frame.end && order.end.is_none_or(|end| frame.start < end.0)
}

fn mme_name(ingredient: &'static str, patch: bool) -> &'static str {
    if patch && ingredient == "fentanyl" { "fentanyl_transdermal" } else { ingredient }
}

/// The greatest sum of what is in force at one instant of the day: an order that takes the place of another is not added to
/// it. An opioid without a factor leaves it incomplete whenever on the day it was ordered.
fn most_at_once(frame: &Frame, parts: &[(&Prescription, Amount)]) -> Equivalents {
    let at = |time: i64| {
        let in_force = |order: &Prescription| order.start.0 <= time && order.end.is_none_or(|end| time < end.0);
        Equivalents::of(parts.iter().filter(|(order, _)| in_force(order)).map(|(_, amount)| amount))
    };
    let sums = parts.iter().map(|(order, _)| at(order.start.0.max(frame.start)));
    let mut most = sums.max_by_key(Equivalents::total).unwrap_or_default();
    most.no_factor = Equivalents::of(parts.iter().map(|(_, amount)| amount)).no_factor;
    most
}

/// Equivalents of the day's orders: scheduled ones, as-needed ones at their maximum, and both together.
fn prescribed(frame: &Frame) -> Values {
    let mut parts: [Vec<(&Prescription, Amount)>; 2] = Default::default();
    let (mut any, mut unsure) = ([false; 2], [false; 2]);
    for order in frame.roster.prescriptions.of_patient(&frame.person.id).filter(|order| active(frame, order)) {
        let Some(medication) = frame.roster.medications.get(&order.medication) else { continue };
        let patch = medication.release == "patch";
        for (ingredient, strength) in
            ingredients(medication).into_iter().filter(|(name, _)| is_of_class(name, "opioid"))
        {
            let kind = usize::from(order.prn.is_some());
            any[kind] = true;
            let a_day = order.prn.map_or(order.times_min.len() as i64, |prn| i64::from(prn.max_per_day));
            let dose = micrograms(order.dose.get()).zip(strength).map(|(milli, strength)| strength * milli / 1000);
            let opioid = mme_name(ingredient, patch);
            let doses_milli = if patch { 1000 } else { a_day * 1000 };
            match dose {
                Some(micrograms) => parts[kind].push((order, Amount { opioid, micrograms, doses_milli })),
                None => unsure[kind] = true,
            }
        }
    }
    let both = most_at_once(frame, &parts.concat());
    let [scheduled, as_needed] = parts.map(|parts| most_at_once(frame, &parts));
    let value = |sum: &Equivalents, unsure: bool| {
        let none = sum.is_unknown() || (unsure && sum.total_mg() == 0.0);
        let mut value = told(frame, Some(sum.total_mg()).filter(|_| !none), frame.end, &[]);
        value.reason = if none { "no_factor" } else { "" }.to_owned();
        value.quality = quality(sum, unsure);
        value
    };
    let rows = [
        ("mme_prescribed", &scheduled, any[0], unsure[0]),
        ("mme_prn_maximum", &as_needed, any[1], unsure[1]),
        ("mme_with_prn", &both, any.contains(&true), unsure.contains(&true)),
    ];
    let rows = rows.into_iter().filter(|(_, _, any, _)| *any);
    let mut values = named_values(rows.map(|(method, sum, _, unsure)| (method, value(sum, unsure))));
    if any.contains(&true) {
        let mme = Some(scheduled.total_mg()).filter(|mme| *mme > 0.0);
        values.extend(named_values([("naloxone_risk", naloxone_risk(frame, mme))]));
    }
    values
}

/// Circumstances in which naloxone is offered to somebody with an opioid order.
fn naloxone_risk(frame: &Frame, mme: Option<f64>) -> DailyValue {
    let ordered = |class: &str| {
        let orders = frame.roster.prescriptions.of_patient(&frame.person.id).filter(|order| active(frame, order));
        let mut medications = orders.filter_map(|order| frame.roster.medications.get(&order.medication));
        medications.any(|known| ingredients(known).iter().any(|(name, _)| is_of_class(name, class)))
    };
    let has = |condition: &str| tables::has_condition(&frame.person.conditions, condition);
    let found = naloxone_risk::factors(&Circumstances {
        mme,
        benzodiazepine: ordered("benzodiazepine"),
        sleep_disordered_breathing: has("sleep_disordered_breathing"),
        history: has("overdose_or_substance_use"),
        age_years: day::age_on(frame).and_then(|years| i32::try_from(years).ok()),
        renal_failure: has("chronic_kidney_disease") || has("renal_failure"),
        hepatic_failure: has("hepatic_failure"),
    });
    let value = told(frame, Some(found.len() as f64), frame.end, &[]);
    DailyValue { quality: found.join(","), ..value }
}

/// The table, and what makes the sum incomplete.
fn quality(sum: &Equivalents, unsure: bool) -> String {
    let mut quality = vec![format!("table:{}", tables::mme_version())];
    if sum.is_incomplete() || unsure {
        quality.push("incomplete".to_owned());
        quality.extend(sum.no_factor.iter().map(|opioid| format!("no_factor:{opioid}")));
    }
    quality.join(",")
}

/// The greatest total whose window ends within the day.
fn greatest(frame: &Frame, doses: &[(i64, i64)]) -> Option<Total> {
    let of_day = totals(doses, DAY_WINDOW_MS).into_iter().filter(|total| frame.contains(total.time));
    of_day.max_by(|a, b| a.sum.cmp(&b.sum).then(a.time.cmp(&b.time)))
}

fn within<'a>(taken: &[Part<'a>], total: Total, is: &dyn Fn(&Part) -> bool) -> Vec<&'a Observation> {
    let inside = |part: &&Part| total.time - DAY_WINDOW_MS < part.seen.time && part.seen.time <= total.time;
    taken.iter().filter(inside).filter(|part| is(part)).map(|part| part.seen).collect()
}

/// Doses of the 24 hours before the day's end whose amount counts in no sum.
fn doubtful(frame: &Frame, taken: &[Part], history: &[Observation], is: &dyn Fn(&str) -> bool) -> bool {
    let near = |time: i64| frame.start - DAY_WINDOW_MS < time && time < frame.end;
    let undecided = history.iter().filter(|seen| seen.undecided && near(seen.time)).any(|seen| {
        let medication =
            seen.reading.about.dose.as_ref().and_then(|dose| frame.roster.medications.get(&dose.medication));
        medication.is_some_and(|medication| ingredients(medication).iter().any(|(name, _)| is(name)))
    });
    undecided || taken.iter().any(|part| part.micrograms.is_none() && near(part.seen.time) && is(part.ingredient))
}

/// Totals of 24 hours against the daily maxima.
fn sums(frame: &Frame, taken: &[Part], history: &[Observation]) -> Values {
    let mut worst: Option<(f64, DailyValue)> = None;
    let mut rows = Vec::new();
    for limit in tables::maxima() {
        let is = |part: &Part| part.ingredient == limit.ingredient && !part.patch;
        let doses: Vec<(i64, i64)> =
            taken.iter().filter(|part| is(part)).filter_map(|part| Some((part.seen.time, part.micrograms?))).collect();
        let Some(total) = greatest(frame, &doses) else { continue };
        let (most_mg, lowered_by) = limit.mg_for(&frame.person.conditions);
        let ratio = share(total.sum, most_mg as f64);
        let mut value = told(frame, Some(ratio), total.time, &within(taken, total, &is));
        let mut marks = vec![format!("{} {} mg", limit.ingredient, milligrams(total.sum))];
        marks.push(format!("table:{}", tables::maximum_version()));
        marks.extend(lowered_by.map(|condition| format!("maximum {most_mg} mg:{condition}")));
        if doubtful(frame, taken, history, &|name| name == limit.ingredient) {
            marks.push("incomplete".to_owned());
        }
        value.quality = marks.join(",");
        if limit.ingredient == "acetaminophen" {
            rows.push(("acetaminophen_ratio", value.clone()));
        }
        if worst.as_ref().is_none_or(|(known, _)| *known < ratio) {
            worst = Some((ratio, value));
        }
    }
    rows.extend(worst.map(|(_, value)| ("dose_ratio", value)));
    rows.extend(nsaids(frame, taken).map(|value| ("nsaids_24h", value)));
    rows.extend(mme_taken(frame, taken, history).map(|value| ("mme_taken", value)));
    named_values(rows)
}

/// The greatest number of different NSAIDs within 24 hours.
fn nsaids(frame: &Frame, taken: &[Part]) -> Option<DailyValue> {
    let is = |part: &Part| is_of_class(part.ingredient, "nsaid") && !part.patch;
    let doses = taken.iter().filter(|part| is(part) && frame.contains(part.seen.time));
    let count = |last: &Part| {
        let total = Total { time: last.seen.time, sum: 0 };
        let inside = |part: &&Part| total.time - DAY_WINDOW_MS < part.seen.time && part.seen.time <= total.time;
        let mut names: Vec<&str> =
            taken.iter().filter(inside).filter(|part| is(part)).map(|part| part.ingredient).collect();
        names.sort_unstable();
        names.dedup();
        (names, total)
    };
    let (names, total) = doses.map(count).max_by(|a, b| a.0.len().cmp(&b.0.len()).then(a.1.time.cmp(&b.1.time)))?;
    let value = told(frame, Some(names.len() as f64), total.time, &within(taken, total, &is));
    Some(DailyValue { quality: names.join(","), ..value })
}

/// The greatest sum of equivalents within 24 hours. Patches count in what is prescribed, not here.
fn mme_taken(frame: &Frame, taken: &[Part], history: &[Observation]) -> Option<DailyValue> {
    let is = |part: &Part| is_of_class(part.ingredient, "opioid");
    if !taken.iter().any(|part| is(part) && frame.contains(part.seen.time)) {
        return None;
    }
    let amount = |part: &Part| mme::micrograms_of_dose(part.ingredient, part.micrograms?);
    let counted = |part: &Part| is(part) && !part.patch && amount(part).is_some();
    let doses: Vec<(i64, i64)> =
        taken.iter().filter(|part| counted(part)).filter_map(|part| Some((part.seen.time, amount(part)?))).collect();
    let mut missing: Vec<&str> =
        taken.iter().filter(|part| is(part) && !counted(part)).map(|part| part.ingredient).collect();
    missing.sort_unstable();
    missing.dedup();
    let mut marks = vec![format!("table:{}", tables::mme_version())];
    if !missing.is_empty() || doubtful(frame, taken, history, &|name| is_of_class(name, "opioid")) {
        marks.push("incomplete".to_owned());
        marks.extend(missing.iter().map(|name| format!("not_counted:{name}")));
    }
    let mut value = match greatest(frame, &doses) {
        Some(total) => told(frame, Some(milligrams(total.sum)), total.time, &within(taken, total, &counted)),
        None => DailyValue { reason: "no_factor".to_owned(), ..told(frame, None, frame.end, &[]) },
    };
    value.quality = marks.join(",");
    Some(value)
}

/// An opioid beside a benzodiazepine, rescue doses, and doses that come too soon.
fn opioids(frame: &Frame, taken: &[Part], history: &[Observation]) -> Values {
    let of_class =
        |class: &str| -> Vec<&Part> { taken.iter().filter(|part| is_of_class(part.ingredient, class)).collect() };
    let times = |parts: &[&Part]| parts.iter().map(|part| part.seen.time).collect::<Vec<i64>>();
    let (opioid, benzodiazepine) = (of_class("opioid"), of_class("benzodiazepine"));
    let today: Vec<&Observation> =
        opioid.iter().chain(&benzodiazepine).map(|part| part.seen).filter(|seen| frame.contains(seen.time)).collect();
    let mut rows = Vec::new();
    if !today.is_empty() {
        let pairs = together(&times(&opioid), &times(&benzodiazepine)).into_iter().filter(|at| frame.contains(*at));
        let at = pairs.max();
        let because = if at.is_some() { &today[..] } else { &[] };
        let newest = today.iter().map(|seen| seen.time).max().unwrap_or(frame.start);
        rows.push((
            "opioid_benzodiazepine",
            told(frame, Some(f64::from(u8::from(at.is_some()))), at.unwrap_or(newest), because),
        ));
    }
    let rescue: Vec<&Part> = opioid.iter().filter(|part| is_rescue(frame, part.seen)).copied().collect();
    let each: Vec<(i64, i64)> = rescue.iter().map(|part| (part.seen.time, 1)).collect();
    if let Some(total) = greatest(frame, &each) {
        let because: Vec<_> = rescue
            .iter()
            .map(|part| part.seen)
            .filter(|seen| total.time - DAY_WINDOW_MS < seen.time && seen.time <= total.time)
            .collect();
        rows.push(("rescue_24h", told(frame, Some(total.sum as f64), total.time, &because)));
    }
    rows.extend(as_needed(frame, history).map(|value| ("prn_doses", value)));
    rows.extend(too_soon(frame, &opioid).map(|value| ("opioid_too_soon", value)));
    named_values(rows)
}

/// Taken under an as-needed order that was in force.
fn is_rescue(frame: &Frame, seen: &Observation) -> bool {
    order_of(frame, seen).is_some_and(|order| order.prn.is_some())
}

/// As-needed doses of the day, 0 where there is such an order and none was taken by the day's close.
fn as_needed(frame: &Frame, history: &[Observation]) -> Option<DailyValue> {
    let ordered = frame
        .roster
        .prescriptions
        .of_patient(&frame.person.id)
        .any(|order| active(frame, order) && order.prn.is_some());
    let doses: Vec<&Observation> =
        history.iter().filter(|seen| frame.contains(seen.time) && counts(seen) && is_rescue(frame, seen)).collect();
    let newest = doses.iter().map(|seen| seen.time).max().unwrap_or(frame.end);
    (ordered && (frame.closed || !doses.is_empty())).then(|| told(frame, Some(doses.len() as f64), newest, &doses))
}

/// Opioid doses of the day that came after less than half the least interval of their order.
fn too_soon(frame: &Frame, opioid: &[&Part]) -> Option<DailyValue> {
    let doses: Vec<&Observation> = opioid.iter().map(|part| part.seen).collect();
    let today: Vec<_> = judged(frame, &doses).into_iter().filter(|(seen, _)| frame.contains(seen.time)).collect();
    let soon: Vec<&Observation> = today.iter().filter(|(_, early)| *early).map(|(seen, _)| *seen).collect();
    let newest = soon.iter().map(|seen| seen.time).max().unwrap_or(frame.start);
    (!today.is_empty()).then(|| told(frame, Some(soon.len() as f64), newest, &soon))
}

/// Classes whose use on ten days a month may keep a headache going.
const ACUTE: [&str; 3] = ["opioid", "triptan", "ergot"];

/// Whether the day saw analgesics of the two kinds that overuse counts.
fn analgesics(frame: &Frame, taken: &[Part]) -> Values {
    let today: Vec<&Part> = taken.iter().filter(|part| frame.contains(part.seen.time)).collect();
    let simple = |part: &&&Part| is_of_class(part.ingredient, "simple_analgesic");
    let acute = |part: &&&Part| {
        ACUTE.iter().any(|class| is_of_class(part.ingredient, class)) || (simple(part) && part.combined)
    };
    let value = |parts: Vec<&Observation>| {
        let held_at = parts.iter().map(|seen| seen.time).max().unwrap_or(frame.start);
        told(frame, Some(1.0), held_at, &parts)
    };
    let acute: Vec<_> = today.iter().filter(acute).map(|part| part.seen).collect();
    let simple: Vec<_> = today.iter().filter(simple).map(|part| part.seen).collect();
    let limited =
        |part: &&&Part| tables::maxima().iter().any(|row| row.ingredient == part.ingredient && row.max_days.is_some());
    let limited: Vec<&Part> = today.iter().filter(limited).copied().collect();
    let mut names: Vec<&str> = limited.iter().map(|part| part.ingredient).collect();
    names.sort_unstable();
    names.dedup();
    let limited = limited.iter().map(|part| part.seen).collect();
    let rows =
        [("acute_analgesic", acute, ""), ("simple_analgesic", simple, ""), ("time_limited", limited, &names.join(","))];
    let rows = rows.into_iter().filter(|(_, parts, _)| !parts.is_empty());
    named_values(rows.map(|(method, parts, names)| (method, DailyValue { quality: names.to_owned(), ..value(parts) })))
}
