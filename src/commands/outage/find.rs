//! The outages that the journal knows: when the server did not run, and when gateways were away.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use anyhow::{Context as _, Result};
use painwatch_domain::EventTime;
use painwatch_journal::{Class, Record};
use painwatch_proto::journal::v1 as pb;
use prost::Message as _;

use crate::past::Past;

/// Half-open, in journal time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    pub from: i64,
    pub to: i64,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Server,
    Gateway(String),
    /// Somebody named the time.
    Asked,
}

impl What {
    pub fn in_words(&self) -> String {
        match self {
            Self::Server => "this server was not running, or its clock was wrong".to_owned(),
            Self::Gateway(gateway) => format!("gateway {gateway} was away"),
            Self::Asked => "as asked".to_owned(),
        }
    }

    pub fn cause(&self) -> &'static str {
        match self {
            Self::Server => "self",
            Self::Gateway(_) => "gateway",
            Self::Asked => "",
        }
    }
}

/// Outages that are over and lasted so long, in the order of their ends.
pub async fn outages(past: &Past, at_least_ms: i64) -> Result<Vec<Outage>> {
    let (mut found, mut away) = (Vec::new(), BTreeMap::<String, i64>::new());
    let look = async |record: Record| {
        found.extend(server_gap(&record)?);
        if let Some((gateway, online)) = status(&record)? {
            let at = record.journal_time.0;
            if !online {
                away.entry(gateway).or_insert(at);
            } else if let Some(from) = away.remove(&gateway) {
                found.push(Outage { from, to: at, what: What::Gateway(gateway) });
            }
        }
        Ok(ControlFlow::Continue(()))
    };
    past.each("looking for outages", look).await?;
    found.retain(|outage| outage.to - outage.from >= at_least_ms);
    found.sort_by_key(|outage| (outage.to, outage.from));
    Ok(found)
}

fn server_gap(record: &Record) -> Result<Option<Outage>> {
    let (from, to) = match record.class {
        Class::Gap => {
            let gap = pb::Gap::decode(record.payload.clone()).context("gap record")?;
            (gap.from_ms, gap.to_ms)
        }
        Class::ClockStep => {
            let step = pb::ClockStep::decode(record.payload.clone()).context("clock-step record")?;
            (step.expected_ms.min(step.wall_ms), step.wall_ms.max(step.expected_ms))
        }
        _ => return Ok(None),
    };
    Ok(Some(Outage { from, to, what: What::Server }))
}

fn status(record: &Record) -> Result<Option<(String, bool)>> {
    if record.class != Class::Control {
        return Ok(None);
    }
    let control = pb::Control::decode(record.payload.clone()).context("control record")?;
    Ok(match control.action {
        Some(pb::control::Action::GatewayStatus(status)) => Some((status.gateway, status.online)),
        _ => None,
    })
}

pub fn list(outages: &[Outage], json: bool) {
    if json {
        let row = |outage: &Outage| {
            serde_json::json!({"from": EventTime(outage.from).to_string(), "to": EventTime(outage.to).to_string(),
                "cause": outage.what.cause(), "what": outage.what.in_words()})
        };
        println!("{}", serde_json::Value::Array(outages.iter().map(row).collect()));
        return;
    }
    if outages.is_empty() {
        println!("none");
    }
    for outage in outages {
        println!("{} to {}: {}", EventTime(outage.from), EventTime(outage.to), outage.what.in_words());
    }
}
