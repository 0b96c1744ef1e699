//! Opioid doses and scheduled ones.

use std::collections::{BTreeMap, HashMap};

use painwatch_domain::time::DAY_MS;

use super::columns::{read_days, write_days};
use super::{In, Out, Result};
use crate::patient::past::{Missed, MissedDose, OpioidDose, Opioids};

pub(super) fn write_opioids(out: &mut Out, opioids: &Opioids) {
    write_days(out, &opioids.keys().copied().collect::<Vec<_>>());
    let mut time = 0_i64;
    for doses in opioids.values() {
        out.bytes.unsigned(doses.len() as u64);
        for dose in doses {
            [&dose.medication, &dose.release, &dose.event].into_iter().for_each(|text| out.text(text));
            out.bytes.signed(dose.time.wrapping_sub(std::mem::replace(&mut time, dose.time)));
        }
    }
}

pub(super) fn read_opioids(from: &mut In) -> Result<Opioids> {
    let (mut opioids, mut time) = (Opioids::new(), 0_i64);
    for day in read_days(from)? {
        let mut doses = Vec::new();
        for _ in 0..from.bytes.count()? {
            let [medication, release, event] = [from.text()?, from.text()?, from.text()?].map(str::to_owned);
            time = time.wrapping_add(from.bytes.signed()?);
            doses.push(OpioidDose { medication, release, time, event });
        }
        opioids.insert(day, doses);
    }
    Ok(opioids)
}

/// When the doses of a medication were scheduled on the day before them that had some: the next ones mostly come at the
/// same times.
#[derive(Default)]
struct Schedules<'a>(HashMap<&'a str, (i32, Vec<i64>)>);

impl<'a> Schedules<'a> {
    fn expected(&self, medication: &str, day: i32, nth: usize) -> i64 {
        let Some((of, times)) = self.0.get(medication) else { return i64::from(day).wrapping_mul(DAY_MS) };
        let days = i64::from(day).wrapping_sub(i64::from(*of)).wrapping_mul(DAY_MS);
        times.get(nth).or(times.last()).copied().unwrap_or_default().wrapping_add(days)
    }

    fn note(&mut self, medication: &'a str, day: i32, doses: &[MissedDose]) {
        self.0.insert(medication, (day, doses.iter().map(|dose| dose.scheduled).collect()));
    }
}

pub(super) fn write_missed(out: &mut Out, missed: &Missed) {
    write_days(out, &missed.keys().copied().collect::<Vec<_>>());
    let mut schedules = Schedules::default();
    for (day, medications) in missed {
        out.bytes.unsigned(medications.len() as u64);
        for (medication, doses) in medications {
            out.text(medication);
            out.bytes.unsigned(doses.len() as u64);
            for (nth, dose) in doses.iter().enumerate() {
                let off = dose.scheduled.wrapping_sub(schedules.expected(medication, *day, nth));
                // One byte for a dose at its usual time.
                out.bytes.signed(if dose.missed { off.wrapping_mul(2) | 1 } else { off.wrapping_mul(2) });
            }
            schedules.note(medication, *day, doses);
        }
    }
}

pub(super) fn read_missed(from: &mut In) -> Result<Missed> {
    let (mut missed, mut schedules) = (Missed::new(), Schedules::default());
    for day in read_days(from)? {
        let mut medications = BTreeMap::new();
        for _ in 0..from.bytes.count()? {
            let medication = from.text()?;
            let mut doses = Vec::new();
            for nth in 0..from.bytes.count()? {
                let said = from.bytes.signed()?;
                let scheduled = schedules.expected(medication, day, nth).wrapping_add(said >> 1);
                doses.push(MissedDose { scheduled, missed: said & 1 == 1 });
            }
            schedules.note(medication, day, &doses);
            medications.insert(medication.to_owned(), doses);
        }
        missed.insert(day, medications);
    }
    Ok(missed)
}
