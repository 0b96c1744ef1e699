//! Runs the tests of all programs, each in a process of its own: failpoints and environment are global to a process, and
//! a test that dies must not take its neighbours along.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::build::Program;

/// Tests that wait for the wall clock nearly all the time: they are run from the beginning on, beside all others.
const WAITING: &[&str] =
    &["bad_input::semantics_7_a_clock_two_hours_ahead_does_not_silence_an_oxygen_saturation_of_85"];

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
    /// From the begin of its first test to the end of its last.
    pub took: Duration,
}

/// Under what tests run.
pub struct Conditions {
    /// Variables beside their own environment.
    pub told: Vec<(&'static str, PathBuf)>,
    /// A test that takes longer hangs.
    pub limit: Duration,
}

/// One test to be run.
struct Turn<'a> {
    program: &'a Program,
    test: String,
}

/// How far a suite is.
struct Going {
    begun: Instant,
    left: usize,
    tally: Tally,
}

/// Runs all tests of all programs in this order, as many at a time as there are cores: a suite's last tests run beside the
/// next suite's first. `done` is told of each suite when its last test has ended.
pub fn run(programs: &[Program], conditions: &Conditions, done: impl FnMut(&str, Tally) + Send) -> Result<()> {
    let mut turns = Vec::new();
    let mut left = BTreeMap::new();
    for program in programs {
        let tests = list(program)?;
        left.insert(program.name.as_str(), tests.len());
        turns.extend(tests.into_iter().map(|test| Turn { program, test }));
    }
    let (waiting, working): (VecDeque<_>, VecDeque<_>) =
        turns.into_iter().partition(|turn| WAITING.contains(&turn.test.as_str()));
    let queues = [Mutex::new(waiting), Mutex::new(working)];
    let going = Mutex::new((BTreeMap::new(), done));
    let work = |queue: usize| {
        while let Some(Turn { program, test }) = take(&queues[queue]) {
            let suite = program.name.as_str();
            begin(&mut locked(&going).0, suite, left[suite]);
            let one = run_one(program, &test, conditions);
            let (suites, done) = &mut *locked(&going);
            tell(suite, &one);
            if let Some(tally) = end(suites, suite, &one) {
                done(suite, tally);
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        scope.spawn(|| work(0));
        (0..cores).for_each(|_| drop(scope.spawn(|| work(1))));
    });
    Ok(())
}

/// Said before the first test of a suite, so that a log that ends here says where.
fn begin<'a>(suites: &mut BTreeMap<&'a str, Going>, suite: &'a str, left: usize) {
    suites.entry(suite).or_insert_with(|| {
        println!("{suite}: {left} tests");
        Going { begun: Instant::now(), left, tally: Tally::default() }
    });
}

/// What the suite came to, where this was its last test.
fn end(suites: &mut BTreeMap<&str, Going>, suite: &str, one: &Ended) -> Option<Tally> {
    let going = suites.get_mut(suite)?;
    going.left -= 1;
    going.tally.took = going.begun.elapsed();
    if one.passed {
        going.tally.passed += 1;
    } else {
        going.tally.failed.push(format!("{suite} {}", one.test));
    }
    (going.left == 0).then(|| std::mem::take(&mut going.tally))
}

/// A function of its own, so that the lock is not held while the test runs.
fn take<'a>(turns: &Mutex<VecDeque<Turn<'a>>>) -> Option<Turn<'a>> {
    locked(turns).pop_front()
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The tests that are run by themselves: an ignored one is a part of another test.
fn list(program: &Program) -> Result<Vec<String>> {
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
