//! Summary of pain intensity reports (clinical catalogue F1).
//!
//! Definition: mean, worst, least, sd and fraction of severe reports; area under the curve by trapezoid over irregular
//! times in score-hours; twa = AUC / span; SPID = baseline · span - AUC (positive is relief); mssd = mean squared
//! successive difference; and by carrying each report forward (at most `carry`, never past the next report or the end):
//! minutes observed, minutes severe, carried mean. Day valid with >= 2 reports >= 4 h apart; a date-only report spans its
//! local day and alone makes the day valid. Patients value the worst and the time in high pain, trials the average: keep
//! all.

use serde::Serialize;

use super::summary_stats::{mean, sd, sorted_present};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: f64 = 3_600_000.0;
pub const SEVERE_FROM: f64 = 7.0;
pub const CARRY_MS: i64 = 8 * 60 * MINUTE_MS;
pub const VALID_SPREAD_MS: i64 = 4 * 60 * MINUTE_MS;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    pub baseline: Option<f64>,
    pub severe_from: f64,
    pub carry_ms: i64,
    pub end_ms: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PainSummary {
    pub n: usize,
    pub mean: Option<f64>,
    pub worst: Option<f64>,
    pub least: Option<f64>,
    pub sd: Option<f64>,
    pub frac_severe: Option<f64>,
    /// Score-hours.
    pub auc_h: Option<f64>,
    pub twa: Option<f64>,
    /// From the first report to the last.
    pub span_h: Option<f64>,
    pub spid_h: Option<f64>,
    pub mssd: Option<f64>,
    pub carried_ms: i64,
    pub carried_severe_ms: i64,
    pub carried_mean: Option<f64>,
}

/// Summarises (time, score) reports in ascending time.
pub fn summarise(reports: &[(i64, f64)], params: Params) -> PainSummary {
    let scores: Vec<_> = reports.iter().map(|(_, score)| Some(*score)).collect();
    let sorted = sorted_present(&scores);
    let n = reports.len();
    let span_h = reports.first().zip(reports.last()).map(|(first, last)| (last.0 - first.0) as f64 / HOUR_MS);
    let auc_h = (n > 0).then(|| trapezoid_h(reports));
    let severe = scores.iter().flatten().filter(|score| **score >= params.severe_from).count();
    let carried = carry_forward(reports, params);
    PainSummary {
        n,
        mean: mean(&sorted),
        worst: sorted.last().copied(),
        least: sorted.first().copied(),
        sd: sd(&sorted),
        frac_severe: (n > 0).then(|| severe as f64 / n as f64),
        auc_h,
        twa: auc_h.zip(span_h).filter(|(_, span)| *span > 0.0).map(|(auc, span)| auc / span),
        span_h,
        spid_h: params.baseline.zip(span_h).zip(auc_h).map(|((baseline, span), auc)| baseline * span - auc),
        mssd: (n > 1).then(|| squared_steps(reports) / (n - 1) as f64),
        carried_ms: carried.observed_ms,
        carried_severe_ms: carried.severe_ms,
        carried_mean: (carried.observed_ms > 0).then(|| carried.score_ms / carried.observed_ms as f64),
    }
}

fn trapezoid_h(reports: &[(i64, f64)]) -> f64 {
    reports.windows(2).map(|pair| (pair[1].0 - pair[0].0) as f64 / HOUR_MS * (pair[0].1 + pair[1].1) / 2.0).sum()
}

fn squared_steps(reports: &[(i64, f64)]) -> f64 {
    reports.windows(2).map(|pair| (pair[1].1 - pair[0].1) * (pair[1].1 - pair[0].1)).sum()
}

#[derive(Default)]
struct Carried {
    observed_ms: i64,
    severe_ms: i64,
    score_ms: f64,
}

fn carry_forward(reports: &[(i64, f64)], params: Params) -> Carried {
    let mut carried = Carried::default();
    for (index, (time, score)) in reports.iter().enumerate() {
        let next = reports.get(index + 1).map_or(params.end_ms, |next| next.0.min(params.end_ms));
        let held = (next.min(time.saturating_add(params.carry_ms)) - time).max(0);
        carried.observed_ms += held;
        carried.score_ms += score * held as f64;
        if *score >= params.severe_from {
            carried.severe_ms += held;
        }
    }
    carried
}

/// A report as the day sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    pub time_ms: i64,
    pub score: f64,
    /// Only the local date is known.
    pub date_only: bool,
    /// Whether the patient was asked; `None` when the source does not tell.
    pub prompted: Option<bool>,
}

impl Report {
    pub fn is_self_started(&self) -> bool {
        self.prompted == Some(false)
    }
}

/// One local day of reports.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PainDay {
    pub valid: bool,
    /// `insufficient` when not valid, else empty.
    pub reason: &'static str,
    /// All reports of the day: for the worst, the least and the minutes.
    pub summary: PainSummary,
    /// Prompted and self-started reports are never averaged together (people start a report when it hurts): each by
    /// themselves. Reports of unknown origin count as prompted, because recordings without the mark are schedules.
    pub prompted: PainSummary,
    pub self_started: PainSummary,
}

impl PainDay {
    /// What the day's averages are of: the asked-for reports; self-started ones only where nothing else exists.
    pub const fn averaged(&self) -> &PainSummary {
        if self.prompted.n > 0 { &self.prompted } else { &self.self_started }
    }

    /// Says of which reports that is, on a day with self-started ones.
    pub const fn tag(&self) -> &'static str {
        match (self.prompted.n, self.self_started.n) {
            (_, 0) => "",
            (0, _) => "self_started",
            _ => "prompted",
        }
    }
}

/// Summarises the reports of the local day that ends at `day_end_ms`, in any order.
pub fn day(reports: &[Report], day_end_ms: i64) -> PainDay {
    let mut ordered = reports.to_vec();
    ordered.sort_by(|a, b| a.time_ms.cmp(&b.time_ms).then(a.score.total_cmp(&b.score)));
    let params = Params { baseline: None, severe_from: SEVERE_FROM, carry_ms: CARRY_MS, end_ms: day_end_ms };
    let spread = ordered.first().zip(ordered.last()).map_or(0, |(first, last)| last.time_ms - first.time_ms);
    let valid = ordered.iter().any(|report| report.date_only) || spread >= VALID_SPREAD_MS;
    let summary_of = |which: &dyn Fn(&Report) -> bool| {
        let chosen = ordered.iter().filter(|report| which(report));
        summarise(&chosen.map(|report| (report.time_ms, report.score)).collect::<Vec<_>>(), params)
    };
    PainDay {
        valid,
        reason: if valid { "" } else { "insufficient" },
        summary: summary_of(&|_| true),
        prompted: summary_of(&|report| !report.is_self_started()),
        self_started: summary_of(&Report::is_self_started),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(hour: i64, score: f64) -> Report {
        Report { time_ms: hour * 3_600_000, score, date_only: false, prompted: None }
    }

    const DAY_END: i64 = 24 * 3_600_000;

    #[test]
    fn a_day_needs_two_reports_four_hours_apart_or_one_for_the_whole_day() {
        assert!(!day(&[report(8, 5.0), report(11, 6.0)], DAY_END).valid);
        assert!(day(&[report(12, 5.0), report(8, 6.0)], DAY_END).valid);
        let whole_day = Report { date_only: true, ..report(0, 4.0) };
        assert_eq!((day(&[whole_day], DAY_END).valid, day(&[], DAY_END).reason), (true, "insufficient"));
    }

    #[test]
    fn prompted_and_self_started_reports_are_never_averaged_together() {
        let sudden = Report { prompted: Some(false), ..report(10, 9.0) };
        let mixed = day(&[report(8, 3.0), sudden, report(14, 5.0)], DAY_END);
        assert_eq!((mixed.prompted.mean, mixed.self_started.mean), (Some(4.0), Some(9.0)));
        assert_eq!((mixed.averaged().mean, mixed.averaged().mssd, mixed.tag()), (Some(4.0), Some(4.0), "prompted"));
        let alone = day(&[sudden], DAY_END);
        assert_eq!((mixed.summary.worst, alone.averaged().mean, alone.tag()), (Some(9.0), Some(9.0), "self_started"));
    }
}
