//! Semantics 10 on three servers: the same readings in order, and twice as they lie in a bag.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use painwatch_domain::{Hash128, LocalDay};
use painwatch_gateway::client::{Client, ClientOptions, GrpcClient, MqttClient, Outcome};
use painwatch_gateway::outgoing::{Payload, sample_count};
use painwatch_gateway::simulate::{Simulation, SimulationOptions};
use painwatch_proto::ingest::v1::{Mode, Reading, ReadingBatch};

use crate::clinic::{Clinic, opened};
use crate::crash::queues;
use crate::gateways::Gateways;
use crate::outcome;
use crate::program::{Installation, Server};
use crate::waiting;

/// A ward of the last hour, whose episodes are known.
const PATIENTS: usize = 6;
/// Others at home, whose days are over: every kind of signal, daily metrics, doses.
const AT_HOME: u32 = 2;
const DAYS: u32 = 8;
/// Late readings are worked into history a minute after they came (semantics 13); some ticks more until that is applied.
const UNTIL_FOLDED: Duration = Duration::from_secs(70);

fn people_at_home() -> Simulation {
    let today = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() / 86_400;
    let options = SimulationOptions {
        seed: 4,
        patients: AT_HOME,
        start: LocalDay(today as i32 - DAYS as i32 - 2),
        days: DAYS,
        zone: "Europe/Paris".to_owned(),
        care_team: "home".to_owned(),
    };
    Simulation::new(options).expect("a zone")
}

/// Everything that is sent, in order: a queue for each gateway.
fn in_order(clinic: &Clinic, home: &Simulation) -> Vec<Vec<Payload>> {
    let mut queues = queues(clinic);
    let gateway = format!("gw-{}", queues.len());
    let payloads = home.steps().into_iter().map(|step| match step.payload {
        Payload::Batch(batch) => Payload::Batch(ReadingBatch { gateway: gateway.clone(), ..batch }),
        raw @ Payload::Raw(_) => raw,
    });
    queues.push(payloads.collect());
    queues
}

fn readings(queues: &[Vec<Payload>]) -> impl Iterator<Item = &Reading> {
    queues.iter().flatten().flat_map(|payload| match payload {
        Payload::Batch(batch) => batch.readings.as_slice(),
        Payload::Raw(_) => &[],
    })
}

/// A packed series cut into shorter ones, which mean the same.
fn cut(reading: &Reading, dice: &mut impl FnMut() -> usize) -> Vec<Reading> {
    let (Some(start_ms), Some(period_ms)) = (reading.time_ms, reading.period_ms) else { return vec![reading.clone()] };
    let (mut at, mut pieces) = (0, Vec::new());
    while at < reading.values.len() {
        let end = (at + 1 + dice() % 20).min(reading.values.len());
        let (values, time_ms) = (reading.values[at..end].to_vec(), Some(start_ms + at as i64 * period_ms));
        pieces.push(Reading { time_ms, values, ..reading.clone() });
        at = end;
    }
    pieces
}

/// All of it in an order that depends on `seed`, in batches of one to forty.
fn shuffled(queues: &[Vec<Payload>], seed: u8) -> Vec<Vec<Reading>> {
    let mut thrown = 0_u64;
    let mut dice = || {
        thrown += 1;
        let hash = Hash128::of(&[&[seed], &thrown.to_le_bytes()]).0;
        u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]) as usize
    };
    let pieces: Vec<Reading> = readings(queues).flat_map(|reading| cut(reading, &mut dice)).collect();
    let mut keyed: Vec<(usize, Reading)> = pieces.into_iter().map(|piece| (dice(), piece)).collect();
    keyed.sort_by_key(|(key, _)| *key);
    let mut readings = keyed.into_iter().map(|(_, reading)| reading).peekable();
    let mut batches = Vec::new();
    while readings.peek().is_some() {
        batches.push(readings.by_ref().take(1 + dice() % 40).collect());
    }
    batches
}

/// Sends the batches by both doors in turn, some of them twice: a repetition changes nothing.
fn send_shuffled(installation: &Installation, server: &Server, batches: &[Vec<Reading>]) {
    let options = |address: &str, gateway: &str| ClientOptions {
        address: address.to_owned(),
        gateway: gateway.to_owned(),
        token: installation.token("gateway"),
        window: 64,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let clients = [
            ("gw-a", Client::Mqtt(MqttClient::connect(options(&server.mqtt, "gw-a")).expect("an address"))),
            ("gw-b", Client::Grpc(GrpcClient::connect(&options(&server.grpc, "gw-b")).expect("an address"))),
        ];
        let mut receipts = Vec::new();
        for (number, readings) in batches.iter().chain(&batches[..batches.len() / 10]).enumerate() {
            let (gateway, client) = &clients[number % 2];
            let batch = ReadingBatch {
                gateway: (*gateway).to_owned(),
                batch_id: format!("{gateway}/{number}"),
                mode: Mode::Live.into(),
                readings: readings.clone(),
                ..ReadingBatch::default()
            };
            receipts.push(client.send(&Payload::Batch(batch)).await.expect("let in"));
        }
        for receipt in receipts {
            let outcome = receipt.ack().await.expect("an answer").outcome;
            assert!(matches!(outcome, Outcome::Durable | Outcome::Judged(_)), "{outcome:?}");
        }
        for (_, client) in clients {
            client.close().await;
        }
    });
}

#[test]
fn semantics_10_shuffled_repeated_and_rebatched_readings_end_in_the_same_canonical_history() {
    let (clinic, home) = (Clinic::of(PATIENTS), people_at_home());
    let clinic = clinic.with(home.roster().to_toml());
    let directory = tempfile::tempdir().expect("a directory");
    let installations =
        ["in-order", "shuffled", "shuffled-again"].map(|name| Installation::below(directory.path(), name));
    let servers: Vec<Server> = installations.iter().map(|one| opened(one, &clinic, None)).collect();

    let queues = in_order(&clinic, &home);
    let count = readings(&queues).map(sample_count).sum();
    for (number, seed) in [(1, 7), (2, 8)] {
        send_shuffled(&installations[number], &servers[number], &shuffled(&queues, seed));
    }
    Gateways::start(&servers[0].mqtt, &installations[0].token("gateway"), queues).finish();
    waiting::pause(UNTIL_FOLDED);
    servers.into_iter().for_each(Server::stop);

    let [expected, shuffled @ ..] = installations.each_ref().map(|one| outcome::canonical(one, count));
    assert!(expected.table("episodes").len() >= clinic.alert_count());
    assert!(expected.table("metrics").len() > DAYS as usize && expected.table("coverage").len() > DAYS as usize);
    shuffled.iter().for_each(|outcome| outcome.must_be(&expected));
}
