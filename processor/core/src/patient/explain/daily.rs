//! A rule that judges days.

use painwatch_domain::JournalTime;

use super::super::calendar::Calendar;
use super::super::compiled::{Compiled, Ruled};
use super::super::daily::{self, Book, JudgedDay, judged_days, lasts};
use super::super::derived::Facts;
use super::super::episodes::Span;
use super::super::frozen::Frozen;
use super::super::perform::cause_of;
use super::super::{Clinic, closes_after_ms};
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
        let now = self.known_until(asked);
        let open_from = calendar.day_of(now - closes_after_ms(&asked.person.id));
        let since = self.horizon(calendar, JournalTime(now));
        let watched_from = self.watched_from(asked.person).unwrap_or(open_from).max(since);
        let book = Book { calendar, days, derived: &derived, frozen, open_from, watched_from };
        let mut days: Vec<JudgedDay> = judged_days(rule, metric, &book);
        days.retain(|judged| judged.day <= today);
        if version.awaits() {
            let last = days.iter().rev().find(|judged| judged.value.value.is_some());
            let shown = last.map(|last| shown(version, metric, calendar, last));
            return missing_saw(&daily::episodes(rule, metric, &book), shown, asked.at);
        }
        let lasts = lasts(&days, open_from);
        let Some(last) = days.pop() else { return Saw::nothing("unknown") };
        let past = past_days(&last, rule, &days, &facts.frozen);
        let saw = saw(version, metric, (today, calendar), last, past);
        if lasts { Saw { standing: Standing::Rings, ..saw } } else { saw }
    }
}

/// A rule that waits for days with a value sees every day.
fn missing_saw(spans: &[Span], shown: Option<Value>, at: i64) -> Saw {
    let lasting = spans.iter().find(|span| span.start <= at && at < span.until());
    Saw {
        standing: if lasting.is_some() { Standing::Rings } else { Standing::Quiet },
        sees: true,
        values: shown.into_iter().collect(),
        held_since: lasting.map(|span| span.start),
        why: lasting.map(|span| span.why.clone()).unwrap_or_default(),
        ..Saw::nothing("")
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

fn shown(version: &Compiled, metric: &str, calendar: Calendar, of: &JudgedDay) -> Value {
    let ((from, until), signal, value) = (calendar.bounds(of.day), version.rule.signal, of.value);
    Value {
        name: metric.to_owned(),
        number: value.value,
        text: value.value.map(|x| value_text(signal, x)).unwrap_or_default(),
        unit: signal.unit(),
        from,
        until,
        is_day: true,
        readings: value.evidence.clone(),
        note: if value.reason.is_empty() { value.quality.clone() } else { value.reason.clone() },
    }
}

fn saw(
    version: &Compiled,
    metric: &str,
    (today, calendar): (i32, Calendar),
    last: JudgedDay,
    past: Option<Need>,
) -> Saw {
    let shown = shown(version, metric, calendar, &last);
    let (JudgedDay { day, value, verdict }, from, signal) = (last, shown.from, version.rule.signal);
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
