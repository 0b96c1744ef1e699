//! Blood pressure at home over a week, and what an NSAID did to it (clinical catalogue A6).

use painwatch_domain::Measure;

use super::{Book, Facts, like};
use crate::metrics::bp_category::{self, Category, category};
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

/// All readings of some days, by the days' means and counts: sums at the measure's scale, so that a mean that is exactly a
/// limit is at it.
#[derive(Default)]
struct Readings {
    systolic: i64,
    diastolic: i64,
    n: u32,
    days: usize,
}

impl Readings {
    fn means(&self) -> (f64, f64) {
        (bp_category::mean(self.systolic, self.n), bp_category::mean(self.diastolic, self.n))
    }

    fn category(&self) -> Category {
        let (systolic, diastolic) = self.means();
        category(systolic, diastolic)
    }

    /// How much greater the mean systolic pressure is than that of others: one division, of exact numbers.
    fn rise_from(&self, before: &Self) -> f64 {
        let of = |one: &Self, by: &Self| i128::from(one.systolic) * i128::from(by.n);
        let by = f64::from(self.n) * f64::from(before.n) * Measure::BloodPressure.to_scaled(1.0) as f64;
        (of(self, before) - of(before, self)) as f64 / by
    }
}

fn readings(book: &Book, days: std::ops::RangeInclusive<i32>) -> Readings {
    let of_day = |values: &ByMetric<DailyValue>| {
        let systolic = values.get("blood_pressure.daily_systolic")?;
        let diastolic = values.get("blood_pressure.daily_diastolic")?;
        Some((systolic.value?, diastolic.value?, systolic.n))
    };
    let mut all = Readings::default();
    for (systolic, diastolic, n) in book.days.range(days).filter_map(|(_, values)| of_day(values)) {
        let sum = |mean: f64| Measure::BloodPressure.to_scaled(mean * f64::from(n));
        all.systolic += sum(systolic);
        all.diastolic += sum(diastolic);
        all.n += n;
        all.days += 1;
    }
    all
}

fn home(book: &mut Book) {
    for (day, value) in book.each("blood_pressure.daily_systolic") {
        let week = readings(book, day - HOME_DAYS + 1..=day);
        let n = week.n as usize;
        let week = Some(week).filter(|week| week.n >= HOME_MIN_READINGS && week.days >= HOME_MIN_DAYS);
        let means = week.as_ref().map(Readings::means);
        let rank = week.as_ref().map(|week| week.category().rank());
        for (name, number) in HOME.into_iter().zip([means.map(|means| means.0), means.map(|means| means.1), rank]) {
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
        let before = readings(book, start - NSAID_BEFORE_DAYS..=start - 1);
        let after = readings(book, start + NSAID_AFTER.0..=day);
        let (enough, n) = (before.n.min(after.n) >= NSAID_MIN_READINGS, after.n as usize);
        let rise = enough.then(|| after.rise_from(&before));
        let effect = rise.map(|rise| f64::from(u8::from(rise >= 5.0 || after.category() > before.category())));
        let around = (rise.map(|_| before.means().0), rise);
        book.put(day, NSAID[0], like(value, rise, n), around);
        book.put(day, NSAID[1], like(value, effect, n), around);
    }
}
