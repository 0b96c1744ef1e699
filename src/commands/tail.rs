//! `painwatch tail`: live readings and verdicts.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use painwatch_access::Access;

use super::Context;
use crate::tail::{BatchLine, Line, VerdictLine, Wanted};
use crate::{operator, security};

/// Shows what a running server takes in, and what becomes of it, until interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  painwatch tail --gateway gw-17")]
pub struct Args {
    /// Of this gateway only.
    #[arg(long)]
    gateway: Option<String>,
    /// Begins at this offset of the journal instead of now.
    #[arg(long, value_name = "OFFSET")]
    from: Option<u64>,
    /// Shows every value, which is health data: keep it out of logs.
    #[arg(long)]
    values: bool,
    /// Ends after so many lines.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

pub async fn run(args: Args, context: Context) -> Result<ExitCode> {
    let Some(addresses) = operator::running(&context.config).await else {
        bail!("no server runs on {}; start one with `painwatch serve --data {0}`", context.config.data.display());
    };
    let access = Access::open(&context.config.data)?;
    let wanted = Wanted { from: args.from, gateway: args.gateway, values: args.values };
    let http = security::local_way(&context.config, addresses.http, addresses.tls, b"http/1.1").await?;
    let request = reqwest::Client::new()
        .post(format!("http://{http}{}", operator::TAIL))
        .bearer_auth(access.operator_token().reveal())
        .json(&wanted);
    let mut answer = request.send().await.context("the running server does not answer")?;
    if !answer.status().is_success() {
        bail!("the running server refused: {}", answer.text().await.unwrap_or_default());
    }
    let (mut pending, mut shown) = (Vec::new(), 0);
    while let Some(chunk) = answer.chunk().await.context("the server ended")? {
        pending.extend_from_slice(&chunk);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            show(&line, context.json)?;
            shown += 1;
            if args.limit.is_some_and(|limit| shown >= limit) {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(line: &[u8], json: bool) -> Result<()> {
    let text = std::str::from_utf8(line).context("the server's answer")?;
    if json {
        print!("{text}");
        return Ok(());
    }
    match serde_json::from_str(text).context("the server's answer")? {
        Line::Batch(batch) => show_batch(&batch),
        Line::Verdict(verdict) => show_verdict(&verdict),
    }
    Ok(())
}

fn show_batch(batch: &BatchLine) {
    let history = if batch.historical { "  historical" } else { "" };
    println!(
        "#{}  {}  {}  {}  {}{history}",
        batch.offset, batch.received_at, batch.gateway, batch.protocol, batch.batch_id
    );
    for series in &batch.series {
        let span =
            if series.count == 1 { series.first.clone() } else { format!("{} to {}", series.first, series.last) };
        println!("      {}  {} of {}  {span}", series.device, series.count, series.measure);
        for (time, value) in &series.values {
            println!("        {time}  {value}");
        }
    }
    for refused in &batch.quarantined {
        println!(
            "      {}  {} in quarantine as {}: {}: {}",
            refused.device, refused.count, refused.quarantine_id, refused.code, refused.detail
        );
    }
}

fn show_verdict(verdict: &VerdictLine) {
    let VerdictLine { cause, stored, duplicate, conflict, quarantined, .. } = verdict;
    println!("#{cause}  {stored} stored, {duplicate} duplicate, {conflict} conflict, {quarantined} quarantined");
    for problem in &verdict.problems {
        println!("      {problem}");
    }
}
