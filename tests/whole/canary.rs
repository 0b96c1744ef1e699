//! Probes through every input: a dead one is seen, told and found, and nothing of it stands in the clinic's books.

use std::time::Duration;

use rumqttc::{Client, Event, MqttOptions, Packet};
use serde_json::{Value, json};

use crate::mosquitto::Mosquitto;
use crate::program::{Installation, Server};
use crate::waiting;

const PATIENCE: Duration = Duration::from_secs(60);
const DEAD_INPUTS: &str = "SELECT condition FROM alerts WHERE rule_id = 'technical-input-dead' ORDER BY onset_at";

/// Asked five times a second, dead after three seconds without an answer.
fn watched(parent: &std::path::Path, name: &str) -> Installation {
    Installation::below(parent, name)
        .with("PAINWATCH__CANARY__EVERY_MS", "200")
        .with("PAINWATCH__CANARY__TIMEOUT_MS", "1500")
        .with("PAINWATCH__CANARY__DEAD_AFTER_MS", "3000")
}

/// By input, whether it lives; inputs that were not asked yet are not in it.
fn lives(installation: &Installation) -> Vec<(String, bool)> {
    let status = installation.status();
    let inputs = status["inputs"].as_array().expect("inputs").iter();
    inputs.map(|one| (one["input"].as_str().expect("a name").to_owned(), one["alive"] == true)).collect()
}

fn wait_for(installation: &Installation, wanted: &[(&str, bool)]) {
    let mut last = Vec::new();
    let reached = waiting::until(PATIENCE, || {
        last = lives(installation);
        wanted.iter().all(|(input, alive)| last.contains(&((*input).to_owned(), *alive)))
    });
    assert!(reached, "{wanted:?}, but {last:?}\n{}", installation.log_tail());
}

/// Nothing of a canary is the clinic's.
fn only_in_their_own_book(installation: &Installation, server: Server) {
    server.stop();
    let status = installation.status();
    assert_eq!(status["books"]["submitted"], 0);
    let book = &status["canary_book"];
    let count = |class: &str| book[class].as_u64().expect("a figure");
    assert!(count("submitted") >= 3, "{book}");
    assert_eq!(count("submitted"), count("stored") + count("duplicate"), "{book}");
    // Whoever is refused for want of room has not said who he is: that is counted, of nobody.
    for table in ["readings", "batches", "ledger WHERE submitted > 0 OR gateway_id <> ''", "quarantine", "clocks"] {
        assert_eq!(installation.figure(&format!("SELECT count(*) FROM {table}")), 0, "{table}");
    }
    installation.verified();
}

/// A gateway that takes one of the places there are, until it is dropped.
fn take_a_place(installation: &Installation, server: &Server, client_id: &str) -> Client {
    let (host, port) = server.mqtt.split_once(':').expect("an address");
    let token = installation.token("gateway");
    loop {
        let mut options = MqttOptions::new(client_id, host, port.parse::<u16>().expect("a port"));
        options.set_credentials("gw-17", &token);
        let (client, mut events) = Client::new(options, 10);
        // A canary may be inside at this moment.
        if events.iter().next().is_some_and(|event| matches!(event, Ok(Event::Incoming(Packet::ConnAck(_))))) {
            std::thread::spawn(move || events.iter().take_while(Result::is_ok).count());
            return client;
        }
    }
}

#[test]
fn a_dead_input_is_found_and_told_and_over_when_it_answers_again() {
    let directory = tempfile::tempdir().expect("a directory");
    // A place for each of the two canaries that need one: with a single one they would keep each other out.
    let installation = watched(directory.path(), "two-places").with("PAINWATCH__INGEST__LIMITS__CONNECTIONS", "2");
    let server = installation.serve();
    wait_for(&installation, &[("mqtt", true), ("grpc", true), ("http", true), ("websocket", true)]);

    let gateways = ["gw-17", "gw-17/other"].map(|client_id| take_a_place(&installation, &server, client_id));
    wait_for(&installation, &[("mqtt", false), ("websocket", false), ("grpc", true), ("http", true)]);
    let shown = installation.told(&["status"]);
    assert!(shown.contains("mqtt IS DEAD") && shown.contains("grpc answered"), "{shown}");
    let both = |condition: &str| vec![json!({"condition": condition}); 2];
    let found = waiting::until(PATIENCE, || installation.sql(DEAD_INPUTS) == both("active"));
    assert!(found, "{:?}", installation.sql(DEAD_INPUTS));

    gateways.iter().for_each(|gateway| gateway.disconnect().expect("it leaves"));
    wait_for(&installation, &[("mqtt", true), ("websocket", true)]);
    let over = waiting::until(PATIENCE, || installation.sql(DEAD_INPUTS) == both("cleared"));
    assert!(over, "{:?}", installation.sql(DEAD_INPUTS));
    only_in_their_own_book(&installation, server);
}

#[test]
fn canaries_find_in_where_every_listener_speaks_tls() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = watched(directory.path(), "tls").with("PAINWATCH__TLS__AUTO", "self-signed");
    let server = installation.serve();
    wait_for(&installation, &[("mqtt", true), ("grpc", true), ("http", true), ("websocket", true)]);
    only_in_their_own_book(&installation, server);
}

#[test]
fn past_failure_11_a_broker_that_is_connected_and_hands_nothing_over_is_a_dead_input() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = Mosquitto::start(&directory.path().join("broker"));
    let installation = watched(directory.path(), "behind")
        .with("PAINWATCH__INGEST__MQTT__BROKER", &format!("mqtt://{}", broker.address));
    let server = installation.serve();
    wait_for(&installation, &[("broker", true), ("mqtt", true)]);
    broker.freeze(true);
    wait_for(&installation, &[("broker", false), ("mqtt", true)]);
    let why = installation.status()["inputs"]
        .as_array()
        .expect("inputs")
        .iter()
        .find_map(|one| (one["input"] == "broker").then(|| one["why"].clone()));
    assert!(why.as_ref().and_then(Value::as_str).is_some_and(|why| why.contains("within")), "{why:?}");
    broker.freeze(false);
    wait_for(&installation, &[("broker", true)]);
    only_in_their_own_book(&installation, server);
}

#[test]
fn without_canaries_nothing_is_sent_and_nothing_is_claimed() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = watched(directory.path(), "off").with("PAINWATCH__CANARY__EVERY_MS", "0");
    let server = installation.serve();
    assert!(lives(&installation).is_empty());
    server.stop();
    assert_eq!(installation.status()["canary_book"]["submitted"], 0);
}
