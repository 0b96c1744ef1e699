//! What no file may hold, and how long one may be.

use crate::{Source, is_test, none, production, sources};

const FILE_LINES_MAX: usize = 500;
/// What fits on one screen. Held here and not by clippy, which would measure generated code as well.
const FUNCTION_LINES_MAX: usize = 65;
/// Tables of one fact a line, and suites that several engines share.
const LONGER: &[&str] = &["store/tests/conformance.rs"];

/// Where the operating system's wall clock may be read. Everything else is given a `Clock` or a time.
const CLOCKS: &[&str] = &["src/clock.rs", "src/commands/check.rs"];

fn faults(endings: &[&str], find: impl Fn(&Source, &str) -> bool) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources(endings).iter().filter(|source| !source.path.starts_with("xtask/tests/tidy/")) {
        let lines = source.text.lines().enumerate().filter(|(_, line)| find(source, line));
        faults.extend(lines.map(|(number, line)| format!("{}:{}: {}", source.path, number + 1, line.trim())));
    }
    faults
}

const TEXT: &[&str] = &[
    ".rs",
    ".md",
    ".toml",
    ".proto",
    ".sql",
    ".sh",
    ".py",
    ".js",
    ".css",
    ".html",
    ".service",
    "run",
    "Containerfile",
];

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let homes = ["home", "root", "Users", "work"].map(|top| format!("/{top}/"));
    let named = |line: &str| {
        homes.iter().any(|home| {
            line.match_indices(home.as_str())
                .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.' || c == '/'))
        })
    };
    none(&faults(TEXT, |_, line| named(line)), "paths of one machine");
}

#[test]
fn nothing_is_left_to_do_in_the_sources() {
    let marks = ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!(", "dbg!("];
    none(&faults(TEXT, |_, line| marks.iter().any(|mark| line.contains(mark))), "left to do");
}

/// A test that another one starts in a process of its own is listed, never run by itself.
const RUN_BY_ANOTHER: &str = "#[ignore = \"run by the tests beside it";

#[test]
fn no_test_is_switched_off() {
    let off = |line: &str| line.trim_start().starts_with("#[ignore") && !line.trim_start().starts_with(RUN_BY_ANOTHER);
    none(&faults(&[".rs"], |_, line| off(line)), "ignored tests");
}

#[test]
fn every_crate_says_what_it_never_does() {
    let silent = sources(&["src/lib.rs"])
        .into_iter()
        .filter(|source| !source.text.lines().any(|line| line.starts_with("//! Never: ")));
    none(&silent.map(|source| source.path).collect::<Vec<_>>(), "no `Never:` line");
}

#[test]
fn no_file_is_longer_than_a_person_reads_at_once() {
    let long = sources(&[".rs"])
        .into_iter()
        .filter(|source| source.text.lines().count() > FILE_LINES_MAX && !LONGER.contains(&source.path.as_str()));
    none(
        &long.map(|source| format!("{}: {} lines", source.path, source.text.lines().count())).collect::<Vec<_>>(),
        "too long",
    );
}

/// Name and lines of code of each function, by its indentation: the sources are formatted.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let begins = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "fn")?;
        let only_qualifiers = words[..at]
            .iter()
            .all(|word| word.starts_with("pub") || ["const", "async", "super)", "crate)"].contains(word));
        only_qualifiers.then(|| {
            words
                .get(at + 1)
                .copied()
                .unwrap_or_default()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
    };
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name): Option<String> = begins(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let closing = format!("{}}}", " ".repeat(indent));
        let inside = lines[start + 1..].iter().take_while(|line| **line != closing);
        let code = inside.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//")).count();
        if !line.trim_end().ends_with([';', '}']) {
            found.push((name, code));
        }
    }
    found
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let mut long = Vec::new();
    for source in sources(&[".rs"]).iter().filter(|source| !is_test(&source.path)) {
        let functions =
            functions(production(&source.text)).into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES_MAX);
        long.extend(functions.map(|(name, lines)| format!("{}: {name}, {lines} lines", source.path)));
    }
    none(&long, "too long");
}

#[test]
fn only_the_clock_reads_the_clock() {
    let elsewhere = |source: &Source| !is_test(&source.path) && !CLOCKS.contains(&source.path.as_str());
    let mut found = Vec::new();
    for source in sources(&[".rs"]).iter().filter(|source| elsewhere(source) && !source.path.starts_with("xtask/")) {
        let reads =
            |line: &str| ["SystemTime::now(", "Zoned::now(", "Timestamp::now("].iter().any(|call| line.contains(call));
        found.extend(
            production(&source.text)
                .lines()
                .filter(|line| reads(line))
                .map(|line| format!("{}: {}", source.path, line.trim())),
        );
    }
    none(&found, "wall clocks read outside src/clock.rs");
}

#[test]
fn the_cores_read_no_clock_and_throw_no_dice() {
    let cores = ["domain/src/", "ingest/core/src/", "processor/core/src/", "alerts/core/src/"];
    let forbidden =
        ["Instant::now(", "SystemTime", "std::fs::", "std::net::", "rand::", "thread::sleep", "std::env::var"];
    let mut found = Vec::new();
    for source in sources(&[".rs"])
        .iter()
        .filter(|source| cores.iter().any(|core| source.path.starts_with(core)) && !is_test(&source.path))
    {
        let impure = |line: &str| forbidden.iter().any(|call| line.contains(call));
        found.extend(
            production(&source.text)
                .lines()
                .filter(|line| impure(line))
                .map(|line| format!("{}: {}", source.path, line.trim())),
        );
    }
    none(&found, "impure cores");
}

#[test]
fn a_code_example_in_a_comment_is_marked_as_text() {
    let mut found = Vec::new();
    for source in sources(&[".rs"]) {
        let mut open = false;
        for (number, line) in source.text.lines().enumerate() {
            let comment = line.trim_start().trim_start_matches("//!").trim_start_matches("///").trim_start();
            let doc = line.trim_start().starts_with("//!") || line.trim_start().starts_with("///");
            if !doc || !comment.starts_with("```") {
                continue;
            }
            if !open && matches!(comment, "```" | "```rust") {
                found.push(format!("{}:{}", source.path, number + 1));
            }
            open = !open;
        }
    }
    none(&found, "doc examples that no test runs");
}
