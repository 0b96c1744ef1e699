//! A rule that looks at other rules.

use std::collections::BTreeSet;

use painwatch_domain::JournalTime;

use super::super::calendar::Calendar;
use super::super::compiled::{Compiled, Ruled};
use super::super::coverage::rank;
use super::super::perform::combined;
use super::super::{Clinic, closes_after_ms};
use super::{Asked, Need, Saw, Standing};
use crate::rules::Condition;

/// What one part of a combination was doing at the moment.
struct PartSaw {
    title: String,
    saw: Saw,
    /// Since when it counts for the combination, until so long after its end.
    counts_since: Option<i64>,
}

impl Clinic {
    /// Which of its parts held at the moment, and whether those that could not be seen might have turned the scales.
    pub(super) fn combined_saw(
        &self,
        rule: &Ruled,
        version: &Compiled,
        asked: &Asked,
        visiting: &mut BTreeSet<String>,
    ) -> Saw {
        let Condition::Combined { n, within_ms } = version.rule.condition else { return Saw::nothing("unknown") };
        if !visiting.insert(rule.id().to_owned()) {
            return Saw::nothing("unknown");
        }
        let parts = self.parts_saw(version, within_ms, asked, visiting);
        visiting.remove(rule.id());
        let have = parts.iter().filter(|part| part.counts_since.is_some()).count() as u32;
        let unseen: Vec<&PartSaw> = parts.iter().filter(|part| part.counts_since.is_none() && !part.saw.sees).collect();
        let sees = have >= n || have + (unseen.len() as u32) < n;
        let cause =
            unseen.iter().map(|part| part.saw.cause).filter(|cause| !cause.is_empty()).min_by_key(|cause| rank(cause));
        let standing = match (have >= n, sees) {
            (true, _) => Standing::Rings,
            (false, true) => Standing::Quiet,
            (false, false) => Standing::Blind,
        };
        let mut since: Vec<i64> = parts.iter().filter_map(|part| part.counts_since).collect();
        since.sort_unstable();
        Saw {
            standing,
            sees,
            held_since: (have >= n).then(|| since.get(n as usize - 1).copied()).flatten(),
            needs: vec![Need::Parts { have, need: n }],
            why: parts.iter().map(PartSaw::in_words).collect::<Vec<_>>().join("; "),
            values: parts.into_iter().flat_map(|part| part.saw.values).collect(),
            ..Saw::nothing(if sees { "" } else { cause.unwrap_or("unknown") })
        }
    }

    fn parts_saw(
        &self,
        version: &Compiled,
        within_ms: i64,
        asked: &Asked,
        visiting: &mut BTreeSet<String>,
    ) -> Vec<PartSaw> {
        let now = self.known_until(asked);
        let open_from = Calendar::of(asked.person).day_of(now - closes_after_ms(&asked.person.id));
        let rules = self.rules_of(&asked.person.id);
        let mut known = self.child_episodes(asked.person, &asked.past, asked.history, (JournalTime(now), open_from));
        let mut parts = Vec::new();
        for id in version.rule.parts.iter().map(|part| part.id().as_str()) {
            combined(rules, asked.person, id, &mut known, &mut BTreeSet::new(), now);
            let counting = known.get(id).into_iter().flatten().filter(|span| {
                span.start <= asked.at && span.end.is_none_or(|end| asked.at <= end.saturating_add(within_ms))
            });
            let counts_since = counting.map(|span| span.start).min();
            let ruled = rules.iter().find(|rule| rule.id() == id && rule.applies_to(asked.person));
            let in_force = ruled.and_then(|ruled| Some((ruled, ruled.at(asked.at)?)));
            parts.push(match in_force {
                Some((ruled, version)) => PartSaw {
                    title: version.rule.condition_text(),
                    saw: self.saw_of(ruled, version, asked, visiting),
                    counts_since,
                },
                None => PartSaw { title: id.to_owned(), saw: Saw::nothing("unknown"), counts_since },
            });
        }
        parts
    }
}

impl PartSaw {
    fn in_words(&self) -> String {
        let state = match (self.counts_since.is_some(), self.saw.sees) {
            (true, _) => "held",
            (false, true) => "did not hold",
            (false, false) => "could not be seen",
        };
        let why = if self.saw.why.is_empty() { String::new() } else { format!(" ({})", self.saw.why) };
        format!("{} {state}{why}", self.title)
    }
}
