//! `painwatch tls`: an authority of our own.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use painwatch_domain::Clock;

use super::Context;
use crate::clock::SystemClock;
use crate::security;

/// Certificates of this installation, below `<data>/tls`.
#[derive(Debug, clap::Subcommand)]
pub enum Tls {
    /// Makes an authority and a server certificate, or replaces the authority in two steps.
    #[command(
        after_help = "Examples:\n  painwatch tls init               # what tls.auto = \"self-signed\" does at the first start\n  \
                            painwatch tls init --next-ca     # a new authority issues, the old one is trusted as well\n  \
                            painwatch tls init --retire-ca   # once every gateway has the new ca.pem"
    )]
    Init {
        /// Begin to replace the authority: the new one issues client certificates, both are trusted.
        #[arg(long, conflicts_with = "retire_ca")]
        next_ca: bool,
        /// End it: the server shows a certificate of the new authority, the old one is trusted no more.
        #[arg(long)]
        retire_ca: bool,
    },
}

pub fn run(command: &Tls, context: &Context) -> Result<ExitCode> {
    let Tls::Init { next_ca, retire_ca } = command;
    let mut config = context.config.clone();
    let (authority, names) = (config.authority(), config.server_names());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let now_ms = clock.wall_ms();
    match (next_ca, retire_ca) {
        (true, _) => authority.begin_replacing(now_ms)?,
        (_, true) => authority.end_replacing(&names, now_ms)?,
        _ => {
            crate::compose::create_private(&config.data)?;
            authority.create(&names, now_ms)?;
        }
    }
    config.tls.turn_off();
    "self-signed".clone_into(&mut config.tls.auto);
    let fingerprint = security::open(&config, &clock)?.tls.map(|tls| tls.fingerprint()).unwrap_or_default();
    let (ca, server) = (authority.certificates(), authority.server());
    if context.json {
        println!("{}", serde_json::json!({"ca": ca, "server": server, "sha256": fingerprint, "names": names}));
    } else {
        println!("authority  {} (what gateways trust)", ca.display());
        println!("server     {} for {}", server.display(), names.join(", "));
        println!("sha256     {fingerprint}");
    }
    Ok(ExitCode::SUCCESS)
}
