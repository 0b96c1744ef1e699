//! The blocks at hand. The shell loads what is missing, writes what has changed and says how much may stay.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use painwatch_domain::time::DAY_MS;
use painwatch_domain::{DeviceId, EventTime, Measure, TenantId};

use super::block::Block;
use super::codec::Result;
use super::ids::{IdBook, SHARDS};
use super::reading::EffectiveReading;

/// Most days one question may span: a century, so that a careless one ends.
const DAYS_MAX: i32 = 36_525;

/// What a block is about, within tenant and device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The readings of one measure on one UTC day of device time.
    Day { measure: Measure, day: i32 },
    /// Where some of the readings with ids are.
    Ids { shard: u8 },
}

/// Name of a block. Its text, `tenant/device/measure/day` or `tenant/device/ids/shard`, is the key it is stored under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockKey {
    pub tenant: TenantId,
    pub device: DeviceId,
    pub place: Place,
}

/// Kind of the blobs that hold blocks.
pub const BLOB_KIND: &str = "block";

impl BlockKey {
    pub fn day(tenant: &TenantId, device: &DeviceId, measure: Measure, day: i32) -> Self {
        Self { tenant: tenant.clone(), device: device.clone(), place: Place::Day { measure, day } }
    }

    pub fn ids(tenant: &TenantId, device: &DeviceId, shard: u8) -> Self {
        Self { tenant: tenant.clone(), device: device.clone(), place: Place::Ids { shard } }
    }

    /// Reads back what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let tenant = TenantId::parse(parts.next()?).ok()?;
        let device = DeviceId::parse(parts.next()?).ok()?;
        let place = match (parts.next()?, parts.next()?) {
            ("ids", shard) => Place::Ids { shard: shard.parse().ok().filter(|shard| *shard < SHARDS)? },
            (measure, day) => Place::Day { measure: Measure::parse(measure)?, day: day.parse().ok()? },
        };
        parts.next().is_none().then_some(Self { tenant, device, place })
    }
}

impl fmt::Display for BlockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.tenant, self.device)?;
        match self.place {
            Place::Day { measure, day } => write!(f, "{}/{day}", measure.name()),
            Place::Ids { shard } => write!(f, "ids/{shard}"),
        }
    }
}

/// The UTC day of a device time. Ingest refuses impossible times; what is absurd all the same ends at the rim.
pub(super) const fn day_of(device_time: i64) -> i32 {
    let day = device_time.div_euclid(DAY_MS);
    if day > i32::MAX as i64 {
        i32::MAX
    } else if day < i32::MIN as i64 {
        i32::MIN
    } else {
        day as i32
    }
}

#[derive(Debug)]
enum Held {
    Day(Block),
    Ids(IdBook),
}

#[derive(Debug)]
struct Slot {
    held: Held,
    /// Counts up with each use of the cache.
    used: u64,
    /// Stands in the cache's list of changed blocks.
    is_changed: bool,
    /// As measured when loaded or last written.
    bytes: usize,
}

impl Slot {
    const fn memory_bytes(&self) -> usize {
        self.bytes + size_of::<(BlockKey, Self)>()
    }
}

/// Blocks in memory.
#[derive(Debug, Default)]
pub struct BlockCache {
    slots: HashMap<BlockKey, Slot>,
    changed: BTreeSet<BlockKey>,
    uses: u64,
}

impl BlockCache {
    pub fn contains(&self, key: &BlockKey) -> bool {
        self.slots.contains_key(key)
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Puts a stored block at hand; `None` when the store has none. One that is at hand already stays as it is.
    ///
    /// # Errors
    /// [`BlockError`](super::BlockError) when the bytes are of a later format or damaged.
    pub fn load(&mut self, key: BlockKey, stored: Option<&[u8]>) -> Result<()> {
        if self.contains(&key) {
            return Ok(());
        }
        let held = match (key.place, stored) {
            (Place::Day { measure, day }, Some(bytes)) => Held::Day(Block::decode(measure, day, bytes)?),
            (Place::Day { measure, day }, None) => Held::Day(Block::new(measure, day)),
            (Place::Ids { .. }, Some(bytes)) => Held::Ids(IdBook::decode(bytes)?),
            (Place::Ids { .. }, None) => Held::Ids(IdBook::default()),
        };
        self.uses += 1;
        let bytes = held.memory_bytes();
        self.slots.insert(key, Slot { held, used: self.uses, is_changed: false, bytes });
        Ok(())
    }

    pub(super) fn block(&self, key: &BlockKey) -> Option<&Block> {
        match &self.slots.get(key)?.held {
            Held::Day(block) => Some(block),
            Held::Ids(_) => None,
        }
    }

    pub(super) fn book(&self, key: &BlockKey) -> Option<&IdBook> {
        match &self.slots.get(key)?.held {
            Held::Ids(book) => Some(book),
            Held::Day(_) => None,
        }
    }

    fn touch(&mut self, key: &BlockKey) -> Option<&mut Held> {
        self.uses += 1;
        let slot = self.slots.get_mut(key)?;
        slot.used = self.uses;
        Some(&mut slot.held)
    }

    pub(super) fn block_mut(&mut self, key: &BlockKey) -> Option<&mut Block> {
        match self.touch(key)? {
            Held::Day(block) => Some(block),
            Held::Ids(_) => None,
        }
    }

    pub(super) fn book_mut(&mut self, key: &BlockKey) -> Option<&mut IdBook> {
        match self.touch(key)? {
            Held::Ids(book) => Some(book),
            Held::Day(_) => None,
        }
    }

    pub(super) fn mark_changed(&mut self, key: &BlockKey) {
        let known = self.slots.get_mut(key).map(|slot| &mut slot.is_changed);
        if known.is_none_or(|changed| !std::mem::replace(changed, true)) {
            self.changed.insert(key.clone());
        }
    }

    /// Packs every changed block and hands out its bytes, ordered by key. They count as unchanged from here on: call
    /// [`Self::evict`] only once these bytes are durable, or a block could be loaded again from before them.
    pub fn take_changed(&mut self) -> Vec<(BlockKey, Vec<u8>)> {
        let changed = std::mem::take(&mut self.changed);
        let packed = changed.into_iter().filter_map(|key| {
            let slot = self.slots.get_mut(&key)?;
            slot.is_changed = false;
            let bytes = slot.held.pack();
            slot.bytes = slot.held.memory_bytes();
            Some((key, bytes))
        });
        packed.collect()
    }

    /// Drops unchanged blocks, least recently used first, until about `budget_bytes` remain.
    pub fn evict(&mut self, budget_bytes: usize) {
        let mut held = self.memory_bytes();
        if held <= budget_bytes {
            return;
        }
        let mut idle: Vec<_> = self.slots.iter().filter(|(_, slot)| !slot.is_changed).collect();
        idle.sort_unstable_by_key(|(_, slot)| slot.used);
        let mut dropped = Vec::new();
        for (key, slot) in idle {
            if held <= budget_bytes {
                break;
            }
            held = held.saturating_sub(slot.memory_bytes());
            dropped.push(key.clone());
        }
        dropped.iter().for_each(|key| drop(self.slots.remove(key)));
    }

    /// Roughly what all blocks take.
    pub fn memory_bytes(&self) -> usize {
        self.slots.values().map(Slot::memory_bytes).sum()
    }

    /// Which blocks [`Self::effective`] would need and are not at hand. Ask again after loading them: a block may name
    /// others.
    pub fn missing_for(
        &self,
        tenant: &TenantId,
        device: &DeviceId,
        measure: Measure,
        from: EventTime,
        to: EventTime,
    ) -> Vec<BlockKey> {
        let keys = self.days(tenant, device, measure, from, to).into_iter();
        keys.map(|day| BlockKey::day(tenant, device, measure, day)).filter(|key| !self.contains(key)).collect()
    }

    /// What stands of one device and measure with an event time in `[from, to)`, by (time, identity). Blocks that are
    /// not at hand contribute nothing.
    pub fn effective(
        &self,
        tenant: &TenantId,
        device: &DeviceId,
        measure: Measure,
        from: EventTime,
        to: EventTime,
    ) -> Vec<EffectiveReading> {
        let mut found = Vec::new();
        for day in self.days(tenant, device, measure, from, to) {
            if let Some(block) = self.block(&BlockKey::day(tenant, device, measure, day)) {
                block.each_effective(device, &(from.0..to.0), |reading| found.push(reading));
            }
        }
        found.sort_by(|a, b| {
            let key = |reading: &EffectiveReading| (reading.time, reading.device_time, reading.end);
            key(a).cmp(&key(b)).then_with(|| a.identity().cmp(&b.identity()))
        });
        found
    }

    /// Days of device time whose readings may lie in `[from, to)` of event time: a correction moves by up to a day, and
    /// larger moves are noted at the day they lead to.
    fn days(
        &self,
        tenant: &TenantId,
        device: &DeviceId,
        measure: Measure,
        from: EventTime,
        to: EventTime,
    ) -> BTreeSet<i32> {
        let first = day_of(from.0).saturating_sub(1);
        let near = first..=day_of(to.0).saturating_add(1).min(first.saturating_add(DAYS_MAX));
        let mut days = BTreeSet::new();
        for day in near {
            days.insert(day);
            if let Some(block) = self.block(&BlockKey::day(tenant, device, measure, day)) {
                days.extend(&block.visitors);
            }
        }
        days
    }
}

impl Held {
    fn memory_bytes(&self) -> usize {
        match self {
            Self::Day(block) => block.memory_bytes(),
            Self::Ids(book) => book.memory_bytes(),
        }
    }

    fn pack(&mut self) -> Vec<u8> {
        match self {
            Self::Day(block) => {
                block.rest();
                block.encode()
            }
            Self::Ids(book) => book.encode(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_from_its_text_and_nothing_else_is_a_key() {
        let (tenant, device) = (TenantId::default(), DeviceId::parse("watch-0001").unwrap());
        for key in [BlockKey::day(&tenant, &device, Measure::HeartRate, 20_513), BlockKey::ids(&tenant, &device, 3)] {
            assert_eq!(BlockKey::parse(&key.to_string()), Some(key));
        }
        assert_eq!(
            BlockKey::day(&tenant, &device, Measure::HeartRate, -1).to_string(),
            "main/watch-0001/heart_rate/-1"
        );
        for text in ["", "main/w/heart_rate", "main/w/heart_rate/1/2", "main/w/ids/16", "main/w/furlongs/1"] {
            assert_eq!(BlockKey::parse(text), None);
        }
    }

    #[test]
    fn eviction_drops_the_least_recently_used_and_never_what_has_changed() {
        let (tenant, device) = (TenantId::default(), DeviceId::parse("watch-0001").unwrap());
        let key = |day| BlockKey::day(&tenant, &device, Measure::HeartRate, day);
        let mut cache = BlockCache::default();
        (0..4).for_each(|day| cache.load(key(day), None).unwrap());
        cache.mark_changed(&key(0));
        cache.block_mut(&key(1)).unwrap();
        let half = cache.memory_bytes() / 2;
        cache.evict(half);
        assert_eq!((0..4).map(|day| cache.contains(&key(day))).collect::<Vec<_>>(), [true, true, false, false]);
        assert_eq!(cache.take_changed().len(), 1);
        cache.evict(0);
        assert!(cache.is_empty());
    }
}
