//! What the README's and CI's commands do.
//!
//! Never: a step that CI runs and a developer cannot; a failure that is printed and then forgotten.

mod build;
mod decoders;
mod defects;
mod instructions;
mod machine;
mod report;
mod soak;
mod suite;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Format, lints, licences and every test, with a table of minutes per suite. Installs what it needs where it can.
    #[command(after_help = "Examples:\n  cargo xtask test\n  cargo xtask test painwatch-journal")]
    Test {
        /// Only the suites whose name contains one of these, without format and licences.
        only: Vec<String>,
    },
    /// The same promises at their full size; takes hours.
    #[command(
        after_help = "Examples:\n  cargo xtask soak --list\n  cargo xtask soak kill\n  cargo xtask soak fuzz --size 100000"
    )]
    Soak {
        /// Shows what would run.
        #[arg(long)]
        list: bool,
        /// Another size than its own: rounds, executions, seconds.
        #[arg(long)]
        size: Option<u64>,
        /// Only these.
        only: Vec<String>,
    },
    /// Seeds defects into a copy of the sources, one at a time, and fails unless the tests notice each.
    #[command(after_help = "Examples:\n  cargo xtask defects\n  cargo xtask defects --all-tests lost-revision")]
    Defects {
        /// Shows every test of the processor that turns red, not only those that must.
        #[arg(long)]
        all_tests: bool,
        /// Only these.
        only: Vec<String>,
    },
    /// Counts the instructions of the cores' main paths under callgrind and fails where they are over what was recorded.
    #[command(after_help = "Examples:\n  cargo xtask instructions\n  cargo xtask instructions --record")]
    Instructions {
        /// Makes the counts the budgets, in benches/instructions.toml.
        #[arg(long)]
        record: bool,
    },
    /// Installs what the tests need beyond Rust, or names the command that does.
    Tools,
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test { only } => test::run(&only),
        Task::Soak { list, size, only } => soak::run(list, size, &only),
        Task::Defects { all_tests, only } => defects::run(&only, all_tests),
        Task::Instructions { record } => instructions::run(&root(), record),
        Task::Tools => machine::prepare(&root()).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().map(PathBuf::from).unwrap_or_default()
}
