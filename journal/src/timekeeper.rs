//! Journal time (semantics 18): anchored wall time plus monotonic elapsed, never decreasing.
//!
//! A wall clock set back leaves J ahead of it. Holding J still until the wall catches up would fire no deadline for as
//! long as the step was, an hour or a day of silence; running on at full speed would stay ahead for ever. So J runs at
//! half speed until the wall has caught up.

use painwatch_domain::steady::{Hands, STEP_MS};
use painwatch_domain::{Clock, JournalTime};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Timekeeper {
    anchor_wall_ms: i64,
    anchor_monotonic_ms: i64,
    /// Up to where elapsed monotonic time has been given out as journal time.
    spent_monotonic_ms: i64,
    last: JournalTime,
}

/// The wall clock was not where the monotonic clock said it would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub wall_ms: i64,
    pub expected_ms: i64,
}

impl Timekeeper {
    pub(crate) fn start(clock: &dyn Clock, last: JournalTime) -> Self {
        let monotonic = clock.monotonic_ms();
        Self { anchor_wall_ms: clock.wall_ms(), anchor_monotonic_ms: monotonic, spent_monotonic_ms: monotonic, last }
    }

    pub(crate) fn now(&mut self, clock: &dyn Clock) -> (JournalTime, Option<Step>) {
        let hands = Hands::read(clock, |at| self.is_step(at.wall_ms, at.monotonic_ms));
        let (wall_ms, monotonic) = (hands.wall_ms, hands.monotonic_ms);
        let expected_ms = self.expected_ms(monotonic);
        let stepped = self.is_step(wall_ms, monotonic);
        if stepped {
            self.anchor_wall_ms = wall_ms;
            self.anchor_monotonic_ms = monotonic;
        }
        let anchored = if stepped { wall_ms } else { expected_ms };
        (self.advance(anchored, monotonic), stepped.then_some(Step { wall_ms, expected_ms }))
    }

    fn expected_ms(&self, monotonic: i64) -> i64 {
        self.anchor_wall_ms.saturating_add(monotonic - self.anchor_monotonic_ms)
    }

    fn is_step(&self, wall_ms: i64, monotonic: i64) -> bool {
        wall_ms.saturating_sub(self.expected_ms(monotonic)).saturating_abs() > STEP_MS
    }

    fn advance(&mut self, anchored_ms: i64, monotonic: i64) -> JournalTime {
        let half = (monotonic - self.spent_monotonic_ms).max(0) / 2;
        let slow = self.last.plus(half);
        if anchored_ms >= slow.0 {
            self.spent_monotonic_ms = monotonic;
            self.last = JournalTime(anchored_ms);
        } else {
            self.spent_monotonic_ms += 2 * half;
            self.last = slow;
        }
        self.last
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[derive(Default)]
    struct Hands {
        wall: AtomicI64,
        monotonic: AtomicI64,
    }

    impl Hands {
        fn run(&self, ms: i64) {
            self.wall.fetch_add(ms, Ordering::Relaxed);
            self.monotonic.fetch_add(ms, Ordering::Relaxed);
        }
    }

    impl Clock for Hands {
        fn wall_ms(&self) -> i64 {
            self.wall.load(Ordering::Relaxed)
        }
        fn monotonic_ms(&self) -> i64 {
            self.monotonic.load(Ordering::Relaxed)
        }
    }

    const HOUR: i64 = 3_600_000;

    #[test]
    fn semantics_18_a_clock_that_advances_between_the_two_readings_is_no_step() {
        struct Advancing(Hands, AtomicI64);
        impl Clock for Advancing {
            fn wall_ms(&self) -> i64 {
                let wall = self.0.wall_ms();
                self.0.run(self.1.swap(0, Ordering::Relaxed));
                wall
            }
            fn monotonic_ms(&self) -> i64 {
                self.0.monotonic_ms()
            }
        }
        let clock = Advancing(Hands::default(), AtomicI64::new(0));
        let mut time = Timekeeper::start(&clock, JournalTime::MIN);
        clock.1.store(HOUR, Ordering::Relaxed);
        assert_eq!(time.now(&clock), (JournalTime(HOUR), None));
    }

    #[test]
    fn semantics_18_hours_that_both_clocks_pass_together_are_no_step() {
        let clock = Hands::default();
        let mut time = Timekeeper::start(&clock, JournalTime::MIN);
        clock.run(7 * HOUR);
        assert_eq!(time.now(&clock), (JournalTime(7 * HOUR), None));
    }

    #[test]
    fn semantics_18_a_wall_clock_that_jumps_is_reported_once_and_followed() {
        let clock = Hands::default();
        let mut time = Timekeeper::start(&clock, JournalTime::MIN);
        clock.wall.store(HOUR, Ordering::Relaxed);
        assert_eq!(time.now(&clock), (JournalTime(HOUR), Some(Step { wall_ms: HOUR, expected_ms: 0 })));
        clock.run(10);
        assert_eq!(time.now(&clock), (JournalTime(HOUR + 10), None));
    }

    #[test]
    fn semantics_18_a_wall_clock_set_back_slows_journal_time_but_never_stops_or_turns_it() {
        let clock = Hands::default();
        clock.wall.store(HOUR, Ordering::Relaxed);
        let mut time = Timekeeper::start(&clock, JournalTime(HOUR));
        clock.wall.store(0, Ordering::Relaxed);
        assert_eq!(time.now(&clock).0, JournalTime(HOUR));
        for _ in 0..1_000 {
            clock.run(1);
            time.now(&clock);
        }
        assert_eq!(time.now(&clock), (JournalTime(HOUR + 500), None), "asking often must not lose the halves");
        clock.run(2 * HOUR);
        let (caught_up, _) = time.now(&clock);
        assert_eq!(caught_up, JournalTime(2 * HOUR + 1_000));
    }

    #[test]
    fn semantics_18_journal_time_does_not_decrease_when_the_clock_starts_before_the_last_record() {
        let clock = Hands::default();
        let mut time = Timekeeper::start(&clock, JournalTime(HOUR));
        assert_eq!(time.now(&clock), (JournalTime(HOUR), None));
    }
}
