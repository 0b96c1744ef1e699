//! What one simulated gateway sends: a second-wise heart rate of each of its patients, batch after batch, with faults.

use std::collections::{BTreeMap, VecDeque};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use painwatch_domain::Measure;
use painwatch_domain::time::{SECOND_MS, format_utc};
use painwatch_proto::ingest::v1::{Mode, Reading, ReadingBatch};

use super::LoadOptions;
use crate::outgoing::{Payload, Protocol, Step};
use crate::simulate::faults::Injector;

/// Clocks there are set back in the last night of October that ends a Saturday.
const LOCAL_ZONE: &str = "Europe/Paris";
const LOCAL_STAMP: &str = "%Y-%m-%dT%H:%M:%S%.3f%:z";

fn local_zone() -> Option<TimeZone> {
    TimeZone::get(LOCAL_ZONE).ok()
}

/// The last instant before `before_ms` at which an hour came twice.
fn last_set_back(zone: &TimeZone, before_ms: i64) -> Option<i64> {
    let changes = zone.preceding(Timestamp::from_millisecond(before_ms).ok()?);
    let back = |at: &Timestamp| {
        let just_before = *at - SignedDuration::from_secs(1);
        zone.to_offset(*at).seconds() < zone.to_offset(just_before).seconds()
    };
    changes.map(|change| change.timestamp()).find(back).map(Timestamp::as_millisecond)
}

pub fn patient(number: u32) -> String {
    format!("synthetic-load-{:05}", number + 1)
}

/// Deterministic: the same options give the same payloads in the same order.
pub struct LoadStream {
    pub gateway: String,
    pub injector: Injector,
    protocol: Protocol,
    packed: bool,
    batch_size: u64,
    patients: Vec<u32>,
    start_ms: i64,
    /// In which local time its devices stamp, where they do.
    zone: Option<TimeZone>,
    seed: u64,
    next: u64,
    left: u64,
    ready: VecDeque<Step>,
    /// Delayed by a fault, by the clock at which they are due.
    delayed: BTreeMap<(i64, u64), Step>,
}

impl LoadStream {
    pub fn new(options: &LoadOptions, gateway: u32) -> Self {
        let patients: Vec<u32> = (gateway..options.patients).step_by(options.gateways as usize).collect();
        let (share, rest) =
            (options.readings / u64::from(options.gateways), options.readings % u64::from(options.gateways));
        let left = share + u64::from(u64::from(gateway) < rest);
        let rounds = left.div_ceil(u64::from(options.batch_size)).div_ceil(patients.len().max(1) as u64);
        let span_ms = (rounds * u64::from(options.batch_size)) as i64 * SECOND_MS;
        let zone = (options.faults.dst && (options.gateways == 1 || gateway % 2 == 1)).then(local_zone).flatten();
        let set_back = zone.as_ref().and_then(|zone| last_set_back(zone, options.end_ms));
        let start_ms = set_back.map_or(options.end_ms - span_ms, |at| at - span_ms / 2);
        Self {
            gateway: options.gateway_name(gateway),
            injector: Injector::new(&options.faults, options.seed.wrapping_add(u64::from(gateway))),
            protocol: options.protocol,
            packed: options.packed,
            batch_size: u64::from(options.batch_size),
            patients,
            start_ms,
            zone,
            seed: options.seed,
            next: 0,
            left,
            ready: VecDeque::new(),
            delayed: BTreeMap::new(),
        }
    }

    fn fresh(&mut self) -> Option<Step> {
        if self.left == 0 {
            return None;
        }
        let count = self.left.min(self.batch_size);
        self.left -= count;
        let (number, people) = (self.next, self.patients.len() as u64);
        self.next += 1;
        let device = format!("{}-watch", patient(self.patients[(number % people) as usize]));
        let first_ms = self.start_ms + (number / people * self.batch_size) as i64 * SECOND_MS;
        let clock_ms = first_ms + count as i64 * SECOND_MS;
        let batch = ReadingBatch {
            gateway: self.gateway.clone(),
            batch_id: format!("{}/{number}", self.gateway),
            sent_at: format_utc(clock_ms),
            mode: Mode::Live.into(),
            readings: self.readings(&device, number, first_ms, count),
        };
        let gateway = self.gateway.clone();
        Some(Step { clock_ms, gateway, protocol: self.protocol, payload: Payload::Batch(batch) })
    }

    fn readings(&self, device: &str, number: u64, first_ms: i64, count: u64) -> Vec<Reading> {
        // A slow swing within the normal range: cheap to make, and compressible like the real thing.
        let rate = |at: u64| 70.0 + ((at + number * 7 + self.seed) % 24) as f64 / 2.0;
        let base = Reading {
            device: device.to_owned(),
            measure: Measure::HeartRate.name().to_owned(),
            unit: "/min".to_owned(),
            ..Reading::default()
        };
        if self.packed {
            let values = (0..count).map(rate).collect();
            return vec![Reading { time_ms: Some(first_ms), period_ms: Some(SECOND_MS), values, ..base }];
        }
        let single = |at: u64| Reading {
            time_ms: Some(first_ms + at as i64 * SECOND_MS),
            value: Some(rate(at)),
            ..base.clone()
        };
        (0..count).map(single).collect()
    }

    /// As a device says it that knows the hour on the wall and how far that is from UTC.
    fn in_local_time(&mut self, sent: &mut [Step]) {
        let Some(zone) = &self.zone else { return };
        for step in sent {
            let Payload::Batch(batch) = &mut step.payload else { continue };
            for reading in &mut batch.readings {
                let stamp = reading.time_ms.take().and_then(|ms| Timestamp::from_millisecond(ms).ok());
                let stamp = stamp.map(|stamp| stamp.to_zoned(zone.clone()).strftime(LOCAL_STAMP).to_string());
                reading.time = stamp.unwrap_or_default();
            }
            self.injector.counts.local_stamps += 1;
        }
    }

    fn due(&mut self, clock_ms: i64) {
        while let Some(entry) = self.delayed.first_entry().filter(|entry| entry.key().0 <= clock_ms) {
            self.ready.push_back(entry.remove());
        }
    }
}

impl Iterator for LoadStream {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            if let Some(step) = self.ready.pop_front() {
                return Some(step);
            }
            let Some(step) = self.fresh() else {
                return self.delayed.pop_first().map(|(_, step)| step);
            };
            let clock_ms = step.clock_ms;
            let mut sent = Vec::new();
            self.injector.inject(step, &mut sent);
            let turn_ms = self.batch_size as i64 * SECOND_MS;
            if let Some(last) = sent.last_mut()
                && self.injector.is_overtaken()
            {
                last.clock_ms += turn_ms + 1;
            }
            self.in_local_time(&mut sent);
            for step in sent {
                self.delayed.insert((step.clock_ms, self.delayed.len() as u64 + self.next * 8), step);
            }
            self.due(clock_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::simulate::faults::FaultPlan;

    fn options(packed: bool, faults: FaultPlan) -> LoadOptions {
        LoadOptions {
            seed: 3,
            patients: 7,
            gateways: 3,
            protocol: Protocol::Mqtt,
            address: String::new(),
            token: String::new(),
            window: 8,
            readings: 10_001,
            rate: None,
            batch_size: 50,
            packed,
            faults,
            gateway: None,
            end_ms: 1_767_571_200_000,
            truth: "truth.json".into(),
        }
    }

    #[test]
    fn the_truth_is_what_a_ledger_makes_of_everything_sent() {
        let faults = FaultPlan { duplicate: 0.1, late: 0.1, malformed: 0.1, unknown_unit: 0.1, ..FaultPlan::default() };
        for packed in [false, true] {
            let options = options(packed, faults);
            let mut ledger = Ledger::default();
            options.streams().flatten().for_each(|step| ledger.submit(&step.payload));
            let truth = options.truth();
            assert_eq!(ledger.books(), truth.expected);
            assert_eq!(truth.expected.stored, 10_001);
            assert!(truth.faults.duplicated > 0 && truth.faults.malformed > 0 && truth.faults.late > 0);
        }
    }

    #[test]
    fn an_hour_that_comes_twice_is_stamped_twice_and_no_reading_of_it_is_another() {
        let mut faults = FaultPlan::default();
        assert!(faults.add("dst") && faults.add("reordering"));
        let options = LoadOptions { batch_size: 1, readings: 30_000, patients: 3, ..options(false, faults) };
        let (mut ledger, mut stamps) = (Ledger::default(), Vec::new());
        for step in options.streams().flatten() {
            ledger.submit(&step.payload);
            let Payload::Batch(batch) = &step.payload else { continue };
            stamps.extend(batch.readings.iter().map(|reading| reading.time.clone()));
        }
        let books = ledger.books();
        assert_eq!((books.stored, books.duplicate, books.conflict, books.quarantined), (30_000, 0, 0, 0));
        let at = |stamp: &str| stamps.iter().any(|known| known.starts_with(stamp));
        assert!(at("2025-10-26T02:30:00.000+02:00") && at("2025-10-26T02:30:00.000+01:00"), "{:?}", stamps.first());
        let counts = options.truth().faults;
        assert!(counts.reordered > 1_000 && counts.local_stamps >= 10_000, "{counts:?}");
    }

    #[test]
    fn readings_end_at_the_given_time_and_singles_equal_packed_ones() {
        let mut singles = Ledger::default();
        let (one, other) = (options(false, FaultPlan::default()), options(true, FaultPlan::default()));
        one.streams().chain(other.streams()).flatten().for_each(|step| singles.submit(&step.payload));
        assert_eq!((singles.books().stored, singles.books().duplicate), (10_001, 10_001));
        assert!(one.streams().flatten().all(|step| step.clock_ms <= one.end_ms));
    }
}
