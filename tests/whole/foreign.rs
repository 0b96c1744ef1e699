//! Clients that are not ours: what they publish arrives once, whatever they speak and whatever happens to us meanwhile.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::outcome;
use crate::program::Installation;
use crate::python;

/// Publishes of one gateway in the scripts.
const EXCHANGED: u64 = 30;
const ACROSS: u64 = 400;

fn port(address: &str) -> &str {
    address.rsplit(':').next().expect("a port")
}

#[test]
fn paho_hands_over_at_every_quality_of_service_over_tcp_and_websocket() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(directory.path(), "paho");
    let server = installation.serve();
    let token = installation.token("gateway");
    let arguments = ["exchange", port(&server.mqtt), port(&server.http), &token];
    let said = python::run(&python::with_paho(), "whole/foreign_clients.py", &arguments);
    let gateways = said.as_object().expect("gateways");
    assert_eq!(gateways.len(), 4);
    for (gateway, said) in gateways {
        assert_eq!(said["acknowledged"], EXCHANGED, "{gateway}");
        assert_eq!(said["present"], serde_json::json!([false]), "{gateway}");
    }
    server.stop();
    assert_eq!(installation.figure("SELECT count(*) FROM readings"), 4 * EXCHANGED);
}

#[test]
fn semantics_24_paho_goes_on_after_kill_9_and_what_it_sends_again_at_qos_2_is_submitted_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(directory.path(), "across").on_a_fixed_port();
    let mut server = installation.serve();
    let token = installation.token("gateway");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/whole/foreign_clients.py");
    for protocol in ["3.1.1", "5"] {
        let mut client = Command::new(python::with_paho())
            .arg(&script)
            .args(["across", port(&server.mqtt), protocol, &token])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let mut lines = BufReader::new(client.stdout.take().expect("a pipe")).lines();
        assert_eq!(lines.next().expect("a line").expect("text"), "half");
        server.kill_9();
        server = installation.serve();
        let said: Value = serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON");
        assert!(client.wait().expect("it ends").success());
        assert_eq!(said["acknowledged"], ACROSS, "{protocol}");
        assert_eq!(said["present"], serde_json::json!([false, true]), "{protocol}: the session survived");
    }
    server.stop();
    assert_eq!(installation.figure("SELECT count(*) FROM readings"), 2 * ACROSS);
    assert_eq!(outcome::duplicates(&installation), 0, "nothing was submitted twice");
}

#[test]
fn mosquitto_pub_hands_over_at_every_quality_of_service() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(directory.path(), "mosquitto");
    let server = installation.serve();
    let token = installation.token("gateway");
    let versions = [("mqttv311", 0), ("mqttv5", 30)];
    for (version, first) in versions {
        for qos in 0..3 {
            let reading = format!(
                r#"{{"device": "watch-1", "measure": "heart_rate", "time": "2026-03-01T10:00:{:02}Z", "value": 71, "unit": "/min"}}"#,
                first + qos
            );
            let (qos, topic) = (qos.to_string(), "painwatch/v1/gw-17/readings/json");
            let done = Command::new("mosquitto_pub")
                .args(["-h", "127.0.0.1", "-p", port(&server.mqtt), "-V", version, "-q", &qos])
                .args(["-i", "gw-17", "-u", "gw-17", "-P", &token, "-t", topic, "-m", &reading])
                .output()
                .expect("mosquitto_pub; `cargo xtask test` installs it or says how");
            assert!(done.status.success(), "{version} {qos}: {}", String::from_utf8_lossy(&done.stderr));
        }
    }
    server.stop();
    assert_eq!(installation.figure("SELECT count(*) FROM readings"), 6);
}
