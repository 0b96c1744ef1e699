//! What came in and what was turned away before it was durable (semantics 1: a ledger of its own, beside the books).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use painwatch_access::GatewayPrincipal;
use painwatch_domain::{GatewayId, TenantId};

/// Gateways whose refusals are told apart between two records of them; what exceeds that is booked without a name.
const NAMED: usize = 1_024;

macro_rules! counters {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

counters! {
    /// Why something was refused before it was durable. Counted in submissions: what was never decoded has no readings.
    Refusal {
        Authentication = "authentication",
        /// A topic, client id or gateway that is not the credential's.
        Authorization = "authorization",
        NotYourDevice = "not_your_device",
        TooLarge = "too_large",
        Malformed = "malformed",
        /// QoS 0 that could not be kept: nothing was promised.
        Qos0Shed = "qos0_shed",
        /// More connections than the limit.
        Busy = "busy",
    }
}

counters! {
    /// What happened, for metrics.
    Tally {
        Connections = "connections",
        ConnectionFaults = "connection_faults",
        /// Times that an existing broker let us subscribe.
        BrokerConnections = "broker_connections",
        /// TLS that was not agreed on, or plain bytes from where they may not come.
        HandshakesFailed = "handshakes_failed",
        Submissions = "submissions",
        ReadingsAdmitted = "readings_admitted",
        ReadingsQuarantined = "readings_quarantined",
        Undecodable = "undecodable",
        Qos0Received = "qos0_received",
        /// The journal was full: the sender keeps it and comes again.
        HeldBack = "held_back",
        /// The journal did not know: the sender comes again and intake finds the duplicate.
        Unsure = "unsure",
        /// Held until the tables had caught up.
        Paced = "paced",
        /// Answered later than durable, to keep a device to its rate.
        Slowed = "slowed",
        VerdictsPublished = "verdicts_published",
        /// For subscribers that are away.
        VerdictsKept = "verdicts_kept",
        /// A subscriber that reads too slowly loses verdicts, never blocks.
        VerdictsDropped = "verdicts_dropped",
    }
}

/// Whose refusal, and why. No name where nobody said, or may say, who they are.
type Refused = (TenantId, Option<GatewayId>, Refusal);

#[derive(Debug)]
pub struct Ledger {
    refused: Vec<AtomicU64>,
    tallies: Vec<AtomicU64>,
    /// Refusals that are not in the journal yet.
    unwritten: Mutex<BTreeMap<Refused, u64>>,
}

/// Refusals of one tenant: whose, why, how many.
pub type RefusalCounts = Vec<(Option<GatewayId>, Refusal, u64)>;

impl Default for Ledger {
    fn default() -> Self {
        let zeros = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self { refused: zeros(Refusal::ALL.len()), tallies: zeros(Tally::ALL.len()), unwritten: Mutex::default() }
    }
}

impl Ledger {
    /// Something of nobody we know.
    pub fn refuse(&self, why: Refusal) {
        self.book((TenantId::default(), None, why));
    }

    /// Something of a gateway that has shown who it is.
    pub fn refuse_of(&self, from: &GatewayPrincipal, why: Refusal) {
        self.book((from.tenant.clone(), Some(from.gateway.clone()), why));
    }

    fn book(&self, refused: Refused) {
        self.refused[refused.2 as usize].fetch_add(1, Ordering::Relaxed);
        self.add(&mut self.unwritten(), refused, 1);
    }

    fn add(&self, unwritten: &mut BTreeMap<Refused, u64>, refused: Refused, count: u64) {
        let (tenant, gateway, why) = refused;
        let room = unwritten.len() < NAMED || unwritten.contains_key(&(tenant.clone(), gateway.clone(), why));
        *unwritten.entry((tenant, gateway.filter(|_| room), why)).or_default() += count;
    }

    /// Whose refusals are not written yet.
    pub fn refused_tenants(&self) -> BTreeSet<TenantId> {
        self.unwritten().keys().map(|(tenant, ..)| tenant.clone()).collect()
    }

    /// What of a tenant was refused since the last call.
    pub fn take_refusals(&self, tenant: &TenantId) -> RefusalCounts {
        let mut unwritten = self.unwritten();
        let (taken, left) = std::mem::take(&mut *unwritten).into_iter().partition(|((of, ..), _)| of == tenant);
        *unwritten = left;
        let taken: BTreeMap<Refused, u64> = taken;
        taken.into_iter().map(|((_, gateway, why), count)| (gateway, why, count)).collect()
    }

    /// What could not be written after all.
    pub fn put_back(&self, tenant: &TenantId, counts: RefusalCounts) {
        let mut unwritten = self.unwritten();
        for (gateway, why, count) in counts {
            self.add(&mut unwritten, (tenant.clone(), gateway, why), count);
        }
    }

    fn unwritten(&self) -> MutexGuard<'_, BTreeMap<Refused, u64>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn count(&self, what: Tally, by: u64) {
        self.tallies[what as usize].fetch_add(by, Ordering::Relaxed);
    }

    pub fn refused(&self, why: Refusal) -> u64 {
        self.refused[why as usize].load(Ordering::Relaxed)
    }

    pub fn tally(&self, what: Tally) -> u64 {
        self.tallies[what as usize].load(Ordering::Relaxed)
    }

    /// The `refused` of the books.
    pub fn refused_total(&self) -> u64 {
        Refusal::ALL.iter().map(|why| self.refused(*why)).sum()
    }

    /// Every counter by name, for a metrics page.
    pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
        let refused = Refusal::ALL.iter().map(|why| (why.as_str(), self.refused(*why)));
        refused.chain(Tally::ALL.iter().map(|what| (what.as_str(), self.tally(*what)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(gateway: &str) -> GatewayPrincipal {
        GatewayPrincipal { tenant: TenantId::default(), gateway: GatewayId::parse(gateway).unwrap() }
    }

    #[test]
    fn refusals_are_taken_once_by_gateway_and_reason_and_can_be_put_back() {
        let ledger = Ledger::default();
        for _ in 0..3 {
            ledger.refuse_of(&from("gw-1"), Refusal::NotYourDevice);
        }
        ledger.refuse(Refusal::Authentication);
        let (main, other) = (TenantId::default(), TenantId::canary());
        ledger.refuse_of(&GatewayPrincipal { tenant: other.clone(), ..from("gw-1") }, Refusal::Busy);
        let taken = ledger.take_refusals(&main);
        let mine = Some(GatewayId::parse("gw-1").unwrap());
        let expected = vec![(None, Refusal::Authentication, 1), (mine, Refusal::NotYourDevice, 3)];
        assert_eq!(taken, expected);
        assert!(ledger.take_refusals(&main).is_empty());
        assert_eq!(ledger.refused_tenants(), [other.clone()].into(), "another's stay");
        ledger.put_back(&main, expected);
        ledger.refuse(Refusal::Authentication);
        assert_eq!(ledger.take_refusals(&main)[0].2, 2);
        assert_eq!(ledger.take_refusals(&other).len(), 1);
        assert_eq!((ledger.refused_total(), ledger.refused(Refusal::NotYourDevice)), (6, 3));
    }

    #[test]
    fn beyond_the_named_ones_a_refusal_is_booked_without_a_name() {
        let ledger = Ledger::default();
        for number in 0..NAMED + 5 {
            ledger.refuse_of(&from(&format!("gw-{number}")), Refusal::Busy);
        }
        let taken = ledger.take_refusals(&TenantId::default());
        assert_eq!(taken.len(), NAMED + 1);
        assert_eq!(taken[0], (None, Refusal::Busy, 5));
        assert_eq!(taken.iter().map(|(_, _, count)| count).sum::<u64>(), NAMED as u64 + 5);
    }
}
