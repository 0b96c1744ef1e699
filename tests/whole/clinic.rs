//! A ward whose truth is known: everybody wears an oximeter, everybody has one bad spell, some breathe slowly in it.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use painwatch_gateway::outgoing::{Payload, sample_count};
use painwatch_proto::ingest::v1::{Mode, Reading, ReadingBatch};

use crate::program::{Installation, Server};

/// As many gateways as speak at a time.
pub const GATEWAYS: usize = 4;
/// Messages of one patient: one every ten seconds of 50 minutes.
pub const MESSAGES: usize = 300;
const STEP_MS: i64 = 10_000;
/// In these messages oxygen saturation is 84: for longer than the three minutes that the rules ask for.
const SPELL: std::ops::Range<usize> = 210..250;

/// Everything that will be sent, and what must come of it.
pub struct Clinic {
    patients: usize,
    start_ms: i64,
    zone: String,
    others: String,
}

impl Clinic {
    /// The spell ends some minutes before now: late enough to be told to people.
    pub fn of(patients: usize) -> Self {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64;
        let start_ms = (now_ms - 53 * 60_000) / STEP_MS * STEP_MS;
        Self { patients, start_ms, zone: zone_at_noon(now_ms), others: String::new() }
    }

    /// Other people in the same roster.
    pub fn with(self, others: String) -> Self {
        Self { others, ..self }
    }

    /// Puts patients, devices and rules in force on a running server.
    pub fn move_in(&self, installation: &Installation, webhook: Option<&str>) {
        let file = installation.data.with_extension("roster.toml");
        std::fs::write(&file, self.roster(webhook)).expect("the roster is written");
        installation.told(&["roster", "apply", file.to_str().expect("a path")]);
        installation.told(&["rules", "accept", "all", "--by", "Dr. A. Example"]);
    }

    fn roster(&self, webhook: Option<&str>) -> String {
        let mut toml = self.others.clone();
        for patient in 0..self.patients {
            let zone = &self.zone;
            write!(
                toml,
                "[[patient]]\nid = \"p-{patient:03}\"\nzone = \"{zone}\"\ncare_team = \"ward\"\npacks = [\"opioid-safety\"]\n\
                 [[device]]\nid = \"oximeter-{patient:03}\"\n\
                 [[pairing]]\ndevice = \"oximeter-{patient:03}\"\npatient = \"p-{patient:03}\"\nfrom = \"2020-01-01\"\n"
            )
            .expect("text");
        }
        if let Some(url) = webhook {
            write!(toml, "[[contact]]\nid = \"nurse\"\ncare_team = \"ward\"\nwebhook_url = \"{url}\"\n").expect("text");
        }
        toml
    }

    /// What each gateway sends, in order: patient after patient, so that alerts come all along.
    pub fn messages(&self, gateway: usize) -> impl Iterator<Item = Payload> + '_ {
        let patients = (0..self.patients).filter(move |patient| patient % GATEWAYS == gateway);
        patients.flat_map(move |patient| (0..MESSAGES).map(move |step| self.message(gateway, patient, step)))
    }

    fn message(&self, gateway: usize, patient: usize, step: usize) -> Payload {
        Payload::Batch(ReadingBatch {
            gateway: format!("gw-{gateway}"),
            batch_id: format!("gw-{gateway}/{patient}-{step}"),
            sent_at: String::new(),
            mode: Mode::Live.into(),
            readings: self.readings(patient, step),
        })
    }

    /// The readings of one message.
    pub fn readings(&self, patient: usize, step: usize) -> Vec<Reading> {
        let spell = SPELL.contains(&step);
        let time_ms = self.start_ms + step as i64 * STEP_MS;
        let reading = |measure: &str, value: f64, unit: &str| Reading {
            device: format!("oximeter-{patient:03}"),
            measure: measure.into(),
            time_ms: Some(time_ms),
            value: Some(value),
            unit: unit.into(),
            ..Reading::default()
        };
        let mut readings = vec![reading("oxygen_saturation", if spell { 84.0 } else { 96.0 + (step % 3) as f64 }, "%")];
        if step.is_multiple_of(3) {
            let slow = spell && breathes_slowly(patient);
            readings.push(reading("respiratory_rate", if slow { 7.0 } else { 15.0 }, "/min"));
        }
        if step.is_multiple_of(6) {
            let values = (0..6).map(|second| if second == 4 { f64::NAN } else { 70.0 + (patient % 9) as f64 });
            let packed = reading("heart_rate", 0.0, "/min");
            readings.push(Reading { value: None, values: values.collect(), period_ms: Some(1_000), ..packed });
        }
        readings
    }

    pub fn reading_count(&self) -> u64 {
        let of_one: u64 = (0..MESSAGES).flat_map(|step| self.readings(0, step)).map(|one| sample_count(&one)).sum();
        of_one * self.patients as u64
    }

    /// Below 90 and at most 85 for everybody, slow breathing for some.
    pub fn alert_count(&self) -> usize {
        (0..self.patients).map(|patient| 2 + usize::from(breathes_slowly(patient))).sum()
    }
}

const fn breathes_slowly(patient: usize) -> bool {
    patient.is_multiple_of(3)
}

/// A zone where it is about noon, so that no local day ends while a test runs.
fn zone_at_noon(now_ms: i64) -> String {
    let hour = now_ms / 3_600_000 % 24;
    // POSIX signs: east is negative.
    match hour - 12 {
        0 => "Etc/GMT".to_owned(),
        behind @ 1.. => format!("Etc/GMT+{behind}"),
        ahead => format!("Etc/GMT{ahead}"),
    }
}

/// A server with the ward moved in.
pub fn opened(installation: &Installation, clinic: &Clinic, webhook: Option<&str>) -> Server {
    let server = installation.serve();
    clinic.move_in(installation, webhook);
    server
}
