//! Question: how many readings a second does one core take in? Budget: 1 M/s new and in order, a tenth of that for the
//! rest. On the back of the envelope: 32 bytes written and a byte or two packed per new reading, some 20 ns; a
//! repetition is a binary search in an unpacked chunk and one comparison, some 60 ns.

use std::time::Instant;

use painwatch_domain::reading::Mode;
use painwatch_domain::roster::Pairing;
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{
    BatchVerdict, DeviceId, EventTime, Flags, Measure, Meta, PatientId, Roster, Sample, Series, TenantId, Value,
};
use painwatch_processor_core::intake::{BlockCache, Incoming, handle, missing};

const DEVICES: usize = 50;
const DAYS: i64 = 2;
const PERIOD_MS: i64 = 5_000;
const START: i64 = 20_513 * DAY_MS;

fn main() {
    for batch in [1, 12, 720] {
        let submissions = submissions(batch);
        let mut cache = BlockCache::default();
        let mut run = |name: &str, order: &mut dyn Iterator<Item = &Series>| take(name, batch, &mut cache, order);
        run("new, in order", &mut submissions.iter());
        run("all repeated", &mut submissions.iter());
        let mut late = BlockCache::default();
        take("new, newest first", batch, &mut late, &mut submissions.iter().rev());
        let begun = Instant::now();
        let bytes: usize = cache.take_changed().iter().map(|(_, bytes)| bytes.len()).sum();
        let readings = DEVICES as i64 * DAYS * DAY_MS / PERIOD_MS;
        let (stored, held) = (bytes as f64 / readings as f64, cache.memory_bytes() as f64 / readings as f64);
        println!(
            "batches of {batch:>3}: {stored:.2} bytes a reading stored, {held:.2} in memory, packed in {:?}",
            begun.elapsed()
        );
    }
}

fn submissions(batch: i64) -> Vec<Series> {
    let mut all = Vec::new();
    for start in (0..DAYS * DAY_MS / PERIOD_MS).step_by(batch as usize) {
        for device in 0..DEVICES {
            let device_id = DeviceId::parse(&format!("watch-{device:04}")).expect("a device id");
            let samples = (start..start + batch).map(|position| {
                let device_time = START + position * PERIOD_MS;
                let bpm = 70 + (position / 7 + device as i64) % 9 + position % 3;
                let value = Value::Number(bpm * 1_000);
                Sample { time: EventTime(device_time), device_time, end: None, value, flags: Flags::default() }
            });
            let (measure, meta) = (Measure::HeartRate, Meta::default());
            all.push(Series { device: device_id, measure, meta, samples: samples.collect() });
        }
    }
    all
}

fn roster() -> Roster {
    let pairings = (0..DEVICES).map(|device| Pairing {
        device: DeviceId::parse(&format!("watch-{device:04}")).expect("a device id"),
        patient: PatientId::parse(&format!("p-{device:04}")).expect("a patient id"),
        from: EventTime(START),
        until: None,
    });
    Roster { pairings: pairings.collect(), ..Roster::default() }
}

fn take(name: &str, batch: i64, cache: &mut BlockCache, submissions: &mut dyn Iterator<Item = &Series>) {
    let (tenant, roster) = (TenantId::default(), roster());
    let (mut changes, mut tally) = (Vec::new(), BatchVerdict::default());
    let begun = Instant::now();
    for series in submissions {
        for key in missing(cache, &tenant, series) {
            cache.load(key, None).expect("an empty block");
        }
        let sent_at = series.samples.last().map(|sample| sample.device_time + 400);
        let incoming = Incoming {
            tenant: &tenant,
            series,
            sent_at,
            mode: Mode::Live,
            index: 0,
            packed: batch > 1,
            positions: &[],
        };
        handle(cache, &roster, &incoming, &mut changes, &mut tally).expect("all blocks are loaded");
        changes.clear();
    }
    let taken = begun.elapsed();
    let rate = tally.submitted() as f64 / taken.as_secs_f64() / 1e6;
    let (stored, duplicate) = (tally.stored, tally.duplicate);
    println!("batches of {batch:>3}, {name:<18} {rate:>6.2} M readings/s: {stored} stored, {duplicate} duplicate");
}
