//! What was reported, what is true now, and the findings that lead from one to the other (semantics 11–13).

use std::collections::{BTreeMap, BTreeSet};

use painwatch_domain::finding::alert_id;
use painwatch_domain::{
    AlertKind, Episode, EventTime, Finding, FindingKind, Hash128, JournalTime, PatientId, Priority, RuleDomain, RuleId,
    TenantId,
};
use serde::{Deserialize, Serialize};

/// What `why` says of an episode that stands on a value to be verified (clinical catalogue G1): it rings all the same.
pub const VERIFY_SENSOR: &str = "; verify sensor";

/// An episode as a rule's evaluation tells it. Times are event times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub start: i64,
    pub last_held: i64,
    /// From when its age counts (semantics 12): when it last held, or the end of the window it was computed over.
    pub fresh_from: i64,
    pub end: Option<i64>,
    pub evidence: Vec<[u8; 16]>,
    pub why: String,
    /// Everything that shows it came with `mode: historical`.
    pub historical: bool,
}

impl Span {
    /// One that lasts has no end yet.
    pub fn until(&self) -> i64 {
        self.end.unwrap_or(i64::MAX)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.start <= other.until() && other.start <= self.until()
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
    /// An episode that begins this soon after the one before it belongs to the same alert.
    pub refractory_ms: i64,
    pub shadow: bool,
}

/// An episode that was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reported {
    span: Span,
    peak: u8,
    version: String,
    alert_id: [u8; 16],
    retrospective: bool,
    shadow: bool,
}

impl Reported {
    fn peak(&self) -> Priority {
        Priority::ALL[usize::from(self.peak)]
    }

    fn row(&self) -> (Option<i64>, u8, &str, &[[u8; 16]], [u8; 16]) {
        (self.span.end, self.peak, &self.version, &self.span.evidence, self.alert_id)
    }

    /// Whether whoever knows `old` needs to hear of this. While an episode lasts, that it still does is no news, nor that
    /// it grew too old to page.
    fn is_news_after(&self, old: &Self) -> bool {
        let live_now = old.retrospective && !self.retrospective;
        let kept = (self.span.start, self.span.historical, self.shadow);
        self.row() != old.row() || kept != (old.span.start, old.span.historical, old.shadow) || live_now
    }
}

/// Everything reported about one patient, by rule and start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reports {
    by_rule: BTreeMap<String, BTreeMap<i64, Reported>>,
}

/// For whom and when.
pub struct Subject<'a> {
    pub tenant: &'a TenantId,
    pub patient: &'a PatientId,
    pub now: JournalTime,
}

/// An episode, how urgent it was at its worst, and the version of the rule in force at its start.
pub struct Judged<'a> {
    pub span: Span,
    pub peak: Priority,
    pub face: &'a RuleFace,
}

/// A canonical row to write.
#[derive(Clone, Debug, PartialEq)]
pub struct EpisodeOut {
    pub rule: RuleId,
    pub version: String,
    pub start: i64,
    pub end: Option<i64>,
    pub peak: Priority,
    pub evidence_hash: Hash128,
    pub alert_id: Hash128,
}

/// What follows from new truth.
#[derive(Debug, Default)]
pub struct EpisodeChanges {
    pub findings: Vec<Finding>,
    pub rows: Vec<EpisodeOut>,
    /// Canonical rows that are no more: (rule, start).
    pub gone: Vec<(RuleId, i64)>,
}

impl Reports {
    /// Replaces what is known of a rule from `since` on by `truth` (ascending), and says what changed. What ended earlier
    /// is beyond the horizon: forgotten here, untouched in the tables, unless it was told to last. What began earlier keeps the
    /// start it was told with.
    pub fn publish(
        &mut self,
        subject: &Subject,
        newest: &RuleFace,
        since: i64,
        truth: Vec<Judged>,
        out: &mut EpisodeChanges,
    ) {
        let known = self.by_rule.remove(newest.id.as_str()).unwrap_or_default();
        let before: BTreeMap<i64, Reported> = known.into_iter().filter(|(_, old)| old.span.until() >= since).collect();
        let mut unmatched = before.clone();
        let mut after: BTreeMap<i64, Reported> = BTreeMap::new();
        for mut judged in truth {
            let first = matching(&unmatched, &judged.span);
            match first {
                None if judged.span.start < since => continue,
                Some(first) if judged.span.start < since => judged.span.start = first,
                _ => {}
            }
            let old = lasting(&unmatched, &judged.span).or(first).and_then(|start| unmatched.remove(&start));
            let id = old.map(|old| old.alert_id);
            let id = id.or_else(|| after.values().next_back().and_then(|last| continued(last, &judged)));
            let first =
                || alert_id(subject.tenant, subject.patient.as_str(), &newest.id, EventTime(judged.span.start)).0;
            let told = reported(subject, &judged, id.unwrap_or_else(first));
            after.insert(told.span.start, told);
        }
        write_rows(&newest.id, &before, &after, out);
        tell(subject, newest, &before, &after, out);
        if !after.is_empty() {
            self.by_rule.insert(newest.id.as_str().to_owned(), after);
        }
    }

    /// The rule no longer looks at this patient: what lasts ends now, what was stays.
    pub fn retire(&mut self, subject: &Subject, face: &RuleFace, out: &mut EpisodeChanges) {
        let Some(known) = self.by_rule.get_mut(face.id.as_str()) else { return };
        let before = known.clone();
        for open in known.values_mut().filter(|old| old.span.end.is_none()) {
            open.span.end = Some(subject.now.0.max(open.span.last_held));
            open.span.why = "the rule no longer looks at this patient".to_owned();
        }
        write_rows(&face.id, &before, known, out);
        tell(subject, face, &before, known, out);
    }

    /// Whether this telling is of an episode that was told.
    pub fn knows(&self, rule: &str, span: &Span) -> bool {
        self.by_rule.get(rule).is_some_and(|told| matching(told, span).is_some())
    }

    /// Rules with reports.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.by_rule.keys().map(String::as_str)
    }

    /// The episodes of a rule as they were told.
    pub fn spans(&self, rule: &str) -> impl Iterator<Item = &Span> {
        self.by_rule.get(rule).into_iter().flat_map(BTreeMap::values).map(|told| &told.span)
    }

    /// An episode of the rule is open that nobody was paged about because it was old or historical when told.
    pub fn is_dormant(&self, rule: &str) -> bool {
        let open = self.by_rule.get(rule).into_iter().flat_map(BTreeMap::values).filter(|told| told.span.end.is_none());
        open.into_iter().any(|told| told.retrospective || told.span.historical)
    }
}

/// The known episode that `span` is a newer telling of: the one with its start, else the earliest that overlaps it.
fn matching(before: &BTreeMap<i64, Reported>, span: &Span) -> Option<i64> {
    if before.contains_key(&span.start) {
        return Some(span.start);
    }
    before.iter().find(|(_, old)| old.span.overlaps(span)).map(|(start, _)| *start)
}

/// What lasts goes on in the alert that lasts, whatever late data join it with: somebody was told of that one, and may be
/// done with the other.
fn lasting(before: &BTreeMap<i64, Reported>, span: &Span) -> Option<i64> {
    let lasts = |(start, old): (&i64, &Reported)| (old.span.end.is_none() && old.span.overlaps(span)).then_some(*start);
    before.iter().filter(|_| span.end.is_none()).find_map(lasts)
}

/// The alert of the episode before, if this one begins within the rule's refractory time after it.
fn continued(last: &Reported, next: &Judged) -> Option<[u8; 16]> {
    let pause = next.span.start.saturating_sub(last.span.end?);
    (pause <= next.face.refractory_ms).then_some(last.alert_id)
}

fn reported(subject: &Subject, judged: &Judged, alert_id: [u8; 16]) -> Reported {
    let Judged { span, peak, face } = judged;
    Reported {
        retrospective: span.fresh_from < subject.now.0.saturating_sub(face.stale_after_ms),
        span: span.clone(),
        peak: *peak as u8,
        version: face.version.clone(),
        alert_id,
        shadow: face.shadow,
    }
}

fn write_rows(
    rule: &RuleId,
    before: &BTreeMap<i64, Reported>,
    after: &BTreeMap<i64, Reported>,
    out: &mut EpisodeChanges,
) {
    let gone = before.keys().filter(|start| !after.contains_key(start));
    out.gone.extend(gone.map(|start| (rule.clone(), *start)));
    let changed = after.iter().filter(|(start, now)| before.get(start).is_none_or(|old| old.row() != now.row()));
    out.rows.extend(changed.map(|(start, now)| EpisodeOut {
        rule: rule.clone(),
        version: now.version.clone(),
        start: *start,
        end: now.span.end,
        peak: now.peak(),
        evidence_hash: evidence_hash(&now.span),
        alert_id: Hash128(now.alert_id),
    }));
}

/// One finding for each alert about which there is news: of several episodes of one alert the last speaks for it.
fn tell(
    subject: &Subject,
    face: &RuleFace,
    before: &BTreeMap<i64, Reported>,
    after: &BTreeMap<i64, Reported>,
    out: &mut EpisodeChanges,
) {
    let last_of = |told: &BTreeMap<i64, Reported>| -> BTreeMap<[u8; 16], Reported> {
        told.values().map(|told| (told.alert_id, told.clone())).collect()
    };
    let (known, new) = (last_of(before), last_of(after));
    let alerts: BTreeSet<(i64, [u8; 16])> =
        [&known, &new].into_iter().flatten().map(|(id, told)| (told.span.start, *id)).collect();
    let mut told = BTreeSet::new();
    for (_, id) in alerts.into_iter().filter(|(_, id)| told.insert(*id)) {
        let (kind, which) = match (known.get(&id), new.get(&id)) {
            (None, Some(now)) => (FindingKind::Opened, now),
            (Some(old), None) => (FindingKind::Retracted, old),
            (Some(old), Some(now)) if now.is_news_after(old) => {
                let cleared = old.span.end.is_none() && now.span.end.is_some();
                (if cleared { FindingKind::Cleared } else { FindingKind::Changed }, now)
            }
            _ => continue,
        };
        out.findings.push(finding(subject, face, kind, which));
    }
}

fn finding(subject: &Subject, rule: &RuleFace, kind: FindingKind, reported: &Reported) -> Finding {
    let span = &reported.span;
    Finding {
        kind,
        alert_id: Hash128(reported.alert_id),
        tenant: subject.tenant.clone(),
        patient: Some(subject.patient.clone()),
        rule: rule.id.clone(),
        rule_version: reported.version.clone(),
        title: rule.title.clone(),
        action: rule.action.clone(),
        alert_kind: rule.kind,
        domain: rule.domain,
        episode: Episode {
            start: EventTime(span.start),
            last_held: EventTime(span.last_held),
            end: span.end.map(EventTime),
            peak: reported.peak(),
            evidence: span.evidence.iter().map(|id| Hash128(*id)).collect(),
            why: span.why.clone(),
        },
        detected_at: subject.now,
        retrospective: reported.retrospective,
        historical: span.historical,
        shadow: reported.shadow,
    }
}

/// The evidence of an episode as one number (semantics 10).
fn evidence_hash(span: &Span) -> Hash128 {
    let mut ids: Vec<&[u8]> = span.evidence.iter().map(|id| id.as_slice()).collect();
    ids.sort_unstable();
    Hash128::of(&ids)
}

#[cfg(test)]
mod tests;
