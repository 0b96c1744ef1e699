//! One probe: connects, hands a batch over, and waits until it is acknowledged and its verdict is back.
//!
//! Each is a connection of its own, so that accepting, TLS and authentication are tried every time. The reading is the same all
//! day: the first of a day is stored, the others are duplicates, and nothing grows.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use painwatch_access::Secret;
use painwatch_domain::GatewayId;
use painwatch_domain::time::{DAY_MS, format_utc};
use painwatch_proto::ingest::v1::ingest_client::IngestClient;
use painwatch_proto::ingest::v1::{Mode, Reading, ReadingBatch};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, SubscribeReasonCode};
use tonic::Request;
use tonic::transport::Endpoint;

use super::watch::Input;
use super::websocket::Tunnel;
use crate::security::Way;

const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Requests to the MQTT library: one of each kind.
const REQUESTS: usize = 4;

/// Where a probe goes in.
pub enum Target {
    /// A listener of ours, and the certificate it shows where it speaks TLS.
    Own { address: SocketAddr, certificate: Option<PathBuf>, token: Secret },
    /// A broker, as our own user there.
    Broker(Box<MqttOptions>),
}

pub struct Probe {
    pub input: Input,
    pub target: Target,
}

/// How far a probe came, for saying where it hangs.
struct Stage(AtomicUsize);

const STAGES: [&str; 3] = ["no connection", "no acknowledgement", "no verdict"];

impl Stage {
    fn reach(&self, stage: usize) {
        self.0.store(stage, Ordering::Relaxed);
    }

    fn failed(&self) -> &'static str {
        STAGES[self.0.load(Ordering::Relaxed).min(STAGES.len() - 1)]
    }
}

impl Probe {
    /// # Errors
    /// What was missing at the end of `limit`, or why nothing will come.
    pub async fn sing(&self, wall_ms: i64, limit: Duration) -> Result<(), String> {
        let stage = Stage(AtomicUsize::new(0));
        let batch = batch(self.input, wall_ms);
        let sung = async {
            match &self.target {
                Target::Broker(options) => over_mqtt((**options).clone(), &batch, &stage).await,
                Target::Own { address, certificate, token } => {
                    let way = Way::to(*address, certificate.as_deref(), self.alpn()).await?;
                    self.through(way.address, token, &batch, &stage).await
                }
            }
        };
        match tokio::time::timeout(limit, sung).await {
            Ok(sung) => sung.map_err(|error| format!("{}: {error:#}", stage.failed())),
            Err(_) => Err(format!("{} within {} ms", stage.failed(), limit.as_millis())),
        }
    }

    const fn alpn(&self) -> &'static [u8] {
        match self.input {
            Input::Mqtt | Input::Broker => b"",
            Input::Grpc => b"h2",
            Input::Http | Input::WebSocket => b"http/1.1",
        }
    }

    async fn through(&self, to: SocketAddr, token: &Secret, batch: &ReadingBatch, stage: &Stage) -> Result<()> {
        match self.input {
            Input::Mqtt | Input::Broker => over_mqtt(client("", to, token), batch, stage).await,
            Input::WebSocket => {
                let tunnel = Tunnel::open(to).await?;
                over_mqtt(client("/websocket", tunnel.address, token), batch, stage).await
            }
            Input::Grpc => over_grpc(to, token, batch, stage).await,
            Input::Http => over_http(to, token, batch, stage).await,
        }
    }
}

/// One reading that says nothing about anybody: the canary's battery at the beginning of the day.
fn batch(input: Input, wall_ms: i64) -> ReadingBatch {
    let reading = Reading {
        device: format!("canary-{}", input.as_str()),
        measure: "device_battery".to_owned(),
        time: format_utc(wall_ms.div_euclid(DAY_MS) * DAY_MS),
        value: Some(100.0),
        unit: "%".to_owned(),
        ..Reading::default()
    };
    ReadingBatch {
        gateway: GatewayId::canary().to_string(),
        batch_id: format!("canary/{}/{wall_ms}", input.as_str()),
        // Nobody's clock is to be learnt from it.
        mode: Mode::Historical.into(),
        readings: vec![reading],
        ..ReadingBatch::default()
    }
}

fn as_json(batch: &ReadingBatch) -> String {
    let reading = batch.readings.first().map(|reading| {
        serde_json::json!({"device": reading.device, "measure": reading.measure, "time": reading.time,
            "value": reading.value, "unit": reading.unit})
    });
    serde_json::json!({"batch_id": batch.batch_id, "mode": "historical", "readings": [reading]}).to_string()
}

/// Judged to the end, and not refused.
fn must_be_judged(is_final: bool, known: u64, whole: &str) -> Result<()> {
    ensure!(is_final, "intake has not judged: {whole}");
    ensure!(known == 1, "judged otherwise than expected: {whole}");
    Ok(())
}

/// The verdict in JSON; `None` when it is another batch's.
fn judged(verdict: &[u8], batch: &ReadingBatch) -> Result<Option<()>> {
    let verdict: serde_json::Value = serde_json::from_slice(verdict).context("a verdict that is no JSON")?;
    if verdict["batch_id"] != batch.batch_id {
        return Ok(None);
    }
    let count = |class: &str| verdict[class].as_u64().unwrap_or_default();
    must_be_judged(verdict["final"] == true, count("stored") + count("duplicate"), &verdict.to_string()).map(Some)
}

/// Each transport has a client id of its own: two probes at once must not push each other out.
fn client(suffix: &str, to: SocketAddr, token: &Secret) -> MqttOptions {
    let gateway = GatewayId::canary();
    let mut options = MqttOptions::new(format!("{gateway}{suffix}"), to.ip().to_string(), to.port());
    options.set_credentials(gateway.to_string(), token.reveal());
    options
}

async fn over_mqtt(mut options: MqttOptions, batch: &ReadingBatch, stage: &Stage) -> Result<()> {
    options.set_keep_alive(KEEP_ALIVE);
    let (client, mut events) = AsyncClient::new(options, REQUESTS);
    let topic = |what: &str| format!("painwatch/v1/{}/{what}", GatewayId::canary());
    client.try_subscribe(topic("verdicts"), QoS::AtLeastOnce)?;
    let (mut acknowledged, mut verdict) = (false, false);
    while !(acknowledged && verdict) {
        let Event::Incoming(packet) = events.poll().await? else { continue };
        match packet {
            Packet::SubAck(suback) => {
                let refused = suback.return_codes.contains(&SubscribeReasonCode::Failure);
                ensure!(!refused, "the verdicts may not be subscribed to");
                client.try_publish(topic("readings/json"), QoS::AtLeastOnce, false, as_json(batch))?;
                stage.reach(1);
            }
            Packet::PubAck(_) => {
                acknowledged = true;
                stage.reach(2);
            }
            Packet::Publish(notice) => verdict |= judged(&notice.payload, batch)?.is_some(),
            Packet::Disconnect => bail!("the server hung up"),
            _ => {}
        }
    }
    // Said and not waited for: what matters has come.
    let _ = client.try_disconnect();
    let _ = events.poll().await;
    Ok(())
}

async fn over_grpc(to: SocketAddr, token: &Secret, batch: &ReadingBatch, stage: &Stage) -> Result<()> {
    let channel = Endpoint::from_shared(format!("http://{to}"))?.connect().await?;
    stage.reach(1);
    let mut request = Request::new(batch.clone());
    request.metadata_mut().insert("authorization", format!("Bearer {}", token.reveal()).parse()?);
    let verdict = IngestClient::new(channel)
        .submit(request)
        .await
        .map_err(|status| anyhow::anyhow!("{:?}: {}", status.code(), status.message()))?;
    stage.reach(2);
    let verdict = verdict.into_inner();
    must_be_judged(verdict.r#final, verdict.stored + verdict.duplicate, &format!("{verdict:?}"))
}

async fn over_http(to: SocketAddr, token: &Secret, batch: &ReadingBatch, stage: &Stage) -> Result<()> {
    let request = reqwest::Client::new()
        .post(format!("http://{to}/api/v1/readings"))
        .header("content-type", "application/json")
        .bearer_auth(token.reveal())
        .body(as_json(batch));
    stage.reach(1);
    let answer = request.send().await.map_err(reqwest::Error::without_url)?;
    let (status, body) = (answer.status(), answer.bytes().await?);
    ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    stage.reach(2);
    judged(&body, batch)?.context("the verdict on another batch")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reading_is_the_same_all_day_and_every_batch_has_its_own_name() {
        let noon = 1_772_366_400_000;
        let (one, other) = (batch(Input::Mqtt, noon), batch(Input::Mqtt, noon + 15_000));
        assert_eq!(one.readings, other.readings);
        assert_ne!(one.batch_id, other.batch_id);
        assert_ne!(one.readings, batch(Input::Mqtt, noon + DAY_MS).readings);
        let json = as_json(&one);
        assert!(json.contains("2026-03-01T00:00:00") && json.contains("\"canary-mqtt\""), "{json}");
    }

    #[tokio::test]
    async fn a_listener_that_opens_no_websocket_is_dead_to_its_canary() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, axum::Router::new()).await });
        let target = Target::Own { address, certificate: None, token: Secret::new("t".to_owned()) };
        let sung = Probe { input: Input::WebSocket, target }.sing(0, Duration::from_secs(10)).await;
        let why = sung.unwrap_err();
        assert!(why.starts_with("no connection") && why.contains("404"), "{why}");
    }

    #[test]
    fn a_verdict_counts_when_it_is_final_and_its_own_and_the_reading_was_believed() {
        let batch = batch(Input::Http, 1_772_366_400_000);
        let verdict = |name: &str, is_final: bool, class: &str| {
            let text = serde_json::json!({"batch_id": name, "final": is_final, class: 1}).to_string();
            judged(text.as_bytes(), &batch)
        };
        assert!(verdict(&batch.batch_id, true, "stored").unwrap().is_some());
        assert!(verdict(&batch.batch_id, true, "duplicate").unwrap().is_some());
        assert!(verdict("canary/http/1", true, "stored").unwrap().is_none());
        assert!(verdict(&batch.batch_id, false, "stored").is_err());
        assert!(verdict(&batch.batch_id, true, "quarantined").is_err());
        assert!(judged(b"<html>", &batch).is_err());
    }
}
