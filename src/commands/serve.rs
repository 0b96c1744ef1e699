//! `painwatch serve`: every service in one process.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use painwatch_domain::steady::{Change, SteadyClock};
use tokio::signal::unix::{SignalKind, signal};

use super::{Context, Usage};
use crate::clock::SystemClock;
use crate::compose::{self, Addresses, Wiring};

/// Runs the services: MQTT, gRPC and HTTP endpoints, processor, alerts, console.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  painwatch serve --data /var/lib/painwatch")]
pub struct Args {
    /// Which services to run. This version runs all of them in one process.
    #[arg(long, value_name = "ROLE", default_value = "all")]
    role: Vec<String>,
}

pub async fn run(args: Args, context: Context) -> Result<ExitCode> {
    if args.role != ["all"] {
        bail!(Usage(format!(
            "--role {}: this version runs all services in one process; leave --role out",
            args.role.join(",")
        )));
    }
    context.config.check_listeners().map_err(|error| Usage(format!("{error:#}")))?;
    let clock = Arc::new(SteadyClock::new(SystemClock::new(), tell_of_clock));
    let wiring = Wiring { clock, on_opened: None, listen: true, ticks: true, canaries: true };
    let mut system = compose::start(&context.config, wiring).await?;
    if let Some(addresses) = &system.addresses {
        if let Some(fingerprint) = &system.fingerprint {
            println!("tls sha256 {fingerprint}");
        }
        print_listening(addresses);
    }
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        error = system.failed() => {
            tracing::error!("{error:#}");
            let _ = system.stop().await;
            return Err(error);
        }
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    system.stop().await?;
    Ok(ExitCode::SUCCESS)
}

fn tell_of_clock(change: Change) {
    match change {
        Change::Doubted(off_ms) => {
            tracing::warn!(off_ms, "the machine's wall clock stepped; our time goes on without it")
        }
        Change::Returned => tracing::warn!("the machine's wall clock is back where it was"),
        Change::FollowedWitnesses(off_ms) => tracing::warn!(off_ms, "gateways agree with the wall clock: followed"),
        Change::FollowedAlone(off_ms) => tracing::warn!(off_ms, "no gateway spoke against the wall clock: followed"),
    }
}

/// The lines that scripts wait for: one a listener, then `ready`.
pub fn print_listening(addresses: &Addresses) {
    println!("listening mqtt {}", addresses.mqtt);
    println!("listening grpc {}", addresses.grpc);
    println!("listening http {}", addresses.http);
    if let Some(admin) = addresses.admin {
        println!("listening admin {admin}");
    }
    println!("ready");
}
