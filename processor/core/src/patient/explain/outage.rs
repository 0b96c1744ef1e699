//! The sheet after an outage: what of a patient could not be seen meanwhile, and in which exposure (semantics 15, 16).

use painwatch_domain::{Measure, PatientId, RuleId};

use super::super::compiled::Kind;
use super::super::coverage::{self, Interval};
use super::super::day::Group;
use super::super::perform::Performed;
use super::super::{Clinic, SnapshotError};
use crate::patient::day::Observation;

/// One rule over a measure, over a window of event time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    pub rule: RuleId,
    pub measure: Measure,
    /// It was monitored when the window began.
    pub monitored_before: bool,
    /// When it could not see, and why, in the words of the coverage ledger: half-open, ascending.
    pub gaps: Vec<(i64, i64, &'static str)>,
}

/// What a window of event time looks like for one patient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    pub rules: Vec<Unseen>,
    /// When the patient was exposed to an opioid: half-open, ascending.
    pub exposed: Vec<Interval>,
}

impl Clinic {
    /// The effective readings that [`Self::sheet`] needs: (measure, from, to), half-open event time in milliseconds.
    pub fn sheet_needs(&self, patient: &PatientId, (from, to): Interval) -> Vec<(Measure, i64, i64)> {
        let Some(person) = self.roster.patients.get(patient) else { return Vec::new() };
        let device = Group::Coverage.measures().iter().map(|measure| (*measure, from - super::hold::LOOK_BACK_MS, to));
        // A sample of the window's first instant decides whether it was monitored before.
        let held = self.held_measures(person).into_iter().map(|(measure, gap)| (measure, from - 1 - gap, to));
        device.chain(held).collect()
    }

    /// Every rule over a measure, in `[from, to)` of event time, by what is known now.
    ///
    /// # Errors
    /// What is remembered of the patient is damaged.
    pub fn sheet(
        &self,
        patient: &PatientId,
        window: Interval,
        history: &[Observation],
    ) -> Result<Sheet, SnapshotError> {
        let Some(person) = self.roster.patients.get(patient) else { return Ok(Sheet::default()) };
        let exposed =
            self.past_of(patient)?.exposure().into_iter().map(|span| (span.start, span.end)).collect::<Vec<_>>();
        let told = self.rules_of(patient).iter().filter(|rule| rule.is_told() && rule.applies_to(person));
        let rules = told.filter_map(|rule| {
            let version = rule.at(window.1 - 1)?;
            let Kind::Hold(measure, _) = &version.kind else { return None };
            let seen = |window| {
                let all = self.seen_by_hold(person, (rule, version), window, history, &mut Performed::default());
                all.into_iter().filter(|(.., cause)| !cause.is_empty()).collect::<Vec<_>>()
            };
            let monitored_before = seen((window.0 - 1, window.0)).is_empty();
            Some(Unseen { rule: version.face.id.clone(), measure: *measure, monitored_before, gaps: seen(window) })
        });
        Ok(Sheet {
            rules: rules.collect(),
            exposed: super::super::coverage::both(&coverage::merged(exposed), &[window]),
        })
    }
}
