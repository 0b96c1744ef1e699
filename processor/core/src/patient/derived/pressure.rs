//! Blood pressure at home over a week, and what an NSAID did to it (clinical catalogue A6).

use super::{Book, Facts, like};
use crate::metrics::bp_category::category;
use crate::patient::by_metric::ByMetric;
use crate::patient::day::DailyValue;

/// Home status needs 12 readings on 3 days; the days are the last seven [engineering choice].
const HOME_DAYS: i32 = 7;
const HOME_MIN_READINGS: u32 = 12;
const HOME_MIN_DAYS: usize = 3;
/// An NSAID shows in days 4 to 28 after its start, against the 28 days before, 6 readings each.
const NSAID_AFTER: (i32, i32) = (4, 28);
const NSAID_BEFORE_DAYS: i32 = 28;
const NSAID_MIN_READINGS: u32 = 6;

const HOME: [&str; 3] =
    ["blood_pressure.home_systolic", "blood_pressure.home_diastolic", "blood_pressure.home_category"];
const NSAID: [&str; 2] = ["blood_pressure.nsaid_rise", "blood_pressure.nsaid_effect"];

pub(super) fn derive(book: &mut Book) {
    if book.wants(&HOME) {
        home(book);
    }
    if book.wants(&NSAID) && !book.facts.nsaid_starts.is_empty() {
        nsaid(book);
    }
}

/// Mean of all readings of some days, by the days' means and counts.
struct Mean {
    systolic: f64,
    diastolic: f64,
    readings: u32,
    days: usize,
}

fn mean(book: &Book, days: std::ops::RangeInclusive<i32>) -> Option<Mean> {
    let of_day = |values: &ByMetric<DailyValue>| {
        let systolic = values.get("blood_pressure.daily_systolic")?;
        let diastolic = values.get("blood_pressure.daily_diastolic")?;
        Some((systolic.value?, diastolic.value?, systolic.n))
    };
    let rows: Vec<(f64, f64, u32)> = book.days.range(days).filter_map(|(_, values)| of_day(values)).collect();
    let readings: u32 = rows.iter().map(|(.., n)| n).sum();
    let weighted = |part: &dyn Fn(&(f64, f64, u32)) -> f64| {
        rows.iter().map(|row| part(row) * f64::from(row.2)).sum::<f64>() / f64::from(readings)
    };
    let days = rows.len();
    (readings > 0).then(|| Mean { systolic: weighted(&|row| row.0), diastolic: weighted(&|row| row.1), readings, days })
}

fn home(book: &mut Book) {
    for (day, value) in book.each("blood_pressure.daily_systolic") {
        let week = mean(book, day - HOME_DAYS + 1..=day);
        let n = week.as_ref().map_or(0, |week| week.readings as usize);
        let week = week.filter(|week| week.readings >= HOME_MIN_READINGS && week.days >= HOME_MIN_DAYS);
        let rank = week.as_ref().map(|week| category(week.systolic, week.diastolic).rank());
        let told = [week.as_ref().map(|week| week.systolic), week.as_ref().map(|week| week.diastolic), rank];
        for (name, number) in HOME.into_iter().zip(told) {
            book.put(day, name, like(value, number, n), (None, None));
        }
    }
}

fn nsaid(book: &mut Book) {
    for (day, value) in book.each("blood_pressure.daily_systolic") {
        let Some(start) = Facts::latest(&book.facts.nsaid_starts, day - NSAID_AFTER.0) else { continue };
        if day - start > NSAID_AFTER.1 {
            continue;
        }
        let enough = |mean: &Mean| mean.readings >= NSAID_MIN_READINGS;
        let before = mean(book, start - NSAID_BEFORE_DAYS..=start - 1).filter(enough);
        let after = mean(book, start + NSAID_AFTER.0..=day).filter(enough);
        let n = after.as_ref().map_or(0, |after| after.readings as usize);
        let pair = before.zip(after);
        let rise = pair.as_ref().map(|(before, after)| after.systolic - before.systolic);
        let worse = pair.as_ref().map(|(before, after)| {
            category(after.systolic, after.diastolic) > category(before.systolic, before.diastolic)
        });
        let effect = rise.zip(worse).map(|(rise, worse)| f64::from(u8::from(rise >= 5.0 || worse)));
        let around = (pair.as_ref().map(|(before, _)| before.systolic), rise);
        book.put(day, NSAID[0], like(value, rise, n), around);
        let told: DailyValue = like(value, effect, n);
        book.put(day, NSAID[1], told, around);
    }
}
