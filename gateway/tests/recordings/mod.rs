//! What the importers make of the real recordings, held against a count made independently of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use painwatch_domain::Roster;
use painwatch_gateway::import::{Import, ImportOptions, import};
use painwatch_gateway::ledger::{Books, Ledger};

/// The folder of a recorded data set, or `None` with a notice.
fn recordings(set: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PAINWATCH_RECORDINGS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let folder = root.join(set).join("dev");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: the recordings of {set} are not at {}", folder.display());
    None
}

fn options(zone: &str) -> ImportOptions {
    ImportOptions { device_prefix: "rec".into(), zone: zone.into(), patient: None, roster: Roster::default() }
}

fn books(import: &Import) -> Books {
    let mut ledger = Ledger::default();
    for subject in &import.subjects {
        subject.readings.iter().for_each(|timed| ledger.submit_reading(&timed.reading));
    }
    ledger.books()
}

/// Runs the pandas count in an environment of its own.
fn counted_by_pandas(root: &Path, set: &str) -> serde_json::Value {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pandas");
    let python = venv.join("bin/python");
    // Tests run in parallel processes: one of them builds the environment.
    let lock =
        std::fs::File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("pandas.lock")).expect("the lock file");
    lock.lock().expect("the lock");
    let run = |command: &mut Command| {
        let output = command.output().expect("the command starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    if !venv.join("ready").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pandas"]));
        std::fs::write(venv.join("ready"), "").expect("the marker is written");
    }
    drop(lock);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/books/count_recordings.py");
    serde_json::from_slice(&run(Command::new(&python).arg(script).arg(root).arg(set))).expect("the script prints JSON")
}

fn compare(set: &str, format: &str, zone: &str) {
    let Some(folder) = recordings(set) else { return };
    let imported = import(format, &folder, &options(zone)).expect("the export is read");
    let ours = books(&imported);
    let root = folder.parent().and_then(Path::parent).expect("a set lies in a folder");
    let theirs = &counted_by_pandas(root, set)[set];
    assert_eq!(ours.submitted, imported.report.readings());
    let ours = [
        ("submitted", ours.submitted),
        ("quarantined", ours.quarantined),
        ("distinct_identities", ours.identities),
        ("stored_versions", ours.stored),
    ];
    for (figure, count) in ours {
        assert_eq!(Some(count), theirs[figure].as_u64(), "{set} {figure}");
    }
    // The older two name their streams otherwise.
    if matches!(format, "welltory" | "pmdata") {
        let measures = serde_json::to_value(imported.report.measures()).expect("JSON");
        assert_eq!(measures, theirs["by_measure"], "{set}");
    }
}

#[test]
fn the_fitbit_importer_agrees_with_an_independent_count_of_the_raw_files() {
    compare("fitbit_furberg2016", "fitbit", "America/New_York");
}

#[test]
fn the_myaiguide_importer_agrees_with_an_independent_count_of_the_raw_files() {
    compare("myaiguide", "myaiguide", "Europe/Paris");
}

#[test]
fn the_welltory_importer_agrees_with_an_independent_count_of_the_raw_files() {
    compare("welltory_covid_hrv", "welltory", "UTC");
}

#[test]
fn the_pmdata_importer_agrees_with_an_independent_count_of_the_raw_files() {
    compare("pmdata", "pmdata", "Europe/Oslo");
}

#[test]
fn blood_pressures_that_stand_twice_a_whole_number_of_hours_apart_are_kept_and_marked() {
    let Some(folder) = recordings("welltory_covid_hrv") else { return };
    let imported = import("welltory", &folder.join("blood_pressure.csv"), &options("UTC")).expect("the table is read");
    let readings: Vec<_> = imported.subjects.iter().flat_map(|subject| &subject.readings).collect();
    let marked = readings.iter().filter(|timed| timed.reading.quality.starts_with("possible_copy_")).count();
    assert_eq!(readings.len(), 591);
    assert!((300..591).contains(&marked), "about half of the rows are second copies: {marked}");
}

#[test]
fn semantics_2_the_long_pain_diary_has_as_many_identities_as_days_and_sites() {
    let Some(folder) = recordings("myaiguide") else { return };
    let file = folder.join("participant1/pain.csv");
    let imported = import("myaiguide", &file, &options("Europe/Paris")).expect("the diary is read");
    let books = books(&imported);
    assert_eq!((books.submitted, books.identities), (10_990, 10_981));
}

#[test]
fn semantics_4_of_two_overlapping_exports_the_later_supersedes_partial_days_and_repeats_are_duplicates() {
    let Some(folder) = recordings("fitbit_furberg2016") else { return };
    let imported = import("fitbit", &folder, &options("America/New_York")).expect("the export is read");
    assert_eq!(imported.subjects.len(), 23);
    let mut samples = Ledger::default();
    let mut totals = Ledger::default();
    for timed in imported.subjects.iter().flat_map(|subject| &subject.readings) {
        let reading = &timed.reading;
        if reading.measure == "heart_rate" {
            samples.submit_reading(reading);
        } else if reading.measure == "step_count"
            && reading.values.is_empty()
            && reading.end_time.ends_with("T00:00:00")
            && reading.time.ends_with("T00:00:00")
        {
            totals.submit_reading(reading);
        }
    }
    assert_eq!(samples.books().duplicate, 9_666);
    let totals = totals.books();
    assert_eq!(totals.submitted - totals.identities, 17);
    assert_eq!((totals.stored, totals.conflict), (totals.submitted, 0));
}
