//! The journal as it would be if every reading had come the moment it was taken, and the roster had been right from the
//! start: the order in which a rule is judged at its best.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use painwatch_domain::reading::Sample;
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{DeviceId, Flags, JournalTime, Offset, Series, TenantId};
use painwatch_journal::{Class, Record};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::{Entry, decode_series, encode_series};
use prost::Message as _;

use super::select::{accepted_rule, orders_of, roster_of};

/// One device's part of a submission, kept as it lies in the journal: a few bytes a reading.
#[derive(Debug)]
struct Piece {
    tenant: TenantId,
    gateway: String,
    device: DeviceId,
    readings: bytes::Bytes,
    /// When its first and its last sample were there to be sent.
    first: i64,
    last: i64,
}

/// Gathers a journal, to give it back in the order of event time.
#[derive(Debug, Default)]
pub struct Ideal {
    pieces: Vec<Piece>,
    /// The last roster of each tenant: what was known in the end about who wore what when.
    rosters: BTreeMap<TenantId, Record>,
    /// What gateways ordered beside it.
    orders: Vec<Record>,
    /// Other rules, as they were accepted last.
    rules: BTreeMap<(TenantId, String), Record>,
    offset: u64,
}

/// When a reading could be sent: an interval is over by then.
fn ready_at(sample: &Sample) -> i64 {
    let correction = sample.time.0 - sample.device_time;
    sample.end.map_or(sample.time.0, |end| (end + correction).max(sample.time.0))
}

impl Ideal {
    /// # Errors
    /// A payload is not what this program writes.
    pub fn gather(&mut self, record: &Record) -> Result<()> {
        match record.class {
            Class::Batch => self.gather_batch(record),
            Class::Control if roster_of(record)?.is_some() => {
                self.rosters.insert(record.tenant.clone(), record.clone());
                Ok(())
            }
            Class::Control => {
                if orders_of(record)?.is_some() {
                    self.orders.push(record.clone());
                } else if let Some(accepted) = accepted_rule(record)? {
                    self.rules.insert((record.tenant.clone(), accepted.rule), record.clone());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn gather_batch(&mut self, record: &Record) -> Result<()> {
        let batch = pb::Batch::decode(record.payload.clone()).context("batch record")?;
        for section in batch.sections {
            let device = DeviceId::parse(&section.device)?;
            let entries = entries(&device, &section.readings)?;
            let times = || entries.iter().flat_map(|entry| entry.series.samples.iter().map(ready_at));
            let (Some(first), Some(last)) = (times().min(), times().max()) else { continue };
            let (tenant, gateway, readings) = (record.tenant.clone(), batch.gateway.clone(), section.readings);
            self.pieces.push(Piece { tenant, gateway, device, readings, first, last });
        }
        Ok(())
    }

    /// When the first and the last reading could be sent.
    pub fn span(&self) -> Option<(i64, i64)> {
        let first = self.pieces.iter().map(|piece| piece.first).min()?;
        Some((first, self.pieces.iter().map(|piece| piece.last).max()?))
    }

    /// What was decided about the clinic, as if from the start.
    pub fn beginning(&mut self) -> Vec<Record> {
        let at = JournalTime(self.span().map_or(0, |(first, _)| first.saturating_sub(1)));
        let (rosters, rules) = (std::mem::take(&mut self.rosters), std::mem::take(&mut self.rules));
        let orders = std::mem::take(&mut self.orders);
        let records = rosters.into_values().chain(orders).chain(rules.into_values()).collect::<Vec<Record>>();
        records.into_iter().map(|record| Record { offset: self.next(), journal_time: at, ..record }).collect()
    }

    /// The UTC days from the first reading to the last.
    pub fn days(&self) -> Vec<i64> {
        let days = |(first, last): (i64, i64)| first.div_euclid(DAY_MS)..=last.div_euclid(DAY_MS);
        self.span().into_iter().flat_map(days).collect()
    }

    /// Everything that could be sent on a UTC day, in order; one record for what one device could send at one moment.
    ///
    /// # Errors
    /// A payload is not what this program writes.
    pub fn day(&mut self, day: i64) -> Result<Vec<Record>> {
        let (from, until) = (day * DAY_MS, (day + 1) * DAY_MS);
        // What comes first in the journal comes first of what is ready at one moment.
        let mut ready: BTreeMap<(i64, usize), Vec<Entry>> = BTreeMap::new();
        let of_day = self.pieces.iter().enumerate().filter(|(_, piece)| piece.first < until && from <= piece.last);
        for (nth, piece) in of_day {
            for entry in entries(&piece.device, &piece.readings)? {
                for sample in entry.series.samples.iter().filter(|sample| (from..until).contains(&ready_at(sample))) {
                    ready.entry((ready_at(sample), nth)).or_default().push(alone(&entry.series, sample));
                }
            }
        }
        let records = ready.into_iter().map(|((at, nth), entries)| {
            let offset = self.next();
            record(offset, at, &self.pieces[nth], entries)
        });
        let records = records.collect();
        Ok(records)
    }

    const fn next(&mut self) -> Offset {
        self.offset += 1;
        Offset(self.offset - 1)
    }
}

fn entries(device: &DeviceId, readings: &bytes::Bytes) -> Result<Vec<Entry>> {
    let readings = pb::DeviceReadings::decode(readings.clone()).context("device section")?;
    Ok(decode_series(device, &readings)?)
}

/// One sample as a reading sent by itself, on time.
fn alone(series: &Series, sample: &Sample) -> Entry {
    let on_time = Flags(sample.flags.0 & !Flags::BACKDATED.0);
    let samples = vec![Sample { flags: on_time, ..sample.clone() }];
    let series = Series { device: series.device.clone(), measure: series.measure, meta: series.meta.clone(), samples };
    Entry { index: 0, series, positions: Vec::new() }
}

fn record(offset: Offset, at: i64, piece: &Piece, entries: Vec<Entry>) -> Record {
    let section = pb::DeviceSection {
        device: piece.device.to_string(),
        readings: encode_series(&entries).encode_to_vec().into(),
    };
    let batch = pb::Batch {
        gateway: piece.gateway.clone(),
        received_at_ms: at,
        protocol: "ideal".to_owned(),
        sections: vec![section],
        ..pb::Batch::default()
    };
    Record {
        offset,
        journal_time: JournalTime(at),
        class: Class::Batch,
        tenant: piece.tenant.clone(),
        key_id: 0,
        logic_version: 0,
        payload: batch.encode_to_vec().into(),
    }
}
