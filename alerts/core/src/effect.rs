//! What the core asks of its shell: rows to write, in one transaction, and then pages to send.

use painwatch_domain::{AlertId, Hash128, JournalTime, Priority, ReadingId, TenantId};

use crate::alert::AlertView;

/// Rows are upserts by the key of their table. Pages are sent once the rows are committed, never before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    pub alerts: Vec<AlertView>,
    pub events: Vec<AlertEvent>,
    pub evidence: Vec<Evidence>,
    pub notifications: Vec<NotificationView>,
    pub pages: Vec<Page>,
    /// Alerts that did not exist before, once each.
    pub opened: Vec<AlertId>,
}

impl Effects {
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty()
            && self.events.is_empty()
            && self.evidence.is_empty()
            && self.notifications.is_empty()
            && self.pages.is_empty()
    }
}

/// One line of an alert's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertEvent {
    pub tenant: TenantId,
    pub alert_id: AlertId,
    /// The transition number: consecutive from 1 within the alert.
    pub seq: u32,
    pub at: JournalTime,
    pub event: &'static str,
    pub actor: String,
    pub note: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub tenant: TenantId,
    pub alert_id: AlertId,
    pub reading_id: ReadingId,
}

/// One attempt to tell one recipient. Key: (tenant, notification_id, attempt).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationView {
    pub tenant: TenantId,
    pub notification_id: Hash128,
    pub alert_id: AlertId,
    pub channel: &'static str,
    pub recipient: String,
    pub attempt: u32,
    pub at: JournalTime,
    /// pending, delivered, failed, abandoned.
    pub outcome: &'static str,
    pub detail: String,
}

/// An attempt to make now. It carries nothing about the patient, so that its sender cannot leak it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub tenant: TenantId,
    pub notification_id: Hash128,
    pub alert_id: AlertId,
    /// When the alert needed people first: the same on every attempt.
    pub raised_at: JournalTime,
    pub channel: &'static str,
    pub recipient: String,
    pub url: String,
    pub attempt: u32,
    pub priority: Priority,
    pub care_team: Option<String>,
}
