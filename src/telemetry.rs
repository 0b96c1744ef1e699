//! Logs on standard error: readable on a terminal, JSON when piped; `RUST_LOG` chooses what. Never a patient identifier.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Starts logging; `quiet` keeps everything below warnings out unless `RUST_LOG` says otherwise.
pub fn start(quiet: bool) {
    // A statement that moves a day's rows to the lake may be slow, and there is nothing for a person to do about it.
    // What a broker or server answers to each of our own messages is told by whoever sent them.
    let default =
        if quiet { "warn,sqlx::query=error,rumqttc=error" } else { "info,sqlx=warn,sqlx::query=error,rumqttc=error" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first.
    let _ = if std::io::stderr().is_terminal() { builder.try_init() } else { builder.json().try_init() };
}
