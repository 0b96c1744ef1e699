//! Rules as the patient core runs them: each either holds over samples or over days.

use painwatch_domain::roster::Patient;
use painwatch_domain::{Measure, Priority, Value};

use super::episodes::RuleFace;
use super::hold::HoldRule;
use crate::metrics::sustained_threshold::Comparison;
use crate::rules::{Circumstance, Condition, MinDataUnit, Rule, Signal};

/// A rule ready to run.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub rule: Rule,
    pub face: RuleFace,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Hold(Measure, HoldRule),
    /// Judged a day at a time on the metric of that name.
    Daily(&'static str),
}

impl Compiled {
    pub fn new(rule: Rule) -> Self {
        let face = RuleFace {
            id: rule.id.clone(),
            version: rule.version(),
            title: rule.title.clone(),
            action: rule.action_text(),
            domain: rule.domain,
            kind: rule.kind(),
            stale_after_ms: rule.stale_after_ms,
            shadow: rule.is_shadow(),
        };
        Self { kind: kind(&rule), face, rule }
    }

    pub fn id(&self) -> &str {
        self.face.id.as_str()
    }

    /// A patient gets the packs that the roster names.
    pub fn applies_to(&self, patient: &Patient) -> bool {
        patient.packs.contains(&self.rule.pack)
    }

    pub fn depends_on_exposure(&self) -> bool {
        self.rule.priority_when.iter().any(|raise| matches!(raise.when, Circumstance::Exposure(_)))
    }

    /// Priority of an episode in `[start, last_held]` given when the patient was exposed to opioids.
    pub fn peak(&self, patient: &Patient, exposed: bool) -> Priority {
        self.rule.priority_given(|circumstance| match circumstance {
            Circumstance::Exposure(class) => class == "opioid" && exposed,
            Circumstance::Condition(listed) => listed.iter().any(|condition| patient.conditions.contains(condition)),
        })
    }

    /// The number of a value that the rule's signal looks at, in the canonical unit.
    pub fn number(&self, measure: Measure, value: &Value) -> Option<f64> {
        let scaled = match (self.rule.signal, value) {
            (Signal::Systolic, Value::Pressure { systolic, .. }) => *systolic,
            (Signal::Diastolic, Value::Pressure { diastolic, .. }) => *diastolic,
            (_, Value::Number(scaled)) => *scaled,
            _ => return None,
        };
        Some(measure.to_canonical(scaled))
    }
}

fn kind(rule: &Rule) -> Kind {
    match (rule.signal, rule.condition) {
        (Signal::Metric(metric), _) => Kind::Daily(metric),
        (_, Condition::Missed { .. }) => Kind::Daily("medication_event.missed_in_a_row"),
        (signal, Condition::Threshold(enter)) => Kind::Hold(signal.measure(), hold(rule, enter)),
        // The grammar admits the other conditions of daily metrics only.
        (signal, _) => Kind::Daily(signal.name()),
    }
}

fn hold(rule: &Rule, enter: Comparison) -> HoldRule {
    let min_samples = if rule.min_data.unit == MinDataUnit::Samples { rule.min_data.count } else { 1 };
    HoldRule {
        enter,
        enter_for_ms: rule.for_ms,
        clear: rule.clear.map_or_else(|| opposite(enter), |clear| clear.comparison),
        clear_for_ms: rule.clear.map_or(0, |clear| clear.for_ms),
        max_gap_ms: rule.max_gap_ms,
        min_samples,
    }
}

fn opposite(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Below(limit) => Comparison::AtLeast(limit),
        Comparison::AtMost(limit) => Comparison::Above(limit),
        Comparison::Above(limit) => Comparison::AtMost(limit),
        Comparison::AtLeast(limit) => Comparison::Below(limit),
        Comparison::Outside { lo, hi } => Comparison::Within { lo, hi },
        Comparison::Within { lo, hi } => Comparison::Outside { lo, hi },
    }
}
