//! Which gateways there are and what lets each of them in: decided here, without a clock and without a file.
//!
//! Kept are digests. SHA-256 is enough for them: every token has 256 random bits, so there is nothing to guess that a
//! slow hash would slow down, and a slow one at every CONNECT would be a way to keep us busy.

mod form;
mod store;

use std::collections::{BTreeMap, HashMap};

use crate::principal::GatewayPrincipal;

pub use store::{RegistryError, RegistryFile};

/// Grants that ended this long ago are forgotten at the next change: nobody asks any more why one was refused.
const REMEMBERED_MS: i64 = 90 * 24 * 3_600_000;
/// Grants of one kind that one gateway may have at once: a rotation needs two; more is a script that forgot to stop.
pub const GRANTS_MAX: usize = 16;
/// Hexadecimal digits by which a person names a grant.
const SHORT_NAME: usize = 12;

pub type Digest = [u8; 32];

/// What a grant is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A bearer token or MQTT password.
    Token,
    /// A client certificate that our own authority issued.
    Certificate,
    /// A code that is traded once for a certificate.
    Enrolment,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Token, Self::Certificate, Self::Enrolment];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Enrolment => "enrolment",
        }
    }
}

/// One credential, from when until when (exclusive) it holds. Times are UTC milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    pub kind: Kind,
    pub digest: Digest,
    pub from_ms: i64,
    pub until_ms: Option<i64>,
    pub revoked_ms: Option<i64>,
}

impl Grant {
    /// By what a person names it. Says nothing about the secret: it begins a digest.
    pub fn name(&self) -> String {
        hex::encode(self.digest)[..SHORT_NAME].to_owned()
    }

    pub fn holds(&self, now_ms: i64) -> bool {
        self.revoked_ms.is_none() && now_ms < self.until_ms.unwrap_or(i64::MAX)
    }

    fn ended_ms(&self) -> Option<i64> {
        self.revoked_ms.into_iter().chain(self.until_ms).min()
    }
}

/// A gateway and its grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub added_ms: i64,
    /// Set while nothing lets it in.
    pub revoked_ms: Option<i64>,
    /// It may change what is prescribed: write orders and fills beside the roster.
    pub may_order: bool,
    pub grants: Vec<Grant>,
}

/// Why a change of the register is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error("gateway {0} is not registered: `painwatch gateway add {0}` adds it")]
    Unknown(String),
    #[error("gateway {0} is revoked: `painwatch gateway add {0}` lets it in again")]
    Revoked(String),
    #[error("gateway {0} has {GRANTS_MAX} live credentials of this kind: revoke some first")]
    TooMany(String),
    #[error("no live credential begins with {0:?}")]
    NoSuchGrant(String),
    #[error("{0:?} begins more than one credential: give more digits")]
    Ambiguous(String),
    #[error("this credential is known already")]
    Known,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    gateways: BTreeMap<GatewayPrincipal, Entry>,
    /// Whose each grant is.
    holders: HashMap<(Kind, Digest), GatewayPrincipal>,
}

impl Registry {
    pub fn gateways(&self) -> impl Iterator<Item = (&GatewayPrincipal, &Entry)> {
        self.gateways.iter()
    }

    pub fn entry(&self, who: &GatewayPrincipal) -> Option<&Entry> {
        self.gateways.get(who)
    }

    /// Whose grant this is, while it holds.
    pub fn holder(&self, kind: Kind, digest: &Digest, now_ms: i64) -> Option<&GatewayPrincipal> {
        let who = self.holders.get(&(kind, *digest))?;
        let entry = self.gateways.get(who).filter(|entry| entry.revoked_ms.is_none())?;
        let grant = entry.grants.iter().find(|grant| grant.kind == kind && grant.digest == *digest)?;
        grant.holds(now_ms).then_some(who)
    }

    /// Whether the gateway is registered and not revoked, whatever it brings.
    pub fn is_admitted(&self, who: &GatewayPrincipal) -> bool {
        self.gateways.get(who).is_some_and(|entry| entry.revoked_ms.is_none())
    }

    /// Whether the gateway may write orders and fills.
    pub fn may_order(&self, who: &GatewayPrincipal) -> bool {
        self.gateways.get(who).is_some_and(|entry| entry.revoked_ms.is_none() && entry.may_order)
    }

    /// Lets a gateway write orders and fills, or no longer.
    ///
    /// # Errors
    /// The gateway is unknown or revoked.
    pub fn let_order(&mut self, who: &GatewayPrincipal, may_order: bool) -> Result<(), ChangeError> {
        Self::admitted(&mut self.gateways, who)?.may_order = may_order;
        Ok(())
    }

    /// Registers the gateway; one that was revoked is let in again, its earlier grants are not. True when that was news.
    pub fn add(&mut self, who: &GatewayPrincipal, now_ms: i64) -> bool {
        if let Some(entry) = self.gateways.get_mut(who) {
            return entry.revoked_ms.take().is_some();
        }
        self.gateways.insert(who.clone(), Entry { added_ms: now_ms, ..Entry::default() });
        true
    }

    /// Adds a grant.
    ///
    /// # Errors
    /// The gateway is unknown, revoked or has too many; the digest is somebody's already.
    pub fn issue(&mut self, who: &GatewayPrincipal, grant: Grant) -> Result<(), ChangeError> {
        let entry = Self::admitted(&mut self.gateways, who)?;
        let live = entry.grants.iter().filter(|known| known.kind == grant.kind && known.holds(grant.from_ms)).count();
        if live >= GRANTS_MAX {
            return Err(ChangeError::TooMany(who.gateway.to_string()));
        }
        if self.holders.contains_key(&(grant.kind, grant.digest)) {
            return Err(ChangeError::Known);
        }
        entry.grants.push(grant);
        self.holders.insert((grant.kind, grant.digest), who.clone());
        self.forget(grant.from_ms);
        Ok(())
    }

    /// What holds now of this kind ends at `until_ms` at the latest; returns how many that were.
    ///
    /// # Errors
    /// The gateway is unknown or revoked.
    pub fn expire(
        &mut self,
        who: &GatewayPrincipal,
        kind: Kind,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<usize, ChangeError> {
        let entry = Self::admitted(&mut self.gateways, who)?;
        let live = entry.grants.iter_mut().filter(|grant| grant.kind == kind && grant.holds(now_ms));
        Ok(live
            .map(|grant| grant.until_ms = Some(grant.until_ms.map_or(until_ms, |until| until.min(until_ms))))
            .count())
    }

    /// Nothing lets this gateway in any more.
    ///
    /// # Errors
    /// The gateway is unknown.
    pub fn revoke(&mut self, who: &GatewayPrincipal, now_ms: i64) -> Result<(), ChangeError> {
        let unknown = || ChangeError::Unknown(who.gateway.to_string());
        let entry = self.gateways.get_mut(who).ok_or_else(unknown)?;
        entry.revoked_ms.get_or_insert(now_ms);
        entry.grants.iter_mut().filter(|grant| grant.holds(now_ms)).for_each(|grant| grant.revoked_ms = Some(now_ms));
        Ok(())
    }

    /// Revokes the one live grant whose digest begins so; returns whose it was.
    ///
    /// # Errors
    /// None begins so, or several do.
    pub fn revoke_grant(&mut self, name: &str, now_ms: i64) -> Result<(GatewayPrincipal, Kind), ChangeError> {
        let wanted = name.to_ascii_lowercase();
        let mut found: Vec<(GatewayPrincipal, &mut Grant)> = Vec::new();
        for (who, entry) in &mut self.gateways {
            let live = entry.grants.iter_mut().filter(|grant| grant.holds(now_ms));
            let named = live.filter(|grant| !wanted.is_empty() && hex::encode(grant.digest).starts_with(&wanted));
            found.extend(named.map(|grant| (who.clone(), grant)));
        }
        match &mut found[..] {
            [] => Err(ChangeError::NoSuchGrant(name.to_owned())),
            [(who, grant)] => {
                grant.revoked_ms = Some(now_ms);
                Ok((who.clone(), grant.kind))
            }
            _ => Err(ChangeError::Ambiguous(name.to_owned())),
        }
    }

    /// Uses an enrolment code up. The second attempt with the same code finds nobody.
    pub fn redeem(&mut self, code: &Digest, now_ms: i64) -> Option<GatewayPrincipal> {
        let who = self.holder(Kind::Enrolment, code, now_ms)?.clone();
        let grants = &mut self.gateways.get_mut(&who)?.grants;
        let grant = grants.iter_mut().find(|grant| grant.kind == Kind::Enrolment && grant.digest == *code)?;
        grant.revoked_ms = Some(now_ms);
        Some(who)
    }

    fn admitted<'a>(
        gateways: &'a mut BTreeMap<GatewayPrincipal, Entry>,
        who: &GatewayPrincipal,
    ) -> Result<&'a mut Entry, ChangeError> {
        match gateways.get_mut(who) {
            None => Err(ChangeError::Unknown(who.gateway.to_string())),
            Some(Entry { revoked_ms: Some(_), .. }) => Err(ChangeError::Revoked(who.gateway.to_string())),
            Some(entry) => Ok(entry),
        }
    }

    fn forget(&mut self, now_ms: i64) {
        let is_old = |grant: &Grant| grant.ended_ms().is_some_and(|ended| ended < now_ms - REMEMBERED_MS);
        for entry in self.gateways.values_mut() {
            let old: Vec<Grant> = entry.grants.extract_if(.., |grant| is_old(grant)).collect();
            for grant in old {
                self.holders.remove(&(grant.kind, grant.digest));
            }
        }
    }
}

#[cfg(test)]
mod tests;
