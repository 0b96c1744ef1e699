//! Relief, change of pain, flares, and PEG over weeks (clinical catalogue F1, F2, F3, F5).

use std::collections::BTreeMap;

use super::{Book, like, within};
use crate::metrics::pain_flare::FlareWatch;
use crate::metrics::robust_z::DailyBaseline;
use crate::metrics::summary_stats::median;
use crate::metrics::{pain_change, peg};
use crate::patient::day::{DAY_H, DailyValue};

/// Now: the last seven days, at least four of them valid; before: the 28 before those, at least seven [engineering choice].
const NOW_DAYS: i32 = 7;
const BEFORE_DAYS: i32 = 28;
const MIN_NOW: usize = 4;
const MIN_BEFORE: usize = 7;
/// A PEG speaks of a week: the one to compare with is at least so many days older [engineering choice], and kept.
const PEG_APART_DAYS: i32 = 5;
const PEG_BEFORE_DAYS: i32 = 35;

pub(super) fn derive(book: &mut Book) {
    if book.wants(&["pain_nrs.change", "pain_nrs.change_grade"]) {
        change(book);
    }
    if book.wants(&["pain_nrs.spid"]) {
        relief(book);
    }
    if book.wants(&["pain_nrs.flare"]) {
        flare(book);
    }
    if book.wants(&["peg.change", "peg.change_grade"]) {
        peg_change(book);
    }
}

fn change(book: &mut Book) {
    let numbers = book.numbers("pain_nrs.daily_mean");
    for (day, value) in book.each("pain_nrs.daily_mean") {
        let now = within(&numbers, day - NOW_DAYS + 1..=day);
        let before = within(&numbers, day - NOW_DAYS - BEFORE_DAYS + 1..=day - NOW_DAYS);
        let current = median(&now).filter(|_| now.len() >= MIN_NOW);
        let baseline = median(&before).filter(|_| before.len() >= MIN_BEFORE);
        let changed = pain_change::change(baseline, current);
        let around = (baseline, changed.pct);
        book.put(day, "pain_nrs.change", like(value, changed.delta, now.len()), around);
        book.put(day, "pain_nrs.change_grade", like(value, changed.grade(), now.len()), around);
    }
}

/// Against what is usual for the patient, as every deviation is.
fn relief(book: &mut Book) {
    let (areas, mut baseline) = (book.each("pain_nrs.auc_24h"), DailyBaseline::default());
    let means: BTreeMap<i32, f64> = book.numbers("pain_nrs.daily_mean").into_iter().collect();
    for (day, area) in areas {
        let mean = means.get(&day).copied();
        let usual = baseline.judge(day, mean).median;
        if !book.facts.frozen.contains(day) {
            baseline.remember(day, mean);
        }
        let of = |usual: f64| Some(usual * DAY_H * area.coverage? - area.value?);
        if let Some(relief) = usual.and_then(of) {
            book.put(day, "pain_nrs.spid", like(area, Some(relief), area.n as usize), (usual, None));
        }
    }
}

/// The patient's own yes wins over the definition.
fn flare(book: &mut Book) {
    let said = book.numbers("flare_report.said_yes");
    let said_yes = |day: i32| said.iter().any(|(at, yes)| *at == day && *yes > 0.0);
    let means = book.each("pain_nrs.daily_mean");
    let first = means.first().map(|(day, _)| *day).into_iter().chain(said.first().map(|(day, _)| *day)).min();
    let last = means.last().map(|(day, _)| *day).into_iter().chain(said.last().map(|(day, _)| *day)).max();
    let (Some(first), Some(last)) = (first, last) else { return };
    let mut watch = FlareWatch::default();
    for day in first..=last {
        let mean = means.iter().find(|(at, _)| *at == day).map(|(_, value)| *value);
        let known = watch.handle(day, mean.and_then(|mean| mean.value));
        let answer = book.days.get(&day).and_then(|values| values.get("flare_report.said_yes"));
        let Some(base) = mean.or(answer) else { continue };
        let (own, baseline) = (said_yes(day), watch.open().map(|flare| flare.baseline));
        let flares = if own { Some(true) } else { known };
        let mut value = like(base, flares.map(|yes| f64::from(u8::from(yes))), 1);
        if own {
            let shown = answer.unwrap_or(base);
            value = DailyValue { held_at: shown.held_at, evidence: shown.evidence.clone(), ..value };
            value.quality = "patient_said".to_owned();
        }
        book.put(day, "pain_nrs.flare", value, (baseline, None));
    }
}

fn peg_change(book: &mut Book) {
    let scores = book.numbers("peg.score");
    for (day, value) in book.each("peg.score") {
        let earlier = scores.iter().rev().find(|(at, _)| (day - PEG_BEFORE_DAYS..=day - PEG_APART_DAYS).contains(at));
        let changed = peg::change(value.value, earlier.map(|(_, score)| *score));
        let better = changed.imp_mid == Some(true) || changed.imp_30pct == Some(true);
        let grade = changed.worse_mid.map(|worse| match (worse, better) {
            (true, _) => -1.0,
            (false, true) => 1.0,
            (false, false) => 0.0,
        });
        let around = (changed.baseline, changed.pct);
        book.put(day, "peg.change", like(value, changed.delta, 1), around);
        book.put(day, "peg.change_grade", like(value, grade, 1), around);
    }
}
