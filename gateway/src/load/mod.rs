//! Load: many simulated gateways at once. What is true is written to a file before the first byte is sent; afterwards the
//! report says how many readings were acknowledged, how fast, and how long an answer took.

mod report;
mod stream;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use painwatch_domain::Measure;
use painwatch_proto::json::batch_to_json;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;

pub use report::{Latency, LoadReport};

use crate::client::{Client, ClientError, ClientOptions, GrpcClient, MqttClient, Receipt};
use crate::ledger::Books;
use crate::outgoing::{Payload, Protocol};
use crate::roster::{PatientEntry, RosterDraft, stream as roster_stream};
use crate::simulate::faults::FaultPlan;
use crate::truth::{FaultCounts, GroundTruth};
use report::Tally;
use stream::LoadStream;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoadOptions {
    pub seed: u64,
    pub patients: u32,
    /// Connections; patients are spread over them.
    pub gateways: u32,
    pub protocol: Protocol,
    /// Of the endpoint that `protocol` names.
    pub address: String,
    #[serde(skip)]
    pub token: String,
    /// Batches each gateway may have unanswered.
    pub window: u16,
    /// Readings in all, without what faults add.
    pub readings: u64,
    /// Readings a second over all gateways; `None` is as many as are acknowledged.
    pub rate: Option<f64>,
    pub batch_size: u32,
    /// One packed series a batch instead of single readings.
    pub packed: bool,
    pub faults: FaultPlan,
    /// Whose name the one gateway has; without it they are numbered.
    pub gateway: Option<String>,
    /// Event time of the newest reading, UTC milliseconds. Readings are a second apart and end here.
    pub end_ms: i64,
    /// Where the truth is written.
    pub truth: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the ground truth could not be written to {}: {source}", path.display())]
    Truth { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{0}")]
    Options(&'static str),
}

impl LoadOptions {
    fn check(&self) -> Result<(), LoadError> {
        let limits = [
            (
                self.patients == 0 || self.gateways == 0 || self.batch_size == 0,
                "patients, gateways and batch size are at least 1",
            ),
            (self.gateways > self.patients, "there cannot be more gateways than patients"),
            (self.gateway.is_some() && self.gateways != 1, "a name is for one gateway"),
            (u64::from(self.batch_size) > crate::outgoing::BATCH_READINGS_MAX, "a batch holds at most 5000 readings"),
            (self.rate.is_some_and(|rate| rate.is_nan() || rate <= 0.0), "the rate is above 0"),
        ];
        limits.iter().find(|(broken, _)| *broken).map_or(Ok(()), |(_, text)| Err(LoadError::Options(text)))
    }

    /// As the gateway with this number calls itself.
    pub fn gateway_name(&self, number: u32) -> String {
        self.gateway.clone().unwrap_or_else(|| format!("gw-load-{:05}", number + 1))
    }

    pub fn gateway_names(&self) -> Vec<String> {
        (0..self.gateways).map(|number| self.gateway_name(number)).collect()
    }

    pub(crate) fn streams(&self) -> impl Iterator<Item = LoadStream> + '_ {
        (0..self.gateways).map(|gateway| LoadStream::new(self, gateway))
    }

    /// What is true, found by generating everything once without sending it.
    pub fn truth(&self) -> GroundTruth {
        let (mut faults, mut expected) = (FaultCounts::default(), Books::default());
        for mut stream in self.streams() {
            stream.by_ref().for_each(drop);
            add_faults(&mut faults, &stream.injector.counts);
            add_books(&mut expected, &stream.injector.books);
        }
        let patients = (0..self.patients).map(stream::patient).collect();
        let gateways = self.gateway_names();
        faults.outages = if self.faults.outage_ms > 0 { u64::from(self.gateways) } else { 0 };
        GroundTruth { synthetic: true, seed: self.seed, patients, faults, expected, gateways, ..GroundTruth::default() }
    }

    /// Everything that would be sent, a payload in JSON a line, in order: for a gateway that is not ours. Bytes that are no batch
    /// are left out of the truth as well, because no such gateway is made to carry them.
    ///
    /// # Errors
    /// [`LoadError`] when the options make no sense or a file cannot be written.
    pub fn write_lines(&self, lines: &Path) -> Result<GroundTruth, LoadError> {
        let plain = Self { faults: FaultPlan { malformed: 0.0, ..self.faults }, ..self.clone() };
        plain.check()?;
        let failed = |source| LoadError::Truth { path: lines.to_owned(), source };
        let mut file = BufWriter::new(File::create(lines).map_err(failed)?);
        for step in plain.streams().flatten() {
            if let Payload::Batch(batch) = &step.payload {
                writeln!(file, "{}", batch_to_json(batch)).map_err(failed)?;
            }
        }
        file.flush().map_err(failed)?;
        Ok(plain.truth())
    }

    /// The simulated patients and their watches, for a server that should know them.
    pub fn roster(&self, care_team: &str) -> RosterDraft {
        let mut draft = RosterDraft::default();
        for id in (0..self.patients).map(stream::patient) {
            let streams = vec![roster_stream(Measure::HeartRate, "1s")];
            draft.add_device(&format!("{id}-watch"), "watch", streams, 1, &id, "2000-01-01");
            draft.patient.push(PatientEntry {
                id,
                zone: "UTC".to_owned(),
                care_team: care_team.to_owned(),
                packs: Vec::new(),
                conditions: Vec::new(),
                opioid_naive: false,
                synthetic: true,
            });
        }
        draft
    }
}

fn add_faults(sum: &mut FaultCounts, more: &FaultCounts) {
    sum.duplicated += more.duplicated;
    sum.late += more.late;
    sum.reordered += more.reordered;
    sum.clock_ahead += more.clock_ahead;
    sum.malformed += more.malformed;
    sum.unknown_unit += more.unknown_unit;
    sum.local_stamps += more.local_stamps;
}

fn add_books(sum: &mut Books, more: &Books) {
    sum.submitted += more.submitted;
    sum.stored += more.stored;
    sum.duplicate += more.duplicate;
    sum.conflict += more.conflict;
    sum.quarantined += more.quarantined;
    sum.identities += more.identities;
}

/// Writes the truth, then sends everything and waits for every answer.
///
/// # Errors
/// [`LoadError`] when the options make no sense, the truth cannot be written, or a gateway is not let in.
pub async fn run(options: &LoadOptions) -> Result<LoadReport, LoadError> {
    run_after(options, Books::default()).await
}

/// As [`run`]; the truth says what the books of these gateways said before.
///
/// # Errors
/// As [`run`].
pub async fn run_after(options: &LoadOptions, before: Books) -> Result<LoadReport, LoadError> {
    options.check()?;
    let truth = GroundTruth { before, ..options.truth() };
    truth.write(&options.truth).map_err(|source| LoadError::Truth { path: options.truth.clone(), source })?;
    let started = Instant::now();
    let gateways = futures::future::try_join_all(
        options.streams().map(|stream| tokio::spawn(send_all(options.clone(), stream))).map(joined),
    );
    let mut tally = Tally::default();
    for one in gateways.await? {
        tally.merge(one);
    }
    Ok(tally.report(options, started.elapsed(), truth.expected))
}

async fn joined(task: tokio::task::JoinHandle<Result<Tally, LoadError>>) -> Result<Tally, LoadError> {
    task.await.unwrap_or(Err(LoadError::Options("a gateway's task ended early")))
}

async fn send_all(options: LoadOptions, stream: LoadStream) -> Result<Tally, LoadError> {
    let mut client = connect(&options, &stream.gateway)?;
    let mut away_at = (options.faults.outage_ms > 0).then(|| options.readings / u64::from(options.gateways) / 2);
    // As many receipts as the window lets be unanswered, and some answered ones not yet counted.
    let (receipts, inbox) = mpsc::channel(usize::from(options.window) * 2 + 1);
    let counting = tokio::spawn(count(inbox));
    let pace = options.rate.map(|rate| rate / f64::from(options.gateways));
    let (started, mut sent) = (Instant::now(), 0u64);
    let gateway = stream.gateway.clone();
    for step in stream {
        if away_at.is_some_and(|at| sent >= at) {
            away_at = None;
            client.close().await;
            tokio::time::sleep(Duration::from_millis(options.faults.outage_ms)).await;
            client = connect(&options, &gateway)?;
        }
        if let Some(rate) = pace {
            tokio::time::sleep_until(started + Duration::from_secs_f64(sent as f64 / rate)).await;
        }
        let readings = step.payload.readings();
        sent += readings;
        let receipt = client.send(&step.payload).await?;
        if receipts.send((readings, receipt)).await.is_err() {
            break;
        }
    }
    drop(receipts);
    let tally = counting.await.map_err(|_| ClientError::Closed)??;
    client.close().await;
    Ok(tally)
}

async fn count(mut inbox: mpsc::Receiver<(u64, Receipt)>) -> Result<Tally, ClientError> {
    let mut tally = Tally::default();
    while let Some((readings, receipt)) = inbox.recv().await {
        tally.add(readings, &receipt.ack().await?);
    }
    Ok(tally)
}

fn connect(options: &LoadOptions, gateway: &str) -> Result<Client, ClientError> {
    let client = ClientOptions {
        address: options.address.clone(),
        gateway: gateway.to_owned(),
        token: options.token.clone(),
        window: options.window,
    };
    Ok(match options.protocol {
        Protocol::Mqtt => Client::Mqtt(MqttClient::connect(client)?),
        Protocol::Grpc => Client::Grpc(GrpcClient::connect(&client)?),
    })
}
