//! The demo, which is the whole path on a driven clock: run twice, on both engines, on the recordings, read by DuckDB.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::program::Installation;
use crate::python;

const SMALL: [&str; 7] = ["demo", "--once", "--json", "--patients", "2", "--weeks", "2"];

/// Runs a demo to its end; its last line.
fn demo(installation: &Installation, arguments: &[&str]) -> Value {
    let told = installation.told(arguments);
    let end: Value = serde_json::from_str(told.lines().last().expect("a line")).expect("JSON");
    let books = &end["books"];
    let count = |name: &str| books[name].as_u64().expect("a figure");
    assert_eq!(
        count("submitted"),
        count("stored") + count("duplicate") + count("conflict") + count("quarantined"),
        "{books}"
    );
    end
}

#[test]
fn a_second_demo_on_the_same_data_stores_nothing_new_and_opens_no_second_alert() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(directory.path(), "demo");
    let first = demo(&installation, &SMALL);
    let second = demo(&installation, &SMALL);
    assert!(first["alerts"].as_object().is_some_and(|alerts| !alerts.is_empty()), "{first}");
    assert_eq!(second["books"]["stored"], first["books"]["stored"]);
    assert_eq!(
        second["books"]["duplicate"], first["books"]["submitted"],
        "the first run's repetitions and all its readings"
    );
    for figure in ["identities", "alerts", "canonical_hash"] {
        assert_eq!(second[figure], first[figure], "{figure}");
    }
    installation.told(&["replay", "--json"]);
    assert_eq!(first["canonical_hash"], installation.verified());
    assert_eq!(installation.figure("SELECT count(DISTINCT reading_id) FROM readings"), first["identities"]);
    let alerts = first["alerts"].as_object().expect("alerts by rule").values().filter_map(Value::as_u64).sum::<u64>();
    assert_eq!(installation.figure("SELECT count(*) FROM alerts"), alerts);
}

/// A PostgreSQL of this test alone; stopped when dropped.
struct Postgres {
    directory: tempfile::TempDir,
    url: String,
}

impl Postgres {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let answer = directory.path().with_extension("url");
        // The server must not inherit a pipe of ours, or reading it would wait for the server's end.
        let out = std::fs::File::create(&answer).expect("a file");
        let status =
            Self::script("start", directory.path()).stdout(out).stderr(Stdio::null()).status().expect("a script");
        let url = std::fs::read_to_string(&answer).expect("its answer");
        std::fs::remove_file(&answer).expect("its answer");
        assert!(status.success(), "postgres.sh start failed");
        Self { directory, url: url.trim().to_owned() }
    }

    fn script(command: &str, directory: &Path) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/postgres.sh");
        let mut postgres = Command::new(script);
        postgres.arg(command).arg(directory);
        postgres
    }

    /// As libpq writes it.
    fn connection(&self) -> String {
        let (address, database) = self.url.trim_start_matches("postgres://painwatch@").split_once('/').expect("a URL");
        let (host, port) = address.split_once(':').expect("a port");
        format!("postgres:dbname={database} host={host} port={port} user=painwatch")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = Self::script("stop", self.directory.path()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// What DuckDB counts in the lake is what `painwatch sql` counts.
fn duckdb_counts_the_same(installation: &Installation, catalog: &str) {
    let counted = python::run(&python::with_duckdb(), "whole/lake_counts.py", &[catalog]);
    let ours = installation.sql(
        "SELECT device_id, measure, count(*) AS n, round(sum(value), 3) AS total FROM readings
         GROUP BY device_id, measure ORDER BY device_id, measure",
    );
    assert!(!ours.is_empty());
    assert_eq!(counted, Value::Array(ours));
}

#[test]
fn on_postgresql_the_demo_ends_in_the_same_history_as_on_sqlite_and_duckdb_counts_the_rows_of_both_lakes() {
    let directory = tempfile::tempdir().expect("a directory");
    let embedded = Installation::below(directory.path(), "sqlite");
    let server = Postgres::start();
    let scaled = Installation::below(directory.path(), "postgresql").with("PAINWATCH__STORE__URL", &server.url);
    let on_sqlite = demo(&embedded, &SMALL);
    // What the environment says is for whoever reads it afterwards: a demo keeps away from a configured database.
    let in_its_own: Vec<&str> = SMALL.into_iter().chain(["--store", &server.url]).collect();
    let on_postgresql = demo(&scaled, &in_its_own);
    for figure in ["books", "identities", "alerts", "canonical_hash"] {
        assert_eq!(on_postgresql[figure], on_sqlite[figure], "{figure}");
    }
    duckdb_counts_the_same(&embedded, &format!("sqlite:{}", embedded.data.join("painwatch.db").display()));
    duckdb_counts_the_same(&scaled, &server.connection());
}

/// The recorded sets that the demo knows, and with what the devices of each begin; the first is an eighth of the second.
const SETS: [(&str, &str); 2] = [("myaiguide", "myaiguide"), ("fitbit_furberg2016", "fitbit")];

/// How many of the sets are played: `PAINWATCH_RECORDED_SETS`, or one.
fn sets() -> &'static [(&'static str, &'static str)] {
    let asked = std::env::var("PAINWATCH_RECORDED_SETS").ok().and_then(|sets| sets.parse().ok());
    &SETS[..asked.map_or(1, |sets: usize| sets.min(SETS.len()))]
}

/// A folder below `place` with those recordings, or `None` with a notice.
fn recordings(place: &Path) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("PAINWATCH_RECORDINGS").map_or_else(beside, PathBuf::from);
    let chosen = place.join("recordings");
    std::fs::create_dir(&chosen).expect("a folder");
    for (set, _) in sets() {
        let Ok(from) = folder.join(set).canonicalize() else {
            println!("skipped: the recordings are not at {}", folder.display());
            return None;
        };
        std::os::unix::fs::symlink(from, chosen.join(set)).expect("a link");
    }
    Some(chosen)
}

#[test]
fn after_a_demo_on_the_recordings_the_books_say_what_an_independent_count_of_the_raw_files_says() {
    let directory = tempfile::tempdir().expect("a directory");
    let Some(folder) = recordings(directory.path()) else { return };
    let folder = folder.to_str().expect("a path");
    let installation = Installation::below(directory.path(), "demo");
    demo(&installation, &["demo", "--once", "--json", "--patients", "1", "--weeks", "1", "--recordings", folder]);
    let arguments: Vec<&str> = std::iter::once(folder).chain(sets().iter().map(|(set, _)| *set)).collect();
    let counted = python::run(&python::with_pandas(), "books/count_recordings.py", &arguments);
    for (set, prefix) in sets() {
        let of_set = |table: &str, what: &str, only: &str| {
            installation.figure(&format!("SELECT {what} FROM {table} WHERE device_id LIKE '{prefix}%' {only}"))
        };
        let identities = of_set("readings", "count(DISTINCT reading_id)", "");
        let past = of_set("readings_history", "count(*)", "AND moved <> 'conflict'");
        assert_eq!(counted[*set]["distinct_identities"], identities, "{set}");
        assert_eq!(counted[*set]["stored_versions"], identities + past, "{set}");
    }
}
