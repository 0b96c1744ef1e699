//! How far the clocks of devices and gateways run ahead of ours or behind (semantics 7), out of when submissions came in
//! and what they claimed. A pure function of the journal's prefix; what it concludes is journalled before it is used.
//!
//! A submission is never received before its newest reading was taken, so what a clock is ahead is at least the newest
//! claim minus the receipt, and by how much more depends on how long it was on its way. A *run* is a row of submissions
//! in which that difference stays the same: nothing but a clock that is off, or an upload that is always equally late,
//! looks like that. Late uploads are told apart where they can be; where they cannot, the clock is believed.

use std::collections::BTreeMap;

use painwatch_domain::clock::{AHEAD_FLAGGED_MS, CLOCKS_START_MS};
use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{ClockOffset, DeviceId, GatewayId, TenantId};
use serde::{Deserialize, Serialize};

/// Differences within this are one clock: gateways hand on once a minute.
const AGREE_MS: i64 = MINUTE_MS;
/// Ahead cannot be a late upload, so little is asked for: two coincidences and a burst that says one thing thrice.
const FEW: u32 = 3;
const FEW_LAST_MS: i64 = 2 * MINUTE_MS;
/// Behind looks like a late upload: an hour of submissions that never come fresher, so often that their rhythm does not
/// explain the age, and older than any gateway gathers.
const MANY: u32 = 12;
const MANY_LAST_MS: i64 = HOUR_MS;
const MANY_EVERY_MS: i64 = 10 * MINUTE_MS;
const BEHIND_MS: i64 = 30 * MINUTE_MS;
/// Clocks that are further off than this (the epoch of 1900 in 2050) are no clocks.
const ABSURD_MS: i64 = 150 * 366 * DAY_MS;

/// The newest claim of one submission, and when that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub claimed: i64,
    pub received_at: i64,
    pub boot_id: Option<u32>,
}

/// Submissions in a row whose claims differ from their receipts by the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    boot_id: Option<u32>,
    least_ms: i64,
    most_ms: i64,
    count: u32,
    from: i64,
    to: i64,
    /// Some claim lies before any device existed.
    impossible: bool,
}

impl Run {
    const fn of(seen: Sighting) -> Self {
        let ahead_ms = seen.claimed.saturating_sub(seen.received_at);
        let Sighting { received_at, boot_id, .. } = seen;
        let impossible = seen.claimed < CLOCKS_START_MS;
        Self {
            boot_id,
            least_ms: ahead_ms,
            most_ms: ahead_ms,
            count: 1,
            from: received_at,
            to: received_at,
            impossible,
        }
    }

    /// The run with `seen` in it, if it belongs there.
    fn with(&self, seen: Sighting) -> Option<Self> {
        let one = Self::of(seen);
        let (least_ms, most_ms) = (self.least_ms.min(one.least_ms), self.most_ms.max(one.most_ms));
        let belongs = one.boot_id == self.boot_id && most_ms.saturating_sub(least_ms) <= AGREE_MS;
        belongs.then(|| Self {
            boot_id: self.boot_id,
            least_ms,
            most_ms,
            count: self.count.saturating_add(1),
            from: self.from.min(one.from),
            to: self.to.max(one.to),
            impossible: self.impossible || one.impossible,
        })
    }

    const fn lasts_ms(&self) -> i64 {
        self.to.saturating_sub(self.from)
    }

    /// How far the clock is ahead; 0 for one that is right, `None` while nothing can be said.
    fn says(&self, gateway: Option<i64>) -> Option<i64> {
        let ahead_ms = self.most_ms;
        if self.count < FEW || self.lasts_ms() < FEW_LAST_MS || ahead_ms.saturating_abs() > ABSURD_MS {
            return None;
        }
        let right = ahead_ms.saturating_abs() < AHEAD_FLAGGED_MS;
        let as_its_gateway = gateway.is_some_and(|gateway| gateway.abs_diff(ahead_ms) <= AGREE_MS as u64);
        let certain = ahead_ms >= AHEAD_FLAGGED_MS || self.impossible || as_its_gateway;
        match (right, certain || self.is_never_fresher()) {
            (true, _) => Some(0),
            (_, true) => Some(ahead_ms),
            _ => None,
        }
    }

    const fn is_never_fresher(&self) -> bool {
        let every_ms = self.lasts_ms() / (self.count as i64 - 1);
        let often = self.count >= MANY && self.lasts_ms() >= MANY_LAST_MS && every_ms <= MANY_EVERY_MS;
        often && self.most_ms <= -BEHIND_MS
    }
}

/// A conclusion about one clock, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Milliseconds ahead of ours; negative is behind, 0 takes an earlier estimate back.
    pub ahead_ms: i64,
    pub boot_id: Option<u32>,
    pub sightings: u32,
    /// Received in `[from, to]`, in milliseconds.
    pub from: i64,
    pub to: i64,
    /// How far the sightings lie apart.
    pub spread_ms: i64,
}

/// One clock: what is being seen of it, what was last concluded, and what is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Watched {
    run: Option<Run>,
    /// Concluded, perhaps not yet read back from the journal: it must not be concluded again with each submission.
    concluded: (i64, Option<u32>),
    in_force: Option<Estimate>,
}

impl Watched {
    fn see(&mut self, seen: Sighting, gateway: Option<i64>) -> Option<Estimate> {
        let run = self.run.as_ref().and_then(|run| run.with(seen)).unwrap_or_else(|| Run::of(seen));
        let ahead_ms = run.says(gateway);
        let (sightings, from, to, spread_ms) = (run.count, run.from, run.to, run.most_ms - run.least_ms);
        let boot_id = run.boot_id.filter(|_| ahead_ms != Some(0));
        self.run = Some(run);
        let ahead_ms = ahead_ms?;
        let (before_ms, before_boot) = self.concluded;
        let moved = ahead_ms.abs_diff(before_ms) > AGREE_MS as u64 || (ahead_ms == 0) != (before_ms == 0);
        if !moved && boot_id == before_boot {
            return None;
        }
        self.concluded = (ahead_ms, boot_id);
        Some(Estimate { ahead_ms, boot_id, sightings, from, to, spread_ms })
    }
}

/// Every clock that submissions were stamped by, each by itself: one that is wrong says nothing about another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// By `tenant/device`.
    devices: BTreeMap<String, Watched>,
    /// By `tenant/gateway`, by `sent_at`.
    gateways: BTreeMap<String, Watched>,
}

impl Clocks {
    /// Takes the newest claim of a device in a live submission; a conclusion, when it is a new one. A gateway that is
    /// behind by as much as its device was bears it out: both are stamped by the phone that is both.
    pub fn see_device(
        &mut self,
        tenant: &TenantId,
        device: &DeviceId,
        gateway: &GatewayId,
        seen: Sighting,
    ) -> Option<Estimate> {
        let gateway = self.gateways.get(&format!("{tenant}/{gateway}"));
        let gateway = gateway.map(|watched| watched.concluded.0).filter(|ahead_ms| *ahead_ms != 0);
        self.devices.entry(format!("{tenant}/{device}")).or_default().see(seen, gateway)
    }

    /// Takes the `sent_at` of a live submission, which says when it was sent: nothing but its way makes it older.
    pub fn see_gateway(&mut self, tenant: &TenantId, gateway: &GatewayId, seen: Sighting) -> Option<Estimate> {
        let own = seen.claimed.saturating_sub(seen.received_at);
        self.gateways.entry(format!("{tenant}/{gateway}")).or_default().see(seen, Some(own))
    }

    /// Puts an estimate in force, as its journal record says.
    pub fn decide_device(&mut self, tenant: &TenantId, device: &DeviceId, estimate: Estimate) {
        self.devices.entry(format!("{tenant}/{device}")).or_default().in_force = Some(estimate);
    }

    pub fn decide_gateway(&mut self, tenant: &TenantId, gateway: &GatewayId, estimate: Estimate) {
        self.gateways.entry(format!("{tenant}/{gateway}")).or_default().in_force = Some(estimate);
    }

    /// The estimates in force of devices whose clocks are wrong.
    pub fn known(&self) -> painwatch_domain::KnownClocks {
        let wrong = |(key, watched): (&String, &Watched)| {
            let (tenant, device) = key.split_once('/')?;
            let estimate = watched.in_force.as_ref().filter(|estimate| estimate.ahead_ms != 0)?;
            let offset = ClockOffset { ahead_ms: estimate.ahead_ms, boot_id: estimate.boot_id };
            Some((TenantId::parse(tenant).ok()?, DeviceId::parse(device).ok()?, offset))
        };
        self.devices.iter().filter_map(wrong).collect()
    }
}

#[cfg(test)]
mod tests;
