//! `painwatch rules`: what would ring, and who said it may.

mod backtest;
mod pages;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use painwatch_domain::{RuleId, TenantId};
use painwatch_processor::OF_PATIENTS;
use painwatch_processor_core::rules::{self, Rule, RuleError, default_packs};
use painwatch_proto::journal::v1::{RuleAccepted, control::Action};

use painwatch_store::RuleRow;

use super::{Context, OfClinic, Usage};
use crate::config::Config;
use crate::operator;

/// The rules that watch over patients.
#[derive(Debug, clap::Subcommand)]
pub enum Rules {
    /// Validates a file of rules; errors name the line and what was expected.
    #[command(after_help = "Example:\n  painwatch rules check my-rules.toml")]
    Check {
        /// Rules, as TOML.
        file: PathBuf,
    },
    /// Lists the rules of this installation, or those that are shipped where there is none yet.
    ///
    /// A rule that nobody accepted runs in shadow: shown, never sent.
    #[command(after_help = "Example:\n  painwatch rules list")]
    List {
        #[command(flatten)]
        clinic: OfClinic,
    },
    /// Accepts a rule in a clinician's name: from now on its alerts leave the system.
    ///
    /// With `--file`, in the version that stands there: a rule of the packs with other limits, or one of your own, which
    /// patients get whose `packs` in the roster name the file without `.toml`.
    #[command(
        after_help = "Examples:\n  painwatch rules accept spo2-sustained-low --by \"Dr. A. Example\"\n  painwatch rules accept all --file ward-3.toml --by \"Dr. A. Example\""
    )]
    Accept {
        /// Id of the rule, or `all`.
        id: String,
        /// The named clinician who confirms its thresholds.
        #[arg(long, value_name = "NAME")]
        by: String,
        /// Rules of your own; `rules check` validates them.
        #[arg(long)]
        file: Option<PathBuf>,
        #[command(flatten)]
        clinic: OfClinic,
    },
    /// Puts a rule that was accepted back into shadow: from now on its alerts are shown and not sent.
    #[command(after_help = "Example:\n  painwatch rules withdraw pain-flare --by \"Dr. A. Example\"")]
    Withdraw {
        /// Id of the rule.
        id: String,
        /// The named clinician who answers for it.
        #[arg(long, value_name = "NAME")]
        by: String,
        #[command(flatten)]
        clinic: OfClinic,
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
        Rules::Check { file } => check(&file, &context),
        Rules::List { clinic } => {
            list(&known(&context.config, &clinic.id()?).await?, &context);
            Ok(ExitCode::SUCCESS)
        }
        Rules::Accept { id, by, file, clinic } => {
            let tenant = clinic.id()?;
            let rules = match file {
                None => Some(default_packs()),
                Some(file) => read(&file, &known(&context.config, &tenant).await?)?,
            };
            match rules {
                Some(rules) => accept((&id, &by), &tenant, rules, &context).await,
                None => Ok(ExitCode::FAILURE),
            }
        }
        Rules::Withdraw { id, by, clinic } => withdraw((&id, &by), &clinic.id()?, &context).await,
        Rules::Backtest(args) => match read(args.file(), &known(&context.config, &TenantId::default()).await?)? {
            Some(rules) => backtest::run(&args, rules, &context).await,
            None => Ok(ExitCode::FAILURE),
        },
    }
}

fn check(file: &Path, context: &Context) -> Result<ExitCode> {
    let parsed = parsed(file, &default_packs())?;
    let code = if parsed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    match parsed {
        answer if context.json => println!("{}", checked_json(&answer)),
        Ok(rules) => {
            for rule in &rules {
                println!("{} version {}: {}", rule.id, rule.version(), rule.condition_text());
            }
            println!("{} rules, no errors", rules.len());
        }
        Err(errors) => errors.iter().for_each(|error| eprintln!("{error}")),
    }
    Ok(code)
}

fn checked_json(answer: &Result<Vec<Rule>, Vec<RuleError>>) -> serde_json::Value {
    let rule = |rule: &Rule| serde_json::json!({"id": rule.id.as_str(), "version": rule.version(), "condition": rule.condition_text()});
    let rules: Vec<_> = answer.iter().flatten().map(rule).collect();
    let errors: Vec<String> = answer.as_ref().err().into_iter().flatten().map(ToString::to_string).collect();
    serde_json::json!({"rules": rules, "errors": errors})
}

/// The rules of a file, which may name those that are there already; `None` once its errors are told, each with its line.
fn read(file: &Path, known: &[Rule]) -> Result<Option<Vec<Rule>>> {
    match parsed(file, known)? {
        Ok(rules) => Ok(Some(rules)),
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("{error}"));
            Ok(None)
        }
    }
}

fn parsed(file: &Path, known: &[Rule]) -> Result<Result<Vec<Rule>, Vec<RuleError>>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let known: Vec<String> = known.iter().map(|rule| rule.id.to_string()).collect();
    Ok(rules::parse_beside(&text, &file.display().to_string(), Some(&known)))
}

fn list(rules: &[Rule], context: &Context) {
    if context.json {
        let row = |rule: &Rule| {
            serde_json::json!({"id": rule.id.as_str(), "pack": rule.pack, "version": rule.version(), "title": rule.title,
                "condition": rule.condition_text(), "priority": rule.priority.as_str(), "source": rule.source,
                "accepted_by": rule.accepted_by, "shadow": rule.is_shadow(), "shadow_because": rule.shadow_because})
        };
        println!("{}", serde_json::Value::Array(rules.iter().map(row).collect()));
        return;
    }
    println!(
        "Not a medical device. Every threshold is a default that a named clinician must accept (`rules accept`).\n"
    );
    rules.iter().for_each(|rule| print!("{}", entry(rule)));
}

fn entry(rule: &Rule) -> String {
    let state = match (&rule.accepted_by, &rule.shadow_because) {
        (Some(by), _) => format!("accepted by {by}"),
        (None, Some(reason)) => format!("in shadow, stays there: {reason}"),
        (None, None) => "in shadow".to_owned(),
    };
    format!(
        "{} [{}, {}] {}\n  {}\n  version {}, {state}\n  source: {}\n",
        rule.id,
        rule.pack,
        rule.priority,
        rule.title,
        rule.condition_text(),
        rule.version(),
        rule.source
    )
}

async fn accept((id, by): (&str, &str), tenant: &TenantId, rules: Vec<Rule>, context: &Context) -> Result<ExitCode> {
    named(by)?;
    let near = rules::nearest(id, rules.iter().map(|rule| rule.id.as_str())).map(str::to_owned);
    let chosen: Vec<Rule> = rules.into_iter().filter(|rule| id == "all" || rule.id.as_str() == id).collect();
    if chosen.is_empty() {
        bail!(Usage(no_such_rule(id, near.as_deref())));
    }
    for rule in chosen {
        let name = rule.id.clone();
        let stays = rule.shadow_because.clone().filter(|_| id == "all");
        if stays.is_none() {
            operator::submit(&context.config, tenant, operator::control_record(by, acceptance(rule, by))).await?;
        }
        match stays {
            stays if context.json => println!(
                "{}",
                serde_json::json!({"rule": name.as_str(), "accepted": stays.is_none(), "by": by, "shadow_because": stays})
            ),
            Some(reason) => println!("{name} stays in shadow: {reason}. To accept it, name it"),
            None => println!("{name} accepted by {by}"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn withdraw((id, by): (&str, &str), tenant: &TenantId, context: &Context) -> Result<ExitCode> {
    named(by)?;
    let rules = known(&context.config, tenant).await?;
    let Some(rule) = rules.iter().find(|rule| rule.id.as_str() == id) else {
        let near = rules::nearest(id, rules.iter().map(|rule| rule.id.as_str()));
        bail!(Usage(no_such_rule(id, near)));
    };
    let was_sent = !rule.is_shadow();
    if was_sent {
        let shadow = Rule { accepted_by: None, ..rule.clone() };
        operator::submit(&context.config, tenant, operator::control_record(by, in_force(&shadow, by))).await?;
    }
    match was_sent {
        _ if context.json => println!("{}", serde_json::json!({"rule": id, "withdrawn": was_sent, "by": by})),
        true => println!("{id} withdrawn by {by}: shown, not sent"),
        false => println!("{id} is in shadow already"),
    }
    Ok(ExitCode::SUCCESS)
}

fn named(by: &str) -> Result<()> {
    if by.trim().is_empty() {
        bail!(Usage("--by needs the name of a clinician".to_owned()));
    }
    Ok(())
}

fn no_such_rule(id: &str, near: Option<&str>) -> String {
    let near =
        near.map_or_else(|| "`painwatch rules list` shows them".to_owned(), |near| format!("did you mean `{near}`?"));
    format!("no rule is called {id:?}; {near}")
}

/// The control that takes a rule out of shadow.
pub fn acceptance(rule: Rule, by: &str) -> Action {
    in_force(&Rule { accepted_by: Some(by.to_owned()), ..rule }, by)
}

fn in_force(rule: &Rule, by: &str) -> Action {
    Action::RuleAccepted(RuleAccepted {
        rule: rule.id.to_string(),
        version: rule.version(),
        by: by.to_owned(),
        toml: rule.to_toml(),
        pack: rule.pack.clone(),
    })
}

/// The rules that this installation knows, each as it was put in force last: those of the packs, and its own.
///
/// # Errors
/// The installation cannot be read.
pub async fn known(config: &Config, tenant: &TenantId) -> Result<Vec<Rule>> {
    let mut known: BTreeMap<RuleId, Rule> = default_packs().into_iter().map(|rule| (rule.id.clone(), rule)).collect();
    if !config.journal_dir().exists() && config.store.url.is_empty() {
        return Ok(known.into_values().collect());
    }
    operator::catch_up(config).await?;
    let store = painwatch_store::open(&config.store_url(), &config.lake_dir()).await?;
    let of_everybody = |row: &RuleRow| !row.toml.starts_with(OF_PATIENTS);
    for row in store.rules(tenant.clone()).await?.into_iter().filter(of_everybody) {
        let parsed = rules::parse_beside(&row.toml, &format!("{}.toml", row.pack), None).ok();
        known.extend(parsed.into_iter().flatten().map(|rule| (rule.id.clone(), rule)));
    }
    Ok(known.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_listed_with_its_version_and_who_accepted_it_or_that_it_is_in_shadow() {
        let rule = default_packs().into_iter().find(|rule| rule.shadow_because.is_none()).unwrap();
        let (shadow, sent) = (entry(&rule), entry(&Rule { accepted_by: Some("Dr. A.".to_owned()), ..rule.clone() }));
        assert!(shadow.contains(&format!("version {}, in shadow\n", rule.version())), "{shadow}");
        assert!(sent.contains(&format!("version {}, accepted by Dr. A.\n", rule.version())), "{sent}");
    }

    #[test]
    fn a_checked_file_is_told_as_json_with_its_rules_or_its_errors() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), default_packs()[0].to_toml()).unwrap();
        let right = checked_json(&parsed(file.path(), &[]).unwrap());
        assert_eq!((right["rules"].as_array().unwrap().len(), &right["errors"]), (1, &serde_json::json!([])));
        std::fs::write(file.path(), "[[rule]]\nid = \"a\"\n").unwrap();
        let wrong = checked_json(&parsed(file.path(), &[]).unwrap());
        assert!(wrong["rules"] == serde_json::json!([]) && !wrong["errors"].as_array().unwrap().is_empty(), "{wrong}");
    }
}
