//! Why a rule rang at a moment, or why it did not: what it saw, against which limit, and how near it was.
//!
//! Asked of the same state and judged by the same code as in service. What is answered is what is known *now*; whoever asks
//! an earlier state (a replay that stopped there) learns what was known then.

mod combined;
mod daily;
mod hold;
mod outage;
mod silence;

use std::borrow::Cow;
use std::collections::BTreeSet;

use painwatch_domain::roster::Patient;
use painwatch_domain::{Measure, PatientId, Priority, RuleId};

use super::circumstances::Around;
use super::compiled::{Compiled, Kind, Ruled};
use super::day::Observation;
use super::episodes::Span;
use super::past::Past;
use super::state::SnapshotError;
use super::{Clinic, SetBy};
use crate::rules::{Circumstance, DaysOf, Margin, Rule};

pub use outage::{Sheet, Unseen};

/// One rule at one moment.
#[derive(Clone, Debug)]
pub struct Explained {
    pub rule: RuleId,
    pub title: String,
    pub pack: String,
    /// `None`: no version was in force at that event time.
    pub in_force: Option<InForce>,
}

/// The version in force, and what it saw.
#[derive(Clone, Debug)]
pub struct InForce {
    pub rule: Rule,
    pub version: String,
    /// Where its numbers are this patient's own.
    pub set_by: Option<SetBy>,
    /// Event time in milliseconds; `None`: since ever.
    pub since: Option<i64>,
    /// What an episode at that moment would be.
    pub priority: Priority,
    /// What made it more urgent than the rule alone.
    pub raised_by: Vec<Circumstance>,
    pub saw: Saw,
    /// What it could see of the local day up to the moment, and why not, as the ledger will have it once the day is over: half-open,
    /// ascending; provisional until then. Of a rule over samples alone: others judge a day when it is over.
    pub so_far: Vec<(i64, i64, &'static str)>,
}

/// Where a rule stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// An episode lasts.
    Rings,
    /// The condition holds, not yet long or often enough.
    Holds,
    /// It sees, and the condition does not hold.
    Quiet,
    /// It cannot tell.
    Blind,
}

impl Standing {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rings => "rings",
            Self::Holds => "holds",
            Self::Quiet => "quiet",
            Self::Blind => "blind",
        }
    }
}

/// Times are event times in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Saw {
    pub standing: Standing,
    /// It had something to look at, as the coverage ledger counts it.
    pub sees: bool,
    /// Why it had not, in the words of the coverage ledger; empty where it had.
    pub cause: &'static str,
    pub values: Vec<Value>,
    pub margin: Option<Margin>,
    /// Since when the condition has held.
    pub held_since: Option<i64>,
    /// What more than the condition it asks for.
    pub needs: Vec<Need>,
    /// What it saw in words; empty where it saw nothing.
    pub why: String,
}

/// A value that was in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    pub name: String,
    pub number: Option<f64>,
    /// The number with its unit, or the word it stands for.
    pub text: String,
    pub unit: &'static str,
    /// Of a reading: when it was taken, and until when it speaks. Of a daily value: its day.
    pub from: i64,
    pub until: i64,
    pub is_day: bool,
    /// The readings it came from; of a daily value the first few.
    pub readings: Vec<[u8; 16]>,
    /// Why a number is missing, or doubtful.
    pub note: String,
}

/// So much is there, so much has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Samples {
        have: u32,
        need: u32,
    },
    /// Days on which the condition held, of the last `of.n`.
    Days {
        have: u32,
        of: DaysOf,
    },
    /// Days with a value before the day, to set it against.
    Past {
        have: u32,
        need: u32,
    },
    /// Parts of a combination that hold.
    Parts {
        have: u32,
        need: u32,
    },
}

impl Saw {
    fn nothing(cause: &'static str) -> Self {
        Self {
            standing: Standing::Blind,
            sees: false,
            cause,
            values: Vec::new(),
            margin: None,
            held_since: None,
            needs: Vec::new(),
            why: String::new(),
        }
    }
}

/// Readings and daily values that the answer is made of.
struct Asked<'a> {
    at: i64,
    person: &'a Patient,
    history: &'a [Observation],
    past: Cow<'a, Past>,
}

impl Clinic {
    /// The effective readings that [`Self::explain`] needs: (measure, from, to), half-open event time in milliseconds.
    ///
    /// # Errors
    /// What is remembered of the patient is damaged.
    pub fn explain_needs(&self, patient: &PatientId, at: i64) -> Result<Vec<(Measure, i64, i64)>, SnapshotError> {
        let Some(person) = self.roster.patients.get(patient) else { return Ok(Vec::new()) };
        Ok(self.hold_needs(person, self.past_of(patient)?.as_ref(), at))
    }

    /// Every rule that looks at the patient, at event time `at`, by what is known now.
    ///
    /// # Errors
    /// What is remembered of the patient is damaged.
    pub fn explain(
        &self,
        patient: &PatientId,
        at: i64,
        history: &[Observation],
    ) -> Result<Vec<Explained>, SnapshotError> {
        let Some(person) = self.roster.patients.get(patient) else { return Ok(Vec::new()) };
        let asked = Asked { at, person, history, past: self.past_of(patient)? };
        let told = |rule: &&Ruled| rule.is_told() && rule.applies_to(person);
        let rules = self.rules_of(&person.id).iter().filter(told);
        Ok(rules.map(|rule| self.explain_one(rule, &asked)).collect())
    }

    fn past_of(&self, patient: &PatientId) -> Result<Cow<'_, Past>, SnapshotError> {
        self.patients.get(patient).map_or_else(|| Ok(Cow::Owned(Past::default())), |state| state.past.look())
    }

    fn explain_one(&self, rule: &Ruled, asked: &Asked) -> Explained {
        let newest = rule.newest();
        let in_force = rule.at(asked.at).map(|version| {
            let saw = self.saw_of(rule, version, asked, &mut BTreeSet::new());
            self.in_force(rule, version, saw, asked)
        });
        Explained {
            rule: newest.face.id.clone(),
            title: newest.rule.title.clone(),
            pack: newest.rule.pack.clone(),
            in_force,
        }
    }

    /// `visiting`: combinations that are being looked into, so that none looks into itself.
    fn saw_of(&self, rule: &Ruled, version: &Compiled, asked: &Asked, visiting: &mut BTreeSet<String>) -> Saw {
        match &version.kind {
            Kind::Hold(measure, hold) => self.hold_saw(rule, version, (*measure, hold), asked),
            Kind::Daily(metric) => self.daily_saw(rule, version, metric, asked),
            Kind::Absent(measure, _) => self.absence_saw(rule, version, *measure, asked),
            Kind::Combined => self.combined_saw(rule, version, asked, visiting),
        }
    }

    fn in_force(&self, rule: &Ruled, version: &Compiled, saw: Saw, asked: &Asked) -> InForce {
        let around = Around::of(&self.roster, asked.person);
        let exposure = asked.past.exposure();
        let moment = Span {
            start: asked.at,
            last_held: asked.at,
            fresh_from: asked.at,
            end: Some(asked.at),
            evidence: Vec::new(),
            why: String::new(),
            historical: false,
        };
        let raises = version.rule.priority_when.iter().filter(|raise| around.holds(&raise.when, &exposure, &moment));
        let raised = raises.filter(|raise| raise.priority > version.rule.priority);
        InForce {
            rule: version.rule.clone(),
            version: version.face.version.clone(),
            set_by: self.set_by(&asked.person.id, &version.face.id, asked.at),
            since: rule.in_force_since(asked.at).filter(|since| *since > i64::MIN),
            priority: version.peak(&around, &exposure, &moment),
            raised_by: raised.map(|raise| raise.when.clone()).collect(),
            saw,
            so_far: self.seen_so_far(rule, version, asked),
        }
    }
}
