//! How samples meet what is kept: the fast path of new plain numbers, and the general one.

use std::ops::Range;
use std::sync::Arc;

use painwatch_domain::reading::Identity;
use painwatch_domain::roster::Pairings;
use painwatch_domain::{BatchVerdict, Class, EventTime, Meta, PatientId, Roster, Sample, Series, Status, Value};

use super::block::{Block, Strand, lag_fits};
use super::cache::{BlockCache, BlockKey, day_of};
use super::change::{Change, Incoming};
use super::chunk::{Row, UNSAID};
use super::codec::essentials;
use super::ids::{Home, shard_of};
use super::persist::identity_of;
use super::reading::EffectiveReading;
use super::report::Outcome;
use super::version::{Version, Versions};
use super::{find_id, visited_day};

/// One series on its way into the blocks.
pub(super) struct Visit<'a> {
    pub(super) roster: &'a Roster,
    pub(super) incoming: &'a Incoming<'a>,
    about: Arc<Meta>,
    discriminator: String,
    /// May become rows: plain numbers without discriminator or id that take nothing back.
    plain: bool,
    pub(super) unknown_medication: bool,
    wearer: Wearer,
    pub(super) out: &'a mut Vec<Change>,
    pub(super) tally: &'a mut BatchVerdict,
}

/// Who wears a device in `[from, until)` of event time: asked once per pairing, not once per reading.
struct Wearer {
    patient: Option<PatientId>,
    from: EventTime,
    until: EventTime,
}

impl Wearer {
    fn at(roster: &Roster, series: &Series, time: EventTime) -> Self {
        let pairings = roster.pairings.of_device(&series.device);
        let patient = Pairings::wearer(pairings.clone(), time).cloned();
        let (mut from, mut until) = (EventTime::MIN, EventTime::MAX);
        for edge in pairings.flat_map(|pairing| [Some(pairing.from), pairing.until]).flatten() {
            if edge <= time {
                from = from.max(edge);
            } else {
                until = until.min(edge);
            }
        }
        Self { patient, from, until }
    }

    fn covers(&self, time: EventTime) -> bool {
        self.from <= time && time < self.until
    }
}

impl<'a> Visit<'a> {
    pub(super) fn new(
        roster: &'a Roster,
        incoming: &'a Incoming<'a>,
        out: &'a mut Vec<Change>,
        tally: &'a mut BatchVerdict,
    ) -> Self {
        let series = incoming.series;
        let discriminator = series.discriminator();
        let retracts = series.meta.status == Status::EnteredInError;
        let plain = discriminator.is_empty() && series.meta.id.is_none() && !retracts;
        let medication = series.meta.dose.as_ref().map(|dose| &dose.medication);
        let unknown_medication = medication.is_some_and(|id| !roster.medications.contains_key(id));
        let about = Arc::new(essentials(&series.meta));
        let wearer = Wearer { patient: None, from: EventTime::MAX, until: EventTime::MIN };
        Self { roster, incoming, about, discriminator, plain, unknown_medication, wearer, out, tally }
    }

    pub(super) fn sample(&self, index: usize) -> &'a Sample {
        &self.incoming.series.samples[index]
    }

    /// Samples of one UTC day.
    pub(super) fn day(&mut self, cache: &mut BlockCache, day: i32, samples: Range<usize>) {
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

    /// A reading whose id alone is its identity.
    pub(super) fn identified(&mut self, cache: &mut BlockCache, index: usize) {
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

    pub(super) fn note_visitors(&self, cache: &mut BlockCache, day: i32, samples: Range<usize>) {
        for sample in &self.incoming.series.samples[samples] {
            let Some(visited) = visited_day(sample.device_time, sample.time) else { continue };
            let key = self.incoming.day_key(self.incoming.series.measure, visited);
            if cache.block_mut(&key).is_some_and(|block| block.visitors.insert(day)) {
                cache.mark_changed(&key);
            }
        }
    }
}
