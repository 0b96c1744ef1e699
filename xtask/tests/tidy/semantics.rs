//! A rule of the semantics that is said to be built has a test of its number, and the other way round.

use std::collections::{BTreeMap, BTreeSet};

use crate::{none, read, sources};

/// `| 4 | built | … |` → 4, built.
fn claims() -> BTreeMap<u32, String> {
    let text = read("docs/semantics-coverage.md");
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        Some((cells.next()?.parse().ok()?, cells.next()?.to_owned()))
    });
    rows.collect()
}

fn tested() -> BTreeSet<u32> {
    let mut numbers = BTreeSet::new();
    for source in sources(&[".rs"]) {
        for (at, marker) in source.text.match_indices("fn semantics_") {
            let rest = &source.text[at + marker.len()..];
            numbers.extend(rest.split('_').next().and_then(|number| number.parse::<u32>().ok()));
        }
    }
    numbers
}

#[test]
fn every_rule_is_claimed_once_as_built_partly_or_open() {
    let claims = claims();
    assert_eq!(claims.keys().copied().collect::<Vec<_>>(), (1..=24).collect::<Vec<_>>());
    let odd = claims.iter().filter(|(_, state)| !["built", "partly", "open"].contains(&state.as_str()));
    none(
        &odd.map(|(number, state)| format!("{number}: {state:?}")).collect::<Vec<_>>(),
        "states in docs/semantics-coverage.md",
    );
}

#[test]
fn what_is_claimed_has_a_test_and_what_has_a_test_is_claimed() {
    let tested = tested();
    let wrong = claims().into_iter().filter(|(number, state)| tested.contains(number) != (state != "open"));
    let faults = wrong.map(|(number, state)| {
        format!("{number} is {state}; a test named semantics_{number}_…: {}", tested.contains(&number))
    });
    none(&faults.collect::<Vec<_>>(), "docs/semantics-coverage.md against the tests");
}
