//! A metric reachable only from `metrics check` is forbidden: what the golden vectors prove must be what patients get.

use crate::{has_word, is_test, none, production, read, sources};

const CASES: &str = "processor/core/src/metrics/check/";
/// Modules whose functions the cases call by name.
const BY_MODULE: &[&str] = &[
    "unit::",
    "measure::",
    "summary_stats::",
    "choi::",
    "troiano::",
    "cole_kripke::",
    "sadeh::",
    "hrv_artefact::",
    "night_signal::",
];
/// Where production decides about readings.
const PRODUCTION: &[&str] = &["processor/core/src/", "ingest/core/src/", "domain/src/"];
/// A golden file that asks for several figures at once: the view of the check, and the production code it is made of.
const VIEWS: &[(&str, &[&str])] = &[("summarise", &["sorted_present", "mean", "sd", "median"])];

/// Proves a table of ours, in a test over every row of it, rather than anything about a patient.
const OF_TABLES: &[&str] = &["loinc_check_digit_is_valid"];

/// What the cases call: the names imported from the metrics, and `unit::…`, `measure::…`.
fn called() -> Vec<String> {
    let files = sources(&[".rs"]);
    let cases = files.iter().filter(|source| source.path.starts_with(CASES) && !is_test(&source.path));
    let text: String = cases.map(|source| production(&source.text)).collect();
    let mut names = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("use crate::metrics::")) {
        let Some((_, items)) = line.trim_end_matches(';').rsplit_once("::") else { continue };
        // `f as g`: what is called is `f`. A module by itself is looked for below.
        let item = |item: &str| item.split(" as ").next().unwrap_or_default().to_owned();
        names.extend(items.trim_matches(['{', '}']).split(", ").filter(|name| *name != "self").map(item));
    }
    for module in BY_MODULE {
        for (at, _) in text.match_indices(module) {
            let rest = &text[at + module.len()..];
            names.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    names.retain(|name| name.chars().next().is_some_and(char::is_alphabetic));
    names
}

/// Whether production uses `name` beyond defining, importing or implementing it.
fn is_used(name: &str) -> bool {
    let passive = ["use ", "pub use ", "impl ", "//", "pub fn ", "pub const fn ", "pub struct ", "pub enum "];
    let uses = |line: &str| {
        let line = line.trim_start();
        let defines = passive.iter().any(|start| {
            line.strip_prefix(start).is_some_and(|rest| {
                rest.starts_with(name) || start.ends_with("use ") || *start == "//" || *start == "impl "
            })
        });
        has_word(line, name) && !defines
    };
    let relevant = |path: &str| {
        PRODUCTION.iter().any(|place| path.starts_with(place)) && !path.contains("/metrics/check") && !is_test(path)
    };
    sources(&[".rs"])
        .iter()
        .filter(|source| relevant(&source.path))
        .any(|source| production(&source.text).lines().any(uses))
}

#[test]
fn what_the_golden_vectors_check_is_what_production_runs() {
    let called = called();
    assert!(called.len() > 5, "{CASES} calls only {called:?}: has its form changed?");
    let mut faults = Vec::new();
    for name in called.iter().filter(|name| !OF_TABLES.contains(&name.as_str())) {
        let parts =
            VIEWS.iter().find(|(view, _)| view == name).map_or(vec![name.as_str()], |(_, parts)| parts.to_vec());
        faults.extend(
            parts
                .into_iter()
                .filter(|part| !is_used(part))
                .map(|part| format!("{part} is reachable only from the check")),
        );
    }
    none(&faults, "metrics");
}

#[test]
fn every_metric_of_its_own_is_a_file_that_production_names() {
    let text = read("processor/core/src/metrics/mod.rs");
    let modules = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let unused = modules.filter(|module| *module != "check" && !names_module(module));
    none(&unused.map(str::to_owned).collect::<Vec<_>>(), "metrics no production file names");
}

fn names_module(module: &str) -> bool {
    let places = ["processor/core/src/patient/", "processor/core/src/rules/", "processor/core/src/metrics/"];
    let outside = |path: &str| {
        places.iter().any(|place| path.starts_with(place))
            && !path.contains("/check")
            && !is_test(path)
            && !path.ends_with("/mod.rs")
            && !path.contains(&format!("/{module}"))
    };
    sources(&[".rs"]).iter().filter(|source| outside(&source.path)).any(|source| {
        let used = [format!("metrics::{module}"), format!("super::{module}"), format!("{module}::")];
        used.iter().any(|form| production(&source.text).contains(form.as_str()))
    })
}
