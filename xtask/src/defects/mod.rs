//! `cargo xtask defects`: would the tests notice? Builds a copy of the workspace that has every seeded defect in it, asleep,
//! runs the tests that should notice each, once with all of them asleep and once with that one awake, and fails unless
//! they are green first and red then. See docs/decisions/0085-seeded-defects.md.

mod copy;
mod limits;
mod list;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::build::{self, Program};
use crate::root;
use limits::LIMITS;
use list::{DEFECTS, Defect};

/// Wakes one defect after the other; true if the tests noticed every one. `only` limits it to some, `all_tests` shows every
/// test that turns red.
pub fn run(only: &[String], all_tests: bool) -> Result<bool> {
    wake_all(DEFECTS, &["--test", "engine"], only, all_tests)
}

/// Takes away one limit of the doors after the other; true if the tests noticed every time.
pub fn without_limits() -> Result<bool> {
    wake_all(LIMITS, &["--lib", "--test", "doors"], &[], false)
}

fn wake_all(defects: &[Defect], tests: &[&str], only: &[String], all_tests: bool) -> Result<bool> {
    let chosen: Vec<&Defect> =
        defects.iter().filter(|defect| only.is_empty() || only.iter().any(|name| name == defect.name)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = defects.iter().map(|defect| defect.name).collect();
        bail!("no such defect; there are: {}", names.join(", "));
    }
    let root = root();
    let place = target(&root).join("defects");
    let all: Vec<&Defect> = DEFECTS.iter().chain(LIMITS).collect();
    copy::seed(&root, &place, &all)?;
    let Some(programs) = build::tests_chosen(&place, &target(&root), tests)? else { return Ok(false) };
    let mut noticed = true;
    for defect in chosen {
        let program = programs.iter().find(|program| program.name == defect.program).context(defect.program)?;
        noticed &= wake(program, defect, all_tests)?;
    }
    Ok(noticed)
}

/// Where cargo builds.
fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

fn wake(program: &Program, defect: &Defect, all_tests: bool) -> Result<bool> {
    let mut noticed = true;
    for test in defect.caught_by {
        let (asleep, awake) = (passes(program, test, "")?, passes(program, test, defect.name)?);
        let verdict = match (asleep, awake) {
            (true, false) => "turns red",
            (true, true) => "DOES NOT NOTICE",
            (false, _) => "is red without it",
        };
        noticed &= asleep && !awake;
        println!("{:22} {test} {verdict}", defect.name);
    }
    println!("{:22} ({})", "", defect.what);
    if all_tests {
        let mut all = Command::new(&program.executable);
        let said = all
            .current_dir(&program.package_dir)
            .env(copy::VARIABLE, defect.name)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .output()
            .context("all tests")?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        text.lines().filter(|line| line.ends_with("... FAILED")).for_each(|line| println!("{:22}   {line}", ""));
    }
    Ok(noticed)
}

/// Whether the test passes; one that does not exist is an error and no red test.
fn passes(program: &Program, test: &str, defect: &str) -> Result<bool> {
    let mut command = Command::new(&program.executable);
    command.args(["--exact", test]).current_dir(&program.package_dir).env(copy::VARIABLE, defect);
    let said = command.output().with_context(|| test.to_owned())?;
    let text = String::from_utf8_lossy(&said.stdout);
    if !text.contains("running 1 test") {
        bail!("{test}: no such test in {}", program.name);
    }
    Ok(said.status.success())
}
