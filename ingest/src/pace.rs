//! Doors no faster than the tables: an alert is found when a reading is applied, so what is durable and not applied yet is
//! alerts that nobody knows of (reliability P12). Where that would take too long, submissions wait for their turn.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use painwatch_access::GatewayPrincipal;
use painwatch_domain::Offset;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use crate::ledger::{Ledger, Tally};

/// So many readings may always lie between doors and tables: two groups of the processor, fewer would keep it waiting.
const ALWAYS: u64 = 20_000;
/// Readings a second that are taken in any case, also where the tables stand still: a clinic of 500 patients sends that many.
const LEAST_A_SECOND: f64 = 2_000.0;
/// What was applied longer ago than this says little about how fast it goes now.
const MEMORY_S: f64 = 2.0;
/// What the tables could do counts half as much after so long: they do less while the doors take their processor, and that again
/// once the doors wait.
const BEST_HALVES_S: f64 = 60.0;
/// Readings applied a second before anything was measured: most of what we measured lies between half and twice this.
const SUPPOSED: f64 = 40_000.0;
/// Whatever was foreseen: what waits for so many times the patience shows that it was wrong.
const IMPATIENCE: f64 = 1.5;
/// Gateways whose queues are remembered while nobody waits in them.
const QUEUES: usize = 4_096;
/// Records counted together: by offset, so that few places remember many.
const TOGETHER: u64 = 64;

/// What is durable and not applied yet, and how fast it becomes less. Times are seconds of a clock that never steps.
#[derive(Debug)]
struct Backlog {
    /// Longest time that it may take to apply what waits.
    patience_s: f64,
    /// Readings whose record is being written.
    under_way: u64,
    /// Durable records by groups of offsets.
    durable: BTreeMap<u64, Group>,
    readings: u64,
    applied: u64,
    /// Readings applied a second, while there were any to apply: lately, and at best.
    rate: f64,
    best: f64,
    /// Since when there has been something to apply without news.
    busy_since_s: Option<f64>,
    /// When the next turn is, where turns are given.
    next_s: f64,
}

#[derive(Debug)]
struct Group {
    last: u64,
    readings: u64,
    since_s: f64,
}

impl Backlog {
    const fn new(patience_s: f64) -> Self {
        let durable = BTreeMap::new();
        Self {
            patience_s,
            under_way: 0,
            durable,
            readings: 0,
            applied: 0,
            rate: 0.0,
            best: SUPPOSED,
            busy_since_s: None,
            next_s: f64::NEG_INFINITY,
        }
    }

    const fn waiting(&self) -> u64 {
        self.readings + self.under_way
    }

    fn is_long(&self, now_s: f64) -> bool {
        let waiting = self.waiting();
        let oldest = self.durable.first_key_value().map_or(now_s, |(_, group)| group.since_s);
        let (foreseen_s, seen_s) = (waiting as f64 / self.best, now_s - oldest);
        waiting > ALWAYS && (foreseen_s > self.patience_s || seen_s > self.patience_s * IMPATIENCE)
    }

    /// Lets a submission go on, or says when it may ask again.
    fn begin(&mut self, readings: u64, now_s: f64) -> Result<(), f64> {
        if self.is_long(now_s) {
            if self.next_s > now_s {
                return Err(self.next_s);
            }
            self.next_s = now_s + readings as f64 / LEAST_A_SECOND;
        } else {
            self.next_s = now_s;
        }
        self.under_way += readings;
        Ok(())
    }

    /// A submission that had its turn is durable at `offset`, or came to nothing.
    fn end(&mut self, readings: u64, offset: Option<u64>, now_s: f64) {
        self.under_way -= readings;
        let Some(offset) = offset.filter(|offset| *offset >= self.applied) else { return };
        let new = Group { last: offset, readings: 0, since_s: now_s };
        let group = self.durable.entry(offset / TOGETHER).or_insert(new);
        group.last = offset.max(group.last);
        group.readings += readings;
        self.readings += readings;
        self.busy_since_s.get_or_insert(now_s);
    }

    /// Everything before `applied` is in the tables.
    fn note_applied(&mut self, applied: u64, now_s: f64) {
        self.applied = applied;
        let mut done = 0;
        while let Some(group) = self.durable.first_entry().filter(|group| group.get().last < applied) {
            done += group.remove().readings;
        }
        self.readings -= done;
        let Some(since_s) = self.busy_since_s.filter(|_| done > 0) else { return };
        let took_s = (now_s - since_s).max(1e-3);
        let kept = (-took_s / MEMORY_S).exp();
        self.rate = self.rate * kept + done as f64 / took_s * (1.0 - kept);
        self.best = self.rate.max(self.best * (-took_s / BEST_HALVES_S).exp2());
        self.busy_since_s = (self.readings > 0).then_some(now_s);
    }
}

/// Where submissions wait: those of one gateway for one another, and of each gateway the first for those of the others, so that
/// they take turns however much one of them brings.
#[derive(Debug)]
pub struct Pace {
    backlog: Mutex<Backlog>,
    own: Mutex<HashMap<GatewayPrincipal, Arc<Semaphore>>>,
    all: Semaphore,
    moved: Notify,
    begun: Instant,
}

/// A submission on its way into the journal.
pub struct Turn {
    pace: Arc<Pace>,
    readings: u64,
    durable: Option<Offset>,
}

impl Pace {
    /// What waits between doors and tables may take about `patience` to apply.
    pub fn new(patience: Duration) -> Self {
        let backlog = Mutex::new(Backlog::new(patience.as_secs_f64()));
        let (own, all, moved) = (Mutex::default(), Semaphore::new(1), Notify::new());
        Self { backlog, own, all, moved, begun: Instant::now() }
    }

    fn lock(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_s(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Readings that are durable, or nearly, and not in the tables.
    pub fn waiting(&self) -> u64 {
        self.lock().waiting()
    }

    /// The queue of one gateway.
    fn own(&self, gateway: &GatewayPrincipal) -> Arc<Semaphore> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = own.get(gateway) {
            return Arc::clone(known);
        }
        if own.len() >= QUEUES {
            own.retain(|_, queue| Arc::strong_count(queue) > 1);
        }
        Arc::clone(own.entry(gateway.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))))
    }

    /// Waits until so many readings of a gateway may enter the journal.
    pub async fn turn(self: Arc<Self>, gateway: &GatewayPrincipal, readings: u64, ledger: &Ledger) -> Turn {
        let own = self.own(gateway);
        let _first_of_its_gateway = own.acquire().await.expect("never closed");
        let first_of_all = self.all.acquire().await.expect("never closed");
        let mut waited = false;
        loop {
            let moved = self.moved.notified();
            let Err(next_s) = self.lock().begin(readings, self.now_s()) else { break };
            waited = true;
            let next = self.begun + Duration::from_secs_f64(next_s);
            tokio::select! {
                () = moved => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
        ledger.count(Tally::Paced, u64::from(waited));
        drop(first_of_all);
        Turn { pace: self, readings, durable: None }
    }

    /// Follows the processor. Runs until dropped.
    pub async fn follow(self: Arc<Self>, mut applied: watch::Receiver<Offset>) {
        loop {
            let next = applied.borrow_and_update().0;
            self.lock().note_applied(next, self.now_s());
            self.moved.notify_waiters();
            if applied.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

impl Turn {
    pub fn is_durable(mut self, offset: Offset) {
        self.durable = Some(offset);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let now_s = self.pace.now_s();
        self.pace.lock().end(self.readings, self.durable.map(|offset| offset.0), now_s);
    }
}

#[cfg(test)]
mod tests {
    use painwatch_domain::{GatewayId, TenantId};

    use super::*;

    fn sent(backlog: &mut Backlog, offset: u64, readings: u64, now_s: f64) {
        backlog.begin(readings, now_s).unwrap();
        backlog.end(readings, Some(offset), now_s);
    }

    #[test]
    fn nobody_waits_while_little_does() {
        let mut backlog = Backlog::new(4.0);
        sent(&mut backlog, 0, ALWAYS, 0.0);
        assert!(!backlog.is_long(3_600.0), "whatever became of the tables");
        sent(&mut backlog, 1, 1, 0.0);
        assert!(backlog.is_long(3_600.0));
        assert!(!backlog.is_long(1.0), "they will be done in half a second");
    }

    #[test]
    fn p12_what_waits_is_as_much_as_is_applied_within_the_patience() {
        let mut backlog = Backlog::new(4.0);
        let (mut offset, mut applied, mut longest) = (0, 0, 0);
        for step in 0..20_000 {
            let now_s = f64::from(step) / 100.0;
            // Doors that could do 100,000 a second, tables that do 30,000.
            for _ in 0..1_000 {
                if backlog.begin(1, now_s).is_err() {
                    break;
                }
                backlog.end(1, Some(offset), now_s);
                offset += 1;
            }
            applied = offset.min(applied + 300);
            backlog.note_applied(applied, now_s + 0.01);
            longest = longest.max(offset - applied);
        }
        assert!((29_000.0..31_000.0).contains(&backlog.best), "{}", backlog.best);
        assert!(longest <= 161_000, "supposed at first: {longest}");
        assert!((115_000..=125_000).contains(&(offset - applied)), "known in the end: {}", offset - applied);
        assert!(applied > 5_990_000, "the tables had always something to do: {applied}");
    }

    #[test]
    fn while_the_tables_stand_still_a_clinics_readings_are_taken_all_the_same() {
        let mut backlog = Backlog::new(4.0);
        let taken = (0..200_000u64).filter(|nth| {
            let now_s = *nth as f64 / 10_000.0;
            let taken = backlog.begin(1, now_s).is_ok();
            if taken {
                backlog.end(1, Some(*nth), now_s);
            }
            taken
        });
        // Six seconds until that is noticed, and fourteen of the least.
        let expected = 60_000 + 28_000;
        assert!((expected - 2_000..expected + 2_000).contains(&taken.count()));
    }

    #[test]
    fn what_came_to_nothing_or_was_applied_already_waits_for_nothing() {
        let mut backlog = Backlog::new(4.0);
        backlog.begin(7, 0.0).unwrap();
        backlog.end(7, None, 0.0);
        backlog.note_applied(65, 0.1);
        backlog.begin(9, 0.1).unwrap();
        backlog.end(9, Some(64), 0.2);
        assert_eq!((backlog.readings, backlog.under_way), (0, 0));
    }

    #[test]
    fn a_group_of_offsets_waits_until_its_last_is_applied_and_is_forgotten_then() {
        let mut backlog = Backlog::new(4.0);
        (0..70).for_each(|offset| sent(&mut backlog, offset, 2, 0.0));
        backlog.note_applied(63, 1.0);
        assert_eq!(backlog.waiting(), 140);
        backlog.note_applied(64, 1.0);
        assert_eq!(backlog.waiting(), 12);
        backlog.note_applied(70, 2.0);
        assert_eq!((backlog.readings, backlog.durable.len()), (0, 0));
        assert_eq!(backlog.busy_since_s, None, "an idle time says nothing about the rate");
    }

    fn gateway(name: &str) -> GatewayPrincipal {
        GatewayPrincipal { tenant: TenantId::default(), gateway: GatewayId::parse(name).unwrap() }
    }

    /// A pace whose backlog is long, and whose next turn is in 500 s.
    async fn held_up(ledger: &Ledger) -> Arc<Pace> {
        let pace = Arc::new(Pace::new(Duration::from_secs(4)));
        Arc::clone(&pace).turn(&gateway("gw-0"), 200_000, ledger).await.is_durable(Offset(0));
        drop(Arc::clone(&pace).turn(&gateway("gw-0"), 1_000_000, ledger).await);
        assert_eq!(ledger.tally(Tally::Paced), 0);
        pace
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_goes_on_as_soon_as_the_tables_have_caught_up_and_gateways_take_turns() {
        let ledger = Arc::new(Ledger::default());
        let pace = held_up(&ledger).await;
        let (mut waiting, gone_on) = (tokio::task::JoinSet::new(), Arc::new(Mutex::new(Vec::new())));
        for (who, nth) in [("gw-1", 0), ("gw-1", 1), ("gw-1", 2), ("gw-2", 0)] {
            let (pace, gone_on, ledger) = (Arc::clone(&pace), Arc::clone(&gone_on), Arc::clone(&ledger));
            waiting.spawn(async move {
                let _turn = pace.turn(&gateway(who), 1, &ledger).await;
                gone_on.lock().unwrap().push((who, nth));
            });
            tokio::task::yield_now().await;
        }
        assert_eq!(gone_on.lock().unwrap().len(), 0);
        let (begun, (_applied, receiver)) = (Instant::now(), watch::channel(Offset(1)));
        let follower = tokio::spawn(Arc::clone(&pace).follow(receiver));
        while waiting.join_next().await.is_some() {}
        assert_eq!(*gone_on.lock().unwrap(), [("gw-1", 0), ("gw-2", 0), ("gw-1", 1), ("gw-1", 2)]);
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert_eq!(ledger.tally(Tally::Paced), 1, "the others waited behind it");
        follower.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_tables_stand_still_turns_come_all_the_same() {
        let ledger = Ledger::default();
        let (pace, begun) = (held_up(&ledger).await, Instant::now());
        drop(Arc::clone(&pace).turn(&gateway("gw-1"), 1, &ledger).await);
        assert!((499..=501).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    }
}
