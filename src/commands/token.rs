//! `painwatch token`: bearer tokens of gateways, one by one.

use std::process::ExitCode;

use anyhow::Result;
use painwatch_domain::Clock as _;

use super::Context;
use super::gateway::{self, Who};
use crate::clock::SystemClock;
use crate::enrolment::Lasts;

/// Tokens by which gateways come in. Only digests are kept: a token is shown when it is made, and never again.
#[derive(Debug, clap::Subcommand)]
pub enum Token {
    /// Makes a further token for a registered gateway.
    #[command(after_help = "Example:\n  painwatch token create --gateway gw-17 --days 90")]
    Create {
        /// The gateway it speaks for.
        #[arg(long, value_name = "ID")]
        gateway: String,
        /// The clinic the gateway sends for.
        #[arg(long, value_name = "T", default_value = "main")]
        tenant: String,
        /// Validity in days; without it the token does not expire.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_650))]
        days: Option<u32>,
    },
    /// Revokes one token, code or certificate by the name that `gateway list` shows.
    #[command(after_help = "Example:\n  painwatch token revoke 3f9ac01b77de")]
    Revoke {
        /// First digits of its digest, as many as tell it from the others.
        name: String,
    },
}

pub fn run(command: Token, context: &Context) -> Result<ExitCode> {
    let enrolment = gateway::open(context)?;
    let now_ms = SystemClock::new().wall_ms();
    match command {
        Token::Create { gateway: id, tenant, days } => {
            let who = Who::new(id, tenant).principal()?;
            let lasts = Lasts { until_ms: gateway::until_ms(now_ms, days), overlap_ms: None };
            gateway::show(&who, "token", &enrolment.issue_token(&who, now_ms, lasts)?, context);
        }
        Token::Revoke { name } => {
            let (who, kind) = enrolment.change(|registry| Ok(registry.revoke_grant(&name, now_ms)?))?;
            if context.json {
                println!(
                    "{}",
                    serde_json::json!({"gateway": who.gateway.as_str(), "tenant": who.tenant.as_str(),
                    "kind": kind.as_str(), "revoked": true})
                );
            } else {
                println!("{} {name} of gateway {} is revoked", kind.as_str(), who.gateway);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
