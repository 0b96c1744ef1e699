//! The importers over small files in the documented shapes of these exports. They are made up: of what people export
//! themselves no recording that may be passed on was found. Each holds the defects that its format is known for.

mod broken;
mod foreign;
mod split;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use painwatch_domain::Roster;
use painwatch_gateway::import::{Import, ImportOptions, import, stream};
use painwatch_gateway::ledger::{Books, Ledger};
use painwatch_proto::ingest::v1::Reading;

/// Each format, and the folder with its files.
pub const EXPORTS: [&str; 10] =
    ["apple-health", "csv", "fhir", "fitbit", "garmin", "myaiguide", "omh", "pmdata", "welltory", "withings"];

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub fn options() -> ImportOptions {
    let roster = Roster::default();
    ImportOptions { device_prefix: "d".into(), zone: "Europe/Paris".into(), patient: Some("p-17".into()), roster }
}

pub fn imported(format: &str, path: &Path) -> Import {
    import(format, path, &options()).expect("the export is read")
}

fn readings(import: &Import) -> impl Iterator<Item = &Reading> {
    import.subjects.iter().flat_map(|subject| &subject.readings).map(|timed| &timed.reading)
}

pub fn books<'a>(imports: impl IntoIterator<Item = &'a Import>) -> Books {
    let mut ledger = Ledger::default();
    imports.into_iter().for_each(|import| readings(import).for_each(|reading| ledger.submit_reading(reading)));
    ledger.books()
}

/// Rows, readings, identities, stored, duplicate, conflict, quarantined.
fn figures(import: &Import) -> [u64; 7] {
    let books = books([import]);
    let (rows, readings) = (import.report.rows(), import.report.readings());
    assert_eq!(readings, books.submitted, "the report counts what was sent");
    [rows, readings, books.identities, books.stored, books.duplicate, books.conflict, books.quarantined]
}

fn measures(import: &Import) -> BTreeMap<&'static str, u64> {
    import.report.measures()
}

#[test]
fn a_health_export_is_read_with_its_phone_and_its_watch_as_two_devices() {
    let import = imported("apple-health", &fixture("apple-health/export.xml"));
    // Three samples stand twice, and the blood pressure stands alone and as a pair.
    assert_eq!(figures(&import), [64, 64, 60, 60, 4, 0, 0]);
    let expected = [
        ("blood_pressure", 2),
        ("body_height", 1),
        ("body_weight", 1),
        ("exercise_session", 1),
        ("heart_rate", 6),
        ("hrv_sdnn", 1),
        ("oxygen_saturation", 1),
        ("respiratory_rate", 1),
        ("resting_heart_rate", 1),
        ("rr_interval", 3),
        ("skin_temperature", 1),
        ("sleep_stage", 6),
        ("step_count", 38),
        ("symptom_severity", 1),
    ];
    assert_eq!(measures(&import), BTreeMap::from(expected));
    let devices: BTreeSet<&str> = readings(&import).map(|reading| reading.device.as_str()).collect();
    let kinds: Vec<&str> = devices.iter().map(|id| &id[..id.rfind('-').unwrap_or(0)]).collect();
    assert_eq!(kinds, ["d-iphone16-1", "d-watch7-9"]);
    assert!(readings(&import).all(|reading| reading.revision == 20_260_708), "the export's date");
    assert_eq!(import.subjects[0].patient, "p-17");
}

#[test]
fn one_phone_that_is_written_as_73_sources_is_one_device() {
    let record = |address: u64| {
        format!(
            "<Record type=\"HKQuantityTypeIdentifierStepCount\" sourceName=\"Ann\u{2019}s iPhone\" unit=\"count\" \
             device=\"&lt;&lt;HKDevice: {:#x}&gt;, name:iPhone, manufacturer:Apple Inc., model:iPhone, hardware:iPhone16,1, software:17.{}&gt;\" \
             startDate=\"2026-03-0{} 08:{:02}:00 +0100\" endDate=\"2026-03-0{} 08:{:02}:30 +0100\" value=\"40\"/>",
            0xb0f5_77c0 + 64 * address,
            address % 5,
            1 + address / 60,
            address % 60,
            1 + address / 60,
            address % 60
        )
    };
    let text = format!(
        "<HealthData><ExportDate value=\"2026-03-09 08:00:00 +0100\"/>{}</HealthData>",
        (0..73).map(record).collect::<String>()
    );
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("export.xml");
    std::fs::write(&path, text).expect("written");
    let import = imported("apple-health", &path);
    assert_eq!(import.subjects[0].devices.len(), 1);
    assert_eq!(figures(&import), [73, 73, 73, 73, 0, 0, 0]);
}

#[test]
fn a_withings_export_is_read_and_a_shifted_blood_pressure_is_marked_not_merged() {
    let import = imported("withings", &fixture("withings"));
    assert_eq!(figures(&import), [20, 29, 29, 29, 0, 0, 0]);
    let marked: Vec<&str> = readings(&import)
        .filter(|reading| reading.measure == "blood_pressure")
        .map(|reading| reading.quality.as_str())
        .collect();
    assert_eq!(marked, ["", "possible_copy_2h", "possible_copy_2h"]);
    let devices: Vec<&str> = import.subjects[0].devices.iter().map(|device| device.id.as_str()).collect();
    assert_eq!(devices, ["d-cuff", "d-scale", "d-watch"]);
}

#[test]
fn a_garmin_export_is_read_in_the_watchs_own_offset_and_a_repeated_weighing_is_a_duplicate() {
    let import = imported("garmin", &fixture("garmin"));
    let [rows, submitted, identities, stored, duplicate, conflict, quarantined] = figures(&import);
    assert_eq!((rows, submitted, conflict, quarantined), (13, 19, 0, 0));
    // A snapshot repeats a weighing, and the table of Garmin Connect has it a third time.
    assert_eq!((identities, stored, duplicate), (17, 17, 2));
    let days: Vec<&str> = readings(&import)
        .filter(|reading| reading.measure == "step_count")
        .map(|reading| reading.time.as_str())
        .collect();
    assert_eq!(days, ["2026-07-05T00:00:00+02:00", "2026-07-06T00:00:00+02:00"]);
}

#[test]
fn tables_of_any_program_are_read_long_and_wide_and_bad_rows_are_told() {
    let import = imported("csv", &fixture("csv"));
    assert_eq!(figures(&import), [9, 10, 10, 10, 0, 0, 0]);
    let told: Vec<(u64, &str)> =
        import.report.files[0].problems.iter().map(|bad| (bad.line, bad.column.as_str())).collect();
    assert_eq!(told, [(6, "time"), (7, "value")]);
}

#[test]
fn an_export_that_python_has_zipped_is_the_same_export() {
    let directory = tempfile::tempdir().expect("a directory");
    for format in EXPORTS {
        let path = directory.path().join(format!("{format}.zip"));
        let script = "import shutil, sys; shutil.make_archive(sys.argv[1][:-4], 'zip', sys.argv[2])";
        let mut python = std::process::Command::new("python3");
        let packed = python.args(["-c", script]).arg(&path).arg(fixture(format)).status().expect("python3");
        assert!(packed.success());
        assert_eq!(figures(&imported(format, &path)), figures(&imported(format, &fixture(format))), "{format}");
    }
}

#[test]
fn handed_over_one_by_one_the_readings_are_the_same_and_none_is_kept() {
    for format in EXPORTS {
        let whole = imported(format, &fixture(format));
        let mut handed = Vec::new();
        let rest = stream(format, &fixture(format), &options(), &mut |timed| {
            handed.push(timed);
            Ok(())
        });
        let rest = rest.expect("the export is read");
        assert_eq!(readings(&rest).count(), 0);
        let mut kept: Vec<String> = readings(&whole).map(|reading| format!("{reading:?}")).collect();
        let mut handed: Vec<String> = handed.iter().map(|timed| format!("{:?}", timed.reading)).collect();
        kept.sort();
        handed.sort();
        assert_eq!(handed, kept, "{format}");
    }
}
