//! A rule that tells when nothing comes.

use painwatch_domain::{EventTime, JournalTime, Measure};

use super::super::Clinic;
use super::super::compiled::{Compiled, Ruled};
use super::{Asked, Saw, Standing, Value};

impl Clinic {
    /// The last reading before the moment, and how long nothing came by then.
    pub(super) fn absence_saw(&self, rule: &Ruled, version: &Compiled, measure: Measure, asked: &Asked) -> Saw {
        let (person, at) = (asked.person, asked.at);
        let Some(state) = self.patients.get(&person.id) else { return Saw::nothing("unknown") };
        let last = state.watch.seen.get(measure.name()).and_then(|runs| runs.silent_since(at));
        let found = self.silences(person, rule, measure, asked.history, JournalTime(at));
        let rings = found.absences.iter().any(|one| one.start <= at && one.end.is_none_or(|end| at < end));
        let causes = self.path_causes(person, measure, (at, at + 1), asked.history);
        let watched = state.watch.since.get(rule.id()).is_some_and(|since| *since <= at);
        let down = causes.intervals().any(|(from, to)| (from..to).contains(&at));
        let limit_ms = version.limit_ms();
        let shown = last.map(|last| Value {
            name: measure.name().to_owned(),
            number: None,
            text: format!("last came at {}", EventTime(last)),
            unit: "",
            from: last,
            until: last.saturating_add(limit_ms),
            is_day: false,
            readings: Vec::new(),
            note: String::new(),
        });
        let sees = watched && !down;
        let standing = match (rings, sees) {
            (true, _) => Standing::Rings,
            (false, true) => Standing::Quiet,
            (false, false) => Standing::Blind,
        };
        Saw {
            standing,
            sees,
            values: shown.into_iter().collect(),
            held_since: last.filter(|_| rings),
            why: last.map_or_else(String::new, |last| format!("{} last came at {}", measure.name(), EventTime(last))),
            ..Saw::nothing(if sees { "" } else { causes.at(at) })
        }
    }
}
