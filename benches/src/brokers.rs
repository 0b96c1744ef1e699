//! Question: does making a message durable cost gateways anything they notice, against a broker that keeps nothing?
//!
//! Budget: at least what Mosquitto without persistence acknowledges in the same run with the same driver, or 0.8 of what the
//! messages under way allow (`in flight / fdatasync p50`), whichever is less. Eight connections with 100 messages in flight
//! each, a reading a message. Mosquitto stores nothing and judges nothing: it is what the wire and the driver can do.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use painwatch_gateway::load::{self, LoadOptions, LoadReport};
use painwatch_gateway::outgoing::Protocol;
use painwatch_gateway::simulate::faults::FaultPlan;

use crate::system;

const CONNECTIONS: u32 = 8;
const IN_FLIGHT: u16 = 100;
const MESSAGES: u64 = 200_000;
const TURNS: usize = 3;

/// In turns, so that what else the machine does falls on both.
///
/// # Errors
/// Whatever does not run.
pub async fn run(dir: &Path) -> Result<()> {
    let mosquitto = Mosquitto::start(dir).await?;
    for turn in 1..=TURNS {
        if let Some(broker) = &mosquitto {
            let report = send(dir, &broker.address, "any", 0).await?;
            println!("brokers turn {turn}: mosquitto without persistence {}", told(&report));
        }
        let system = system::start(dir, crate::page::roster).await?;
        let address = system.ingest.mqtt_addr.context("mqtt")?.to_string();
        let token = system.access.gateway_token().reveal().to_owned();
        let report = send(dir, &address, &token, system.clock.wall_ms()).await?;
        println!("brokers turn {turn}: painwatch, durable {}", told(&report));
        system.settle().await?;
        system.stop().await?;
    }
    Ok(())
}

fn told(report: &LoadReport) -> String {
    let latency = &report.latency_ms;
    format!("{:.0} messages/s, p50 {:.1} ms, p99 {:.1} ms", report.acknowledged_per_s, latency.p50, latency.p99)
}

async fn send(dir: &Path, address: &str, token: &str, end_ms: i64) -> Result<LoadReport> {
    let truth = tempfile::NamedTempFile::new_in(dir)?;
    let options = LoadOptions {
        seed: 1,
        patients: 100,
        gateways: CONNECTIONS,
        protocol: Protocol::Mqtt,
        address: address.to_owned(),
        token: token.to_owned(),
        window: IN_FLIGHT,
        readings: MESSAGES,
        rate: None,
        batch_size: 1,
        packed: false,
        faults: FaultPlan::default(),
        gateway: None,
        end_ms,
        truth: truth.path().to_owned(),
    };
    Ok(load::run(&options).await?)
}

struct Mosquitto {
    child: Child,
    address: String,
    _config: tempfile::TempDir,
}

impl Mosquitto {
    /// `None`, and a line that says so, where it is not installed.
    async fn start(dir: &Path) -> Result<Option<Self>> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = tempfile::tempdir_in(dir)?;
        let path = config.path().join("mosquitto.conf");
        let settings =
            format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n");
        std::fs::write(&path, settings)?;
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("brokers mosquitto is not installed: nothing to compare with");
                return Ok(None);
            }
            Err(error) => return Err(error).context("mosquitto"),
        };
        let broker = Self { child, address: format!("127.0.0.1:{port}"), _config: config };
        for _ in 0..100 {
            if std::net::TcpStream::connect(&broker.address).is_ok() {
                return Ok(Some(broker));
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        bail!("mosquitto does not listen")
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
