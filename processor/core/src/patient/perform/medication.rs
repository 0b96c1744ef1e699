//! Scheduled doses, the run of missed ones, and the exposure to opioids that follows from what was taken.

use std::collections::BTreeMap;

use painwatch_domain::reading::DoseEvent;
use painwatch_domain::roster::{Medication, Patient, Prescription};
use painwatch_domain::{Flags, JournalTime, Roster};

use super::super::Clinic;
use super::super::calendar::Calendar;
use super::super::day::{DailyValue, Frame, Group, Observation, Values};
use super::super::past::{MissedDose, OpioidDose, Past};
use super::super::state::Work;
use crate::metrics::dose_adherence::{self, Cell, Status};
use crate::rules::ingredients::is_of_class;

/// How long after a cell closed a dose may still be uploaded before the cell is called missed [engineering choice].
const DOSE_LATENESS_MS: i64 = 60 * 60_000;

/// One prescription's scheduled doses of the day before, the day and the day after, in order of schedule.
struct Schedule<'a> {
    medication: &'a Medication,
    /// Matched with the doses that count in sums.
    cells: Vec<Cell>,
    /// Whether any dose at all fills the cell, also one of doubtful amount or time: then it was not missed.
    filled: Vec<bool>,
    /// Doses that count in sums and fill no cell.
    extra: Vec<i64>,
    /// Whether each gap that ends on the day is within 25 % of the prescribed one.
    gaps: Vec<bool>,
}

/// What is known of the day's cells.
#[derive(Default)]
struct Tally {
    scheduled: u32,
    matched: u32,
    on_time: u32,
    gaps: u32,
    gaps_kept: u32,
    by_medication: BTreeMap<String, Vec<MissedDose>>,
    /// Doses of scheduled opioids that fill no cell; `None` without such an order.
    extra_opioids: Option<Vec<i64>>,
    /// When the next cell, of this day or the day after, can be judged.
    next_known: [Option<i64>; 2],
}

impl Clinic {
    pub(super) fn medication(
        &mut self,
        person: &Patient,
        past: &mut Past,
        frame: &Frame,
        history: &[Observation],
        now: JournalTime,
    ) -> Values {
        let tally = tally(person, frame, history);
        for (at, day) in tally.next_known.into_iter().zip(frame.day.0..) {
            if let Some(at) = at {
                self.owe(&person.id, JournalTime(at.max(now.0)), Work::Evaluate(Group::Medication, day));
            }
        }
        let opioids = opioid_doses(frame.roster, frame, history);
        let oldest = frame.day.0.min(self.horizon(Calendar::of(person), now)) - self.lookback_days;
        let exposure_before = past.exposure();
        put(&mut past.opioids, frame.day.0, opioids);
        let exposure_changed = past.exposure() != exposure_before;
        put(&mut past.missed, frame.day.0, tally.by_medication.clone());
        past.missed.retain(|day, _| *day >= oldest);
        if exposure_changed && self.rules.iter().any(|rule| rule.depends_on_exposure() && rule.applies_to(person)) {
            self.owe(&person.id, now, Work::Republish);
        }
        let mut values = values(frame, history, &tally);
        values.extend(super::doses::values(frame, history));
        values.extend(super::fills::values(person, frame));
        values
    }
}

/// An empty collection is not kept: what never was and what was taken back are one state.
fn put<T>(kept: &mut BTreeMap<i32, T>, day: i32, value: T)
where
    for<'a> &'a T: IntoIterator,
{
    if (&value).into_iter().next().is_some() {
        kept.insert(day, value);
    } else {
        kept.remove(&day);
    }
}

fn tally(person: &Patient, frame: &Frame, history: &[Observation]) -> Tally {
    let mut tally = Tally::default();
    for schedule in schedules(person, frame, history) {
        if is_of_class(&schedule.medication.ingredient, "opioid") {
            let extra = schedule.extra.iter().copied().filter(|time| frame.contains(*time));
            tally.extra_opioids.get_or_insert_default().extend(extra);
        }
        tally.gaps += schedule.gaps.len() as u32;
        tally.gaps_kept += schedule.gaps.iter().filter(|kept| **kept).count() as u32;
        for (cell, filled) in schedule.cells.iter().zip(&schedule.filled) {
            let known_at = cell.closes + DOSE_LATENESS_MS + 1;
            let later = usize::from(cell.scheduled >= frame.end);
            if (cell.matched.is_none() || later == 1) && known_at > frame.now && cell.scheduled >= frame.start {
                let next = &mut tally.next_known[later];
                *next = Some(next.map_or(known_at, |next: i64| next.min(known_at)));
            } else if frame.contains(cell.scheduled) {
                tally.add(schedule.medication, cell, *filled);
            }
        }
    }
    tally.by_medication.values_mut().for_each(|doses| doses.sort_by_key(|dose| dose.scheduled));
    tally
}

impl Tally {
    fn add(&mut self, medication: &Medication, cell: &Cell, filled: bool) {
        self.scheduled += 1;
        self.matched += u32::from(cell.matched.is_some());
        self.on_time += u32::from(cell.status == Status::OnTime);
        let doses = self.by_medication.entry(medication.id.to_string()).or_default();
        doses.push(MissedDose { scheduled: cell.scheduled, missed: !filled });
    }
}

fn schedules<'a>(person: &Patient, frame: &Frame<'a>, history: &[Observation]) -> Vec<Schedule<'a>> {
    let active = frame.roster.prescriptions.of_patient(&person.id).filter(|order| !order.times_min.is_empty());
    let matched = active.filter_map(|prescription| {
        let medication = frame.roster.medications.get(&prescription.medication)?;
        let scheduled = scheduled(person, frame, prescription);
        let interval = 24 * 60 * 60_000 / prescription.times_min.len() as i64;
        let matched =
            |doses: Vec<i64>| dose_adherence::adherence(&scheduled, &doses, dose_adherence::ON_TIME_MS, interval);
        let taken = |all: bool| {
            let doses = history.iter().filter(|seen| is_taken(seen, medication) && (all || counts_in_sums(seen)));
            doses.map(|seen| seen.time).collect::<Vec<_>>()
        };
        let filled = matched(taken(true)).cells.iter().map(|cell| cell.matched.is_some()).collect();
        let counted = matched(taken(false));
        // A rescue dose of the same medication is no extra dose of the schedule.
        let as_needed = |time: i64| {
            frame.roster.prescriptions.of_patient(&person.id).any(|order| {
                order.medication == prescription.medication
                    && order.prn.is_some()
                    && order.start.0 <= time
                    && order.end.is_none_or(|end| time < end.0)
            })
        };
        let in_force = |time: i64| prescription.start.0 <= time && prescription.end.is_none_or(|end| time < end.0);
        let extra = counted.extra.into_iter().filter(|time| in_force(*time) && !as_needed(*time)).collect();
        let gaps = gaps(frame, prescription.start.0, &taken(false), interval);
        Some(Schedule { medication, cells: counted.cells, filled, extra, gaps })
    });
    matched.collect()
}

/// Of each dose of the day, whether the gap before it was kept. One before which nothing was taken for longer than that
/// kept none, unless the order is younger: then there is no gap yet.
fn gaps(frame: &Frame, began: i64, doses: &[i64], interval: i64) -> Vec<bool> {
    let mut doses = doses.to_vec();
    doses.sort_unstable();
    let longest = dose_adherence::longest_kept(interval);
    let gap = |nth: usize| match nth.checked_sub(1).map(|before| doses[nth] - doses[before]) {
        Some(gap) if gap <= longest => Some(dose_adherence::is_kept(gap, interval)),
        _ => (doses[nth] - began > longest).then_some(false),
    };
    let of_day = (0..doses.len()).filter(|nth| frame.contains(doses[*nth]) && began <= doses[*nth]);
    of_day.filter_map(gap).collect()
}

fn scheduled(person: &Patient, frame: &Frame, prescription: &Prescription) -> Vec<i64> {
    let calendar = Calendar::of(person);
    let of_day = |day: i32| {
        let ((start, end), zone) = (calendar.bounds(day), calendar.zone_of(day));
        let times =
            prescription.times_min.iter().map(move |minute| zone.at(painwatch_domain::LocalDay(day), *minute).0);
        times.filter(move |time| (start..end).contains(time))
    };
    let times = (frame.day.0 - 1..=frame.day.0 + 1).flat_map(of_day);
    times.filter(|time| prescription.start.0 <= *time && prescription.end.is_none_or(|end| *time < end.0)).collect()
}

fn is_taken(seen: &Observation, medication: &Medication) -> bool {
    let taken = |event| matches!(event, DoseEvent::Taken | DoseEvent::Applied);
    seen.reading.about.dose.as_ref().is_some_and(|dose| dose.medication == medication.id && taken(dose.event))
}

/// Neither undecided (semantics 4) nor by a fast clock (semantics 7).
fn counts_in_sums(seen: &Observation) -> bool {
    !seen.undecided && !seen.reading.flags.has(Flags::CLOCK_AHEAD)
}

/// What the day recorded of opioids, in time order. A doubtful amount is an exposure all the same.
fn opioid_doses(roster: &Roster, frame: &Frame, history: &[Observation]) -> Vec<OpioidDose> {
    let in_day = history.iter().filter(|seen| frame.contains(seen.time));
    let dose = |seen: &Observation| {
        let dose = seen.reading.about.dose.as_ref()?;
        let medication =
            roster.medications.get(&dose.medication).filter(|known| is_of_class(&known.ingredient, "opioid"))?;
        let (medication, release) = (medication.id.to_string(), medication.release.clone());
        Some(OpioidDose { medication, release, time: seen.time, event: dose.event.as_str().to_owned() })
    };
    in_day.filter_map(dose).collect()
}

fn values(frame: &Frame, history: &[Observation], tally: &Tally) -> Values {
    let mut values: Values = extra_opioids(frame, history, tally).into_iter().collect();
    if tally.scheduled == 0 || !frame.closed {
        return values;
    }
    let doses: Vec<&Observation> =
        history.iter().filter(|seen| seen.reading.about.dose.is_some() && frame.contains(seen.time)).collect();
    let incomplete = doses.iter().any(|seen| seen.undecided);
    let value = |part: u32, whole: u32| DailyValue {
        value: Some(100.0 * f64::from(part) / f64::from(whole)),
        n: whole,
        held_at: frame.end,
        quality: if incomplete { "incomplete" } else { "" }.to_owned(),
        evidence: doses.iter().take(4).map(|seen| seen.id(&frame.roster.tenant).0).collect(),
        historical: !doses.is_empty() && doses.iter().all(|seen| seen.historical),
        ..DailyValue::default()
    };
    values.insert("medication_event.taking_pct".to_owned(), value(tally.matched, tally.scheduled));
    values.insert("medication_event.timing_pct".to_owned(), value(tally.on_time, tally.scheduled));
    if tally.gaps > 0 {
        values.insert("medication_event.interval_pct".to_owned(), value(tally.gaps_kept, tally.gaps));
    }
    values
}

/// Said as soon as such a dose comes.
fn extra_opioids(frame: &Frame, history: &[Observation], tally: &Tally) -> Option<(String, DailyValue)> {
    let extra = tally.extra_opioids.as_ref().filter(|extra| frame.closed || !extra.is_empty())?;
    let because: Vec<&Observation> =
        history.iter().filter(|seen| seen.reading.about.dose.is_some() && extra.contains(&seen.time)).collect();
    let value = DailyValue {
        value: Some(extra.len() as f64),
        n: tally.scheduled,
        held_at: extra.iter().copied().max().unwrap_or(frame.end),
        evidence: because.iter().take(4).map(|seen| seen.id(&frame.roster.tenant).0).collect(),
        historical: !because.is_empty() && because.iter().all(|seen| seen.historical),
        verify: super::doses::is_doubted(frame.roster, &because),
        ..DailyValue::default()
    };
    Some(("medication_event.opioid_extra".to_owned(), value))
}
