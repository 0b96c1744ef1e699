//! Numbers of rules that were set for one patient (`[[override]]` in the roster), and the rules as that patient has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use painwatch_domain::roster::{Override, Patient};
use painwatch_domain::{EventTime, JournalTime, PatientId, Roster, RuleId};
use serde::{Deserialize, Serialize};

use super::Clinic;
use super::compiled::Ruled;
use super::state::Work;
use crate::rules::Rule;

/// An override, and the event time over which it is in force: `[from, until)`. It never begins before it was known
/// (semantics 19), however far back it was dated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnNumbers {
    patient: String,
    rule: String,
    dated: i64,
    numbers: BTreeMap<String, String>,
    by: String,
    reason: String,
    pub from: i64,
    pub until: Option<i64>,
}

impl OwnNumbers {
    fn begin(set: &Override, now: JournalTime) -> Self {
        Self {
            patient: set.patient.to_string(),
            rule: set.rule.to_string(),
            dated: set.from.0,
            numbers: set.numbers.clone(),
            by: set.by.clone(),
            reason: set.reason.clone(),
            from: set.from.0.max(now.0),
            until: None,
        }
    }

    fn is(&self, set: &Override) -> bool {
        self.until.is_none() && Self { from: self.from, ..Self::begin(set, JournalTime(self.from)) } == *self
    }

    fn covers(&self, time: i64) -> bool {
        self.from <= time && self.until.is_none_or(|until| time < until)
    }
}

/// Who set a patient's own numbers, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetBy {
    pub by: String,
    pub reason: String,
    pub from: EventTime,
}

impl Clinic {
    /// The rules as this patient has them.
    pub(super) fn rules_of(&self, patient: &PatientId) -> &Arc<Vec<Ruled>> {
        self.own_rules.get(patient).unwrap_or(&self.rules)
    }

    /// Versions of rules that some patient has alone.
    pub fn own_versions(&self) -> Vec<Rule> {
        let general = |rule: &Rule| self.rules.iter().flat_map(Ruled::all).any(|known| known.rule == *rule);
        let own = self.own_rules.values().flat_map(|rules| rules.iter().flat_map(Ruled::all));
        let mut versions: BTreeMap<(RuleId, String), Rule> = BTreeMap::new();
        for compiled in own.filter(|compiled| !general(&compiled.rule)) {
            versions.insert((compiled.face.id.clone(), compiled.face.version.clone()), compiled.rule.clone());
        }
        versions.into_values().collect()
    }

    /// What a checkpoint keeps of them.
    pub fn own_numbers(&self) -> &[OwnNumbers] {
        &self.own_numbers
    }

    /// Puts them back at a restart, once roster and rules are there.
    pub fn restore_own_numbers(&mut self, own: Vec<OwnNumbers>) {
        self.own_numbers = own;
        self.rule_patients();
    }

    /// Takes the overrides of a new roster into force: what is new begins now or when it is dated, what is gone ends now.
    pub(super) fn set_own_numbers(&mut self, roster: &Roster, now: JournalTime) {
        for own in self.own_numbers.iter_mut().filter(|own| own.until.is_none()) {
            if !roster.overrides.iter().any(|set| own.is(set)) {
                own.until = Some(now.0.max(own.from));
            }
        }
        for set in &roster.overrides {
            if !self.own_numbers.iter().any(|own| own.is(set)) {
                self.own_numbers.push(OwnNumbers::begin(set, now));
            }
        }
        self.own_numbers.retain(|own| own.until != Some(own.from));
        self.rule_patients();
    }

    /// Makes each patient's rules out of the clinic's and the patient's own numbers.
    pub(super) fn rule_patients(&mut self) {
        let mut by_patient: BTreeMap<PatientId, Vec<&OwnNumbers>> = BTreeMap::new();
        for own in &self.own_numbers {
            if let Ok(patient) = PatientId::parse(&own.patient) {
                by_patient.entry(patient).or_default().push(own);
            }
        }
        let ruled = |own: Vec<&OwnNumbers>| -> Arc<Vec<Ruled>> {
            let rules = self.rules.iter().map(|rule| {
                let own: Vec<&OwnNumbers> = own.iter().copied().filter(|own| own.rule == rule.id()).collect();
                if own.is_empty() { rule.clone() } else { changed(rule, &own) }
            });
            Arc::new(rules.collect())
        };
        self.own_rules = by_patient.into_iter().map(|(patient, own)| (patient, ruled(own))).collect();
        self.index_rules();
    }

    /// Numbers that are dated ahead come into force by themselves: the patient is looked at again then.
    pub(super) fn owe_next_numbers(&mut self, person: &Patient, now: JournalTime) {
        let own = self.own_rules.get(&person.id).into_iter().flat_map(|rules| rules.iter());
        if let Some(from) = own.flat_map(Ruled::edges).filter(|from| *from > now.0).min() {
            self.owe(&person.id, JournalTime(from), Work::Republish);
        }
    }

    /// Who set the numbers by which a rule judges this patient at that event time; `None`: the clinic's are in force.
    pub(super) fn set_by(&self, patient: &PatientId, rule: &RuleId, time: i64) -> Option<SetBy> {
        let own = self.own_numbers.iter().filter(|own| own.patient == patient.as_str() && own.rule == rule.as_str());
        let last = own.rev().find(|own| own.covers(time))?;
        Some(SetBy { by: last.by.clone(), reason: last.reason.clone(), from: EventTime(last.from) })
    }
}

/// The versions of a rule where at each moment the numbers set last stand over the version in force. Numbers that do not
/// fit a version leave it as it is.
fn changed(rule: &Ruled, own: &[&OwnNumbers]) -> Ruled {
    let edges = own.iter().flat_map(|own| [Some(own.from), own.until]).flatten();
    let mut edges: Vec<i64> = edges.chain(rule.edges()).collect();
    edges.sort_unstable();
    edges.dedup();
    let versions = edges.into_iter().filter_map(|edge| {
        let general = &rule.at(edge)?.rule;
        let in_force = own.iter().filter(|own| own.covers(edge));
        let changed = in_force.fold(general.clone(), |rule, own| rule.with_numbers(&own.numbers).unwrap_or(rule));
        Some((edge, changed))
    });
    Ruled::of(versions).unwrap_or_else(|| rule.clone())
}
