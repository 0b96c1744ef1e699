//! The readings that work is judged by: day blocks in memory, the rest fetched from the store when it is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use painwatch_domain::roster::Pairing;
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{DeviceId, EventTime, Flags, Measure, PatientId, Roster, Series, TenantId};
use painwatch_processor_core::intake::scale::{self, Weight};
use painwatch_processor_core::intake::{self, BLOB_KIND, BlockCache, BlockKey, EffectiveReading, Place};
use painwatch_processor_core::patient::Task;
use painwatch_processor_core::patient::day::{Observation, in_order};
use painwatch_store::{Blob, Store};
use serde::{Deserialize, Serialize};

/// Which days of which streams hold readings, so that a block that never was is never asked for: days by
/// `tenant/device/measure`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Index {
    days: BTreeMap<String, BTreeSet<i32>>,
}

impl Index {
    fn stream(tenant: &TenantId, device: &DeviceId, measure: Measure) -> String {
        format!("{tenant}/{device}/{}", measure.name())
    }

    fn has(&self, key: &BlockKey) -> bool {
        match key.place {
            // Books of ids are few: ask the store.
            Place::Ids { .. } => true,
            Place::Day { measure, day } => {
                self.days.get(&Self::stream(&key.tenant, &key.device, measure)).is_some_and(|days| days.contains(&day))
            }
        }
    }

    /// Whether the device ever told the measure.
    fn has_stream(&self, tenant: &TenantId, device: &DeviceId, measure: Measure) -> bool {
        self.days.contains_key(&Self::stream(tenant, device, measure))
    }

    /// Notes the days of a series, by the device's clock and corrected.
    fn add(&mut self, tenant: &TenantId, series: &Series) {
        let days = self.days.entry(Self::stream(tenant, &series.device, series.measure)).or_default();
        let mut last = None;
        for time in series.samples.iter().flat_map(|sample| [sample.device_time, sample.time.0]) {
            let day = time.div_euclid(DAY_MS) as i32;
            if last != Some(day) {
                days.insert(day);
                last = Some(day);
            }
        }
    }

    /// Measures and UTC days of a device with readings.
    pub fn days_of(&self, tenant: &TenantId, device: &DeviceId) -> BTreeSet<(Measure, i32)> {
        let prefix = format!("{tenant}/{device}/");
        let streams = self.days.range(prefix.clone()..).take_while(|(stream, _)| stream.starts_with(&prefix));
        let days = streams.filter_map(|(stream, days)| Some((Measure::parse(&stream[prefix.len()..])?, days)));
        days.flat_map(|(measure, days)| days.iter().map(move |day| (measure, *day))).collect()
    }
}

/// Day blocks, at hand or to be fetched.
#[derive(Debug)]
pub struct History {
    pub cache: BlockCache,
    pub index: Index,
    store: Arc<dyn Store>,
}

impl History {
    pub fn new(store: Arc<dyn Store>, index: Index) -> Self {
        Self { cache: BlockCache::default(), index, store }
    }

    async fn load(&mut self, key: BlockKey) -> Result<()> {
        let stored = if self.index.has(&key) { self.store.blob(BLOB_KIND, key.to_string()).await? } else { None };
        self.cache.load(key, stored.as_deref())?;
        Ok(())
    }

    /// Puts at hand what intake needs to judge a series.
    pub async fn load_for(&mut self, tenant: &TenantId, series: &Series) -> Result<()> {
        self.index.add(tenant, series);
        loop {
            let missing = intake::missing(&self.cache, tenant, series);
            if missing.is_empty() {
                return Ok(());
            }
            for key in missing {
                self.load(key).await?;
            }
        }
    }

    /// The effective readings that a task asked for, of the devices the patient wore, by (time, identity).
    pub async fn of(&mut self, roster: &Roster, task: &Task) -> Result<Vec<Observation>> {
        self.fetch(roster, &task.patient, &task.needs).await
    }

    /// The effective readings of a patient in windows of (measure, from, to), by (time, measure, device, identity).
    pub async fn fetch(
        &mut self,
        roster: &Roster,
        patient: &PatientId,
        needs: &[(Measure, i64, i64)],
    ) -> Result<Vec<Observation>> {
        let mut found = Vec::new();
        if needs.is_empty() {
            return Ok(found);
        }
        for device in worn_devices(roster, patient) {
            for &(measure, from, to) in needs {
                self.add(roster, patient, &device, measure, (from, to), &mut found).await?;
            }
        }
        // What was found of one device and measure is in order of identity already, and stays so.
        Ok(in_order(found))
    }

    async fn add(
        &mut self,
        roster: &Roster,
        patient: &PatientId,
        device: &DeviceId,
        measure: Measure,
        window: (i64, i64),
        found: &mut Vec<Observation>,
    ) -> Result<()> {
        let tenant = &roster.tenant;
        if !self.index.has_stream(tenant, device, measure) {
            return Ok(());
        }
        let (from, to) = (EventTime(window.0), EventTime(window.1));
        self.load_for_window(tenant, device, measure, (from, to)).await?;
        let pairings = Pairings::of(roster, device);
        if measure == Measure::BodyWeight && pairings.are_shared() {
            let owned = self.weighings(roster, device, to).await?.into_iter();
            let own =
                owned.filter(|(reading, owner)| (from..to).contains(&reading.time) && owner.as_ref() == Some(patient));
            found.extend(own.map(|(reading, _)| Observation::new(reading)));
            return Ok(());
        }
        let standing = self.cache.effective(tenant, device, measure, from, to);
        found.reserve(standing.len());
        let worn = standing.into_iter().filter(|reading| pairings.wearer(reading.time) == Some(patient));
        found.extend(worn.map(Observation::new));
        Ok(())
    }

    /// All weights of a shared scale before `to`, in order of event time, and whose each is (semantics 8).
    pub async fn weighings(&mut self, roster: &Roster, device: &DeviceId, to: EventTime) -> Result<Vec<Owned>> {
        let (tenant, measure) = (&roster.tenant, Measure::BodyWeight);
        let days = self.index.days_of(tenant, device).into_iter().filter(|(of, _)| *of == measure);
        let days: BTreeSet<i32> = days.map(|(_, day)| day).collect();
        let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(Vec::new()) };
        let start = |day: i32| EventTime(i64::from(day) * DAY_MS);
        let (from, to) = (start(*first), to.min(start(*last + 1)));
        self.load_for_window(tenant, device, measure, (from, to)).await?;
        let standing = self.cache.effective(tenant, device, measure, from, to);
        let weights: Vec<Weight> = standing.iter().filter_map(weight_of).collect();
        let owners = scale::attribute(&weights, |time| roster.wearers(device, EventTime(time)));
        let owners: Vec<Option<PatientId>> = owners.into_iter().map(Option::<&PatientId>::cloned).collect();
        Ok(standing.into_iter().filter(|reading| weight_of(reading).is_some()).zip(owners).collect())
    }

    /// The weights of a patient in the 28 days to `to`, whichever scale they came from, in order of event time.
    pub async fn weights_of(&mut self, roster: &Roster, patient: &PatientId, to: EventTime) -> Result<Vec<Weight>> {
        let (from, mut found) = (to.0.saturating_sub(28 * DAY_MS), Vec::new());
        for device in worn_devices(roster, patient) {
            self.add(roster, patient, &device, Measure::BodyWeight, (from, to.0), &mut found).await?;
        }
        let mut weights: Vec<Weight> = found.iter().filter_map(|seen| weight_of(&seen.reading)).collect();
        weights.sort_by_key(|weight| (weight.time, weight.scaled));
        Ok(weights)
    }

    async fn load_for_window(
        &mut self,
        tenant: &TenantId,
        device: &DeviceId,
        measure: Measure,
        (from, to): (EventTime, EventTime),
    ) -> Result<()> {
        loop {
            let mut missing = self.cache.missing_for(tenant, device, measure, from, to);
            missing.retain(|key| self.index.has(key));
            if missing.is_empty() {
                return Ok(());
            }
            for key in missing {
                self.load(key).await?;
            }
        }
    }

    /// The changed blocks as blobs. Call [`Self::settle`] once they are durable.
    pub fn take_changed(&mut self) -> Vec<Blob> {
        let changed = self.cache.take_changed();
        changed
            .into_iter()
            .map(|(key, bytes)| Blob { kind: BLOB_KIND, key: key.to_string(), bytes: Some(bytes) })
            .collect()
    }

    /// Gives memory back, now that what `take_changed` handed out is durable.
    pub fn settle(&mut self, budget_bytes: usize) {
        self.cache.evict(budget_bytes);
    }
}

/// A standing weight and whose it is.
pub type Owned = (EffectiveReading, Option<PatientId>);

fn weight_of(reading: &EffectiveReading) -> Option<Weight> {
    let doubtful = reading.flags.has(Flags::CLOCK_AHEAD);
    Some(Weight { time: reading.time.0, scaled: reading.value.number()?, doubtful })
}

/// Who wore one device when: a clinic has thousands of pairings, a device a handful.
struct Pairings<'a>(Vec<&'a Pairing>);

/// Whether several people are paired with the device at once, at some time.
pub fn is_shared(roster: &Roster, device: &DeviceId) -> bool {
    Pairings::of(roster, device).are_shared()
}

impl<'a> Pairings<'a> {
    fn of(roster: &'a Roster, device: &DeviceId) -> Self {
        Self(roster.pairings.of_device(device).collect())
    }

    /// Whether several people are paired with the device at once, at some time.
    fn are_shared(&self) -> bool {
        let overlap = |a: &Pairing, b: &Pairing| {
            let ends = |pairing: &Pairing| pairing.until.unwrap_or(EventTime::MAX);
            a.patient != b.patient && a.from < ends(b) && b.from < ends(a)
        };
        self.0.iter().enumerate().any(|(nth, a)| self.0[nth + 1..].iter().any(|b| overlap(a, b)))
    }

    /// As [`Roster::wearer`].
    fn wearer(&self, time: EventTime) -> Option<&'a PatientId> {
        let covering = self.0.iter().filter(|pairing| pairing.covers(time));
        covering.max_by_key(|pairing| (pairing.from, &pairing.patient)).map(|pairing| &pairing.patient)
    }
}

fn worn_devices(roster: &Roster, patient: &PatientId) -> BTreeSet<DeviceId> {
    roster.pairings.of_patient(patient).map(|pairing| pairing.device.clone()).collect()
}
