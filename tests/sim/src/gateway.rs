//! Gateways at the other end of a bad network: each sends its story in order, several batches under way at once, and
//! sends a batch again until it is acknowledged.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use painwatch_domain::Offset;
use painwatch_gateway::outgoing::{Payload, Step};
use painwatch_proto::ingest::v1::BatchVerdict;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::people::Story;
use crate::world::World;

const FIRST_PATIENCE: Duration = Duration::from_secs(5);
const LAST_PATIENCE: Duration = Duration::from_secs(300);
/// Of a message that lost its way.
const STRAY_MS: i64 = 600_000;

/// What comes back to a gateway.
#[derive(Clone, Debug)]
pub enum Reply {
    Taken { cause: Offset, verdict: Option<BatchVerdict> },
    Refused,
}

/// An acknowledgement, as the gateway has it.
#[derive(Clone, Debug)]
pub struct Acked {
    pub gateway: String,
    /// Empty for what is no batch.
    pub batch_id: String,
    pub readings: u64,
    pub reply: Reply,
}

#[derive(Default)]
struct Mailbox {
    reply: Mutex<Option<Reply>>,
    came: Notify,
}

/// Sends the whole story; returns when all of it is acknowledged.
pub async fn tell(world: Arc<World>, number: usize, story: Story) {
    let window = Arc::new(Semaphore::new(world.plan.settings.window));
    let mut exchanges = JoinSet::new();
    for step in story.steps {
        world.clock.until(step.clock_ms).await;
        until_online(&world, number).await;
        let Ok(place) = Arc::clone(&window).acquire_owned().await else { return };
        exchanges.spawn(exchange(Arc::clone(&world), number, Arc::new(step), place));
    }
    while exchanges.join_next().await.is_some() {}
}

async fn exchange(world: Arc<World>, number: usize, step: Arc<Step>, _place: OwnedSemaphorePermit) {
    let mailbox = Arc::new(Mailbox::default());
    let mut patience = FIRST_PATIENCE;
    loop {
        until_online(&world, number).await;
        send(&world, number, &step, &mailbox);
        if timeout(patience, mailbox.came.notified()).await.is_ok() {
            break;
        }
        patience = (patience * 2).min(LAST_PATIENCE);
    }
    let reply = mailbox.reply.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(reply) = reply {
        let batch_id = batch_id(&step).to_owned();
        world.chronicle.tell(&format!("{} {batch_id} has {reply:?}", step.gateway));
        let (gateway, readings) = (step.gateway.clone(), step.payload.readings());
        world.acknowledge(Acked { gateway, batch_id, readings, reply });
    }
}

pub fn batch_id(step: &Step) -> &str {
    match &step.payload {
        Payload::Batch(batch) => &batch.batch_id,
        Payload::Raw(_) => "",
    }
}

/// One attempt: the message, perhaps twice, perhaps not at all.
fn send(world: &Arc<World>, number: usize, step: &Arc<Step>, mailbox: &Arc<Mailbox>) {
    let copies = if world.air.chance(world.plan.weather.repetition) { 2 } else { 1 };
    for _ in 0..copies {
        tokio::spawn(message(Arc::clone(world), number, Arc::clone(step), Arc::clone(mailbox)));
    }
}

/// There and back; `None` is what nobody hears of.
async fn message(world: Arc<World>, number: usize, step: Arc<Step>, mailbox: Arc<Mailbox>) -> Option<()> {
    cross(&world, number).await?;
    let door = world.door()?;
    let reply = door.submit(&step).await?;
    cross(&world, number).await?;
    *mailbox.reply.lock().unwrap_or_else(PoisonError::into_inner) = Some(reply);
    mailbox.came.notify_one();
    Some(())
}

async fn cross(world: &World, number: usize) -> Option<()> {
    let weather = &world.plan.weather;
    if world.air.chance(weather.loss) {
        return None;
    }
    let ordinary = world.air.between(weather.delay_ms.0, weather.delay_ms.1);
    let delay_ms = if world.air.chance(weather.stray) { world.air.between(0, STRAY_MS) } else { ordinary };
    sleep(Duration::from_millis(delay_ms.unsigned_abs())).await;
    offline_until(world, number).is_none().then_some(())
}

fn offline_until(world: &World, number: usize) -> Option<i64> {
    let now = world.clock.true_ms();
    world.plan.offline[number].iter().find(|window| window.holds(now)).map(|window| window.until)
}

async fn until_online(world: &World, number: usize) {
    while let Some(until) = offline_until(world, number) {
        world.clock.until(until).await;
    }
}
