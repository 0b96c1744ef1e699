//! Doors no faster than the tables: an alert is found when a reading is applied, so what is durable and not applied yet is
//! alerts that nobody knows of (reliability P12). Where that would take too long, submissions wait for their turn.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use painwatch_access::GatewayPrincipal;
use painwatch_domain::Offset;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ledger::{Ledger, Tally};

/// So many readings may always lie between doors and tables: two groups of the processor, fewer would keep it waiting.
const ALWAYS: u64 = 20_000;
/// Readings a second that are taken in any case, also where the tables stand still: a clinic of 500 patients sends that many.
const LEAST_A_SECOND: f64 = 2_000.0;
/// After a pause some of them at once.
const LEAST_AT_ONCE_S: f64 = 0.1;
/// And after a large submission everybody waits no longer than this, whatever it weighs.
const LEAST_EVERY_S: f64 = 5.0;
/// A timer set to a moment may be early by the rounding of seconds.
const ROUNDING_S: f64 = 1e-6;
/// What was applied longer ago than this says little about how fast it goes now.
const MEMORY_S: f64 = 2.0;
/// What the tables could do counts half as much after so long: they do less while the doors take their processor, and that again
/// once the doors wait.
const BEST_HALVES_S: f64 = 60.0;
/// Readings applied a second before anything was measured: most of what we measured lies between half and twice this.
const SUPPOSED: f64 = 50_000.0;
/// Whatever was foreseen: what waits for so many times the patience shows that it was wrong.
const IMPATIENCE: f64 = 1.5;
/// What was let in counts half as much after so long: by then it is durable and counted as such, or its connection is stuck.
const FLIGHT_HALVES_S: f64 = 0.25;
/// Readings and seconds of what is counted together, so that few groups remember many records.
const TOGETHER: u64 = 1_000;
const TOGETHER_S: f64 = 0.5;
/// The rate is measured where at least so many wait: with fewer it is that of the doors.
const MEASURED_FROM: u64 = 10_000;

/// What is durable and not applied yet, and how fast it becomes less. Times are seconds of a clock that never steps.
#[derive(Debug)]
struct Backlog {
    /// Longest time that it may take to apply what waits.
    patience_s: f64,
    /// Readings let in, the longer ago the less of them, and when that was reckoned.
    flight: f64,
    flight_at_s: f64,
    /// Durable records by groups of offsets, each by its first.
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
            flight: 0.0,
            flight_at_s: 0.0,
            durable,
            readings: 0,
            applied: 0,
            rate: 0.0,
            best: SUPPOSED,
            busy_since_s: None,
            next_s: f64::NEG_INFINITY,
        }
    }

    fn is_long(&self, now_s: f64) -> bool {
        let waiting = self.readings as f64 + self.flight_at(now_s);
        let oldest = self.durable.first_key_value().map_or(now_s, |(_, group)| group.since_s);
        let (foreseen_s, seen_s) = (waiting / self.best, now_s - oldest);
        waiting > ALWAYS as f64 && (foreseen_s > self.patience_s || seen_s > self.patience_s * IMPATIENCE)
    }

    fn flight_at(&self, now_s: f64) -> f64 {
        self.flight * ((self.flight_at_s - now_s) / FLIGHT_HALVES_S).exp2()
    }

    /// Lets readings in, or says when somebody may ask again.
    fn let_in(&mut self, readings: u64, now_s: f64) -> Result<(), f64> {
        if !self.is_long(now_s) {
            self.next_s = now_s;
        } else if self.next_s > now_s + ROUNDING_S {
            return Err(self.next_s);
        } else {
            let since_s = self.next_s.max(now_s - LEAST_AT_ONCE_S);
            self.next_s = since_s + (readings as f64 / LEAST_A_SECOND).min(LEAST_EVERY_S);
        }
        (self.flight, self.flight_at_s) = (self.flight_at(now_s) + readings as f64, now_s);
        Ok(())
    }

    fn note_durable(&mut self, readings: u64, offset: u64, now_s: f64) {
        if offset < self.applied {
            return;
        }
        let known = self.durable.range_mut(..=offset).next_back().map(|(_, group)| group);
        let is_full = |group: &Group| group.readings >= TOGETHER || now_s - group.since_s > TOGETHER_S;
        match known.filter(|group| offset <= group.last || !is_full(group)) {
            Some(group) => {
                group.last = offset.max(group.last);
                group.readings += readings;
            }
            None => drop(self.durable.insert(offset, Group { last: offset, readings, since_s: now_s })),
        }
        self.readings += readings;
        self.busy_since_s.get_or_insert(now_s);
    }

    /// Everything before `applied` is in the tables.
    fn note_applied(&mut self, applied: u64, now_s: f64) {
        self.applied = applied;
        let (mut done, before) = (0, self.readings);
        while let Some(group) = self.durable.first_entry().filter(|group| group.get().last < applied) {
            done += group.remove().readings;
        }
        self.readings -= done;
        let Some(since_s) = self.busy_since_s.filter(|_| done > 0) else { return };
        self.busy_since_s = (self.readings > 0).then_some(now_s);
        if before < MEASURED_FROM {
            return;
        }
        let took_s = (now_s - since_s).max(1e-3);
        let kept = (-took_s / MEMORY_S).exp();
        self.rate = self.rate * kept + done as f64 / took_s * (1.0 - kept);
        self.best = self.rate.max(self.best * (-took_s / BEST_HALVES_S).exp2());
    }
}

/// Who waits: those of one gateway behind one another, and the first of each in turn, so that a gateway that brings much
/// keeps no other one waiting.
#[derive(Debug, Default)]
struct Waiting {
    of: HashMap<GatewayPrincipal, VecDeque<(u64, oneshot::Sender<()>)>>,
    turns: VecDeque<GatewayPrincipal>,
}

impl Waiting {
    fn join(&mut self, gateway: &GatewayPrincipal, readings: u64) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        if !self.of.contains_key(gateway) {
            self.turns.push_back(gateway.clone());
        }
        self.of.entry(gateway.clone()).or_default().push_back((readings, sender));
        receiver
    }

    /// Lets in whom the backlog has room for; when to look again, where somebody still waits.
    fn let_in(&mut self, backlog: &mut Backlog, now_s: f64) -> Option<f64> {
        while let Some(gateway) = self.turns.pop_front() {
            let Some(queue) = self.of.get_mut(&gateway) else { continue };
            // Whose connection has ended waits no more.
            while queue.front().is_some_and(|(_, sender)| sender.is_closed()) {
                queue.pop_front();
            }
            let Some((readings, sender)) = queue.pop_front() else {
                self.of.remove(&gateway);
                continue;
            };
            if let Err(next_s) = backlog.let_in(readings, now_s) {
                queue.push_front((readings, sender));
                self.turns.push_front(gateway);
                return Some(next_s.min(now_s + FLIGHT_HALVES_S));
            }
            let _ = sender.send(());
            self.turns.push_back(gateway);
        }
        None
    }
}

#[derive(Debug)]
struct State {
    backlog: Backlog,
    waiting: Waiting,
    /// Nobody waits any more: the doors close.
    open: bool,
}

/// The one place where doors and tables meet.
#[derive(Debug)]
pub struct Pace {
    state: Mutex<State>,
    somebody_waits: Notify,
    begun: Instant,
}

/// A submission's place among those that want to enter the journal.
pub struct Turn {
    /// Without one nobody counts.
    pace: Option<Arc<Pace>>,
    readings: u64,
    /// Where it has to wait.
    comes: Option<oneshot::Receiver<()>>,
}

impl Pace {
    /// What waits between doors and tables may take about `patience` to apply.
    pub fn new(patience: Duration) -> Self {
        let state = State { backlog: Backlog::new(patience.as_secs_f64()), waiting: Waiting::default(), open: false };
        Self { state: Mutex::new(state), somebody_waits: Notify::new(), begun: Instant::now() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_s(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// The turn of so many readings of a gateway, in the order in which they are asked for.
    pub fn turn(self: &Arc<Self>, gateway: &GatewayPrincipal, readings: u64, ledger: &Ledger) -> Turn {
        let (now_s, mut state) = (self.now_s(), self.lock());
        let first = state.waiting.turns.is_empty();
        let at_once = state.open || (first && state.backlog.let_in(readings, now_s).is_ok());
        let comes = (!at_once).then(|| state.waiting.join(gateway, readings));
        drop(state);
        if comes.is_some() {
            ledger.count(Tally::Paced, 1);
            self.somebody_waits.notify_one();
        }
        Turn { pace: Some(Arc::clone(self)), readings, comes }
    }

    /// Follows the processor and lets in who waits, until the doors close: then everybody goes on, and what is being appended is
    /// acknowledged.
    pub async fn follow(self: Arc<Self>, mut applied: watch::Receiver<Offset>, stop: CancellationToken) {
        let mut next = None;
        while !stop.is_cancelled() {
            let next_turn = async {
                match next {
                    Some(next_s) => tokio::time::sleep_until(self.begun + Duration::from_secs_f64(next_s)).await,
                    None => self.somebody_waits.notified().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                Ok(()) = applied.changed() => {}
                () = next_turn => {}
            }
            let (now_s, mut state) = (self.now_s(), self.lock());
            let State { backlog, waiting, .. } = &mut *state;
            backlog.note_applied(applied.borrow_and_update().0, now_s);
            next = waiting.let_in(backlog, now_s);
        }
        let mut state = self.lock();
        (state.open, state.waiting) = (true, Waiting::default());
    }
}

impl Turn {
    /// That of who waits for nobody.
    pub const fn at_once() -> Self {
        Self { pace: None, readings: 0, comes: None }
    }

    /// Waits for it, or until its connection is in a `hurry`.
    pub async fn come(&mut self, hurry: Option<CancellationToken>) {
        let Some(comes) = self.comes.take() else { return };
        let hurry = hurry.unwrap_or_default();
        tokio::select! {
            _ = comes => {}
            () = hurry.cancelled() => {}
        }
    }

    pub fn is_durable(self, offset: Offset) {
        if let Some(pace) = self.pace {
            pace.lock().backlog.note_durable(self.readings, offset.0, pace.now_s());
        }
    }
}

#[cfg(test)]
mod tests {
    use painwatch_domain::{GatewayId, TenantId};

    use super::*;

    fn sent(backlog: &mut Backlog, offset: u64, readings: u64, now_s: f64) {
        backlog.let_in(readings, now_s).unwrap();
        backlog.note_durable(readings, offset, now_s);
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
                if backlog.let_in(1, now_s).is_err() {
                    break;
                }
                backlog.note_durable(1, offset, now_s);
                offset += 1;
            }
            applied = offset.min(applied + 300);
            backlog.note_applied(applied, now_s + 0.01);
            longest = longest.max(offset - applied);
        }
        assert!((29_000.0..31_000.0).contains(&backlog.best), "{}", backlog.best);
        assert!(longest <= 201_000, "supposed at first: {longest}");
        assert!((105_000..=121_000).contains(&(offset - applied)), "known in the end: {}", offset - applied);
        assert!(applied > 5_990_000, "the tables had always something to do: {applied}");
    }

    #[test]
    fn while_the_tables_stand_still_a_clinics_readings_are_taken_all_the_same() {
        let mut backlog = Backlog::new(4.0);
        let taken = (0..200_000u64).filter(|nth| {
            let now_s = *nth as f64 / 10_000.0;
            let taken = backlog.let_in(1, now_s).is_ok();
            if taken {
                backlog.note_durable(1, *nth, now_s);
            }
            taken
        });
        // Six seconds until that is noticed, and fourteen of the least.
        let expected = 60_000 + 28_000;
        assert!((expected - 2_000..expected + 2_000).contains(&taken.count()));
    }

    #[test]
    fn what_was_let_in_and_came_to_nothing_is_soon_forgotten_and_what_is_applied_waits_for_nothing() {
        let mut backlog = Backlog::new(4.0);
        backlog.let_in(300_000, 0.0).unwrap();
        assert!(backlog.is_long(0.0));
        assert!(!backlog.is_long(0.2));
        backlog.note_applied(65, 0.1);
        backlog.note_durable(9, 64, 0.2);
        assert_eq!(backlog.readings, 0);
    }

    #[test]
    fn what_is_counted_together_waits_until_its_last_record_is_applied_in_whatever_order_it_was_told() {
        let mut backlog = Backlog::new(4.0);
        for offset in [0, 2, 1, 499] {
            sent(&mut backlog, offset, 400, 0.0);
        }
        backlog.note_applied(2, 0.1);
        assert_eq!(backlog.readings, 1_600, "0 to 2 are a group");
        backlog.note_applied(3, 0.1);
        assert_eq!(backlog.readings, 400);
        sent(&mut backlog, 500, 400, 1.0);
        backlog.note_applied(500, 1.0);
        assert_eq!(backlog.readings, 400, "half a second later begins another");
        backlog.note_applied(501, 2.0);
        assert_eq!((backlog.readings, backlog.durable.len()), (0, 0));
        assert_eq!(backlog.busy_since_s, None, "an idle time says nothing about the rate");
    }

    #[test]
    fn what_little_comes_says_nothing_about_what_the_tables_can() {
        let mut backlog = Backlog::new(4.0);
        for nth in 0..1_000u32 {
            sent(&mut backlog, u64::from(nth), 1, f64::from(nth));
            backlog.note_applied(u64::from(nth) + 1, f64::from(nth) + 0.5);
        }
        assert_eq!(backlog.best, SUPPOSED);
    }

    fn gateway(name: &str) -> GatewayPrincipal {
        GatewayPrincipal { tenant: TenantId::default(), gateway: GatewayId::parse(name).unwrap() }
    }

    /// A pace whose backlog is long, and whose next turn is in five seconds.
    fn held_up(ledger: &Ledger) -> Arc<Pace> {
        let pace = Arc::new(Pace::new(Duration::from_secs(4)));
        pace.turn(&gateway("gw-0"), 300_000, ledger).is_durable(Offset(0));
        drop(pace.turn(&gateway("gw-0"), 1_000_000, ledger));
        assert_eq!(ledger.tally(Tally::Paced), 0);
        pace
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_goes_on_as_soon_as_the_tables_have_caught_up_and_gateways_take_turns() {
        let ledger = Ledger::default();
        let pace = held_up(&ledger);
        let (mut waiting, gone_on) = (tokio::task::JoinSet::new(), Arc::new(Mutex::new(Vec::new())));
        let (applied, receiver) = watch::channel(Offset(0));
        let follower = tokio::spawn(Arc::clone(&pace).follow(receiver, CancellationToken::new()));
        for (who, nth) in [("gw-1", 0), ("gw-1", 1), ("gw-1", 2), ("gw-2", 0)] {
            let (mut turn, gone_on) = (pace.turn(&gateway(who), 1, &ledger), Arc::clone(&gone_on));
            waiting.spawn(async move {
                turn.come(None).await;
                gone_on.lock().unwrap().push((who, nth));
            });
        }
        // Of one nobody asks whether it has come, and of one the connection ends before it comes.
        let _stuck = pace.turn(&gateway("gw-2"), 1, &ledger);
        drop(pace.turn(&gateway("gw-3"), 1, &ledger));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(gone_on.lock().unwrap().len(), 0);
        let begun = Instant::now();
        applied.send_replace(Offset(1));
        while waiting.join_next().await.is_some() {}
        assert_eq!(*gone_on.lock().unwrap(), [("gw-1", 0), ("gw-2", 0), ("gw-1", 1), ("gw-1", 2)]);
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert_eq!(ledger.tally(Tally::Paced), 6);
        follower.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_tables_stand_still_turns_come_all_the_same() {
        let ledger = Ledger::default();
        let (pace, begun, (_applied, receiver)) = (held_up(&ledger), Instant::now(), watch::channel(Offset(0)));
        let follower = tokio::spawn(Arc::clone(&pace).follow(receiver, CancellationToken::new()));
        for _ in 0..20_001 {
            pace.turn(&gateway("gw-1"), 1, &ledger).come(None).await;
        }
        assert!((13..=16).contains(&begun.elapsed().as_secs()), "5 s and 2,000 a second: {:?}", begun.elapsed());
        follower.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_once_the_doors_close_or_the_connection_ends() {
        let ledger = Ledger::default();
        let (pace, (_applied, receiver), stop) =
            (held_up(&ledger), watch::channel(Offset(0)), CancellationToken::new());
        let begun = Instant::now();
        let (mut early, mut late) = (pace.turn(&gateway("gw-1"), 1, &ledger), pace.turn(&gateway("gw-1"), 1, &ledger));
        let hurry = CancellationToken::new();
        hurry.cancel();
        early.come(Some(hurry)).await;
        stop.cancel();
        Arc::clone(&pace).follow(receiver, stop).await;
        late.come(None).await;
        pace.turn(&gateway("gw-1"), 1, &ledger).come(None).await;
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}
