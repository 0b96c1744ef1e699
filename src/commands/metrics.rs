//! `painwatch metrics`: what is computed, and the proof that it is computed right.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use painwatch_processor_core::metrics;

use super::Context;

/// The clinical metrics.
#[derive(Debug, clap::Subcommand)]
pub enum Metrics {
    /// Lists every metric with definition, window, minimum data and source.
    #[command(after_help = "Example:\n  painwatch metrics list")]
    List,
    /// Recomputes golden-vector files with the code that production runs, as they stand and with their readings one at a
    /// time and shuffled; prints `metric passed failed` per file.
    #[command(after_help = "Example:\n  painwatch metrics check golden/robust_z.json")]
    Check {
        /// Cases with the values they must give, as JSON.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

pub fn run(command: &Metrics, context: &Context) -> Result<ExitCode> {
    match command {
        Metrics::List => {
            list(context);
            Ok(ExitCode::SUCCESS)
        }
        Metrics::Check { files } => check(files, context),
    }
}

fn list(context: &Context) {
    if context.json {
        let row = |metric: &metrics::MetricInfo| {
            serde_json::json!({"metric": metric.name, "unit": metric.unit, "definition": metric.definition,
                "window": metric.window, "minimum_data": metric.minimum_data, "source": metric.source})
        };
        println!("{}", serde_json::Value::Array(metrics::list().iter().map(row).collect()));
        return;
    }
    println!("Defaults that a named clinician must confirm; not a medical device.\n");
    for metric in metrics::list() {
        println!(
            "{} [{}]\n  {}\n  window: {}; minimum data: {}; source: {}",
            metric.name, metric.unit, metric.definition, metric.window, metric.minimum_data, metric.source
        );
    }
}

fn check(files: &[PathBuf], context: &Context) -> Result<ExitCode> {
    let (mut failed, mut passed, mut shuffled) = (false, 0, 0);
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let report = metrics::check::check(&text);
        if context.json {
            println!(
                "{}",
                serde_json::json!({"metric": report.metric, "passed": report.passed, "failed": report.failed, "shuffled": report.shuffled, "unsupported": report.unsupported})
            );
        } else if let Some(why) = &report.unsupported {
            println!("{} {why}", report.metric);
        } else {
            println!("{} {} {}", report.metric, report.passed, report.failed);
        }
        for failure in report.failures.iter().take(5) {
            eprintln!("  {failure}");
        }
        failed |= !report.is_ok();
        passed += report.passed;
        shuffled += report.shuffled;
    }
    eprintln!("of {passed} cases that passed, {shuffled} passed again with their readings one at a time and shuffled");
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
