//! Journal records by hand, an engine over a store in memory, and what came of it.

use std::sync::Arc;

use painwatch_domain::order::{Fill, Order};
use painwatch_domain::reading::{Dose, DoseEvent};
use painwatch_domain::{
    BatchVerdict, EventTime, Finding, Flags, JournalTime, Measure, MedicationId, Meta, Offset, Sample, Series,
    TenantId, Value,
};
use painwatch_journal::{Class, Record};
use painwatch_processor::{Engine, Output};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::{Entry, encode_fill, encode_order, encode_series};
use painwatch_store::{Applied, Commit, Consumer, MemoryStore, Store};
use prost::Message as _;

use crate::clinic;

/// One reading or packed series of one device, as a gateway sent it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub series: Series,
    pub historical: bool,
}

pub fn sample(time: i64, value: Value) -> Sample {
    Sample { time: EventTime(time), device_time: time, end: None, value, flags: Flags::default() }
}

impl Sent {
    pub fn new(device: &str, measure: Measure, samples: Vec<Sample>) -> Self {
        let series = Series { device: clinic::device_id(device), measure, meta: Meta::default(), samples };
        Self { series, historical: false }
    }

    pub fn numbers(device: &str, measure: Measure, samples: impl IntoIterator<Item = (i64, f64)>) -> Self {
        let samples = samples.into_iter().map(|(time, value)| sample(time, Value::Number(measure.to_scaled(value))));
        Self::new(device, measure, samples.collect())
    }

    pub fn interval(device: &str, measure: Measure, from: i64, until: i64, value: f64) -> Self {
        let mut sent = Self::numbers(device, measure, [(from, value)]);
        sent.series.samples[0].end = Some(until);
        sent
    }

    pub fn code(device: &str, measure: Measure, time: i64, code: &str) -> Self {
        Self::new(device, measure, vec![sample(time, Value::Code(code.into()))])
    }

    pub fn dose(device: &str, medication: &str, time: i64, amount: i64) -> Self {
        let value = Value::Dose { amount: Some(amount * 1000), unit: "{tablet}".into() };
        let mut sent = Self::new(device, Measure::MedicationEvent, vec![sample(time, value)]);
        let (medication, event) = (MedicationId::parse(medication).unwrap(), DoseEvent::Taken);
        sent.series.meta.dose = Some(Dose { medication, event, scheduled_for: None });
        sent
    }

    pub fn pressure(device: &str, time: i64, systolic: f64, diastolic: f64, posture: &str) -> Self {
        let of = |value: f64| Measure::BloodPressure.to_scaled(value);
        let value = Value::Pressure { systolic: of(systolic), diastolic: of(diastolic) };
        let mut sent = Self::new(device, Measure::BloodPressure, vec![sample(time, value)]);
        sent.series.meta.posture = Some(posture.into());
        sent
    }

    pub fn about(mut self, body_site: Option<&str>, instrument: Option<&str>) -> Self {
        self.series.meta.body_site = body_site.map(Into::into);
        self.series.meta.instrument = instrument.map(Into::into);
        self
    }

    pub fn historical(mut self) -> Self {
        self.historical = true;
        self
    }

    pub fn last_time(&self) -> i64 {
        self.series.samples.iter().map(|sample| sample.time.0).max().unwrap_or(0)
    }
}

/// Writes records one after the other.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    pub records: Vec<Record>,
}

impl Journal {
    fn push(&mut self, at: i64, class: Class, payload: Vec<u8>) {
        self.push_of(TenantId::default(), at, class, payload);
    }

    fn push_of(&mut self, tenant: TenantId, at: i64, class: Class, payload: Vec<u8>) {
        let at = self.records.last().map_or(at, |last| at.max(last.journal_time.0));
        self.records.push(Record {
            offset: Offset(self.records.len() as u64),
            journal_time: JournalTime(at),
            class,
            tenant,
            key_id: 0,
            logic_version: 1,
            payload: payload.into(),
        });
    }

    /// A batch of another clinic, or of the canaries.
    pub fn batch_of(&mut self, tenant: TenantId, at: i64, sent: &[Sent]) {
        let payload = batch(self.records.len(), at, sent).encode_to_vec();
        self.push_of(tenant, at, Class::Batch, payload);
    }

    /// How the canary found an input.
    pub fn input(&mut self, at: i64, input: &str, alive: bool, since_ms: i64) {
        let state = pb::InputState { input: input.to_owned(), alive, since_ms, detail: "no verdict".to_owned() };
        let action = Some(pb::control::Action::InputState(state));
        self.push(at, Class::Control, pb::Control { action, ..Default::default() }.encode_to_vec());
    }

    /// The program was not running.
    pub fn gap(&mut self, from: i64, to: i64) {
        let gap = pb::Gap { from_ms: from, to_ms: to, cause: "self".to_owned() };
        self.push(to, Class::Gap, gap.encode_to_vec());
    }

    /// What a gateway says of itself and of a device.
    pub fn status(&mut self, at: i64, status: pb::GatewayStatus) {
        let action = Some(pb::control::Action::GatewayStatus(status));
        self.push(at, Class::Control, pb::Control { action, ..Default::default() }.encode_to_vec());
    }

    pub fn tick(&mut self, at: i64) {
        self.push(at, Class::Tick, Vec::new());
    }

    pub fn roster(&mut self, at: i64, text: &str) {
        let action = pb::control::Action::Roster(pb::RosterApplied { toml: text.to_owned() });
        self.push(at, Class::Control, pb::Control { action: Some(action), ..Default::default() }.encode_to_vec());
    }

    pub fn rule(&mut self, at: i64, id: &str, toml: &str) {
        let accepted = pb::RuleAccepted { rule: id.to_owned(), toml: toml.to_owned(), ..Default::default() };
        let action = pb::control::Action::RuleAccepted(accepted);
        self.push(at, Class::Control, pb::Control { action: Some(action), ..Default::default() }.encode_to_vec());
    }

    /// A rule of a clinic's own.
    pub fn rule_of_pack(&mut self, at: i64, pack: &str, rule: &painwatch_processor_core::rules::Rule) {
        let (id, toml) = (rule.id.to_string(), rule.to_toml());
        let accepted = pb::RuleAccepted { rule: id, toml, pack: pack.to_owned(), ..Default::default() };
        let action = pb::control::Action::RuleAccepted(accepted);
        self.push(at, Class::Control, pb::Control { action: Some(action), ..Default::default() }.encode_to_vec());
    }

    /// What a gateway orders and hands over.
    pub fn orders(&mut self, at: i64, gateway: &str, orders: &[Order], fills: &[Fill]) {
        let written = pb::OrdersWritten {
            gateway: gateway.to_owned(),
            orders: orders.iter().map(encode_order).collect(),
            fills: fills.iter().map(encode_fill).collect(),
        };
        let action = Some(pb::control::Action::Orders(written));
        self.push(at, Class::Control, pb::Control { action, ..Default::default() }.encode_to_vec());
    }

    /// One batch; all of one mode.
    pub fn batch(&mut self, at: i64, sent: &[Sent]) {
        let payload = batch(self.records.len(), at, sent).encode_to_vec();
        self.push(at, Class::Batch, payload);
    }
}

pub fn batch(number: usize, received_at: i64, sent: &[Sent]) -> pb::Batch {
    let section = |(index, sent): (usize, &Sent)| {
        let packed = sent.series.samples.len() > 1;
        let positions = if packed { (0..sent.series.samples.len() as u32).collect() } else { Vec::new() };
        let entry = Entry { index: index as u32, series: sent.series.clone(), positions };
        pb::DeviceSection {
            device: sent.series.device.to_string(),
            readings: encode_series(&[entry]).encode_to_vec().into(),
        }
    };
    pb::Batch {
        gateway: "gw".to_owned(),
        batch_id: format!("gw/{number}"),
        received_at_ms: received_at,
        historical: sent.iter().any(|sent| sent.historical),
        protocol: "test".to_owned(),
        sections: sent.iter().enumerate().map(section).collect(),
        ..Default::default()
    }
}

/// An engine and its store.
pub struct Rig {
    pub store: Arc<MemoryStore>,
    pub engine: Engine,
    pub findings: Vec<Finding>,
    pub verdicts: Vec<BatchVerdict>,
    /// Concluded, and not journalled by anybody but the test.
    pub decisions: Vec<pb::ClockOffset>,
    epoch: u64,
}

impl Rig {
    pub async fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let epoch = store.take_ownership().await.unwrap();
        let engine = open(&store).await;
        Self { store, engine, findings: Vec::new(), verdicts: Vec::new(), decisions: Vec::new(), epoch }
    }

    /// Applies a record and commits its rows; what it said.
    pub async fn apply(&mut self, record: &Record) -> String {
        let output = self.engine.apply(record).await.unwrap();
        let said = said(&output);
        self.keep(output, record.journal_time).await;
        said
    }

    /// As [`Self::apply`]: the findings as they are journalled, by the clinic in whose name.
    pub async fn findings_of(&mut self, record: &Record) -> Vec<(TenantId, Vec<pb::Finding>)> {
        let output = self.engine.apply(record).await.unwrap();
        let findings = output.findings_by_tenant().into_iter();
        let findings = findings.map(|(tenant, message)| (tenant, message.findings)).collect();
        self.keep(output, record.journal_time).await;
        findings
    }

    pub async fn apply_all(&mut self, journal: &Journal) {
        for record in &journal.records {
            if record.offset >= self.engine.next() {
                self.apply(record).await;
            }
        }
    }

    async fn keep(&mut self, output: Output, journal_time: JournalTime) {
        self.findings.extend(output.findings);
        self.verdicts.extend(output.verdict);
        self.decisions.extend(output.decisions);
        let applied = Some((Consumer::Processor, Applied { next: self.engine.next(), journal_time }));
        self.store.commit(&Commit { epoch: self.epoch, applied, rows: output.rows, blobs: Vec::new() }).await.unwrap();
    }

    pub async fn checkpoint(&mut self) {
        let blobs = self.engine.checkpoint();
        self.store.commit(&Commit { epoch: self.epoch, blobs, ..Commit::default() }).await.unwrap();
        self.engine.settle(0);
    }

    /// The process dies: what was not in the checkpoint is gone.
    pub async fn crash(&mut self) {
        self.engine = open(&self.store).await;
    }

    /// Applies a record whose rows are in the store already; what it said.
    pub async fn repeat(&mut self, record: &Record) -> String {
        said(&self.engine.apply(record).await.unwrap())
    }
}

async fn open(store: &Arc<MemoryStore>) -> Engine {
    Engine::open(Arc::clone(store) as Arc<dyn Store>, clinic::parse).await.unwrap()
}

fn said(output: &Output) -> String {
    format!("{:?}\n{:?}\n{:?}", output.findings, output.verdict, output.rows)
}
