//! The server's wall clock, held steady: where it leaves the monotonic clock, our time goes on by the latter until it is known
//! which of the two is wrong. See docs/decisions/0045-a-step-of-our-own-clock.md.
//!
//! Whoever sends us something says when (`sent_at`): these are the witnesses. A clock that was set wrong has them against it;
//! after a suspension, in which the monotonic clock stood still, or when a wrong clock is set right, they are for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::time::{Clock, HOUR_MS, MINUTE_MS};

/// Wall and monotonic clock further apart than this is a step: slower drift is the time service at work, and followed.
pub const STEP_MS: i64 = 2_000;
/// Witnesses agree with a clock that is this near to what they say: their own clocks are good, and their messages have a way.
const AGREES_MS: i64 = 5 * MINUTE_MS;
/// Without a witness for our own time the wall clock is followed after this: somebody set it, and probably not in error. Gateways
/// that send once an hour are heard before.
const PATIENCE_MS: i64 = 2 * HOUR_MS;
/// What is late says an earlier time than now, so one alone does not turn us back.
const WITNESSES_TO_TURN_BACK: usize = 2;
/// Remembered; more change no majority.
const WITNESSES_MAX: usize = 10_000;
/// The two clocks are read one after the other; a process stopped in between, or a driven clock advanced in between, looks
/// like a step once. A real one is still there when they are read again.
const RE_READS: usize = 3;

/// Both clocks of one instant, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hands {
    pub wall_ms: i64,
    pub monotonic_ms: i64,
}

impl Hands {
    /// Reads both clocks, and again where they are surprising.
    pub fn read(clock: &(impl Clock + ?Sized), are_surprising: impl Fn(Self) -> bool) -> Self {
        let read = || Self { wall_ms: clock.wall_ms(), monotonic_ms: clock.monotonic_ms() };
        let mut hands = read();
        for _ in 0..RE_READS {
            if !are_surprising(hands) {
                break;
            }
            hands = read();
        }
        hands
    }
}

/// What became of a step of the wall clock; how far it went, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It stepped; our time goes on without it.
    Doubted(i64),
    /// It is where it was.
    Returned,
    /// Witnesses say that it is right.
    FollowedWitnesses(i64),
    /// Nobody said otherwise for two hours.
    FollowedAlone(i64),
}

/// The state of [`SteadyClock`]: time is what it is told.
#[derive(Debug)]
pub struct Steady {
    /// When the wall clock was last believed.
    anchor: Hands,
    /// How far each witness was ahead of our time when it last spoke and nothing was in doubt.
    known: BTreeMap<String, i64>,
    doubt: Option<Doubt>,
}

#[derive(Debug)]
struct Doubt {
    /// Wall clock less our time.
    off_ms: i64,
    /// When somebody last agreed with us, or the doubt began; monotonic.
    sure_ms: i64,
    /// The most each witness was ahead of our time since: the message with the shortest way.
    said: BTreeMap<String, i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vote {
    Wall,
    Ours,
    Neither,
}

impl Doubt {
    fn vote(&self, ahead_ms: i64) -> Vote {
        let (from_ours, from_wall) = (ahead_ms.saturating_abs(), ahead_ms.saturating_sub(self.off_ms).saturating_abs());
        match from_ours.min(from_wall) {
            AGREES_MS.. => Vote::Neither,
            nearest if nearest == from_ours => Vote::Ours,
            _ => Vote::Wall,
        }
    }

    /// Whether the witnesses are for the wall clock. Those who said so before it stepped prove nothing where anybody agreed with us.
    fn is_refuted(&self, known: &BTreeMap<String, i64>) -> bool {
        let (mut anew, mut as_ever, mut ours) = (0, 0, 0);
        for (who, ahead_ms) in &self.said {
            match self.vote(*ahead_ms) {
                Vote::Wall if known.get(who).is_some_and(|before| self.vote(*before) == Vote::Wall) => as_ever += 1,
                Vote::Wall => anew += 1,
                Vote::Ours => ours += 1,
                Vote::Neither => {}
            }
        }
        let enough = if self.off_ms < 0 { WITNESSES_TO_TURN_BACK } else { 1 };
        let were_right = known.values().any(|before| self.vote(*before) == Vote::Ours);
        (anew >= enough && anew > ours) || (anew + as_ever >= enough && ours == 0 && !were_right)
    }
}

impl Steady {
    pub const fn start(at: Hands) -> Self {
        Self { anchor: at, known: BTreeMap::new(), doubt: None }
    }

    const fn ours_ms(&self, monotonic_ms: i64) -> i64 {
        self.anchor.wall_ms.saturating_add(monotonic_ms - self.anchor.monotonic_ms)
    }

    const fn off_ms(&self, at: Hands) -> i64 {
        at.wall_ms.saturating_sub(self.ours_ms(at.monotonic_ms))
    }

    /// Whether the wall clock is where nobody expects it: to be read again before it is believed.
    fn is_surprised_by(&self, at: Hands) -> bool {
        let expected_ms = self.doubt.as_ref().map_or(0, |doubt| doubt.off_ms);
        (self.off_ms(at) - expected_ms).saturating_abs() > STEP_MS
    }

    /// How far the wall clock is from our time, while it is in doubt; 0 otherwise.
    pub fn doubted_ms(&self) -> i64 {
        self.doubt.as_ref().map_or(0, |doubt| doubt.off_ms)
    }

    /// Our time, and what changed.
    pub fn now(&mut self, at: Hands) -> (i64, Option<Change>) {
        let off_ms = self.off_ms(at);
        if off_ms.saturating_abs() <= STEP_MS {
            self.anchor = at;
            return (at.wall_ms, self.doubt.take().map(|_| Change::Returned));
        }
        let ours_ms = self.ours_ms(at.monotonic_ms);
        match &self.doubt {
            Some(doubt) if (doubt.off_ms - off_ms).saturating_abs() <= STEP_MS => {
                if at.monotonic_ms - doubt.sure_ms < PATIENCE_MS {
                    return (ours_ms, None);
                }
                self.follow(at);
                (at.wall_ms, Some(Change::FollowedAlone(off_ms)))
            }
            _ => {
                self.doubt = Some(Doubt { off_ms, sure_ms: at.monotonic_ms, said: BTreeMap::new() });
                (ours_ms, Some(Change::Doubted(off_ms)))
            }
        }
    }

    /// Takes what a witness says the time is, just now; where that settles a doubt against us, what changed.
    pub fn hear(&mut self, who: &str, said_ms: i64, at: Hands) -> Option<Change> {
        let (ours_ms, changed) = self.now(at);
        let ahead_ms = said_ms.saturating_sub(ours_ms);
        let in_doubt = self.doubt.is_some();
        let heard = self.doubt.as_mut().map_or(&mut self.known, |doubt| &mut doubt.said);
        let there = heard.len();
        let said_ms = match heard.get_mut(who) {
            Some(said_ms) => said_ms,
            None if there >= WITNESSES_MAX => return changed,
            None => heard.entry(who.to_owned()).or_insert(ahead_ms),
        };
        // In a doubt the message with the shortest way counts, otherwise the newest.
        *said_ms = if in_doubt { ahead_ms.max(*said_ms) } else { ahead_ms };
        let Some(doubt) = &mut self.doubt else { return changed };
        if doubt.vote(ahead_ms) == Vote::Ours {
            doubt.sure_ms = at.monotonic_ms;
        }
        if !doubt.is_refuted(&self.known) {
            return changed;
        }
        let off_ms = doubt.off_ms;
        self.follow(at);
        Some(Change::FollowedWitnesses(off_ms))
    }

    fn follow(&mut self, at: Hands) {
        self.anchor = at;
        if let Some(doubt) = self.doubt.take() {
            self.known.extend(doubt.said);
            self.known.values_mut().for_each(|ahead_ms| *ahead_ms = ahead_ms.saturating_sub(doubt.off_ms));
        }
    }
}

/// A clock whose wall time steps only where [`Steady`] lets it.
#[derive(Debug)]
pub struct SteadyClock<C> {
    clock: C,
    steady: Mutex<Steady>,
    tell: fn(Change),
}

impl<C: Clock> SteadyClock<C> {
    /// `tell` hears of every change.
    pub fn new(clock: C, tell: fn(Change)) -> Self {
        let steady = Mutex::new(Steady::start(Hands::read(&clock, |_| false)));
        Self { clock, steady, tell }
    }

    /// Asks at this instant, and tells what changed.
    fn ask<T>(&self, question: impl FnOnce(&mut Steady, Hands) -> (T, Option<Change>)) -> T {
        let mut steady = self.steady.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Hands::read(&self.clock, |at| steady.is_surprised_by(at));
        let (answer, changed) = question(&mut steady, at);
        drop(steady);
        changed.into_iter().for_each(self.tell);
        answer
    }
}

impl<C: Clock> Clock for SteadyClock<C> {
    fn wall_ms(&self) -> i64 {
        self.ask(Steady::now)
    }

    fn monotonic_ms(&self) -> i64 {
        self.clock.monotonic_ms()
    }

    fn hear(&self, who: &str, said_ms: i64) -> bool {
        self.ask(|steady, at| {
            let changed = steady.hear(who, said_ms, at);
            (matches!(changed, Some(Change::FollowedWitnesses(_))), changed)
        })
    }

    fn doubted_ms(&self) -> i64 {
        self.ask(|steady, at| {
            let changed = steady.now(at).1;
            (steady.doubted_ms(), changed)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::DAY_MS;

    const STEPS: [i64; 4] = [HOUR_MS, -HOUR_MS, DAY_MS, -DAY_MS];
    const BEGIN: i64 = 1_700_000_000_000;

    /// The true time, how far the wall clock is off it, and how much of it the monotonic clock slept through.
    struct World {
        steady: Steady,
        true_ms: i64,
        off_ms: i64,
        slept_ms: i64,
    }

    impl World {
        fn new() -> Self {
            let steady = Steady::start(Hands { wall_ms: BEGIN, monotonic_ms: 0 });
            Self { steady, true_ms: BEGIN, off_ms: 0, slept_ms: 0 }
        }

        fn hands(&self) -> Hands {
            Hands { wall_ms: self.true_ms + self.off_ms, monotonic_ms: self.true_ms - BEGIN - self.slept_ms }
        }

        fn pass(&mut self, ms: i64) -> i64 {
            self.true_ms += ms;
            self.steady.now(self.hands()).0
        }

        /// A message of a gateway whose clock is off by `off_ms` and which took `way_ms`; our time afterwards.
        fn hear(&mut self, who: &str, off_ms: i64, way_ms: i64) -> i64 {
            let at = self.hands();
            self.steady.hear(who, self.true_ms + off_ms - way_ms, at);
            self.steady.now(at).0
        }
    }

    #[test]
    fn p16_an_hour_or_a_day_that_only_the_wall_clock_passes_is_not_ours_while_gateways_say_otherwise() {
        for step_ms in STEPS {
            let mut world = World::new();
            world.hear("a", 0, 200);
            world.off_ms = step_ms;
            for minute in 0..3 * 24 * 60 {
                assert_eq!(world.pass(MINUTE_MS), world.true_ms, "{step_ms} after {minute} min");
                if minute % 10 == 0 {
                    assert_eq!(world.hear("a", 0, 2_000), world.true_ms, "{step_ms} after {minute} min");
                }
            }
            world.off_ms = 0;
            assert_eq!((world.pass(1), world.steady.doubted_ms()), (world.true_ms, 0), "{step_ms} and back");
        }
    }

    #[test]
    fn p16_after_a_suspension_the_first_gateway_that_speaks_brings_us_the_time() {
        let mut world = World::new();
        world.hear("a", 0, 200);
        world.hear("b", 0, 200);
        world.slept_ms = 8 * HOUR_MS;
        world.true_ms += 8 * HOUR_MS;
        assert_eq!(world.pass(0), world.true_ms - 8 * HOUR_MS);
        assert_eq!(world.hear("b", 0, 200), world.true_ms);
    }

    #[test]
    fn p16_a_clock_that_was_wrong_from_the_start_and_is_set_right_is_followed_at_the_first_witness() {
        for step_ms in STEPS {
            let mut world = World::new();
            world.off_ms = -step_ms;
            world.steady = Steady::start(world.hands());
            for _ in 0..3 {
                world.hear("a", 0, 200);
            }
            world.hear("b", 0, 200);
            world.off_ms = 0;
            world.hear("a", 0, 200);
            assert_eq!(world.hear("b", 0, 200), world.true_ms, "{step_ms}");
        }
    }

    #[test]
    fn p16_a_gateway_that_was_always_an_hour_ahead_does_not_take_us_along() {
        let mut world = World::new();
        world.hear("wrong", HOUR_MS, 200);
        world.hear("right", 0, 200);
        world.off_ms = HOUR_MS;
        assert_eq!(world.hear("wrong", HOUR_MS, 200), world.true_ms);
    }

    #[test]
    fn p16_one_message_that_is_an_hour_late_does_not_turn_us_back() {
        let mut world = World::new();
        world.hear("a", 0, 200);
        world.off_ms = -HOUR_MS;
        assert_eq!(world.hear("a", 0, HOUR_MS), world.true_ms);
        assert_eq!(world.hear("a", 0, 200), world.true_ms);
        world.hear("b", 0, HOUR_MS);
        assert_eq!(world.hear("c", 0, HOUR_MS), world.true_ms - HOUR_MS, "a majority is believed");
    }

    #[test]
    fn p16_where_nobody_speaks_the_wall_clock_is_followed_after_two_hours() {
        let mut world = World::new();
        world.off_ms = HOUR_MS;
        assert_eq!(world.pass(0), world.true_ms);
        assert_eq!(world.pass(PATIENCE_MS - 1), world.true_ms);
        assert_eq!(world.pass(1), world.true_ms + HOUR_MS);
    }

    #[test]
    fn a_clock_that_drifts_is_followed_and_every_change_is_told_once() {
        let mut world = World::new();
        for _ in 0..100 {
            world.off_ms += 1_900;
            assert_eq!(world.pass(1_000), world.true_ms + world.off_ms);
        }
        world.off_ms += HOUR_MS;
        assert_eq!(world.steady.now(world.hands()).1, Some(Change::Doubted(HOUR_MS)));
        assert_eq!(world.steady.now(world.hands()).1, None);
        world.off_ms -= HOUR_MS;
        assert_eq!(world.steady.now(world.hands()).1, Some(Change::Returned));
        assert_eq!(world.steady.now(world.hands()).1, None);
    }

    proptest! {
        /// Whatever the wall clock does, and however late messages are that are not late by the very step.
        #[test]
        fn p16_good_gateways_that_speak_every_ten_minutes_keep_our_time(
            steps in proptest::collection::vec((0i64..40, prop_oneof![-2 * DAY_MS..-30 * MINUTE_MS, 30 * MINUTE_MS..2 * DAY_MS]), 1..6),
            ways in proptest::collection::vec(0i64..4 * MINUTE_MS, 40),
        ) {
            let mut world = World::new();
            world.hear("a", 0, 0);
            for (nth, way_ms) in ways.into_iter().enumerate() {
                for (_, off_ms) in steps.iter().filter(|(at, _)| *at == nth as i64) {
                    world.off_ms = *off_ms;
                }
                world.pass(10 * MINUTE_MS);
                prop_assert_eq!(world.hear(if nth % 2 == 0 { "a" } else { "b" }, 0, way_ms), world.true_ms);
            }
        }
    }
}
