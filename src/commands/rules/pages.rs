//! What the alert service would have made of findings: the same core, with one recipient and nobody who acts.

use std::collections::{BTreeMap, BTreeSet};

use painwatch_alerts_core::{AlertsCore, Effects, Input, Routing};
use painwatch_domain::roster::Contact;
use painwatch_domain::{AlertId, FindingKind, Offset, Priority, Roster, RuleId};
use painwatch_processor::rerun::Told;

/// By rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub alerts: usize,
    /// Pages begun, repetitions apart: one an alert, and one more each time it became more urgent.
    pub pages: usize,
    /// Alerts that were too old to page when they became known.
    pub retrospective: usize,
    /// Alerts of an import.
    pub historical: usize,
    /// Alerts that later data took back.
    pub retracted: usize,
}

/// A recipient for everything above `info`, whichever care team it concerns.
fn recipient() -> Roster {
    let contact = Contact {
        id: "backtest".to_owned(),
        care_team: String::new(),
        webhook_url: Some("https://localhost/".to_owned()),
        min_priority: Priority::Low,
    };
    Roster { contacts: vec![contact], ..Roster::default() }
}

pub fn counted(told: &[Told]) -> BTreeMap<RuleId, Counts> {
    let (mut core, mut effects) = (AlertsCore::default(), Effects::default());
    let mut rule_of: BTreeMap<AlertId, RuleId> = BTreeMap::new();
    let mut counts: BTreeMap<RuleId, Counts> = BTreeMap::new();
    for (nth, Told { at, finding }) in told.iter().enumerate() {
        let offset = Offset(nth as u64);
        if nth == 0 {
            core.handle(*at, offset, Input::Roster(Routing::of(&recipient())), &mut effects);
        }
        let of_rule = counts.entry(finding.rule.clone()).or_default();
        if rule_of.insert(finding.alert_id, finding.rule.clone()).is_none() && finding.kind != FindingKind::Retracted {
            of_rule.alerts += 1;
            of_rule.retrospective += usize::from(finding.retrospective);
            of_rule.historical += usize::from(finding.historical);
        }
        of_rule.retracted += usize::from(finding.kind == FindingKind::Retracted);
        core.handle(*at, offset, Input::Finding(finding.clone()), &mut effects);
    }
    let mut begun = BTreeSet::new();
    for page in effects.pages.iter().filter(|page| begun.insert(page.notification_id)) {
        if let Some(of_rule) = rule_of.get(&page.alert_id).and_then(|rule| counts.get_mut(rule)) {
            of_rule.pages += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use painwatch_domain::finding::alert_id;
    use painwatch_domain::{AlertKind, Episode, EventTime, Finding, JournalTime, PatientId, RuleDomain, TenantId};

    use super::*;

    fn told(kind: FindingKind, at: i64, start: i64, priority: Priority) -> Told {
        let (tenant, rule) = (TenantId::default(), RuleId::parse("spo2-critical").expect("an id"));
        let start = EventTime(start);
        let episode =
            Episode { start, last_held: start, end: None, peak: priority, evidence: Vec::new(), why: String::new() };
        let finding = Finding {
            kind,
            alert_id: alert_id(&tenant, "ann", &rule, start),
            tenant,
            patient: PatientId::parse("ann").ok(),
            rule,
            rule_version: String::new(),
            title: String::new(),
            action: String::new(),
            alert_kind: AlertKind::Physiological,
            domain: RuleDomain::Safety,
            episode,
            detected_at: JournalTime(at),
            retrospective: false,
            historical: false,
            shadow: false,
        };
        Told { at: JournalTime(at), finding }
    }

    #[test]
    fn an_alert_pages_once_and_again_when_it_becomes_more_urgent_and_what_was_too_old_never_does() {
        let mut old = told(FindingKind::Opened, 30, 3, Priority::High);
        old.finding.retrospective = true;
        let story = [
            told(FindingKind::Opened, 10, 1, Priority::Medium),
            told(FindingKind::Changed, 20, 1, Priority::High),
            told(FindingKind::Changed, 25, 1, Priority::High),
            old,
            told(FindingKind::Opened, 40, 4, Priority::Info),
            told(FindingKind::Retracted, 50, 4, Priority::Info),
        ];
        let counts = counted(&story).into_values().collect::<Vec<_>>();
        assert_eq!(counts, [Counts { alerts: 3, pages: 2, retrospective: 1, historical: 0, retracted: 1 }]);
    }
}
