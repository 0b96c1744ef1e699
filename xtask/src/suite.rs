//! Runs the tests of one program, each in a process of its own: failpoints and environment are global to a process, and
//! a test that dies must not take its neighbours along.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::build::Program;

/// Named in the report from here on.
const SLOW: Duration = Duration::from_secs(20);

/// How one test ended.
struct Ended {
    test: String,
    passed: bool,
    took: Duration,
    output: String,
}

/// How a suite ended.
#[derive(Debug, Default)]
pub struct Tally {
    pub passed: usize,
    pub failed: Vec<String>,
    pub took: Duration,
}

/// Under what tests run.
pub struct Conditions {
    /// Variables beside their own environment.
    pub told: Vec<(&'static str, PathBuf)>,
    /// A test that takes longer hangs.
    pub limit: Duration,
}

/// Runs all tests of `program`, as many at a time as there are cores.
pub fn run(program: &Program, conditions: &Conditions) -> Result<Tally> {
    let begun = Instant::now();
    let tests = list(program)?;
    // Said before, so that a log that ends here says where.
    if !tests.is_empty() {
        println!("{}: {} tests", program.name, tests.len());
    }
    let waiting = Mutex::new(tests);
    let ended = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(test) = take(&waiting) {
                    let one = run_one(program, &test, conditions);
                    tell(&program.name, &one);
                    ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(one);
                }
            });
        }
    });
    let ended = ended.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let failed = ended.iter().filter(|one| !one.passed).map(|one| format!("{} {}", program.name, one.test)).collect();
    Ok(Tally { passed: ended.iter().filter(|one| one.passed).count(), failed, took: begun.elapsed() })
}

fn take(waiting: &Mutex<VecDeque<String>>) -> Option<String> {
    waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop_front()
}

/// The tests that are run by themselves: an ignored one is a part of another test.
fn list(program: &Program) -> Result<VecDeque<String>> {
    let (all, parts) = (names(program, &[])?, names(program, &["--ignored"])?);
    Ok(all.into_iter().filter(|test| !parts.contains(test)).collect())
}

fn names(program: &Program, which: &[&str]) -> Result<Vec<String>> {
    let mut command = Command::new(&program.executable);
    let output = command.args(["--list", "--format", "terse"]).args(which).output().context(program.name.clone())?;
    if !output.status.success() {
        bail!("{}: cannot list its tests: {}", program.name, String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

fn run_one(program: &Program, test: &str, conditions: &Conditions) -> Ended {
    let begun = Instant::now();
    let mut command = Command::new("timeout");
    command.args(["--foreground", "--kill-after=10", &conditions.limit.as_secs().to_string()]).arg(&program.executable);
    command.args(["--exact", test, "--nocapture"]).current_dir(&program.package_dir);
    command
        .env("CARGO_MANIFEST_DIR", &program.package_dir)
        .envs(conditions.told.iter().map(|(name, value)| (name, value)));
    let (passed, output) = match command.output() {
        Ok(output) => (output.status.success(), text(&output)),
        Err(error) => (false, format!("cannot run: {error}")),
    };
    Ended { test: test.to_owned(), passed, took: begun.elapsed(), output }
}

fn text(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text += &String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        text += &format!("ended with {}\n", output.status);
    }
    text
}

/// A failure with all it printed; of what passed only what was skipped, measured or slow.
fn tell(suite: &str, one: &Ended) {
    if !one.passed {
        println!("FAILED {suite} {} after {:.1} s\n{}", one.test, one.took.as_secs_f64(), one.output);
        return;
    }
    for line in one.output.lines().filter(|line| line.starts_with("skipped: ") || line.starts_with("measured: ")) {
        println!("{suite} {}: {line}", one.test);
    }
    if one.took >= SLOW {
        println!("{suite} {}: {:.0} s", one.test, one.took.as_secs_f64());
    }
}
