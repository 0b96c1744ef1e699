//! Who is connected under which client id, and which sessions outlive their connection.
//!
//! Changes of a session that is to survive a restart are returned as records, which the caller journals.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mqtt_protocol_core::mqtt::packet::Qos;
use painwatch_access::GatewayPrincipal;
use painwatch_proto::journal::v1::{MqttExchange, MqttSession};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::exchanges::Exchanges;

/// Sessions that ended and stand in the next survey of all; beyond it the oldest stand only in their own records.
const ENDED_MAX: usize = 20_000;

/// Bound to the credential: another gateway's client of the same name is another session.
type Key = (GatewayPrincipal, String);

/// A session and, while there is one, its connection.
#[derive(Debug)]
struct Session {
    generation: u64,
    /// Cancelling it tells the connection that another took its place.
    taken_over: Option<CancellationToken>,
    subscription: Option<Qos>,
    expiry_s: u32,
    /// When a session without a connection ends.
    ends: Option<Instant>,
    left_ms: Option<i64>,
    /// Names it in the journal; 0 when it ends with its connection.
    number: u64,
    exchanges: Arc<Mutex<Exchanges>>,
    /// Cancelling it keeps the will of the last connection from being spoken.
    will: Option<CancellationToken>,
}

#[derive(Debug, Default)]
struct State {
    last_generation: u64,
    last_revision: u64,
    /// Those of one gateway lie side by side.
    sessions: BTreeMap<Key, Session>,
    ended: Vec<(GatewayPrincipal, MqttSession)>,
}

/// How many sessions there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub all: usize,
    /// Of one gateway, so that none takes the others' places with client ids of its own.
    pub of_gateway: usize,
}

#[derive(Debug)]
pub struct Sessions {
    state: Mutex<State>,
    limit: Limit,
}

/// What a client wants of its session.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub clean_start: bool,
    /// How long the session is to outlive its connection; 0: not at all.
    pub expiry_s: u32,
}

/// What a connection learns when it enters.
#[derive(Debug)]
pub struct Entry {
    pub generation: u64,
    pub session_present: bool,
    pub subscription: Option<Qos>,
    pub taken_over: CancellationToken,
    pub number: u64,
    pub exchanges: Arc<Mutex<Exchanges>>,
    /// To be durable before the client is told.
    pub record: Option<MqttSession>,
}

/// A session as the journal remembers it.
#[derive(Debug)]
pub struct Recalled {
    pub who: GatewayPrincipal,
    pub record: MqttSession,
    pub exchanges: Exchanges,
    pub remaining: Duration,
}

impl Sessions {
    pub fn new(limit: Limit, recalled: Vec<Recalled>, last_revision: u64, now: Instant) -> Self {
        let mut state = State { last_revision, ..State::default() };
        for recalled in recalled {
            if state.make_room(&recalled.who, limit, now) {
                let key = (recalled.who.clone(), recalled.record.client_id.clone());
                state.sessions.insert(key, Session::recalled(recalled, now));
            }
        }
        Self { state: Mutex::new(state), limit }
    }

    pub fn count(&self) -> usize {
        self.lock().sessions.len()
    }

    /// Takes the client id over from whoever holds it. `None` when there are as many sessions as may be, of this gateway or of all, and
    /// all of them are connected.
    pub fn enter(&self, who: &GatewayPrincipal, client_id: &str, asked: Asked, now: Instant) -> Option<Entry> {
        let mut state = self.lock();
        let key = (who.clone(), client_id.to_owned());
        let earlier = state.sessions.remove(&key);
        if earlier.is_none() && !state.make_room(who, self.limit, now) {
            return None;
        }
        if let Some(earlier) = &earlier {
            earlier.give_way();
        }
        let was_durable = earlier.as_ref().is_some_and(|session| session.number != 0);
        let kept = earlier.filter(|session| !asked.clean_start && !session.is_over(now));
        let session_present = kept.is_some();
        state.last_generation += 1;
        let mut session = kept.unwrap_or_else(Session::new);
        session.begin(state.last_generation, asked.expiry_s);
        let is_new = session.number == 0 && asked.expiry_s > 0;
        let record = (was_durable || is_new || session.number != 0).then(|| {
            let revision = state.next_revision();
            if is_new {
                session.number = revision;
            }
            let record = session.record(&key, revision);
            if record.number == 0 {
                state.note_end(&key.0, &record);
            }
            record
        });
        let taken_over = CancellationToken::new();
        session.taken_over = Some(taken_over.clone());
        let entry = Entry {
            generation: session.generation,
            session_present,
            subscription: session.subscription,
            taken_over,
            number: session.number,
            exchanges: Arc::clone(&session.exchanges),
            record,
        };
        state.sessions.insert(key, session);
        Some(entry)
    }

    /// The connection is gone; its session stays for `keep_s`.
    pub fn leave(
        &self,
        who: &GatewayPrincipal,
        client_id: &str,
        generation: u64,
        keep_s: u32,
        now: (Instant, i64),
    ) -> Option<MqttSession> {
        let mut state = self.lock();
        let key = (who.clone(), client_id.to_owned());
        let session = state.sessions.get_mut(&key).filter(|session| session.generation == generation)?;
        session.taken_over = None;
        session.expiry_s = keep_s;
        session.ends = Some(now.0 + Duration::from_secs(u64::from(keep_s)));
        session.left_ms = Some(now.1);
        if keep_s > 0 && session.number != 0 {
            return state.changed(&key);
        }
        let over = if keep_s == 0 { state.sessions.remove(&key) } else { None };
        over.and_then(|over| state.end(&key, &over))
    }

    /// The subscription to the gateway's verdicts changes.
    pub fn subscribe(
        &self,
        who: &GatewayPrincipal,
        client_id: &str,
        generation: u64,
        subscription: Option<Qos>,
    ) -> Option<MqttSession> {
        let mut state = self.lock();
        let key = (who.clone(), client_id.to_owned());
        let session = state.sessions.get_mut(&key).filter(|session| session.generation == generation)?;
        let same = std::mem::replace(&mut session.subscription, subscription) == subscription;
        if same || session.number == 0 { None } else { state.changed(&key) }
    }

    /// A will that is spoken later, unless the client comes back. `None` when another connection is there already.
    pub fn defer_will(&self, who: &GatewayPrincipal, client_id: &str, generation: u64) -> Option<CancellationToken> {
        let mut state = self.lock();
        let session = state.sessions.get_mut(&(who.clone(), client_id.to_owned()))?;
        if session.generation != generation {
            return None;
        }
        let will = CancellationToken::new();
        session.will = Some(will.clone());
        Some(will)
    }

    /// Every session that is to survive a restart, and those that ended since the last survey.
    pub fn survey(&self) -> Vec<(GatewayPrincipal, MqttSession)> {
        let mut state = self.lock();
        let mut all = std::mem::take(&mut state.ended);
        let revision = state.next_revision();
        let durable = state.sessions.iter().filter(|(_, session)| session.number != 0);
        all.extend(durable.map(|(key, session)| (key.0.clone(), session.record(key, revision))));
        all
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn new() -> Self {
        Self {
            generation: 0,
            taken_over: None,
            subscription: None,
            expiry_s: 0,
            ends: None,
            left_ms: None,
            number: 0,
            exchanges: Arc::default(),
            will: None,
        }
    }

    fn recalled(recalled: Recalled, now: Instant) -> Self {
        let Recalled { record, exchanges, remaining, .. } = recalled;
        Self {
            subscription: record.verdicts_qos.and_then(|qos| Qos::try_from(u8::try_from(qos).ok()?).ok()),
            expiry_s: record.expiry_s,
            ends: Some(now + remaining),
            left_ms: record.left_ms,
            number: record.number,
            exchanges: Arc::new(Mutex::new(exchanges)),
            ..Self::new()
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }

    fn give_way(&self) {
        for waiting in [&self.taken_over, &self.will].into_iter().flatten() {
            waiting.cancel();
        }
    }

    fn begin(&mut self, generation: u64, expiry_s: u32) {
        self.generation = generation;
        self.expiry_s = expiry_s;
        (self.ends, self.left_ms, self.will) = (None, None, None);
        self.exchanges().forget_undurable();
    }

    fn exchanges(&self) -> MutexGuard<'_, Exchanges> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, key: &Key, revision: u64) -> MqttSession {
        let open = if self.number == 0 { Vec::new() } else { self.exchanges().durable() };
        let exchange = |(packet_id, digest): (u16, [u8; 16])| MqttExchange {
            session: 0,
            packet_id: u32::from(packet_id),
            digest: digest.to_vec().into(),
        };
        MqttSession {
            gateway: key.0.gateway.to_string(),
            client_id: key.1.clone(),
            revision,
            number: self.number,
            expiry_s: self.expiry_s,
            verdicts_qos: self.subscription.map(|qos| u32::from(qos as u8)),
            left_ms: self.left_ms,
            open: open.into_iter().map(exchange).collect(),
        }
    }
}

impl State {
    fn next_revision(&mut self) -> u64 {
        self.last_revision += 1;
        self.last_revision
    }

    fn changed(&mut self, key: &Key) -> Option<MqttSession> {
        let revision = self.next_revision();
        self.sessions.get(key).map(|session| session.record(key, revision))
    }

    /// The record that ends a session in the journal, if it was there.
    fn end(&mut self, key: &Key, over: &Session) -> Option<MqttSession> {
        if over.number == 0 {
            return None;
        }
        let ended = MqttSession { number: 0, open: Vec::new(), ..over.record(key, self.next_revision()) };
        self.note_end(&key.0, &ended);
        Some(ended)
    }

    fn note_end(&mut self, who: &GatewayPrincipal, ended: &MqttSession) {
        if self.ended.len() < ENDED_MAX {
            self.ended.push((who.clone(), ended.clone()));
        }
    }

    /// Room for one more of a gateway: what is over goes, then a session without a connection: the gateway's own, and where it has
    /// none and few enough, somebody's. Of several the one that ends first.
    fn make_room(&mut self, who: &GatewayPrincipal, limit: Limit, now: Instant) -> bool {
        let fits = |state: &Self, own: usize| own < limit.of_gateway && state.sessions.len() < limit.all;
        if fits(self, self.own(who).count()) {
            return true;
        }
        self.sessions.retain(|_, session| !session.is_over(now));
        let own = self.own(who).count();
        if fits(self, own) {
            return true;
        }
        let may_take = own < limit.of_gateway;
        let idle = soonest(self.own(who)).or_else(|| soonest(self.sessions.iter()).filter(|_| may_take));
        let Some(idle) = idle else { return false };
        if let Some(over) = self.sessions.remove(&idle) {
            self.end(&idle, &over);
        }
        true
    }

    fn own<'a>(&'a self, who: &'a GatewayPrincipal) -> impl Iterator<Item = (&'a Key, &'a Session)> {
        self.sessions.range((who.clone(), String::new())..).take_while(move |(key, _)| key.0 == *who)
    }
}

/// Which of these sessions without a connection ends first.
fn soonest<'a>(sessions: impl Iterator<Item = (&'a Key, &'a Session)>) -> Option<Key> {
    let idle = sessions.filter_map(|(key, session)| session.ends.map(|ends| (ends, key)));
    idle.min_by_key(|(ends, _)| *ends).map(|(_, key)| key.clone())
}

#[cfg(test)]
mod tests;
