//! Rules as the patient core runs them: each either holds over samples or over days.

use painwatch_domain::roster::Patient;
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{Measure, Priority, Value};

use super::circumstances::Around;
use super::episodes::{RuleFace, Span};
use super::hold::{HoldRule, HoldVersions};
use crate::metrics::sustained_threshold::Comparison;
use crate::metrics::wear;
use crate::rules::{Circumstance, Condition, MinDataUnit, Rule, Signal};

/// One version of a rule, ready to run.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub rule: Rule,
    pub face: RuleFace,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Hold(Measure, HoldRule),
    /// Judged a day at a time on the metric of that name.
    Daily(&'static str),
    /// Silence of a measure for longer than so many milliseconds.
    Absent(Measure, i64),
    /// Judged by the episodes of other rules.
    Combined,
}

/// A rule with every version by the event time from which each is in force: a reading is judged by the one in force then.
#[derive(Clone, Debug)]
pub struct Ruled {
    /// Ascending; never empty.
    versions: Vec<(i64, Compiled)>,
    holds: HoldVersions,
    /// A condition inside a combination: never told by itself.
    inline: bool,
}

impl Ruled {
    pub fn new(rule: Rule, from: i64) -> Self {
        let versions = vec![(from, Compiled::new(rule))];
        let mut ruled = Self { versions, holds: HoldVersions::default(), inline: false };
        ruled.index();
        ruled
    }

    /// A rule out of its versions, ascending; of equal neighbours one. `None` for none.
    pub fn of(versions: impl IntoIterator<Item = (i64, Rule)>) -> Option<Self> {
        let mut all: Vec<(i64, Compiled)> = Vec::new();
        for (from, rule) in versions {
            if all.last().is_none_or(|(_, last)| last.rule != rule) {
                all.push((from, Compiled::new(rule)));
            }
        }
        let mut ruled = Self { versions: all, holds: HoldVersions::default(), inline: false };
        ruled.index();
        (!ruled.versions.is_empty()).then_some(ruled)
    }

    /// The conditions that a rule brings along. Named by their content, they are always in force: which version of the
    /// rule looks at them is that version's business.
    pub fn inline(rule: &Rule) -> impl Iterator<Item = Self> {
        let own = rule.inline_rules().into_iter().cloned();
        own.map(|rule| Self { inline: true, ..Self::new(rule, i64::MIN) })
    }

    /// Whether its episodes are told.
    pub const fn is_told(&self) -> bool {
        !self.inline
    }

    /// Puts a version in force from `from` on. One that only differs in who accepted it takes the place of its twin; one
    /// that looks at something else begins the rule anew.
    pub fn put(&mut self, rule: Rule, from: i64) {
        let new = Compiled::new(rule);
        let newest = self.newest();
        if newest.face.version == new.face.version {
            let from = self.versions.pop().map_or(from, |(known, _)| known);
            self.versions.push((from, new));
        } else if newest.rule.signal == new.rule.signal && newest.rule.pack == new.rule.pack {
            self.versions.retain(|(known, _)| *known < from);
            self.versions.push((from, new));
        } else {
            self.versions = vec![(from, new)];
        }
        self.index();
    }

    fn index(&mut self) {
        let hold = |(from, compiled): &(i64, Compiled)| match &compiled.kind {
            Kind::Hold(_, rule) => Some((*from, rule.clone())),
            _ => None,
        };
        self.holds = HoldVersions::new(self.versions.iter().filter_map(hold));
    }

    pub fn newest(&self) -> &Compiled {
        &self.versions[self.versions.len() - 1].1
    }

    /// The version in force at that event time.
    pub fn at(&self, time: i64) -> Option<&Compiled> {
        self.versions.iter().rev().find(|(from, _)| *from <= time).map(|(_, compiled)| compiled)
    }

    /// From which event time any version is in force.
    pub fn begins(&self) -> i64 {
        self.versions[0].0
    }

    /// The event times from which its versions are in force.
    pub fn edges(&self) -> impl Iterator<Item = i64> {
        self.versions.iter().map(|(from, _)| *from)
    }

    /// From which event time the version in force at `time` is; the minimum for one that always was.
    pub fn in_force_since(&self, time: i64) -> Option<i64> {
        self.versions.iter().rev().map(|(from, _)| *from).find(|from| *from <= time)
    }

    /// The version that speaks for an episode with this start.
    pub fn speaking_at(&self, start: i64) -> &Compiled {
        self.at(start).unwrap_or(&self.versions[0].1)
    }

    pub fn all(&self) -> impl Iterator<Item = &Compiled> {
        self.versions.iter().map(|(_, compiled)| compiled)
    }

    pub fn id(&self) -> &str {
        self.newest().face.id.as_str()
    }

    /// The versions over a measure's samples, if this rule holds over that measure.
    pub fn over(&self, measure: Measure) -> Option<&HoldVersions> {
        matches!(&self.newest().kind, Kind::Hold(on, _) if *on == measure).then_some(&self.holds)
    }

    pub fn measure_held(&self) -> Option<(Measure, &HoldRule)> {
        match &self.newest().kind {
            Kind::Hold(measure, rule) => Some((*measure, rule)),
            _ => None,
        }
    }

    pub fn metric(&self) -> Option<&'static str> {
        match self.newest().kind {
            Kind::Daily(metric) => Some(metric),
            _ => None,
        }
    }

    /// The measure whose silence it tells.
    pub fn measure_missed(&self) -> Option<Measure> {
        match self.newest().kind {
            Kind::Absent(measure, _) => Some(measure),
            _ => None,
        }
    }

    /// The longest silence that each version allows, by the time from which it is in force.
    pub fn limits(&self) -> Vec<(i64, i64)> {
        let limit = |(from, compiled): &(i64, Compiled)| match compiled.kind {
            Kind::Absent(_, limit) => Some((*from, limit)),
            _ => None,
        };
        self.versions.iter().filter_map(limit).collect()
    }

    pub fn is_combined(&self) -> bool {
        self.newest().kind == Kind::Combined
    }

    /// Each version with the event time it is in force in.
    pub fn spans_of_force(&self) -> impl Iterator<Item = (i64, i64, &Compiled)> {
        let until = self.versions.iter().skip(1).map(|(from, _)| *from).chain([i64::MAX]);
        self.versions.iter().zip(until).map(|((from, compiled), until)| (*from, until, compiled))
    }

    /// A patient gets the packs that the roster names.
    pub fn applies_to(&self, patient: &Patient) -> bool {
        patient.packs.contains(&self.newest().rule.pack)
    }

    pub fn depends_on_exposure(&self) -> bool {
        let mut raises = self.all().flat_map(|compiled| &compiled.rule.priority_when);
        raises.any(|raise| matches!(raise.when, Circumstance::Exposure(_)))
    }
}

impl Compiled {
    fn new(rule: Rule) -> Self {
        let face = RuleFace {
            id: rule.id.clone(),
            version: rule.version(),
            title: rule.title.clone(),
            action: rule.action_text(),
            domain: rule.domain,
            kind: rule.kind(),
            stale_after_ms: rule.stale_after_ms,
            refractory_ms: rule.refractory_ms,
            shadow: rule.is_shadow(),
        };
        Self { kind: kind(&rule), face, rule }
    }

    /// Priority of an episode, given what else was so while it lasted.
    pub fn peak(&self, around: &Around, exposure: &[wear::Span], span: &Span) -> Priority {
        self.rule.priority_given(|circumstance| around.holds(circumstance, exposure, span))
    }

    /// The longest silence that an absence rule allows.
    pub const fn limit_ms(&self) -> i64 {
        match self.kind {
            Kind::Absent(_, limit) => limit,
            _ => 0,
        }
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

    /// Days before a day that its verdict looks back on.
    pub const fn lookback_days(&self) -> i32 {
        match self.rule.condition {
            Condition::Deviates { of_days, on, .. } => of_days + on.n as i32,
            Condition::Changes { within_days, .. } => within_days,
            Condition::Absent { for_ms } => (for_ms / DAY_MS) as i32,
            _ => 0,
        }
    }
}

fn kind(rule: &Rule) -> Kind {
    match (rule.signal, rule.condition) {
        (Signal::Rules, _) | (_, Condition::Combined { .. }) => Kind::Combined,
        (Signal::Metric(metric), _) => Kind::Daily(metric),
        (signal, Condition::Absent { for_ms }) => Kind::Absent(signal.measure(), for_ms),
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
