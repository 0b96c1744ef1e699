//! `painwatch tail`: what comes in, as it comes.

use serde_json::Value;

use crate::program::{Installation, Server};

const BATCH: &str = r#"{"batch_id": "b-1", "readings": [
    {"device": "watch-0001", "measure": "heart_rate", "time": "2026-03-01T11:00:00Z", "period_ms": 5000, "values": [71, 72, null, 70], "unit": "/min"},
    {"device": "watch-0001", "measure": "heart_rate", "time": "2026-03-01T12:00:00Z", "value": 412, "unit": "/min"}]}"#;

fn send(installation: &Installation, server: &Server, gateway: &str) {
    // A second call finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let request = reqwest::Client::new().post(format!("http://{}/api/v1/readings", server.http)).body(BATCH);
    let request = request.bearer_auth(installation.token("gateway")).header("X-Painwatch-Gateway", gateway);
    let answer = runtime.block_on(request.header("Content-Type", "application/json").send()).expect("an answer");
    assert!(answer.status().is_success(), "{answer:?}");
}

#[test]
fn tail_shows_batches_and_verdicts_of_the_gateway_that_is_asked_for_and_values_only_when_asked() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(directory.path(), "data");
    let server = installation.serve();
    send(&installation, &server, "gw-other");
    send(&installation, &server, "gw-17");

    let tail = ["tail", "--from", "0", "--gateway", "gw-17", "--limit", "2"];
    let told = installation.told(&[&tail[..], &["--json"]].concat());
    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let batch = &lines[0];
    assert_eq!(
        (&batch["type"], &batch["gateway"], &batch["batch_id"]),
        (&"batch".into(), &"gw-17".into(), &"b-1".into())
    );
    assert_eq!((&batch["series"][0]["count"], &batch["series"][0]["values"]), (&3.into(), &Value::Null));
    assert_eq!(batch["quarantined"][0]["code"], "value_out_of_range");
    let verdict = &lines[1];
    assert_eq!((&verdict["type"], &verdict["cause"]), (&"verdict".into(), &batch["offset"]));
    // The same device and times came through the other gateway before.
    assert_eq!((&verdict["duplicate"], &verdict["quarantined"]), (&3.into(), &1.into()));

    let told = installation.told(&[&tail[..], &["--values"]].concat());
    assert!(told.contains("gw-17  http  b-1") && told.contains("2026-03-01T11:00:15Z  70 /min"), "{told}");
    let told = installation.told(&tail);
    assert!(told.contains("3 of heart_rate") && !told.contains("70 /min"), "{told}");
    server.stop();
    let refused = installation.run(&tail);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("no server runs"));
}
