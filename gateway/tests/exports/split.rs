//! One export, or the same days in two that overlap: the readings are the same ones.

use std::path::{Path, PathBuf};

use painwatch_gateway::import::Import;
use proptest::prelude::*;

use super::{books, fixture, imported};

/// A file as what stands before, between and after its units.
struct Units {
    format: &'static str,
    file: PathBuf,
    head: String,
    units: Vec<String>,
    tail: &'static str,
    joint: &'static str,
}

impl Units {
    /// A table: its header, and a unit a line.
    fn lines(format: &'static str, name: &str) -> Self {
        let file = fixture(name);
        let text = std::fs::read_to_string(&file).expect("a file");
        let mut lines = text.lines().map(|line| format!("{line}\n"));
        let head = lines.next().expect("a header");
        Self { format, file, head, units: lines.collect(), tail: "", joint: "" }
    }

    /// A JSON array with an element a line.
    fn array(name: &str) -> Self {
        let file = fixture(name);
        let text = std::fs::read_to_string(&file).expect("a file");
        let inside = text.trim().trim_start_matches('[').trim_end_matches(']').trim();
        let units = inside.split(",\n").map(str::to_owned).collect();
        Self { format: "garmin", file, head: "[".into(), units, tail: "]", joint: ",\n" }
    }

    /// A Health export: all up to the person is the head.
    fn records() -> Self {
        let file = fixture("apple-health/export.xml");
        let text = std::fs::read_to_string(&file).expect("a file");
        let body = text.find("\n <Record").expect("a record") + 1;
        let end = text.find("</HealthData>").expect("an end");
        // A line that begins with one blank begins an element below the root.
        let mut units: Vec<String> = Vec::new();
        for line in text[body..end].lines() {
            let begins = line.starts_with(" <") && !line.starts_with(" </");
            match units.last_mut() {
                Some(last) if !begins || within_correlation(last) => last.push_str(&format!("{line}\n")),
                _ => units.push(format!("{line}\n")),
            }
        }
        Self { format: "apple-health", file, head: text[..body].into(), units, tail: "</HealthData>", joint: "" }
    }

    fn import(&self, units: &[String], directory: &Path) -> Import {
        let path = directory.join(self.file.file_name().expect("a name"));
        std::fs::write(&path, format!("{}{}{}", self.head, units.join(self.joint), self.tail)).expect("written");
        imported(self.format, &path)
    }
}

fn within_correlation(unit: &str) -> bool {
    unit.trim_start().starts_with("<Correlation") && !unit.contains("</Correlation>")
}

fn all() -> Vec<Units> {
    vec![
        Units::records(),
        Units::lines("withings", "withings/raw_tracker_steps.csv"),
        Units::lines("withings", "withings/raw_tracker_sleep-state.csv"),
        Units::lines("withings", "withings/weight.csv"),
        Units::lines("withings", "withings/bp.csv"),
        Units::lines("csv", "csv/long.csv"),
        Units::lines("csv", "csv/wide.csv"),
        Units::array("garmin/DI_CONNECT/DI-Connect-Wellness/2026-04-01_2026-07-10_1_sleepData.json"),
        Units::array("garmin/DI_CONNECT/DI-Connect-Aggregator/UDSFile_2026-04-01_2026-07-10.json"),
        Units::array("garmin/DI_CONNECT/DI-Connect-Wellness/1_userBioMetrics.json"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn semantics_2_a_file_split_over_two_exports_that_overlap_has_the_same_identities(
        pick in any::<usize>(), first in any::<usize>(), second in any::<usize>(), backwards in any::<bool>(),
    ) {
        let all = all();
        let file = &all[pick % all.len()];
        let count = file.units.len();
        let (end, begin) = (first % (count + 1), second % (count + 1));
        // Every unit is in one of the two, those between the marks in both.
        let (begin, end) = (begin.min(end), begin.max(end));
        let directory = tempfile::tempdir().expect("a directory");
        let whole = file.import(&file.units, directory.path());
        let mut parts = [file.import(&file.units[..end], directory.path()), file.import(&file.units[begin..], directory.path())];
        if backwards {
            parts.reverse();
        }
        let expected = books([&whole]);
        prop_assert_eq!(books(&parts).identities, expected.identities, "{}", file.file.display());
        prop_assert_eq!(books(parts.iter().chain([&whole])).identities, expected.identities);
        prop_assert_eq!(books(&parts).conflict, expected.conflict);
    }
}
