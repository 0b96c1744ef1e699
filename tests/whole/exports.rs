//! Exports of other programs and what the processor's merge by interval makes of them (semantics 9). The days are those of
//! real threads: a day of which a watch alone saw 4,157 of 14,079 steps (open-wearables #1287), and one that duplicates and
//! a counter that counts up blow up to more than 200,000 (LAMP-platform #730).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use painwatch_domain::time::parse_stamp;
use painwatch_domain::{Roster, Zone};
use painwatch_gateway::import::{Import, ImportOptions, import};
use painwatch_processor_core::metrics::interval_merge::{Interval, merge, total};
use painwatch_processor_core::metrics::wear::Span;
use painwatch_proto::ingest::v1::Reading;

use crate::program::Installation;

const ZONE: &str = "Europe/Paris";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway/tests/fixtures").join(name)
}

fn imported(format: &str, name: &str) -> Import {
    let roster = Roster::default();
    let options = ImportOptions { device_prefix: "d".into(), zone: ZONE.into(), patient: Some("p-17".into()), roster };
    import(format, &fixture(name), &options).expect("the export is read")
}

fn steps(import: &Import) -> Vec<&Reading> {
    let readings = import.subjects.iter().flat_map(|subject| &subject.readings).map(|timed| &timed.reading);
    readings.filter(|reading| reading.measure == "step_count").collect()
}

/// The sum of a day as the processor finds it: each identity once, each instant owned by one source.
fn merged(readings: &[&Reading], priority: impl Fn(&str) -> u32) -> i64 {
    let zone = Zone::parse(ZONE).expect("a zone");
    let ms = |text: &str| parse_stamp(text, &zone).expect("a stamp").utc_ms;
    let key = |reading: &&Reading| (reading.device.clone(), ms(&reading.time), ms(&reading.end_time));
    let once: BTreeMap<_, _> = readings.iter().map(|reading| (key(reading), reading.value.unwrap_or(0.0))).collect();
    let intervals: Vec<Interval<'_>> = once
        .iter()
        .map(|((device, start, end), count)| Interval {
            span: Span { start: *start, end: *end },
            count: *count as i64,
            source_priority: priority(device),
            device,
        })
        .collect();
    total(&merge(&intervals)).expect("a day with steps")
}

fn naive(readings: &[&Reading]) -> i64 {
    readings.iter().map(|reading| reading.value.unwrap_or(0.0) as i64).sum()
}

#[test]
fn semantics_9_a_day_of_phone_and_watch_has_the_steps_that_both_together_saw() {
    let import = imported("apple-health", "apple-health/export.xml");
    let readings = steps(&import);
    let watch: Vec<&Reading> = readings.iter().copied().filter(|reading| reading.device.contains("watch")).collect();
    assert_eq!(naive(&watch), 4_157, "the watch alone");
    assert!(naive(&readings) > 17_000, "all of it, twice counted");
    // As a roster says it: the watch before the phone.
    let priority = |device: &str| if device.contains("watch") { 1 } else { 2 };
    assert_eq!(merged(&readings, priority), 14_079);
}

#[test]
fn semantics_9_duplicates_and_a_counter_that_counts_up_do_not_blow_up_a_day() {
    let import = imported("csv", "counters");
    let readings = steps(&import);
    assert!(naive(&readings) > 200_000);
    assert_eq!(merged(&readings, |_| 1), 8_431);
}

#[test]
fn an_imported_export_is_stored_once_however_often_it_is_sent_and_its_command_says_what_became_of_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(directory.path(), "import");
    let server = installation.serve();
    let path = fixture("apple-health/export.xml");
    let path = path.to_str().expect("a path");
    let arguments = ["import", "apple-health", path, "--device", "d", "--zone", ZONE, "--json"];
    let told = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&installation.told(arguments)).expect("JSON")
    };
    let (first, second) = (told(&arguments), told(&arguments));
    for (answer, stored) in [(&first, 60), (&second, 0)] {
        let figures =
            ["submitted", "stored", "duplicate", "conflict", "quarantined"].map(|figure| answer[figure].as_u64());
        assert_eq!(figures, [Some(64), Some(stored), Some(64 - stored), Some(0), Some(0)], "{answer}");
    }
    let shown = installation.told(&arguments[..7]);
    assert!(shown.contains("step_count") && shown.contains("64 rows read, 64 readings submitted"), "{shown}");
    server.stop();
    assert_eq!(installation.figure("SELECT count(DISTINCT reading_id) FROM readings"), 60);
}

#[test]
fn what_other_systems_stored_in_a_standard_is_stored_once_however_often_it_is_sent() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(directory.path(), "import");
    let roster = directory.path().join("clinic.toml");
    let medication = "[[medication]]\nid = \"oxycodone-er\"\ningredient = \"oxycodone\"\nstrength = \"10\"\nunit = \"{tablet}\"\n\
                      release = \"er\"\nrxnorm = \"1049621\"\n";
    std::fs::write(&roster, medication).expect("written");
    let server = installation.serve();
    let told = |format: &str, more: &[&str]| -> [Option<u64>; 4] {
        let path = fixture(format);
        let arguments = ["import", format, path.to_str().expect("a path"), "--device", "d", "--zone", ZONE, "--json"];
        let answer: serde_json::Value =
            serde_json::from_str(&installation.told(&[&arguments, more].concat())).expect("JSON");
        ["submitted", "stored", "duplicate", "quarantined"].map(|figure| answer[figure].as_u64())
    };
    for format in ["omh", "fhir"] {
        assert_eq!(told(format, &[]), [7, 7, 0, 0].map(Some), "{format}");
        assert_eq!(told(format, &[]), [7, 0, 7, 0].map(Some), "{format}");
    }
    let roster = roster.to_str().expect("a path");
    assert_eq!(told("fhir", &["--roster", roster]), [8, 1, 7, 0].map(Some), "the roster knows one code more");
    server.stop();
}

#[test]
fn a_format_that_is_not_known_is_a_wrong_command_line_and_the_help_has_an_example_of_each() {
    let directory = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(directory.path(), "import");
    let output = installation.run(&["import", "apple", "x", "--device", "d", "--zone", ZONE]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("known are fitbit, myaiguide, welltory, pmdata, apple-health, withings, garmin, omh, fhir, csv"),
        "{said}"
    );
    let help = installation.told(&["import", "--help"]);
    for format in painwatch_gateway::import::FORMATS {
        assert!(help.contains(format.example), "{help}");
    }
}
