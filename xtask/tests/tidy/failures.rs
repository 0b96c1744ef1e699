//! docs/failure-coverage.md: what it says is tested has these tests, and a test that carries a number stands there.

use std::collections::{BTreeMap, BTreeSet};

use crate::{none, read, sources};

const FAULTS: [u32; 15] = [1, 2, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 23, 24, 29];
const FAILURES: [u32; 17] = [8, 9, 10, 11, 15, 16, 17, 18, 19, 20, 21, 22, 34, 35, 37, 48, 49];
/// Of other pages, whose components are not the doors'.
const ELSEWHERE: [&str; 1] = ["past_failure_7"];

/// A row: its state where it has one, and the tests it names.
struct Row {
    state: Option<String>,
    tests: Vec<String>,
}

fn rows() -> BTreeMap<String, Row> {
    let text = read("docs/failure-coverage.md");
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.split('|').map(str::trim).collect();
        let id = cells[0].to_owned();
        id.chars().last().filter(char::is_ascii_digit)?;
        let state = Some(cells[1].to_owned()).filter(|state| !state.starts_with('`'));
        let tests = line.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Some((id, Row { state, tests }))
    });
    rows.collect()
}

fn functions() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in sources(&[".rs"]) {
        for (at, _) in source.text.match_indices("fn ") {
            let name = source.text[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_');
            names.insert(name.collect());
        }
    }
    names
}

#[test]
fn every_fault_and_failure_is_listed_with_a_state() {
    let rows = rows();
    let wanted = FAULTS.iter().map(|n| format!("F{n}")).chain(FAILURES.iter().map(u32::to_string));
    let faults = wanted.filter(|id| {
        let state = rows.get(id).and_then(|row| row.state.as_deref());
        !state.is_some_and(|state| ["built", "partly", "open"].contains(&state))
    });
    none(&faults.collect::<Vec<_>>(), "not in docs/failure-coverage.md");
}

#[test]
fn what_is_said_to_be_tested_has_these_tests() {
    let (rows, functions) = (rows(), functions());
    let mut faults = Vec::new();
    for (id, row) in &rows {
        let open = row.state.as_deref() == Some("open");
        if open != row.tests.is_empty() {
            faults.push(format!("{id}: {} tests", row.tests.len()));
        }
        faults.extend(row.tests.iter().filter(|test| !functions.contains(*test)).map(|test| format!("{id}: {test}")));
    }
    none(&faults, "docs/failure-coverage.md");
}

/// `f13_…` → F13; `past_failures_7_8_and_11_…` → 7, 8, 11; with what carries both.
fn numbers_of(name: &str) -> Vec<String> {
    let mut words = name.split('_').peekable();
    let mut ids = Vec::new();
    if let Some(fault) = words.peek().and_then(|word| word.strip_prefix('f')?.parse::<u32>().ok()) {
        ids.push(format!("F{fault}"));
        words.next();
    }
    let failures = words.next() == Some("past") && words.next().is_some_and(|word| word.starts_with("failure"));
    let listed = words.take_while(|word| *word == "and" || word.parse::<u32>().is_ok());
    if failures {
        ids.extend(listed.filter(|word| *word != "and").map(str::to_owned));
    }
    ids
}

#[test]
fn a_test_that_carries_a_number_stands_in_its_row() {
    assert_eq!(numbers_of("f14_past_failure_17_over_a_line"), ["F14", "17"]);
    assert_eq!(numbers_of("past_failures_7_8_and_11_cut"), ["7", "8", "11"]);
    let rows = rows();
    let mut faults = Vec::new();
    for name in functions() {
        for id in numbers_of(&name).into_iter().filter(|id| !ELSEWHERE.contains(&format!("past_failure_{id}").as_str()))
        {
            if !rows.get(&id).is_some_and(|row| row.tests.contains(&name)) {
                faults.push(format!("{id}: {name}"));
            }
        }
    }
    none(&faults, "tests that docs/failure-coverage.md does not list");
}
