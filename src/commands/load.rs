//! `painwatch load`: many simulated gateways against a running server, and whether its books then say what is true.

mod compare;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use painwatch_access::Access;
use painwatch_domain::Clock as _;
use painwatch_gateway::load::{self, LoadOptions, LoadReport};
use painwatch_gateway::outgoing::Protocol;
use painwatch_gateway::simulate::faults::FaultPlan;
use painwatch_gateway::truth::GroundTruth;
use painwatch_store::Store;

use super::{Context, Usage};
use crate::clock::SystemClock;
use crate::{operator, security};

/// Connections of a run that does not say how many.
const GATEWAYS: u32 = 2;

/// Simulates gateways; writes what is true to a file before it sends, then reports what was acknowledged, how fast, and whether
/// the server's books say what is true. Fails where they do not.
///
/// With --lines nothing is sent: another gateway sends the lines, and --check then compares the books with the truth.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  painwatch load --protocol grpc --readings 100000 --batch-size 100\n  painwatch load --fault duplicates,reordering,dst,outage --readings 20000\n  painwatch load --gateway gw-mine --fault duplicates --lines mine.jsonl --truth mine.json\n  painwatch load --check mine.json"
)]
pub struct Args {
    /// mqtt or grpc.
    #[arg(long, default_value = "mqtt")]
    protocol: String,
    /// The same seed simulates the same people.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Simulated patients.
    #[arg(long, default_value_t = 10)]
    patients: u32,
    /// Connections; patients are spread over them [default: 2, or 1 with --gateway].
    #[arg(long)]
    gateways: Option<u32>,
    /// What the one gateway calls itself.
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
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
    /// Much of one thing that goes wrong: duplicates, lateness, reordering, skew, dst, malformed, unknown-units, outage.
    /// Readings with dst lie around the last night in which clocks were set back: a second run contradicts the first.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    fault: Vec<String>,
    /// Where the truth is written.
    #[arg(long, default_value = "load-truth.json", value_name = "FILE")]
    truth: PathBuf,
    /// Writes the payloads in JSON, one a line, for a gateway that is not simulated; sends nothing.
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    lines: Option<PathBuf>,
    /// Compares the books with a truth written earlier; sends nothing.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// How long the server may take to count what it acknowledged, in seconds.
    #[arg(long, default_value_t = 60)]
    settle_s: u64,
}

impl Args {
    fn faults(&self) -> Result<FaultPlan> {
        let mut plan = if self.faults { FaultPlan::SOME } else { FaultPlan::default() };
        for name in &self.fault {
            if !plan.add(name) {
                bail!(Usage(format!("--fault {name}: expected {}", FaultPlan::NAMES.join(", "))));
            }
        }
        Ok(plan)
    }
}

pub async fn run(args: Args, context: Context) -> Result<ExitCode> {
    let protocol = match args.protocol.as_str() {
        "mqtt" => Protocol::Mqtt,
        "grpc" => Protocol::Grpc,
        other => bail!(Usage(format!("--protocol {other}: expected mqtt or grpc"))),
    };
    let store = painwatch_store::open(&context.config.store_url(), &context.config.lake_dir()).await?;
    let patience = Duration::from_secs(args.settle_s);
    if let Some(file) = &args.check {
        let truth = GroundTruth::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        return judged(&*store, &truth, patience, None, context.json).await;
    }
    let mut options = LoadOptions {
        seed: args.seed,
        patients: args.patients,
        gateways: args.gateways.unwrap_or(if args.gateway.is_some() { 1 } else { GATEWAYS }),
        protocol,
        address: String::new(),
        token: String::new(),
        window: args.window,
        readings: args.readings,
        rate: args.rate,
        batch_size: args.batch_size,
        packed: args.packed,
        faults: args.faults()?,
        gateway: args.gateway,
        end_ms: SystemClock::new().wall_ms(),
        truth: args.truth,
    };
    let before = compare::books_of(&*store, &options.gateway_names()).await?;
    if let Some(lines) = &args.lines {
        let truth = GroundTruth { before, ..options.write_lines(lines)? };
        truth.write(&options.truth).with_context(|| format!("cannot write {}", options.truth.display()))?;
        println!("{} lines to send, {} to compare with", lines.display(), options.truth.display());
        return Ok(ExitCode::SUCCESS);
    }
    let Some(addresses) = operator::running(&context.config).await else {
        bail!("no server runs on {}; start one with `painwatch serve --data {0}`", context.config.data.display());
    };
    let (to, spoken) =
        if protocol == Protocol::Mqtt { (addresses.mqtt, &b""[..]) } else { (addresses.grpc, &b"h2"[..]) };
    options.address = security::local_way(&context.config, to, addresses.tls, spoken).await?.to_string();
    options.token = Access::open(&context.config.data)?.gateway_token().reveal().to_owned();
    let report = load::run_after(&options, before).await?;
    let truth = GroundTruth::read(&options.truth)?;
    judged(&*store, &truth, patience, Some(report), context.json).await
}

/// Tells what was sent, and what became of it; fails where that is not what is true.
async fn judged(
    store: &dyn Store,
    truth: &GroundTruth,
    patience: Duration,
    report: Option<LoadReport>,
    json: bool,
) -> Result<ExitCode> {
    let comparison = compare::compare(store, truth, patience).await?;
    if json {
        let mut told = report.map_or_else(|| Ok(serde_json::json!({})), serde_json::to_value)?;
        told["conformance"] = serde_json::to_value(&comparison)?;
        println!("{told}");
    } else {
        if let Some(report) = &report {
            print(report);
        }
        comparison.print();
    }
    Ok(if comparison.agree { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
