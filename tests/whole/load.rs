//! `painwatch load`: what it sends is counted rightly, and a server that counts otherwise is told so.

use serde_json::{Value, json};

use crate::program::Installation;

fn conformance(installation: &Installation, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = installation.run(arguments);
    let told = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), told)
}

#[test]
fn whatever_goes_wrong_on_the_way_the_books_say_what_is_true() {
    let parent = tempfile::tempdir().expect("a directory");
    let truth = parent.path().join("truth.json");
    let truth = truth.to_str().expect("a path");
    let faults = "duplicates,lateness,reordering,skew,dst,malformed,unknown-units,outage";
    for how in
        [&["--protocol", "mqtt", "--batch-size", "5"][..], &["--protocol", "grpc", "--batch-size", "50", "--packed"]]
    {
        // Each by itself: the night in which clocks are set back is the same for both.
        let installation = Installation::below(parent.path(), how[1]);
        let server = installation.serve();
        let asked = [&["load", "--json", "--readings", "3000", "--fault", faults, "--truth", truth], how].concat();
        let (code, told) = conformance(&installation, &asked);
        assert_eq!((code, &told["conformance"]["agree"]), (Some(0), &json!(true)), "{told}");
        assert!(told["conformance"]["books"]["duplicate"].as_u64().expect("a figure") > 100, "{told}");
        server.stop();
        installation.verified();
    }
}

#[tokio::test]
async fn readings_that_another_gateway_lost_are_missed() {
    let parent = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(parent.path(), "lines");
    let server = installation.serve();
    let path = |name: &str| parent.path().join(name).to_str().expect("a path").to_owned();
    let (lines, truth) = (path("lines.jsonl"), path("truth.json"));
    let gateway = ["load", "--gateway", "gw-foreign", "--readings", "20", "--lines", &lines, "--truth", &truth];
    installation.told(&gateway);
    let text = std::fs::read_to_string(&lines).expect("the lines");
    let last = text.lines().count() - 1;
    let token = installation.token("gateway");
    // A second call finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let send = async |line: &str| {
        let to = format!("http://{}/api/v1/readings", server.http);
        let sent = client.post(to).bearer_auth(&token).header("content-type", "application/json");
        let sent = sent.header("x-painwatch-gateway", "gw-foreign").body(line.to_owned());
        assert!(sent.send().await.expect("an answer").status().is_success());
    };
    for line in text.lines().take(last) {
        send(line).await;
    }
    let check = ["load", "--json", "--settle-s", "1", "--check", &truth];
    let (code, told) = conformance(&installation, &check);
    assert_eq!((code, &told["conformance"]["agree"]), (Some(1), &json!(false)), "{told}");
    send(text.lines().last().expect("a line")).await;
    let (code, told) = conformance(&installation, &check);
    assert_eq!((code, &told["conformance"]["books"]["stored"]), (Some(0), &json!(20)), "{told}");
    server.stop();
}
