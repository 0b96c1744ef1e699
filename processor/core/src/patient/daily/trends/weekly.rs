//! What the page of trends shows, told on Sundays: EWMA, Page-Hinkley, the slope, the last change of level, and rank
//! associations (clinical catalogue B2, B4, B6, B8, B9). No rule can look at it.

use painwatch_domain::LocalDay;

use super::super::{Days, Derived, DerivedDays, each};
use super::{CHART_DAYS, LEVEL_DAYS, Series, undefined};
use crate::metrics::changepoint::{self, segment};
use crate::metrics::ewma_chart::{self, EwmaChart};
use crate::metrics::page_hinkley::{PageHinkley, Params};
use crate::metrics::rank_association::{self, rank_association};
use crate::metrics::robust_z::{Method, spread};
use crate::metrics::summary_stats::{mean, median, sorted_present};
use crate::metrics::theil_sen::{self, WINDOW_DAYS, theil_sen};
use crate::patient::day::{DailyValue, rhythm::ends_week};

/// (name, what may explain, days that it came before).
pub const RANKS: [(&str, &str, i32); 4] = [
    ("pain_nrs.tau_sleep", "total_sleep_time.daily_sum", 0),
    ("pain_nrs.tau_sleep_day_before", "total_sleep_time.daily_sum", 1),
    ("pain_nrs.tau_steps", "step_count.daily_sum", 0),
    ("pain_nrs.tau_steps_day_before", "step_count.daily_sum", 1),
];

/// EWMA, Page-Hinkley, slope, level shift, in the order of their names.
pub(super) fn of(series: &Series, day: i32, row: &DailyValue) -> [Option<Derived>; 4] {
    let row = &DailyValue { evidence: Vec::new(), ..row.clone() };
    let charts = match series.level(day) {
        Ok(level) => {
            let mut chart = EwmaChart::new(ewma_chart::DEFAULTS, level);
            let point = series.window(day, CHART_DAYS).into_iter().fold(None, |_, x| Some(chart.handle(x)));
            let ewma = point.map(|point| {
                let quality = if point.z < point.lower || point.z > point.upper { "outside_limits" } else { "" };
                let value = told(row, point.z, quality.to_owned(), CHART_DAYS as usize);
                Derived { value, baseline: Some(level.mu0), deviation: Some((point.z - level.mu0) / level.sigma) }
            });
            [ewma, page_hinkley(series, day, row, Params::of(level))]
        }
        Err(reason) => [undefined(row, reason), undefined(row, reason)],
    };
    let [ewma, page_hinkley] = charts;
    [ewma, page_hinkley, slope(series, day, row), level_shift(series, day, row)]
}

fn told(row: &DailyValue, value: f64, quality: String, n: usize) -> DailyValue {
    DailyValue { value: Some(value), reason: String::new(), quality, n: n as u32, ..row.clone() }
}

/// How far the test is towards a drift: 1 is at it.
fn page_hinkley(series: &Series, day: i32, row: &DailyValue, params: Params) -> Option<Derived> {
    let mut test = PageHinkley::new(params);
    let first = day + 1 - CHART_DAYS - LEVEL_DAYS;
    let drifts = (first..=day).filter(|day| test.handle(series.value(*day))).last();
    let quality = drifts.map_or_else(String::new, |day| format!("drift={}", LocalDay(day)));
    let n = test.state.n as usize;
    let value = told(row, test.towards_drift()?, quality, n);
    Some(Derived { value, baseline: Some(test.state.mean), deviation: None })
}

/// Change a day over 28 days, with the level on the day itself.
fn slope(series: &Series, day: i32, row: &DailyValue) -> Option<Derived> {
    let days = (day + 1 - WINDOW_DAYS..=day).filter_map(|at| Some((at, series.value(at)?))).collect::<Vec<_>>();
    let span = days.last()?.0 - days.first()?.0;
    if days.len() < theil_sen::MIN_POINTS || span < theil_sen::MIN_SPAN_DAYS {
        return None;
    }
    let points: Vec<_> = days.iter().map(|(at, y)| (f64::from(at - day), *y)).collect();
    let found = theil_sen(&points)?;
    let interval = found.low.zip(found.high).map(|(low, high)| format!("ci95={low:.6}..{high:.6}"));
    let value = told(row, found.slope, interval.unwrap_or_default(), points.len());
    Some(Derived { value, baseline: Some(found.intercept), deviation: None })
}

/// What the last change of level was by, 0 where there was none, and since when.
fn level_shift(series: &Series, day: i32, row: &DailyValue) -> Option<Derived> {
    let first = day + 1 - CHART_DAYS - LEVEL_DAYS;
    let present: Vec<(i32, f64)> = (first..=day).filter_map(|at| Some((at, series.value(at)?))).collect();
    let x: Vec<f64> = present.iter().map(|point| point.1).collect();
    if x.len() < changepoint::MIN_VALUES {
        return None;
    }
    let Some(sigma) = noise(&x) else { return undefined(row, Method::Degenerate.reason()) };
    let found = segment(&x, changepoint::default_penalty(x.len(), sigma), changepoint::MIN_SEGMENT)?;
    let starts: Vec<usize> = std::iter::once(0).chain(found.ends.iter().copied()).collect();
    let of = |from: usize, to: usize| mean(&sorted_present(&x[from..to].iter().copied().map(Some).collect::<Vec<_>>()));
    let Some(before) = starts.len().checked_sub(3) else {
        return Some(Derived { value: told(row, 0.0, String::new(), x.len()), baseline: None, deviation: None });
    };
    let (old, new) = (of(starts[before], starts[before + 1])?, of(starts[before + 1], x.len())?);
    let since = format!("since={}", LocalDay(present[starts[before + 1]].0));
    Some(Derived { value: told(row, new - old, since, x.len()), baseline: Some(old), deviation: None })
}

/// Spread within a level: that of the differences of neighbours, which a change of level hardly moves.
fn noise(x: &[f64]) -> Option<f64> {
    let differences: Vec<_> = x.windows(2).map(|pair| Some(pair[1] - pair[0])).collect();
    let sorted = sorted_present(&differences);
    match spread(&sorted, median(&sorted)?) {
        (_, Method::Degenerate) => None,
        (spread, _) => Some(spread / std::f64::consts::SQRT_2),
    }
}

/// Whether pain goes with the sleep or the steps of the same day or of the day before.
pub(super) fn ranks(days: &Days, since: i32, wanted: &dyn Fn(&str) -> bool, derived: &mut DerivedDays) {
    if !RANKS.iter().any(|(name, ..)| wanted(name)) {
        return;
    }
    let pain = each(days, "pain_nrs.daily_mean");
    for (day, row) in pain.into_iter().filter(|(day, _)| *day >= since && ends_week(*day)) {
        for (name, other, lag) in RANKS.into_iter().filter(|(name, ..)| wanted(name)) {
            let of = |day: i32, name: &str| days.get(&day)?.get(name)?.value;
            let pairs = (day + 1 - WINDOW_DAYS..=day).map(|day| (of(day - lag, other), of(day, "pain_nrs.daily_mean")));
            let found = rank_association(pairs);
            let Some(tau_b) = found.tau_b.filter(|_| found.n >= rank_association::MIN_PAIRS) else { continue };
            let row = DailyValue { evidence: Vec::new(), ..row.clone() };
            let quality = found.rho.map_or_else(String::new, |rho| format!("rho={rho:.4}"));
            let value = told(&row, tau_b, quality, found.n);
            derived.insert((day, name), Derived { value, baseline: None, deviation: found.rho });
        }
    }
}
