//! `painwatch check -`: what would become of a payload.

use std::io::Read as _;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use painwatch_domain::{GatewayId, ReceivedAt, Roster, TenantId, Zone};
use painwatch_ingest_core::{Envelope, Format, Protocol, explain, judge_bytes};

use super::{Context, Usage};

/// Judges a payload without sending it: which readings would be admitted, which not, why, and what would mend them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  echo '{\"device\": \"cuff-1\", \"measure\": \"heart_rate\", \"time\": \"2026-03-01T12:00:00Z\", \"value\": 412, \"unit\": \"bpm\"}' | painwatch check -"
)]
pub struct Args {
    /// `-` for standard input, or a file.
    source: String,
    /// json, protobuf, omh (Open mHealth), fhir (FHIR R4) or gatt (raw Bluetooth).
    #[arg(long, default_value = "json")]
    format: String,
    /// Zone of the devices, for stamps without an offset: an IANA name such as Europe/Paris.
    #[arg(long)]
    zone: Option<String>,
    /// The time of receipt to judge against, as an ISO 8601 stamp; now when left out.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

pub fn run(args: &Args, context: &Context) -> Result<ExitCode> {
    let Some(format) = Format::parse(&args.format) else {
        let known = Format::ALL.map(Format::as_str).join(", ");
        bail!(Usage(format!("--format {}: expected one of {known}", args.format)));
    };
    let zone = args.zone.as_deref().map(Zone::parse).transpose().map_err(|error| Usage(format!("--zone: {error}")))?;
    let received_at = match &args.at {
        Some(text) => {
            painwatch_domain::time::parse_stamp(text, &painwatch_domain::Zone::utc())
                .map_err(|e| Usage(e.to_string()))?
                .utc_ms
        }
        None => i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?,
    };
    let mut payload = Vec::new();
    match args.source.as_str() {
        "-" => std::io::stdin().read_to_end(&mut payload)?,
        path => std::fs::File::open(path)?.read_to_end(&mut payload)?,
    };
    let (tenant, gateway) = (TenantId::default(), GatewayId::parse("check")?);
    let limits = context.config.ingest.payload.limits();
    let envelope = Envelope {
        tenant: &tenant,
        gateway: &gateway,
        protocol: Protocol::Http,
        received_at: ReceivedAt(received_at),
        number: 0,
        device_zone: &|_, _| zone.clone(),
        device_clock: &|_| None,
        may_speak_for: &|_| true,
        roster: &Roster::default(),
        takes_orders: &|| false,
        limits: &limits,
    };
    let submission = match judge_bytes(&payload, format, &envelope) {
        Ok(submission) => submission,
        Err(refused) => bail!("the whole payload would be refused: {refused}"),
    };
    let explanation = explain(&submission);
    if context.json {
        let message = painwatch_proto::json::verdict_message(&explanation.verdict(), ReceivedAt(received_at), false);
        println!("{}", painwatch_proto::json::verdict_to_json(&message));
    } else {
        println!("{} admitted, {} quarantined", explanation.admitted, explanation.quarantined);
        for explained in &explanation.problems {
            let place = explained.problem.sample.map_or(String::new(), |sample| format!(", sample {sample}"));
            println!(
                "entry {}{place}: {} ({})",
                explained.problem.index,
                explained.problem.detail,
                explained.problem.code.as_str()
            );
            println!("  why: {}\n  fix: {}", explained.reason, explained.fix);
        }
    }
    Ok(if explanation.quarantined == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
