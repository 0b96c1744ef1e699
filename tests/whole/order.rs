//! Semantics 10 on two servers: the same readings, in order and as they lie in a bag.

use std::time::{Duration, Instant};

use painwatch_domain::Hash128;
use painwatch_gateway::client::{Client, ClientOptions, GrpcClient, MqttClient, Outcome};
use painwatch_gateway::outgoing::Payload;
use painwatch_proto::ingest::v1::{Mode, Reading, ReadingBatch};

use crate::clinic::{Clinic, GATEWAYS, MESSAGES, opened};
use crate::gateways::Gateways;
use crate::outcome;
use crate::program::{Installation, Server};
use crate::waiting;

const PATIENTS: usize = 6;
/// Late readings are worked into history a minute after they came (semantics 13); two ticks more until that is applied.
const UNTIL_FOLDED: Duration = Duration::from_secs(65);

/// All readings in an order that depends on `seed`, in batches of one to forty.
fn shuffled(clinic: &Clinic, seed: u8) -> Vec<Vec<Reading>> {
    let all = (0..PATIENTS).flat_map(|patient| (0..MESSAGES).flat_map(move |step| clinic.readings(patient, step)));
    let dice = |number: usize| Hash128::of(&[&[seed], &number.to_le_bytes()]).0;
    let mut keyed: Vec<([u8; 16], Reading)> = all.enumerate().map(|(number, one)| (dice(number), one)).collect();
    keyed.sort_by_key(|(key, _)| *key);
    let mut readings = keyed.into_iter().map(|(_, reading)| reading).peekable();
    let mut batches = Vec::new();
    while readings.peek().is_some() {
        let size = 1 + usize::from(dice(batches.len())[0]) % 40;
        batches.push(readings.by_ref().take(size).collect());
    }
    batches
}

/// Sends the batches by both doors in turn, twice over: a repetition changes nothing.
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
    let clinic = Clinic::of(PATIENTS);
    let directory = tempfile::tempdir().expect("a directory");
    let installations =
        ["in-order", "shuffled", "shuffled-again"].map(|name| Installation::below(directory.path(), name));
    let servers: Vec<Server> = installations.iter().map(|one| opened(one, &clinic, None)).collect();

    let queues = (0..GATEWAYS).map(|gateway| clinic.messages(gateway).collect()).collect();
    Gateways::start(&servers[0].mqtt, &installations[0].token("gateway"), queues).finish();
    for (number, seed) in [(1, 7), (2, 8)] {
        send_shuffled(&installations[number], &servers[number], &shuffled(&clinic, seed));
    }
    let sent = Instant::now();
    waiting::pause(UNTIL_FOLDED.saturating_sub(sent.elapsed()));
    servers.into_iter().for_each(Server::stop);

    let outcomes = installations.each_ref().map(|one| outcome::history(one, &clinic));
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!(outcomes[0], outcomes[2]);
}
