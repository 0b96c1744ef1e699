//! Effects of the core as rows of the tables.

use std::collections::BTreeMap;

use painwatch_alerts_core::{AlertEvent, AlertView, Effects, NotificationView, Part};
use painwatch_store::{AlertEventRow, AlertRow, Applied, Blob, Commit, Consumer, NotificationRow, Rows};

use crate::BLOB_KIND;

/// One transaction: built anew for each try, since committing takes it.
pub fn commit(epoch: u64, applied: Applied, effects: &Effects, parts: &[Part]) -> Commit {
    let blob = |(key, bytes): &Part| Blob { kind: BLOB_KIND, key: key.clone(), bytes: bytes.clone() };
    Commit {
        epoch,
        applied: Some((Consumer::Alerts, applied)),
        rows: rows(effects),
        blobs: parts.iter().map(blob).collect(),
    }
}

/// Of an alert written several times in one transaction only the last row counts.
fn rows(effects: &Effects) -> Rows {
    let last: BTreeMap<_, _> = effects.alerts.iter().map(|view| (view.alert_id, view)).collect();
    let evidence = effects.evidence.iter().map(|row| (row.tenant.clone(), row.alert_id, row.reading_id));
    Rows {
        alerts: last.into_values().map(alert).collect(),
        alert_events: effects.events.iter().map(event).collect(),
        alert_evidence: evidence.collect(),
        notifications: notifications(&effects.notifications),
        ..Rows::default()
    }
}

fn notifications(views: &[NotificationView]) -> Vec<NotificationRow> {
    let last: BTreeMap<_, _> = views.iter().map(|view| ((view.notification_id, view.attempt), view)).collect();
    last.into_values().map(notification).collect()
}

pub fn alert(view: &AlertView) -> AlertRow {
    AlertRow {
        tenant: view.tenant.clone(),
        alert_id: view.alert_id,
        patient: view.patient.clone(),
        rule: view.rule.clone(),
        rule_version: view.rule_version.clone(),
        title: view.title.clone(),
        action: view.action.clone(),
        why: view.why.clone(),
        kind: view.kind,
        domain: view.domain,
        priority: view.priority,
        state: view.state,
        condition: view.condition,
        onset_at: view.onset_at,
        last_held_at: view.last_held_at,
        cleared_at: view.cleared_at,
        opened_at: view.opened_at,
        detected_at: view.detected_at,
        resolved_at: view.resolved_at,
        acknowledged_by: view.acknowledged_by.clone(),
        acknowledged_at: view.acknowledged_at,
        assignee: view.assignee.clone(),
        care_team: view.care_team.clone(),
        disposition: view.disposition,
        retrospective: view.retrospective,
        historical: view.historical,
        shadow: view.shadow,
        changed_at: view.changed_at,
    }
}

fn event(event: &AlertEvent) -> AlertEventRow {
    AlertEventRow {
        tenant: event.tenant.clone(),
        alert_id: event.alert_id,
        seq: event.seq,
        at: event.at,
        event: event.event.to_owned(),
        actor: event.actor.clone(),
        note: event.note.clone(),
    }
}

fn notification(view: &NotificationView) -> NotificationRow {
    NotificationRow {
        tenant: view.tenant.clone(),
        notification_id: view.notification_id,
        alert_id: view.alert_id,
        channel: view.channel.to_owned(),
        recipient: view.recipient.clone(),
        attempt: view.attempt,
        at: view.at,
        outcome: view.outcome.to_owned(),
        detail: view.detail.clone(),
    }
}
