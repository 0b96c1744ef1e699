//! Rows as JSON, under the names of the contract's tables.

use painwatch_domain::time::format_utc;
use painwatch_domain::{EventTime, JournalTime};
use painwatch_store::{AlertEventRow, AlertRow, CoverageRow, DeviceRow, NotificationRow, PatientRow, ReadingRow};
use serde_json::{Value, json};

fn event_time(time: EventTime) -> String {
    format_utc(time.0)
}

fn journal_time(time: JournalTime) -> String {
    format_utc(time.0)
}

pub fn alert(row: &AlertRow) -> Value {
    json!({
        "alert_id": row.alert_id.to_string(),
        "patient_id": row.patient.as_ref().map(ToString::to_string),
        "rule_id": row.rule.as_str(),
        "rule_version": row.rule_version,
        "title": row.title,
        "action": row.action,
        "why": row.why,
        "kind": row.kind.as_str(),
        "domain": row.domain.as_str(),
        "priority": row.priority.as_str(),
        "state": row.state.as_str(),
        "condition": row.condition.as_str(),
        "onset_at": event_time(row.onset_at),
        "last_held_at": event_time(row.last_held_at),
        "cleared_at": row.cleared_at.map(event_time),
        "opened_at": journal_time(row.opened_at),
        "detected_at": journal_time(row.detected_at),
        "resolved_at": row.resolved_at.map(journal_time),
        "acknowledged_by": row.acknowledged_by,
        "acknowledged_at": row.acknowledged_at.map(journal_time),
        "assignee": row.assignee,
        "care_team": row.care_team,
        "disposition": row.disposition.map(|it| it.as_str()),
        "retrospective": row.retrospective,
        "historical": row.historical,
        "shadow": row.shadow,
        "changed_at": row.changed_at.0,
    })
}

pub fn alert_event(row: &AlertEventRow) -> Value {
    json!({
        "seq": row.seq, "at": journal_time(row.at), "event": row.event, "actor": row.actor, "note": row.note,
    })
}

pub fn notification(row: &NotificationRow) -> Value {
    json!({
        "notification_id": row.notification_id.to_string(),
        "channel": row.channel,
        "recipient": row.recipient,
        "attempt": row.attempt,
        "at": journal_time(row.at),
        "outcome": row.outcome,
        "detail": row.detail,
    })
}

pub fn reading(row: &ReadingRow) -> Value {
    json!({
        "reading_id": row.reading_id.to_string(),
        "time": event_time(row.time),
        "end_time": row.end_time.map(event_time),
        "device_id": row.device.as_str(),
        "measure": row.measure,
        "value": row.value,
        "value_code": row.value_code,
        "unit": row.unit,
        "quality": row.quality,
    })
}

pub fn patient(row: &PatientRow) -> Value {
    json!({
        "patient_id": row.patient.as_str(),
        "mrn": row.mrn,
        "birth_date": row.birth_date,
        "sex": row.sex,
        "zone": row.zone,
        "care_team": row.care_team,
        "packs": row.packs.split(',').filter(|pack| !pack.is_empty()).collect::<Vec<_>>(),
        "synthetic": row.synthetic,
    })
}

pub fn device(row: &DeviceRow) -> Value {
    json!({ "device_id": row.device.as_str(), "kind": row.kind, "serial": row.serial })
}

pub fn coverage(row: &CoverageRow) -> Value {
    json!({
        "rule_id": row.rule.as_str(),
        "start_time": event_time(row.start),
        "end_time": event_time(row.end),
        "state": row.state,
        "cause": row.cause,
    })
}
