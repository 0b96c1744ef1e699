//! Sends the script through the doors, instant by instant, and drives the clock.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use painwatch_domain::time::{DAY_MS, HOUR_MS};
use painwatch_gateway::client::{Client, ClientOptions, GrpcClient, MqttClient, Outcome};
use painwatch_gateway::outgoing::{Protocol, Step};

use crate::clock::DrivenClock;
use crate::compose::System;

/// Batches of one gateway under way at once.
const WINDOW: u16 = 64;

/// Sends every step at its instant; the clock stands still until all of one instant are acknowledged. Returns how many
/// submissions were refused.
pub async fn drive(system: &mut System, clock: &DrivenClock, steps: &[Step], speed: Option<u32>) -> Result<u64> {
    let mut clients: HashMap<String, Client> = HashMap::new();
    let mut refused = 0;
    let mut at = None;
    for instant in steps.chunk_by(|a, b| a.clock_ms == b.clock_ms) {
        let clock_ms = instant[0].clock_ms;
        pace(at.replace(clock_ms), clock_ms, speed).await;
        clock.advance_to(clock_ms);
        let mut receipts = Vec::new();
        for step in instant {
            if !clients.contains_key(&step.gateway) {
                clients.insert(step.gateway.clone(), connect(system, step)?);
            }
            let client = clients.get(&step.gateway).context("client")?;
            receipts.push(client.send(&step.payload).await?);
        }
        for receipt in receipts {
            if let Outcome::Refused(_) = receipt.ack().await?.outcome {
                refused += 1;
            }
        }
        system.healthy()?;
    }
    for client in clients.into_values() {
        client.close().await;
    }
    system.settle().await?;
    Ok(refused)
}

fn connect(system: &System, step: &Step) -> Result<Client> {
    let addresses = system.addresses.as_ref().context("the demo listens")?;
    let address = match step.protocol {
        Protocol::Mqtt => addresses.mqtt,
        Protocol::Grpc => addresses.grpc,
    };
    let token = system.access.gateway_token().reveal().to_owned();
    let options = ClientOptions { address: address.to_string(), gateway: step.gateway.clone(), token, window: WINDOW };
    Ok(match step.protocol {
        Protocol::Mqtt => Client::Mqtt(MqttClient::connect(options)?),
        Protocol::Grpc => Client::Grpc(GrpcClient::connect(&options)?),
    })
}

async fn pace(before_ms: Option<i64>, now_ms: i64, speed: Option<u32>) {
    if let (Some(before_ms), Some(speed)) = (before_ms, speed.filter(|speed| *speed > 0)) {
        let wait_ms = (now_ms - before_ms).max(0) / i64::from(speed);
        tokio::time::sleep(std::time::Duration::from_millis(wait_ms as u64)).await;
    }
}

/// Lets three quiet days pass after the script, so that every day of it is final. On data that is already there nothing
/// passes: the clock never goes beyond that point.
pub async fn let_days_close(system: &mut System, clock: &DrivenClock, steps: &[Step]) -> Result<()> {
    let last = steps.last().map_or(0, |step| step.clock_ms);
    let midnight = last.div_euclid(DAY_MS) * DAY_MS;
    for hour in (24..=96).step_by(6) {
        clock.advance_to(midnight + hour * HOUR_MS);
        system.journal.tick().await;
    }
    system.settle().await
}
