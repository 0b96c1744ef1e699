//! Questions, each for one core and without the rows that the shell writes:
//!
//! - `packed`: how many packed in-order readings a second go through intake and patients? Budget 3 M/s. A batch of twelve
//!   costs its day and rules once, some 2 µs; a row of a block takes 20 ns and a step of an automaton 10.
//! - `singles`: how many single readings of all measures, mixed? Budget 500,000/s: the 2 µs fall on each.
//! - `late`: how many days of patients are judged again a second because a reading came late? Budget 200 of each patient and day:
//!   some 15 groups that read a day's samples two or three times at 0.2 µs, and daily values over four weeks.
//! - `restore`: how long do 100,000 patients take to be put back from their snapshots? Budget 10 s: 12 KiB each are checked
//!   and kept as they are, 20 µs.

#[path = "../benches/ward/mod.rs"]
mod ward;

use std::time::{Duration, Instant};

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{EventTime, Flags, JournalTime, Measure, Meta, Sample, Series, TenantId, Value};
use painwatch_processor_core::patient::Clinic;
use painwatch_processor_core::rules;
use ward::Ward;
use ward::life::{self, Streams};

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let asked = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    if asked("packed") {
        for packs in [&[][..], &["opioid-safety"], &life::PACKS] {
            packed(packs);
        }
    }
    if asked("singles") {
        singles();
    }
    if asked("late") {
        late();
    }
    if asked("restore") {
        restore();
    }
}

fn packed(packs: &[&str]) {
    const PEOPLE: usize = 1000;
    let mut roster = life::roster(PEOPLE);
    roster.patients.values_mut().for_each(|person| person.packs = packs.iter().map(ToString::to_string).collect());
    let (mut ward, begin) = (Ward::new(roster, ward::start_of(0)), ward::start_of(0) + 12 * HOUR_MS);
    ward.fire(begin);
    let (mut busy, mut slowest) = (Duration::ZERO, Duration::ZERO);
    for from in (begin..begin + 2 * HOUR_MS).step_by(MINUTE_MS as usize) {
        for number in 0..PEOPLE {
            let sent = minute(number, from);
            let begun = Instant::now();
            ward.apply(from + MINUTE_MS, &sent);
            let took = begun.elapsed();
            (busy, slowest) = (busy + took, slowest.max(took));
        }
    }
    let rate = ward.readings as f64 / busy.as_secs_f64() / 1e6;
    println!(
        "packed by twelve, packs {packs:?}: {rate:.2} M readings/s, slowest batch {slowest:?}, {} tasks",
        ward.tasks
    );
}

/// A minute of heart rate and saturation every five seconds. One patient in a hundred has low saturation for a quarter of
/// every hour.
fn minute(number: usize, from: i64) -> Vec<Series> {
    let low = number.is_multiple_of(100) && from % HOUR_MS < 15 * MINUTE_MS;
    let of = |measure: Measure, usual: i64| {
        let samples = (from..from + MINUTE_MS).step_by(5_000).map(|device_time| {
            let wobble = (device_time / 5_000 + number as i64) % 5;
            let value = if low && measure == Measure::OxygenSaturation { 84 } else { usual + wobble };
            let value = Value::Number(measure.to_scaled(value as f64));
            Sample { time: EventTime(device_time), device_time, end: None, value, flags: Flags::default() }
        });
        let device = life::device_id("watch", number);
        Series { device, measure, meta: Meta::default(), samples: samples.collect() }
    };
    vec![of(Measure::HeartRate, 70), of(Measure::OxygenSaturation, 95)]
}

/// A day of a ward, one reading a record, each record applied by itself.
fn singles() {
    const PEOPLE: usize = 100;
    let mut sent: Vec<(i64, Series)> = (0..PEOPLE).flat_map(|number| life::day(number, 0, Streams::All)).collect();
    sent = sent.into_iter().flat_map(|(_, series)| one_by_one(series)).collect();
    sent.sort_by_key(|(at, _)| *at);
    let mut ward = Ward::new(life::roster(PEOPLE), ward::start_of(0));
    ward.fire(ward::start_of(0));
    let begun = Instant::now();
    for (at, series) in &sent {
        ward.apply(*at, std::slice::from_ref(series));
    }
    let busy = begun.elapsed();
    let rate = ward.readings as f64 / busy.as_secs_f64();
    println!("singles of all measures: {rate:.0} readings/s; {} readings, {} tasks", ward.readings, ward.tasks);
}

fn one_by_one(series: Series) -> impl Iterator<Item = (i64, Series)> {
    let Series { device, measure, meta, samples } = series;
    samples.into_iter().map(move |sample| {
        let at = sample.end.unwrap_or(sample.time.0) + 2_000;
        (at, Series { device: device.clone(), measure, meta: meta.clone(), samples: vec![sample] })
    })
}

/// After four weeks every patient's watch sends a minute that was missing, of each of the last seven days.
fn late() {
    const PEOPLE: usize = 20;
    const DAYS: i64 = 28;
    let mut ward = Ward::new(life::roster(PEOPLE), ward::start_of(0));
    ward.live(PEOPLE, 0..DAYS, Streams::Simulated);
    let now = ward::start_of(DAYS) + 8 * HOUR_MS;
    ward.fire(now);
    let (tasks, begun, mut days) = (ward.tasks, Instant::now(), 0);
    for (nth, back) in (2..9).enumerate() {
        let at = now + nth as i64 * HOUR_MS;
        for number in 0..PEOPLE {
            let time = ward::start_of(DAYS - back) + 12 * HOUR_MS + 30_000;
            let (_, series) = life::spot("watch", number, Measure::HeartRate, time, 71.0);
            ward.apply(at, &[series]);
            days += 1;
        }
        ward.fire(at + 2 * MINUTE_MS);
    }
    let busy = begun.elapsed();
    let rate = f64::from(days) / busy.as_secs_f64();
    println!("late: {rate:.0} days of patients a second; {days} days, {} tasks in {busy:?}", ward.tasks - tasks);
}

fn restore() {
    const PEOPLE: usize = 100_000;
    const LIVED: usize = 10;
    let mut ward = Ward::new(life::roster(LIVED), ward::start_of(0));
    ward.live(LIVED, 0..35, Streams::Simulated);
    let snapshots = ward.clinic.take_snapshots();
    let bytes: usize = snapshots.iter().map(|snapshot| snapshot.bytes.len()).sum::<usize>() / LIVED;
    let before = resident_bytes();
    let mut clinic = Clinic::new(TenantId::default(), rules::default_packs());
    let mut busy = Duration::ZERO;
    for first in (0..PEOPLE).step_by(LIVED) {
        for snapshot in &snapshots {
            let number: usize = snapshot.patient.as_str()[2..].parse().expect("a number");
            let (patient, bytes) = (life::patient_id(first + number), snapshot.bytes.clone());
            let begun = Instant::now();
            clinic.restore(&patient, snapshot.part, bytes).expect("what was just written");
            busy += begun.elapsed();
        }
    }
    let held = (resident_bytes() - before) / PEOPLE;
    println!("restore: {PEOPLE} patients of {bytes} bytes in {busy:?}, {held} bytes each in memory");
    let due = clinic.next_deadline().map_or(0, |JournalTime(due)| due.div_euclid(DAY_MS));
    assert!(due > 0, "they owe work");
}

/// What the process holds in memory, by the kernel's count of pages of 4 KiB.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4096
}
