//! Who is inside at the moment, and by which credential: so that a revocation reaches those who came in before it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::principal::GatewayCredential;

#[derive(Debug)]
struct Held {
    credential: GatewayCredential,
    ended: CancellationToken,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    held: HashMap<u64, Held>,
}

#[derive(Clone, Debug, Default)]
pub struct Leases(Arc<Mutex<Table>>);

impl Leases {
    pub fn take(&self, credential: &GatewayCredential) -> Lease {
        let ended = CancellationToken::new();
        let mut table = self.lock();
        table.next += 1;
        let number = table.next;
        table.held.insert(number, Held { credential: credential.clone(), ended: ended.clone() });
        Lease { leases: self.clone(), number, ended }
    }

    /// Ends every lease whose credential no longer holds; returns how many.
    pub fn end_unless(&self, holds: impl Fn(&GatewayCredential) -> bool) -> usize {
        let table = self.lock();
        let ending = table.held.values().filter(|held| !held.ended.is_cancelled() && !holds(&held.credential));
        ending.map(|held| held.ended.cancel()).count()
    }

    pub fn count(&self) -> usize {
        self.lock().held.len()
    }

    /// A panic elsewhere while the lock was held leaves a map that is still a map.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by a session or stream for as long as it runs.
#[derive(Debug)]
pub struct Lease {
    leases: Leases,
    number: u64,
    ended: CancellationToken,
}

impl Lease {
    /// Resolves when the credential was revoked or expired: the session has to end.
    pub fn ended(&self) -> WaitForCancellationFuture<'_> {
        self.ended.cancelled()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.lock().held.remove(&self.number);
    }
}
