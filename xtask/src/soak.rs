//! `cargo xtask soak`: the same tests at full size. A test says by the name of the variable in its source that it can be
//! made longer, so that this list and the tests cannot drift apart.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::build::{self, Allocator, Program};
use crate::report::Report;
use crate::suite::Conditions;
use crate::test::{run_suites, told};
use crate::{decoders, defects, machine, root};

struct Soak {
    name: &'static str,
    how: How,
    what: &'static str,
}

enum How {
    /// Tests that read their size from this variable, and that size.
    Tests(&'static str, &'static str),
    /// Property tests with so many cases each, drawn anew.
    Properties(&'static str),
    /// Every decoder fuzzed, led by coverage, for so many executions.
    Decoders(u64),
    /// Every limit of the doors removed in turn.
    Limits,
}

const SOAK_LIMIT: Duration = Duration::from_secs(12 * 3600);

const SOAKS: &[Soak] = &[
    Soak { name: "kill", how: How::Tests("PAINWATCH_KILL_ROUNDS", "200"), what: "kill -9 at random points under load" },
    Soak {
        name: "power",
        how: How::Tests("PAINWATCH_POWER_CUTS", "50"),
        what: "power cuts beside a control without fsync",
    },
    Soak {
        name: "payloads",
        how: How::Tests("PAINWATCH_FUZZ_INPUTS", "20000000"),
        what: "damaged payloads of every format, from a seed",
    },
    Soak {
        name: "recordings",
        how: How::Tests("PAINWATCH_RECORDED_SETS", "2"),
        what: "recorded sets in the demo, against an independent count",
    },
    Soak { name: "fuzz", how: How::Decoders(10_000_000), what: "executions of every decoder, led by coverage" },
    Soak { name: "limits", how: How::Limits, what: "tests notice every limit of the doors that is removed" },
    Soak {
        name: "properties",
        how: How::Properties("300"),
        what: "cases of every property that does not fix their number, drawn anew",
    },
    Soak {
        name: "months",
        how: How::Tests("PAINWATCH_MONTHS", "20"),
        what: "people of every recorded set, and simulated ones, for four months in any order and with crashes",
    },
    Soak { name: "sim", how: How::Tests("PAINWATCH_SIM_SEEDS", "10000"), what: "seeds of disk, network and clock" },
    Soak {
        name: "overload",
        how: How::Tests("PAINWATCH_OVERLOAD_SECONDS", "1800"),
        what: "seconds of more load than the server takes, while its memory is watched",
    },
];

impl Soak {
    /// Its size, or another that was asked for.
    fn size(&self, asked: Option<u64>) -> String {
        match (asked, &self.how) {
            (_, How::Limits) => String::new(),
            (Some(asked), _) => asked.to_string(),
            (None, How::Tests(_, size) | How::Properties(size)) => (*size).to_owned(),
            (None, How::Decoders(runs)) => runs.to_string(),
        }
    }
}

/// Lists or runs the soaks, at their own size or another; true if all passed.
pub fn run(list: bool, size: Option<u64>, only: &[String]) -> Result<bool> {
    let chosen: Vec<&Soak> =
        SOAKS.iter().filter(|soak| only.is_empty() || only.iter().any(|name| name == soak.name)).collect();
    if chosen.is_empty() {
        bail!("no such soak; there are: {}", SOAKS.iter().map(|soak| soak.name).collect::<Vec<_>>().join(", "));
    }
    if list {
        chosen.iter().for_each(|soak| println!("{:10} {:>8} {}", soak.name, soak.size(size), soak.what));
        return Ok(true);
    }
    let mut passed = true;
    for soak in chosen {
        passed &= match soak.how {
            How::Tests(variable, _) => tests(variable, variable, &soak.size(size))?,
            How::Properties(_) => tests("proptest!", "PROPTEST_CASES", &soak.size(size))?,
            How::Decoders(runs) => decoders::run(&root(), size.unwrap_or(runs))?,
            How::Limits => defects::without_limits()?,
        };
    }
    Ok(passed)
}

/// The programs whose sources have `word` in them, told a size.
fn tests(word: &str, variable: &'static str, size: &str) -> Result<bool> {
    let (root, mut report) = (root(), Report::default());
    machine::prepare(&root)?;
    let built = build::tests(&root, Allocator::Shipped)?.context("the tests do not build")?;
    // This list itself names every word.
    let others = built.programs.iter().filter(|program| program.package != "xtask");
    let able: Vec<Program> = others.filter(|program| mentions(program, word)).cloned().collect();
    if able.is_empty() {
        bail!("no test has {word}");
    }
    let mut told = told(&root);
    told.push((variable, PathBuf::from(size)));
    let passed = run_suites(&able, &Conditions { told, limit: SOAK_LIMIT }, &mut report)?;
    Ok(report.print(passed))
}

/// Whether the program's own sources have the word in them: its first file and, where that is a `main.rs` or a `lib.rs`, all
/// files beside and below it.
fn mentions(program: &Program, word: &str) -> bool {
    let alone = !matches!(program.source.file_name().and_then(|name| name.to_str()), Some("main.rs" | "lib.rs"));
    let beside = program.source.parent().filter(|_| !alone);
    contains(&program.source, word) || beside.is_some_and(|directory| contains(directory, word))
}

fn contains(path: &Path, word: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(path) else {
        return std::fs::read_to_string(path).is_ok_and(|text| text.contains(word));
    };
    entries.flatten().any(|entry| contains(&entry.path(), word))
}
