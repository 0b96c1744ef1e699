//! What came in and what was turned away before it was durable (semantics 1: a ledger of its own, beside the books).

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
        Submissions = "submissions",
        ReadingsAdmitted = "readings_admitted",
        ReadingsQuarantined = "readings_quarantined",
        Undecodable = "undecodable",
        Qos0Received = "qos0_received",
        /// The journal was full: the sender keeps it and comes again.
        HeldBack = "held_back",
        /// The journal did not know: the sender comes again and intake finds the duplicate.
        Unsure = "unsure",
        /// Answered later than durable, to keep a device to its rate.
        Slowed = "slowed",
        VerdictsPublished = "verdicts_published",
        /// A subscriber that reads too slowly loses verdicts, never blocks.
        VerdictsDropped = "verdicts_dropped",
    }
}

#[derive(Debug)]
pub struct Ledger {
    refused: Vec<AtomicU64>,
    tallies: Vec<AtomicU64>,
}

impl Default for Ledger {
    fn default() -> Self {
        let zeros = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self { refused: zeros(Refusal::ALL.len()), tallies: zeros(Tally::ALL.len()) }
    }
}

impl Ledger {
    pub fn refuse(&self, why: Refusal) {
        self.refused[why as usize].fetch_add(1, Ordering::Relaxed);
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
