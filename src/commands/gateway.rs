//! `painwatch gateway`: who may send.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use painwatch_access::GatewayPrincipal;
use painwatch_access::registry::{Entry, Grant, Kind};
use painwatch_access::tls::Issued;
use painwatch_domain::{Clock as _, EventTime, GatewayId, TenantId};

use super::{Context, Usage};
use crate::clock::SystemClock;
use crate::enrolment::{DAY_MS, Enrolment, Lasts, Shown};

/// Gateways and what lets them in. A running server follows within seconds; sessions of what was revoked are cut.
#[derive(Debug, clap::Subcommand)]
pub enum Gateway {
    /// Registers a gateway; one that was revoked is let in again.
    #[command(after_help = "Examples:\n  painwatch gateway add gw-17 --tenant main\n  \
                            painwatch gateway add ehr --orders  # it may write prescriptions and dispenses")]
    Add(Add),
    /// Issues a credential, registering the gateway where needed: a token, or a certificate for a key that stays with it.
    #[command(after_help = "Examples:\n  painwatch gateway enrol gw-17                  # a token, shown once\n  \
                            painwatch gateway enrol gw-17 --one-time       # a code that the gateway trades for a certificate\n  \
                            painwatch gateway enrol gw-17 --csr gw-17.csr  # sign a request at once")]
    Enrol(Issue),
    /// Issues a new credential; the earlier ones of its kind stay valid for the overlap, then end.
    #[command(after_help = "Example:\n  painwatch gateway rotate gw-17 --overlap 24h")]
    Rotate(Rotate),
    /// Revokes everything that lets a gateway in.
    #[command(after_help = "Example:\n  painwatch gateway revoke gw-17")]
    Revoke(Who),
    /// Lists gateways and their credentials, by the digits that name them.
    #[command(after_help = "Example:\n  painwatch gateway list --json")]
    List,
}

#[derive(Debug, clap::Args)]
pub struct Who {
    /// Id of the gateway: user and client id over MQTT, and the name in its certificate.
    id: String,
    /// The clinic it sends for.
    #[arg(long, value_name = "T", default_value = "main")]
    tenant: String,
}

#[derive(Debug, clap::Args)]
pub struct Add {
    #[command(flatten)]
    who: Who,
    /// It may change what is prescribed: orders and fills out of its FHIR payloads stand beside the roster.
    #[arg(long, conflicts_with = "no_orders")]
    orders: bool,
    /// It may no longer do so; what it wrote stands.
    #[arg(long)]
    no_orders: bool,
}

#[derive(Debug, clap::Args)]
pub struct Issue {
    #[command(flatten)]
    who: Who,
    /// Sign the certificate request in this PEM file instead of issuing a token.
    #[arg(long, value_name = "FILE", conflicts_with = "one_time")]
    csr: Option<PathBuf>,
    /// Issue a code, valid once and for a day, that the gateway trades for a certificate.
    #[arg(long)]
    one_time: bool,
    /// Validity in days; a token without it does not expire, a certificate lasts a year.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: Option<u32>,
}

#[derive(Debug, clap::Args)]
pub struct Rotate {
    #[command(flatten)]
    who: Who,
    /// Sign the certificate request in this PEM file instead of issuing a token.
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// How long earlier credentials of this kind stay valid: a number with s, m, h or d.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration_ms)]
    overlap: i64,
    /// Validity in days; a token without it does not expire, a certificate lasts a year.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: Option<u32>,
}

pub fn run(command: Gateway, context: &Context) -> Result<ExitCode> {
    let enrolment = open(context)?;
    let now_ms = SystemClock::new().wall_ms();
    match command {
        Gateway::Add(wanted) => add(&enrolment, &wanted, now_ms, context)?,
        Gateway::Enrol(issue) => enrol(&enrolment, &issue, now_ms, context)?,
        Gateway::Rotate(rotate) => {
            let lasts = Lasts { until_ms: until_ms(now_ms, rotate.days), overlap_ms: Some(rotate.overlap) };
            give(&enrolment, &rotate.who.principal()?, rotate.csr.as_deref(), now_ms, lasts, context)?;
        }
        Gateway::Revoke(who) => revoke(&enrolment, &who.principal()?, now_ms, context)?,
        Gateway::List => list(&enrolment, now_ms, context)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The register of the configured data directory, which is made private where it does not exist yet.
///
/// # Errors
/// The directory cannot be made.
pub fn open(context: &Context) -> Result<Enrolment> {
    let data = &context.config.data;
    crate::compose::create_private(data).with_context(|| format!("cannot create {}", data.display()))?;
    Ok(Enrolment::of(data, context.config.authority()))
}

impl Who {
    pub const fn new(id: String, tenant: String) -> Self {
        Self { id, tenant }
    }

    /// # Errors
    /// What is wrong with the id or the tenant, as a fault of the command line.
    pub fn principal(&self) -> Result<GatewayPrincipal> {
        let gateway = GatewayId::parse(&self.id).map_err(|error| Usage(format!("gateway {:?}: {error}", self.id)))?;
        let tenant =
            TenantId::parse(&self.tenant).map_err(|error| Usage(format!("--tenant {:?}: {error}", self.tenant)))?;
        if tenant.is_canary() || gateway.is_canary() {
            bail!(Usage("that name belongs to the probes of the server's own inputs".to_owned()));
        }
        Ok(GatewayPrincipal { tenant, gateway })
    }
}

/// End of a validity of so many days.
pub fn until_ms(now_ms: i64, days: Option<u32>) -> Option<i64> {
    days.map(|days| now_ms + i64::from(days) * DAY_MS)
}

fn duration_ms(text: &str) -> Result<i64, String> {
    let expected = || format!("{text:?}: expected a number with s, m, h or d, such as 24h");
    let unit = text.chars().last().ok_or_else(expected)?;
    let unit_ms = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => DAY_MS,
        _ => return Err(expected()),
    };
    let count: u32 = text[..text.len() - 1].parse().map_err(|_| expected())?;
    Ok(i64::from(count) * unit_ms)
}

fn add(enrolment: &Enrolment, wanted: &Add, now_ms: i64, context: &Context) -> Result<()> {
    let who = wanted.who.principal()?;
    let (news, orders) = enrolment.change(|registry| {
        let news = registry.add(&who, now_ms);
        if wanted.orders || wanted.no_orders {
            registry.let_order(&who, wanted.orders)?;
        }
        Ok((news, registry.may_order(&who)))
    })?;
    if context.json {
        println!(
            "{}",
            serde_json::json!({"gateway": who.gateway.as_str(), "tenant": who.tenant.as_str(), "added": news,
                "orders": orders})
        );
        return Ok(());
    }
    if orders {
        println!("gateway {} of tenant {} may write orders and fills", who.gateway, who.tenant);
    }
    if news {
        println!(
            "gateway {} of tenant {} is registered; `painwatch gateway enrol` gives it a credential",
            who.gateway, who.tenant
        );
    } else {
        println!("gateway {} of tenant {} was registered already", who.gateway, who.tenant);
    }
    Ok(())
}

fn enrol(enrolment: &Enrolment, issue: &Issue, now_ms: i64, context: &Context) -> Result<()> {
    let who = issue.who.principal()?;
    // A revoked one stays revoked: letting it in again is a decision of its own.
    let known = enrolment.registry()?.entry(&who).is_some();
    if !known {
        enrolment.change(|registry| Ok(registry.add(&who, now_ms)))?;
    }
    if issue.one_time {
        let code = enrolment.issue_code(&who, now_ms)?;
        show(&who, "code", &code, context);
        return Ok(());
    }
    let lasts = Lasts { until_ms: until_ms(now_ms, issue.days), overlap_ms: None };
    give(enrolment, &who, issue.csr.as_deref(), now_ms, lasts, context)
}

fn give(
    enrolment: &Enrolment,
    who: &GatewayPrincipal,
    request: Option<&Path>,
    now_ms: i64,
    lasts: Lasts,
    context: &Context,
) -> Result<()> {
    let Some(path) = request else {
        show(who, "token", &enrolment.issue_token(who, now_ms, lasts)?, context);
        return Ok(());
    };
    let request = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let issued = enrolment.issue_certificate(who, &request, now_ms, lasts)?;
    show_certificate(who, &issued, &enrolment.trusted()?, context);
    Ok(())
}

/// A secret, once.
pub fn show(who: &GatewayPrincipal, kind: &str, shown: &Shown, context: &Context) {
    let until = shown.until_ms.map(|until| EventTime(until).to_string());
    if context.json {
        println!(
            "{}",
            serde_json::json!({"gateway": who.gateway.as_str(), "tenant": who.tenant.as_str(), kind: shown.secret.reveal(),
            "name": shown.name, "valid_until": until})
        );
        return;
    }
    println!("gateway  {} of tenant {}", who.gateway, who.tenant);
    println!("{kind:8} {}", shown.secret.reveal());
    println!("name     {}", shown.name);
    println!("until    {}", until.as_deref().unwrap_or("revoked"));
    eprintln!("Shown this once: only a digest is kept.");
}

fn show_certificate(who: &GatewayPrincipal, issued: &Issued, trusted: &str, context: &Context) {
    if context.json {
        println!(
            "{}",
            serde_json::json!({"gateway": who.gateway.as_str(), "tenant": who.tenant.as_str(), "certificate": issued.pem,
            "ca": trusted, "valid_until": EventTime(issued.not_after_ms).to_string()})
        );
    } else {
        print!("{}", issued.pem);
        eprintln!("Valid until {}.", EventTime(issued.not_after_ms));
    }
}

fn revoke(enrolment: &Enrolment, who: &GatewayPrincipal, now_ms: i64, context: &Context) -> Result<()> {
    enrolment.change(|registry| Ok(registry.revoke(who, now_ms)?))?;
    if context.json {
        println!(
            "{}",
            serde_json::json!({"gateway": who.gateway.as_str(), "tenant": who.tenant.as_str(), "revoked": true})
        );
    } else {
        println!("gateway {} of tenant {} is revoked", who.gateway, who.tenant);
    }
    Ok(())
}

fn list(enrolment: &Enrolment, now_ms: i64, context: &Context) -> Result<()> {
    let registry = enrolment.registry()?;
    if context.json {
        let rows = registry.gateways().map(|(who, entry)| {
            serde_json::json!({"gateway": who.gateway.as_str(), "tenant": who.tenant.as_str(),
                "revoked": entry.revoked_ms.is_some(), "orders": entry.may_order,
                "credentials": live(entry, now_ms).map(|grant| serde_json::json!({"kind": grant.kind.as_str(),
                    "name": grant.name(), "valid_until": until_text(grant)})).collect::<Vec<_>>()})
        });
        println!("{}", serde_json::Value::Array(rows.collect()));
        return Ok(());
    }
    for (who, entry) in registry.gateways() {
        let revoked = if entry.revoked_ms.is_some() { "  revoked" } else { "" };
        println!("{}  {}{}{revoked}", who.tenant, who.gateway, if entry.may_order { "  writes orders" } else { "" });
        for grant in live(entry, now_ms) {
            println!(
                "    {:12} {}  until {}",
                grant.kind.as_str(),
                grant.name(),
                until_text(grant).as_deref().unwrap_or("revoked")
            );
        }
    }
    Ok(())
}

fn live(entry: &Entry, now_ms: i64) -> impl Iterator<Item = &Grant> {
    let admitted = entry.revoked_ms.is_none();
    Kind::ALL.into_iter().flat_map(move |kind| {
        entry.grants.iter().filter(move |grant| grant.kind == kind && admitted && grant.holds(now_ms))
    })
}

fn until_text(grant: &Grant) -> Option<String> {
    grant.until_ms.map(|until| EventTime(until).to_string())
}

#[cfg(test)]
mod tests {
    use super::duration_ms;

    #[test]
    fn an_overlap_is_a_number_with_a_unit() {
        assert_eq!(
            ["0s", "90s", "15m", "24h", "7d"].map(|text| duration_ms(text).unwrap()),
            [0, 90_000, 900_000, 86_400_000, 604_800_000]
        );
        for wrong in ["", "h", "24", "-1h", "1.5h", "24 h", "24µ", "99999999999d"] {
            assert!(duration_ms(wrong).is_err(), "{wrong}");
        }
    }
}
