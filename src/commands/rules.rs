//! `painwatch rules`: what would ring, and who said it may.

mod backtest;
mod pages;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use painwatch_processor_core::rules::{self, Rule, default_packs};
use painwatch_proto::journal::v1::{RuleAccepted, control::Action};

use super::{Context, Usage};
use crate::operator;

/// The rules that watch over patients.
#[derive(Debug, clap::Subcommand)]
pub enum Rules {
    /// Validates a file of rules; errors name the line and what was expected.
    #[command(after_help = "Example:\n  painwatch rules check my-rules.toml")]
    Check { file: PathBuf },
    /// Lists the default packs. A rule that nobody accepted runs in shadow: shown, never sent.
    #[command(after_help = "Example:\n  painwatch rules list")]
    List,
    /// Accepts a rule in a clinician's name: from now on its alerts leave the system.
    #[command(after_help = "Example:\n  painwatch rules accept spo2-sustained-low --by \"Dr. A. Example\"")]
    Accept {
        /// Id of the rule, or `all`.
        id: String,
        /// The named clinician who confirms its thresholds.
        #[arg(long, value_name = "NAME")]
        by: String,
    },
    /// Runs a file of rules over stored history: what they would have found, and the pages they would have caused.
    ///
    /// Through the code that runs in service, as if the rules had been accepted; nothing is written and nobody is told.
    #[command(
        after_help = "Examples:\n  painwatch rules backtest my-rules.toml --from 2026-03-01\n  painwatch rules backtest my-rules.toml --patient p-017 --arrival event --json"
    )]
    Backtest(backtest::Args),
}

pub async fn run(command: Rules, context: Context) -> Result<ExitCode> {
    match command {
        Rules::Check { file } => check(&file),
        Rules::List => {
            list(&context);
            Ok(ExitCode::SUCCESS)
        }
        Rules::Accept { id, by } => accept(&id, &by, &context).await,
        Rules::Backtest(args) => match read(args.file())? {
            Some(rules) => backtest::run(&args, rules, &context).await,
            None => Ok(ExitCode::FAILURE),
        },
    }
}

fn check(file: &Path) -> Result<ExitCode> {
    let Some(rules) = read(file)? else { return Ok(ExitCode::FAILURE) };
    for rule in &rules {
        println!("{} version {}: {}", rule.id, rule.version(), rule.condition_text());
    }
    println!("{} rules, no errors", rules.len());
    Ok(ExitCode::SUCCESS)
}

/// The rules of a file; `None` once its errors are told, each with its line.
fn read(file: &Path) -> Result<Option<Vec<Rule>>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    match rules::parse(&text, &file.display().to_string()) {
        Ok(rules) => Ok(Some(rules)),
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("{error}"));
            Ok(None)
        }
    }
}

fn list(context: &Context) {
    let rules = default_packs();
    if context.json {
        let row = |rule: &Rule| {
            serde_json::json!({"id": rule.id.as_str(), "pack": rule.pack, "version": rule.version(), "title": rule.title,
                "condition": rule.condition_text(), "priority": rule.priority.as_str(), "source": rule.source,
                "shadow_because": rule.shadow_because})
        };
        println!("{}", serde_json::Value::Array(rules.iter().map(row).collect()));
        return;
    }
    println!(
        "Not a medical device. Every threshold is a default that a named clinician must accept (`rules accept`).\n"
    );
    for rule in &rules {
        println!(
            "{} [{}, {}] {}\n  {}\n  source: {}",
            rule.id,
            rule.pack,
            rule.priority,
            rule.title,
            rule.condition_text(),
            rule.source
        );
        if let Some(reason) = &rule.shadow_because {
            println!("  stays in shadow: {reason}");
        }
    }
}

async fn accept(id: &str, by: &str, context: &Context) -> Result<ExitCode> {
    if by.trim().is_empty() {
        bail!(Usage("--by needs the name of the clinician who accepts".to_owned()));
    }
    let chosen: Vec<Rule> = default_packs().into_iter().filter(|rule| id == "all" || rule.id.as_str() == id).collect();
    if chosen.is_empty() {
        bail!(Usage(format!("no rule is called {id:?}; `painwatch rules list` shows them")));
    }
    for rule in chosen {
        let name = rule.id.clone();
        if let (Some(reason), "all") = (&rule.shadow_because, id) {
            println!("{name} stays in shadow: {reason}. To accept it, name it");
            continue;
        }
        operator::submit(&context.config, operator::control_record(by, acceptance(rule, by))).await?;
        println!("{name} accepted by {by}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The control that takes a rule out of shadow.
pub fn acceptance(mut rule: Rule, by: &str) -> Action {
    rule.accepted_by = Some(by.to_owned());
    Action::RuleAccepted(RuleAccepted {
        rule: rule.id.to_string(),
        version: rule.version(),
        by: by.to_owned(),
        toml: rule.to_toml(),
    })
}
