//! A core with a clock, a clinic and a memory of everything it asked for.

use std::collections::BTreeMap;

use painwatch_alerts_core::{AlertView, AlertsCore, Command, Delivery, Effects, Input, Outcome, Page, Routing, Verb};
use painwatch_domain::roster::{Contact, Patient};
use painwatch_domain::{
    AlertId, AlertKind, Episode, EventTime, Finding, FindingKind, Hash128, JournalTime, Offset, PatientId, Priority,
    Roster, RuleDomain, RuleId, TenantId, Zone,
};

pub const SECOND: i64 = 1_000;

pub struct World {
    pub core: AlertsCore,
    pub now: JournalTime,
    pub offset: Offset,
    pub all: Effects,
}

impl World {
    pub fn new() -> Self {
        let (core, all) = (AlertsCore::default(), Effects::default());
        Self { core, now: JournalTime(1_000_000), offset: Offset(0), all }
    }

    /// With one contact who takes everything from low on.
    pub fn staffed() -> Self {
        let mut world = Self::new();
        world.apply(Input::Roster(routing(&[("nurse", "team-a", Priority::Low)])));
        world
    }

    /// As the shell does: first what is due, then the record.
    pub fn apply(&mut self, input: Input) -> Effects {
        let mut out = Effects::default();
        self.core.fire(self.now, self.offset, &mut out);
        self.core.handle(self.now, self.offset, input, &mut out);
        self.offset = self.offset.next();
        self.keep(&out);
        out
    }

    pub fn wait(&mut self, ms: i64) -> Effects {
        self.now = self.now.plus(ms);
        let mut out = Effects::default();
        self.core.fire(self.now, self.offset, &mut out);
        self.offset = self.offset.next();
        self.keep(&out);
        out
    }

    pub fn finding(&mut self, finding: Finding) -> Effects {
        self.apply(Input::Finding(finding))
    }

    pub fn person(&mut self, alert: AlertId, actor: &str, verb: Verb) -> Effects {
        self.apply(Input::Command(command(alert, actor, verb)))
    }

    pub fn outcome(&mut self, page: &Page, outcome: Outcome) -> Effects {
        self.apply(Input::Delivery(Delivery {
            tenant: page.tenant.clone(),
            notification_id: page.notification_id,
            alert_id: page.alert_id,
            attempt: page.attempt,
            outcome,
            detail: String::new(),
        }))
    }

    pub fn view(&self, alert: AlertId) -> &AlertView {
        self.all.alerts.iter().rev().find(|view| view.alert_id == alert).expect("an alert that was written")
    }

    pub fn events(&self, alert: AlertId) -> Vec<&'static str> {
        let of_alert = self.all.events.iter().filter(|event| event.alert_id == alert);
        of_alert.map(|event| event.event).collect()
    }

    fn keep(&mut self, out: &Effects) {
        let out = out.clone();
        self.all.alerts.extend(out.alerts);
        self.all.events.extend(out.events);
        self.all.evidence.extend(out.evidence);
        self.all.notifications.extend(out.notifications);
        self.all.pages.extend(out.pages);
        self.all.opened.extend(out.opened);
    }
}

pub fn command(alert_id: AlertId, actor: &str, verb: Verb) -> Command {
    Command {
        tenant: TenantId::default(),
        alert_id,
        actor: actor.to_owned(),
        verb,
        note: "a note".to_owned(),
        disposition: None,
        idempotency_key: String::new(),
    }
}

pub fn id(n: u8) -> AlertId {
    Hash128::of(&[&[n]])
}

/// A live finding of patient `p1`.
pub fn finding(kind: FindingKind, n: u8, peak: Priority) -> Finding {
    Finding {
        kind,
        alert_id: id(n),
        tenant: TenantId::default(),
        patient: Some(PatientId::parse("p1").unwrap()),
        rule: RuleId::parse("spo2-sustained-low").unwrap(),
        rule_version: "v1".to_owned(),
        title: "Oxygen saturation low".to_owned(),
        action: "Call the patient.".to_owned(),
        alert_kind: AlertKind::Physiological,
        domain: RuleDomain::Safety,
        episode: Episode {
            start: EventTime(10),
            last_held: EventTime(20),
            end: (kind == FindingKind::Cleared).then_some(EventTime(30)),
            peak,
            evidence: vec![Hash128::of(&[b"reading"])],
            why: "oxygen_saturation 85 % < 90 % for 3 min".to_owned(),
        },
        detected_at: JournalTime(40),
        retrospective: false,
        historical: false,
        shadow: false,
    }
}

pub fn opened(n: u8, peak: Priority) -> Finding {
    finding(FindingKind::Opened, n, peak)
}

pub fn routing(contacts: &[(&str, &str, Priority)]) -> Routing {
    let patient = Patient {
        id: PatientId::parse("p1").unwrap(),
        mrn: None,
        birth_date: None,
        sex: None,
        zones: vec![(EventTime(0), Zone::utc())],
        care_team: Some("team-a".to_owned()),
        packs: Vec::new(),
        conditions: Vec::new(),
        opioid_naive: false,
        spo2_scale_2: false,
        synthetic: true,
        research_consent: None,
    };
    let contacts = contacts.iter().map(|(id, team, least)| Contact {
        id: (*id).to_owned(),
        care_team: (*team).to_owned(),
        webhook_url: Some(format!("https://{id}.example/hook")),
        min_priority: *least,
    });
    let patients = BTreeMap::from([(patient.id.clone(), patient)]);
    Routing::of(&Roster { patients, contacts: contacts.collect(), ..Roster::default() })
}
