//! A reading as it stands after all its versions: what a patient's history is derived from.

use std::sync::Arc;

use painwatch_domain::reading::{Identity, Mode};
use painwatch_domain::{DeviceId, EventTime, Flags, Measure, Meta, ReadingId, Shape, Status, TenantId, Value};

use super::version::{Version, Versions};

/// The effective version of one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveReading {
    pub device: DeviceId,
    pub measure: Measure,
    /// Corrected event time: what rules and metrics use.
    pub time: EventTime,
    /// As the device claimed it: part of the identity.
    pub device_time: i64,
    pub end: Option<i64>,
    pub value: Value,
    pub flags: Flags,
    pub status: Status,
    pub revision: i64,
    pub mode: Mode,
    /// Another value of the same revision is kept beside it and nobody has decided (semantics 4).
    pub undecided: bool,
    /// The gateway's own id for it.
    pub id: Option<Box<str>>,
    /// Body site, laterality, recall, instrument, posture, dose …: `Meta` without status, revision, id, sequence and zone.
    pub about: Arc<Meta>,
}

impl EffectiveReading {
    pub(super) fn of(device: &DeviceId, version: &Version, undecided: bool, id: Option<&str>) -> Self {
        Self {
            device: device.clone(),
            measure: version.measure,
            time: version.time,
            device_time: version.device_time,
            end: version.end,
            value: version.value.clone(),
            flags: version.flags,
            status: version.status,
            revision: version.revision,
            mode: version.mode,
            undecided,
            id: id.map(Into::into),
            about: Arc::clone(&version.about),
        }
    }

    /// What stands of an identity: nothing when its effective version was entered in error.
    pub(super) fn standing(device: &DeviceId, versions: &Versions, id: Option<&str>) -> Option<Self> {
        let top = versions.top();
        (!top.retracts()).then(|| Self::of(device, top, versions.undecided(), id))
    }

    pub fn identity(&self) -> Identity {
        Identity {
            device_time: self.device_time,
            end: self.end,
            discriminator: self.about.discriminator(self.measure),
            id: self.id.as_deref().map(str::to_owned),
        }
    }

    pub fn reading_id(&self, tenant: &TenantId) -> ReadingId {
        self.identity().reading_id(tenant, &self.device, self.measure)
    }

    /// An undecided dose contributes nothing to any sum, whichever value came first; the sum is marked incomplete.
    pub fn counts_in_sums(&self) -> bool {
        !(self.undecided && self.measure.spec().shape == Shape::Dose)
    }

    /// End after the same correction as the time.
    pub fn end_time(&self) -> Option<EventTime> {
        self.end.map(|end| EventTime(end.saturating_add(self.time.0.saturating_sub(self.device_time))))
    }

    /// Whether a patient's history cannot tell the two apart: they may differ in revision only.
    pub fn means_the_same_as(&self, other: &Self) -> bool {
        let mut other = other.clone();
        other.revision = self.revision;
        *self == other
    }
}
