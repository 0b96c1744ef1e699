//! Which sequence numbers of a device arrived, so that it can be said which never did. A set: the order of arrival does not
//! matter, a late number closes its gap, and one that comes again changes nothing.
//!
//! Never: identity (semantics 2: `boot_id` and `seq` find gaps, they do not tell readings apart).

use std::collections::BTreeMap;

use painwatch_domain::SequenceRanges;

/// Boots of one device that are kept: the greatest ids. What a gateway can still send again lies in the last few.
pub const BOOTS: usize = 16;
/// Ranges kept of one boot, at most some 10 KB as text. More gaps than that are no gaps but another way of counting.
pub const RANGES: usize = 256;

/// The numbers of one boot that arrived, as inclusive ranges that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Last number by first number.
    ranges: BTreeMap<u64, u64>,
    told_from: u64,
}

impl Arrived {
    /// Notes that `seq` arrived. Says whether that was new.
    pub fn note(&mut self, seq: u64) -> bool {
        let before = self.ranges.range(..=seq).next_back().map(|(&first, &last)| (first, last));
        if seq < self.told_from || before.is_some_and(|(_, last)| seq <= last) {
            return false;
        }
        let joined = before.filter(|(_, last)| last.checked_add(1) == Some(seq)).map(|(first, _)| first);
        let next = seq.checked_add(1);
        let last = next.and_then(|next| self.ranges.remove(&next)).unwrap_or(seq);
        self.ranges.insert(joined.unwrap_or(seq), last);
        if self.ranges.len() > RANGES {
            self.ranges.pop_first();
            self.told_from = self.ranges.keys().next().copied().unwrap_or(0);
        }
        true
    }

    /// The least and the greatest number that arrived.
    pub fn span(&self) -> Option<(u64, u64)> {
        Some((*self.ranges.keys().next()?, *self.ranges.values().next_back()?))
    }

    /// What never arrived between the two.
    pub fn missing(&self) -> SequenceRanges {
        let firsts = self.ranges.keys().skip(1);
        let between = self.ranges.values().zip(firsts).map(|(last, first)| (last + 1, first - 1));
        SequenceRanges::new(between.collect()).unwrap_or_default()
    }

    /// Below this number it is no longer known what arrived; 0 where all is known.
    pub const fn told_from(&self) -> u64 {
        self.told_from
    }

    /// As it was when [`Self::span`], [`Self::missing`] and [`Self::told_from`] said this.
    pub fn restored((first, last): (u64, u64), missing: &SequenceRanges, told_from: u64) -> Self {
        let mut ranges = BTreeMap::new();
        let mut from = first;
        for (gap_first, gap_last) in missing.iter() {
            ranges.insert(from, gap_first.saturating_sub(1));
            from = gap_last.saturating_add(1);
        }
        ranges.insert(from, last);
        Self { ranges, told_from }
    }
}

/// The boots of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boots(BTreeMap<u32, Arrived>);

impl Boots {
    /// What is known of a boot already.
    pub fn restore(&mut self, boot_id: u32, arrived: Arrived) {
        self.0.insert(boot_id, arrived);
    }

    /// Notes that `seq` of `boot_id` arrived. Says whether that was new; a boot older than those kept is passed over.
    pub fn note(&mut self, boot_id: u32, seq: u64) -> bool {
        let full = self.0.len() >= BOOTS && !self.0.contains_key(&boot_id);
        if full && self.0.keys().next().is_some_and(|oldest| *oldest > boot_id) {
            return false;
        }
        self.0.entry(boot_id).or_default().note(seq)
    }

    /// Boots beyond those kept: to be forgotten wherever they are kept.
    pub fn take_surplus(&mut self) -> Vec<u32> {
        let surplus = self.0.len().saturating_sub(BOOTS);
        let oldest: Vec<u32> = self.0.keys().take(surplus).copied().collect();
        oldest.iter().for_each(|boot_id| {
            self.0.remove(boot_id);
        });
        oldest
    }

    pub fn get(&self, boot_id: u32) -> Option<&Arrived> {
        self.0.get(&boot_id)
    }
}
