//! One life of the program, put together as the program itself does it, with the simulated engines in place of the real
//! ones.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use painwatch_access::GatewayPrincipal;
use painwatch_alerts::{Alerts, LinkBase, WebhookConfig};
use painwatch_domain::{GatewayId, Offset, TenantId};
use painwatch_gateway::outgoing::{Protocol, Step};
use painwatch_ingest::answer::Answers;
use painwatch_ingest::{Admission, Ledger, Outcome, VerdictBoard, verdicts};
use painwatch_ingest_core::Format;
use painwatch_journal::file::{Disk, Options};
use painwatch_journal::{AppendOptions, Appended, Class, InlineJournal, Journal, NewRecord};
use painwatch_processor::ProcessorHandle;
use painwatch_processor_core::rules::default_packs;
use painwatch_proto::journal::v1 as pb;
use painwatch_store::Store;
use prost::Message as _;
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};

use crate::clinic;
use crate::dice::Dice;
use crate::gateway::Reply;
use crate::journal::{SimJournal, read_all};
use crate::life::Life;
use crate::receiver::Line;
use crate::roster;
use crate::world::{LINK_BASE, PAGE_TIMEOUT, World, secret};

const LOGIC_VERSION: u32 = 1;
/// As in service.
const VERDICT_TIMEOUT: Duration = Duration::from_secs(2);
const BUDGET_BYTES: usize = 1 << 20;
pub const BYTE_LIMIT: u64 = 64 << 20;
const RESERVE_BYTES: u64 = 4 << 20;

/// How a life ended, other than by death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to stop.
    Stopped,
    /// The world is over, and everything in it settled.
    Settled,
}

/// Where messages arrive while the process lives.
#[derive(Debug)]
pub struct Door {
    answers: Answers,
    journal: Arc<dyn Journal>,
    life: Arc<Life>,
}

impl Door {
    /// `None` when there is no answer: the process died, or the sender shall come again.
    pub async fn submit(&self, step: &Step) -> Option<Reply> {
        tokio::select! {
            biased;
            () = self.life.died() => None,
            reply = self.handle(step) => reply,
        }
    }

    /// What the console does with a click; false when it cannot say that it is done.
    pub async fn command(&self, payload: Vec<u8>) -> bool {
        let taken = async {
            self.life.step().await;
            append(&*self.journal, Class::Control, payload).await.is_ok()
        };
        tokio::select! {
            biased;
            () = self.life.died() => false,
            taken = taken => taken,
        }
    }

    async fn handle(&self, step: &Step) -> Option<Reply> {
        let admission = &self.answers.admission;
        let from = GatewayPrincipal { tenant: TenantId::default(), gateway: GatewayId::parse(&step.gateway).ok()? };
        let payload = step.payload.encode();
        let room = admission.room(payload.len()).await;
        self.life.step().await;
        let protocol = match step.protocol {
            Protocol::Mqtt => painwatch_ingest_core::Protocol::Mqtt,
            Protocol::Grpc => painwatch_ingest_core::Protocol::Grpc,
        };
        let outcome = admission.submit_bytes(&from, protocol, &payload, Format::Protobuf).await;
        drop(room);
        // Durable, and not acknowledged yet.
        self.life.step().await;
        match outcome {
            Outcome::Durable(accepted) if step.protocol == Protocol::Mqtt => {
                Some(Reply::Taken { cause: accepted.cause, verdict: None })
            }
            Outcome::Durable(accepted) => {
                let verdict = self.answers.to(&accepted, VERDICT_TIMEOUT).await;
                Some(Reply::Taken { cause: accepted.cause, verdict: Some(verdict) })
            }
            Outcome::Refused(_) => Some(Reply::Refused),
            Outcome::HeldBack | Outcome::Unsure | Outcome::Closed => None,
        }
    }
}

/// What dies with the process.
#[derive(Default)]
struct Tasks(Vec<AbortHandle>);

impl Tasks {
    fn keep<T>(&mut self, task: JoinHandle<T>) -> JoinHandle<T> {
        self.0.push(task.abort_handle());
        task
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

/// Lives until asked to stop or until the world is over.
///
/// # Errors
/// A service or the journal ended by itself.
pub async fn live(world: &Arc<World>, life: &Arc<Life>, number: usize) -> Result<Ended> {
    let mut tasks = Tasks::default();
    let journal = open(world, life, number, &mut tasks).await?;
    append(
        &*journal,
        Class::LogicVersion,
        pb::LogicVersion { logic: LOGIC_VERSION, program: "simulation".to_owned() }.encode_to_vec(),
    )
    .await?;
    let epoch = world.store.take_ownership().await?;
    let (stop_processor, stopped) = watch::channel(false);
    let (processor, mut processor_task) = processor(world, life, &journal, epoch, stopped).await?;
    tasks.0.push(processor_task.abort_handle());
    until_applied(&processor, journal.next_offset(), &mut processor_task).await?;
    found_the_clinic(&*journal, &processor).await?;
    world.arm(life);

    let (stop_alerts, asked) = oneshot::channel::<()>();
    let (alerts, alerts_handle) = alerts(world, &journal, life, epoch).await?;
    let mut alerts_task = tasks.keep(tokio::spawn(alerts.run(async {
        let _ = asked.await;
    })));
    open_the_door(world, &journal, life, &processor, &mut tasks);
    let ended = tokio::select! {
        biased;
        why = journal.failed() => bail!("{why}"),
        ended = &mut processor_task => bail!("the processor ended: {:?}", ended?),
        ended = &mut alerts_task => bail!("the alert service ended: {:?}", ended?),
        () = life.asked_to_stop() => Ended::Stopped,
        () = world.over() => Ended::Settled,
    };
    if ended == Ended::Settled {
        settle(&*journal, &processor, &mut alerts_handle.applied.clone()).await?;
    }
    world.close_the_door();
    stop_processor.send_replace(true);
    processor_task.await??;
    let _ = stop_alerts.send(());
    alerts_task.await??;
    Ok(ended)
}

async fn open(world: &Arc<World>, life: &Arc<Life>, number: usize, tasks: &mut Tasks) -> Result<Arc<SimJournal>> {
    let settings = world.plan.settings;
    let options = Options {
        segment_bytes: settings.segment_bytes,
        byte_limit: BYTE_LIMIT,
        reserve_bytes: RESERVE_BYTES,
        fsync: settings.fsync,
        tick_after_ms: None,
        ..Options::new(Arc::clone(&life.clock))
    };
    let disk: Arc<dyn Disk> = Arc::new(world.disk.clone());
    let journal = InlineJournal::open(disk, options)?;
    world.look(&read_all(&journal).await?);
    let journal = SimJournal::new(journal, Arc::clone(life));
    let dice = Dice::new(world.plan.seed, &format!("journal of life {number}"));
    tasks.keep(tokio::spawn(Arc::clone(&journal).write(dice, settings)));
    Ok(journal)
}

async fn processor(
    world: &Arc<World>,
    life: &Life,
    journal: &Arc<SimJournal>,
    epoch: u64,
    stopped: watch::Receiver<bool>,
) -> Result<(ProcessorHandle, JoinHandle<Result<()>>)> {
    let deps = painwatch_processor::Deps {
        journal: journal.clone(),
        store: world.store.clone(),
        clock: Arc::clone(&life.clock),
        epoch,
        parse_roster: roster::parse,
    };
    let settings = world.plan.settings;
    let config = painwatch_processor::Config {
        block_cache_bytes: settings.block_cache_bytes,
        checkpoint_ms: settings.checkpoint_ms,
    };
    painwatch_processor::run(deps, config, stopped).await
}

async fn alerts(
    world: &Arc<World>,
    journal: &Arc<SimJournal>,
    life: &Arc<Life>,
    epoch: u64,
) -> Result<(Alerts, painwatch_alerts::AlertsHandle)> {
    let deps = painwatch_alerts::Deps {
        journal: journal.clone(),
        store: world.store.clone(),
        epoch,
        clock: Arc::clone(&life.clock),
        logic_version: LOGIC_VERSION,
        parse_roster: |text| roster::parse(text, &TenantId::default()).map_err(|error| format!("{error:#}")),
        webhook: WebhookConfig {
            secret: secret(),
            link_base: LinkBase(LINK_BASE.to_owned()),
            timeout: PAGE_TIMEOUT,
            allow_plain_loopback: false,
        },
        on_opened: None,
    };
    let line = Line { receiver: Arc::clone(&world.receiver), life: Arc::clone(life) };
    Ok(Alerts::recover_with(deps, Arc::new(line)).await?)
}

fn open_the_door(
    world: &Arc<World>,
    journal: &Arc<SimJournal>,
    life: &Arc<Life>,
    processor: &ProcessorHandle,
    tasks: &mut Tasks,
) {
    let journal: Arc<dyn Journal> = journal.clone();
    let board = Arc::new(VerdictBoard::default());
    let tail = verdicts::tail(Arc::clone(&journal), Arc::clone(&board), journal.next_offset());
    tasks.keep(tokio::spawn(tail));
    let ledger = Arc::new(Ledger::default());
    let admission =
        Admission::new(Arc::clone(&journal), Arc::clone(&life.clock), processor.rosters.clone(), ledger, BUDGET_BYTES);
    let answers = Answers { admission: Arc::new(admission), board };
    world.open_the_door(Door { answers, journal, life: Arc::clone(life) });
}

/// Rules that a clinician accepted, and then the roster, whose presence says that all of it is there.
async fn found_the_clinic(journal: &dyn Journal, processor: &ProcessorHandle) -> Result<()> {
    let toml = clinic::roster();
    if processor.rosters.borrow().of(&TenantId::default()).source == toml {
        return Ok(());
    }
    let actor = "A clinician (simulated)".to_owned();
    let control = |action| pb::Control { actor: actor.clone(), action: Some(action), ..pb::Control::default() };
    for mut rule in default_packs() {
        rule.accepted_by = Some(actor.clone());
        let accepted = pb::RuleAccepted {
            rule: rule.id.to_string(),
            version: rule.version(),
            by: actor.clone(),
            toml: rule.to_toml(),
            pack: rule.pack.clone(),
        };
        append(journal, Class::Control, control(pb::control::Action::RuleAccepted(accepted)).encode_to_vec()).await?;
    }
    let applied = pb::control::Action::Roster(pb::RosterApplied { toml });
    let last = append(journal, Class::Control, control(applied).encode_to_vec()).await?;
    processor.applied.clone().wait_for(|applied| *applied > last).await?;
    Ok(())
}

async fn append(journal: &dyn Journal, class: Class, payload: Vec<u8>) -> Result<Offset> {
    let record = NewRecord {
        class,
        tenant: TenantId::default(),
        key_id: 0,
        logic_version: LOGIC_VERSION,
        payload: payload.into(),
    };
    match journal.append(vec![record], AppendOptions { reserved: true, expect: None }).await {
        Appended::Durable { first, .. } => Ok(first),
        other => bail!("the journal did not take a record: {other:?}"),
    }
}

async fn until_applied(handle: &ProcessorHandle, target: Offset, task: &mut JoinHandle<Result<()>>) -> Result<()> {
    let mut applied = handle.applied.clone();
    tokio::select! {
        biased;
        reached = applied.wait_for(|applied| *applied >= target) => reached.map(|_| ()).context("the processor is gone"),
        ended = task => bail!("the processor ended: {:?}", ended?),
    }
}

async fn settle(
    journal: &dyn Journal,
    processor: &ProcessorHandle,
    alerts: &mut watch::Receiver<Offset>,
) -> Result<()> {
    let mut processor = processor.applied.clone();
    loop {
        let end = journal.next_offset();
        processor.wait_for(|applied| *applied >= end).await?;
        alerts.wait_for(|applied| *applied >= end).await?;
        if journal.next_offset() == end {
            return Ok(());
        }
    }
}
