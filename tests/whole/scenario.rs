//! One scenario, told by every foreign client there is: the books say the same of each.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};

use crate::program::{Installation, Server};
use crate::{node, python};

/// Everything that may become of a reading: stored, known already, contradicted, corrected, refused.
/// A line is a batch; `DEVICE` is the client's own.
const SCENARIO: [&str; 8] = [
    r#"{"batch_id": "s/1", "readings": [{"device": "DEVICE", "measure": "heart_rate", "time": "2026-03-01T10:00:00Z", "value": 71, "unit": "/min"}]}"#,
    r#"{"batch_id": "s/2", "readings": [{"device": "DEVICE", "measure": "heart_rate", "time": "2026-03-01T10:01:00Z", "period_ms": 5000, "values": [71, 72, 74, 70], "unit": "bpm"}]}"#,
    r#"{"batch_id": "s/1", "readings": [{"device": "DEVICE", "measure": "heart_rate", "time": "2026-03-01T10:00:00Z", "value": 71, "unit": "/min"}]}"#,
    r#"{"batch_id": "s/3", "readings": [{"device": "DEVICE", "measure": "body_weight", "time": "2026-03-01T11:00:00+01:00", "value": 81.4, "unit": "kg"}, {"device": "DEVICE", "measure": "body_weight", "time": "2026-03-01T11:00:00+01:00", "value": 82.4, "unit": "kg"}]}"#,
    r#"{"batch_id": "s/4", "readings": [{"device": "DEVICE", "measure": "body_weight", "time": "2026-03-01T11:00:00+01:00", "value": 80.4, "unit": "kg", "revision": 1, "status": "corrected"}]}"#,
    r#"{"batch_id": "s/5", "readings": [{"device": "DEVICE", "measure": "blood_pressure", "time": "2026-03-01T10:02:00Z", "components": {"systolic": 142, "diastolic": 91}, "unit": "mm[Hg]", "posture": "sitting"}]}"#,
    r#"{"batch_id": "s/6", "readings": [{"device": "DEVICE", "measure": "heart_rate", "time": "2026-03-01T10:03:00Z", "value": 412, "unit": "/min"}, {"device": "DEVICE", "measure": "heart_rate", "time": "2026-03-01T10:04:00Z", "value": 71, "unit": "furlongs"}]}"#,
    r#"{"batch_id": "s/7", "readings": [{"device": "DEVICE", "measure": "medication_event", "event": "taken", "time": "2026-03-01T10:05:00Z", "medication": "oxycodone-5mg", "value": 1, "unit": "{tablet}"}]}"#,
];

/// What the books of each client must say: by the meaning of the lines above, not by what came out.
pub const BOOK: [(&str, u64); 5] =
    [("submitted", 13), ("stored", 9), ("duplicate", 1), ("conflict", 1), ("quarantined", 2)];

/// The scenario as this gateway tells it, a batch a line.
pub fn told_by(gateway: &str, directory: &Path) -> PathBuf {
    let mut lines = String::new();
    for line in SCENARIO {
        writeln!(lines, "{}", line.replace("DEVICE", &format!("device-of-{gateway}"))).expect("text");
    }
    let file = directory.join(format!("{gateway}.jsonl"));
    std::fs::write(&file, lines).expect("the scenario");
    file
}

pub fn port(address: &str) -> &str {
    address.rsplit(':').next().expect("a port")
}

/// Each line a message at QoS 1.
fn mosquitto_pub(server: &Server, token: &str, gateway: &str, file: &Path) {
    let topic = format!("painwatch/v1/{gateway}/readings/json");
    let done = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", port(&server.mqtt), "-V", "mqttv5", "-q", "1", "-l"])
        .args(["-i", gateway, "-u", gateway, "-P", token, "-t", &topic])
        .stdin(File::open(file).expect("the scenario"))
        .output()
        .expect("mosquitto_pub; `cargo xtask test` installs it or says how");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn rumqttc(server: &Server, token: &str, gateway: &str, file: &Path) {
    let mut options = MqttOptions::new(gateway, "127.0.0.1", port(&server.mqtt).parse::<u16>().expect("a port"));
    options.set_credentials(gateway, token);
    let (client, mut events) = Client::new(options, 20);
    let lines = std::fs::read_to_string(file).expect("the scenario");
    for line in lines.lines() {
        let topic = format!("painwatch/v1/{gateway}/readings/json");
        client.publish(topic, QoS::AtLeastOnce, false, line).expect("published");
    }
    let acknowledged = events
        .iter()
        .map(|event| event.expect("connected"))
        .filter(|event| matches!(event, Event::Incoming(Packet::PubAck(_))));
    assert_eq!(acknowledged.take(SCENARIO.len()).count(), SCENARIO.len());
    client.disconnect().expect("it leaves");
    events.iter().take_while(Result::is_ok).count();
}

#[test]
fn every_foreign_client_tells_one_scenario_and_the_books_say_the_same_of_each() {
    let parent = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(parent.path(), "scenario");
    let server = installation.serve();
    let token = installation.token("gateway");
    let gateways = ["gw-paho", "gw-mqtt-js", "gw-mosquitto-pub", "gw-rumqttc", "gw-grpcio", "gw-grpc-requests"];
    for gateway in gateways {
        let file = told_by(gateway, parent.path());
        let path = file.to_str().expect("a path");
        let by_python = |environment: &Path, script: &str, client: &str, to: &str| {
            python::run(environment, script, &[client, to, &token, gateway, path]);
        };
        match gateway {
            "gw-paho" => {
                by_python(&python::with_paho(), "whole/foreign_clients.py", "scenario", port(&server.mqtt));
            }
            "gw-mqtt-js" => node::run("whole/foreign_mqtt.js", &[port(&server.mqtt), &token, gateway, path]),
            "gw-mosquitto-pub" => mosquitto_pub(&server, &token, gateway, &file),
            "gw-rumqttc" => rumqttc(&server, &token, gateway, &file),
            other => {
                let client = other.strip_prefix("gw-").expect("a gateway");
                by_python(&python::with_grpc(), "whole/foreign_scenario.py", client, &server.grpc);
            }
        }
    }
    server.stop();
    installation.verified();
    let books = installation.sql(
        "SELECT gateway_id, submitted, stored, duplicate, conflict, quarantined, refused FROM ledger ORDER BY gateway_id",
    );
    let mut expected: Vec<Value> = gateways
        .iter()
        .map(|gateway| {
            let mut book = json!({"gateway_id": gateway, "refused": 0});
            BOOK.iter().for_each(|(class, count)| book[*class] = json!(count));
            book
        })
        .collect();
    expected.sort_by_key(|book| book["gateway_id"].to_string());
    assert_eq!(books, expected);
}
