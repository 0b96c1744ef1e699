//! One input applied to one alert: every change goes through here, so that each is numbered, told and written alike.

use painwatch_domain::{AlertId, AlertState, Condition, Disposition, JournalTime, Priority, TenantId};

use crate::alert::Alert;
use crate::effect::{AlertEvent, Effects, NotificationView, Page};
use crate::lifecycle::{Transition, next_state};
use crate::notify::{
    CHANNEL, Delivery, FIRST_LADDER_STEP, Notification, Outcome, UNCONFIRMED_ATTEMPT, notification_id,
};
use crate::routing::Routing;

/// What a person may do to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Acknowledge,
    Resolve,
    Reopen,
    Comment,
    Disposition,
    /// To the name in `note`.
    Assign,
}

impl Verb {
    pub const ALL: [Self; 6] =
        [Self::Acknowledge, Self::Resolve, Self::Reopen, Self::Comment, Self::Disposition, Self::Assign];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
            Self::Reopen => "reopen",
            Self::Comment => "comment",
            Self::Disposition => "disposition",
            Self::Assign => "assign",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == text)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub tenant: TenantId,
    pub alert_id: AlertId,
    pub actor: String,
    pub verb: Verb,
    pub note: String,
    pub disposition: Option<Disposition>,
    pub idempotency_key: String,
}

/// Longest note kept, in characters: a paragraph of handover, not a chart.
pub const NOTE_MAX_CHARS: usize = 2_000;

pub const SYSTEM: &str = "system";

pub struct Turn<'a> {
    pub now: JournalTime,
    pub alert: &'a mut Alert,
    pub routing: Option<&'a Routing>,
    pub out: &'a mut Effects,
}

impl Turn<'_> {
    pub fn event(&mut self, event: &'static str, actor: &str, note: impl Into<String>) {
        self.alert.seq += 1;
        self.out.events.push(AlertEvent {
            tenant: self.alert.view.tenant.clone(),
            alert_id: self.alert.view.alert_id,
            seq: self.alert.seq,
            at: self.now,
            event,
            actor: actor.to_owned(),
            note: note.into(),
        });
    }

    /// Moves the state if the lifecycle allows it. Open again means that nobody has it: who had it is in the events.
    pub fn go(&mut self, transition: Transition) -> bool {
        let view = &mut self.alert.view;
        let Some(to) = next_state(view.state, transition) else { return false };
        if transition == Transition::Retract {
            self.alert.before_retraction = Some(view.state);
        }
        match to {
            AlertState::Open => (view.acknowledged_by, view.acknowledged_at, view.resolved_at) = (None, None, None),
            AlertState::Resolved => view.resolved_at = view.resolved_at.or(Some(self.now)),
            AlertState::Acknowledged | AlertState::Snoozed | AlertState::Retracted => {}
        }
        view.state = to;
        true
    }

    pub fn command(&mut self, command: &Command) {
        if self.alert.seen_key(&command.idempotency_key) {
            return;
        }
        let note: String = command.note.chars().take(NOTE_MAX_CHARS).collect();
        match command.verb {
            Verb::Acknowledge => self.acknowledge(&command.actor, note),
            Verb::Resolve => self.resolve(command, note),
            Verb::Reopen if self.go(Transition::Reopen) => self.event("reopened", &command.actor, note),
            Verb::Comment if !note.is_empty() => self.event("commented", &command.actor, note),
            Verb::Disposition => self.dispose(command, note),
            Verb::Assign if !note.is_empty() => {
                self.alert.view.assignee = Some(note.clone());
                self.event("assigned", &command.actor, note);
            }
            Verb::Reopen | Verb::Comment | Verb::Assign => {}
        }
    }

    fn acknowledge(&mut self, actor: &str, note: String) {
        if self.go(Transition::Acknowledge) {
            self.alert.view.acknowledged_by = Some(actor.to_owned());
            self.alert.view.acknowledged_at = Some(self.now);
            self.event("acknowledged", actor, note);
        }
    }

    fn resolve(&mut self, command: &Command, note: String) {
        if self.go(Transition::Resolve) {
            self.alert.resolved_by_person = !self.is_cleared();
            self.alert.view.disposition = command.disposition.or(self.alert.view.disposition);
            self.event("resolved", &command.actor, note);
        }
    }

    fn dispose(&mut self, command: &Command, note: String) {
        if let Some(disposition) = command.disposition {
            self.alert.view.disposition = Some(disposition);
            let said = if note.is_empty() { String::new() } else { format!(": {note}") };
            self.event("disposition", &command.actor, format!("{disposition}{said}"));
        }
    }

    /// Tells everyone concerned of transition `transition`, or says that there is nobody to tell.
    pub fn page(&mut self, transition: u32) {
        let priority = self.priority_to_tell();
        let team = self.alert.view.care_team.clone();
        let Some(routing) = self.routing else { return self.nobody_to_tell(transition) };
        let recipients: Vec<_> = routing.recipients(team.as_deref(), priority).cloned().collect();
        if recipients.is_empty() {
            return self.nobody_to_tell(transition);
        }
        self.alert.owed = None;
        self.alert.told = Some(priority);
        let names: Vec<&str> = recipients.iter().map(|recipient| recipient.id.as_str()).collect();
        self.event("paged", SYSTEM, names.join(", "));
        for recipient in recipients {
            let id = notification_id(self.alert.view.alert_id, transition, FIRST_LADDER_STEP, &recipient.id, CHANNEL);
            let first = Notification {
                recipient: recipient.id,
                url: recipient.url,
                priority,
                raised_at: self.now,
                attempt: 0,
                due: None,
            };
            self.alert.notifications.insert(id.to_string(), first);
            self.attempt(&id.to_string());
        }
    }

    /// What is still true of what was live: a page owed since before a silent finding does not carry that one's priority.
    fn priority_to_tell(&self) -> Priority {
        self.alert.raised.map_or(Priority::Info, |raised| raised.min(self.alert.view.priority))
    }

    /// Said once per transition: a later roster that still names nobody is no news.
    fn nobody_to_tell(&mut self, transition: u32) {
        if self.alert.owed.replace(transition) != Some(transition) {
            let team = self.alert.view.care_team.clone().unwrap_or_else(|| "no care team".to_owned());
            self.event("no_recipient", SYSTEM, format!("{team}: no contact takes {}", self.priority_to_tell()));
        }
    }

    /// Begins the next attempt of a notification that is not final.
    pub fn attempt(&mut self, id: &str) {
        let Some(notification) = self.alert.notifications.get_mut(id) else { return };
        notification.attempt += 1;
        notification.due = None;
        self.record_attempt(id, self.now, "pending", String::new());
        self.out.pages.extend(page_of(self.alert, id));
    }

    pub fn record_attempt(&mut self, id: &str, at: JournalTime, outcome: &'static str, detail: String) {
        let (Some(notification), Some(key)) = (self.alert.notifications.get(id), AlertId::parse(id)) else { return };
        self.out.notifications.push(NotificationView {
            tenant: self.alert.view.tenant.clone(),
            notification_id: key,
            alert_id: self.alert.view.alert_id,
            channel: CHANNEL,
            recipient: notification.recipient.clone(),
            attempt: notification.attempt,
            at,
            outcome,
            detail,
        });
    }

    /// A delivery ends the notification whichever attempt it was; a failure counts only for the attempt under way.
    pub fn delivered(&mut self, delivery: Delivery) {
        let id = delivery.notification_id.to_string();
        let Some(notification) = self.alert.notifications.get(&id) else { return };
        let current = notification.attempt == delivery.attempt && notification.due.is_none();
        match delivery.outcome {
            Outcome::Delivered => {
                self.record_attempt(&id, self.now, Outcome::Delivered.as_str(), delivery.detail);
                self.finish(&id, "page_delivered");
            }
            Outcome::Failed if current => self.attempt_failed(&id, delivery.detail),
            Outcome::Abandoned if current => self.abandon(&id, delivery.detail),
            Outcome::Failed | Outcome::Abandoned => {}
        }
    }

    fn attempt_failed(&mut self, id: &str, detail: String) {
        let Some(notification) = self.alert.notifications.get_mut(id) else { return };
        let Some(due) = notification.next_due(self.now) else { return self.abandon(id, detail) };
        notification.due = Some(due);
        let (attempt, recipient) = (notification.attempt, notification.recipient.clone());
        self.record_attempt(id, self.now, Outcome::Failed.as_str(), detail);
        if attempt == UNCONFIRMED_ATTEMPT {
            self.event("page_unconfirmed", SYSTEM, format!("{recipient}: {attempt} attempts failed, still trying"));
        }
    }

    fn abandon(&mut self, id: &str, detail: String) {
        self.record_attempt(id, self.now, Outcome::Abandoned.as_str(), detail);
        self.finish(id, "page_abandoned");
    }

    fn finish(&mut self, id: &str, event: &'static str) {
        if let Some(notification) = self.alert.notifications.remove(id) {
            self.event(event, SYSTEM, notification.recipient);
        }
    }

    /// A retry is due: made while somebody still has to look, dropped once somebody has or nothing is left to see.
    pub fn retry(&mut self, id: &str) {
        if self.alert.view.state == AlertState::Open {
            return self.attempt(id);
        }
        self.record_attempt(id, self.now, Outcome::Abandoned.as_str(), format!("alert is {}", self.alert.view.state));
        self.alert.notifications.remove(id);
    }

    pub fn rerouted(&mut self) {
        let view = &self.alert.view;
        let team = view.patient.as_ref().and_then(|patient| self.routing?.care_team(patient.as_str()).cloned());
        if view.state != AlertState::Resolved && view.state != AlertState::Retracted {
            self.alert.view.care_team = team;
        }
        self.page_what_is_owed();
    }

    /// Only while it is open, and only what is above what people were told meanwhile.
    pub fn page_what_is_owed(&mut self) {
        let priority = self.priority_to_tell();
        let news = priority > Priority::Info && Some(priority) > self.alert.told;
        if let (Some(transition), AlertState::Open, true) = (self.alert.owed, self.alert.view.state, news) {
            self.page(transition);
        }
    }

    pub fn is_cleared(&self) -> bool {
        self.alert.view.condition == Condition::Cleared
    }
}

/// The page of the attempt under way.
pub fn page_of(alert: &Alert, id: &str) -> Option<Page> {
    let notification = alert.notifications.get(id).filter(|notification| notification.due.is_none())?;
    Some(Page {
        tenant: alert.view.tenant.clone(),
        notification_id: AlertId::parse(id)?,
        alert_id: alert.view.alert_id,
        raised_at: notification.raised_at,
        channel: CHANNEL,
        recipient: notification.recipient.clone(),
        url: notification.url.clone(),
        attempt: notification.attempt,
        priority: notification.priority,
        care_team: alert.view.care_team.clone(),
    })
}
