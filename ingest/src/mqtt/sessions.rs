//! Who is connected under which client id, which sessions outlive their connection, and who listens for verdicts.
//!
//! In memory: a restart forgets sessions, and clients are told so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mqtt_protocol_core::mqtt::packet::Qos;
use painwatch_access::GatewayPrincipal;
use painwatch_domain::TenantId;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Sessions kept without a connection; the one that ends first makes room.
const IDLE_SESSIONS: usize = 20_000;
/// Verdicts queued for one subscriber; more are dropped.
const QUEUED_VERDICTS: usize = 256;

/// A verdict on its way to a subscriber.
#[derive(Debug)]
pub struct Notice {
    pub payload: Bytes,
    pub correlation: Option<Vec<u8>>,
}

type Key = (TenantId, String);

/// A session and, while there is one, its connection.
#[derive(Debug)]
struct Session {
    generation: u64,
    /// Cancelling it tells the connection that another took its place.
    taken_over: Option<CancellationToken>,
    subscription: Option<Qos>,
    /// When a session without a connection ends.
    ends: Option<Instant>,
}

#[derive(Debug)]
struct Listener {
    generation: u64,
    notices: mpsc::Sender<Arc<Notice>>,
}

#[derive(Debug, Default)]
struct State {
    next_generation: u64,
    sessions: HashMap<Key, Session>,
    listeners: HashMap<GatewayPrincipal, Vec<Listener>>,
}

#[derive(Debug, Default)]
pub struct Sessions {
    state: Mutex<State>,
}

/// What a connection learns when it enters.
#[derive(Debug)]
pub struct Entry {
    pub generation: u64,
    pub session_present: bool,
    pub subscription: Option<Qos>,
    pub taken_over: CancellationToken,
}

impl Sessions {
    /// Takes the client id over from whoever holds it.
    pub fn enter(&self, tenant: &TenantId, client_id: &str, clean_start: bool, now: Instant) -> Entry {
        let mut state = self.lock();
        state.next_generation += 1;
        let generation = state.next_generation;
        let key = (tenant.clone(), client_id.to_owned());
        let earlier = state.sessions.remove(&key);
        if let Some(connection) = earlier.as_ref().and_then(|session| session.taken_over.as_ref()) {
            connection.cancel();
        }
        let kept = earlier.filter(|session| !clean_start && session.ends.is_none_or(|ends| now < ends));
        let subscription = kept.as_ref().and_then(|session| session.subscription);
        let taken_over = CancellationToken::new();
        let session = Session { generation, taken_over: Some(taken_over.clone()), subscription, ends: None };
        state.sessions.insert(key, session);
        Entry { generation, session_present: kept.is_some(), subscription, taken_over }
    }

    /// The connection is gone; its session stays for `keep`.
    pub fn leave(&self, who: &GatewayPrincipal, client_id: &str, generation: u64, keep: Duration, now: Instant) {
        let mut state = self.lock();
        state.unlisten(who, generation);
        let key = (who.tenant.clone(), client_id.to_owned());
        let Some(session) = state.sessions.get_mut(&key).filter(|session| session.generation == generation) else {
            return;
        };
        session.taken_over = None;
        session.ends = Some(now + keep);
        if keep.is_zero() {
            state.sessions.remove(&key);
        }
        state.make_room(now);
    }

    /// Subscribes a connection to its gateway's verdicts, or changes its subscription.
    pub fn listen(
        &self,
        who: &GatewayPrincipal,
        client_id: &str,
        generation: u64,
        qos: Qos,
    ) -> mpsc::Receiver<Arc<Notice>> {
        let (notices, receiver) = mpsc::channel(QUEUED_VERDICTS);
        let mut state = self.lock();
        state.unlisten(who, generation);
        state.listeners.entry(who.clone()).or_default().push(Listener { generation, notices });
        state.remember(who, client_id, generation, Some(qos));
        receiver
    }

    pub fn stop_listening(&self, who: &GatewayPrincipal, client_id: &str, generation: u64) {
        let mut state = self.lock();
        state.unlisten(who, generation);
        state.remember(who, client_id, generation, None);
    }

    pub fn has_listeners(&self, who: &GatewayPrincipal) -> bool {
        self.lock().listeners.contains_key(who)
    }

    /// Hands a verdict to every subscriber that has room for it; returns (delivered, dropped).
    pub fn notify(&self, who: &GatewayPrincipal, notice: &Arc<Notice>) -> (u64, u64) {
        let state = self.lock();
        let listeners = state.listeners.get(who).map_or(&[][..], Vec::as_slice);
        let delivered = listeners.iter().filter(|to| to.notices.try_send(Arc::clone(notice)).is_ok()).count() as u64;
        (delivered, listeners.len() as u64 - delivered)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn unlisten(&mut self, who: &GatewayPrincipal, generation: u64) {
        if let Some(listeners) = self.listeners.get_mut(who) {
            listeners.retain(|listener| listener.generation != generation);
            if listeners.is_empty() {
                self.listeners.remove(who);
            }
        }
    }

    fn remember(&mut self, who: &GatewayPrincipal, client_id: &str, generation: u64, subscription: Option<Qos>) {
        let session = self.sessions.get_mut(&(who.tenant.clone(), client_id.to_owned()));
        if let Some(session) = session.filter(|session| session.generation == generation) {
            session.subscription = subscription;
        }
    }

    fn make_room(&mut self, now: Instant) {
        if self.sessions.len() <= IDLE_SESSIONS {
            return;
        }
        self.sessions.retain(|_, session| session.ends.is_none_or(|ends| now < ends));
        let idle = self.sessions.iter().filter_map(|(key, session)| session.ends.map(|ends| (ends, key)));
        if self.sessions.len() > IDLE_SESSIONS
            && let Some((_, soonest)) = idle.min_by_key(|(ends, _)| *ends)
        {
            let soonest = soonest.clone();
            self.sessions.remove(&soonest);
        }
    }
}

#[cfg(test)]
mod tests {
    use painwatch_domain::GatewayId;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn gateway(id: &str) -> GatewayPrincipal {
        GatewayPrincipal { tenant: TenantId::default(), gateway: GatewayId::parse(id).unwrap() }
    }

    #[test]
    fn a_second_connection_takes_the_session_over_and_the_first_cannot_end_it() {
        let (sessions, who, now) = (Sessions::default(), gateway("gw-1"), Instant::now());
        let first = sessions.enter(&who.tenant, "gw-1", true, now);
        let second = sessions.enter(&who.tenant, "gw-1", false, now);
        assert!(first.taken_over.is_cancelled() && !second.taken_over.is_cancelled());
        assert!(second.session_present && !first.session_present);
        sessions.leave(&who, "gw-1", first.generation, Duration::ZERO, now);
        let third = sessions.enter(&who.tenant, "gw-1", false, now);
        assert!(second.taken_over.is_cancelled() && third.session_present);
    }

    #[test]
    fn a_session_is_kept_as_long_as_was_agreed_with_its_subscription() {
        let (sessions, who, now) = (Sessions::default(), gateway("gw-1"), Instant::now());
        let first = sessions.enter(&who.tenant, "gw-1", true, now);
        let _notices = sessions.listen(&who, "gw-1", first.generation, Qos::AtLeastOnce);
        assert!(sessions.has_listeners(&who));
        sessions.leave(&who, "gw-1", first.generation, HOUR, now);
        assert!(!sessions.has_listeners(&who));
        let second = sessions.enter(&who.tenant, "gw-1", false, now + HOUR / 2);
        assert!(second.session_present && second.subscription == Some(Qos::AtLeastOnce));
        sessions.leave(&who, "gw-1", second.generation, HOUR, now);
        let late = sessions.enter(&who.tenant, "gw-1", false, now + HOUR);
        assert!(!late.session_present && late.subscription.is_none());
    }

    #[test]
    fn a_verdict_goes_to_its_own_gateways_listeners_and_a_full_one_loses_it() {
        let (sessions, one, two) = (Sessions::default(), gateway("gw-1"), gateway("gw-2"));
        let entry = sessions.enter(&one.tenant, "gw-1", true, Instant::now());
        let mut notices = sessions.listen(&one, "gw-1", entry.generation, Qos::AtMostOnce);
        let notice = Arc::new(Notice { payload: Bytes::new(), correlation: None });
        assert_eq!(sessions.notify(&two, &notice), (0, 0));
        for _ in 0..QUEUED_VERDICTS {
            assert_eq!(sessions.notify(&one, &notice), (1, 0));
        }
        assert_eq!(sessions.notify(&one, &notice), (0, 1));
        assert!(notices.try_recv().is_ok());
    }
}
