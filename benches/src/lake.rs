//! Question: how many bytes does a reading take in the lake?
//!
//! Budget: 8 bytes. A reading's content is its time (regular, about a byte after delta coding), its value (one to two bytes)
//! and its identity: 16 bytes of hash, which do not compress, if it is kept as such.

use std::path::Path;

use anyhow::{Context as _, Result};
use painwatch_gateway::load::{self, LoadOptions};
use painwatch_gateway::outgoing::Protocol;
use painwatch_gateway::simulate::faults::FaultPlan;

use crate::system;

/// A million heart-rate readings of 100 patients.
///
/// # Errors
/// Whatever does not run.
pub async fn run(dir: &Path) -> Result<()> {
    let system = system::start(dir, crate::page::roster).await?;
    let truth = tempfile::NamedTempFile::new_in(dir)?;
    let options = LoadOptions {
        seed: 1,
        patients: 100,
        gateways: 4,
        protocol: Protocol::Grpc,
        address: system.ingest.grpc_addr.context("grpc")?.to_string(),
        token: system.access.gateway_token().reveal().to_owned(),
        window: 100,
        readings: 1_000_000,
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
    let start = std::time::Instant::now();
    let flushed = system.store.flush_lake(true).await?;
    let per_reading = flushed.bytes as f64 / flushed.rows as f64;
    println!(
        "lake    {:.2} bytes a reading: {} readings in {} files, moved in {:.1} s",
        per_reading,
        flushed.rows,
        flushed.files,
        start.elapsed().as_secs_f64()
    );
    system.stop().await
}
