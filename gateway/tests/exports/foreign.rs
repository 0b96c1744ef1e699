//! What other systems stored in the words of a standard.

use std::path::Path;

use painwatch_domain::roster::Medication;
use painwatch_domain::{MedicationId, Roster};
use painwatch_gateway::import::{FileReport, Import, ImportOptions, import};

use super::{figures, fixture, imported, options, readings};

fn devices(import: &Import) -> Vec<&str> {
    import.subjects.iter().flat_map(|subject| &subject.devices).map(|device| device.id.as_str()).collect()
}

/// Where, and why, what was skipped.
fn skipped(file: &FileReport) -> Vec<(u64, &str)> {
    file.skipped.iter().map(|skipped| (skipped.first_line, skipped.reason.as_str())).collect()
}

#[test]
fn data_points_are_read_out_of_an_array_and_out_of_lines_each_behind_its_user() {
    let import = imported("omh", &fixture("omh"));
    assert_eq!(figures(&import), [7, 7, 7, 7, 0, 0, 0]);
    assert_eq!(devices(&import), ["d-ann-Brand-Watch", "d-ann-cuff-3", "d-ann-watch-1", "d-ben-Brand-Watch"]);
    let patients: Vec<&str> = import.subjects.iter().map(|subject| subject.patient.as_str()).collect();
    assert_eq!(patients, ["p-17-ann", "p-17-ben"]);
    let [series, points] = &import.report.files[..] else { panic!("{:?}", import.report.files) };
    let (_, broken) = skipped(series)[0];
    assert!(skipped(series)[0].0 == 4 && !broken.is_empty(), "{:?}", series.skipped);
    assert!(points.skipped[0].reason.contains("the schema \"calories-burned\" has no measure here"), "{points:?}");
    assert_eq!(points.skipped[0].first_line, 4);
    // The identity is the point's own, and what it says without an offset is told in the zone of the import.
    let pressure = readings(&import).find(|reading| reading.measure == "blood_pressure").expect("one");
    assert_eq!(
        (pressure.id.as_str(), pressure.zone.as_str()),
        ("8d1a2c3e-0001-4000-8000-000000000002", "Europe/Paris")
    );
    assert_eq!(pressure.revision, 20_260_328, "the last day of the file");
}

#[test]
fn resources_are_read_out_of_a_bundle_and_out_of_a_bulk_export_and_refer_to_each_other() {
    let import = imported("fhir", &fixture("fhir"));
    assert_eq!(figures(&import), [10, 7, 7, 7, 0, 0, 0]);
    assert_eq!(devices(&import), ["d-p-1-record", "d-p-1-watch-0042", "d-p-2-record"]);
    let doses: Vec<&str> = readings(&import)
        .filter(|reading| reading.measure == "medication_event")
        .map(|reading| reading.medication.as_str())
        .collect();
    assert_eq!(doses, ["oxycodone-5mg", "oxycodone-5mg"], "the second by a resource of another file");
    let [kinds, doses, bundle] = &import.report.files[..] else { panic!("{:?}", import.report.files) };
    assert_eq!(skipped(kinds), [(1, "no reading: what readings refer to")]);
    assert!(doses.skipped[0].first_line == 3 && doses.skipped[0].reason.contains("|1049621"), "{doses:?}");
    let bundle = skipped(bundle);
    assert_eq!(
        bundle[..2],
        [(1, "no reading: what readings refer to"), (5, "an order or a fill: these stand in the roster")]
    );
    assert!(bundle[2].0 == 6 && bundle[2].1.contains("\"Condition\" is not taken"), "{bundle:?}");
    let pain = readings(&import).find(|reading| reading.measure == "pain_nrs").expect("one");
    assert_eq!((pain.id.as_str(), pain.revision, pain.status.as_str()), ("Observation/o-3", 2, "corrected"));
}

#[test]
fn a_medication_is_known_by_the_codes_that_the_roster_has() {
    let id = MedicationId::parse("oxycodone-er").expect("an id");
    let tablets = Medication::tablets(id.clone(), "oxycodone", 5.0);
    let medication = Medication { rxnorm: Some("1049621".to_owned()), ..tablets };
    let roster = Roster { medications: [(id, medication)].into(), ..Roster::default() };
    let options = ImportOptions { roster, ..options() };
    let import = import("fhir", &fixture("fhir/MedicationAdministration.ndjson"), &options).expect("an export");
    let doses: Vec<&str> = readings(&import).map(|reading| reading.medication.as_str()).collect();
    assert_eq!(doses, ["oxycodone-5mg", "oxycodone-er"]);
}

#[test]
fn a_file_that_is_no_document_is_told_and_the_others_are_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &[u8]| std::fs::write(directory.path().join(name), text).expect("written");
    write("a.json", b"{\"header\": {");
    write("b.json", b"\xff\xfe");
    write("c.jsonl", b"\n\n");
    write("notes.txt", b"hello");
    std::fs::copy(fixture("omh/shimmer.json"), directory.path().join("points.json")).expect("copied");
    let import = imported("omh", directory.path());
    assert_eq!(figures(&import)[..2], [6, 3]);
    let told: Vec<usize> = import.report.files.iter().map(|file| file.skipped.len()).collect();
    assert_eq!(told, [1, 1, 0, 1]);
    let left_out: Vec<&str> = import.report.left_out.iter().map(|(file, _)| name(file)).collect();
    assert_eq!(left_out, ["notes.txt"]);
}

fn name(file: &str) -> &str {
    Path::new(file).file_name().and_then(|name| name.to_str()).unwrap_or_default()
}
