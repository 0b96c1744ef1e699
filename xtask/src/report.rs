//! The table of minutes at the end.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::suite::Tally;

pub struct Report {
    begun: Instant,
    rows: Vec<Row>,
    failed: Vec<String>,
}

struct Row {
    name: String,
    took: Duration,
    outcome: String,
}

impl Default for Report {
    fn default() -> Self {
        Self { begun: Instant::now(), rows: Vec::new(), failed: Vec::new() }
    }
}

impl Report {
    /// Runs a step that passes or fails as a whole; `None` is a step left out.
    pub fn step(&mut self, name: &str, work: impl FnOnce() -> Result<Option<bool>>) -> Result<bool> {
        println!("== {name}");
        let begun = Instant::now();
        let passed = work()?;
        let outcome = match passed {
            Some(true) => "passed",
            Some(false) => "FAILED",
            None => "left out",
        };
        if passed == Some(false) {
            self.failed.push(name.to_owned());
        }
        self.rows.push(Row { name: name.to_owned(), took: begun.elapsed(), outcome: outcome.to_owned() });
        Ok(passed != Some(false))
    }

    pub fn suite(&mut self, name: &str, tally: Tally) {
        let outcome = format!("{} passed, {} failed", tally.passed, tally.failed.len());
        println!("{name}: {outcome}, {:.1} s", tally.took.as_secs_f64());
        self.rows.push(Row { name: name.to_owned(), took: tally.took, outcome });
        self.failed.extend(tally.failed);
    }

    /// Prints the table and, as the last line, the count; true if nothing failed.
    pub fn print(&self, tests_passed: usize) -> bool {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        println!("\n{:width$}  minutes  outcome", "suite");
        for row in &self.rows {
            println!("{:width$}  {:>7.2}  {}", row.name, minutes(row.took), row.outcome);
        }
        println!("{:width$}  {:>7.2}  (suites overlap at their ends)", "total", minutes(self.begun.elapsed()));
        for failed in &self.failed {
            println!("FAILED {failed}");
        }
        println!("\n{tests_passed} passed, {} failed", self.failed.len());
        self.failed.is_empty()
    }
}

fn minutes(took: Duration) -> f64 {
    took.as_secs_f64() / 60.0
}
