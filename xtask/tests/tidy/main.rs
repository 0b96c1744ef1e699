//! What is written about the house and what is built are the same; the arrows of ARCHITECTURE.md hold.
//!
//! Each test reads the sources as text, so that a rule costs seconds and no compiler.

mod architecture;
mod arrows;
mod failures;
mod metrics;
mod semantics;
mod sources;

use std::path::{Path, PathBuf};

/// A file of the repository.
struct Source {
    /// From the root, with `/`.
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

/// Not ours, or made by running the program.
const LEFT_OUT: &[&str] = &["target", ".git", ".venv", "__pycache__", "painwatch-data"];

/// Every text file with one of these endings.
fn sources(endings: &[&str]) -> Vec<Source> {
    let root = root();
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    let relative = |path: &Path| path.strip_prefix(&root).expect("under the root").to_string_lossy().into_owned();
    let wanted = paths.iter().filter(|path| endings.iter().any(|ending| relative(path).ends_with(ending)));
    wanted.filter_map(|path| Some(Source { path: relative(path), text: std::fs::read_to_string(path).ok()? })).collect()
}

fn collect(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a readable directory").flatten() {
        let path = entry.path();
        if LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if path.is_dir() { collect(&path, into) } else { into.push(path) }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fails with all faults at once.
fn none(faults: &[String], rule: &str) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

/// Whether `text` holds `word` with no letter, digit or underscore beside it.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word)
        .any(|(at, _)| !part(text[..at].chars().next_back()) && !part(text[at + word.len()..].chars().next()))
}

/// The part of a Rust file above its unit tests.
fn production(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

/// Whether the whole file is a test, an example or a bench.
fn is_test(path: &str) -> bool {
    let beside = |dir: &str| path.starts_with(&format!("{dir}/")) || path.contains(&format!("/{dir}/"));
    ["tests", "benches", "examples"].into_iter().any(beside) || path.ends_with("/tests.rs")
}
