//! Change of a daily value against the patient's own past: control charts, trends, steps, and what goes with what
//! (clinical catalogue B2 to B9).
//!
//! Each value is a function of the 42 days that end with its day and of nothing before them, so that it does not depend on
//! how long a patient is known: a control chart takes its level from 28 days and runs over the 14 after them. What only a
//! page of trends shows is told once a week, on Sundays.

mod weekly;

use std::collections::HashSet;
use std::sync::LazyLock;

use painwatch_domain::LocalDay;

use super::super::day::{DailyValue, rhythm::ends_week};
use super::super::frozen::Frozen;
use super::{Days, Derived, DerivedDays, each};
use crate::metrics::cusum::{self, Cusum};
use crate::metrics::days_of::{DaysOf, PositiveDays};
use crate::metrics::mann_kendall::{self, mann_kendall};
use crate::metrics::night_signal::{self, lights};
use crate::metrics::reference::{Reference, reference};
use crate::metrics::theil_sen::WINDOW_DAYS;

/// Days of a control chart, and before them those of its level.
const CHART_DAYS: i32 = 14;
const LEVEL_DAYS: i32 = 28;
/// Days before a day that its values look back on.
pub const LOOKBACK_DAYS: i32 = CHART_DAYS + LEVEL_DAYS - 1;

/// A daily metric whose change is watched, and the names of what is told about it.
pub struct Watched {
    pub source: &'static str,
    pub cusum: &'static str,
    pub trend: &'static str,
    /// Once a week: EWMA, Page-Hinkley, Theil-Sen slope, last change of level.
    pub weekly: [&'static str; 4],
}

macro_rules! watched {
    ($source:literal, $measure:literal) => {
        Watched {
            source: concat!($measure, ".", $source),
            cusum: concat!($measure, ".cusum"),
            trend: concat!($measure, ".trend_28d"),
            weekly: [
                concat!($measure, ".ewma"),
                concat!($measure, ".page_hinkley"),
                concat!($measure, ".slope_28d"),
                concat!($measure, ".level_shift"),
            ],
        }
    };
}

pub const WATCHED: [Watched; 5] = [
    watched!("daily_sum", "step_count"),
    watched!("night_mean", "heart_rate"),
    watched!("daily_median", "resting_heart_rate"),
    watched!("daily_mean", "pain_nrs"),
    watched!("daily_sum", "total_sleep_time"),
];

pub const NIGHT_SIGNAL: &str = "heart_rate.night_signal";
const NIGHT_MEAN: &str = "heart_rate.night_mean";

pub const POOR_NIGHTS: &str = "sleep_stage.poor_nights_7d";
/// A night is poor below this efficiency in percent and from this robust z of WASO on (clinical catalogue C5).
const POOR_EFFICIENCY_PCT: f64 = 75.0;
const POOR_WASO_Z: f64 = 2.0;
pub const NIGHTS: i32 = 7;

/// Whether a metric follows from other days: of a day that is not over none does.
pub fn is_trend(metric: &str) -> bool {
    static TRENDS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
        let watched = WATCHED.iter().flat_map(|of| [of.cusum, of.trend].into_iter().chain(of.weekly));
        watched.chain([NIGHT_SIGNAL, POOR_NIGHTS]).chain(weekly::RANKS.iter().map(|(name, ..)| *name)).collect()
    });
    TRENDS.contains(metric)
}

/// Of the pairs of two metrics: told anew with either.
pub fn is_rank(metric: &str) -> bool {
    weekly::RANKS.iter().any(|(name, ..)| *name == metric)
}

/// Everything of this page from day `since` on that is `wanted`.
pub fn derive(days: &Days, frozen: &Frozen, since: i32, wanted: &dyn Fn(&str) -> bool, derived: &mut DerivedDays) {
    for watched in &WATCHED {
        let any = [watched.cusum, watched.trend].into_iter().chain(watched.weekly).any(wanted);
        let series = if any { Series::of(days, watched.source, frozen) } else { continue };
        let rows = series.rows.range(since..).map(|(day, row)| (*day, *row));
        for (day, row) in rows.collect::<Vec<_>>() {
            let mut put = |name: &'static str, found: Option<Derived>| {
                derived.extend(found.filter(|_| wanted(name)).map(|found| ((day, name), found)));
            };
            put(watched.cusum, series.cusum(day, row));
            put(watched.trend, series.trend(day, row));
            if ends_week(day) {
                weekly::of(&series, day, row)
                    .into_iter()
                    .zip(watched.weekly)
                    .for_each(|(found, name)| put(name, found));
            }
        }
    }
    if wanted(NIGHT_SIGNAL) {
        night_signal(days, frozen, since, derived);
    }
    weekly::ranks(days, since, wanted, derived);
}

/// One daily metric over the kept days.
struct Series<'a> {
    /// Days that have a row, with or without a value.
    rows: std::collections::BTreeMap<i32, &'a DailyValue>,
    frozen: &'a Frozen,
}

impl<'a> Series<'a> {
    fn of(days: &'a Days, source: &str, frozen: &'a Frozen) -> Self {
        Self { rows: each(days, source).into_iter().collect(), frozen }
    }

    fn value(&self, day: i32) -> Option<f64> {
        self.rows.get(&day).and_then(|row| row.value)
    }

    /// One value a calendar day, of the `length` days that end with `last`.
    fn window(&self, last: i32, length: i32) -> Vec<Option<f64>> {
        (last + 1 - length..=last).map(|day| self.value(day)).collect()
    }

    /// The level before the chart that ends with `day`; frozen days are not part of it.
    fn level(&self, day: i32) -> Result<Reference, &'static str> {
        let last = day - CHART_DAYS;
        let usable = (last + 1 - LEVEL_DAYS..=last).filter(|day| !self.frozen.contains(*day));
        reference(&usable.map(|day| self.value(day)).collect::<Vec<_>>())
    }

    /// The greater of the two sums, negative for the lower side; null on a day without a value. It says since when.
    fn cusum(&self, day: i32, row: &DailyValue) -> Option<Derived> {
        let level = match self.level(day) {
            Ok(level) => level,
            Err(reason) => return undefined(row, reason),
        };
        let Some(x) = row.value else { return undefined(row, &row.reason) };
        let mut chart = Cusum::new(cusum::DEFAULTS, level);
        let window = self.window(day, CHART_DAYS);
        let step = window.iter().fold(None, |_, x| Some(chart.handle(*x)))?;
        let (value, run) =
            if step.c_plus >= step.c_minus { (step.c_plus, step.n_plus) } else { (-step.c_minus, step.n_minus) };
        let since = (0..).zip(window.iter().rev()).filter(|(_, x)| x.is_some()).nth(run.saturating_sub(1) as usize);
        let quality = since.filter(|_| run > 0).map(|(back, _)| format!("since={}", LocalDay(day - back)));
        let value = DailyValue { value: Some(value), n: run, quality: quality.unwrap_or_default(), ..row.clone() };
        Some(Derived { value, baseline: Some(level.mu0), deviation: Some((x - level.mu0) / level.sigma) })
    }

    /// What the value changed by over 28 days, 0 where that is not significant.
    fn trend(&self, day: i32, row: &DailyValue) -> Option<Derived> {
        let found = mann_kendall(&self.window(day, WINDOW_DAYS), mann_kendall::ALPHA);
        let slope = found.slope.filter(|_| found.n >= mann_kendall::MIN_VALUES)?;
        if row.value.is_none() {
            return undefined(row, &row.reason);
        }
        let significant = found.trend != mann_kendall::Trend::None;
        let change = if significant { slope * f64::from(WINDOW_DAYS) } else { 0.0 };
        let quality = format!("p={:.4}", found.p);
        let value = DailyValue { value: Some(change), n: found.n as u32, quality, ..row.clone() };
        Some(Derived { value, baseline: None, deviation: Some(found.z) })
    }
}

/// A value that is null for a reason. Too few days yet is none: a row a day would say nothing.
fn undefined(row: &DailyValue, reason: &str) -> Option<Derived> {
    let value = DailyValue { value: None, reason: reason.to_owned(), evidence: Vec::new(), ..row.clone() };
    (reason != "insufficient").then_some(Derived { value, baseline: None, deviation: None })
}

fn night_signal(days: &Days, frozen: &Frozen, since: i32, derived: &mut DerivedDays) {
    let params = night_signal::Params::CAUSAL;
    let rows: Vec<_> =
        each(days, NIGHT_MEAN).into_iter().filter(|(day, _)| *day >= since - params.window_nights - 1).collect();
    let means = rows.iter().filter_map(|(day, row)| Some((*day, row.value?))).collect();
    let nights = lights(&means, |night| !frozen.contains(night), &params);
    for (day, row) in rows.into_iter().filter(|(day, _)| *day >= since) {
        let Some((night, light)) = nights.get(&day).and_then(|night| Some((night, night.light?))) else { continue };
        let value = DailyValue { value: Some(f64::from(light.level())), ..row.clone() };
        let deviation = night.baseline.map(|baseline| night.mean - baseline);
        derived.insert((day, NIGHT_SIGNAL), Derived { value, baseline: night.baseline, deviation });
    }
}

/// How many of the last seven nights were poor, by the deviations of WASO that were derived before.
pub fn poor_nights(days: &Days, since: i32, waso_z: &DerivedDays, derived: &mut DerivedDays) {
    let mut poor = PositiveDays::new(DaysOf { k: 1, n: NIGHTS as u32 });
    for (day, row) in each(days, "sleep_stage.sleep_efficiency") {
        let z = waso_z.get(&(day, "sleep_stage.waso_z")).and_then(|found| found.value.value);
        let is_poor = row.value.zip(z).map(|(efficiency, z)| efficiency < POOR_EFFICIENCY_PCT && z >= POOR_WASO_Z);
        poor.handle(day, is_poor);
        if is_poor.is_some() && day >= since {
            let value = DailyValue { value: Some(f64::from(poor.count(day))), ..row.clone() };
            derived.insert((day, POOR_NIGHTS), Derived { value, baseline: None, deviation: None });
        }
    }
}
