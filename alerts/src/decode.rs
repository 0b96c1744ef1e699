//! Journal records as inputs of the core.

use painwatch_alerts_core::{Command, Delivery, Input, Outcome, Routing, Verb};
use painwatch_domain::{AlertId, Disposition, Hash128, Offset, Roster, TenantId};
use painwatch_journal::{Class, Record};
use painwatch_proto::journal::v1::{self as pb, control::Action};
use painwatch_proto::record::decode_finding;
use prost::Message as _;

pub type ParseRoster = fn(&str) -> Result<Roster, String>;

/// What one record says to the alert service, and which record made the processor say it.
#[derive(Default)]
pub struct Decoded {
    pub inputs: Vec<Input>,
    pub cause: Option<Offset>,
}

/// # Errors
/// What is wrong with the record: damage, or a version we do not know. Its content is not repeated.
pub fn decode(record: &Record, parse_roster: ParseRoster) -> Result<Decoded, String> {
    match record.class {
        Class::Finding => findings(record),
        Class::Control => {
            let control = pb::Control::decode(record.payload.clone()).map_err(|e| e.to_string())?;
            let inputs = self::control(&record.tenant, control, parse_roster)?.into_iter().collect();
            Ok(Decoded { inputs, cause: None })
        }
        _ => Ok(Decoded::default()),
    }
}

fn findings(record: &Record) -> Result<Decoded, String> {
    let message = pb::Findings::decode(record.payload.clone()).map_err(|e| e.to_string())?;
    let finding = |finding| decode_finding(&record.tenant, finding).map(Input::Finding).map_err(|e| e.to_string());
    let inputs = message.findings.iter().map(finding).collect::<Result<_, _>>()?;
    Ok(Decoded { inputs, cause: Some(Offset(message.cause_offset)) })
}

/// Controls that do not concern alerts, and verbs of a later version, are nothing to us.
fn control(tenant: &TenantId, control: pb::Control, parse_roster: ParseRoster) -> Result<Option<Input>, String> {
    let pb::Control { actor, idempotency_key, action, .. } = control;
    match action {
        Some(Action::Roster(roster)) => {
            let mut roster = parse_roster(&roster.toml)?;
            roster.tenant = tenant.clone();
            Ok(Some(Input::Roster(Routing::of(&roster))))
        }
        Some(Action::Alert(command)) => self::command(tenant, actor, idempotency_key, command),
        Some(Action::Delivery(delivery)) => self::delivery(tenant, delivery).map(Some),
        Some(
            Action::RuleAccepted(_)
            | Action::GatewayStatus(_)
            | Action::Refusals(_)
            | Action::MqttSessions(_)
            | Action::Orders(_)
            | Action::InputState(_),
        )
        | None => Ok(None),
    }
}

fn command(tenant: &TenantId, actor: String, key: String, command: pb::AlertCommand) -> Result<Option<Input>, String> {
    let alert_id = hash(&command.alert_id)?;
    let Some(verb) = Verb::parse(&command.verb) else { return Ok(None) };
    Ok(Some(Input::Command(Command {
        tenant: tenant.clone(),
        alert_id,
        actor,
        verb,
        note: command.note,
        disposition: Disposition::parse(&command.disposition),
        idempotency_key: key,
    })))
}

fn delivery(tenant: &TenantId, delivery: pb::Delivery) -> Result<Input, String> {
    Ok(Input::Delivery(Delivery {
        tenant: tenant.clone(),
        notification_id: hash(&delivery.notification_id)?,
        alert_id: hash(&delivery.alert_id)?,
        attempt: delivery.attempt,
        outcome: Outcome::parse(&delivery.outcome).ok_or("a delivery without a known outcome")?,
        detail: delivery.detail,
    }))
}

fn hash(bytes: &[u8]) -> Result<AlertId, String> {
    bytes.try_into().map(Hash128).map_err(|_| format!("a hash has 16 bytes, this one has {}", bytes.len()))
}
