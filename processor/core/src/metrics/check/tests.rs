//! The golden files, where they are: beside the repository, never in it.

use std::path::{Path, PathBuf};

use super::{check, supported};

/// `None`, with a notice, where the folder is absent.
fn golden_files() -> Option<Vec<(PathBuf, String)>> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden");
    if !golden.is_dir() {
        println!("skipped: no golden vectors at {}", golden.display());
        return None;
    }
    let paths = [golden.clone(), golden.join("real")].into_iter().filter_map(|folder| folder.read_dir().ok()).flatten();
    let files =
        paths.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|ext| ext == "json"));
    Some(files.map(|path| (path.clone(), std::fs::read_to_string(&path).unwrap())).collect())
}

#[test]
fn every_case_of_every_golden_file_that_is_built_passes() {
    let Some(files) = golden_files() else { return };
    let reports: Vec<_> = files.iter().map(|(path, text)| (path, check(text))).collect();
    let built: Vec<_> = reports.iter().filter(|(_, report)| report.unsupported.is_none()).collect();
    for (path, report) in &built {
        assert!(report.is_ok() && report.passed > 0, "{}: {:#?}", path.display(), report);
    }
    // Scores, conversions and categories are of one reading, or of a few in places of their own: they have no other order.
    let count = |of: fn(&super::CheckReport) -> usize| built.iter().map(|(_, report)| of(report)).sum::<usize>();
    assert!(
        count(|report| report.shuffled) * 10 >= count(|report| report.passed) * 5,
        "{}",
        count(|report| report.shuffled)
    );
    for metric in supported() {
        assert!(built.iter().any(|(_, report)| report.metric == metric), "no golden file for {metric}");
    }
}

/// The passes are counted apart: what has no other order passes once.
#[test]
fn a_case_is_computed_once_more_after_its_readings_were_shuffled() {
    let report = check(
        r#"{"metric": "summary_stats", "cases": [
            {"name": "two", "input": {"x": [1.0, 2.0]}, "expected": {"n": 2, "mean": 1.5}, "tolerance": {"abs": 1e-9}},
            {"name": "one", "input": {"x": [1.0]}, "expected": {"n": 1}}]}"#,
    );
    assert_eq!((report.passed, report.shuffled, report.failed), (2, 1, 0), "{report:?}");
}

#[test]
fn an_unknown_metric_is_unsupported_and_a_wrong_expectation_fails_with_its_place() {
    let unknown = check(r#"{"metric": "astrology", "cases": []}"#);
    assert_eq!((unknown.unsupported.as_deref(), unknown.is_ok()), (Some("not built yet"), false));
    assert!(check("[]").unsupported.is_some());
    let wrong = check(
        r#"{"metric": "summary_stats", "cases": [{"name": "two", "input": {"x_rle": [[1.0, 2]]},
            "expected": {"n": 2, "mean": 1.5}, "tolerance": {"abs": 1e-9, "rel": 1e-9}}]}"#,
    );
    assert_eq!((wrong.passed, wrong.failed), (0, 1));
    assert_eq!(wrong.failures, ["two: mean expected 1.5, got 1.0"]);
}
