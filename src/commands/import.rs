//! `painwatch import`: another program's export, pushed through the gateway's own door.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use painwatch_access::Access;
use painwatch_gateway::client::{ClientOptions, GrpcClient, Outcome};
use painwatch_gateway::import::{self, ImportOptions};
use painwatch_proto::ingest::v1::{BatchVerdict, Mode};

use super::{Context, Usage};
use crate::{operator, security};

/// Imports an export of another program through gRPC, as a gateway would, as historical data: it never pages.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  painwatch import fitbit ./export --device fitbit --zone America/New_York")]
pub struct Args {
    /// fitbit or myaiguide.
    format: String,
    path: PathBuf,
    /// Device id; a prefix where the export holds several subjects.
    #[arg(long)]
    device: String,
    /// IANA zone in which stamps without an offset are read.
    #[arg(long)]
    zone: String,
    /// Who wore it, or the prefix of patient ids; only named in the report.
    #[arg(long)]
    patient: Option<String>,
}

pub async fn run(args: Args, context: Context) -> Result<ExitCode> {
    let options = ImportOptions { device_prefix: args.device.clone(), zone: args.zone, patient: args.patient };
    let import = import::import(&args.format, &args.path, &options).map_err(|error| match error {
        import::ImportError::UnknownFormat(_) | import::ImportError::Zone(_) => Usage(error.to_string()).into(),
        error => anyhow::Error::from(error),
    })?;
    let Some(addresses) = operator::running(&context.config).await else {
        bail!("no server runs on {}; start one with `painwatch serve --data {0}`", context.config.data.display());
    };
    let access = Access::open(&context.config.data)?;
    let gateway = format!("import-{}", args.device);
    let token = access.gateway_token().reveal().to_owned();
    let client = GrpcClient::connect(&ClientOptions {
        address: security::local_way(&context.config, addresses.grpc, addresses.tls, b"h2").await?.to_string(),
        gateway: gateway.clone(),
        token,
        window: 8,
    })?;
    let mut receipts = Vec::new();
    for subject in &import.subjects {
        for batch in subject.batches(&gateway, Mode::Historical) {
            receipts.push(client.send(batch).await?);
        }
    }
    let mut total = BatchVerdict::default();
    for receipt in receipts {
        match receipt.ack().await?.outcome {
            Outcome::Judged(verdict) => add(&mut total, &verdict),
            other => bail!("a batch was not taken: {other:?}"),
        }
    }
    client.close().await;
    for file in &import.report.files {
        for skipped in &file.skipped {
            eprintln!(
                "{}: {} rows skipped, the first in line {}: {}",
                file.file, skipped.count, skipped.first_line, skipped.reason
            );
        }
    }
    let (rows, readings) = (import.report.rows(), import.report.readings());
    if context.json {
        println!(
            "{}",
            serde_json::json!({"rows": rows, "submitted": readings, "stored": total.stored, "duplicate": total.duplicate,
            "conflict": total.conflict, "quarantined": total.quarantined})
        );
    } else {
        println!(
            "{rows} rows read, {readings} readings submitted: {} stored, {} duplicate, {} conflict, {} quarantined",
            total.stored, total.duplicate, total.conflict, total.quarantined
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn add(total: &mut BatchVerdict, verdict: &BatchVerdict) {
    total.stored += verdict.stored;
    total.duplicate += verdict.duplicate;
    total.conflict += verdict.conflict;
    total.quarantined += verdict.quarantined;
}
