//! The answer for programs. Keys are stable: they are added to, never renamed.

use painwatch_domain::time::format_utc;
use painwatch_domain::{Hash128, Zone};
use painwatch_processor_core::patient::explain::{Explained, InForce, Need, Saw, Value};
use painwatch_processor_core::rules::Margin;
use painwatch_store::AlertRow;
use serde_json::{Value as Json, json};

use super::answer::{Answer, RuleAnswer};
use super::text::{circumstance, local};

pub fn answer(answer: &Answer, zone: &Zone) -> Json {
    json!({
        "patient": answer.patient.as_str(), "at": answer.at.to_string(), "zone": zone.name(),
        "local_time": local(zone, answer.at.0), "known_then_at": answer.at.to_string(),
        "known_now_at": answer.known_at.to_string(),
        "first_reading": answer.first_reading.map(|first| first.to_string()),
        "before_first_reading": answer.is_too_early(), "readings_beyond_horizon": answer.too_late,
        "rules": answer.rules.iter().map(|of_rule| rule(of_rule, answer.at.0)).collect::<Vec<_>>(),
    })
}

fn rule(answer: &RuleAnswer, at: i64) -> Json {
    let in_force = answer.now.in_force.as_ref();
    let rule = in_force.map(|in_force| &in_force.rule);
    let seconds = |ms: i64| ms / 1000;
    json!({
        "rule": answer.id().as_str(), "title": answer.now.title, "pack": answer.now.pack,
        "version": in_force.map(|in_force| &in_force.version), "condition": rule.map(|rule| rule.condition_text()),
        "in_force_since": in_force.and_then(|in_force| in_force.since).map(format_utc),
        "set_for_patient": in_force.and_then(|in_force| in_force.set_by.as_ref()).map(|set| json!({
            "by": set.by, "from": set.from.to_string(), "reason": set.reason,
        })),
        "accepted_by": rule.and_then(|rule| rule.accepted_by.as_deref()), "shadow": rule.map(|rule| rule.is_shadow()),
        "priority": in_force.map(|in_force| in_force.priority.as_str()),
        "raised_by": in_force.map(raised), "for_s": rule.map(|rule| seconds(rule.for_ms)),
        "stale_after_s": rule.map(|rule| seconds(rule.stale_after_ms)),
        "refractory_s": rule.map(|rule| seconds(rule.refractory_ms)),
        "now": saw_of(&answer.now, at), "then": answer.then.as_ref().map(|then| saw_of(then, at)),
        "learned_later": answer.learned_later(),
        "monitoring": {
            "state": if answer.monitoring.cause.is_empty() { "monitored" } else { "gap" },
            "cause": answer.monitoring.cause, "from_ledger": answer.monitoring.interval.is_some(),
            "start": answer.monitoring.interval.map(|(start, _)| start.to_string()),
            "end": answer.monitoring.interval.map(|(_, end)| end.to_string()),
            "provisional": answer.monitoring.interval.is_none(),
            "day_so_far": answer.monitoring.so_far.iter().map(|(from, until, cause)| json!({
                "start": format_utc(*from), "end": format_utc(*until), "cause": cause,
            })).collect::<Vec<_>>(),
        },
        "episode": answer.episode.as_ref().map(|episode| json!({
            "start": episode.start.to_string(), "end": episode.end.map(|end| end.to_string()),
            "priority": episode.peak.as_str(), "version": episode.rule_version, "alert_id": episode.alert_id.to_string(),
        })),
        "alert": answer.alert.as_ref().map(alert),
        "refractory": answer.refractory.as_ref().map(|(episode, until)| json!({
            "alert_id": episode.alert_id.to_string(), "until": format_utc(*until),
        })),
    })
}

fn raised(in_force: &InForce) -> Vec<String> {
    in_force.raised_by.iter().map(circumstance).collect()
}

fn saw_of(explained: &Explained, at: i64) -> Json {
    explained.in_force.as_ref().map_or(Json::Null, |in_force| saw(&in_force.saw, at))
}

fn saw(saw: &Saw, at: i64) -> Json {
    json!({
        "standing": saw.standing.as_str(), "sees": saw.sees, "cause": saw.cause,
        "values": saw.values.iter().map(|one| value(one, at)).collect::<Vec<_>>(),
        "margin": saw.margin.as_ref().map(margin),
        "held_since": saw.held_since.map(format_utc), "held_s": saw.held_since.map(|since| (at - since).max(0) / 1000),
        "needs": saw.needs.iter().map(need).collect::<Vec<_>>(), "why": saw.why,
    })
}

fn value(value: &Value, at: i64) -> Json {
    json!({
        "name": value.name, "value": value.number, "text": value.text, "unit": value.unit, "time": format_utc(value.from),
        "until": format_utc(value.until), "age_s": (at - value.from) / 1000, "note": value.note,
        "reading_ids": value.readings.iter().map(|id| Hash128(*id).to_string()).collect::<Vec<_>>(),
    })
}

fn margin(margin: &Margin) -> Json {
    json!({
        "compared": margin.compared, "limit": margin.limit, "distance": margin.distance, "unit": margin.unit,
        "share": margin.share(),
    })
}

fn need(need: &Need) -> Json {
    match *need {
        Need::Samples { have, need } => json!({"of": "samples", "have": have, "need": need}),
        Need::Past { have, need } => json!({"of": "days before", "have": have, "need": need}),
        Need::Parts { have, need } => json!({"of": "parts", "have": have, "need": need}),
        Need::Days { have, of } => json!({"of": "days", "have": have, "need": of.k, "within": of.n}),
    }
}

fn alert(row: &AlertRow) -> Json {
    json!({
        "alert_id": row.alert_id.to_string(), "state": row.state.as_str(), "condition": row.condition.as_str(),
        "priority": row.priority.as_str(), "onset_at": row.onset_at.to_string(),
        "cleared_at": row.cleared_at.map(|at| at.to_string()), "opened_at": row.opened_at.to_string(),
        "detected_at": row.detected_at.to_string(), "retrospective": row.retrospective, "historical": row.historical,
        "shadow": row.shadow, "acknowledged_by": row.acknowledged_by,
        "acknowledged_at": row.acknowledged_at.map(|at| at.to_string()), "why": row.why,
    })
}
