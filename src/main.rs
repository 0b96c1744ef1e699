//! painwatch: remote monitoring for pain care. Not a medical device; not for emergencies.

mod clock;
mod commands;
mod compose;
mod config;
mod operator;
mod roster;
mod telemetry;

use std::process::ExitCode;

use clap::Parser as _;

/// The command line or the configuration is wrong.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    // Two providers may be compiled in: choose one before anything opens a connection.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = commands::Cli::parse();
    telemetry::start(cli.quiet_logs());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("painwatch: {error:#}");
    if error.is::<commands::Usage>() { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
}
