//! `painwatch explain` and `painwatch rules backtest` on a ward whose truth is known.

use std::time::Duration;

use painwatch_proto::ingest::v1::{Mode, ReadingBatch};
use painwatch_proto::json::batch_to_json;
use serde_json::{Value, json};

use crate::clinic::{self, Clinic, MESSAGES};
use crate::program::{Installation, Server};
use crate::waiting;

const PATIENTS: usize = 2;
const PACK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/processor/rules/opioid-safety.toml");

/// Each patient's readings in one batch.
async fn send(installation: &Installation, server: &Server, ward: &Clinic) {
    // A second call finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    for patient in 0..PATIENTS {
        let batch = ReadingBatch {
            gateway: "gw-0".to_owned(),
            batch_id: format!("of-{patient}"),
            sent_at: String::new(),
            mode: Mode::Live.into(),
            readings: (0..MESSAGES).flat_map(|step| ward.readings(patient, step)).collect(),
        };
        let request = reqwest::Client::new().post(format!("http://{}/api/v1/readings", server.http));
        let request = request.bearer_auth(installation.token("gateway")).header("x-painwatch-gateway", "gw-0");
        let request = request.header("content-type", "application/json").body(batch_to_json(&batch).to_string());
        assert!(request.send().await.expect("an answer").status().is_success());
    }
}

/// A ward after its spells, the server stopped.
async fn after_the_spells(installation: &Installation) -> Clinic {
    let ward = Clinic::of(PATIENTS);
    let server = clinic::opened(installation, &ward, None);
    send(installation, &server, &ward).await;
    let alerts = ward.alert_count() as u64;
    let opened =
        || installation.figure("SELECT count(*) FROM alerts WHERE kind = 'physiological' AND NOT shadow") == alerts;
    assert!(waiting::until(Duration::from_secs(60), opened), "{}", installation.log_tail());
    server.stop();
    ward
}

fn at(ward: &Clinic, step: usize) -> String {
    let ms = ward.readings(0, step)[0].time_ms.expect("a time");
    painwatch_domain::EventTime(ms).to_string()
}

fn of_rule(told: &Value) -> &Value {
    assert_eq!(told["rules"].as_array().map(Vec::len), Some(1), "{told}");
    &told["rules"][0]
}

#[tokio::test]
async fn a_silent_moment_is_explained_by_what_the_rule_saw_and_how_near_it_was() {
    let parent = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(parent.path(), "explain");
    let ward = after_the_spells(&installation).await;
    let ask = |step: usize| {
        let told = installation.told(&["explain", "p-001", &at(&ward, step), "spo2-sustained-low", "--json"]);
        serde_json::from_str::<Value>(&told).expect("JSON")
    };
    let quiet = ask(100);
    let now = &of_rule(&quiet)["now"];
    assert_eq!((&now["standing"], &now["sees"]), (&json!("quiet"), &json!(true)), "{now}");
    assert_eq!(now["margin"]["limit"], 90.0);
    assert!(now["margin"]["distance"].as_f64().is_some_and(|short| (6.0..=8.0).contains(&short)), "{now}");

    let beginning = ask(215);
    assert_eq!(of_rule(&beginning)["now"]["standing"], "holds", "50 s of the 3 minutes");
    let ringing = ask(240);
    assert_eq!(of_rule(&ringing)["now"]["standing"], "rings");
    let alert =
        installation.sql("SELECT alert_id FROM alerts WHERE patient_id = 'p-001' AND rule_id = 'spo2-sustained-low'");
    assert_eq!(alert, [json!({"alert_id": of_rule(&ringing)["alert"]["alert_id"]})]);

    let long_before = ward.readings(0, 0)[0].time_ms.expect("a time") - 3 * 3_600_000;
    let long_before = painwatch_domain::EventTime(long_before).to_string();
    let blind = installation.told(&["explain", "p-001", &long_before, "spo2-sustained-low"]);
    assert!(blind.contains("Nothing had been measured yet"), "{blind}");
    for (asked, said) in [
        (&["explain", "p-001", &at(&ward, 100), "spo2-sustaind-low"][..], "did you mean `spo2-sustained-low`?"),
        (&["explain", "p-900", &at(&ward, 100)][..], "no patient is called \"p-900\""),
        (&["explain", "p-001", "yesterday"][..], "is not an ISO 8601 time"),
    ] {
        let output = installation.run(asked);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn a_backtest_of_the_pack_in_force_finds_what_was_found_and_a_limit_that_nobody_reached_nothing() {
    let parent = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(parent.path(), "backtest");
    after_the_spells(&installation).await;
    let backtest = |file: &str| {
        let told = installation.told(&["rules", "backtest", file, "--json"]);
        serde_json::from_str::<Value>(&told).expect("JSON")
    };
    let opened = |told: &Value| {
        let findings = told["findings"].as_array().expect("findings").iter();
        let mut opened: Vec<Value> = findings
            .filter(|finding| finding["kind"] == "opened")
            .map(|finding| json!({"alert_id": finding["alert_id"], "patient_id": finding["patient"], "rule_id": finding["rule"], "onset_at": finding["onset_at"]}))
            .collect();
        opened.sort_by_key(ToString::to_string);
        opened
    };
    let mut live =
        installation.sql("SELECT alert_id, patient_id, rule_id, onset_at FROM alerts WHERE kind = 'physiological'");
    live.sort_by_key(ToString::to_string);
    assert_eq!(opened(&backtest(PACK)), live);

    let pack = std::fs::read_to_string(PACK).expect("the pack");
    let stricter = parent.path().join("stricter.toml");
    std::fs::write(&stricter, pack.replacen("below = 90", "below = 80", 1)).expect("written");
    let of_saturation = |told: &Value| opened(told).iter().filter(|it| it["rule_id"] == "spo2-sustained-low").count();
    assert_eq!(of_saturation(&backtest(PACK)), PATIENTS);
    assert_eq!(of_saturation(&backtest(stricter.to_str().expect("a path"))), 0, "84 % is not below 80 %");

    let broken = parent.path().join("broken.toml");
    std::fs::write(&broken, pack.replacen("below = 90", "bellow = 90", 1)).expect("written");
    let output = installation.run(&["rules", "backtest", broken.to_str().expect("a path")]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("broken.toml:"), "{error}");
}

#[tokio::test]
async fn a_bundle_derives_its_alert_again_without_the_installation_and_one_that_was_changed_is_refused() {
    let parent = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(parent.path(), "bundle");
    after_the_spells(&installation).await;
    let alerts = installation.sql("SELECT alert_id FROM alerts WHERE kind = 'physiological' ORDER BY alert_id");
    let elsewhere = Installation::below(parent.path(), "elsewhere");
    for (nth, alert) in alerts.iter().enumerate() {
        let path = parent.path().join(format!("{nth}.bundle"));
        let file = path.to_str().expect("a path");
        installation.told(&["bundle", "make", alert["alert_id"].as_str().expect("an id"), file]);
        let told: Value = serde_json::from_str(&elsewhere.told(&["bundle", "check", file, "--json"])).expect("JSON");
        assert_eq!(told["same"], true, "{told}");
        assert!(told["derived"].as_array().is_some_and(|findings| !findings.is_empty()), "{told}");
        let text = std::fs::read_to_string(&path).expect("the bundle");
        let changed = text.replacen("\"offset\":3", "\"offset\":4", 1);
        assert_ne!(changed, text);
        std::fs::write(&path, changed).expect("written");
        let output = elsewhere.run(&["bundle", "check", file]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains("not as it was written"), "{error}");
    }
    assert!(!elsewhere.data.exists(), "a check needs no installation");
}

#[tokio::test]
async fn the_sheet_after_an_outage_names_who_was_not_seen_and_for_how_long() {
    let parent = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(parent.path(), "outage");
    let ward = after_the_spells(&installation).await;
    let last = ward.readings(0, MESSAGES - 1)[0].time_ms.expect("a time");
    let at = |ms: i64| painwatch_domain::EventTime(ms).to_string();
    let (from, to) = (at(last + 1_000), at(last + 121_000));
    let asked = ["outage", "--from", &from, "--to", &to];
    let told: Value = serde_json::from_str(&installation.told(&[&asked[..], &["--json"]].concat())).expect("JSON");
    let patients = told["patients"].as_array().expect("patients");
    assert_eq!(patients.len(), PATIENTS, "{told}");
    assert!(patients.iter().all(|patient| patient["unmonitored_s"] == patient["still_unknown_s"]), "{told}");
    let text = installation.told(&asked);
    assert!(text.contains("p-000: unmonitored for") && text.contains("no late data"), "{text}");
    let output = installation.run(&["outage", "--from", &to, "--to", &from]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    installation.told(&["outage", "--list", "--at-least", "1s"]);
}
