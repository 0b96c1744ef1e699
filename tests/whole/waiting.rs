//! Waiting for other processes, which no channel of ours can report.

use std::time::{Duration, Instant};

/// Between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Waits until `happened`; whether it did within `limit`.
pub fn until(limit: Duration, mut happened: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while !happened() {
        if Instant::now() > end {
            return false;
        }
        pause(LOOK_EVERY);
    }
    true
}

/// Lets real time pass, for what depends on nothing else: a moment at random, a minute that a rule asks for.
#[expect(clippy::disallowed_methods, reason = "there is nothing to wait for but time")]
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
