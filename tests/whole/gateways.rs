//! Gateways that push as hard as the window lets them, and send again what was not acknowledged.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use painwatch_gateway::client::{Ack, Client, ClientOptions, MqttClient, Outcome, Receipt};
use painwatch_gateway::outgoing::Payload;
use painwatch_proto::ingest::v1::ReadingBatch;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::waiting;

/// Publishes one gateway leaves unacknowledged.
const WINDOW: u16 = 250;
/// Nobody waits longer than this for a thing that has to happen.
const PATIENCE: Duration = Duration::from_secs(180);

/// What all gateways together have done so far.
#[derive(Default)]
pub struct Tally {
    sent: AtomicUsize,
    acknowledged: AtomicUsize,
    resent: AtomicUsize,
    /// The batches that were acknowledged.
    batches: Mutex<Vec<String>>,
}

/// The gateways at work. Dropped, they fall silent.
pub struct Gateways {
    tally: Arc<Tally>,
    tasks: Vec<JoinHandle<()>>,
    runtime: Runtime,
}

impl Gateways {
    /// One connection for each of `queues`, sending its messages in order.
    pub fn start(address: &str, token: &str, queues: Vec<Vec<Payload>>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
        let tally = Arc::new(Tally::default());
        let tasks = queues.into_iter().enumerate().map(|(number, queue)| {
            let options = ClientOptions {
                address: address.to_owned(),
                gateway: format!("gw-{number}"),
                token: token.to_owned(),
                window: WINDOW,
            };
            runtime.spawn(send_all(options, queue, Arc::clone(&tally)))
        });
        let tasks = tasks.collect();
        Self { tally, tasks, runtime }
    }

    pub fn unacknowledged(&self) -> usize {
        // Acknowledged first: what is sent in between only makes the difference greater for a moment.
        let acknowledged = self.tally.acknowledged.load(Ordering::SeqCst);
        self.tally.sent.load(Ordering::SeqCst) - acknowledged
    }

    pub fn acknowledged(&self) -> usize {
        self.tally.acknowledged.load(Ordering::SeqCst)
    }

    pub fn acknowledged_batches(&self) -> Vec<String> {
        self.tally.batches.lock().expect("the list").clone()
    }

    /// Waits until so many messages are acknowledged.
    pub fn wait_for_acknowledged(&self, count: usize) {
        let reached = waiting::until(PATIENCE, || self.acknowledged() >= count || self.done());
        assert!(reached && self.acknowledged() >= count, "{} of {count} were acknowledged", self.acknowledged());
    }

    /// Waits until at least `count` are sent and not acknowledged; how many there are.
    pub fn wait_for_unacknowledged(&self, count: usize) -> usize {
        let mut open = 0;
        let reached = waiting::until(PATIENCE, || {
            open = self.unacknowledged();
            open >= count || self.done()
        });
        assert!(reached && open >= count, "only {open} messages are unacknowledged");
        open
    }

    pub fn done(&self) -> bool {
        self.tasks.iter().all(JoinHandle::is_finished)
    }

    /// Waits until everything is acknowledged.
    pub fn finish(self) -> Arc<Tally> {
        let Self { tally, tasks, runtime } = self;
        runtime.block_on(async {
            for task in tasks {
                let ended = tokio::time::timeout(PATIENCE, task).await;
                ended.expect("everything is acknowledged in the end").expect("no gateway gave up");
            }
        });
        tally
    }
}

impl Tally {
    pub fn resent(&self) -> usize {
        self.resent.load(Ordering::SeqCst)
    }
}

async fn send_all(options: ClientOptions, queue: Vec<Payload>, tally: Arc<Tally>) {
    let client = Client::Mqtt(MqttClient::connect(options).expect("an address"));
    let mut receipts = Vec::new();
    for payload in &queue {
        let receipt = client.send(payload).await.expect("a gateway that is let in");
        tally.sent.fetch_add(1, Ordering::SeqCst);
        let batch = match payload {
            Payload::Batch(ReadingBatch { batch_id, .. }) => batch_id.clone(),
            Payload::Raw(_) => String::new(),
        };
        receipts.push(tokio::spawn(note(receipt, batch, Arc::clone(&tally))));
    }
    client.close().await;
    for receipt in receipts {
        receipt.await.expect("a receipt");
    }
}

async fn note(receipt: Receipt, batch: String, tally: Arc<Tally>) {
    let Ack { outcome, attempts, .. } = receipt.ack().await.expect("an answer");
    assert_eq!(outcome, Outcome::Durable, "{batch}");
    if attempts > 1 {
        tally.resent.fetch_add(1, Ordering::SeqCst);
    }
    tally.batches.lock().expect("the list").push(batch);
    tally.acknowledged.fetch_add(1, Ordering::SeqCst);
}
