//! Every decoder fuzzed, led by coverage, and how much of each the corpus reaches. See docs/decisions/0031-fuzzing.md.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Executes every decoder `runs` times; true if none panicked, hung, or held too much memory.
///
/// # Errors
/// There is no target, or one does not build.
pub fn run(root: &Path, runs: u64) -> Result<bool> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(root.join("fuzz/targets")).context("fuzz/targets")? {
        targets.extend(entry?.path().file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    targets.sort();
    let mut whole = !targets.is_empty();
    for target in targets {
        let mut fuzzing = Command::new("sh");
        fuzzing.arg(root.join("fuzz/run.sh")).arg(&target).arg(format!("-runs={runs}"));
        let done = fuzzing.stdin(Stdio::null()).output().context("fuzz/run.sh")?;
        let said = String::from_utf8_lossy(&done.stderr);
        let Some(told) = Told::read(&said) else { bail!("{target} did not run:\n{said}") };
        println!("{target:19} {}", told.line());
        if !done.status.success() || told.runs < runs {
            println!("{said}\n{target} FAILED: what did it is in fuzz/artifacts/{target}");
            whole = false;
        }
    }
    Ok(whole)
}

/// What libFuzzer says at the end.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    runs: u64,
    /// Places that were reached, and those there are.
    reached: u64,
    places: u64,
    corpus: u64,
    peak_mib: u64,
}

impl Told {
    fn read(said: &str) -> Option<Self> {
        let number_after = |text: &str, mark: &str| {
            let rest = text[text.rfind(mark)? + mark.len()..].trim_start();
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        let modules = said.lines().find(|line| line.contains("inline 8-bit counters"))?;
        Some(Self {
            runs: number_after(said, "stat::number_of_executed_units:")?,
            reached: number_after(said, " cov: ")?,
            places: number_after(modules, "modules   (")?,
            corpus: number_after(said, " corp: ")?,
            peak_mib: number_after(said, "stat::peak_rss_mb:")?,
        })
    }

    fn line(&self) -> String {
        let Self { runs, reached, places, corpus, peak_mib } = self;
        let share = 100 * reached / places.max(&1);
        format!(
            "{runs} executions, {reached} of {places} places reached ({share} %), corpus of {corpus}, {peak_mib} MiB at most"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_built_and_what_needs_the_doors_asks_for_them() {
        let fuzz = crate::root().join("fuzz");
        let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        let script = fs::read_to_string(fuzz.join("run.sh")).unwrap();
        for entry in fs::read_dir(fuzz.join("targets")).unwrap() {
            let path = entry.unwrap().path();
            let (name, text) = (path.file_stem().unwrap().to_str().unwrap(), fs::read_to_string(&path).unwrap());
            let bin = manifest.split("[[bin]]").find(|bin| bin.contains(&format!("\nname = \"{name}\"\n")));
            let bin = bin.unwrap_or_else(|| panic!("fuzz/Cargo.toml has no {name}"));
            let doors = text.contains("::doors::");
            assert_eq!(bin.contains("required-features = [\"doors\"]"), doors, "{name} in fuzz/Cargo.toml");
            let asking = script.lines().find(|line| line.starts_with("case $target in")).unwrap();
            assert_eq!(asking.split([' ', ')']).any(|word| word == name), doors, "{name} in fuzz/run.sh");
        }
    }

    #[test]
    fn what_the_fuzzer_says_is_understood() {
        let said = "INFO: Loaded 1 modules   (20000 inline 8-bit counters): 20000 [0x5, 0x6),\n\
                    #32 INITED cov: 5 ft: 6 corp: 1/1b exec/s: 0 rss: 39Mb\n\
                    #524 DONE   cov: 5021 ft: 9000 corp: 321/99Kb lim: 4096 exec/s: 262 rss: 41Mb\nDone 524 runs in 2 second(s)\n\
                    stat::number_of_executed_units: 524\nstat::average_exec_per_sec:     262\nstat::peak_rss_mb:              41\n";
        let told = Told::read(said).unwrap();
        assert_eq!(told, Told { runs: 524, reached: 5_021, places: 20_000, corpus: 321, peak_mib: 41 });
        assert!(told.line().contains("(25 %)"));
        assert_eq!(Told::read("error: could not compile"), None);
    }
}
