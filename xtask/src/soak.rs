//! `cargo xtask soak`: the same tests at full size. A test says by the name of the variable in its source that it can be
//! made longer, so that this list and the tests cannot drift apart.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::build::{self, Program};
use crate::report::Report;
use crate::suite::Conditions;
use crate::test::{run_suites, told};
use crate::{machine, root};

struct Soak {
    name: &'static str,
    variable: &'static str,
    size: &'static str,
    what: &'static str,
}

const SOAK_LIMIT: Duration = Duration::from_secs(12 * 3600);

const SOAKS: &[Soak] = &[
    Soak { name: "kill", variable: "PAINWATCH_KILL_ROUNDS", size: "200", what: "kill -9 at random points under load" },
    Soak {
        name: "power",
        variable: "PAINWATCH_POWER_CUTS",
        size: "50",
        what: "power cuts beside a control without fsync",
    },
    Soak {
        name: "fuzz",
        variable: "PAINWATCH_FUZZ_INPUTS",
        size: "20000000",
        what: "damaged payloads of every format (led by coverage: fuzz/run.sh)",
    },
    Soak { name: "sim", variable: "PAINWATCH_SIM_SEEDS", size: "10000", what: "seeds of disk, network and clock" },
];

/// Lists or runs the soaks; true if all passed.
pub fn run(list: bool, only: &[String]) -> Result<bool> {
    let chosen: Vec<&Soak> =
        SOAKS.iter().filter(|soak| only.is_empty() || only.iter().any(|name| name == soak.name)).collect();
    if chosen.is_empty() {
        bail!("no such soak; there are: {}", SOAKS.iter().map(|soak| soak.name).collect::<Vec<_>>().join(", "));
    }
    if list {
        chosen.iter().for_each(|soak| {
            println!("{:6} {:>6} {} ({}={})", soak.name, soak.size, soak.what, soak.variable, soak.size)
        });
        return Ok(true);
    }
    let (root, mut report) = (root(), Report::default());
    machine::prepare(&root)?;
    let programs = build::tests(&root)?.context("the tests do not build")?;
    let mut passed = 0;
    for soak in chosen {
        let able: Vec<Program> = programs.iter().filter(|program| mentions(program, soak.variable)).cloned().collect();
        if able.is_empty() {
            bail!("no test reads {}", soak.variable);
        }
        let mut told = told(&root);
        told.push((soak.variable, PathBuf::from(soak.size)));
        passed += run_suites(&able, &Conditions { told, limit: SOAK_LIMIT }, &mut report)?;
    }
    Ok(report.print(passed))
}

/// Whether the program's own sources name the variable: its first file and, where that is a `main.rs`, the files beside it;
/// of a library the files of its unit tests.
fn mentions(program: &Program, variable: &str) -> bool {
    let names = |path: &Path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(variable));
    let directory = program.source.parent().unwrap_or(Path::new(""));
    let beside = match program.source.file_name().and_then(|name| name.to_str()) {
        Some("main.rs") => Some(directory.to_owned()),
        Some("lib.rs") => Some(directory.join("tests")),
        _ => None,
    };
    let files = beside.and_then(|dir| std::fs::read_dir(dir).ok()).into_iter().flatten().flatten();
    names(&program.source) || files.map(|file| file.path()).any(|path| names(&path))
}
