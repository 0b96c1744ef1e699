//! `painwatch config print`: what is in force.

use std::process::ExitCode;

use anyhow::Result;

use super::Context;
use crate::config::Config;

/// Shows the configuration.
#[derive(Debug, clap::Subcommand)]
pub enum ConfigCommand {
    /// Prints the configuration in force: defaults, file, environment and flags together.
    ///
    /// A URL with a password is a comment, with the password masked: what is printed may be kept as a file, and the URL has to be
    /// put into it by whoever knows it.
    #[command(after_help = "Examples:\n  painwatch config print\n  painwatch config print > in-force.toml")]
    Print,
}

pub fn run(command: &ConfigCommand, context: &Context) -> Result<ExitCode> {
    match command {
        ConfigCommand::Print if context.json => println!("{}", serde_json::to_string_pretty(&context.config.shown())?),
        ConfigCommand::Print => print!("{}", document(&context.config)?),
    }
    Ok(ExitCode::SUCCESS)
}

/// As a file that may be started from: without what is masked.
fn document(config: &Config) -> Result<String> {
    let (real, shown) = (toml::to_string_pretty(config)?, toml::to_string_pretty(&config.shown())?);
    let lines = real.lines().zip(shown.lines()).map(|(real, shown)| match real == shown {
        true => format!("{shown}\n"),
        false => format!("# Left out, because it holds a password:\n# {shown}\n"),
    });
    Ok(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::with_environment;

    #[test]
    fn what_is_printed_can_be_started_from_and_holds_no_masked_password_as_if_it_were_one() {
        let config =
            with_environment(&[("PAINWATCH__STORE__URL", "postgres://painwatch:s3cret@hub/painwatch")]).unwrap();
        let text = document(&config).unwrap();
        assert!(
            text.contains("# url = \"postgres://painwatch:…@hub/painwatch\"\n") && !text.contains("s3cret"),
            "{text}"
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &text).unwrap();
        let again = Config::load(Some(file.path()), std::iter::empty()).unwrap();
        assert_eq!(again.store.url, "");
        assert_eq!(document(&again).unwrap(), document(&with_environment(&[]).unwrap()).unwrap());
    }
}
