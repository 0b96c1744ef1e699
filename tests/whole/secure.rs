//! The program behind TLS: what it refuses to open, how a gateway is enrolled and cut off, and that its own commands find in.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use painwatch_access::tls::{certificates_in, pinned_client, tunnel};
use painwatch_gateway::client::{Client, ClientOptions, MqttClient, Outcome};
use painwatch_gateway::outgoing::Payload;
use painwatch_proto::ingest::v1::{Reading, ReadingBatch};
use serde_json::Value;

use crate::program::{Installation, Server};

/// What is revoked is cut within this (reliability F29).
const CUT_WITHIN: Duration = Duration::from_secs(60);

fn json(installation: &Installation, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&installation.told(&arguments)).expect("JSON")
}

#[test]
fn the_default_configuration_opens_nothing_plain_to_the_world() {
    let dir = tempfile::tempdir().expect("a directory");
    for key in ["INGEST__MQTT", "INGEST__GRPC", "HTTP"] {
        let key = format!("PAINWATCH__{key}__LISTEN");
        let refused = Installation::below(dir.path(), "open").with(&key, "0.0.0.0:0").run(&["serve"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains("tls.auto") && said.contains("listen.trusted_proxy"), "{said}");
    }
}

fn batch(nth: i64) -> Payload {
    let reading = Reading {
        device: "watch-0001".into(),
        measure: "heart_rate".into(),
        time_ms: Some(1_772_366_405_000 + nth * 1_000),
        value: Some(71.0),
        unit: "/min".into(),
        ..Reading::default()
    };
    Payload::Batch(ReadingBatch { gateway: "gw-17".into(), readings: vec![reading], ..ReadingBatch::default() })
}

async fn client(installation: &Installation, server: &Server, token: &str) -> Client {
    let certificate = certificates_in(&installation.data.join("tls/server.pem")).expect("a certificate").remove(0);
    let to = server.mqtt.parse().expect("an address");
    let address = tunnel(to, pinned_client(certificate).expect("a client")).await.expect("a way").to_string();
    let options = ClientOptions { address, gateway: "gw-17".into(), token: token.to_owned(), window: 4 };
    Client::Mqtt(MqttClient::connect(options).expect("an address"))
}

async fn sent(client: &Client, nth: i64) -> Outcome {
    match client.send(&batch(nth)).await {
        Ok(receipt) => receipt.ack().await.expect("an answer").outcome,
        Err(error) => Outcome::Refused(error.to_string()),
    }
}

#[test]
fn a_gateway_is_enrolled_rotated_and_cut_off_beside_a_running_server_behind_tls() {
    let dir = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(dir.path(), "secure")
        .with("PAINWATCH__TLS__AUTO", "self-signed")
        .with("PAINWATCH__TLS__RELOAD_MS", "100")
        .with("PAINWATCH__INGEST__MQTT__LISTEN", "0.0.0.0:0");
    let server = installation.serve();
    assert!(shakes_no_hands(&server.http), "plain HTTP at a TLS door");
    let first = json(&installation, &["gateway", "enrol", "gw-17"])["token"].as_str().expect("a token").to_owned();
    let kept = std::fs::read_to_string(installation.data.join("gateways.toml")).expect("the register");
    assert!(kept.contains("gw-17") && !kept.contains(&first), "only a digest is kept");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let old = client(&installation, &server, &first).await;
        assert_eq!(sent(&old, 0).await, Outcome::Durable);
        let rotated = json(&installation, &["gateway", "rotate", "gw-17", "--overlap", "1h"]);
        assert_eq!(sent(&old, 1).await, Outcome::Durable, "the old one holds during the overlap");
        old.close().await;
        let new = client(&installation, &server, rotated["token"].as_str().expect("a token")).await;
        assert_eq!(sent(&new, 2).await, Outcome::Durable);
        installation.told(&["gateway", "revoke", "gw-17"]);
        let cut = async {
            let mut nth = 3;
            while sent(&new, nth).await == Outcome::Durable {
                nth += 1;
            }
        };
        assert!(tokio::time::timeout(CUT_WITHIN, cut).await.is_ok(), "still let in a minute after its revocation");
    });
    let refused = installation.run(&["gateway", "enrol", "gw-17"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("gateway add gw-17"));
    // The program's own commands speak TLS: one through the operator's endpoint, one through each gateway door.
    installation.told(&["rules", "accept", "spo2-sustained-low", "--by", "Dr. A. Example"]);
    let truth = dir.path().join("truth.json").display().to_string();
    for protocol in ["mqtt", "grpc"] {
        installation.told(&["load", "--protocol", protocol, "--readings", "50", "--patients", "2", "--truth", &truth]);
    }
    server.stop();
}

/// The server ends a connection on which nobody begins a handshake.
fn shakes_no_hands(address: &str) -> bool {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    !answer.starts_with(b"HTTP/")
}

#[test]
fn an_authority_is_made_once_and_replaced_in_two_steps() {
    let dir = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(dir.path(), "authority");
    let made = json(&installation, &["tls", "init"]);
    assert_eq!(made["sha256"].as_str().expect("a fingerprint").len(), 32 * 3 - 1);
    assert_eq!(installation.run(&["tls", "init"]).status.code(), Some(1), "not over the first");
    let certificates =
        || std::fs::read_to_string(installation.data.join("tls/ca.pem")).expect("PEM").matches("BEGIN").count();
    assert_eq!(json(&installation, &["tls", "init", "--next-ca"])["sha256"], made["sha256"]);
    assert_eq!(certificates(), 2);
    assert_ne!(json(&installation, &["tls", "init", "--retire-ca"])["sha256"], made["sha256"]);
    assert_eq!(certificates(), 1);
}
