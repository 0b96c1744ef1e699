//! What the processor tells the alert service: an episode of a rule began, changed, ended, or was never there.

use crate::alert::{AlertKind, Priority, RuleDomain};
use crate::ids::{AlertId, Hash128, PatientId, ReadingId, RuleId, TenantId};
use crate::time::{EventTime, JournalTime};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// A condition that holds, first seen.
    Opened,
    /// Priority, span or evidence of a known episode changed.
    Changed,
    /// The condition ended by itself.
    Cleared,
    /// Late or corrected data show that the episode never was.
    Retracted,
}

impl FindingKind {
    pub const ALL: [Self; 4] = [Self::Opened, Self::Changed, Self::Cleared, Self::Retracted];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Changed => "changed",
            Self::Cleared => "cleared",
            Self::Retracted => "retracted",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A maximal span of event time in which a rule's condition held for a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Episode {
    pub start: EventTime,
    /// Last event time at which the condition held; decides staleness (semantics 12).
    pub last_held: EventTime,
    /// `None` while it lasts.
    pub end: Option<EventTime>,
    pub peak: Priority,
    /// The readings that show it, at most [`EVIDENCE_MAX`], the first and the worst among them.
    pub evidence: Vec<ReadingId>,
    /// Values and limits in words, without any patient identifier: `oxygen_saturation 85 % < 90 % for 3 min`.
    pub why: String,
}

/// Readings kept as evidence for one episode: enough to redraw it, small enough for a record.
pub const EVIDENCE_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub kind: FindingKind,
    pub alert_id: AlertId,
    pub tenant: TenantId,
    /// `None` for a finding about a device or a gateway that belongs to nobody.
    pub patient: Option<PatientId>,
    pub rule: RuleId,
    /// Content hash of the rule in force at the episode's start.
    pub rule_version: String,
    pub title: String,
    pub action: String,
    pub alert_kind: AlertKind,
    pub domain: RuleDomain,
    pub episode: Episode,
    pub detected_at: JournalTime,
    /// The condition last held too long ago to page about when it became knowable.
    pub retrospective: bool,
    /// Came with `mode: historical`: goes to the history view, never pages.
    pub historical: bool,
    /// Nobody accepted the rule yet: shown, never sent.
    pub shadow: bool,
}

/// The id an alert keeps for life (semantics 11).
pub fn alert_id(tenant: &TenantId, subject: &str, rule: &RuleId, first_detected_start: EventTime) -> AlertId {
    Hash128::of(&[
        b"alert",
        tenant.as_str().as_bytes(),
        subject.as_bytes(),
        rule.as_str().as_bytes(),
        &first_detected_start.0.to_le_bytes(),
    ])
}
