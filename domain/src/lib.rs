//! The words of the field: what every other crate means by a reading, a measure, a finding, an alert.
//!
//! Never: I/O, a clock, a serialisation format. Everything here is a value or a pure function.

pub mod alert;
pub mod clock;
pub mod finding;
pub mod ids;
mod listed;
pub mod measure;
pub mod order;
mod pairings;
pub mod reading;
pub mod roster;
pub mod sequence;
pub mod steady;
pub mod time;
pub mod unit;
pub mod verdict;

pub use alert::{AlertKind, AlertState, Condition, Disposition, Priority, RuleDomain};
pub use clock::{ClockOffset, KnownClocks};
pub use finding::{Episode, Finding, FindingKind};
pub use ids::{AlertId, DeviceId, GatewayId, Hash128, IdError, MedicationId, PatientId, ReadingId, RuleId, TenantId};
pub use measure::{Measure, Shape};
pub use reading::{Flags, Meta, Mode, Sample, Series, Status, Value};
pub use roster::{Roster, Rosters};
pub use sequence::SequenceRanges;
pub use time::{Clock, EventTime, JournalTime, LocalDay, ReceivedAt, Zone};
pub use verdict::{BatchVerdict, Class, Problem, ProblemCode};

/// Position of a record in a journal partition: consecutive from 0, never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub u64);

impl Offset {
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
