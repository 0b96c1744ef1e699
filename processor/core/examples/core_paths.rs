//! Question: how many instructions do the main paths of the cores take for each thing they do? Budgets stand in
//! `benches/instructions.toml`, as they were measured: `cargo xtask instructions` runs this under callgrind and compares.
//! What is counted is what runs inside [`measured`]; counts do not depend on what else the machine does.

#[path = "../benches/ward/mod.rs"]
mod ward;

use painwatch_domain::time::{HOUR_MS, MINUTE_MS};
use painwatch_domain::{EventTime, Flags, Measure, Meta, Sample, Series, TenantId, Value};
use painwatch_processor_core::patient::Clinic;
use painwatch_processor_core::rules;
use ward::Ward;
use ward::life::{self, Streams};

/// What callgrind is told to look at, by this name.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
}

fn main() {
    let path = std::env::args().nth(1).unwrap_or_default();
    let done = match path.as_str() {
        "packed" => packed(),
        "singles" => singles(),
        "late" => late(),
        "close" => close(),
        "restore" => restore(),
        other => panic!("no path is called {other:?}: packed, singles, late, close, restore"),
    };
    println!("{done}");
}

fn ward(people: usize) -> Ward {
    let mut ward = Ward::new(life::roster(people), ward::start_of(0));
    ward.fire(ward::start_of(0));
    ward
}

/// In-order heart rate by twelve.
fn packed() -> u64 {
    let (people, begin) = (20, ward::start_of(0) + 12 * HOUR_MS);
    let mut ward = ward(people);
    ward.fire(begin);
    for minute in 0..30 {
        let at = begin + minute * MINUTE_MS;
        let sent: Vec<Series> = (0..people).map(|number| heart_rate(number, at)).collect();
        if minute < 2 {
            sent.into_iter().for_each(|series| ward.apply(at + MINUTE_MS, &[series]));
            ward.readings = 0;
            continue;
        }
        measured(&mut || sent.iter().for_each(|series| ward.apply(at + MINUTE_MS, std::slice::from_ref(series))));
    }
    ward.readings
}

fn heart_rate(number: usize, from: i64) -> Series {
    let samples = (from..from + MINUTE_MS).step_by(5_000).map(|device_time| {
        let value = Value::Number(Measure::HeartRate.to_scaled((70 + device_time / 5_000 % 5) as f64));
        Sample { time: EventTime(device_time), device_time, end: None, value, flags: Flags::default() }
    });
    let (device, measure) = (life::device_id("watch", number), Measure::HeartRate);
    Series { device, measure, meta: Meta::default(), samples: samples.collect() }
}

/// A day of everything, one reading at a time, and the work that it causes.
fn singles() -> u64 {
    let mut sent: Vec<(i64, Series)> = Vec::new();
    for (_, series) in life::day(0, 0, Streams::All) {
        sent.extend(series.samples.iter().map(|sample| {
            let one = Series { samples: vec![sample.clone()], ..series.clone() };
            (sample.end.unwrap_or(sample.time.0) + 2_000, one)
        }));
    }
    sent.sort_by_key(|(at, _)| *at);
    let mut ward = ward(1);
    measured(&mut || sent.iter().for_each(|(at, series)| ward.apply(*at, std::slice::from_ref(series))));
    ward.readings
}

/// A reading that was missing on a day that is closed.
fn late() -> u64 {
    const DAYS: i64 = 14;
    let mut ward = ward(1);
    ward.live(1, 0..DAYS, Streams::Simulated);
    let now = ward::start_of(DAYS) + 8 * HOUR_MS;
    ward.fire(now);
    let days = 2..7;
    for back in days.clone() {
        let (at, time) = (now + back * HOUR_MS, ward::start_of(DAYS - back) + 12 * HOUR_MS + 30_000);
        let (_, series) = life::spot("watch", 0, Measure::HeartRate, time, 71.0);
        measured(&mut || {
            ward.apply(at, std::slice::from_ref(&series));
            ward.fire(at + 2 * MINUTE_MS);
        });
    }
    days.count() as u64
}

/// Everything about a day, once it is over.
fn close() -> u64 {
    let mut ward = ward(1);
    ward.live(1, 0..8, Streams::All);
    measured(&mut || ward.fire(ward::start_of(8) + 8 * HOUR_MS));
    1
}

/// A patient of two weeks is put back from what a checkpoint holds.
fn restore() -> u64 {
    let mut ward = ward(1);
    ward.live(1, 0..14, Streams::Simulated);
    let snapshots = ward.clinic.take_snapshots();
    let mut clinic = Clinic::new(TenantId::default(), rules::default_packs());
    for snapshot in snapshots {
        let mut bytes = Some(snapshot.bytes);
        measured(&mut || {
            let bytes = bytes.take().unwrap_or_default();
            clinic.restore(&snapshot.patient, snapshot.part, bytes).expect("what was just written");
        });
    }
    1
}
