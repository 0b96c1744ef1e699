//! Question: how many readings a second does one processor apply, without rules and under the opioid-safety pack, and how
//! long does everyone wait when a day closes (`close` measures that alone)? Budget: 200,000 readings/s in order, 5 ms a
//! patient at the close. On the back of the envelope: decode 50 ns, intake 100 ns, a row with its texts 1 µs, the rules' automata 100 ns; a close reads a
//! day of each measure some three times, 17,000 samples of 0.2 µs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use painwatch_domain::roster::{Device, Pairing, Patient};
use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{
    DeviceId, EventTime, Flags, JournalTime, Measure, Meta, Offset, PatientId, Roster, Sample, Series, TenantId, Value,
    Zone,
};
use painwatch_journal::{Class, Record};
use painwatch_processor::Engine;
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::{Entry, encode_series};
use painwatch_store::{MemoryStore, Store};
use prost::Message as _;

const START: i64 = 20_614 * DAY_MS;
const PERIOD_MS: i64 = 5_000;
const MEASURES: [(Measure, i64); 2] = [(Measure::HeartRate, 70), (Measure::OxygenSaturation, 95)];

fn patient(number: usize) -> PatientId {
    PatientId::parse(&format!("p{number:04}")).expect("a patient id")
}

fn device(number: usize) -> DeviceId {
    DeviceId::parse(&format!("watch-{number:04}")).expect("a device id")
}

/// `1000 opioid-safety`: so many patients, all with that pack.
fn roster(text: &str, _tenant: &TenantId) -> anyhow::Result<Roster> {
    let (count, packs) = text.split_once(' ').unwrap_or((text, ""));
    let mut roster = Roster { source: text.to_owned(), ..Roster::default() };
    for number in 0..count.parse()? {
        let person = Patient {
            id: patient(number),
            mrn: None,
            birth_date: None,
            sex: None,
            zones: vec![(EventTime::MIN, Zone::utc())],
            care_team: None,
            packs: packs.split(' ').filter(|pack| !pack.is_empty()).map(str::to_owned).collect(),
            conditions: Vec::new(),
            opioid_naive: false,
            spo2_scale_2: false,
            synthetic: true,
            research_consent: None,
        };
        roster.patients.insert(person.id.clone(), person);
        let (id, kind, streams, gateways) = (device(number), String::new(), Vec::new(), Vec::new());
        roster.devices.insert(id.clone(), Device { id, kind, serial: None, streams, gateways, source_priority: 1 });
        let (from, until) = (EventTime::MIN, None);
        roster.pairings.push(Pairing { device: device(number), patient: patient(number), from, until });
    }
    Ok(roster)
}

fn record(offset: u64, at: i64, class: Class, payload: Vec<u8>) -> Record {
    let (offset, journal_time, payload) = (Offset(offset), JournalTime(at), payload.into());
    Record { offset, journal_time, class, tenant: TenantId::default(), key_id: 0, logic_version: 1, payload }
}

/// A minute of one patient's watch. One patient in a hundred has low saturation for a quarter of every hour.
fn minute(number: usize, from: i64) -> pb::DeviceSection {
    let low = number.is_multiple_of(100) && from % HOUR_MS < 15 * MINUTE_MS;
    let entries = MEASURES.iter().enumerate().map(|(index, &(measure, usual))| {
        let samples = (from..from + MINUTE_MS).step_by(PERIOD_MS as usize).map(|device_time| {
            let wobble = (device_time / PERIOD_MS + number as i64) % 5;
            let value = if low && measure == Measure::OxygenSaturation { 84 } else { usual + wobble };
            let (time, value) = (EventTime(device_time), Value::Number(measure.to_scaled(value as f64)));
            Sample { time, device_time, end: None, value, flags: Flags::default() }
        });
        let series = Series { device: device(number), measure, meta: Meta::default(), samples: samples.collect() };
        Entry { index: index as u32, positions: (0..series.samples.len() as u32).collect(), series }
    });
    let readings = encode_series(&entries.collect::<Vec<_>>()).encode_to_vec().into();
    pb::DeviceSection { device: device(number).to_string(), readings }
}

struct Run {
    engine: Engine,
    offset: u64,
    readings: u64,
    busy: Duration,
    slowest: Duration,
    findings: usize,
}

impl Run {
    async fn begin(patients: usize, packs: &str) -> anyhow::Result<Self> {
        let engine = Engine::open(Arc::new(MemoryStore::new()) as Arc<dyn Store>, roster).await?;
        let mut run =
            Self { engine, offset: 0, readings: 0, busy: Duration::ZERO, slowest: Duration::ZERO, findings: 0 };
        let toml = format!("{patients} {packs}");
        let control =
            pb::Control { action: Some(pb::control::Action::Roster(pb::RosterApplied { toml })), ..Default::default() };
        run.apply(START, Class::Control, control.encode_to_vec()).await?;
        Ok(run)
    }

    async fn apply(&mut self, at: i64, class: Class, payload: Vec<u8>) -> anyhow::Result<()> {
        let record = record(self.offset, at, class, payload);
        self.offset += 1;
        let begun = Instant::now();
        let output = self.engine.apply(&record).await?;
        let took = begun.elapsed();
        self.busy += took;
        self.slowest = self.slowest.max(took);
        self.readings += output.verdict.map_or(0, |verdict| verdict.stored);
        self.findings += output.findings.len();
        Ok(())
    }

    /// A minute of every patient, ten patients a gateway.
    async fn minute(&mut self, patients: usize, from: i64) -> anyhow::Result<()> {
        for first in (0..patients).step_by(10) {
            let sections = (first..patients.min(first + 10)).map(|number| minute(number, from)).collect();
            let at = from + MINUTE_MS;
            let batch = pb::Batch { gateway: "gw".to_owned(), received_at_ms: at, sections, ..Default::default() };
            self.apply(at, Class::Batch, batch.encode_to_vec()).await?;
        }
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let close_only = std::env::args().any(|arg| arg == "close");
    for packs in ["", "opioid-safety", "opioid-safety function"].into_iter().filter(|_| !close_only) {
        let mut run = Run::begin(1000, packs).await?;
        for from in (START..START + 2 * HOUR_MS).step_by(MINUTE_MS as usize) {
            run.minute(1000, from).await?;
        }
        let rate = run.readings as f64 / run.busy.as_secs_f64();
        println!(
            "1000 patients, packs {packs:?}: {rate:.0} readings/s, slowest record {:?}, {} findings",
            run.slowest, run.findings
        );
    }
    let mut run = Run::begin(100, "opioid-safety function").await?;
    for from in (START..START + 31 * HOUR_MS).step_by(MINUTE_MS as usize) {
        run.minute(100, from).await?;
    }
    let rate = run.readings as f64 / run.busy.as_secs_f64();
    println!(
        "100 patients over a day's close: {rate:.0} readings/s, slowest record {:?}, {} findings",
        run.slowest, run.findings
    );
    let blobs = run.engine.checkpoint();
    let patients: Vec<usize> = blobs
        .iter()
        .filter(|blob| blob.kind == "patient")
        .map(|blob| blob.bytes.as_ref().map_or(0, Vec::len))
        .collect();
    println!("snapshots: {} bytes a patient", patients.iter().sum::<usize>() / patients.len().max(1));
    Ok(())
}
