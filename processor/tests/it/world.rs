//! Small clinics by seed: two or three patients over a few days with everything that can go wrong in a reading's life.

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{EventTime, Flags, Measure, Roster, Status, Value};

use crate::clinic::{self, PACKS};
use crate::rig::{Journal, Sent};
use crate::seed::Seed;

/// Days on which some zone's clock changes, and one on which none does: 2026-03-08, 03-29, 04-05, 06-10, 10-25.
const FIRST_DAYS: [i64; 5] = [20_519, 20_540, 20_547, 20_613, 20_750];
const ZONES: [&str; 5] = ["Europe/Paris", "America/New_York", "Pacific/Auckland", "UTC", "America/Santiago"];

#[derive(Clone, Debug)]
pub struct World {
    pub start: i64,
    /// Everything is decided by then.
    pub settled: i64,
    pub roster: Roster,
    /// With the journal time at which it arrives when nothing is late.
    pub sent: Vec<(i64, Sent)>,
}

pub fn world(seed: u64) -> World {
    build(seed, 2)
}

/// Without contradictions: of those the tables show the first, patients' histories the greatest.
pub fn without_contradictions(seed: u64) -> World {
    build(seed, 0)
}

fn build(seed: u64, contradictions_percent: u64) -> World {
    let mut seed = Seed::new(seed);
    let start = seed.pick(&FIRST_DAYS) * DAY_MS - seed.between(0, 2) * DAY_MS + seed.between(0, 24) * HOUR_MS;
    let days = seed.between(2, 5);
    let end = start + days * DAY_MS;
    let roster = Roster::default();
    let roster = clinic::with_medication(roster, "oxycodone-5mg", "oxycodone", seed.pick(&["ir", "er"]));
    let mut roster = clinic::with_medication(roster, "gabapentin-300mg", "gabapentin", "ir");
    let mut sent = Vec::new();
    for number in 0..seed.between(2, 4) {
        roster = patient(&mut seed, roster, number, (start, end), &mut sent);
    }
    let sent = with_trouble(&mut seed, sent, contradictions_percent);
    World { start, settled: end + 4 * DAY_MS, roster, sent }
}

fn patient(seed: &mut Seed, roster: Roster, number: i64, (start, end): (i64, i64), sent: &mut Vec<Sent>) -> Roster {
    let name = format!("p{number}");
    let device = |kind: &str| format!("{kind}-{number}");
    let mut person = clinic::patient(&name, seed.pick(&ZONES), &PACKS);
    if seed.chance(40) {
        person.conditions.push("heart_failure".to_owned());
    }
    if seed.chance(30) {
        let moves = start + seed.between(0, 72) * HOUR_MS;
        person.zones.push((EventTime(moves), painwatch_domain::Zone::parse(seed.pick(&ZONES)).unwrap()));
    }
    let mut roster = clinic::with_patient(roster, person);
    for (kind, priority) in [("watch", 1), ("band", 2), ("scale", 1), ("phone", 1), ("cap", 1)] {
        roster = clinic::with_device(roster, &device(kind), priority);
        roster = clinic::paired(roster, &device(kind), &name, start - DAY_MS, None);
    }
    roster = clinic::prescribed(roster, &name, "oxycodone-5mg", start, &[480, 1200]);
    if seed.chance(50) {
        roster = clinic::prescribed(roster, &name, "gabapentin-300mg", start, &[420, 840, 1320]);
    }
    roster = clinic::as_needed(roster, &name, "combined", start - DAY_MS);
    for (medication, days) in [("oxycodone-5mg", 7), ("lorazepam-5mg", 5)] {
        let date = start + seed.between(-9, 3) * DAY_MS;
        roster = clinic::dispensed(roster, &name, medication, date, days);
    }
    if seed.chance(50) {
        roster = clinic::happened(roster, &name, "surgery", start + seed.between(-5, 3) * DAY_MS);
    }
    vitals(seed, &device("watch"), (start, end), sent);
    for day in (start..end).step_by(DAY_MS as usize) {
        daily(seed, number, day, sent);
        bedside(seed, number, day, sent);
    }
    roster
}

fn vitals(seed: &mut Seed, watch: &str, (start, end): (i64, i64), sent: &mut Vec<Sent>) {
    for (measure, calm, low, step_s) in [(Measure::OxygenSaturation, 96, 82, 20), (Measure::RespiratoryRate, 14, 4, 45)]
    {
        for _ in 0..seed.between(3, 8) {
            let mut at = seed.between(start, end - 3 * HOUR_MS);
            let until = at + seed.between(5, 70) * MINUTE_MS;
            let (mut values, mut dips) = (Vec::new(), false);
            while at < until {
                if seed.chance(8) {
                    dips = !dips;
                }
                let value = if dips { seed.between(low, low + 8) } else { seed.between(calm - 6, calm + 1) };
                values.push((at, value as f64));
                at += seed.between(step_s / 2, step_s * 2) * 1000;
                if seed.chance(2) {
                    at += seed.between(1, 20) * MINUTE_MS;
                }
            }
            sent.extend(values.chunks(25).map(|values| Sent::numbers(watch, measure, values.iter().copied())));
        }
    }
    let rates = (start..end).step_by((11 * MINUTE_MS) as usize).filter(|_| seed.clone().chance(97));
    let rates: Vec<_> = rates.map(|at| (at, 60.0 + (at / MINUTE_MS % 37) as f64)).collect();
    sent.extend(rates.chunks(40).map(|values| Sent::numbers(watch, Measure::HeartRate, values.iter().copied())));
}

fn daily(seed: &mut Seed, number: i64, day: i64, sent: &mut Vec<Sent>) {
    let device = |kind: &str| format!("{kind}-{number}");
    let mut within = |hours: std::ops::Range<i64>| day + seed.between(hours.start * HOUR_MS, hours.end * HOUR_MS);
    let times: Vec<i64> = (0..12).map(|_| within(0..24)).collect();
    for &at in &times[..seed.between(0, 4) as usize] {
        sent.push(Sent::numbers(&device("phone"), Measure::PainNrs, [(at, seed.between(0, 11) as f64)]));
    }
    for &at in &times[4..4 + seed.between(0, 3) as usize] {
        sent.push(Sent::numbers(
            &device("scale"),
            Measure::BodyWeight,
            [(at, 80.0 + seed.between(0, 50) as f64 / 10.0)],
        ));
    }
    for &at in &times[7..7 + seed.between(0, 3) as usize] {
        sent.push(Sent::dose(&device("cap"), seed.pick(&["oxycodone-5mg", "gabapentin-300mg"]), at, 1));
    }
    let asleep = times[10];
    sent.push(Sent::interval(&device("watch"), Measure::TotalSleepTime, asleep, asleep + 6 * HOUR_MS, 340.0));
    sent.push(Sent::numbers(&device("watch"), Measure::RestingHeartRate, [(asleep, 55.0)]));
    for (measure, at) in [(Measure::DeviceWorn, times[11]), (Measure::DeviceCharging, times[3])] {
        sent.push(Sent::code(&device("watch"), measure, at, seed.pick(&["true", "false"])));
    }
    for quarter in 0..seed.between(0, 30) {
        let from = day + quarter * 15 * MINUTE_MS;
        sent.push(Sent::interval(
            &device("band"),
            Measure::StepCount,
            from,
            from + 15 * MINUTE_MS,
            seed.between(0, 900) as f64,
        ));
    }
    for minute in 0..seed.between(0, 60) {
        let from = day + minute * MINUTE_MS;
        sent.push(Sent::interval(
            &device("watch"),
            Measure::StepCount,
            from,
            from + MINUTE_MS,
            seed.between(0, 120) as f64,
        ));
    }
    if seed.chance(20) {
        let mut dated =
            Sent::interval(&device("phone"), Measure::PainVas, day, day + DAY_MS, seed.between(0, 100) as f64);
        dated.series.samples[0].flags = Flags::DATE_ONLY;
        sent.push(dated);
    }
}

/// What is measured now and then, taken and said.
fn bedside(seed: &mut Seed, number: i64, day: i64, sent: &mut Vec<Sent>) {
    let (cuff, phone, cap) = (format!("scale-{number}"), format!("phone-{number}"), format!("cap-{number}"));
    let at = day + seed.between(0, 23) * HOUR_MS;
    for (step, posture) in [(0, "supine"), (2, "standing"), (5, "standing"), (20, "sitting"), (23, "sitting")] {
        let systolic = seed.between(80, 190) as f64;
        sent.push(Sent::pressure(&cuff, at + step * MINUTE_MS, systolic, systolic - 40.0, posture));
    }
    let spots = [
        (Measure::BodyTemperature, seed.between(35, 40) as f64),
        (Measure::OxygenFlow, seed.between(0, 3) as f64),
        (Measure::RespiratoryRate, seed.between(7, 28) as f64),
        (Measure::OxygenSaturation, seed.between(84, 100) as f64),
    ];
    for (measure, value) in spots {
        sent.push(Sent::numbers(&phone, measure, [(at + seed.between(0, 60) * MINUTE_MS, value)]));
    }
    sent.push(Sent::code(&phone, Measure::Acvpu, at + 3 * MINUTE_MS, seed.pick(&["A", "A", "C"])));
    sent.push(Sent::code(
        &phone,
        Measure::Poss,
        at + seed.between(0, 90) * MINUTE_MS,
        seed.pick(&["S", "1", "3", "4"]),
    ));
    sent.push(Sent::code(&phone, Measure::FlareReport, at + HOUR_MS, seed.pick(&["yes", "no"])));
    for item in ["P", "E", "G"] {
        let answer = Sent::numbers(&phone, Measure::Peg, [(at + HOUR_MS, seed.between(0, 11) as f64)]);
        sent.push(answer.about(None, Some(item)));
    }
    for _ in 0..seed.between(0, 7) {
        let (medication, at) =
            (seed.pick(&["combined", "combined", "lorazepam-5mg"]), day + seed.between(0, 24 * 60) * MINUTE_MS);
        sent.push(Sent::dose(&cap, medication, at, 1));
        let said = Sent::numbers(
            &phone,
            Measure::PainNrs,
            [(at + seed.between(-60, 120) * MINUTE_MS, seed.between(0, 11) as f64)],
        );
        sent.push(said.about(Some(seed.pick(&["head", "knee"])), None));
    }
}

/// Arrival times, and corrections, repetitions, contradictions, fast clocks and historical batches among them.
fn with_trouble(seed: &mut Seed, sent: Vec<Sent>, contradictions_percent: u64) -> Vec<(i64, Sent)> {
    let mut all = Vec::new();
    for mut one in sent {
        let at = one.last_time() + seed.between(1, 90) * 1000;
        if seed.chance(2) {
            fast_clock(seed, &mut one, at);
        }
        one.historical = seed.chance(3);
        if seed.chance(4) {
            all.push((at + seed.between(0, 2 * HOUR_MS), one.clone()));
        }
        if seed.chance(4) {
            all.push((at + seed.between(0, 30 * HOUR_MS), changed(seed, &one, 1)));
        }
        if seed.chance(contradictions_percent) {
            all.push((at + seed.between(0, 3 * HOUR_MS), changed(seed, &one, 0)));
        }
        all.push((at, one));
    }
    all.sort_by_key(|(at, _)| *at);
    all
}

/// Flagged by ingest: the event time is the receipt.
fn fast_clock(seed: &mut Seed, sent: &mut Sent, received_at: i64) {
    let ahead = seed.between(10 * MINUTE_MS, 10 * HOUR_MS);
    for sample in &mut sent.series.samples {
        sample.device_time += ahead;
        sample.end = sample.end.map(|end| end + ahead);
        sample.time = EventTime(received_at);
        sample.flags = Flags::CLOCK_AHEAD;
    }
    sent.series.samples.truncate(1);
}

/// Another value of the same readings: a correction, a withdrawal, or with revision 0 a contradiction.
fn changed(seed: &mut Seed, sent: &Sent, revision: i64) -> Sent {
    let mut other = sent.clone();
    other.series.meta.revision = revision;
    if revision > 0 && seed.chance(30) {
        other.series.meta.status = Status::EnteredInError;
    }
    let from = seed.between(0, other.series.samples.len() as i64) as usize;
    other.series.samples.drain(..from);
    for sample in &mut other.series.samples {
        match &mut sample.value {
            Value::Number(number) => *number += sent.series.measure.to_scaled(seed.between(1, 3) as f64),
            Value::Dose { amount, .. } => *amount = amount.map(|amount| amount + 1000),
            Value::Code(code) => *code = if &**code == "true" { "false".into() } else { "true".into() },
            Value::Pressure { .. } => {}
        }
    }
    other
}

impl World {
    /// Everything as it comes, in batches of a minute.
    pub fn in_order(&self) -> Journal {
        self.journal(self.sent.clone(), MINUTE_MS)
    }

    /// The same readings in another order, late, repeated and in other batches, by the same final journal time.
    pub fn shuffled(&self, seed: u64) -> Journal {
        let mut seed = Seed::new(seed);
        let mut sent = Vec::new();
        let last = self.settled - 2 * DAY_MS;
        for (at, one) in &self.sent {
            let late = seed.chance(40);
            let at = if late { seed.between(*at, last) } else { *at };
            if seed.chance(10) {
                sent.push((seed.between(at, last), one.clone()));
            }
            if one.series.samples.len() > 1 && seed.chance(50) {
                sent.extend(
                    split(&mut seed, one)
                        .into_iter()
                        .map(|part| (if late { seed.between(at, last) } else { at }, part)),
                );
            } else {
                sent.push((at, one.clone()));
            }
        }
        sent.sort_by_key(|(at, _)| *at);
        let width = seed.pick(&[1_000, 30 * MINUTE_MS, 7 * HOUR_MS]);
        self.journal(sent, width)
    }

    fn journal(&self, sent: Vec<(i64, Sent)>, width_ms: i64) -> Journal {
        let mut journal = Journal::default();
        journal.roster(self.start - HOUR_MS, &clinic::publish(self.roster.clone()));
        let mut pending: Vec<(i64, Sent)> = Vec::new();
        for (at, one) in sent {
            let full = pending
                .first()
                .is_some_and(|(first, other)| at - first > width_ms || other.historical != one.historical);
            if full {
                flush(&mut journal, &mut pending);
            }
            pending.push((at, one));
        }
        flush(&mut journal, &mut pending);
        journal.tick(self.settled);
        journal
    }
}

fn flush(journal: &mut Journal, pending: &mut Vec<(i64, Sent)>) {
    if let Some((at, _)) = pending.last() {
        let sent: Vec<Sent> = pending.iter().map(|(_, sent)| sent.clone()).collect();
        journal.batch(*at, &sent);
        pending.clear();
    }
}

fn split(seed: &mut Seed, sent: &Sent) -> Vec<Sent> {
    let (mut parts, mut samples) = (Vec::new(), sent.series.samples.clone());
    if seed.chance(30) {
        seed.shuffle(&mut samples);
    }
    while !samples.is_empty() {
        let rest = samples.split_off(seed.between(1, samples.len() as i64 + 1) as usize);
        let mut part = sent.clone();
        part.series.samples = std::mem::replace(&mut samples, rest);
        parts.push(part);
    }
    parts
}
