//! Rules: what a clinician wrote in TOML, parsed into something that cannot be half understood.
//!
//! A rule is versioned by its content and runs in shadow until a named clinician accepted it. Evaluating it is the
//! patient core's work; the words of its conditions are computed in [`crate::metrics`].

mod circumstance;
mod combination;
mod condition;
mod default_packs;
pub mod ingredients;
mod margin;
mod names;
mod nearest;
mod own;
mod parse;
mod print;
mod reader;
pub mod tables;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use painwatch_domain::{AlertKind, Measure, Priority, RuleDomain, RuleId};

pub use crate::metrics::daily_change::Direction;
pub use crate::metrics::days_of::DaysOf;
pub use crate::metrics::sustained_threshold::Comparison;
pub use combination::waiting;
pub use default_packs::{PACKS, default_packs};
pub use margin::Margin;
pub use nearest::nearest;
pub use own::{OverrideError, check_keys};
pub use parse::{RuleError, parse, parse_beside};
pub use words::{format_duration, number, stands_for_words, value_text};

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    Measure(Measure),
    Systolic,
    Diastolic,
    /// A name of [`crate::metrics::list`].
    Metric(&'static str),
    /// Of a combination: the episodes of other rules.
    Rules,
}

impl Signal {
    pub fn name(self) -> &'static str {
        match self {
            Self::Measure(measure) => measure.name(),
            Self::Systolic => "blood_pressure_systolic",
            Self::Diastolic => "blood_pressure_diastolic",
            Self::Metric(name) => name,
            Self::Rules => "rules",
        }
    }

    /// The measure whose readings feed it; of a combination, none in particular.
    pub fn measure(self) -> Measure {
        match self {
            Self::Measure(measure) => measure,
            Self::Systolic | Self::Diastolic => Measure::BloodPressure,
            Self::Rules => Measure::SurveyScore,
            Self::Metric(name) => {
                crate::metrics::catalogue::find(name).map_or(Measure::SurveyScore, |metric| metric.measure)
            }
        }
    }

    /// Canonical unit of its values.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Metric(name) => crate::metrics::catalogue::find(name).map_or("", |metric| metric.unit),
            Self::Rules => "",
            _ => self.measure().spec().unit,
        }
    }
}

/// When a rule holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Condition {
    /// Of a measure: held for `for_ms` (metrics::sustained_threshold). Of a daily metric: on each day it holds.
    Threshold(Comparison),
    /// Of a daily metric, against the patient's own baseline (metrics::robust_z, metrics::days_of): |z| at least
    /// `robust_z` in `direction`.
    Deviates { robust_z: f64, direction: Direction, of_days: i32, on: DaysOf },
    /// Of a daily metric (metrics::daily_change): strictly more than `by`, in the metric's canonical unit.
    Changes { by: f64, within_days: i32, direction: Direction },
    /// Of scheduled doses of one prescription (metrics::dose_adherence).
    Missed { doses: u32 },
    /// No reading of the measure for longer than this; of a daily metric, no value on so many whole days (semantics 16).
    Absent { for_ms: i64 },
    /// At least `n` of [`Rule::parts`] at once, each counted until `within_ms` after its end.
    Combined { n: u32, within_ms: i64 },
}

/// One part of a combination.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// The episodes of a rule with an id.
    Named(RuleId),
    /// A condition of its own: a rule that is never told, named by its content.
    Inline(Box<Rule>),
}

impl Part {
    /// The rule that it looks at.
    pub fn id(&self) -> &RuleId {
        match self {
            Self::Named(id) => id,
            Self::Inline(rule) => &rule.id,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clear {
    pub comparison: Comparison,
    pub for_ms: i64,
}

/// A circumstance that makes a rule more urgent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Circumstance {
    /// The episode overlaps the exposure window of a dose of that class (metrics::opioid_exposure).
    Exposure(String),
    /// One of these is on the patient's problem list.
    Condition(Vec<String>),
    /// An order of that class of ingredients began at most so long before the episode.
    Started { class: String, within_ms: i64 },
    /// An event of that kind began at most so long before the episode.
    Event { kind: String, within_ms: i64 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorityWhen {
    pub when: Circumstance,
    pub priority: Priority,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MinDataUnit {
    Samples,
    Days,
}

/// Less than this and the rule says nothing: it is blind, not calm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinData {
    pub count: u32,
    pub unit: MinDataUnit,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub id: RuleId,
    pub title: String,
    pub domain: RuleDomain,
    pub signal: Signal,
    pub condition: Condition,
    /// What a combination is made of; else empty.
    pub parts: Vec<Part>,
    /// Event time for which the condition must hold; 0 for "as soon as a sample shows it".
    pub for_ms: i64,
    /// Each sample is held at most this long.
    pub max_gap_ms: i64,
    /// What ends an episode, where its opposite is not enough.
    pub clear: Option<Clear>,
    pub priority: Priority,
    pub priority_when: Vec<PriorityWhen>,
    pub stale_after_ms: i64,
    pub refractory_ms: i64,
    pub min_data: MinData,
    pub audience: Vec<String>,
    pub action: String,
    pub source: String,
    /// The clinician who accepted it; `None`: shadow.
    pub accepted_by: Option<String>,
    /// Why it is not accepted together with others: it rings more often than it helps.
    pub shadow_because: Option<String>,
    pub escalation_policy: Option<String>,
    /// Name of the file it came from, without `.toml`. A patient gets the packs that the roster names.
    pub pack: String,
}

/// What every alert text must say, whoever wrote the rule (clinical catalogue section 1).
pub const NOT_FOR_EMERGENCIES: &str = "Not for emergencies.";
/// And what one that may be high must say besides.
pub const NO_RELIANCE: &str = "Do not rely on this for emergencies.";

impl Rule {
    /// Shown, never sent: nobody accepted it yet.
    pub const fn is_shadow(&self) -> bool {
        self.accepted_by.is_none()
    }

    pub fn kind(&self) -> AlertKind {
        if self.domain == RuleDomain::Technical { AlertKind::Technical } else { AlertKind::Physiological }
    }

    /// Hash of everything that decides what the rule does, in a normal form: layout, comments, spelling of durations,
    /// pack, acceptance and `shadow_because` do not change it.
    pub fn version(&self) -> String {
        print::version(self)
    }

    /// The rule as TOML that parses back to it.
    pub fn to_toml(&self) -> String {
        print::to_toml(self)
    }

    /// The greatest of its priority and those of the circumstances that hold.
    pub fn priority_given(&self, holds: impl Fn(&Circumstance) -> bool) -> Priority {
        let raised = self.priority_when.iter().filter(|raise| holds(&raise.when)).map(|raise| raise.priority);
        raised.fold(self.priority, Priority::max)
    }

    /// The conditions that a combination brings along, and those that they bring.
    pub fn inline_rules(&self) -> Vec<&Rule> {
        let own = self.parts.iter().filter_map(|part| match part {
            Part::Inline(rule) => Some(&**rule),
            Part::Named(_) => None,
        });
        own.flat_map(|rule| std::iter::once(rule).chain(rule.inline_rules())).collect()
    }

    /// Whether it is high, or may become so by a circumstance.
    pub fn may_be_high(&self) -> bool {
        self.priority_given(|_| true) == Priority::High
    }

    /// `action`, with the sentences that no alert may lack.
    pub fn action_text(&self) -> String {
        let needed = [Some(NOT_FOR_EMERGENCIES), self.may_be_high().then_some(NO_RELIANCE)];
        needed.into_iter().flatten().fold(self.action.trim().to_owned(), |text, sentence| {
            let said = text.to_lowercase().contains(sentence.trim_end_matches('.').to_lowercase().as_str());
            if said { text } else { format!("{text} {sentence}").trim_start().to_owned() }
        })
    }

    /// The condition in words, for `why` and for lists: `oxygen_saturation < 90 % for 3m`.
    pub fn condition_text(&self) -> String {
        words::condition_text(self)
    }
}
