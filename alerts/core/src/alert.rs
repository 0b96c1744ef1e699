//! One alert: what everyone sees of it, and what the machine remembers beside that.

use std::collections::{BTreeMap, VecDeque};

use painwatch_domain::{
    AlertId, AlertKind, AlertState, Condition, Disposition, EventTime, Finding, JournalTime, Offset, PatientId,
    Priority, RuleDomain, RuleId, TenantId,
};
use serde::{Deserialize, Serialize};

use crate::notify::Notification;

/// The row, field by field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertView {
    #[serde(with = "crate::serial::text")]
    pub tenant: TenantId,
    #[serde(with = "crate::serial::text")]
    pub alert_id: AlertId,
    #[serde(with = "crate::serial::optional")]
    pub patient: Option<PatientId>,
    #[serde(with = "crate::serial::text")]
    pub rule: RuleId,
    pub rule_version: String,
    pub title: String,
    pub action: String,
    pub why: String,
    #[serde(with = "crate::serial::text")]
    pub kind: AlertKind,
    #[serde(with = "crate::serial::text")]
    pub domain: RuleDomain,
    #[serde(with = "crate::serial::text")]
    pub priority: Priority,
    #[serde(with = "crate::serial::text")]
    pub state: AlertState,
    #[serde(with = "crate::serial::text")]
    pub condition: Condition,
    #[serde(with = "crate::serial::text")]
    pub onset_at: EventTime,
    #[serde(with = "crate::serial::text")]
    pub last_held_at: EventTime,
    #[serde(with = "crate::serial::optional")]
    pub cleared_at: Option<EventTime>,
    #[serde(with = "crate::serial::text")]
    pub opened_at: JournalTime,
    #[serde(with = "crate::serial::text")]
    pub detected_at: JournalTime,
    #[serde(with = "crate::serial::optional")]
    pub resolved_at: Option<JournalTime>,
    pub acknowledged_by: Option<String>,
    #[serde(with = "crate::serial::optional")]
    pub acknowledged_at: Option<JournalTime>,
    pub assignee: Option<String>,
    pub care_team: Option<String>,
    #[serde(with = "crate::serial::optional")]
    pub disposition: Option<Disposition>,
    pub retrospective: bool,
    pub historical: bool,
    pub shadow: bool,
    #[serde(with = "crate::serial::text")]
    pub changed_at: Offset,
}

/// Idempotency keys remembered per alert: a person retries the last few commands, not the last hundred.
pub const KEYS_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    pub view: AlertView,
    /// Number of the last transition.
    pub seq: u32,
    /// The highest priority people had to be told of; `None` while nothing of it was live.
    #[serde(with = "crate::serial::optional")]
    pub raised: Option<Priority>,
    /// The priority somebody was really told last.
    #[serde(with = "crate::serial::optional")]
    pub told: Option<Priority>,
    /// The transition whose page found no recipient and is still owed.
    pub owed: Option<u32>,
    /// A person resolved it while it lasted: that it still does brings it back no more. What was over when a person was
    /// done with it is another matter when it holds again.
    pub resolved_by_person: bool,
    #[serde(with = "crate::serial::optional")]
    pub before_retraction: Option<AlertState>,
    /// Not yet final, by id.
    pub notifications: BTreeMap<String, Notification>,
    pub recent_keys: VecDeque<String>,
    #[serde(with = "crate::serial::optional")]
    pub forget_at: Option<JournalTime>,
}

impl Alert {
    pub fn first(finding: &Finding, now: JournalTime, care_team: Option<String>) -> Self {
        Self {
            view: view_of(finding, now, care_team),
            seq: 0,
            raised: None,
            told: None,
            owed: None,
            resolved_by_person: false,
            before_retraction: None,
            notifications: BTreeMap::new(),
            recent_keys: VecDeque::new(),
            forget_at: None,
        }
    }

    /// Remembers the key; `true` when it was there already. An empty key is never remembered.
    pub fn seen_key(&mut self, key: &str) -> bool {
        if key.is_empty() {
            return false;
        }
        if self.recent_keys.iter().any(|known| known == key) {
            return true;
        }
        if self.recent_keys.len() == KEYS_MAX {
            self.recent_keys.pop_front();
        }
        self.recent_keys.push_back(key.to_owned());
        false
    }

    /// Nothing can happen to it any more but a person's second thought.
    pub fn is_over(&self) -> bool {
        let closed = match self.view.state {
            AlertState::Retracted => true,
            AlertState::Resolved => self.view.condition == Condition::Cleared,
            AlertState::Open | AlertState::Acknowledged | AlertState::Snoozed => false,
        };
        closed && self.notifications.is_empty()
    }
}

fn view_of(finding: &Finding, now: JournalTime, care_team: Option<String>) -> AlertView {
    AlertView {
        tenant: finding.tenant.clone(),
        alert_id: finding.alert_id,
        patient: finding.patient.clone(),
        rule: finding.rule.clone(),
        rule_version: finding.rule_version.clone(),
        title: finding.title.clone(),
        action: finding.action.clone(),
        why: finding.episode.why.clone(),
        kind: finding.alert_kind,
        domain: finding.domain,
        priority: finding.episode.peak,
        state: AlertState::Open,
        condition: Condition::Active,
        onset_at: finding.episode.start,
        last_held_at: finding.episode.last_held,
        cleared_at: None,
        opened_at: now,
        detected_at: finding.detected_at,
        resolved_at: None,
        acknowledged_by: None,
        acknowledged_at: None,
        assignee: None,
        care_team,
        disposition: None,
        retrospective: finding.retrospective,
        historical: finding.historical,
        shadow: finding.shadow,
        changed_at: Offset(0),
    }
}
