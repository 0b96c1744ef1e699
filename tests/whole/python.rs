//! Private Python environments in the build directory, for readers and counters that are not ours. Tests run beside each
//! other, each in a process of its own: the first one installs, the others wait.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const DUCKDB: [&str; 4] = [
    "duckdb==1.4.4",
    "duckdb-ext-ducklake==1.4.4.20260205",
    "duckdb-ext-sqlite==1.4.4.20260205",
    "duckdb-ext-postgres==1.4.4.20260205",
];

pub fn with_duckdb() -> PathBuf {
    environment("duckdb-1.4.4", "complete", &DUCKDB)
}

pub fn with_pandas() -> PathBuf {
    environment("pandas", "ready", &["pandas"])
}

pub fn with_grpc() -> PathBuf {
    environment("grpc-tools", "ready", &["grpcio", "grpcio-reflection", "grpcio-tools", "grpc-requests"])
}

pub fn with_prometheus() -> PathBuf {
    environment("prometheus-client-0.23.1", "ready", &["prometheus-client==0.23.1"])
}

pub fn with_paho() -> PathBuf {
    environment("paho-2.1.0", "ready", &["paho-mqtt==2.1.0"])
}

fn environment(name: &str, marker: &str, packages: &[&str]) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let python = place.join("bin/python");
    let lock = File::create(place.with_extension("lock")).expect("the lock file");
    lock.lock().expect("the lock");
    if !place.join(marker).exists() {
        let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place).status().expect("python3");
        assert!(made.success(), "python3 -m venv failed");
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
        assert!(pip.status().expect("pip").success(), "pip could not install {packages:?}");
        File::create(place.join(marker)).expect("the marker");
    }
    python
}

/// Runs one of the scripts below `tests`; the JSON that it prints.
pub fn run(python: &Path, script: &str, arguments: &[&str]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    let output = Command::new(python).arg(script).args(arguments).current_dir("/").output().expect("python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}
