//! What stood between us and the devices: our own pauses, gateways that were away or behind with their uploads
//! (semantics 15, 16).
//!
//! Everything here is told by journal records at their journal time: our own gaps, what gateways say of themselves, and
//! which gateway brought a device's readings. It decides when silence may be told and which cause a blind time has, never
//! what a reading means.

use std::collections::BTreeMap;

use painwatch_domain::GatewayId;
use painwatch_domain::time::MINUTE_MS;
use serde::{Deserialize, Serialize};

use super::coverage::{DeviceStates, Interval, both, merged};

/// After a pause of ours, or a gateway's return, what waited has so long to arrive before silence is told [engineering
/// choice]: gateways come back spread over minutes, and the oldest they hold comes first.
pub const GRACE_MS: i64 = 10 * MINUTE_MS;
/// Intervals and states kept of each: a gateway that comes and goes every minute must not grow without end.
const KEPT_MAX: usize = 256;
/// First byte of the bytes. Raise it with every change to the form.
const FORMAT: u8 = 1;

/// A state with its past.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Spells {
    over: Vec<Interval>,
    since: Option<i64>,
}

impl Spells {
    fn set(&mut self, holds: bool, from: i64, now: i64) -> bool {
        match (holds, self.since) {
            (true, None) => self.since = Some(from),
            (true, Some(since)) if from < since => self.since = Some(from),
            (false, Some(since)) => {
                self.since = None;
                self.over.push((since, now.max(since)));
                let extra = self.over.len().saturating_sub(KEPT_MAX);
                self.over.drain(..extra);
            }
            _ => return false,
        }
        true
    }

    /// All spells, that which lasts until the end of time; each that is over `grace_ms` longer.
    fn all(&self, grace_ms: i64) -> impl Iterator<Item = Interval> + '_ {
        let over = self.over.iter().map(move |(from, to)| (*from, to.saturating_add(grace_ms)));
        over.chain(self.since.map(|since| (since, i64::MAX)))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Gateway {
    away: Spells,
    /// It holds readings that it has not sent.
    behind: Spells,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Device {
    /// Which gateway brought its readings last.
    gateway: Option<String>,
    /// What its gateway said of it.
    worn: Vec<(i64, bool)>,
    charging: Vec<(i64, bool)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paths {
    own: Vec<Interval>,
    gateways: BTreeMap<String, Gateway>,
    devices: BTreeMap<String, Device>,
}

/// What a gateway says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct GatewayState<'a> {
    pub gateway: &'a str,
    pub online: bool,
    pub backlog: u64,
    /// Event time of the oldest reading that it still holds.
    pub oldest_pending: Option<i64>,
}

/// Whether silence may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    No,
    /// What waited may still arrive until then.
    Until(i64),
    /// A gateway is away or behind: until it says otherwise.
    ForGateway,
}

/// A device and the gateways that may speak for it, as the roster says.
pub type Carried<'a> = (&'a str, &'a [GatewayId]);

impl Paths {
    /// We were not watching in `[from, to)` of journal time: a start of the program, or a step of the clock.
    pub fn paused(&mut self, from: i64, to: i64) {
        self.own.push((from.min(to), to.max(from)));
        self.own = merged(std::mem::take(&mut self.own));
        let extra = self.own.len().saturating_sub(KEPT_MAX);
        self.own.drain(..extra);
    }

    /// True if the gateway went or came, or began or ceased to be behind.
    pub fn says(&mut self, state: &GatewayState<'_>, now: i64) -> bool {
        let known = self.gateways.entry(state.gateway.to_owned()).or_default();
        let away = known.away.set(!state.online, now, now);
        // One that is away still holds what it held.
        let behind = state.backlog > 0 || (!state.online && known.behind.since.is_some());
        let from = state.oldest_pending.map_or(now, |oldest| oldest.min(now));
        known.behind.set(behind, from, now) | away
    }

    /// What a gateway says of one of its devices.
    pub fn says_of_device(&mut self, device: &str, worn: Option<bool>, charging: Option<bool>, now: i64) {
        let known = self.devices.entry(device.to_owned()).or_default();
        for (states, said) in [(&mut known.worn, worn), (&mut known.charging, charging)] {
            let Some(said) = said.filter(|said| states.last().map(|(_, state)| *state) != Some(*said)) else {
                continue;
            };
            states.push((now, said));
            let extra = states.len().saturating_sub(KEPT_MAX);
            states.drain(..extra);
        }
    }

    /// A gateway sent something: it is there, whatever it said last. True if that is news.
    pub fn came(&mut self, gateway: &str, now: i64) -> bool {
        self.gateways.get_mut(gateway).is_some_and(|known| known.away.set(false, now, now))
    }

    /// A gateway brought readings of a device. True if that is news.
    pub fn brought(&mut self, gateway: &str, device: &str, now: i64) -> bool {
        let mut news = self.came(gateway, now);
        let known = match self.devices.get_mut(device) {
            Some(known) => known,
            None => self.devices.entry(device.to_owned()).or_default(),
        };
        if known.gateway.as_deref() != Some(gateway) {
            known.gateway = Some(gateway.to_owned());
            news = true;
        }
        news
    }

    /// Our own pauses.
    pub fn own(&self) -> &[Interval] {
        &self.own
    }

    /// Until when what waited for us may still arrive.
    pub fn grace_until(&self) -> Option<i64> {
        self.own.last().map(|(_, to)| to.saturating_add(GRACE_MS))
    }

    fn gateways_of<'a>(&'a self, (device, listed): Carried<'a>) -> Vec<&'a Gateway> {
        let brought = self.devices.get(device).and_then(|known| known.gateway.as_deref());
        let ids: Vec<&str> = match (listed, brought) {
            ([], brought) => brought.into_iter().collect(),
            (listed, _) => listed.iter().map(GatewayId::as_str).collect(),
        };
        // A gateway that never said anything is one nobody knows to be away.
        let known: Vec<_> = ids.iter().filter_map(|id| self.gateways.get(*id)).collect();
        if known.len() == ids.len() { known } else { Vec::new() }
    }

    /// When no gateway could bring the readings of a device, or held them back.
    pub fn gateway_down(&self, device: Carried<'_>, grace_ms: i64) -> Vec<Interval> {
        let each = self
            .gateways_of(device)
            .into_iter()
            .map(|gateway| merged(gateway.away.all(grace_ms).chain(gateway.behind.all(grace_ms)).collect()));
        each.reduce(|one, other| both(&one, &other)).unwrap_or_default()
    }

    /// When nothing of any of these devices could reach us, with the grace that follows.
    pub fn down(&self, devices: &[Carried<'_>], link: &[Interval]) -> Vec<Interval> {
        let of_device = |device: &Carried<'_>| self.gateway_down(*device, GRACE_MS);
        let all = devices.iter().map(of_device).reduce(|one, other| both(&one, &other)).unwrap_or_default();
        let own = self.own.iter().map(|(from, to)| (*from, to.saturating_add(GRACE_MS)));
        merged(all.into_iter().chain(own).chain(link.iter().copied()).collect())
    }

    /// Whether what a patient did not send may still be on its way.
    pub fn waits(&self, devices: &[Carried<'_>], now: i64) -> Wait {
        let down = self.down(devices, &[]);
        match down.into_iter().find(|(from, until)| *from <= now && now < *until) {
            None => Wait::No,
            Some((_, i64::MAX)) => Wait::ForGateway,
            Some((_, until)) => Wait::Until(until),
        }
    }

    /// Whether a gateway of the device is there and holds readings that it has not sent.
    pub fn is_uploading(&self, device: Carried<'_>) -> bool {
        let uploads = |gateway: &&Gateway| gateway.behind.since.is_some() && gateway.away.since.is_none();
        self.gateways_of(device).iter().any(uploads)
    }

    /// What gateways said of a device.
    pub fn states_of(&self, device: &str) -> DeviceStates {
        self.devices.get(device).map_or_else(DeviceStates::default, |known| DeviceStates {
            worn: known.worn.clone(),
            charging: known.charging.clone(),
            ..DeviceStates::default()
        })
    }

    /// Forgets what was over before `time`.
    pub fn forget_before(&mut self, time: i64) {
        self.own.retain(|(_, to)| *to >= time);
        for gateway in self.gateways.values_mut() {
            gateway.away.over.retain(|(_, to)| *to >= time);
            gateway.behind.over.retain(|(_, to)| *to >= time);
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        // Writing to memory cannot fail.
        [&[FORMAT][..], &postcard::to_stdvec(self).unwrap_or_default()].concat()
    }

    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, super::SnapshotError> {
        match bytes.split_first() {
            Some((&FORMAT, rest)) => {
                postcard::from_bytes(rest).map_err(|error| super::SnapshotError::Damaged(error.to_string()))
            }
            Some((&found, _)) => Err(super::SnapshotError::Format { found }),
            None => Err(super::SnapshotError::Damaged("empty".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests;
