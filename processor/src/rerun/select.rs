//! Which records a question about one patient needs.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use painwatch_domain::{DeviceId, EventTime, PatientId, Roster};
use painwatch_journal::{Class, Record};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::decode_series;
use prost::Message as _;

/// Every device that any roster ever said the patient wears: a pairing may be back-dated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices(BTreeSet<String>);

impl Devices {
    pub fn note(&mut self, roster: &Roster, patient: &PatientId) {
        self.0.extend(roster.pairings.of_patient(patient).map(|pairing| pairing.device.to_string()));
    }

    pub fn contains(&self, device: &str) -> bool {
        self.0.contains(device)
    }

    /// The record without what other devices sent. What a device sends is judged by itself, so the rest loses nothing.
    ///
    /// # Errors
    /// The payload is not what this program writes.
    pub fn narrow(&self, record: &Record) -> Result<Record> {
        if record.class != Class::Batch {
            return Ok(record.clone());
        }
        let mut batch = pb::Batch::decode(record.payload.clone()).context("batch record")?;
        batch.sections.retain(|section| self.0.contains(&section.device));
        batch.quarantined.clear();
        // One that is empty now still says that its gateway is there.
        Ok(Record { payload: batch.encode_to_vec().into(), ..record.clone() })
    }
}

/// The roster that a record puts in force.
///
/// # Errors
/// The payload is not what this program writes.
pub fn roster_of(record: &Record) -> Result<Option<String>> {
    Ok(match control(record)? {
        Some(pb::control::Action::Roster(applied)) => Some(applied.toml),
        _ => None,
    })
}

/// The orders that a record writes.
///
/// # Errors
/// The payload is not what this program writes.
pub fn orders_of(record: &Record) -> Result<Option<pb::OrdersWritten>> {
    Ok(match control(record)? {
        Some(pb::control::Action::Orders(orders)) => Some(orders),
        _ => None,
    })
}

/// The rule that a record puts in force.
///
/// # Errors
/// The payload is not what this program writes.
pub fn accepted_rule(record: &Record) -> Result<Option<pb::RuleAccepted>> {
    Ok(match control(record)? {
        Some(pb::control::Action::RuleAccepted(accepted)) => Some(accepted),
        _ => None,
    })
}

fn control(record: &Record) -> Result<Option<pb::control::Action>> {
    if record.class != Class::Control {
        return Ok(None);
    }
    Ok(pb::Control::decode(record.payload.clone()).context("control record")?.action)
}

/// Event time of every reading in a record that the patient wore the device of.
///
/// # Errors
/// The payload is not what this program writes.
pub fn readings_of(record: &Record, roster: &Roster, patient: &PatientId) -> Result<Vec<EventTime>> {
    let mut times = Vec::new();
    if record.class == Class::Batch {
        for section in pb::Batch::decode(record.payload.clone()).context("batch record")?.sections {
            let device = DeviceId::parse(&section.device)?;
            let readings = pb::DeviceReadings::decode(section.readings).context("device section")?;
            let entries = decode_series(&device, &readings)?;
            let all = entries.iter().flat_map(|entry| entry.series.samples.iter().map(|sample| sample.time));
            times.extend(all.filter(|time| roster.wearers(&device, *time).contains(&patient)));
        }
    }
    Ok(times)
}
