//! The command line: one file a command.

mod bundle;
mod check;
mod config;
mod demo;
mod explain;
mod gateway;
mod import;
mod load;
mod metrics;
mod outage;
mod quarantine;
mod replay;
mod roster;
mod rules;
mod serve;
mod sql;
mod status;
mod tail;
mod tls;
mod token;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};

use painwatch_domain::TenantId;

use crate::config::Config;

pub use roster::beside as orders_beside;

/// Remote monitoring for pain care: readings in, explained alerts and a queryable time series out.
///
/// Not a medical device. Not for emergencies. Every threshold is a default that a named clinician must accept before
/// alerts leave the system.
#[derive(Debug, Parser)]
#[command(name = "painwatch", version, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Configuration file; `painwatch.toml` in this directory where it exists.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the embedded engines; wins over the configuration.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Machine-readable output.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Serve(serve::Args),
    Status(status::Args),
    Tail(tail::Args),
    #[command(subcommand)]
    Roster(roster::Roster),
    #[command(subcommand)]
    Gateway(gateway::Gateway),
    #[command(subcommand)]
    Token(token::Token),
    #[command(subcommand)]
    Tls(tls::Tls),
    Import(import::Args),
    Check(check::Args),
    Sql(sql::Args),
    #[command(subcommand)]
    Metrics(metrics::Metrics),
    #[command(subcommand)]
    Rules(rules::Rules),
    Explain(explain::Args),
    Outage(outage::Args),
    #[command(subcommand)]
    Bundle(bundle::Command),
    #[command(subcommand)]
    Quarantine(quarantine::Quarantine),
    Replay(replay::Args),
    Verify(verify::Args),
    Load(load::Args),
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

/// The command line or the configuration is wrong: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Which clinic a command is about.
#[derive(Debug, clap::Args)]
pub struct OfClinic {
    /// The clinic, by the name that its gateways are registered with.
    #[arg(long, value_name = "T", default_value = "main")]
    tenant: String,
}

impl OfClinic {
    /// # Errors
    /// What is wrong with the name, as a fault of the command line.
    pub fn id(&self) -> Result<TenantId> {
        Ok(TenantId::parse(&self.tenant).map_err(|error| Usage(format!("--tenant {:?}: {error}", self.tenant)))?)
    }
}

/// What every command is given.
pub struct Context {
    pub config: Config,
    pub json: bool,
}

impl Cli {
    /// Commands that answer on standard output keep the log to warnings.
    pub const fn quiet_logs(&self) -> bool {
        !matches!(self.command, Command::Serve(_))
    }
}

impl Command {
    /// Answers from what is there. On a mistyped directory it would say that nothing is wrong with nothing.
    const fn looks_at_data(&self) -> bool {
        matches!(
            self,
            Self::Status(_)
                | Self::Tail(_)
                | Self::Sql(_)
                | Self::Explain(_)
                | Self::Outage(_)
                | Self::Quarantine(_)
                | Self::Replay(_)
                | Self::Verify(_)
        )
    }
}

/// Runs the command.
///
/// # Errors
/// Whatever it could not do, as a person can read it.
pub async fn run(cli: Cli) -> Result<ExitCode> {
    let loaded = Config::load(cli.config.as_deref(), std::env::vars());
    let mut config = loaded.map_err(|error| Usage(format!("{error:#}")))?;
    if let Some(data) = &cli.data {
        config.data.clone_from(data);
    }
    if cli.command.looks_at_data() && !config.data.exists() {
        bail!(Usage(format!("there is no directory {}; `--data` names that of a server", config.data.display())));
    }
    let context = Context { config, json: cli.json };
    match cli.command {
        Command::Demo(args) => demo::run(args, context, cli.data).await,
        Command::Serve(args) => serve::run(args, context).await,
        Command::Status(args) => status::run(args, context).await,
        Command::Tail(args) => tail::run(args, context).await,
        Command::Roster(command) => roster::run(command, context).await,
        Command::Gateway(command) => gateway::run(command, &context),
        Command::Token(command) => token::run(command, &context),
        Command::Tls(command) => tls::run(&command, &context),
        Command::Import(args) => import::run(args, context).await,
        Command::Check(args) => check::run(&args, &context),
        Command::Sql(args) => sql::run(args, context).await,
        Command::Metrics(command) => metrics::run(&command, &context),
        Command::Rules(command) => rules::run(command, context).await,
        Command::Explain(args) => explain::run(args, context).await,
        Command::Outage(args) => outage::run(args, context).await,
        Command::Bundle(command) => bundle::run(command, context).await,
        Command::Quarantine(command) => quarantine::run(command, context).await,
        Command::Replay(args) => replay::run(args, context).await,
        Command::Verify(args) => verify::run(args, context).await,
        Command::Load(args) => load::run(args, context).await,
        Command::Config(command) => config::run(&command, &context),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn silent(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let arguments = command.get_arguments().filter(|one| !one.is_hide_set());
        found.extend(arguments.filter(|one| one.get_help().is_none()).map(|one| format!("{path} {}", one.get_id())));
        let (inner, example) = (command.get_subcommands(), command.get_after_help().or(command.get_after_long_help()));
        if !command.has_subcommands() && !example.is_some_and(|text| text.to_string().contains("xample")) {
            found.push(format!("{path}: no example"));
        }
        inner
            .filter(|one| one.get_name() != "help")
            .for_each(|one| silent(one, &format!("{path} {}", one.get_name()), found));
    }

    #[test]
    fn every_command_has_an_example_and_every_argument_says_what_it_is() {
        let mut found = Vec::new();
        silent(&Cli::command(), "painwatch", &mut found);
        assert_eq!(found, Vec::<String>::new());
    }

    #[tokio::test]
    async fn whoever_looks_at_a_directory_that_is_not_there_is_told_so_and_none_is_made() {
        let parent = tempfile::tempdir().unwrap();
        let mistyped = parent.path().join("mistyped");
        for command in ["status", "tail", "verify", "replay", "quarantine list"] {
            let words = command.split(' ').chain(["--data", mistyped.to_str().unwrap()]);
            let cli = Cli::try_parse_from(std::iter::once("painwatch").chain(words)).unwrap();
            let error = run(cli).await.expect_err(command);
            assert!(error.is::<Usage>() && error.to_string().contains("mistyped"), "{command}: {error}");
            assert!(!mistyped.exists(), "{command}");
        }
    }
}
