//! `cargo xtask test`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::build::{self, Allocator, Program, step};
use crate::report::Report;
use crate::suite::{self, Conditions};
use crate::{defects, machine, root};

const TEST_LIMIT: Duration = Duration::from_secs(20 * 60);
/// Where no other is asked for, property tests draw from this seed, so that the same sources pass or fail alike; the soak
/// `properties` draws new ones (docs/decisions/0048-properties-draw-the-same-cases.md).
const SEED: (&str, &str) = ("PROPTEST_RNG_SEED", "20261122");

/// Runs what CI runs; true if all of it passed.
pub fn run(only: &[String]) -> Result<bool> {
    let (root, mut report) = (root(), Report::default());
    report.step("machine", || machine::prepare(&root).map(|()| Some(true)))?;
    if only.is_empty() {
        check_sources(&root, &mut report)?;
    }
    let mut built = None;
    report.step("build", || {
        built = build::tests(&root, Allocator::System)?;
        Ok(Some(built.is_some()))
    })?;
    let Some(build::Built { mut programs, clean }) = built else { return Ok(report.print(0)) };
    report.step("lints", || Ok(Some(clean)))?;
    programs.retain(|program| only.is_empty() || only.iter().any(|part| program.name.contains(part)));
    let mut told = told(&root);
    if std::env::var_os(SEED.0).is_none() {
        told.push((SEED.0, SEED.1.into()));
    }
    let passed = run_suites(&programs, &Conditions { told, limit: TEST_LIMIT }, &mut report)?;
    if only.is_empty() {
        report.step("seeded defects", || defects::run(&[], false).map(Some))?;
    }
    Ok(report.print(passed))
}

fn check_sources(root: &Path, report: &mut Report) -> Result<()> {
    report.step("format", || step(root, &["fmt", "--all", "--check"]).map(Some))?;
    report.step("licences, bans, sources", || {
        deny(root, &["--offline", "--all-features", "check", "licenses", "bans", "sources"])
    })?;
    report.step("advisories", || advisories(root))?;
    Ok(())
}

/// Compiling cargo-deny takes longer than the tests do, so it is used where it is installed.
fn deny(root: &Path, args: &[&str]) -> Result<Option<bool>> {
    if !machine::on_path("cargo-deny") {
        println!("skipped: cargo-deny is not installed (cargo install --locked cargo-deny)");
        return Ok(None);
    }
    step(root, &[&["deny"], args].concat()).map(Some)
}

/// Only where the network reaches the advisory database.
fn advisories(root: &Path) -> Result<Option<bool>> {
    if deny(root, &["fetch", "db"])? != Some(true) {
        println!("skipped: no advisory database");
        return Ok(None);
    }
    deny(root, &["check", "advisories"])
}

/// What every test is told.
pub fn told(root: &Path) -> Vec<(&'static str, PathBuf)> {
    machine::recordings(root).map(|place| ("PAINWATCH_RECORDINGS", place)).into_iter().collect()
}

/// Runs the programs' tests and returns how many passed.
pub fn run_suites(programs: &[Program], conditions: &Conditions, report: &mut Report) -> Result<usize> {
    let mut passed = 0;
    suite::run(programs, conditions, |name, tally| {
        passed += tally.passed;
        report.suite(name, tally);
    })?;
    Ok(passed)
}
