//! What gateways and operators are answered from: verdicts, sequence numbers that arrived, the books of a day.

use painwatch_domain::{DeviceId, EventTime, GatewayId, JournalTime, Offset, SequenceRanges, TenantId};

/// Key: (tenant, cause). The verdict on one submission, for who asks later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictRow {
    pub tenant: TenantId,
    pub cause: Offset,
    pub gateway: GatewayId,
    /// Empty where the sender gave none.
    pub batch_id: String,
    /// Journal time of the submission.
    pub at: JournalTime,
    /// The verdict as it is journalled.
    pub verdict: Vec<u8>,
}

/// Which verdict is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerdictKey {
    /// The newest of the submissions of that name.
    Batch(String),
    Cause(Offset),
}

/// Key: (tenant, device, boot_id). Which sequence numbers arrived of one boot of a device. Replaced in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceRow {
    pub tenant: TenantId,
    pub device: DeviceId,
    pub boot_id: u32,
    /// Which gateway brought the newest of them.
    pub gateway: GatewayId,
    /// The least and the greatest number that arrived.
    pub first_seq: u64,
    pub last_seq: u64,
    /// What never arrived between the two.
    pub missing: SequenceRanges,
    /// Below this number it is no longer known what arrived.
    pub told_from: u64,
}

/// Whose sequences to list, by device and boot.
#[derive(Clone, Debug, Default)]
pub struct SequenceFilter {
    pub device: Option<DeviceId>,
    /// Only devices whose newest numbers this gateway brought.
    pub gateway: Option<GatewayId>,
    /// Only devices that come after this one.
    pub after: Option<DeviceId>,
    /// 0 is no limit.
    pub limit: usize,
}

/// Key: (tenant, day, gateway, reason). With an empty reason: readings of one gateway and UTC day, by class. With one:
/// how many submissions were refused for it before they were durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerRow {
    pub tenant: TenantId,
    /// Start of the UTC day.
    pub day: EventTime,
    /// Empty where nobody said, or may say, who they are.
    pub gateway: String,
    pub reason: String,
    /// As what is added, this and `quarantined` are negative where more left quarantine than was counted anew.
    pub submitted: i64,
    pub stored: u64,
    pub duplicate: u64,
    pub conflict: u64,
    pub quarantined: i64,
    pub refused: u64,
}

impl LedgerRow {
    /// Adds the counts of another row of the same key.
    pub fn add(&mut self, other: &Self) {
        self.submitted += other.submitted;
        self.stored += other.stored;
        self.duplicate += other.duplicate;
        self.conflict += other.conflict;
        self.quarantined += other.quarantined;
        self.refused += other.refused;
    }
}
