//! Whether an input lives, out of what its canary came to. Without I/O and without a clock.

/// An input that has a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    Mqtt,
    Grpc,
    Http,
    /// MQTT at `/mqtt` on the HTTP listener.
    WebSocket,
    /// An existing broker, and our way in from there.
    Broker,
}

impl Input {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Grpc => "grpc",
            Self::Http => "http",
            Self::WebSocket => "websocket",
            Self::Broker => "broker",
        }
    }
}

/// One instant on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub wall_ms: i64,
    /// By which durations are told, whatever becomes of the wall clock.
    pub monotonic_ms: i64,
}

/// What is to be journalled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub alive: bool,
    /// Alive: when it answered; dead: when it last had, or when we began to ask.
    pub since_ms: i64,
    pub detail: String,
}

#[derive(Debug)]
pub struct Watch {
    dead_after_ms: i64,
    answered: Moment,
    has_answered: bool,
    /// Probes in a row that came to nothing.
    pub missed: u64,
    /// What the journal says, as far as this process wrote it.
    told: Option<bool>,
}

impl Watch {
    pub const fn new(now: Moment, dead_after_ms: i64) -> Self {
        Self { dead_after_ms, answered: now, has_answered: false, missed: 0, told: None }
    }

    pub const fn dead_after_ms(&self) -> i64 {
        self.dead_after_ms
    }

    /// When it last answered, by the wall clock.
    pub fn answered_ms(&self) -> Option<i64> {
        self.has_answered.then_some(self.answered.wall_ms)
    }

    /// A probe ended, with its failure if it came to nothing; what is to be told.
    pub fn note(&mut self, now: Moment, failure: Option<&str>) -> Option<Change> {
        let Some(why) = failure else {
            (self.answered, self.has_answered, self.missed) = (now, true, 0);
            let change = Change { alive: true, since_ms: now.wall_ms, detail: String::new() };
            return (self.told != Some(true)).then_some(change);
        };
        self.missed += 1;
        let silent_ms = now.monotonic_ms - self.answered.monotonic_ms;
        let dead = silent_ms >= self.dead_after_ms && self.told != Some(false);
        dead.then(|| Change { alive: false, since_ms: self.answered.wall_ms, detail: why.to_owned() })
    }

    /// The change is in the journal.
    pub fn told(&mut self, change: &Change) {
        self.told = Some(change.alive);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Moment {
        Moment { wall_ms: 1_772_323_200_000 + seconds * 1_000, monotonic_ms: seconds * 1_000 }
    }

    fn noted(watch: &mut Watch, seconds: i64, failure: Option<&str>) -> Option<(bool, i64)> {
        let change = watch.note(at(seconds), failure)?;
        watch.told(&change);
        Some((change.alive, (change.since_ms - at(0).wall_ms) / 1_000))
    }

    #[test]
    fn an_input_is_told_to_live_once_to_be_dead_once_and_to_be_back() {
        let mut watch = Watch::new(at(0), 45_000);
        assert_eq!(noted(&mut watch, 0, None), Some((true, 0)));
        assert_eq!(noted(&mut watch, 15, None), None);
        assert_eq!(noted(&mut watch, 30, Some("no verdict")), None);
        assert_eq!(noted(&mut watch, 59, Some("no verdict")), None);
        assert_eq!(noted(&mut watch, 60, Some("no verdict")), Some((false, 15)));
        assert_eq!(noted(&mut watch, 75, Some("no verdict")), None);
        assert_eq!((watch.missed, watch.answered_ms()), (4, Some(at(15).wall_ms)));
        assert_eq!(noted(&mut watch, 90, None), Some((true, 90)));
    }

    #[test]
    fn one_that_never_answered_is_dead_since_it_was_asked_and_a_failure_between_answers_is_none() {
        let mut watch = Watch::new(at(0), 45_000);
        assert_eq!(noted(&mut watch, 44, Some("refused")), None);
        assert_eq!(watch.answered_ms(), None);
        assert_eq!(noted(&mut watch, 45, Some("refused")), Some((false, 0)));
        let mut watch = Watch::new(at(0), 45_000);
        for round in 0..100 {
            let failure = (round % 3 != 0).then_some("refused");
            assert_eq!(noted(&mut watch, round * 15, failure).is_some(), round == 0, "{round}");
        }
    }

    #[test]
    fn what_could_not_be_journalled_is_told_with_the_next_probe() {
        let mut watch = Watch::new(at(0), 45_000);
        assert!(watch.note(at(1), None).is_some() && watch.note(at(2), None).is_some());
        assert!(watch.note(at(60), Some("refused")).is_some() && watch.note(at(61), Some("refused")).is_some());
    }

    #[test]
    fn a_wall_clock_that_jumps_kills_nobody() {
        let mut watch = Watch::new(at(0), 45_000);
        assert_eq!(noted(&mut watch, 1, None), Some((true, 1)));
        let leapt = Moment { wall_ms: at(0).wall_ms + 86_400_000, monotonic_ms: 20_000 };
        assert_eq!(watch.note(leapt, Some("refused")), None);
    }
}
