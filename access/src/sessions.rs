//! Console sessions and the one-time link that opens one. In memory: a restart logs everybody out.

use std::collections::HashMap;

use crate::secret::digest;
use crate::{Principal, Secret};

/// How long and how many.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// A session nobody used for this long is over.
    pub idle_ms: i64,
    /// Sessions kept at once; the one unused longest makes room.
    pub sessions: usize,
    /// Unused links kept at once; the one that ends first makes room.
    pub links: usize,
}

impl Default for SessionLimits {
    /// Half an hour covers a ward round; a thousand sessions are a large clinic's browsers.
    fn default() -> Self {
        Self { idle_ms: 30 * 60_000, sessions: 1_000, links: 100 }
    }
}

/// What a browser gets: the cookie's value, and the token its pages send back with every change.
#[derive(Clone, Debug)]
pub struct Login {
    pub token: Secret,
    pub csrf: Secret,
    pub principal: Principal,
}

/// Keyed by the token's digest: a dump of this table opens nothing.
type Key = [u8; 32];

#[derive(Debug)]
struct Session {
    principal: Principal,
    csrf: Secret,
    last_used_ms: i64,
}

#[derive(Debug)]
struct Link {
    principal: Principal,
    ends_ms: i64,
}

#[derive(Debug)]
pub struct Sessions {
    limits: SessionLimits,
    sessions: HashMap<Key, Session>,
    links: HashMap<Key, Link>,
}

impl Sessions {
    pub fn new(limits: SessionLimits) -> Self {
        Self { limits, sessions: HashMap::new(), links: HashMap::new() }
    }

    pub fn issue_link(&mut self, principal: Principal, now_ms: i64, valid_ms: i64) -> Secret {
        self.links.retain(|_, link| now_ms < link.ends_ms);
        if self.links.len() >= self.limits.links {
            let soonest = self.links.iter().min_by_key(|(_, link)| link.ends_ms).map(|(key, _)| *key);
            soonest.and_then(|key| self.links.remove(&key));
        }
        let code = Secret::random(24);
        self.links.insert(digest(code.reveal()), Link { principal, ends_ms: now_ms.saturating_add(valid_ms) });
        code
    }

    pub fn exchange_link(&mut self, code: &str, now_ms: i64) -> Option<Login> {
        let link = self.links.remove(&digest(code))?;
        (now_ms < link.ends_ms).then(|| self.begin(link.principal, now_ms))
    }

    pub fn begin(&mut self, principal: Principal, now_ms: i64) -> Login {
        let idle_ms = self.limits.idle_ms;
        self.sessions.retain(|_, session| now_ms.saturating_sub(session.last_used_ms) < idle_ms);
        if self.sessions.len() >= self.limits.sessions {
            let stalest = self.sessions.iter().min_by_key(|(_, session)| session.last_used_ms).map(|(key, _)| *key);
            stalest.and_then(|key| self.sessions.remove(&key));
        }
        let (token, csrf) = (Secret::random(32), Secret::random(32));
        let session = Session { principal: principal.clone(), csrf: csrf.clone(), last_used_ms: now_ms };
        self.sessions.insert(digest(token.reveal()), session);
        Login { token, csrf, principal }
    }

    pub fn principal(&mut self, token: &str, now_ms: i64) -> Option<Principal> {
        self.live(token, now_ms).map(|session| session.principal.clone())
    }

    pub fn csrf_fits(&mut self, token: &str, csrf: &str, now_ms: i64) -> bool {
        self.live(token, now_ms).is_some_and(|session| session.csrf.matches(csrf))
    }

    pub fn csrf_of(&mut self, token: &str, now_ms: i64) -> Option<Secret> {
        self.live(token, now_ms).map(|session| session.csrf.clone())
    }

    pub fn end(&mut self, token: &str) {
        self.sessions.remove(&digest(token));
    }

    fn live(&mut self, token: &str, now_ms: i64) -> Option<&mut Session> {
        let key = digest(token);
        let idle_ms = now_ms.saturating_sub(self.sessions.get(&key)?.last_used_ms);
        if idle_ms >= self.limits.idle_ms {
            self.sessions.remove(&key);
            return None;
        }
        let session = self.sessions.get_mut(&key)?;
        session.last_used_ms = session.last_used_ms.max(now_ms);
        Some(session)
    }
}
