//! What was reported, what is true now, and the findings that lead from one to the other (semantics 11–13).

use std::collections::BTreeMap;

use painwatch_domain::finding::alert_id;
use painwatch_domain::{
    AlertKind, Episode, EventTime, Finding, FindingKind, Hash128, JournalTime, PatientId, Priority, RuleDomain, RuleId,
    TenantId,
};
use serde::{Deserialize, Serialize};

/// An episode as a rule's evaluation tells it. Times are event times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub start: i64,
    pub last_held: i64,
    pub end: Option<i64>,
    pub evidence: Vec<[u8; 16]>,
    pub why: String,
    /// Everything that shows it came with `mode: historical`.
    pub historical: bool,
}

impl Span {
    fn overlaps(&self, other: &Self) -> bool {
        self.start <= other.end.unwrap_or(other.last_held) && other.start <= self.end.unwrap_or(self.last_held)
    }
}

/// The rule as findings name it.
#[derive(Clone, Debug)]
pub struct RuleFace {
    pub id: RuleId,
    pub version: String,
    pub title: String,
    pub action: String,
    pub domain: RuleDomain,
    pub kind: AlertKind,
    pub stale_after_ms: i64,
    pub shadow: bool,
}

/// An episode that the alert service knows about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reported {
    span: Span,
    peak: u8,
    alert_id: [u8; 16],
    retrospective: bool,
    shadow: bool,
}

/// Everything reported about one patient, by rule and start.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reports {
    by_rule: BTreeMap<String, BTreeMap<i64, Reported>>,
}

/// For whom and when.
pub struct Subject<'a> {
    pub tenant: &'a TenantId,
    pub patient: &'a PatientId,
    pub now: JournalTime,
}

/// What follows from new truth.
#[derive(Debug, Default)]
pub struct EpisodeChanges {
    pub findings: Vec<Finding>,
    /// Canonical rows to write: (rule, version, span, peak, alert id).
    pub rows: Vec<(RuleId, String, Span, Priority, Hash128)>,
    /// Canonical rows that are no more: (rule, start).
    pub gone: Vec<(RuleId, i64)>,
}

impl Reports {
    /// Replaces what is known of `rule` from `since` on by `spans` (each with its peak priority), and says what changed.
    /// Earlier episodes are beyond the horizon: forgotten here, untouched in the tables.
    pub fn publish(
        &mut self, subject: &Subject, rule: &RuleFace, since: i64, spans: Vec<(Span, Priority)>, out: &mut EpisodeChanges,
    ) {
        let known = self.by_rule.entry(rule.id.as_str().to_owned()).or_default();
        let mut before = known.split_off(&since);
        known.clear();
        for (span, peak) in spans.into_iter().filter(|(span, _)| span.start >= since) {
            let old_start = matching(&before, &span);
            let old = old_start.and_then(|start| before.remove(&start));
            let retrospective = span.last_held < subject.now.0.saturating_sub(rule.stale_after_ms);
            let id = old.as_ref().map_or_else(
                || alert_id(subject.tenant, subject.patient.as_str(), &rule.id, EventTime(span.start)),
                |old| Hash128(old.alert_id),
            );
            let now = Reported { span, peak: peak as u8, alert_id: id.0, retrospective, shadow: rule.shadow };
            report(subject, rule, old.as_ref(), &now, peak, out);
            known.insert(now.span.start, now);
        }
        for (start, old) in before {
            let peak = Priority::ALL[old.peak as usize];
            out.gone.push((rule.id.clone(), start));
            out.findings.push(finding(subject, rule, FindingKind::Retracted, &old, peak));
        }
    }
}

/// The known episode that `span` is a newer telling of: the one with its start, else the earliest that overlaps it.
fn matching(before: &BTreeMap<i64, Reported>, span: &Span) -> Option<i64> {
    if before.contains_key(&span.start) {
        return Some(span.start);
    }
    before.iter().find(|(_, old)| old.span.overlaps(span)).map(|(start, _)| *start)
}

fn report(subject: &Subject, rule: &RuleFace, old: Option<&Reported>, now: &Reported, peak: Priority, out: &mut EpisodeChanges) {
    let id = Hash128(now.alert_id);
    // Staleness only ever matters while it could still page: an alert that grew old is not a change.
    let same = old.is_some_and(|old| {
        old.span == now.span && old.peak == now.peak && old.shadow == now.shadow && (now.retrospective || !old.retrospective)
    });
    if same {
        return;
    }
    if let Some(old) = old.filter(|old| old.span.start != now.span.start) {
        out.gone.push((rule.id.clone(), old.span.start));
    }
    out.rows.push((rule.id.clone(), rule.version.clone(), now.span.clone(), peak, id));
    let kind = match old {
        None => FindingKind::Opened,
        Some(old) if old.span.end.is_none() && now.span.end.is_some() => FindingKind::Cleared,
        Some(_) => FindingKind::Changed,
    };
    out.findings.push(finding(subject, rule, kind, now, peak));
}

fn finding(subject: &Subject, rule: &RuleFace, kind: FindingKind, reported: &Reported, peak: Priority) -> Finding {
    let span = &reported.span;
    Finding {
        kind,
        alert_id: Hash128(reported.alert_id),
        tenant: subject.tenant.clone(),
        patient: Some(subject.patient.clone()),
        rule: rule.id.clone(),
        rule_version: rule.version.clone(),
        title: rule.title.clone(),
        action: rule.action.clone(),
        alert_kind: rule.kind,
        domain: rule.domain,
        episode: Episode {
            start: EventTime(span.start),
            last_held: EventTime(span.last_held),
            end: span.end.map(EventTime),
            peak,
            evidence: span.evidence.iter().map(|id| Hash128(*id)).collect(),
            why: span.why.clone(),
        },
        detected_at: subject.now,
        retrospective: reported.retrospective,
        historical: span.historical,
        shadow: rule.shadow,
    }
}

/// The evidence of an episode as one number (semantics 10).
pub fn evidence_hash(span: &Span) -> Hash128 {
    let mut ids: Vec<&[u8]> = span.evidence.iter().map(|id| id.as_slice()).collect();
    ids.sort_unstable();
    Hash128::of(&ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face() -> RuleFace {
        RuleFace {
            id: RuleId::parse("r").unwrap(),
            version: "v1".into(),
            title: String::new(),
            action: String::new(),
            domain: RuleDomain::Safety,
            kind: AlertKind::Physiological,
            stale_after_ms: 1_000,
            shadow: false,
        }
    }

    fn span(start: i64, last_held: i64, end: Option<i64>) -> (Span, Priority) {
        let span = Span { start, last_held, end, evidence: vec![], why: String::new(), historical: false };
        (span, Priority::Medium)
    }

    fn publish(reports: &mut Reports, now: i64, spans: Vec<(Span, Priority)>) -> EpisodeChanges {
        let (tenant, patient) = (TenantId::default(), PatientId::parse("p").unwrap());
        let mut out = EpisodeChanges::default();
        let subject = Subject { tenant: &tenant, patient: &patient, now: JournalTime(now) };
        reports.publish(&subject, &face(), i64::MIN, spans, &mut out);
        out
    }

    fn kinds(changes: &EpisodeChanges) -> Vec<FindingKind> {
        changes.findings.iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn semantics_11_an_episode_that_late_data_moves_keeps_its_alert() {
        let mut reports = Reports::default();
        let first = publish(&mut reports, 500, vec![span(100, 500, None)]);
        let moved = publish(&mut reports, 600, vec![span(50, 600, None)]);
        assert_eq!((kinds(&first), kinds(&moved)), (vec![FindingKind::Opened], vec![FindingKind::Changed]));
        assert_eq!(first.findings[0].alert_id, moved.findings[0].alert_id);
        assert_eq!(moved.gone.len(), 1);
    }

    #[test]
    fn semantics_13_an_episode_that_never_was_is_retracted() {
        let mut reports = Reports::default();
        publish(&mut reports, 500, vec![span(100, 500, None)]);
        assert_eq!(kinds(&publish(&mut reports, 600, vec![])), [FindingKind::Retracted]);
    }

    #[test]
    fn semantics_12_an_old_episode_is_retrospective_until_it_reaches_the_live_edge() {
        let mut reports = Reports::default();
        assert!(publish(&mut reports, 10_000, vec![span(100, 500, None)]).findings[0].retrospective);
        let live = publish(&mut reports, 10_100, vec![span(100, 10_050, None)]);
        assert!(!live.findings[0].retrospective);
    }

    #[test]
    fn the_same_truth_told_twice_is_no_finding() {
        let mut reports = Reports::default();
        publish(&mut reports, 500, vec![span(100, 500, Some(500))]);
        assert!(publish(&mut reports, 90_000, vec![span(100, 500, Some(500))]).findings.is_empty());
    }
}
