//! `painwatch config print`: what is in force.

use std::process::ExitCode;

use anyhow::Result;

use super::Context;

/// Shows the configuration.
#[derive(Debug, clap::Subcommand)]
pub enum ConfigCommand {
    /// Prints the configuration in force: defaults, file, environment and flags together. Passwords in URLs are masked.
    #[command(after_help = "Example:\n  painwatch config print > painwatch.toml")]
    Print,
}

pub fn run(command: &ConfigCommand, context: &Context) -> Result<ExitCode> {
    match command {
        ConfigCommand::Print if context.json => println!("{}", serde_json::to_string_pretty(&context.config.shown())?),
        ConfigCommand::Print => print!("{}", toml::to_string_pretty(&context.config.shown())?),
    }
    Ok(ExitCode::SUCCESS)
}
