//! Question: how much memory does a process with 1,000 patients and 28 days of data take?
//!
//! Budget: 512 MiB (the cap of promise P12). Blocks beyond the cache of 256 MiB are in the store; a patient's state with
//! 28-day baselines is some tens of KiB.

use std::path::Path;

use anyhow::{Context as _, Result};
use painwatch_gateway::load::{self, LoadOptions};
use painwatch_gateway::outgoing::Protocol;
use painwatch_gateway::simulate::faults::FaultPlan;

use crate::system;

const PATIENTS: u32 = 1_000;
/// One heart rate every five minutes for 28 days.
const READINGS: u64 = PATIENTS as u64 * 28 * 288;

/// # Errors
/// Whatever does not run.
pub async fn run(dir: &Path) -> Result<()> {
    let before = resident_mib();
    let system = system::start(dir, crate::page::roster).await?;
    let truth = tempfile::NamedTempFile::new_in(dir)?;
    let options = LoadOptions {
        seed: 1,
        patients: PATIENTS,
        gateways: 4,
        protocol: Protocol::Grpc,
        address: system.ingest.grpc_addr.context("grpc")?.to_string(),
        token: system.access.gateway_token().reveal().to_owned(),
        window: 100,
        readings: READINGS,
        rate: None,
        batch_size: 1_000,
        packed: true,
        faults: FaultPlan::default(),
        gateway: None,
        end_ms: system.clock.wall_ms(),
        truth: truth.path().to_owned(),
    };
    load::run(&options).await?;
    system.settle().await?;
    println!(
        "memory  {} MiB resident with {PATIENTS} patients and {READINGS} readings (load generator in the same process; {before} MiB before)",
        resident_mib()
    );
    system.stop().await
}

fn resident_mib() -> u64 {
    resident_bytes() >> 20
}

/// Of this process.
pub fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}
