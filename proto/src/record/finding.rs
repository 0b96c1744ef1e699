//! Findings and verdicts. The tenant of a finding stands in its record's header, not in the message.

use painwatch_domain::{
    AlertKind, BatchVerdict, Class, Episode, EventTime, Finding, FindingKind, Hash128, JournalTime, Offset, PatientId,
    Priority, Problem, ProblemCode, RuleDomain, RuleId, TenantId,
};

use super::RecordError;
use crate::journal::v1 as pb;

pub fn encode_finding(finding: &Finding) -> pb::Finding {
    let episode = &finding.episode;
    pb::Finding {
        kind: finding.kind.as_str().to_owned(),
        alert_id: finding.alert_id.0.to_vec().into(),
        patient: finding.patient.as_ref().map_or_else(String::new, ToString::to_string),
        rule: finding.rule.to_string(),
        rule_version: finding.rule_version.clone(),
        title: finding.title.clone(),
        action: finding.action.clone(),
        alert_kind: finding.alert_kind.as_str().to_owned(),
        domain: finding.domain.as_str().to_owned(),
        start_ms: episode.start.0,
        last_held_ms: episode.last_held.0,
        end_ms: episode.end.map(EventTime::ms),
        peak: episode.peak.as_str().to_owned(),
        evidence: episode.evidence.iter().map(|id| id.0.to_vec().into()).collect(),
        why: episode.why.clone(),
        detected_at_ms: finding.detected_at.0,
        retrospective: finding.retrospective,
        historical: finding.historical,
        shadow: finding.shadow,
    }
}

/// # Errors
/// [`RecordError`] when the message is damaged or of a version with other words.
pub fn decode_finding(tenant: &TenantId, message: &pb::Finding) -> Result<Finding, RecordError> {
    Ok(Finding {
        kind: word("kind", &message.kind, FindingKind::parse)?,
        alert_id: hash("alert_id", &message.alert_id)?,
        tenant: tenant.clone(),
        patient: patient(&message.patient)?,
        rule: RuleId::parse(&message.rule).map_err(|error| RecordError::Id { field: "rule", error })?,
        rule_version: message.rule_version.clone(),
        title: message.title.clone(),
        action: message.action.clone(),
        alert_kind: word("alert_kind", &message.alert_kind, AlertKind::parse)?,
        domain: word("domain", &message.domain, RuleDomain::parse)?,
        episode: episode(message)?,
        detected_at: JournalTime(message.detected_at_ms),
        retrospective: message.retrospective,
        historical: message.historical,
        shadow: message.shadow,
    })
}

fn episode(message: &pb::Finding) -> Result<Episode, RecordError> {
    Ok(Episode {
        start: EventTime(message.start_ms),
        last_held: EventTime(message.last_held_ms),
        end: message.end_ms.map(EventTime),
        peak: word("peak", &message.peak, Priority::parse)?,
        evidence: message.evidence.iter().map(|id| hash("evidence", id)).collect::<Result<_, _>>()?,
        why: message.why.clone(),
    })
}

fn patient(text: &str) -> Result<Option<PatientId>, RecordError> {
    if text.is_empty() {
        return Ok(None);
    }
    PatientId::parse(text).map(Some).map_err(|error| RecordError::Id { field: "patient", error })
}

pub fn encode_verdict(verdict: &BatchVerdict) -> pb::Verdict {
    pb::Verdict {
        cause_offset: verdict.cause.0,
        batch_id: verdict.batch_id.clone(),
        stored: verdict.stored,
        duplicate: verdict.duplicate,
        conflict: verdict.conflict,
        quarantined: verdict.quarantined,
        problems: verdict.problems.iter().map(encode_problem).collect(),
    }
}

/// # Errors
/// [`RecordError`] when a problem holds a word we do not know.
pub fn decode_verdict(message: &pb::Verdict) -> Result<BatchVerdict, RecordError> {
    Ok(BatchVerdict {
        cause: Offset(message.cause_offset),
        batch_id: message.batch_id.clone(),
        stored: message.stored,
        duplicate: message.duplicate,
        conflict: message.conflict,
        quarantined: message.quarantined,
        problems: message.problems.iter().map(decode_problem).collect::<Result<_, _>>()?,
    })
}

pub fn encode_problem(problem: &Problem) -> pb::Problem {
    pb::Problem {
        index: problem.index,
        sample: problem.sample,
        result: problem.result.as_str().to_owned(),
        code: problem.code.as_str().to_owned(),
        detail: problem.detail.clone(),
        quarantine_id: problem.quarantine_id.clone().unwrap_or_default(),
    }
}

/// # Errors
/// [`RecordError`] when the result or the code is a word we do not know.
pub fn decode_problem(message: &pb::Problem) -> Result<Problem, RecordError> {
    let class = |text: &str| Class::ALL.into_iter().find(|class| class.as_str() == text);
    Ok(Problem {
        index: message.index,
        sample: message.sample,
        result: word("result", &message.result, class)?,
        code: word("code", &message.code, ProblemCode::parse)?,
        detail: message.detail.clone(),
        quarantine_id: (!message.quarantine_id.is_empty()).then(|| message.quarantine_id.clone()),
    })
}

fn word<T>(field: &'static str, text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, RecordError> {
    parse(text).ok_or_else(|| RecordError::UnknownWord { field, found: text.to_owned() })
}

fn hash(field: &'static str, bytes: &[u8]) -> Result<Hash128, RecordError> {
    let exact = bytes.try_into().map_err(|_| RecordError::HashLength { field, found: bytes.len() })?;
    Ok(Hash128(exact))
}
