//! Notices what was revoked, has expired or was replaced while the server runs.

use std::sync::Arc;
use std::time::Duration;

use painwatch_domain::Clock;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::Access;
use crate::tls::Tls;

/// Looks every so often until stopped. Whatever no longer holds is cut within one `every` and the time it takes to look.
pub async fn watch(
    access: Arc<Access>,
    tls: Option<Arc<Tls>>,
    clock: Arc<dyn Clock>,
    every: Duration,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut complained = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let replaced = tls.as_ref().filter(|tls| is_replaced(tls, &mut complained));
        let ended = access.expel(clock.wall_ms(), replaced.map(|tls| &**tls));
        if ended > 0 {
            tracing::info!(ended, "sessions whose credential was revoked or has expired were ended");
        }
    }
}

/// Files that cannot be used are complained about once, until they can.
fn is_replaced(tls: &Tls, complained: &mut bool) -> bool {
    match tls.reload_if_changed() {
        Ok(replaced) => {
            *complained = false;
            replaced
        }
        Err(error) => {
            if !*complained {
                tracing::error!(%error, "the replaced TLS files cannot be used; the last ones stay in force");
                *complained = true;
            }
            false
        }
    }
}
