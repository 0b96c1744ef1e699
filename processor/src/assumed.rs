//! What a question supposes about the clinic.

use std::collections::BTreeSet;

use painwatch_domain::{PatientId, Roster};
use painwatch_processor_core::rules::{Rule, default_packs};

/// What an engine takes for granted that the journal does not say. The engine in service assumes nothing.
#[derive(Clone, Debug, Default)]
pub struct Assumed {
    /// The rules that every clinic begins with, in place of the default packs.
    pub packs: Option<Vec<Rule>>,
    /// Only this patient is watched: others cost time and change nothing about one.
    pub only: Option<PatientId>,
    /// Packs that every patient has, whatever the roster says.
    pub everyone_has: BTreeSet<String>,
}

impl Assumed {
    pub(crate) fn rules(&self) -> Vec<Rule> {
        self.packs.clone().unwrap_or_else(default_packs)
    }

    pub(crate) fn roster(&self, mut roster: Roster) -> Roster {
        if let Some(only) = &self.only {
            roster.patients.retain(|patient, _| patient == only);
        }
        for person in roster.patients.values_mut() {
            let more = self.everyone_has.iter().filter(|pack| !person.packs.contains(pack));
            let more: Vec<String> = more.cloned().collect();
            person.packs.extend(more);
        }
        roster
    }
}
