//! Who lies in the ward, and a day of theirs. The streams and their rates are those of `painwatch simulate`; with
//! [`Streams::All`] everything else that a measure exists for comes on top.

use painwatch_domain::reading::{Dose, DoseEvent};
use painwatch_domain::roster::{
    Device, Dispense, F64Bits, Medication, Pairing, Patient, PatientEvent, Prescription, Prn,
};
use painwatch_domain::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use painwatch_domain::{
    DeviceId, EventTime, Flags, Measure, MedicationId, Meta, PatientId, Roster, Sample, Series, Value, Zone,
};

use super::start_of;

pub const PACKS: [&str; 7] = ["opioid-safety", "post-op", "function", "adherence", "sleep", "fluid", "pain"];
const DEVICES: [&str; 6] = ["watch", "oximeter", "scale", "phone", "cap", "cuff"];
const SCHEDULED: &str = "morphine-er-15mg";
const AS_NEEDED: &str = "oxycodone-5mg";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// Those of a simulated patient: heart rate, steps, oximeter at night, weight, pain, doses, sleep.
    Simulated,
    /// And activity counts, sleep stages, beats, blood pressure, temperature, sedation, questionnaires, wear.
    All,
}

/// A number in `0..below` that belongs to these and nothing else.
fn dice(of: [i64; 3], below: i64) -> i64 {
    let mix = |hash: u64, part: i64| (hash ^ part as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    (of.into_iter().fold(0x243F_6A88_85A3_08D3, mix) >> 33) as i64 % below
}

pub fn patient_id(number: usize) -> PatientId {
    PatientId::parse(&format!("p-{number:06}")).expect("a patient id")
}

pub fn device_id(kind: &str, number: usize) -> DeviceId {
    DeviceId::parse(&format!("{kind}-{number:06}")).expect("a device id")
}

fn medication(id: &str, ingredient: &str, release: &str, mg: f64) -> (MedicationId, Medication) {
    let id = MedicationId::parse(id).expect("a medication id");
    let (ingredient, release) = (ingredient.to_owned(), release.to_owned());
    let (strength_mg, unit) = (Some(F64Bits::new(mg)), "{tablet}".to_owned());
    (id.clone(), Medication { id, ingredient, strength_mg, unit, release, rxnorm: None, atc: None })
}

/// Everybody has every pack, a long-acting opioid twice a day and another as needed; every third had surgery.
pub fn roster(people: usize) -> Roster {
    let medications = [medication(SCHEDULED, "morphine", "er", 15.0), medication(AS_NEEDED, "oxycodone", "ir", 5.0)];
    let mut roster = Roster { medications: medications.into_iter().collect(), ..Roster::default() };
    let zone = Zone::parse("Europe/Paris").expect("a zone");
    let from = EventTime(start_of(-1));
    for number in 0..people {
        let id = patient_id(number);
        let person = Patient {
            id: id.clone(),
            mrn: None,
            birth_date: Some("1961-04-12".to_owned()),
            sex: Some("female".to_owned()),
            zones: vec![(EventTime::MIN, zone.clone())],
            care_team: None,
            packs: PACKS.map(str::to_owned).to_vec(),
            conditions: Vec::new(),
            opioid_naive: false,
            spo2_scale_2: false,
            synthetic: true,
            research_consent: None,
        };
        roster.patients.insert(id.clone(), person);
        for kind in DEVICES {
            let device = device_id(kind, number);
            let (streams, gateways) = (Vec::new(), Vec::new());
            let known = Device {
                id: device.clone(),
                kind: kind.to_owned(),
                serial: None,
                streams,
                gateways,
                source_priority: 1,
            };
            roster.devices.insert(device.clone(), known);
            roster.pairings.push(Pairing { device, patient: id.clone(), from, until: None });
        }
        orders(&mut roster, &id, from);
        if number % 3 == 0 {
            let (kind, start) = ("surgery".to_owned(), EventTime(start_of(20)));
            roster.patient_events.push(PatientEvent { patient: id, kind, start, end: None });
        }
    }
    roster
}

fn orders(roster: &mut Roster, patient: &PatientId, from: EventTime) {
    let parse = |id: &str| MedicationId::parse(id).expect("a medication id");
    let order = |medication: &str, times_min: Vec<u32>, prn: Option<Prn>| Prescription {
        patient: patient.clone(),
        medication: parse(medication),
        dose: F64Bits::new(1.0),
        start: from,
        end: None,
        times_min,
        prn,
    };
    roster.prescriptions.push(order(SCHEDULED, vec![480, 1200], None));
    let as_needed = Prn { max_per_day: 4, min_interval_ms: 4 * HOUR_MS };
    roster.prescriptions.push(order(AS_NEEDED, Vec::new(), Some(as_needed)));
    let (patient, medication) = (patient.clone(), parse(SCHEDULED));
    roster.dispenses.push(Dispense { patient, medication, date: from, days_supply: 90 });
}

fn sample(time: i64, end: Option<i64>, value: Value) -> Sample {
    Sample { time: EventTime(time), device_time: time, end, value, flags: Flags::default() }
}

fn series(kind: &str, number: usize, measure: Measure, meta: Meta, samples: Vec<Sample>) -> Series {
    Series { device: device_id(kind, number), measure, meta, samples }
}

/// Numbers every `period_ms` over a window; intervals where the measure is one.
fn packed(
    kind: &str,
    number: usize,
    measure: Measure,
    (from, to, period_ms): (i64, i64, i64),
    value: impl Fn(i64) -> f64,
) -> Series {
    let interval = measure.spec().shape == painwatch_domain::measure::Shape::Interval;
    let samples = (from..to).step_by(period_ms as usize).map(|at| {
        let value = Value::Number(measure.to_scaled(value(at / period_ms)));
        sample(at, interval.then_some(at + period_ms), value)
    });
    series(kind, number, measure, Meta::default(), samples.collect())
}

pub fn spot(kind: &str, number: usize, measure: Measure, at: i64, value: f64) -> (i64, Series) {
    (
        at,
        series(kind, number, measure, Meta::default(), vec![sample(at, None, Value::Number(measure.to_scaled(value)))]),
    )
}

fn code(kind: &str, number: usize, measure: Measure, at: i64, code: &str) -> (i64, Series) {
    (at, series(kind, number, measure, Meta::default(), vec![sample(at, None, Value::Code(code.into()))]))
}

/// A day's series of one patient, each with the time at which it comes, which is a little after its last sample.
pub fn day(number: usize, day: i64, streams: Streams) -> Vec<(i64, Series)> {
    let (start, who) = (start_of(day), number as i64);
    let roll = |what: i64, below: i64| dice([who, day, what], below);
    let mut sent = continuous(number, day);
    sent.extend(daily(number, day));
    if streams == Streams::All {
        sent.extend(more(number, day));
    }
    let late = 2 * SECOND_MS + roll(99, 3_000);
    sent.iter_mut().for_each(|(at, series)| {
        *at = series.samples.last().map_or(*at, |last| last.end.unwrap_or(last.time.0)) + late
    });
    sent.retain(|(at, _)| *at >= start);
    sent
}

fn is_night(hour: i64) -> bool {
    !(6..22).contains(&hour)
}

fn continuous(number: usize, day: i64) -> Vec<(i64, Series)> {
    let (start, who) = (start_of(day), number as i64);
    let mut sent = Vec::new();
    // One in fifty nights breathing is shallow for a quarter of an hour.
    let depressed = (dice([who, day, 1], 50) == 0).then(|| start + 2 * HOUR_MS);
    for hour in 0..24 {
        let (from, to) = (start + hour * HOUR_MS, start + (hour + 1) * HOUR_MS);
        let level = if is_night(hour) { 62 } else { 78 };
        let heart = |at: i64| (level + dice([who, at, 2], 9)) as f64;
        sent.push((to, packed("watch", number, Measure::HeartRate, (from, to, MINUTE_MS), heart)));
        let steps =
            |at: i64| if is_night(hour) || dice([who, at, 3], 5) > 1 { 0.0 } else { dice([who, at, 4], 150) as f64 };
        sent.push((to, packed("watch", number, Measure::StepCount, (from, to, 5 * MINUTE_MS), steps)));
        let windows = (from..to).step_by(15 * MINUTE_MS as usize).filter(|_| is_night(hour));
        for from in windows {
            let (to, low) = (from + 15 * MINUTE_MS, depressed == Some(from));
            let oxygen = |at: i64| (if low { 85 } else { 95 } + dice([who, at, 5], 3)) as f64;
            let breaths = |at: i64| (if low { 6 } else { 14 } + dice([who, at, 6], 3)) as f64;
            let window = (from, to, 30 * SECOND_MS);
            sent.push((to, packed("oximeter", number, Measure::OxygenSaturation, window, oxygen)));
            sent.push((to, packed("oximeter", number, Measure::RespiratoryRate, window, breaths)));
        }
    }
    sent
}

fn daily(number: usize, day: i64) -> Vec<(i64, Series)> {
    let (start, who) = (start_of(day), number as i64);
    let roll = |what: i64, below: i64| dice([who, day, what], below);
    let minute = |minute: i64| start + minute * MINUTE_MS;
    let mut sent =
        vec![spot("scale", number, Measure::BodyWeight, minute(400 + roll(7, 20)), 80.0 + roll(8, 9) as f64 / 10.0)];
    for (nth, at) in [540, 840, 1_230].into_iter().enumerate() {
        let (at, mut report) =
            spot("phone", number, Measure::PainNrs, minute(at + roll(9, 25)), 3.0 + roll(10 + nth as i64, 4) as f64);
        report.meta.body_site = Some("lower_back".into());
        report.meta.modality = Some("self_reported".into());
        report.meta.recall = Some("now".into());
        report.meta.prompted = Some(true);
        sent.push((at, report));
    }
    for (nth, due) in [480, 1_200].into_iter().enumerate() {
        if roll(20 + nth as i64, 12) > 0 {
            sent.push(dose(number, SCHEDULED, minute(due - 60 + roll(22, 30))));
        }
    }
    if roll(23, 3) == 0 {
        sent.push(dose(number, AS_NEEDED, minute(720 + roll(24, 120))));
    }
    let (woke, to_bed) = (minute(370 + roll(25, 40)), minute(-105 + roll(26, 45)));
    let minutes = (woke - to_bed) / MINUTE_MS * 85 / 100;
    let asleep = sample(to_bed, Some(woke), Value::Number(Measure::TotalSleepTime.to_scaled(minutes as f64)));
    sent.push((woke, series("watch", number, Measure::TotalSleepTime, Meta::default(), vec![asleep])));
    sent.push(spot("watch", number, Measure::RestingHeartRate, woke + MINUTE_MS, 58.0 + roll(27, 4) as f64));
    sent
}

fn dose(number: usize, medication: &str, at: i64) -> (i64, Series) {
    let medication = MedicationId::parse(medication).expect("a medication id");
    let dose = Some(Dose { medication, event: DoseEvent::Taken, scheduled_for: None });
    let value = Value::Dose { amount: Some(1000), unit: "{tablet}".into() };
    let meta = Meta { dose, ..Meta::default() };
    (at, series("cap", number, Measure::MedicationEvent, meta, vec![sample(at, None, value)]))
}

fn more(number: usize, day: i64) -> Vec<(i64, Series)> {
    let (start, who) = (start_of(day), number as i64);
    let roll = |what: i64, below: i64| dice([who, day, what], below);
    let minute = |minute: i64| start + minute * MINUTE_MS;
    let mut sent = Vec::new();
    for hour in 0..24 {
        let window = (start + hour * HOUR_MS, start + (hour + 1) * HOUR_MS, MINUTE_MS);
        let counts = |at: i64| if is_night(hour) { dice([who, at, 30], 40) } else { dice([who, at, 31], 900) } as f64;
        sent.push((window.1, packed("watch", number, Measure::ActivityCount, window, counts)));
    }
    let beats = |at: i64| 900.0 + dice([who, at, 32], 80) as f64;
    for from in [150, 190, 230, 270, 310, 350] {
        let window = (minute(from), minute(from + 6), 960);
        sent.push((window.1, packed("watch", number, Measure::RrInterval, window, beats)));
    }
    for (nth, stage) in ["in_bed", "light", "deep", "light", "rem", "awake", "light", "deep", "light", "rem", "light"]
        .into_iter()
        .enumerate()
    {
        let (from, to) = if nth == 0 { (-60, 390) } else { (-45 + 40 * (nth as i64 - 1), -45 + 40 * nth as i64) };
        let stage = sample(minute(from), Some(minute(to)), Value::Code(stage.into()));
        let meta = Meta { algorithm: Some("vendor-2".into()), ..Meta::default() };
        sent.push((minute(to), series("watch", number, Measure::SleepStage, meta, vec![stage])));
    }
    for (nth, at) in [450, 452, 1_170, 1_172].into_iter().enumerate() {
        let of = |value: i64| Measure::BloodPressure.to_scaled(value as f64);
        let value = Value::Pressure { systolic: of(124 + roll(33 + nth as i64, 9)), diastolic: of(76 + roll(37, 6)) };
        let posture = if nth % 2 == 0 && roll(38, 7) == 0 { "standing" } else { "sitting" };
        let meta = Meta { posture: Some(posture.into()), ..Meta::default() };
        sent.push((
            minute(at),
            series("cuff", number, Measure::BloodPressure, meta, vec![sample(minute(at), None, value)]),
        ));
    }
    for at in [480, 1_200] {
        sent.push(spot("cuff", number, Measure::BodyTemperature, minute(at), 36.6 + roll(39, 5) as f64 / 10.0));
        sent.push(spot("cuff", number, Measure::OxygenFlow, minute(at), 0.0));
        sent.push(code("phone", number, Measure::Acvpu, minute(at), "A"));
        sent.push(code("phone", number, Measure::Poss, minute(at + 1), "1"));
    }
    sent.push(code("phone", number, Measure::FlareReport, minute(1_240), if roll(40, 9) == 0 { "yes" } else { "no" }));
    sent.push(code("watch", number, Measure::DeviceCharging, minute(1_290), "true"));
    sent.push(code("watch", number, Measure::DeviceCharging, minute(1_320), "false"));
    sent.push(code("watch", number, Measure::DeviceWorn, minute(1_325), "true"));
    if day % 7 == 3 {
        sent.push(spot("phone", number, Measure::Peg, minute(1_245), 4.0 + roll(41, 3) as f64));
    }
    sent
}
