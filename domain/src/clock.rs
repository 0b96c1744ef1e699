//! What we hold against a clock that is not ours (semantics 7).

use std::collections::BTreeMap;

use crate::ids::{DeviceId, TenantId};
use crate::time::{DAY_MS, EventTime, HOUR_MS, MINUTE_MS, ReceivedAt};

/// 2000-01-01T00:00:00Z: before it no wearable existed, and after a lost battery clocks start there or in 1970.
pub const CLOCKS_START_MS: i64 = 946_684_800_000;
/// From here on a clock counts as fast (semantics 7).
pub const AHEAD_FLAGGED_MS: i64 = 5 * MINUTE_MS;
/// Beyond this its time is refused (semantics 7).
pub const AHEAD_REFUSED_MS: i64 = 24 * HOUR_MS;
/// Older than this at receipt is marked.
pub const BACKDATED_MS: i64 = 30 * DAY_MS;
/// A clock that counts from when it was switched on starts anew at every loss of power, so that an old estimate soon
/// says nothing; a calendar that is merely wrong goes on.
const COUNTER_REACH_MS: i64 = 24 * HOUR_MS;

/// How far a device's clock runs ahead of ours, as a journalled decision says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockOffset {
    /// Milliseconds; negative is behind.
    pub ahead_ms: i64,
    /// The boot it was seen in, where the device names its boots.
    pub boot_id: Option<u32>,
}

impl ClockOffset {
    /// When it happened that the device put at `device_time`.
    pub const fn event_time(&self, device_time: i64) -> EventTime {
        EventTime(device_time.saturating_sub(self.ahead_ms))
    }

    /// Whether an entry whose newest claim is `newest` was stamped by the clock that this was estimated of. A clock may
    /// have been set right since: what looks fresh as it stands is left as it stands, because moving it back would make
    /// what happens now look old, and silence it.
    pub fn explains(&self, newest: i64, boot_id: Option<u32>, received_at: ReceivedAt) -> bool {
        let same_boot = self.boot_id.is_none() || boot_id.is_none() || self.boot_id == boot_id;
        let claimed_ahead = newest.saturating_sub(received_at.0);
        let age = received_at.0.saturating_sub(self.event_time(newest).0);
        let oldest = match newest {
            _ if newest < CLOCKS_START_MS => COUNTER_REACH_MS,
            _ if claimed_ahead > AHEAD_REFUSED_MS => BACKDATED_MS,
            _ => i64::MAX,
        };
        same_boot && claimed_ahead.saturating_abs() >= AHEAD_FLAGGED_MS && age > -AHEAD_FLAGGED_MS && age <= oldest
    }
}

/// The devices whose clocks are known to be wrong, by tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownClocks(BTreeMap<(TenantId, DeviceId), ClockOffset>);

impl KnownClocks {
    pub fn of(&self, tenant: &TenantId, device: &DeviceId) -> Option<ClockOffset> {
        self.0.get(&(tenant.clone(), device.clone())).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&TenantId, &DeviceId, ClockOffset)> {
        self.0.iter().map(|((tenant, device), offset)| (tenant, device, *offset))
    }
}

impl FromIterator<(TenantId, DeviceId, ClockOffset)> for KnownClocks {
    fn from_iter<I: IntoIterator<Item = (TenantId, DeviceId, ClockOffset)>>(all: I) -> Self {
        Self(all.into_iter().map(|(tenant, device, offset)| ((tenant, device), offset)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: ReceivedAt = ReceivedAt(1_772_366_400_000);

    fn ahead(ahead_ms: i64) -> ClockOffset {
        ClockOffset { ahead_ms, boot_id: Some(1) }
    }

    #[test]
    fn semantics_7_a_clock_that_was_set_right_is_not_corrected_any_more() {
        for known in [ahead(2 * HOUR_MS), ahead(-2 * HOUR_MS), ahead(3_650 * DAY_MS), ahead(-NOW.0)] {
            assert!(known.explains(NOW.0 + known.ahead_ms, Some(1), NOW), "{known:?}");
            assert!(!known.explains(NOW.0 - 3_000, Some(1), NOW), "{known:?}");
            assert!(!known.explains(NOW.0 + known.ahead_ms, Some(2), NOW), "{known:?} after a restart");
        }
    }

    #[test]
    fn semantics_7_a_clock_that_counts_from_its_start_is_believed_for_a_day() {
        let known = ahead(-NOW.0);
        assert!(known.explains(-DAY_MS, Some(1), NOW) && !known.explains(-DAY_MS - 1, Some(1), NOW));
        let calendar = ahead(3_650 * DAY_MS);
        assert!(calendar.explains(NOW.0 + 3_650 * DAY_MS - 29 * DAY_MS, None, NOW));
    }

    #[test]
    fn semantics_7_an_absurd_claim_is_explained_by_nothing_and_does_not_overflow() {
        for claim in [i64::MIN, i64::MAX] {
            assert!(!ahead(HOUR_MS).explains(claim, None, NOW), "{claim}");
        }
    }
}
