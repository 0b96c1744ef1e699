//! Intake: for each admitted reading stored, duplicate or conflict, what stands of it now, and who wore the device
//! (semantics 2, 3, 4, 5, 8). A pure function of what was taken in before, which the day blocks hold.
//!
//! Never: a judgement about a value (ingest's and the rules' business); an order of arrival that decides what stands.

mod block;
mod cache;
mod change;
mod chunk;
pub mod clock;
pub(crate) mod codec;
mod ids;
mod persist;
mod reading;
mod report;
pub mod scale;
mod sequence;
mod version;
mod visit;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use painwatch_domain::reading::Identity;
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{BatchVerdict, EventTime, ReadingId, Roster, Sample, Series, TenantId};

pub use block::Block;
pub use cache::{BLOB_KIND, BlockCache, BlockKey, Place};
pub use change::{Change, Incoming, Judged, NotLoaded};
pub use codec::BlockError;
pub use ids::IdBook;
pub use reading::EffectiveReading;
pub use sequence::{Arrived, BOOTS, Boots, RANGES};

use cache::day_of;
use ids::{Home, shard_of};
use version::Versions;
use visit::Visit;

/// Which blocks [`handle`] needs for this series and are not at hand. Ask again after loading them, until there are
/// none: the block that knows an id names the block that holds it.
pub fn missing(cache: &BlockCache, tenant: &TenantId, series: &Series) -> Vec<BlockKey> {
    let first = series.samples.first().map_or(0, |sample| day_of(sample.device_time));
    let beside =
        |sample: &Sample| day_of(sample.device_time) != first || visited_day(sample.device_time, sample.time).is_some();
    // What a live device sends lies on one day.
    if series.meta.id.is_none() && !series.samples.iter().any(beside) {
        let key = BlockKey::day(tenant, &series.device, series.measure, first);
        return if series.samples.is_empty() || cache.contains(&key) { Vec::new() } else { vec![key] };
    }
    let mut wanted = BTreeSet::new();
    let day_key = |day| BlockKey::day(tenant, &series.device, series.measure, day);
    let mut last = None;
    for sample in &series.samples {
        let day = day_of(sample.device_time);
        if last != Some(day) {
            wanted.insert(day_key(day));
            last = Some(day);
        }
        wanted.extend(visited_day(sample.device_time, sample.time).map(day_key));
    }
    if let (Some(_), Some(sample)) = (&series.meta.id, series.samples.first()) {
        let id = series.reading_id(tenant, sample);
        wanted.insert(BlockKey::ids(tenant, &series.device, shard_of(id)));
        wanted.extend(known_homes(cache, tenant, series, id));
    }
    wanted.into_iter().filter(|key| !cache.contains(key)).collect()
}

/// Every block that an identity with an id is in, or may move to when another of its versions comes to stand.
fn known_homes(cache: &BlockCache, tenant: &TenantId, series: &Series, id: ReadingId) -> Vec<BlockKey> {
    let book = cache.book(&BlockKey::ids(tenant, &series.device, shard_of(id)));
    let Some(home) = book.and_then(|book| book.homes.get(&id)) else { return Vec::new() };
    let key = |measure, time| BlockKey::day(tenant, &series.device, measure, day_of(time));
    let home_key = key(home.measure, home.device_time);
    let block = cache.block(&home_key);
    let versions = block.zip(series.meta.id.as_deref()).and_then(|(block, id)| find_id(block, home, id));
    let claimed = versions.into_iter().flat_map(|(_, versions)| versions.kept());
    claimed.map(|version| key(version.measure, version.device_time)).chain([home_key.clone()]).collect()
}

fn find_id<'a>(block: &'a Block, home: &Home, id: &str) -> Option<(&'a Identity, &'a Versions)> {
    let from = Identity { device_time: home.device_time, end: None, discriminator: String::new(), id: None };
    let mut there = block.side.range(from..).take_while(|(identity, _)| identity.device_time == home.device_time);
    there.find(|(identity, _)| identity.id.as_deref() == Some(id))
}

/// The event day that has to know of a reading which a correction moved further than a neighbouring day.
fn visited_day(device_time: i64, time: EventTime) -> Option<i32> {
    (time.0.saturating_sub(device_time).saturating_abs() > DAY_MS).then(|| day_of(time.0))
}

/// Takes in one series: adds what changed to `out`, counts and problems to `tally`.
///
/// # Errors
/// [`NotLoaded`] when [`missing`] names any block; nothing has been done then.
pub fn handle(
    cache: &mut BlockCache,
    roster: &Roster,
    incoming: &Incoming<'_>,
    out: &mut Vec<Change>,
    tally: &mut BatchVerdict,
) -> Result<(), NotLoaded> {
    let missing = missing(cache, incoming.tenant, incoming.series);
    if !missing.is_empty() {
        return Err(NotLoaded(missing));
    }
    let mut visit = Visit::new(roster, incoming, out, tally);
    let samples = &incoming.series.samples;
    let mut start = 0;
    while start < samples.len() {
        let day = day_of(samples[start].device_time);
        let end = start + samples[start..].iter().take_while(|sample| day_of(sample.device_time) == day).count();
        if incoming.series.meta.id.is_some() {
            (start..end).for_each(|sample| visit.identified(cache, sample));
        } else {
            visit.day(cache, day, start..end);
        }
        visit.note_visitors(cache, day, start..end);
        start = end;
    }
    visit.sum_up();
    Ok(())
}
