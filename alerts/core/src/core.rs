//! The machine: all alerts, the deadlines they wait for, and who can be told.

use std::collections::{BTreeMap, BTreeSet};

use painwatch_domain::time::DAY_MS;
use painwatch_domain::{AlertId, Finding, FindingKind, JournalTime, Offset, ReadingId, TenantId};

use crate::alert::Alert;
use crate::effect::{Effects, Evidence, Page};
use crate::notify::Delivery;
use crate::routing::Routing;
use crate::turn::{Command, Turn, page_of};

/// What the journal may tell the alert service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Finding(Finding),
    Command(Command),
    Delivery(Delivery),
    Roster(Routing),
}

/// A piece of the snapshot: bytes under a key, `None` when it is gone.
pub type Part = (String, Option<Vec<u8>>);

/// Why a snapshot cannot be read. Names the part.
#[derive(Debug, thiserror::Error)]
#[error("snapshot part {key}: {why}")]
pub struct RestoreError {
    key: String,
    why: String,
}

/// Days of journal time an alert that is over is remembered: beyond the horizon of 35 days within which late data may
/// still speak of it (semantics 13), so that it is never taken for a new one.
const REMEMBERED_DAYS: i64 = 40;

const ALERT_PART: &str = "alert/";
const ROUTING_PART: &str = "routing/";

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    Retry { alert: AlertId, notification: String },
    Forget { alert: AlertId },
}

#[derive(Debug, Default)]
pub struct AlertsCore {
    alerts: BTreeMap<AlertId, Alert>,
    routing: BTreeMap<TenantId, Routing>,
    /// Derived from the alerts, never stored.
    deadlines: BTreeSet<(JournalTime, Deadline)>,
    changed_parts: BTreeSet<String>,
}

impl AlertsCore {
    /// Applies one input. `offset` is the journal record it came in.
    pub fn handle(&mut self, now: JournalTime, offset: Offset, input: Input, out: &mut Effects) {
        match input {
            Input::Finding(finding) => self.on_finding(now, offset, finding, out),
            Input::Command(command) => {
                let (id, tenant) = (command.alert_id, command.tenant.clone());
                self.with_known(now, offset, id, Some(&tenant), out, |turn| turn.command(&command));
            }
            Input::Delivery(delivery) => {
                let (id, tenant) = (delivery.alert_id, delivery.tenant.clone());
                self.with_known(now, offset, id, Some(&tenant), out, |turn| turn.delivered(delivery));
            }
            Input::Roster(routing) => self.on_roster(now, offset, routing, out),
        }
    }

    /// When something happens by itself next.
    pub fn next_deadline(&self) -> Option<JournalTime> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    /// Everything due by `now`, each stamped with its own due time. `offset` is the record before which it happens.
    pub fn fire(&mut self, now: JournalTime, offset: Offset, out: &mut Effects) {
        while self.next_deadline().is_some_and(|due| due <= now) {
            let Some((due, deadline)) = self.deadlines.pop_first() else { return };
            match deadline {
                Deadline::Retry { alert, notification } => {
                    self.with_known(due, offset, alert, None, out, |turn| turn.retry(&notification));
                }
                Deadline::Forget { alert } => {
                    self.alerts.remove(&alert);
                    self.changed_parts.insert(format!("{ALERT_PART}{alert}"));
                }
            }
        }
    }

    /// Attempts begun and not known to have ended: what a restarted sender sends again, under the same ids.
    pub fn under_way(&self) -> Vec<Page> {
        let pages =
            self.alerts.values().flat_map(|alert| alert.notifications.keys().filter_map(|id| page_of(alert, id)));
        pages.collect()
    }

    /// The whole state.
    pub fn snapshot(&self) -> Vec<Part> {
        let alerts = self.alerts.keys().map(|id| format!("{ALERT_PART}{id}"));
        let routing = self.routing.keys().map(|tenant| format!("{ROUTING_PART}{tenant}"));
        alerts.chain(routing).map(|key| self.part(key)).collect()
    }

    /// What changed since the last call: a commit costs what happened, not what there is.
    pub fn take_changes(&mut self) -> Vec<Part> {
        let keys = std::mem::take(&mut self.changed_parts);
        keys.into_iter().map(|key| self.part(key)).collect()
    }

    /// # Errors
    /// [`RestoreError`] when a part is not what this version writes.
    pub fn restore(parts: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, RestoreError> {
        let mut core = Self::default();
        for (key, bytes) in parts {
            core.restore_part(&key, &bytes).map_err(|why| RestoreError { key, why })?;
        }
        Ok(core)
    }

    fn restore_part(&mut self, key: &str, bytes: &[u8]) -> Result<(), String> {
        if key.starts_with(ALERT_PART) {
            let alert: Alert = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
            self.deadlines.extend(deadlines_of(&alert));
            self.alerts.insert(alert.view.alert_id, alert);
        } else if key.starts_with(ROUTING_PART) {
            let routing: Routing = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
            self.routing.insert(routing.tenant.clone(), routing);
        } else {
            return Err("of no kind that this version knows".to_owned());
        }
        Ok(())
    }

    fn part(&self, key: String) -> Part {
        let alert = key.strip_prefix(ALERT_PART).and_then(AlertId::parse).and_then(|id| self.alerts.get(&id));
        let tenant = key.strip_prefix(ROUTING_PART).and_then(|text| TenantId::parse(text).ok());
        let routing = tenant.and_then(|tenant| self.routing.get(&tenant));
        // Text and numbers only: serialising them cannot fail.
        let bytes = alert.map(serde_json::to_vec).or(routing.map(serde_json::to_vec)).and_then(Result::ok);
        (key, bytes)
    }

    fn on_finding(&mut self, now: JournalTime, offset: Offset, finding: Finding, out: &mut Effects) {
        let id = finding.alert_id;
        let known = self.alerts.contains_key(&id);
        let retracted = finding.kind == FindingKind::Retracted;
        if !known && retracted {
            return;
        }
        if !known {
            let routing = self.routing.get(&finding.tenant);
            let team = finding.patient.as_ref().and_then(|patient| routing?.care_team(patient.as_str()).cloned());
            self.alerts.insert(id, Alert::first(&finding, now, team));
            out.opened.push(id);
        }
        if !retracted {
            let evidence = |reading_id: &ReadingId| Evidence {
                tenant: finding.tenant.clone(),
                alert_id: id,
                reading_id: *reading_id,
            };
            out.evidence.extend(finding.episode.evidence.iter().map(evidence));
        }
        self.with_known(now, offset, id, Some(&finding.tenant), out, |turn| turn.finding(&finding, known));
    }

    fn on_roster(&mut self, now: JournalTime, offset: Offset, routing: Routing, out: &mut Effects) {
        let tenant = routing.tenant.clone();
        self.changed_parts.insert(format!("{ROUTING_PART}{tenant}"));
        self.routing.insert(tenant.clone(), routing);
        let concerned = self.alerts.values().filter(|alert| alert.view.tenant == tenant);
        let ids: Vec<AlertId> = concerned.map(|alert| alert.view.alert_id).collect();
        for id in ids {
            self.with_known(now, offset, id, Some(&tenant), out, |turn| turn.rerouted());
        }
    }

    /// Runs one turn of a known alert, and writes it if anything became different. Another tenant's is unknown.
    fn with_known(
        &mut self,
        now: JournalTime,
        offset: Offset,
        id: AlertId,
        tenant: Option<&TenantId>,
        out: &mut Effects,
        act: impl FnOnce(&mut Turn<'_>),
    ) {
        let Some(alert) = self.alerts.get_mut(&id) else { return };
        if tenant.is_some_and(|tenant| *tenant != alert.view.tenant) {
            return;
        }
        let before = alert.clone();
        let routing = self.routing.get(&alert.view.tenant);
        act(&mut Turn { now, alert: &mut *alert, routing, out: &mut *out });
        if *alert == before {
            return;
        }
        alert.forget_at = alert.is_over().then(|| now.plus(REMEMBERED_DAYS * DAY_MS));
        if alert.view != before.view || alert.seq != before.seq {
            alert.view.changed_at = offset;
            out.alerts.push(alert.view.clone());
        }
        for gone in deadlines_of(&before) {
            self.deadlines.remove(&gone);
        }
        self.deadlines.extend(deadlines_of(alert));
        self.changed_parts.insert(format!("{ALERT_PART}{id}"));
    }
}

fn deadlines_of(alert: &Alert) -> impl Iterator<Item = (JournalTime, Deadline)> + use<'_> {
    let id = alert.view.alert_id;
    let retries = alert.notifications.iter().filter_map(move |(notification, state)| {
        Some((state.due?, Deadline::Retry { alert: id, notification: notification.clone() }))
    });
    let forget = alert.forget_at.map(|due| (due, Deadline::Forget { alert: id }));
    retries.chain(forget)
}
