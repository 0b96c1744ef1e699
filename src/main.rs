//! painwatch: remote monitoring for pain care. Not a medical device; not for emergencies.

mod admin;
mod canary;
mod clock;
mod commands;
mod compose;
mod config;
mod enrolment;
mod existing_broker;
mod operator;
mod past;
mod redrive;
mod roster;
mod security;
mod tail;
mod telemetry;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser as _;

/// See docs/decisions/0081-an-allocator.md.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The command line or the configuration is wrong.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    // Two providers may be compiled in: choose one before anything opens a connection.
    let _ = rustls::crypto::ring::default_provider().install_default();
    arm_failpoints();
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

/// Test builds compile failpoints in; in any other build there are none and this does nothing. `FAILPOINTS` sets them.
/// `PAINWATCH_DIE_AT=journal::after_sync:20` ends the process there, the 20th time it comes by, as `kill -9` would.
fn arm_failpoints() {
    if !fail::has_failpoints() {
        return;
    }
    // Held for as long as the process lives: dropping it would disarm them.
    std::mem::forget(fail::FailScenario::setup());
    let Ok(wish) = std::env::var("PAINWATCH_DIE_AT") else { return };
    let (name, count) = wish.rsplit_once(':').unwrap_or((&wish, ""));
    let left = AtomicU64::new(count.parse().unwrap_or(1));
    let die = move || {
        if left.fetch_sub(1, Ordering::Relaxed) == 1 {
            std::process::abort();
        }
    };
    if let Err(error) = fail::cfg_callback(name, die) {
        eprintln!("painwatch: PAINWATCH_DIE_AT={wish}: {error}");
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("painwatch: {error:#}");
    if error.is::<commands::Usage>() { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
}
