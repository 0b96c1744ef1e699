//! Readings that come through an existing broker: a real Mosquitto between the gateways and us.

use std::time::Duration;

use rumqttc::{Client, MqttOptions, QoS};

use crate::clinic::{Clinic, MESSAGES, opened};
use crate::crash::{moment, queues, undisturbed};
use crate::gateways::Gateways;
use crate::mosquitto::Mosquitto;
use crate::outcome;
use crate::program::Installation;
use crate::proxy::Proxy;
use crate::waiting;

const PATIENTS: usize = 16;
/// The last of the two filters that we subscribe to, as the broker's log shows it.
const SUBSCRIBED: &str = "painwatch/v1/+/status (QoS 1)";
/// More than the broker leaves unacknowledged: if a bad one kept its place, nothing would come behind them.
const UNREADABLE: u64 = 1_500;
/// More than a gateway may send at a time.
const LARGE: usize = 300 << 10;
/// Every message passes two programs and a disk.
const PATIENCE: Duration = Duration::from_secs(120);

fn installation_behind(broker: &str, directory: &std::path::Path) -> Installation {
    let installation = Installation::below(directory, "behind-a-broker").on_a_fixed_port();
    installation.with("PAINWATCH__INGEST__MQTT__BROKER", &format!("mqtt://{broker}"))
}

fn wait_for_figure(installation: &Installation, query: &str, wanted: u64) {
    let mut figure = 0;
    let reached = waiting::until(PATIENCE, || {
        figure = installation.figure(query);
        figure >= wanted
    });
    assert!(reached && figure == wanted, "{query}: {figure}, not {wanted}\n{}", installation.log_tail());
}

#[test]
fn past_failures_7_8_and_11_cut_killed_and_restarted_every_message_of_the_broker_is_there_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let clinic = Clinic::of(PATIENTS);
    let expected = undisturbed(&Installation::below(directory.path(), "undisturbed"), &clinic);

    let mut broker = Mosquitto::start(&directory.path().join("broker"));
    let line = Proxy::to(&broker.address);
    let installation = installation_behind(&line.address, directory.path());
    let mut server = opened(&installation, &clinic, None);
    broker.wait_for_subscriptions(SUBSCRIBED, 1);
    let gateways = Gateways::start(&broker.address, &installation.token("gateway"), queues(&clinic));

    let share = PATIENTS * MESSAGES / 8;
    for round in 0..6 {
        gateways.wait_for_acknowledged(round * share + moment(round, share as u64) as usize);
        match round {
            1 => {
                server.kill_9();
                server = installation.serve();
            }
            3 => {
                broker.stop();
                broker.start_again();
            }
            // Away for a while: the broker keeps what comes meanwhile.
            4 => {
                server.stop();
                gateways.wait_for_acknowledged((round + 1) * share);
                server = installation.serve();
            }
            _ => line.cut(),
        }
    }
    gateways.finish();
    wait_for_figure(&installation, "SELECT count(*) FROM readings", clinic.reading_count());
    server.stop();
    let outcome = outcome::of(&installation, &clinic);
    outcome.must_be(&expected);
    println!("measured: {} readings came twice through the broker", outcome::duplicates(&installation));
}

#[test]
fn past_failure_10_what_cannot_be_read_holds_no_place_in_the_brokers_window() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = Mosquitto::start(&directory.path().join("broker"));
    let installation = installation_behind(&broker.address, directory.path());
    let server = installation.serve();
    broker.wait_for_subscriptions(SUBSCRIBED, 1);

    let (host, port) = broker.address.split_once(':').expect("an address");
    let mut options = MqttOptions::new("hub", host, port.parse::<u16>().expect("a port"));
    options.set_max_packet_size(LARGE * 2, LARGE * 2);
    let (client, mut events) = Client::new(options, 100);
    let sender = std::thread::spawn(move || {
        let publish = |topic: &str, payload: String| client.publish(topic, QoS::AtLeastOnce, false, payload);
        for number in 0..UNREADABLE {
            publish("painwatch/v1/gw-1/readings/json", format!("{{\"no\": {number}")).expect("published");
            publish("painwatch/v1/gw-1/readings/runes", String::new()).expect("published");
            publish("painwatch/v1/gw-1/status", "no status".to_owned()).expect("published");
        }
        // Not acknowledged, it would come first to every later connection.
        publish("painwatch/v1/gw-1/readings/json", "x".repeat(LARGE)).expect("published");
        let good = r#"{"device": "watch-0001", "measure": "heart_rate", "time": "2026-03-01T12:00:00Z", "value": 71, "unit": "/min"}"#;
        publish("painwatch/v1/gw-1/readings/json", good.to_owned()).expect("published");
    });
    let polling = std::thread::spawn(move || events.iter().take_while(Result::is_ok).count());
    sender.join().expect("everything is published");
    wait_for_figure(&installation, "SELECT count(*) FROM readings", 1);
    assert_eq!(installation.status()["books"]["quarantined"], UNREADABLE);
    server.stop();
    installation.verified();
    drop(broker);
    polling.join().expect("the client ends with its broker");
}
