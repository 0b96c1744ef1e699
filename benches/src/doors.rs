//! Question: how many readings a second are acknowledged as durable, on one machine, through the real doors?
//!
//! Budget: MQTT, one reading a message: 20,000/s. A clinic of 1,000 patients with a watch (a reading each 5 s), an oximeter
//! at night (each second) and the rest sends at most 1,200/s; fifteen times that leaves room for catching up after an
//! outage. gRPC in batches of 100: 100,000/s.

use std::path::Path;

use anyhow::Result;
use painwatch_gateway::load::{self, LoadOptions};
use painwatch_gateway::outgoing::Protocol;
use painwatch_gateway::simulate::faults::FaultPlan;

use crate::system;

struct Case {
    name: &'static str,
    protocol: Protocol,
    readings: u64,
    batch_size: u32,
    packed: bool,
}

const CASES: [Case; 5] = [
    Case {
        name: "mqtt, 1 reading a message",
        protocol: Protocol::Mqtt,
        readings: 200_000,
        batch_size: 1,
        packed: false,
    },
    Case {
        name: "grpc, batches of 100 singles",
        protocol: Protocol::Grpc,
        readings: 1_000_000,
        batch_size: 100,
        packed: false,
    },
    Case {
        name: "grpc, batches of 1,000 singles",
        protocol: Protocol::Grpc,
        readings: 1_000_000,
        batch_size: 1_000,
        packed: false,
    },
    Case {
        name: "grpc, packed series of 1,000",
        protocol: Protocol::Grpc,
        readings: 4_000_000,
        batch_size: 1_000,
        packed: true,
    },
    Case {
        name: "mqtt, packed series of 1,000",
        protocol: Protocol::Mqtt,
        readings: 4_000_000,
        batch_size: 1_000,
        packed: true,
    },
];

/// Each case on a fresh system; the processor and the store work beside it, as in service.
///
/// # Errors
/// Whatever does not run.
pub async fn run(dir: &Path) -> Result<()> {
    for case in CASES {
        let system = system::start(dir, crate::page::roster).await?;
        let address = match case.protocol {
            Protocol::Mqtt => system.ingest.mqtt_addr,
            Protocol::Grpc => system.ingest.grpc_addr,
        };
        let truth = tempfile::NamedTempFile::new_in(dir)?;
        let options = LoadOptions {
            seed: 1,
            patients: 100,
            gateways: 4,
            protocol: case.protocol,
            address: address.map(|address| address.to_string()).unwrap_or_default(),
            token: system.access.gateway_token().reveal().to_owned(),
            window: 1_000,
            readings: case.readings,
            rate: None,
            batch_size: case.batch_size,
            packed: case.packed,
            faults: FaultPlan::default(),
            gateway: None,
            end_ms: system.clock.wall_ms(),
            truth: truth.path().to_owned(),
        };
        let report = load::run(&options).await?;
        println!(
            "doors   {}: {:.0} readings/s acknowledged; answer p50 {:.1} ms, p99 {:.1} ms",
            case.name, report.acknowledged_per_s, report.latency_ms.p50, report.latency_ms.p99
        );
        let start = std::time::Instant::now();
        system.settle().await?;
        println!(
            "doors   {}: applied and in the tables {:.1} s after the last acknowledgement",
            case.name,
            start.elapsed().as_secs_f64()
        );
        system.stop().await?;
    }
    Ok(())
}
