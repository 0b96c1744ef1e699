//! The two doors as a gateway sees them. Both keep a bounded window of batches under way, reconnect by themselves and send
//! again, in order, whatever was not answered: at least once, with identities that make a repetition harmless.

mod grpc;
mod mqtt;

use std::sync::Arc;
use std::time::{Duration, Instant};

use painwatch_domain::Hash128;
use painwatch_proto::ingest::v1::BatchVerdict;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

pub use grpc::GrpcClient;
pub use mqtt::MqttClient;

use crate::outgoing::Payload;

/// First wait before connecting again; doubles up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct ClientOptions {
    /// `127.0.0.1:1883` or `127.0.0.1:50051`.
    pub address: String,
    pub gateway: String,
    pub token: String,
    /// Most batches sent and not yet answered.
    pub window: u16,
}

impl std::fmt::Debug for ClientOptions {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientOptions")
            .field("address", &self.address)
            .field("gateway", &self.gateway)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

/// What became of one payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Ack {
    pub outcome: Outcome,
    /// From the first sending to the answer.
    pub latency: Duration,
    /// 1 unless a connection was lost in between.
    pub attempts: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// MQTT: it survives a power cut.
    Durable,
    /// gRPC: durable, with the verdict on each reading.
    Judged(BatchVerdict),
    /// Kept in quarantine, not to be sent again (MQTT 0x99).
    Undecodable,
    /// Not accepted and not to be sent again, with the server's reason.
    Refused(String),
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{0:?} is not an address such as 127.0.0.1:1883")]
    Address(String),
    #[error("the gateway was not let in: {0}")]
    NotLetIn(String),
    #[error("the client was closed before the answer came")]
    Closed,
    #[error("only MQTT can carry bytes that are no batch")]
    NotABatch,
}

/// The answer to come.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Ack>);

impl Receipt {
    /// # Errors
    /// [`ClientError::Closed`] when the client ended first.
    pub async fn ack(self) -> Result<Ack, ClientError> {
        self.0.await.map_err(|_| ClientError::Closed)
    }
}

/// Either client.
pub enum Client {
    Mqtt(MqttClient),
    Grpc(GrpcClient),
}

impl Client {
    /// Waits for room in the window, then sends; the receipt waits for the answer.
    ///
    /// # Errors
    /// [`ClientError`] when the client has ended or cannot carry this payload.
    pub async fn send(&self, payload: &Payload) -> Result<Receipt, ClientError> {
        match (self, payload) {
            (Self::Mqtt(client), payload) => client.send(payload).await,
            (Self::Grpc(client), Payload::Batch(batch)) => client.send(batch.clone()).await,
            (Self::Grpc(_), Payload::Raw(_)) => Err(ClientError::NotABatch),
        }
    }

    /// Waits until everything sent was answered, then ends the connection.
    pub async fn close(self) {
        match self {
            Self::Mqtt(client) => client.close().await,
            Self::Grpc(client) => client.close().await,
        }
    }
}

/// The window: room for so many unanswered batches.
#[derive(Clone)]
struct Window {
    room: Arc<Semaphore>,
    size: u16,
}

impl Window {
    fn new(size: u16) -> Self {
        let size = size.max(1);
        Self { room: Arc::new(Semaphore::new(usize::from(size))), size }
    }

    async fn enter(&self) -> Result<OwnedSemaphorePermit, ClientError> {
        self.room.clone().acquire_owned().await.map_err(|_| ClientError::Closed)
    }

    /// All of it is free exactly when nothing is under way.
    async fn wait_until_empty(&self) {
        let _ = self.room.acquire_many(u32::from(self.size)).await;
    }

    /// Whoever waits for room learns that none will come.
    fn shut(&self) {
        self.room.close();
    }
}

/// One payload under way: its place in the window is freed when it is dropped.
struct InFlight<P> {
    payload: P,
    first_sent: Instant,
    attempts: u32,
    answer: oneshot::Sender<Ack>,
    _room: OwnedSemaphorePermit,
}

impl<P> InFlight<P> {
    fn new(payload: P, room: OwnedSemaphorePermit) -> (Self, Receipt) {
        let (answer, receipt) = oneshot::channel();
        (Self { payload, first_sent: Instant::now(), attempts: 1, answer, _room: room }, Receipt(receipt))
    }

    fn answer(self, outcome: Outcome) {
        // A sender that no longer waits for the answer has nothing to be told.
        let _ = self.answer.send(Ack { outcome, latency: self.first_sent.elapsed(), attempts: self.attempts });
    }
}

/// Waits about twice as long after each failure in a row; how long exactly differs from gateway to gateway, so that a
/// thousand of them do not come back in the same instant.
struct Backoff {
    wait: Duration,
    dice: ChaCha8Rng,
}

impl Backoff {
    fn of(gateway: &str) -> Self {
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(&Hash128::of(&[gateway.as_bytes()]).0);
        Self { wait: BACKOFF_MIN, dice: ChaCha8Rng::from_seed(seed) }
    }

    fn reset(&mut self) {
        self.wait = BACKOFF_MIN;
    }

    fn next(&mut self) -> Duration {
        let wait = self.wait.mul_f64(self.dice.random_range(0.5..1.0));
        self.wait = (self.wait * 2).min(BACKOFF_MAX);
        wait
    }

    async fn wait(&mut self) {
        tokio::time::sleep(self.next()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_differ_between_gateways() {
        let waits = |gateway| {
            let mut backoff = Backoff::of(gateway);
            (0..10).map(|_| backoff.next()).collect::<Vec<_>>()
        };
        let (one, other) = (waits("gw-1"), waits("gw-2"));
        assert!(one[9] > one[0] * 8 && one.iter().all(|wait| *wait <= BACKOFF_MAX));
        assert_ne!(one, other);
    }
}
