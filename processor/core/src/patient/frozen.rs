//! Days that enter no baseline (clinical catalogue B).
//!
//! A flare, an admission and the first 72 h of a changed dose plan are not what is usual for a patient: their days are judged
//! against the days before, and never become what later days are judged against. Which days these are follows from the
//! roster alone, so that every replay freezes the same ones.

use painwatch_domain::Roster;
use painwatch_domain::roster::{Patient, PatientEvent, Prescription};
use painwatch_domain::time::HOUR_MS;

use super::calendar::Calendar;

/// How long a changed dose plan keeps days out of baselines.
const AFTER_DOSE_CHANGE_MS: i64 = 72 * HOUR_MS;

/// First and last local day of each span, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frozen(Vec<(i32, i32)>);

impl Frozen {
    pub const NONE: Self = Self(Vec::new());

    pub fn of(person: &Patient, roster: &Roster) -> Self {
        let plans = roster.prescriptions.of_patient(&person.id);
        let events = roster.patient_events.of_patient(&person.id);
        let spans = plans.flat_map(plan_changes).chain(events.filter_map(span));
        let calendar = Calendar::of(person);
        let days = |(from, until): (i64, i64)| (calendar.day_of(from), calendar.day_of((until - 1).max(from)));
        Self(spans.map(days).collect())
    }

    pub fn contains(&self, day: i32) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&day))
    }
}

/// A prescription changes the plan when it begins and when it ends.
fn plan_changes(plan: &Prescription) -> impl Iterator<Item = (i64, i64)> {
    let changes = [Some(plan.start), plan.end].into_iter().flatten();
    changes.filter(|at| at.0 > i64::MIN && at.0 < i64::MAX - AFTER_DOSE_CHANGE_MS).map(|at| after_change(at.0))
}

const fn after_change(at: i64) -> (i64, i64) {
    (at, at + AFTER_DOSE_CHANGE_MS)
}

/// The span in which an event freezes baselines, if it does. One without an end lasts until it is given one.
fn span(event: &PatientEvent) -> Option<(i64, i64)> {
    match event.kind.as_str() {
        // A century: no calendar is asked about the end of time.
        "flare" | "admission" => {
            Some((event.start.0, event.end.map_or(event.start.0 + 36_525 * 24 * HOUR_MS, |end| end.0)))
        }
        "dose_change" => Some(after_change(event.start.0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use painwatch_domain::time::DAY_MS;
    use painwatch_domain::{EventTime, PatientId, Zone};

    fn frozen(kind: &str, start: i64, end: Option<i64>) -> Vec<i32> {
        let id = PatientId::parse("ann").unwrap();
        let person = Patient::new(id.clone(), Zone::parse("Europe/Paris").unwrap());
        let event =
            PatientEvent { patient: id, kind: kind.to_owned(), start: EventTime(start), end: end.map(EventTime) };
        let roster = Roster { patient_events: vec![event].into(), ..Roster::default() };
        let frozen = Frozen::of(&person, &roster);
        (20_490..20_520).filter(|day| frozen.contains(*day)).collect()
    }

    #[test]
    fn an_admission_freezes_its_own_days_and_a_changed_dose_three_more() {
        let noon = 20_500 * DAY_MS + 12 * HOUR_MS;
        assert_eq!(frozen("admission", noon, Some(noon + 2 * DAY_MS)), [20_500, 20_501, 20_502]);
        assert_eq!(frozen("dose_change", noon, None), [20_500, 20_501, 20_502, 20_503]);
        assert_eq!(frozen("flare", noon, None).len(), 20, "a flare lasts until somebody ends it");
        assert!(frozen("holiday", noon, None).is_empty());
    }
}
