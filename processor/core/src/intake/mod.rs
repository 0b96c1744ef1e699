//! Intake: for each admitted reading stored, duplicate or conflict, what stands of it now, and who wore the device
//! (semantics 2, 3, 4, 5, 8). A pure function of what was taken in before, which the day blocks hold.
//!
//! Never: a judgement about a value (ingest's and the rules' business); an order of arrival that decides what stands.

mod block;
mod cache;
mod change;
mod chunk;
mod codec;
mod ids;
mod persist;
mod reading;
mod version;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use painwatch_domain::reading::Identity;
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{
    BatchVerdict, Class, EventTime, Meta, PatientId, Problem, ProblemCode, ReadingId, Roster, Sample, Series, TenantId,
    Value,
};

pub use block::Block;
pub use cache::{BLOB_KIND, BlockCache, BlockKey, Place};
pub use change::{Change, Incoming, Judged, NotLoaded};
pub use codec::BlockError;
pub use ids::IdBook;
pub use reading::EffectiveReading;

use block::{Strand, lag_fits};
use cache::day_of;
use chunk::{Row, UNSAID};
use ids::{Home, shard_of};
use persist::identity_of;
use version::{Version, Versions};

/// Which blocks [`handle`] needs for this series and are not at hand. Ask again after loading them, until there are
/// none: the block that knows an id names the block that holds it.
pub fn missing(cache: &BlockCache, tenant: &TenantId, series: &Series) -> Vec<BlockKey> {
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
    Ok(())
}

/// One series on its way into the blocks.
struct Visit<'a> {
    roster: &'a Roster,
    incoming: &'a Incoming<'a>,
    about: Arc<Meta>,
    discriminator: String,
    /// May become rows: plain numbers without discriminator or id that take nothing back.
    plain: bool,
    unknown_medication: bool,
    wearer: Wearer,
    out: &'a mut Vec<Change>,
    tally: &'a mut BatchVerdict,
}

/// Who wears a device in `[from, until)` of event time: asked once per pairing, not once per reading.
struct Wearer {
    patient: Option<PatientId>,
    from: EventTime,
    until: EventTime,
}

impl Wearer {
    fn at(roster: &Roster, series: &Series, time: EventTime) -> Self {
        let pairings = roster.pairings.iter().filter(|pairing| pairing.device == series.device);
        let (mut from, mut until) = (EventTime::MIN, EventTime::MAX);
        for edge in pairings.flat_map(|pairing| [Some(pairing.from), pairing.until]).flatten() {
            if edge <= time {
                from = from.max(edge);
            } else {
                until = until.min(edge);
            }
        }
        Self { patient: roster.wearer(&series.device, time).cloned(), from, until }
    }

    fn covers(&self, time: EventTime) -> bool {
        self.from <= time && time < self.until
    }
}

/// How a version fared, before it is told.
struct Outcome {
    class: Class,
    new_identity: bool,
    takes_over: bool,
    before: Option<EffectiveReading>,
    after: Option<EffectiveReading>,
    rival: Option<Value>,
}

impl<'a> Visit<'a> {
    fn new(
        roster: &'a Roster,
        incoming: &'a Incoming<'a>,
        out: &'a mut Vec<Change>,
        tally: &'a mut BatchVerdict,
    ) -> Self {
        let series = incoming.series;
        let discriminator = series.discriminator();
        let retracts = series.meta.status == painwatch_domain::Status::EnteredInError;
        let plain = discriminator.is_empty() && series.meta.id.is_none() && !retracts;
        let medication = series.meta.dose.as_ref().map(|dose| &dose.medication);
        let unknown_medication = medication.is_some_and(|id| !roster.medications.contains_key(id));
        let about = Arc::new(codec::essentials(&series.meta));
        let wearer = Wearer { patient: None, from: EventTime::MAX, until: EventTime::MIN };
        Self { roster, incoming, about, discriminator, plain, unknown_medication, wearer, out, tally }
    }

    fn sample(&self, index: usize) -> &'a Sample {
        &self.incoming.series.samples[index]
    }

    /// Samples of one UTC day.
    fn day(&mut self, cache: &mut BlockCache, day: i32, samples: Range<usize>) {
        let key = self.incoming.day_key(self.incoming.series.measure, day);
        let Some(block) = cache.block_mut(&key) else { return };
        let mut changed = false;
        let mut next = samples.start;
        while next < samples.end {
            let appended = self.append(block, next..samples.end);
            changed |= appended > 0;
            self.fresh(next..next + appended);
            next += appended;
            if next < samples.end && appended == 0 {
                changed |= self.judge(block, next);
                next += 1;
            }
        }
        if changed {
            cache.mark_changed(&key);
        }
    }

    /// The fast path: plain numbers later than everything the block holds cannot have been seen before.
    fn append(&self, block: &mut Block, samples: Range<usize>) -> usize {
        if !self.plain {
            return 0;
        }
        let meta = &self.incoming.series.meta;
        let sent_at = self.incoming.sent_at.unwrap_or(UNSAID);
        let mut strand = None;
        let mut appended = 0;
        for sample in &self.incoming.series.samples[samples] {
            let Value::Number(value) = sample.value else { break };
            if sample.device_time <= block.latest || !lag_fits(sent_at, sample.device_time) {
                break;
            }
            let times = block.times(sample.device_time, sample.end, sample.time);
            let Some((at_ms, length_ms, shift_ms)) = times else { break };
            if strand.is_none_or(|(flags, _)| flags != sample.flags) {
                let (revision, flags, status, mode) = (meta.revision, sample.flags, meta.status, self.incoming.mode);
                let about = Arc::clone(&self.about);
                let number = block.strand(&Strand { revision, flags, status, mode, about });
                strand = number.map(|number| (flags, number));
            }
            let Some((_, strand)) = strand else { break };
            block.append(Row { value, sent_at, at_ms, length_ms, shift_ms, strand });
            appended += 1;
        }
        appended
    }

    /// Counts new standing readings and tells them, one range per wearer.
    fn fresh(&mut self, samples: Range<usize>) {
        self.tally.stored += samples.len() as u64;
        for index in samples {
            if self.unknown_medication {
                self.report_medication(index);
            }
            let same_wearer = self.wearer.covers(self.sample(index).time);
            if !same_wearer {
                self.wearer = Wearer::at(self.roster, self.incoming.series, self.sample(index).time);
            }
            let index = index as u32;
            match self.out.last_mut() {
                Some(Change::Fresh { samples, .. }) if same_wearer && samples.end == index => samples.end += 1,
                _ => self.out.push(Change::Fresh { samples: index..index + 1, wearer: self.wearer.patient.clone() }),
            }
        }
    }

    /// The general path. Says whether the block changed.
    fn judge(&mut self, block: &mut Block, index: usize) -> bool {
        let sample = self.sample(index);
        let version = self.incoming.version(sample, &self.about);
        if self.discriminator.is_empty() {
            let key = block.key(sample.device_time, sample.end);
            if let Some(place) = key.and_then(|(at_ms, length_ms)| block.find(at_ms, length_ms)) {
                return self.meet_row(block, place, version, index);
            }
        }
        let discriminator = self.discriminator.clone();
        let identity = Identity { device_time: sample.device_time, end: sample.end, discriminator, id: None };
        if let Some(versions) = block.side.get_mut(&identity) {
            return self.meet(versions, version, index);
        }
        match self.plain.then(|| block.row_for(&version)).flatten() {
            Some(row) => block.insert(row),
            None => block.put_aside(identity, Versions::new(version.clone())),
        }
        self.begin(&version, index);
        true
    }

    fn meet_row(&mut self, block: &mut Block, place: usize, version: Version, index: usize) -> bool {
        let kept = block.version_of(&block.row(place));
        let same = version.says_the_same_as(&kept);
        if same && !version.is_senior_to(&kept) {
            self.tally.duplicate += 1;
            return false;
        }
        if let Some(row) = same.then(|| block.row_for(&version)).flatten() {
            block.replace(place, row);
            let [before, after] =
                [&kept, &version].map(|v| Some(EffectiveReading::of(self.incoming.device(), v, false, None)));
            let (class, rival) = (Class::Duplicate, None);
            self.tell(index, Outcome { class, new_identity: false, takes_over: true, before, after, rival });
            return true;
        }
        let mut versions = Versions::new(kept);
        self.meet(&mut versions, version, index);
        block.remove(place);
        block.put_aside(identity_of(&versions, None), versions);
        true
    }

    /// Offers a version to those that are kept. Says whether they changed.
    fn meet(&mut self, versions: &mut Versions, version: Version, index: usize) -> bool {
        let id = self.incoming.series.meta.id.as_deref();
        let device = self.incoming.device();
        let before = EffectiveReading::standing(device, versions, id);
        let (class, changed) = versions.offer(version.clone());
        let after = EffectiveReading::standing(device, versions, id);
        let rival = versions.rival_of(&version.value, version.revision).unwrap_or(versions.top()).value.clone();
        let takes_over = changed && versions.top() == &version;
        let rival = (class == Class::Conflict).then_some(rival);
        self.tell(index, Outcome { class, new_identity: false, takes_over, before, after, rival });
        changed
    }

    /// The first version of an identity.
    fn begin(&mut self, version: &Version, index: usize) {
        if version.retracts() {
            let (class, before, after, rival) = (Class::Stored, None, None, None);
            self.tell(index, Outcome { class, new_identity: true, takes_over: true, before, after, rival });
        } else {
            self.fresh(index..index + 1);
        }
    }

    fn tell(&mut self, index: usize, outcome: Outcome) {
        let Outcome { class, new_identity, takes_over, before, after, rival } = outcome;
        match class {
            Class::Stored => self.tally.stored += 1,
            Class::Conflict => self.tally.conflict += 1,
            Class::Duplicate | Class::Quarantined => self.tally.duplicate += 1,
        }
        if let Some(rival) = rival {
            self.report_conflict(index, &rival);
        } else if class == Class::Stored && self.unknown_medication {
            self.report_medication(index);
        }
        if class == Class::Duplicate && before == after {
            return;
        }
        let (series, sample) = (self.incoming.series, self.sample(index));
        let worn_at = |time| self.roster.wearer(&series.device, time).cloned();
        let wearer_before = before.as_ref().and_then(|before| worn_at(before.time));
        let wearer = worn_at(after.as_ref().map_or(sample.time, |after| after.time));
        let reading_id = series.reading_id(self.incoming.tenant, sample);
        let (sample, verdict) = (index as u32, class);
        let told =
            Judged { sample, reading_id, verdict, new_identity, takes_over, before, wearer_before, after, wearer };
        self.out.push(Change::Judged(Box::new(told)));
    }

    /// A reading whose id alone is its identity.
    fn identified(&mut self, cache: &mut BlockCache, index: usize) {
        let (series, sample) = (self.incoming.series, self.sample(index));
        let version = self.incoming.version(sample, &self.about);
        let Some(id) = series.meta.id.as_deref() else { return };
        let reading_id = series.reading_id(self.incoming.tenant, sample);
        let book_key = BlockKey::ids(self.incoming.tenant, &series.device, shard_of(reading_id));
        let home = cache.book(&book_key).and_then(|book| book.homes.get(&reading_id)).copied();
        let versions = match home.and_then(|home| self.take_out(cache, &home, id)) {
            Some(mut versions) => {
                self.meet(&mut versions, version, index);
                versions
            }
            None => {
                self.begin(&version, index);
                Versions::new(version)
            }
        };
        let top = versions.top();
        let now = Home { measure: top.measure, device_time: top.device_time };
        let key = self.incoming.day_key(now.measure, day_of(now.device_time));
        if let Some(block) = cache.block_mut(&key) {
            block.put_aside(identity_of(&versions, Some(id.to_owned())), versions);
            cache.mark_changed(&key);
        }
        if home != Some(now) {
            cache.book_mut(&book_key).map(|book| book.homes.insert(reading_id, now));
            cache.mark_changed(&book_key);
        }
    }

    fn take_out(&self, cache: &mut BlockCache, home: &Home, id: &str) -> Option<Versions> {
        let key = self.incoming.day_key(home.measure, day_of(home.device_time));
        let block = cache.block_mut(&key)?;
        let identity = find_id(block, home, id)?.0.clone();
        let versions = block.side.remove(&identity);
        cache.mark_changed(&key);
        versions
    }

    fn note_visitors(&self, cache: &mut BlockCache, day: i32, samples: Range<usize>) {
        for sample in &self.incoming.series.samples[samples] {
            let Some(visited) = visited_day(sample.device_time, sample.time) else { continue };
            let key = self.incoming.day_key(self.incoming.series.measure, visited);
            if cache.block_mut(&key).is_some_and(|block| block.visitors.insert(day)) {
                cache.mark_changed(&key);
            }
        }
    }

    fn report(&mut self, index: usize, result: Class, code: ProblemCode, detail: String) {
        let (index, sample) = (self.incoming.index, self.incoming.position(index));
        self.tally.problems.push(Problem { index, sample, result, code, detail, quarantine_id: None });
    }

    fn report_conflict(&mut self, index: usize, rival: &Value) {
        let series = self.incoming.series;
        let [came, kept] = [&self.sample(index).value, rival].map(|value| change::shown(series.measure, value));
        let revision = series.meta.revision;
        let detail =
            format!("{} {came}, but {kept} came before with the same revision {revision}", series.measure.name());
        self.report(index, Class::Conflict, ProblemCode::ValueDiffers, detail);
    }

    fn report_medication(&mut self, index: usize) {
        let Some(dose) = &self.incoming.series.meta.dose else { return };
        let detail = format!("medication {} is not in the roster", dose.medication);
        self.report(index, Class::Stored, ProblemCode::UnknownMedication, detail);
    }
}
