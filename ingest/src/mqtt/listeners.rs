//! Which sessions are to hear the verdicts on their gateway's submissions: those that are connected, and those that are away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use painwatch_access::GatewayPrincipal;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::away::{Away, KEPT_OF_ONE};

/// Verdicts queued for one subscriber; more are dropped. What was kept while it was away fits.
const QUEUED_VERDICTS: usize = KEPT_OF_ONE;

/// A verdict on its way to a subscriber.
#[derive(Debug)]
pub struct Notice {
    pub payload: Bytes,
    pub correlation: Option<Vec<u8>>,
}

/// To how many sessions a verdict went, for how many it is kept, and how many verdicts were lost for it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Notified {
    pub published: u64,
    pub kept: u64,
    pub dropped: u64,
}

#[derive(Debug)]
struct Listener {
    client_id: String,
    generation: u64,
    notices: mpsc::Sender<Arc<Notice>>,
}

#[derive(Debug, Default)]
struct State {
    here: HashMap<GatewayPrincipal, Vec<Listener>>,
    away: Away,
}

#[derive(Debug, Default)]
pub struct Listeners {
    state: Mutex<State>,
}

impl Listeners {
    /// From now on the connection hears the verdicts, first those that were kept for its session.
    pub fn listen(&self, who: &GatewayPrincipal, client_id: &str, generation: u64) -> mpsc::Receiver<Arc<Notice>> {
        let (notices, receiver) = mpsc::channel(QUEUED_VERDICTS);
        let mut state = self.lock();
        for kept in state.away.come_back(who, client_id) {
            // As many fit as are kept.
            let _ = notices.try_send(kept);
        }
        let client_id = client_id.to_owned();
        state.here.entry(who.clone()).or_default().push(Listener { client_id, generation, notices });
        receiver
    }

    /// The session, if there was one, is another's or without a subscription: nothing is kept for it.
    pub fn forget(&self, who: &GatewayPrincipal, client_id: &str) {
        self.lock().away.come_back(who, client_id);
    }

    pub fn stop(&self, who: &GatewayPrincipal, generation: u64) {
        self.lock().stop(who, generation);
    }

    /// The connection ends and its session lasts: what it has not seen or not acknowledged, and what comes from now on, is kept
    /// until then. Returns how many are dropped. Nothing, when another connection has the session by now.
    pub fn leave(
        &self,
        (who, client_id, generation): (&GatewayPrincipal, &str, u64),
        until: Instant,
        unacknowledged: impl Iterator<Item = Arc<Notice>>,
        unread: &mut mpsc::Receiver<Arc<Notice>>,
    ) -> u64 {
        let mut state = self.lock();
        state.stop(who, generation);
        let same = |other: &Listener| other.client_id == client_id && other.generation > generation;
        if state.here.get(who).is_some_and(|listeners| listeners.iter().any(same)) {
            return 0;
        }
        let unread = std::iter::from_fn(|| unread.try_recv().ok());
        state.away.leave((who, client_id), until, unacknowledged.chain(unread))
    }

    /// A session that the journal remembers, and that may come back.
    pub fn expect(&self, who: &GatewayPrincipal, client_id: &str, until: Instant) {
        self.lock().away.leave((who, client_id), until, std::iter::empty());
    }

    pub fn are_there(&self, who: &GatewayPrincipal) -> bool {
        let state = self.lock();
        state.here.contains_key(who) || state.away.expects(who)
    }

    /// Hands a verdict to every subscriber that has room for it, and keeps it for those who are away.
    pub fn notify(&self, who: &GatewayPrincipal, notice: &Arc<Notice>, now: Instant) -> Notified {
        let mut state = self.lock();
        let (kept, given_up) = state.away.keep(who, notice, now);
        let listeners = state.here.get(who).map_or(&[][..], Vec::as_slice);
        let published = listeners.iter().filter(|to| to.notices.try_send(Arc::clone(notice)).is_ok()).count() as u64;
        Notified { published, kept, dropped: listeners.len() as u64 - published + given_up }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn stop(&mut self, who: &GatewayPrincipal, generation: u64) {
        if let Some(listeners) = self.here.get_mut(who) {
            listeners.retain(|listener| listener.generation != generation);
            if listeners.is_empty() {
                self.here.remove(who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use painwatch_domain::{GatewayId, TenantId};

    use super::*;

    fn gateway(id: &str) -> GatewayPrincipal {
        GatewayPrincipal { tenant: TenantId::default(), gateway: GatewayId::parse(id).unwrap() }
    }

    #[test]
    fn a_verdict_goes_to_its_own_gateways_listeners_and_a_full_one_loses_it() {
        let (listeners, one, two) = (Listeners::default(), gateway("gw-1"), gateway("gw-2"));
        let now = Instant::now();
        let mut notices = listeners.listen(&one, "gw-1", 1);
        let notice = Arc::new(Notice { payload: Bytes::new(), correlation: None });
        assert_eq!(listeners.notify(&two, &notice, now), Notified::default());
        for _ in 0..QUEUED_VERDICTS {
            assert_eq!(listeners.notify(&one, &notice, now), Notified { published: 1, ..Notified::default() });
        }
        assert_eq!(listeners.notify(&one, &notice, now), Notified { dropped: 1, ..Notified::default() });
        assert!(notices.try_recv().is_ok());
        listeners.stop(&one, 1);
        assert!(!listeners.are_there(&one));
    }

    #[test]
    fn whoever_was_taken_over_takes_nothing_along() {
        let (listeners, who, now) = (Listeners::default(), gateway("gw-1"), Instant::now());
        let mut first = listeners.listen(&who, "gw-1", 1);
        let mut second = listeners.listen(&who, "gw-1", 2);
        listeners.leave((&who, "gw-1", 1), now + std::time::Duration::from_secs(9), std::iter::empty(), &mut first);
        let notice = Arc::new(Notice { payload: Bytes::new(), correlation: None });
        assert_eq!(listeners.notify(&who, &notice, now), Notified { published: 1, ..Notified::default() });
        listeners.leave((&who, "gw-1", 2), now + std::time::Duration::from_secs(9), std::iter::empty(), &mut second);
        assert_eq!(listeners.notify(&who, &notice, now), Notified { kept: 1, ..Notified::default() });
        let mut third = listeners.listen(&who, "gw-1", 3);
        assert!(third.try_recv().is_ok() && third.try_recv().is_ok() && third.try_recv().is_err());
    }
}
