//! A nurse: reads pages, takes some of the alerts, and is done with some of those later. What the console journals for a
//! click, and again under the same key until it is durable.

use std::sync::Arc;
use std::time::Duration;

use painwatch_domain::AlertId;
use painwatch_domain::time::{HOUR_MS, SECOND_MS};
use painwatch_proto::journal::v1 as pb;
use prost::Message as _;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;

use crate::dice::Dice;
use crate::world::World;

const TAKES: f64 = 0.5;
const FINISHES: f64 = 0.5;
const AGAIN: Duration = Duration::from_secs(30);

/// Reads pages for as long as any come.
pub async fn read(world: Arc<World>, mut pages: UnboundedReceiver<String>) {
    let dice = Dice::new(world.plan.seed, "clinician");
    let mut clicks = 0_u32;
    while let Some(body) = pages.recv().await {
        let Some(alert) = alert_of(&body) else { continue };
        if dice.chance(TAKES) {
            clicks += 1;
            tokio::spawn(handle(Arc::clone(&world), dice.clone(), alert, clicks));
        }
    }
}

fn alert_of(body: &str) -> Option<AlertId> {
    let (_, after) = body.split_once("/alerts/")?;
    AlertId::parse(after.split('"').next()?)
}

async fn handle(world: Arc<World>, dice: Dice, alert: AlertId, click: u32) {
    think(&dice).await;
    command(&world, alert, "acknowledge", click).await;
    if dice.chance(FINISHES) {
        think(&dice).await;
        command(&world, alert, "resolve", click).await;
    }
}

async fn think(dice: &Dice) {
    sleep(Duration::from_millis(dice.between(10 * SECOND_MS, 3 * HOUR_MS).unsigned_abs())).await;
}

async fn command(world: &World, alert: AlertId, verb: &str, click: u32) {
    let command =
        pb::AlertCommand { alert_id: alert.0.to_vec().into(), verb: verb.to_owned(), ..pb::AlertCommand::default() };
    let control = pb::Control {
        actor: "nurse".to_owned(),
        idempotency_key: format!("{verb} {click}"),
        action: Some(pb::control::Action::Alert(command)),
        ..pb::Control::default()
    };
    let payload = control.encode_to_vec();
    loop {
        if let Some(door) = world.door()
            && door.command(payload.clone()).await
        {
            world.chronicle.tell(&format!("{verb} {alert}"));
            return world.clicked(alert, verb);
        }
        sleep(AGAIN).await;
    }
}
