//! A world from its first instant to its last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use painwatch_alerts::WebhookSecret;
use painwatch_domain::steady::SteadyClock;
use painwatch_domain::time::{DAY_MS, HOUR_MS, SECOND_MS, format_utc};
use painwatch_domain::{AlertId, Clock};
use painwatch_gateway::ledger::{Books, Ledger};
use painwatch_journal::file::Disk as _;
use painwatch_journal::{Record, SimDisk};
use painwatch_store::{MemoryStore, Store as _};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::capture::Captured;
use crate::clinic::START_MS;
use crate::clinician;
use crate::dice::Dice;
use crate::evidence::Evidence;
use crate::gateway::{self, Acked};
use crate::invariants::{self, Violation};
use crate::life::{Life, Next};
use crate::people::{self, Story};
use crate::plan::{End, How, Plan};
use crate::process::{self, Door, Ended};
use crate::receiver::Receiver;

pub const LINK_BASE: &str = "https://painwatch.example";
pub const PAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// The program is there before the first gateway.
const BEFORE_MS: i64 = HOUR_MS;
/// After the last acknowledgement: every day final, every retry made or given up.
const QUIET_MS: i64 = 4 * DAY_MS;
/// A world that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(40 * 24 * 3_600);
/// What is left of a disk that is about to be full, at most.
const LAST_ROOM_BYTES: u64 = 256 << 10;

/// Shared by the pages' two ends.
pub fn secret() -> WebhookSecret {
    WebhookSecret::parse(&WebhookSecret::format(&[7; 32])).expect("32 bytes")
}

/// The runtime's paused clock: it stands still while anything can be done, then jumps to the next timer. The world knows
/// the true time; the program's wall clock is off by what the plan says.
#[derive(Clone, Debug)]
pub struct SimClock {
    begin: Instant,
    /// From when the wall clock is off by how much, ascending.
    steps: Vec<(i64, i64)>,
}

impl SimClock {
    pub fn true_ms(&self) -> i64 {
        START_MS - BEFORE_MS + i64::try_from(self.begin.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    pub async fn until(&self, at_ms: i64) {
        let wait_ms = u64::try_from(at_ms - self.true_ms()).unwrap_or(0);
        sleep(Duration::from_millis(wait_ms)).await;
    }
}

impl Clock for SimClock {
    fn wall_ms(&self) -> i64 {
        let now = self.true_ms();
        let off = self.steps.iter().take_while(|(from, _)| *from <= now).last().map_or(0, |(_, off)| *off);
        now + off
    }

    fn monotonic_ms(&self) -> i64 {
        self.true_ms()
    }
}

/// What happened, line by line. Handles are cheap clones of one text.
#[derive(Clone, Debug)]
pub struct Chronicle {
    clock: Arc<SimClock>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Chronicle {
    pub fn tell(&self, what: &str) {
        let line = format!("{} {what}", format_utc(self.clock.true_ms()));
        tracing::debug!(target: "world", "{line}");
        lock(&self.lines).push(line);
    }
}

pub struct World {
    pub plan: Plan,
    pub clock: Arc<SimClock>,
    pub chronicle: Chronicle,
    pub disk: SimDisk,
    pub store: Arc<MemoryStore>,
    pub receiver: Arc<Receiver>,
    /// The network's chance.
    pub air: Dice,
    door: Mutex<Option<Arc<Door>>>,
    acked: Mutex<Vec<Acked>>,
    clicks: Mutex<Vec<(AlertId, String)>>,
    ends: Mutex<std::collections::VecDeque<End>>,
    /// The power cut that a failing disk foretells.
    power_cut: Mutex<bool>,
    /// The disk was told to fail, or is full: the process may end by itself.
    troubled: Mutex<bool>,
    /// When each life of the process ended.
    deaths: Mutex<Vec<i64>>,
    violation: Mutex<Option<Violation>>,
    over: watch::Sender<bool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the world that `plan` describes, to its end or to the first promise it breaks.
///
/// # Errors
/// The promise that was broken while it ran.
pub fn run(plan: Plan) -> Result<Evidence, Violation> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| Violation::new("a_runtime", error.to_string()))?;
    let (captured, guard) = Captured::begin();
    let lived = runtime.block_on(async {
        let world = World::new(plan);
        let lived = tokio::time::timeout(PATIENCE, world.clone().run()).await;
        lived
            .unwrap_or_else(|_| Err(Violation::new("a_world_ends", "it hangs".to_owned())))
            .map(|expected| (world, expected))
    });
    let (world, expected) = lived?;
    drop(guard);
    runtime.block_on(Evidence::of(&world, expected, captured.text()))
}

impl World {
    fn new(plan: Plan) -> Arc<Self> {
        let clock = Arc::new(SimClock { begin: Instant::now(), steps: plan.clock_steps.clone() });
        let chronicle = Chronicle { clock: clock.clone(), lines: Arc::default() };
        let (readers, pages) = unbounded_channel();
        let receiver = Receiver::new(&plan, clock.clone(), chronicle.clone(), readers);
        let world = Arc::new(Self {
            disk: SimDisk::new(plan.seed),
            store: Arc::new(MemoryStore::new()),
            air: Dice::new(plan.seed, "air"),
            ends: Mutex::new(plan.ends.clone().into()),
            door: Mutex::default(),
            acked: Mutex::default(),
            clicks: Mutex::default(),
            power_cut: Mutex::default(),
            troubled: Mutex::default(),
            deaths: Mutex::default(),
            violation: Mutex::default(),
            over: watch::Sender::new(false),
            plan,
            clock,
            chronicle,
            receiver,
        });
        tokio::spawn(clinician::read(Arc::clone(&world), pages));
        world
    }

    async fn run(self: Arc<Self>) -> Result<Books, Violation> {
        let stories = people::stories(self.plan.seed, self.plan.days);
        let expected = books(&stories);
        let mut gateways = JoinSet::new();
        for (number, story) in stories.into_iter().enumerate() {
            gateways.spawn(gateway::tell(Arc::clone(&self), number, story));
        }
        let full = tokio::spawn(fill_the_disk(Arc::clone(&self)));
        let others = async {
            while gateways.join_next().await.is_some() {}
            self.clock.until(people::over_ms(self.plan.days)).await;
            full.abort();
            self.chronicle.tell("everything is acknowledged");
            sleep(Duration::from_millis(QUIET_MS.unsigned_abs())).await;
            lock(&self.ends).clear();
            self.over.send_replace(true);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            supervised = supervise(&self) => supervised?,
            () = others => {}
        }
        Ok(expected)
    }

    pub fn door(&self) -> Option<Arc<Door>> {
        lock(&self.door).clone()
    }

    pub fn open_the_door(&self, door: Door) {
        self.chronicle.tell("the door opens");
        *lock(&self.door) = Some(Arc::new(door));
    }

    pub fn close_the_door(&self) {
        *lock(&self.door) = None;
    }

    pub fn acknowledge(&self, acked: Acked) {
        lock(&self.acked).push(acked);
    }

    pub fn acked(&self) -> Vec<Acked> {
        lock(&self.acked).clone()
    }

    pub fn clicked(&self, alert: AlertId, verb: &str) {
        lock(&self.clicks).push((alert, verb.to_owned()));
    }

    /// What people did, as they know it.
    pub fn clicks(&self) -> Vec<(AlertId, String)> {
        lock(&self.clicks).clone()
    }

    pub fn deaths(&self) -> Vec<i64> {
        lock(&self.deaths).clone()
    }

    pub fn chronicled(&self) -> Vec<String> {
        lock(&self.chronicle.lines).clone()
    }

    pub async fn over(&self) {
        // The sender lives as long as this.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    /// A process has opened the journal: is everything in it that any gateway has an acknowledgement for?
    pub fn look(&self, records: &[Record]) {
        if let Err(violation) = invariants::acknowledged_is_durable(&self.acked(), records) {
            lock(&self.violation).get_or_insert(violation);
        }
    }

    /// Lets this life end as planned.
    pub fn arm(self: &Arc<Self>, life: &Arc<Life>) {
        let Some(end) = lock(&self.ends).pop_front() else { return };
        let world = Arc::downgrade(self);
        let act = move || world.upgrade().map_or(Next::Dead, |world| world.end(end));
        life.end_after(end.after_steps, Box::new(act));
    }

    /// The instant of a planned end.
    fn end(&self, end: End) -> Next {
        self.chronicle.tell(&format!("{end:?}"));
        match end.how {
            How::Kill => self.crash(false),
            How::PowerCut => self.crash(true),
            How::Stop => return Next::Asked,
            How::DiskDies { operations, power_cut } => {
                self.disk.die_after(operations);
                return self.doom(power_cut);
            }
            How::SyncFails { syncs, power_cut } => {
                self.disk.fail_one_sync_after(syncs);
                return self.doom(power_cut);
            }
        }
        Next::Dead
    }

    fn doom(&self, power_cut: bool) -> Next {
        *lock(&self.troubled) = true;
        *lock(&self.power_cut) = power_cut;
        Next::Doomed
    }

    /// Whatever the process held is gone at this instant, and it can write nothing more.
    fn crash(&self, power_cut: bool) {
        self.close_the_door();
        if power_cut {
            self.disk.power_cut()
        } else {
            self.disk.kill()
        }
        // Fences what the old process may still have in hand.
        let _ = self.store.take_ownership().now_or_never();
    }
}

fn books(stories: &[Story]) -> Books {
    let mut ledger = Ledger::default();
    stories.iter().flat_map(|story| &story.steps).for_each(|step| ledger.submit(&step.payload));
    ledger.books()
}

/// Starts the process again and again, as an operating system's supervisor does, until the world is over.
async fn supervise(world: &Arc<World>) -> Result<(), Violation> {
    let dice = Dice::new(world.plan.seed, "supervisor");
    for number in 0.. {
        let life = Life::new(Arc::new(SteadyClock::new(SimClock::clone(&world.clock), |_| {})));
        if number > 0 {
            world.arm(&life);
        }
        world.chronicle.tell(&format!("life {number} begins"));
        let ended = tokio::select! {
            biased;
            () = life.died() => None,
            ended = process::live(world, &life, number) => Some(ended),
        };
        if let Some(violation) = lock(&world.violation).take() {
            return Err(violation);
        }
        match ended {
            None => {}
            Some(Ok(Ended::Settled)) => {
                world.disk.kill();
                return Ok(());
            }
            Some(Ok(Ended::Stopped)) => {
                life.kill();
                world.disk.kill();
            }
            Some(Err(error)) => failed(world, &life, &format!("{error:#}"))?,
        }
        world.chronicle.tell("dead");
        lock(&world.deaths).push(world.clock.true_ms());
        let down_ms = SECOND_MS * dice.seldom(900).cast_signed();
        sleep(Duration::from_millis(down_ms.unsigned_abs())).await;
    }
    Ok(())
}

/// The process ended by itself: right where the disk failed, a defect otherwise.
fn failed(world: &World, life: &Life, why: &str) -> Result<(), Violation> {
    world.chronicle.tell(&format!("ended by itself: {why}"));
    life.kill();
    let (troubled, power_cut) = (*lock(&world.troubled), std::mem::take(&mut *lock(&world.power_cut)));
    world.crash(power_cut);
    if troubled { Ok(()) } else { Err(Violation::new("no_service_ends_by_itself", why.to_owned())) }
}

async fn fill_the_disk(world: Arc<World>) {
    let dice = Dice::new(world.plan.seed, "disk");
    let mut windows = world.plan.disk_full.clone();
    windows.sort_by_key(|window| window.from);
    for window in windows {
        world.clock.until(window.from).await;
        let names = world.disk.names().unwrap_or_default();
        let used: usize = names.iter().filter_map(|name| world.disk.content(name)).map(|bytes| bytes.len()).sum();
        *lock(&world.troubled) = true;
        world.disk.set_capacity_bytes(used + usize::try_from(dice.below(LAST_ROOM_BYTES)).unwrap_or(0));
        world.chronicle.tell("the disk fills up");
        world.clock.until(window.until).await;
        world.disk.set_capacity_bytes(usize::MAX);
        world.chronicle.tell("the disk has room again");
    }
}
