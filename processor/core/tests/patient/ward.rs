//! A clinic with its readings at hand: the core under test, driven as its shell drives it.

use std::collections::BTreeMap;
use std::sync::Arc;

use painwatch_domain::reading::{Dose, DoseEvent, Mode};
use painwatch_domain::roster::{Device, F64Bits, Medication, Pairing, Patient, Prescription, Stream};
use painwatch_domain::{
    DeviceId, EventTime, Finding, FindingKind, Flags, JournalTime, Measure, MedicationId, Meta, PatientId, Roster,
    Status, TenantId, Value, Zone,
};
use painwatch_processor_core::intake::EffectiveReading;
use painwatch_processor_core::patient::day::Observation;
use painwatch_processor_core::patient::episodes::EpisodeOut;
use painwatch_processor_core::patient::explain::InForce;
use painwatch_processor_core::patient::{Clinic, CoverageOut, MetricOut, Performed, Sight};
use painwatch_processor_core::rules::{self, Rule, default_packs};

pub struct Ward {
    pub clinic: Clinic,
    pub roster: Roster,
    pub readings: Vec<EffectiveReading>,
    pub findings: Vec<Finding>,
    /// By (patient, rule, start).
    pub episodes: BTreeMap<(PatientId, String, i64), EpisodeOut>,
    pub coverage: BTreeMap<(PatientId, String, i64), CoverageOut>,
    pub coverage_defects: u32,
    /// The last that was told, by metric and start of the day.
    pub metrics: BTreeMap<(String, i64), MetricOut>,
    rules: Vec<Rule>,
    /// Rules that were put in force later, and when.
    later: Vec<(Rule, JournalTime)>,
    saved: BTreeMap<(PatientId, &'static str), Vec<u8>>,
    paths: Option<Vec<u8>>,
}

pub fn patient_id(name: &str) -> PatientId {
    PatientId::parse(name).unwrap()
}

pub fn device_id(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap()
}

pub fn person(name: &str, packs: &[&str]) -> Patient {
    Patient {
        id: patient_id(name),
        mrn: None,
        birth_date: None,
        sex: None,
        zones: vec![(EventTime::MIN, Zone::parse("UTC").unwrap())],
        care_team: None,
        packs: packs.iter().map(|pack| (*pack).to_owned()).collect(),
        conditions: Vec::new(),
        opioid_naive: false,
        spo2_scale_2: false,
        synthetic: true,
        research_consent: None,
    }
}

/// Gives a patient a device with streams, from the beginning of time.
pub fn wears(roster: &mut Roster, patient: &str, device: &str, streams: &[(Measure, i64)]) {
    let stream = |(measure, every_ms): &(Measure, i64)| Stream {
        measure: *measure,
        every_ms: *every_ms,
        alert_after_ms: None,
        hours: None,
    };
    let id = device_id(device);
    let known = Device {
        id: id.clone(),
        kind: String::new(),
        serial: None,
        streams: streams.iter().map(stream).collect(),
        gateways: Vec::new(),
        source_priority: 1,
    };
    roster.devices.insert(id.clone(), known);
    roster.pairings.push(Pairing { device: id, patient: patient_id(patient), from: EventTime(0), until: None });
}

pub fn prescribed(roster: &mut Roster, patient: &str, start: i64, times_min: &[u32]) {
    ordered(roster, patient, start, ("oxycodone-5mg", "oxycodone", 5.0, "ir"), times_min);
}

/// A medication by id, ingredient, milligrams and release, and its scheduled order.
pub fn ordered(
    roster: &mut Roster,
    patient: &str,
    start: i64,
    (id, ingredient, mg, release): (&str, &str, f64, &str),
    times_min: &[u32],
) {
    let id = MedicationId::parse(id).unwrap();
    let medication = Medication {
        id: id.clone(),
        ingredient: ingredient.to_owned(),
        strength_mg: Some(F64Bits::new(mg)),
        unit: "{tablet}".to_owned(),
        release: release.to_owned(),
        rxnorm: None,
        atc: None,
    };
    roster.medications.insert(id.clone(), medication);
    roster.prescriptions.push(Prescription {
        patient: patient_id(patient),
        medication: id,
        dose: F64Bits::new(1.0),
        start: EventTime(start),
        end: None,
        times_min: times_min.to_vec(),
        prn: None,
    });
}

pub fn reading(device: &str, measure: Measure, time: i64, value: Value) -> EffectiveReading {
    EffectiveReading {
        device: device_id(device),
        measure,
        time: EventTime(time),
        device_time: time,
        end: None,
        value,
        flags: Flags::default(),
        status: Status::Final,
        revision: 0,
        mode: Mode::Live,
        undecided: false,
        id: None,
        about: Arc::default(),
    }
}

pub fn number(device: &str, measure: Measure, time: i64, value: f64) -> EffectiveReading {
    reading(device, measure, time, Value::Number(measure.to_scaled(value)))
}

pub fn dose(device: &str, time: i64) -> EffectiveReading {
    dose_of("oxycodone-5mg", device, time)
}

pub fn dose_of(medication: &str, device: &str, time: i64) -> EffectiveReading {
    let value = Value::Dose { amount: Some(1000), unit: "{tablet}".into() };
    let medication = MedicationId::parse(medication).unwrap();
    let dose = Some(Dose { medication, event: DoseEvent::Taken, scheduled_for: None });
    let about = Arc::new(Meta { dose, ..Meta::default() });
    EffectiveReading { about, ..reading(device, Measure::MedicationEvent, time, value) }
}

/// A value that calls for nothing, or for everything, of pain, breathing and saturation.
pub fn good_or_bad(measure: Measure, bad: bool) -> f64 {
    match (measure, bad) {
        (Measure::PainNrs, true) => 8.0,
        (Measure::PainNrs, false) => 3.0,
        (Measure::RespiratoryRate, true) => 7.0,
        (Measure::RespiratoryRate, false) => 15.0,
        (_, true) => 85.0,
        (_, false) => 97.0,
    }
}

impl Ward {
    /// A clinic under the rules of a text, or the default packs, whose roster is in force from `now` on.
    pub fn new(roster: Roster, text: Option<&str>, now: i64) -> Self {
        let rules = text.map_or_else(default_packs, |text| rules::parse(text, "clinic.toml").unwrap());
        Self::of(roster, rules, now)
    }

    fn of(roster: Roster, rules: Vec<Rule>, now: i64) -> Self {
        let mut ward = Self {
            clinic: Clinic::new(TenantId::default(), rules.clone()),
            roster: Roster::default(),
            readings: Vec::new(),
            findings: Vec::new(),
            episodes: BTreeMap::new(),
            coverage: BTreeMap::new(),
            coverage_defects: 0,
            metrics: BTreeMap::new(),
            rules,
            later: Vec::new(),
            saved: BTreeMap::new(),
            paths: None,
        };
        ward.roster(roster, now);
        ward
    }

    pub fn roster(&mut self, roster: Roster, now: i64) {
        self.tick(now);
        let stored: Vec<(DeviceId, Measure, i32)> = self
            .readings
            .iter()
            .map(|seen| (seen.device.clone(), seen.measure, seen.time.0.div_euclid(86_400_000) as i32))
            .collect();
        let stored = |device: &DeviceId| {
            let own = stored.iter().filter(|(of, ..)| of == device);
            own.map(|(_, measure, day)| (*measure, *day)).collect()
        };
        self.roster = roster.clone();
        self.clinic.set_roster(Arc::new(roster), &stored, JournalTime(now)).unwrap();
        self.tick(now);
    }

    /// Puts the rules of a text in force from `now` on.
    pub fn rule(&mut self, text: &str, now: i64) {
        self.tick(now);
        for rule in rules::parse(text, "clinic.toml").unwrap() {
            self.clinic.set_rule(rule.clone(), JournalTime(now));
            self.later.push((rule, JournalTime(now)));
        }
        self.tick(now);
    }

    /// What a rule says of a patient's moment, by what is known now.
    pub fn explained(&self, patient: &str, rule: &str, at: i64) -> InForce {
        let patient = patient_id(patient);
        let history = self.fetched(&patient, &self.clinic.explain_needs(&patient, at).unwrap());
        let all = self.clinic.explain(&patient, at, &history).unwrap();
        all.into_iter().find(|one| one.rule.as_str() == rule).and_then(|one| one.in_force).unwrap()
    }

    /// The patient's readings within windows, in order.
    pub fn fetched(&self, patient: &PatientId, windows: &[(Measure, i64, i64)]) -> Vec<Observation> {
        let mut history: Vec<Observation> = Vec::new();
        for (measure, from, to) in windows {
            let wanted = |seen: &&EffectiveReading| {
                seen.measure == *measure
                    && (*from..*to).contains(&seen.time.0)
                    && self.roster.wearer(&seen.device, seen.time) == Some(patient)
            };
            history.extend(self.readings.iter().filter(wanted).cloned().map(Observation::new));
        }
        history.sort_by(|a, b| {
            (a.time, a.reading.measure, &a.reading.device).cmp(&(b.time, b.reading.measure, &b.reading.device))
        });
        history
    }

    /// Lets time pass until `now`.
    pub fn tick(&mut self, now: i64) {
        while let Some(task) = self.clinic.next_task(JournalTime(now)) {
            let history = self.fetched(&task.patient, &task.needs);
            let patient = task.patient.clone();
            let performed = self.clinic.perform(task, &history);
            self.keep(&patient, performed.unwrap());
        }
    }

    fn keep(&mut self, patient: &PatientId, performed: Performed) {
        self.findings.extend(performed.episodes.findings);
        for (rule, start) in performed.episodes.gone {
            self.episodes.remove(&(patient.clone(), rule.to_string(), start));
        }
        for row in performed.episodes.rows {
            self.episodes.insert((patient.clone(), row.rule.to_string(), row.start), row);
        }
        for day in performed.coverage {
            self.coverage.insert((patient.clone(), day.rule.to_string(), day.window.1), day);
        }
        self.coverage_defects += performed.coverage_defects;
        for row in performed.metrics {
            self.metrics.insert((row.metric.clone(), row.window.0), row);
        }
    }

    /// A reading arrives.
    pub fn send(&mut self, reading: EffectiveReading, now: i64) {
        self.tick(now);
        let (time, value) = (reading.time, reading.value.clone());
        self.readings.push(reading.clone());
        let Some(patient) = self.roster.wearer(&reading.device, reading.time).cloned() else { return };
        let sight = Sight { measure: reading.measure, new: true, historical: false };
        self.clinic.observe(&patient, sight, [(time, Some(&value))].into_iter(), JournalTime(now));
        self.clinic.alive(&patient, &reading.device, reading.measure, std::iter::once(time.0), JournalTime(now));
        self.tick(now);
    }

    /// A reading is entered in error.
    pub fn take_back(&mut self, nth: usize, now: i64) {
        self.tick(now);
        let gone = self.readings.remove(nth);
        let Some(patient) = self.roster.wearer(&gone.device, gone.time).cloned() else { return };
        let sight = Sight { measure: gone.measure, new: false, historical: false };
        self.clinic.observe(&patient, sight, [(gone.time, None)].into_iter(), JournalTime(now));
        self.tick(now);
    }

    /// The program starts again after a pause: from its snapshots, and its journal says so.
    pub fn restart(&mut self, from: i64, to: i64) {
        self.again();
        self.clinic.paused(from, to);
        self.tick(to);
    }

    /// Episodes that are canonical, and the ledger.
    pub fn history(&self) -> Vec<String> {
        let episodes = self.episodes.iter().map(|((_, rule, start), row)| {
            format!(
                "{rule} {:?} {:?} {:?} {:?}",
                EventTime(*start),
                row.end.map(EventTime),
                row.peak,
                row.evidence_hash
            )
        });
        let covered = self.coverage.iter().map(|((_, rule, end), day)| {
            let part =
                |(from, to, cause): &(i64, i64, &str)| format!("{}–{} {cause:?}", EventTime(*from), EventTime(*to));
            format!("{rule} {end} {:?}", day.intervals.iter().map(part).collect::<Vec<_>>())
        });
        episodes.chain(covered).collect()
    }

    /// From the snapshots of everything.
    pub fn again(&mut self) {
        let mut clinic = Clinic::new(TenantId::default(), self.rules.clone());
        clinic.restore_roster(Arc::clone(self.clinic.roster()));
        self.later.iter().for_each(|(rule, from)| clinic.restore_rule(rule.clone(), *from));
        for snapshot in self.clinic.take_snapshots() {
            self.saved.insert((snapshot.patient, snapshot.part.as_str()), snapshot.bytes);
        }
        if let Some(bytes) = self.clinic.take_paths() {
            self.paths = Some(bytes);
        }
        for ((patient, part), bytes) in &self.saved {
            clinic
                .restore(patient, painwatch_processor_core::patient::Part::parse(part).unwrap(), bytes.clone())
                .unwrap();
        }
        self.paths.iter().for_each(|bytes| clinic.restore_paths(bytes).unwrap());
        self.clinic = clinic;
    }

    pub fn told(&self, rule: &str) -> Vec<FindingKind> {
        let own = self.findings.iter().filter(|finding| finding.rule.as_str() == rule);
        own.map(|finding| finding.kind).collect()
    }

    /// What stands in a metric's row of the day that begins then.
    pub fn value(&self, metric: &str, day: i64) -> Option<f64> {
        self.metrics.get(&(metric.to_owned(), day)).and_then(|row| row.told.value.value)
    }

    pub fn quality(&self, metric: &str, day: i64) -> &str {
        self.metrics.get(&(metric.to_owned(), day)).map_or("", |row| row.told.value.quality.as_str())
    }

    pub fn spans(&self, rule: &str) -> Vec<(i64, Option<i64>)> {
        let own = self.episodes.iter().filter(|((_, of, _), _)| of == rule);
        own.map(|((.., start), row)| (*start, row.end)).collect()
    }
}
