//! `painwatch import`: another program's export, pushed through the gateway's own door.

mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use painwatch_access::Access;
use painwatch_domain::{Roster, TenantId};
use painwatch_gateway::client::{ClientOptions, GrpcClient, Outcome, Receipt};
use painwatch_gateway::import::{self, FORMATS, Import, ImportError, ImportOptions, Timed};
use painwatch_gateway::outgoing::Batches;
use painwatch_proto::ingest::v1::{BatchVerdict, Mode, ReadingBatch};
use tokio::sync::mpsc;

use super::{Context, Usage};
use crate::{operator, security};

/// Batches read ahead of the server, and unanswered by it: what an import holds in memory is these, whatever the export's size.
const AHEAD_BATCHES: usize = 8;

/// Imports an export of another program through gRPC, as a gateway would, as historical data: it never pages.
///
/// Sending an export again is free: what is known is counted as duplicate. An import that was broken off is repeated.
#[derive(Debug, clap::Args)]
#[command(after_help = examples())]
pub struct Args {
    /// One of the formats below.
    format: String,
    /// A file, a folder, or a zip archive, which is read in place.
    path: PathBuf,
    /// Device id; a prefix where the export holds several devices or subjects.
    #[arg(long)]
    device: String,
    /// IANA zone in which stamps without an offset are read.
    #[arg(long)]
    zone: String,
    /// Who wore it, or the prefix of patient ids; only named in the report.
    #[arg(long)]
    patient: Option<String>,
    /// The clinic's roster, as TOML: by which codes its medications are known to others (fhir).
    #[arg(long, value_name = "FILE")]
    roster: Option<PathBuf>,
}

fn examples() -> String {
    let lines = FORMATS
        .iter()
        .map(|format| format!("  {:<13} {}\n  {:<13} $ {}\n", format.name, format.about, "", format.example));
    format!("Formats, each with an example:\n{}", lines.collect::<String>())
}

pub async fn run(args: Args, context: Context) -> Result<ExitCode> {
    let options = ImportOptions {
        device_prefix: args.device.clone(),
        zone: args.zone.clone(),
        patient: args.patient.clone(),
        roster: roster(args.roster.as_deref())?,
    };
    import::check(&args.format, &options).map_err(|error| Usage(error.to_string()))?;
    let Some(addresses) = operator::running(&context.config).await else {
        bail!("no server runs on {}; start one with `painwatch serve --data {0}`", context.config.data.display());
    };
    let access = Access::open(&context.config.data)?;
    let gateway = format!("import-{}", args.device);
    let token = access.gateway_token().reveal().to_owned();
    let address = security::local_way(&context.config, addresses.grpc, addresses.tls, b"h2").await?.to_string();
    let client = GrpcClient::connect(&ClientOptions { address, gateway: gateway.clone(), token, window: 8 })?;
    let (ahead, batches) = mpsc::channel(AHEAD_BATCHES);
    let reader = tokio::task::spawn_blocking(move || read(&args, &options, &gateway, &ahead));
    let sent = send(&client, batches).await;
    client.close().await;
    let read = reader.await.context("the export's reader ended unexpectedly")?;
    // Where the server turned a batch away the reader was only stopped.
    let total = match (sent, &read) {
        (Err(error), _) => return Err(error),
        (Ok(total), Err(error)) => {
            eprintln!("broken off after {} readings were judged; mend it and import again", report::judged(&total));
            bail!("{error}");
        }
        (Ok(total), Ok(_)) => total,
    };
    report::print(&read?, &total, context.json);
    Ok(ExitCode::SUCCESS)
}

fn roster(file: Option<&Path>) -> Result<Roster> {
    let Some(file) = file else { return Ok(Roster::default()) };
    let wrong = |error: String| Usage(format!("--roster {}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    Ok(crate::roster::parse(&text, &TenantId::default()).map_err(|error| wrong(format!("{error:#}")))?)
}

/// Reads the export and hands over one batch after another, waiting while enough of them are under way.
fn read(
    args: &Args,
    options: &ImportOptions,
    gateway: &str,
    ahead: &mpsc::Sender<ReadingBatch>,
) -> Result<Import, ImportError> {
    let mut cut = Batches::new(gateway, Mode::Historical, 0);
    let hand_over = |batch: Option<ReadingBatch>| {
        batch.map_or(Ok(()), |batch| ahead.blocking_send(batch)).map_err(|_| ImportError::Stopped)
    };
    let import =
        import::stream(&args.format, &args.path, options, &mut |Timed { reading, .. }| hand_over(cut.push(reading)))?;
    hand_over(cut.close())?;
    Ok(import)
}

async fn send(client: &GrpcClient, mut batches: mpsc::Receiver<ReadingBatch>) -> Result<BatchVerdict> {
    let mut total = BatchVerdict::default();
    let mut under_way = std::collections::VecDeque::new();
    while let Some(batch) = batches.recv().await {
        under_way.push_back(client.send(batch).await?);
        if under_way.len() >= AHEAD_BATCHES
            && let Some(oldest) = under_way.pop_front()
        {
            take(&mut total, oldest).await?;
        }
    }
    for receipt in under_way {
        take(&mut total, receipt).await?;
    }
    Ok(total)
}

async fn take(total: &mut BatchVerdict, receipt: Receipt) -> Result<()> {
    match receipt.ack().await?.outcome {
        Outcome::Judged(verdict) => {
            report::add(total, verdict);
            Ok(())
        }
        other => bail!("a batch was not taken: {other:?}"),
    }
}
