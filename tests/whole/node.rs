//! Node with a package of its own below the build directory, installed from the registry at the first use.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// MQTT.js, the version that the tests were written against.
const MQTT: &str = "mqtt@5.16.0";

/// Where its packages are.
fn with_mqtt() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(MQTT.replace('@', "-js-"));
    let lock = File::create(place.with_extension("lock")).expect("the lock file");
    lock.lock().expect("the lock");
    if !place.join("ready").exists() {
        std::fs::create_dir_all(&place).expect("a directory");
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--prefix"]);
        let installed = npm.arg(&place).arg(MQTT).status().expect("npm; `cargo xtask test` installs it or says how");
        assert!(installed.success(), "npm could not install {MQTT}");
        File::create(place.join("ready")).expect("the marker");
    }
    place
}

/// Runs one of the scripts below `tests` to its good end.
pub fn run(script: &str, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    let mut node = Command::new("node");
    // A script finds packages beside itself or where it is told.
    node.arg(script).args(arguments).env("NODE_PATH", with_mqtt().join("node_modules"));
    let output = node.output().expect("node; `cargo xtask test` installs it or says how");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
