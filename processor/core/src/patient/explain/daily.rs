//! A rule that judges days.

use super::super::Clinic;
use super::super::calendar::Calendar;
use super::super::compiled::{Compiled, Ruled};
use super::super::daily::{self, Book, JudgedDay, judged_days, lasts};
use super::super::derived::Facts;
use super::super::frozen::Frozen;
use super::super::perform::cause_of;
use super::{Asked, Need, Saw, Standing, Value};
use crate::metrics::robust_z::MIN_VALID_DAYS;
use crate::rules::{Condition, stands_for_words, value_text};

impl Clinic {
    /// What the rule says of the local day of the moment; before that day has a value, nothing but the last one that has.
    pub(super) fn daily_saw(&self, rule: &Ruled, version: &Compiled, metric: &'static str, asked: &Asked) -> Saw {
        let calendar = Calendar::of(asked.person);
        let today = calendar.day_of(asked.at);
        let facts = Facts::of(&self.roster, asked.person);
        let derived = daily::derive(&asked.past.kept(&facts), daily::FIRST_DAY, |name| name == metric);
        let (days, frozen) = (&asked.past.days, &facts.frozen);
        let watched_from = self.watched_from(asked.person).unwrap_or(today);
        let book = Book { calendar, days, derived: &derived, frozen, open_from: today, watched_from };
        let mut days: Vec<JudgedDay> = judged_days(rule, metric, &book);
        days.retain(|judged| judged.day <= today);
        let lasts = lasts(&days);
        let Some(last) = days.pop() else { return Saw::nothing("unknown") };
        let past = past_days(&last, rule, &days, &facts.frozen);
        let saw = saw(version, metric, (today, calendar), last, past);
        if lasts { Saw { standing: Standing::Rings, ..saw } } else { saw }
    }
}

/// Days that the day is set against, where the rule compares days.
fn past_days(last: &JudgedDay, rule: &Ruled, before: &[JudgedDay], frozen: &Frozen) -> Option<Need> {
    let (window, need) = match rule.at(last.value.held_at)?.rule.condition {
        Condition::Deviates { of_days, .. } => (of_days, MIN_VALID_DAYS as u32),
        Condition::Changes { within_days, .. } => (within_days, 1),
        _ => return None,
    };
    let counts = |judged: &&JudgedDay| {
        (last.day - window..last.day).contains(&judged.day)
            && judged.value.value.is_some()
            && !frozen.contains(judged.day)
    };
    Some(Need::Past { have: before.iter().filter(counts).count() as u32, need })
}

fn saw(
    version: &Compiled,
    metric: &str,
    (today, calendar): (i32, Calendar),
    last: JudgedDay,
    past: Option<Need>,
) -> Saw {
    let JudgedDay { day, value, verdict } = last;
    let ((from, until), signal) = (calendar.bounds(day), version.rule.signal);
    let shown = Value {
        name: metric.to_owned(),
        number: value.value,
        text: value.value.map(|x| value_text(signal, x)).unwrap_or_default(),
        unit: signal.unit(),
        from,
        until,
        is_day: true,
        readings: value.evidence.clone(),
        note: if value.reason.is_empty() { value.quality.clone() } else { value.reason.clone() },
    };
    let cause = if day == today { cause_of(version, Some(value)) } else { "unknown" };
    let sees = cause.is_empty();
    let Some(verdict) = verdict.filter(|_| day == today) else {
        let needs = past.filter(|_| sees).into_iter().collect();
        return Saw { sees, values: vec![shown], needs, ..Saw::nothing(cause) };
    };
    let beyond = verdict.margin.is_some_and(|margin| margin.distance <= 0.0);
    let seldom = verdict.on.is_some_and(|(have, of)| have < of.k);
    let standing = if beyond && seldom { Standing::Holds } else { Standing::Quiet };
    Saw {
        standing,
        sees,
        cause,
        values: vec![shown],
        margin: verdict.margin.filter(|_| !stands_for_words(signal)),
        held_since: verdict.holds.then_some(from),
        needs: verdict.on.map(|(have, of)| Need::Days { have, of }).into_iter().chain(past).collect(),
        why: verdict.why,
    }
}
