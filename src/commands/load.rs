//! `painwatch load`: many simulated gateways against a running server.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use painwatch_access::Access;
use painwatch_domain::Clock as _;
use painwatch_gateway::load::{self, LoadOptions, LoadReport};
use painwatch_gateway::outgoing::Protocol;
use painwatch_gateway::simulate::faults::FaultPlan;

use super::{Context, Usage};
use crate::clock::SystemClock;
use crate::{operator, security};

/// Simulates gateways; writes what is true to a file before it sends, then reports what was acknowledged and how fast.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  painwatch load --protocol grpc --readings 100000 --batch-size 100")]
pub struct Args {
    /// mqtt or grpc.
    #[arg(long, default_value = "mqtt")]
    protocol: String,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 10)]
    patients: u32,
    /// Connections; patients are spread over them.
    #[arg(long, default_value_t = 2)]
    gateways: u32,
    /// Readings in all.
    #[arg(long, default_value_t = 10_000)]
    readings: u64,
    /// Readings a second over all gateways; as many as are acknowledged when left out.
    #[arg(long)]
    rate: Option<f64>,
    /// Readings in one batch.
    #[arg(long, default_value_t = 1)]
    batch_size: u32,
    /// One packed series a batch instead of single readings.
    #[arg(long)]
    packed: bool,
    /// Batches that each gateway may have unanswered.
    #[arg(long, default_value_t = 1_000)]
    window: u16,
    /// A little of everything that goes wrong: duplicates, lateness, reordering, malformed payloads.
    #[arg(long)]
    faults: bool,
    /// Where the truth is written.
    #[arg(long, default_value = "load-truth.json", value_name = "FILE")]
    truth: PathBuf,
}

pub async fn run(args: Args, context: Context) -> Result<ExitCode> {
    let protocol = match args.protocol.as_str() {
        "mqtt" => Protocol::Mqtt,
        "grpc" => Protocol::Grpc,
        other => bail!(Usage(format!("--protocol {other}: expected mqtt or grpc"))),
    };
    let Some(addresses) = operator::running(&context.config).await else {
        bail!("no server runs on {}; start one with `painwatch serve --data {0}`", context.config.data.display());
    };
    let (to, spoken) =
        if protocol == Protocol::Mqtt { (addresses.mqtt, &b""[..]) } else { (addresses.grpc, &b"h2"[..]) };
    let address = security::local_way(&context.config, to, addresses.tls, spoken).await?;
    let options = LoadOptions {
        seed: args.seed,
        patients: args.patients,
        gateways: args.gateways,
        protocol,
        address: address.to_string(),
        token: Access::open(&context.config.data)?.gateway_token().reveal().to_owned(),
        window: args.window,
        readings: args.readings,
        rate: args.rate,
        batch_size: args.batch_size,
        packed: args.packed,
        faults: if args.faults { FaultPlan::SOME } else { FaultPlan::default() },
        end_ms: SystemClock::new().wall_ms(),
        truth: args.truth,
    };
    let report = load::run(&options).await?;
    if context.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(report: &LoadReport) {
    let latency = report.latency_ms;
    println!(
        "{} readings acknowledged in {:.2} s: {:.0} readings/s",
        report.acknowledged, report.elapsed_s, report.acknowledged_per_s
    );
    println!(
        "answers: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        latency.p50, latency.p90, latency.p99, latency.max
    );
    println!(
        "{} batches, {} sent again after a lost connection, {} refused",
        report.batches, report.resent_batches, report.refused
    );
}
