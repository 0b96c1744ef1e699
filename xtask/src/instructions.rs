//! Instruction counts of the main paths of the cores, against what was recorded: a regression is seen on a busy machine too.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

const RECORDED: &str = "benches/instructions.toml";
const PATHS: [&str; 5] = ["packed", "singles", "late", "close", "restore"];
/// Other versions of the C library and of the allocator in it count a little differently.
const TOLERANCE_PERCENT: u64 = 5;

/// Runs each path under callgrind. With `record` the counts become the budgets.
pub fn run(root: &Path, record: bool) -> Result<bool> {
    let built = Command::new("cargo")
        .args(["build", "--release", "-p", "painwatch-processor-core", "--example", "core_paths"])
        .current_dir(root)
        .status()?;
    if !built.success() {
        return Ok(false);
    }
    let (mut counts, mut holds) = (BTreeMap::new(), true);
    let budgets = if record { BTreeMap::new() } else { read(&std::fs::read_to_string(root.join(RECORDED))?)? };
    for path in PATHS {
        let count = count(root, path)?;
        let verdict = budgets.get(path).map_or("recorded", |budget| judge(count, *budget));
        holds &= verdict != TOO_MANY;
        println!(
            "{path:<10} {count:>12} instructions each, budget {:>12}: {verdict}",
            budgets.get(path).unwrap_or(&count)
        );
        counts.insert(path, count);
    }
    if record {
        let lines: String = counts.iter().map(|(path, count)| format!("{path} = {count}\n")).collect();
        let head = "# Instructions for each thing that a path of processor/core/examples/core_paths.rs does.\n# Written by `cargo xtask instructions --record`; say in the commit why a number grew.\n";
        std::fs::write(root.join(RECORDED), format!("{head}{lines}"))?;
    }
    Ok(holds)
}

const TOO_MANY: &str = "too many";

fn judge(count: u64, budget: u64) -> &'static str {
    let slack = budget * TOLERANCE_PERCENT / 100;
    match count {
        _ if count > budget + slack => TOO_MANY,
        _ if count + slack < budget => "fewer: record it",
        _ => "as recorded",
    }
}

/// Instructions within `measured`, for each thing that the path says it did.
fn count(root: &Path, path: &str) -> Result<u64> {
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg("--toggle-collect=*core_paths*measured*")
        .arg(root.join("target/release/examples/core_paths"))
        .arg(path)
        .output()
        .context("valgrind cannot be started; Debian: apt-get install valgrind")?;
    let (said, told) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let things = said.trim().parse::<u64>().ok().filter(|things| *things > 0 && ran.status.success());
    let Some((things, all)) = things.zip(collected(&told)) else { bail!("{path} was not counted:\n{said}{told}") };
    Ok(all / things)
}

fn collected(told: &str) -> Option<u64> {
    let line = told.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.trim().parse().ok().filter(|all| *all > 0)
}

fn read(text: &str) -> Result<BTreeMap<String, u64>> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let number = |line: &str| {
        let (path, number) = line.split_once(" = ").with_context(|| format!("{RECORDED}: {line:?}"))?;
        Ok((path.to_owned(), number.parse().with_context(|| format!("{RECORDED}: {line:?}"))?))
    };
    lines.map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_takes_a_twentieth_more_than_recorded_is_over_its_budget() {
        assert_eq!((judge(105, 100), judge(106, 100), judge(94, 100)), ("as recorded", TOO_MANY, "fewer: record it"));
    }

    #[test]
    fn counts_are_read_from_what_callgrind_says_and_none_is_no_count() {
        assert_eq!(collected("==1== Events    : Ir\n==1== Collected : 1234\n"), Some(1234));
        assert_eq!((collected("==1== Collected : 0"), collected("")), (None, None));
    }

    #[test]
    fn every_path_has_a_recorded_budget() {
        let text = std::fs::read_to_string(crate::root().join(RECORDED)).unwrap();
        let recorded = read(&text).unwrap();
        assert_eq!(recorded.len(), PATHS.len());
        assert!(PATHS.iter().all(|path| recorded.contains_key(*path)));
    }
}
