//! Token buckets: how long somebody has to wait to keep to a rate. A bucket is the instant at which it will be full.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use painwatch_domain::{GatewayId, TenantId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Devices and gateways whose rate is watched at once; some 10 MB.
const PAYERS_WATCHED: usize = 100_000;

/// A rate and how much may come at once.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    interval: Duration,
    burst: u32,
}

impl Rate {
    pub fn new(per_s: NonZeroU32, burst: NonZeroU32) -> Self {
        Self { interval: Duration::from_secs(1) / per_s.get(), burst: burst.get() }
    }

    /// Takes one token out of the bucket that is full at `full_at`; when it is there.
    fn charge(self, full_at: &mut Instant, now: Instant) -> Instant {
        *full_at = (*full_at).max(now) + self.interval;
        let due = *full_at - now;
        now + due.saturating_sub(self.interval * self.burst)
    }
}

/// One bucket.
#[derive(Debug)]
pub struct Bucket {
    rate: Rate,
    full_at: Instant,
}

impl Bucket {
    pub fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, full_at: now }
    }

    /// When the next may happen.
    pub fn charge(&mut self, now: Instant) -> Instant {
        self.rate.charge(&mut self.full_at, now)
    }
}

/// Keys with a bucket each; those that are full are forgotten, because a new one is full as well.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    full_at: HashMap<K, Instant>,
    capacity: usize,
}

impl<K: Eq + Hash> Buckets<K> {
    /// Beyond `capacity` keys that are all in arrears, further ones are not held back.
    pub fn new(rate: Rate, capacity: usize) -> Self {
        Self { rate, full_at: HashMap::new(), capacity }
    }

    /// When a message of `key` may be answered.
    pub fn charge(&mut self, key: K, now: Instant) -> Instant {
        if self.full_at.len() >= self.capacity && !self.full_at.contains_key(&key) {
            self.full_at.retain(|_, full_at| *full_at > now);
            if self.full_at.len() >= self.capacity {
                return now;
            }
        }
        self.rate.charge(self.full_at.entry(key).or_insert(now), now)
    }
}

/// Who pays for a message: a device for its readings, a gateway for what it says of itself and what names no device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Payer {
    Device(String),
    Gateway(GatewayId),
}

/// Keeps each device and each gateway to its rate of messages, whichever doors they come through (reliability S40).
#[derive(Debug)]
pub struct DeviceRates {
    buckets: Mutex<Buckets<(TenantId, Payer)>>,
    /// The doors close: no answer is withheld any more.
    stop: CancellationToken,
}

impl DeviceRates {
    pub fn new(rate: Rate, stop: CancellationToken) -> Self {
        Self { buckets: Mutex::new(Buckets::new(rate, PAYERS_WATCHED)), stop }
    }

    /// When a message that these pay for may be answered without exceeding anybody's rate; `None`: now.
    pub fn charge(&self, tenant: &TenantId, payers: impl IntoIterator<Item = Payer>) -> Option<Instant> {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let dues = payers.into_iter().map(|payer| buckets.charge((tenant.clone(), payer), now));
        dues.max().filter(|due| *due > now)
    }

    pub async fn wait(&self, due: Instant) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep_until(due) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_s: u32, burst: u32) -> Rate {
        Rate::new(NonZeroU32::new(per_s).unwrap(), NonZeroU32::new(burst).unwrap())
    }

    #[test]
    fn a_burst_passes_and_what_comes_after_it_keeps_to_the_rate() {
        let now = Instant::now();
        let mut buckets = Buckets::new(rate(10, 3), 10);
        let waits: Vec<_> = (0..5).map(|_| buckets.charge("a", now) - now).collect();
        let tenths = |count: u64| Duration::from_millis(100 * count);
        assert_eq!(waits, [tenths(0), tenths(0), tenths(0), tenths(1), tenths(2)]);
        assert_eq!(buckets.charge("b", now), now, "another key has a bucket of its own");
        let later = now + Duration::from_secs(60);
        assert_eq!(buckets.charge("a", later), later, "it is full again");
    }

    #[test]
    fn as_many_keys_are_remembered_as_may_be() {
        let now = Instant::now();
        let mut buckets = Buckets::new(rate(10, 1), 2);
        for key in 0..5 {
            assert_eq!(buckets.charge(key, now), now);
        }
        assert_eq!(buckets.full_at.len(), 2);
        let later = now + Duration::from_secs(1);
        buckets.charge(9, later);
        assert_eq!(buckets.full_at.len(), 1, "those that are full are forgotten");
    }
}
