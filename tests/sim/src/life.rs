//! One life of the process. It ends at a step: at the instant before or after something that others can see. Whoever takes
//! a step after that never returns from it, so nothing done later has any effect.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use painwatch_domain::Clock;
use tokio::sync::Notify;

type Act = Box<dyn FnMut() -> Next + Send>;

/// What becomes of the process when its steps are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Dead,
    /// The disk has been told to fail; the process ends when it notices.
    Doomed,
    /// It has been asked to stop.
    Asked,
}

#[derive(Default)]
struct State {
    steps: u64,
    last: Option<u64>,
    act: Option<Act>,
    dead: bool,
    asked: bool,
}

pub struct Life {
    /// As the process reads it.
    pub clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: Notify,
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life").field("steps", &self.state().steps).finish_non_exhaustive()
    }
}

impl Life {
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, state: Mutex::default(), changed: Notify::default() })
    }

    /// After so many more steps, `act` is done at once.
    pub fn end_after(&self, steps: u64, act: Act) {
        let mut state = self.state();
        state.last = Some(state.steps + steps);
        state.act = Some(act);
    }

    /// Something that others can see is about to happen, or has happened.
    pub async fn step(&self) {
        if !self.is_over() {
            return;
        }
        std::future::pending().await
    }

    fn is_over(&self) -> bool {
        let mut state = self.state();
        if state.dead {
            return true;
        }
        state.steps += 1;
        if state.last.is_none_or(|last| state.steps <= last) {
            return false;
        }
        state.last = None;
        let next = state.act.take().map_or(Next::Dead, |mut act| act());
        state.dead = next == Next::Dead;
        state.asked = next == Next::Asked;
        drop(state);
        self.changed.notify_waiters();
        next == Next::Dead
    }

    /// Nothing has any effect from here on.
    pub fn kill(&self) {
        self.state().dead = true;
        self.changed.notify_waiters();
    }

    pub fn ask_to_stop(&self) {
        self.state().asked = true;
        self.changed.notify_waiters();
    }

    pub async fn died(&self) {
        self.until(|state| state.dead).await
    }

    pub async fn asked_to_stop(&self) {
        self.until(|state| state.asked).await
    }

    async fn until(&self, is: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            if is(&self.state()) {
                return;
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
