//! What submissions tell about clocks: sightings out of batch records, conclusions as decision records and rows.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use painwatch_domain::clock::AHEAD_FLAGGED_MS;
use painwatch_domain::{DeviceId, Flags, GatewayId, KnownClocks, ReceivedAt, Sample, TenantId};
use painwatch_journal::Record;
use painwatch_processor_core::intake::clock::{Estimate, Sighting};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::Entry;
use painwatch_store::ClockRow;
use prost::Message as _;

use crate::engine::{Engine, Output};
use crate::rows::Source;
use crate::technical::{About, Technical};

/// The newest claim of each device of a submission, and the boot it was made in.
#[derive(Default)]
pub(crate) struct Claims(BTreeMap<DeviceId, (i64, Option<u32>)>);

impl Claims {
    pub fn add(&mut self, entry: &Entry) {
        let series = &entry.series;
        let stamped = series.samples.iter().filter(|sample| !sample.flags.has(Flags::DATE_ONLY));
        if let Some(newest) = stamped.map(claimed).max() {
            self.put(&series.device, newest, series.meta.boot_id);
        }
    }

    pub fn add_refused(&mut self, refused: &pb::Quarantined) {
        if let (Some(claimed), Ok(device)) = (refused.device_time_ms, DeviceId::parse(&refused.device)) {
            self.put(&device, claimed, refused.boot_id);
        }
    }

    fn put(&mut self, device: &DeviceId, claimed: i64, boot_id: Option<u32>) {
        let known = self.0.get(device).map(|(newest, _)| *newest);
        if known.is_none_or(|newest| claimed > newest) {
            self.0.insert(device.clone(), (claimed, boot_id));
        }
    }
}

/// Until when a sample says it was taken. A total over a long time may claim to end with the day that it is a part of.
fn claimed(sample: &Sample) -> i64 {
    let short = |end: &i64| end.saturating_sub(sample.device_time) <= AHEAD_FLAGGED_MS;
    sample.end.filter(short).unwrap_or(sample.device_time)
}

impl Engine {
    /// The clocks that are known to be wrong, as the records applied so far say.
    pub fn known_clocks(&self) -> KnownClocks {
        self.clocks.known()
    }

    /// Holds the claims of a live submission against its receipt.
    pub(crate) fn see_clocks(
        &mut self,
        source: &Source<'_>,
        sent_at: Option<i64>,
        claims: Claims,
        record: &Record,
        out: &mut Output,
    ) {
        let (tenant, gateway, received_at) = (source.tenant, source.gateway, source.received_at.0);
        if let Some(claimed) = sent_at {
            let seen = Sighting { claimed, received_at, boot_id: None };
            let concluded = self.clocks.see_gateway(tenant, gateway, seen);
            out.decisions.extend(concluded.map(|estimate| message(None, Some(gateway), &estimate)));
        }
        for (device, (claimed, boot_id)) in claims.0 {
            let seen = Sighting { claimed, received_at, boot_id };
            let Some(estimate) = self.clocks.see_device(tenant, &device, gateway, seen) else { continue };
            out.decisions.push(message(Some(&device), None, &estimate));
            if estimate.ahead_ms != 0 {
                let about = About { tenant, device: &device, patient: None, now: record.journal_time };
                out.findings.extend(self.raised.raise(Technical::ClockWrong, &about, &in_words(estimate.ahead_ms)));
            }
        }
    }

    /// A conclusion read back from the journal is in force from here on.
    pub(crate) fn decided(&mut self, record: &Record, out: &mut Output) -> Result<()> {
        let decisions = pb::Decisions::decode(record.payload.clone()).context("decision record")?;
        for clock in &decisions.clocks {
            let estimate = estimate(clock);
            out.rows.clocks.push(row(&record.tenant, clock, record));
            if clock.device.is_empty() {
                self.clocks.decide_gateway(&record.tenant, &GatewayId::parse(&clock.gateway)?, estimate);
            } else {
                self.clocks.decide_device(&record.tenant, &DeviceId::parse(&clock.device)?, estimate);
            }
        }
        Ok(())
    }
}

fn message(device: Option<&DeviceId>, gateway: Option<&GatewayId>, estimate: &Estimate) -> pb::ClockOffset {
    pb::ClockOffset {
        device: device.map_or_else(String::new, ToString::to_string),
        gateway: gateway.map_or_else(String::new, ToString::to_string),
        ahead_ms: estimate.ahead_ms,
        boot_id: estimate.boot_id,
        sightings: estimate.sightings,
        from_ms: estimate.from,
        to_ms: estimate.to,
        spread_ms: estimate.spread_ms,
    }
}

fn estimate(message: &pb::ClockOffset) -> Estimate {
    Estimate {
        ahead_ms: message.ahead_ms,
        boot_id: message.boot_id,
        sightings: message.sightings,
        from: message.from_ms,
        to: message.to_ms,
        spread_ms: message.spread_ms,
    }
}

fn row(tenant: &TenantId, clock: &pb::ClockOffset, record: &Record) -> ClockRow {
    let of_device = !clock.device.is_empty();
    ClockRow {
        tenant: tenant.clone(),
        kind: if of_device { "device" } else { "gateway" },
        subject: if of_device { clock.device.clone() } else { clock.gateway.clone() },
        ahead_ms: clock.ahead_ms,
        boot_id: clock.boot_id.map(i64::from),
        sightings: i64::from(clock.sightings),
        seen_from: ReceivedAt(clock.from_ms),
        seen_to: ReceivedAt(clock.to_ms),
        spread_ms: clock.spread_ms,
        known_from: record.offset,
    }
}

/// `its clock is 2 h 0 min ahead`
fn in_words(ahead_ms: i64) -> String {
    let minutes = ahead_ms.unsigned_abs() / 60_000;
    let (days, hours, minutes) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
    let size = if days > 0 { format!("{days} d {hours} h") } else { format!("{hours} h {minutes} min") };
    format!("its clock is {size} {}", if ahead_ms > 0 { "ahead" } else { "behind" })
}
