//! The examples in docs/gateway-developers.md and docs/examples do what they say, built and started as they say.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::program::{Installation, Server};
use crate::scenario::{BOOK, port, told_by};
use crate::{python, waiting};

const PATIENCE: Duration = Duration::from_secs(120);
/// Lines of the hub that has to live through a crash.
const LINES: usize = 6_000;

fn docs(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(path)
}

/// The code block of the page that is marked so.
fn block(mark: &str) -> String {
    let page = std::fs::read_to_string(docs("gateway-developers.md")).expect("the page");
    let begin = format!("```{mark}\n");
    let rest = page.split_once(&begin).unwrap_or_else(|| panic!("no block {mark:?}")).1;
    rest.split_once("```").expect("the block ends").0.to_owned()
}

fn small_hub(directory: &Path) -> PathBuf {
    let hub = directory.join("small_hub");
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-o"]).arg(&hub).arg(docs("examples/small_hub.c"));
    let built = cc.output().expect("cc; `cargo xtask test` installs it or says how");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    hub
}

fn hub(program: &Path, server: &Server, gateway: &str, token: &str, file: &Path) -> Child {
    let lines = File::open(file).expect("the readings");
    let mut hub = Command::new(program);
    hub.args(["127.0.0.1", port(&server.mqtt), gateway, token]).stdin(lines).stderr(Stdio::piped());
    hub.spawn().expect("it starts")
}

fn ends_well(child: Child) {
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn python_example(environment: &Path, script: &str, arguments: &[&str], place: &Path, file: &Path) -> String {
    let mut example = Command::new(environment);
    example.arg(docs(script)).args(arguments).current_dir(place).env("PYTHONPATH", place);
    example.stdin(File::open(file).expect("the readings")).stderr(Stdio::piped());
    let output = example.spawn().expect("python starts").wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// As the example's first lines say: the description from the server, then the code for it.
fn generated(installation: &Installation, server: &Server, place: &Path) {
    let fetched = Command::new(python::with_grpc())
        .args(["-c", "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=30).read().decode())"])
        .arg(format!("http://{}/api/v1/schemas/ingest.proto", server.http))
        .output()
        .expect("python starts");
    assert!(fetched.status.success(), "{}\n{}", String::from_utf8_lossy(&fetched.stderr), installation.log_tail());
    std::fs::write(place.join("ingest.proto"), fetched.stdout).expect("the description");
    let arguments = ["-m", "grpc_tools.protoc", "-I.", "--python_out=.", "--grpc_python_out=.", "ingest.proto"];
    let made = Command::new(python::with_grpc()).args(arguments).current_dir(place).status().expect("python starts");
    assert!(made.success());
}

#[test]
fn the_examples_for_gateway_developers_hand_over_and_the_books_say_what_was_meant() {
    let parent = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(parent.path(), "examples");
    let server = installation.serve();
    let token = installation.token("gateway");
    let told = |gateway: &str| told_by(gateway, parent.path());

    ends_well(hub(&small_hub(parent.path()), &server, "gw-c", &token, &told("gw-c")));
    let arguments = ["127.0.0.1", port(&server.mqtt), "gw-paho", &token];
    python_example(&python::with_paho(), "examples/mqtt_gateway.py", &arguments, parent.path(), &told("gw-paho"));
    generated(&installation, &server, parent.path());
    let arguments = [server.grpc.as_str(), "gw-grpcio", &token];
    let said =
        python_example(&python::with_grpc(), "examples/grpc_gateway.py", &arguments, parent.path(), &told("gw-grpcio"));
    assert!(said.contains("s/6: value_out_of_range") && said.contains("s/3: value_differs"), "{said}");
    let line = block("sh mosquitto_pub").replace("1883", port(&server.mqtt));
    let done = Command::new("sh").args(["-ec", &line]).env("TOKEN", &token).output().expect("sh");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    server.stop();
    installation.verified();
    let of = |gateway: &str| {
        let query = format!(
            "SELECT submitted, stored, duplicate, conflict, quarantined FROM ledger WHERE gateway_id = '{gateway}'"
        );
        installation.sql(&query)
    };
    let mut expected = json!({});
    BOOK.iter().for_each(|(class, count)| expected[*class] = json!(count));
    for gateway in ["gw-c", "gw-paho", "gw-grpcio"] {
        assert_eq!(of(gateway), [expected.clone()], "{gateway}");
    }
    assert_eq!(of("gw-17"), [json!({"submitted": 1, "stored": 1, "duplicate": 0, "conflict": 0, "quarantined": 0})]);
}

#[test]
fn the_small_hub_loses_nothing_when_the_server_is_killed_and_gives_up_where_it_is_not_let_in() {
    let parent = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(parent.path(), "hub").on_a_fixed_port();
    let server = installation.serve();
    let program = small_hub(parent.path());
    let readings = (0..LINES).map(|nth| {
        let (hour, minute, second) = (nth / 3_600, nth / 60 % 60, nth % 60);
        let time = format!("2026-03-01T{hour:02}:{minute:02}:{second:02}Z");
        json!({"device": "watch-c", "measure": "heart_rate", "time": time, "value": 71, "unit": "/min"}).to_string()
            + "\n"
    });
    let file = parent.path().join("readings.jsonl");
    std::fs::write(&file, readings.collect::<String>()).expect("the readings");

    let stranger = hub(&program, &server, "gw-c", "no token", &file).wait_with_output().expect("it ends");
    assert_eq!(stranger.status.code(), Some(2), "{}", String::from_utf8_lossy(&stranger.stderr));

    let token = installation.token("gateway");
    let mut working = hub(&program, &server, "gw-c", &token, &file);
    let begun = waiting::until(PATIENCE, || installation.figure("SELECT count(*) FROM readings") > 0);
    assert!(begun, "{}", installation.log_tail());
    assert!(working.try_wait().expect("a child").is_none(), "it has lines left");
    server.kill_9();
    let server = installation.serve();
    ends_well(working);
    server.stop();
    assert_eq!(installation.figure("SELECT count(*) FROM readings"), LINES as u64);
    installation.verified();
}
