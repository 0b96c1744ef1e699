//! What else was so while an episode lasted: circumstances that make a rule more urgent.

use painwatch_domain::Roster;
use painwatch_domain::roster::Patient;
use painwatch_domain::time::MINUTE_MS;

use super::derived::starts;
use super::episodes::Span;
use super::past::Past;
use crate::metrics::wear;
use crate::rules::Circumstance;
use crate::rules::tables::has_condition;

/// What the roster knows around a patient's episodes.
pub struct Around<'a> {
    roster: &'a Roster,
    person: &'a Patient,
}

impl<'a> Around<'a> {
    pub const fn of(roster: &'a Roster, person: &'a Patient) -> Self {
        Self { roster, person }
    }

    pub fn holds(&self, circumstance: &Circumstance, exposure: &[wear::Span], span: &Span) -> bool {
        match circumstance {
            Circumstance::Exposure(class) => class == "opioid" && exposed(exposure, span),
            Circumstance::Condition(listed) => {
                listed.iter().any(|condition| has_condition(&self.person.conditions, condition))
            }
            Circumstance::Started { class, within_ms } => {
                starts(self.roster, self.person, class).into_iter().any(|start| follows(span, start, *within_ms))
            }
            Circumstance::Event { kind, within_ms } => {
                let own = self.roster.patient_events.of_patient(&self.person.id);
                own.filter(|event| &event.kind == kind).any(|event| follows(span, event.start.0, *within_ms))
            }
        }
    }
}

/// Says beside what an episode stands on how long after which opioid dose it began, where it began within an exposure. Never that
/// the dose caused it (clinical catalogue A2).
pub fn beside_dose(mut span: Span, past: &Past) -> Span {
    if let Some((medication, at)) = past.dose_before(span.start) {
        let minutes = (span.start - at + MINUTE_MS - 1).div_euclid(MINUTE_MS).max(1);
        span.why.push_str(&format!("; within {minutes} min after {medication}"));
    }
    span
}

/// Whether an episode overlaps an exposure; one that lasts overlaps all that is to come.
fn exposed(exposure: &[wear::Span], span: &Span) -> bool {
    exposure.iter().any(|window| window.start <= span.until() && span.start < window.end)
}

/// Whether some moment of the episode lies at most `within_ms` after `start`. One that lasts reaches into the future, so
/// that nothing depends on when it was last looked at.
fn follows(span: &Span, start: i64, within_ms: i64) -> bool {
    start <= span.until() && span.start <= start.saturating_add(within_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_follows_an_event_that_lies_before_its_end_and_not_too_far_before_its_start() {
        let over = Span {
            start: 100,
            last_held: 200,
            fresh_from: 200,
            end: Some(200),
            evidence: Vec::new(),
            why: String::new(),
            historical: false,
        };
        let events = [(201, 50), (200, 50), (50, 50), (49, 50), (i64::MIN, 5)];
        let follow = |span: &Span| events.map(|(start, within)| follows(span, start, within));
        assert_eq!(follow(&over), [false, true, true, false, false]);
        assert_eq!(follow(&Span { end: None, ..over }), [true, true, true, false, false]);
    }
}
