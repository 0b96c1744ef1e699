//! What whoever runs the server can ask it, and that nothing about anybody is in the answer.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::clinic::{Clinic, opened};
use crate::crash::queues;
use crate::gateways::Gateways;
use crate::program::{Installation, Server};
use crate::python;
use crate::waiting;

/// Every label there is (S34): whose values stand in a list of ours.
const LABELS: [&str; 8] = ["class", "consumer", "event", "input", "le", "priority", "reason", "version"];
/// More different values of one label than any of these lists has.
const VALUES_MAX: usize = 32;
const IDS: &str = "SELECT DISTINCT patient_id AS a, device_id AS b, gateway_id AS c FROM readings";

pub fn get(address: &str, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, answer)
}

struct Page(Value);

impl Page {
    fn of(server: &Server) -> Self {
        let url = format!("http://{}/metrics", server.admin);
        Self(python::run(&python::with_prometheus(), "whole/metrics.py", &[&url]))
    }

    fn samples(&self) -> impl Iterator<Item = (&str, &Value, f64)> {
        let families = self.0["families"].as_array().expect("families").iter();
        families
            .flat_map(|family| family["samples"].as_array().expect("samples"))
            .map(|sample| (sample[0].as_str().expect("a name"), &sample[1], sample[2].as_f64().unwrap_or(f64::NAN)))
    }

    /// The sum over the samples of a name that have these labels.
    fn sum(&self, wanted: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |of: &Value| labels.iter().all(|(label, value)| of[*label] == *value);
        self.samples().filter(|(name, of, _)| *name == wanted && fits(of)).map(|(_, _, value)| value).sum()
    }
}

#[test]
fn metrics_are_what_a_collector_reads_and_say_what_happened_and_nothing_about_anybody() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(directory.path(), "metrics");
    let clinic = Clinic::of(6);
    let server = opened(&installation, &clinic, None);
    Gateways::start(&server.mqtt, &installation.token("gateway"), queues(&clinic)).finish();
    let readings = clinic.reading_count();
    let stored = || installation.figure("SELECT count(*) FROM readings") == readings;
    assert!(waiting::until(std::time::Duration::from_secs(60), stored));

    let page = Page::of(&server);
    assert!(page.0["content_type"].as_str().expect("a type").starts_with("text/plain; version=0.0.4"));
    let of_mqtt = |class: &str| page.sum("painwatch_readings_total", &[("input", "mqtt"), ("class", class)]);
    assert_eq!((of_mqtt("stored"), of_mqtt("quarantined")), (readings as f64, 0.0));
    assert!(page.sum("painwatch_journal_sync_seconds_count", &[]) > 1.0);
    assert!(page.sum("painwatch_journal_bytes", &[]) > 100_000.0);
    assert!(page.sum("painwatch_journal_written_bytes_total", &[]) > 100_000.0);
    assert!(page.sum("painwatch_lag_records", &[("consumer", "store")]) < 100.0);
    assert_eq!(page.sum("painwatch_canary_alive", &[]), 4.0);
    assert!(page.sum("painwatch_open_alerts", &[]) >= clinic.alert_count() as f64);
    assert!(page.sum("painwatch_process_resident_memory_bytes", &[]) > 1e6);
    assert!(page.0["families"].as_array().expect("families").iter().all(|family| family["help"] != ""));
    nothing_about_anybody(&installation, &page);
    server.stop();
}

fn nothing_about_anybody(installation: &Installation, page: &Page) {
    let mut values = std::collections::BTreeMap::<String, BTreeSet<String>>::new();
    for (_, labels, _) in page.samples() {
        for (label, value) in labels.as_object().expect("labels") {
            assert!(LABELS.contains(&label.as_str()), "label {label}");
            values.entry(label.clone()).or_default().insert(value.as_str().expect("text").to_owned());
        }
    }
    for (label, values) in &values {
        assert!(values.len() <= VALUES_MAX, "{label} has {} values", values.len());
    }
    let text = page.0["text"].as_str().expect("text");
    let rows = installation.sql(IDS);
    let ids: BTreeSet<&str> =
        rows.iter().flat_map(|row| row.as_object().expect("a row").values()).filter_map(Value::as_str).collect();
    // 6 patients, their oximeters, 4 gateways.
    assert_eq!(ids.len(), 16, "{ids:?}");
    let told: Vec<_> = ids.into_iter().filter(|id| text.contains(*id)).collect();
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn health_is_told_to_anybody_and_metrics_to_this_machine_and_to_the_operator() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(directory.path(), "health").with("PAINWATCH__TLS__AUTO", "self-signed");
    let server = installation.serve();
    let passed_on = "x-forwarded-for: 192.0.2.1\r\n";
    // Plain on loopback, though every other listener speaks TLS.
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(get(&server.admin, path, passed_on).0, 200, "{path}");
    }
    let answer = get(&server.admin, "/readyz", "").1;
    assert!(answer.contains("\"processor\":true") && !answer.contains("inputs"), "{answer}");
    assert!(get(&server.admin, "/healthz", "").1.contains("\"inputs\":true"));
    let bearer = |whose: &str| format!("{passed_on}authorization: Bearer {}\r\n", installation.token(whose));
    assert_eq!(get(&server.admin, "/metrics", "").0, 200);
    assert_eq!(get(&server.admin, "/metrics", passed_on).0, 403);
    assert_eq!(get(&server.admin, "/metrics", &bearer("clinician")).0, 403);
    assert_eq!(get(&server.admin, "/metrics", &bearer("gateway")).0, 403);
    assert_eq!(get(&server.admin, "/metrics", &bearer("operator")).0, 200);
    server.stop();

    let plain = Installation::below(directory.path(), "plain");
    let server = plain.serve();
    let (status, page) = get(&server.http, "/metrics", "");
    assert!(status == 200 && page.contains("painwatch_build_info"), "the same on the console's listener");
    assert_eq!(get(&server.http, "/metrics", passed_on).0, 403);
    server.stop();
}
