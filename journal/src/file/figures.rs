//! What the writer does, in figures for an operator. Counted since this process opened the journal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the classes of sync durations, in microseconds: 50 µs is a fast disk with its cache on, 1 s a sick one.
pub const SYNC_BOUNDS_US: [u64; 14] =
    [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 250_000, 500_000, 1_000_000];

/// Written by the one writer, read by anybody.
#[derive(Debug, Default)]
pub struct Figures {
    records: AtomicU64,
    bytes: AtomicU64,
    sync_us: AtomicU64,
    /// The last class has no bound.
    syncs: [AtomicU64; SYNC_BOUNDS_US.len() + 1],
}

/// [`Figures`] at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FiguresRead {
    pub records: u64,
    pub bytes: u64,
    /// All syncs together.
    pub sync_total: Duration,
    /// Syncs that took as long as the bound of the same place in [`SYNC_BOUNDS_US`] or less, and more than the one before; at
    /// the end those that took longer than all.
    pub syncs: [u64; SYNC_BOUNDS_US.len() + 1],
}

impl Figures {
    pub(crate) fn wrote(&self, records: u64, bytes: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn synced(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sync_us.fetch_add(us, Ordering::Relaxed);
        self.syncs[SYNC_BOUNDS_US.partition_point(|bound| *bound < us)].fetch_add(1, Ordering::Relaxed);
    }

    pub fn read(&self) -> FiguresRead {
        let load = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        FiguresRead {
            records: load(&self.records),
            bytes: load(&self.bytes),
            sync_total: Duration::from_micros(load(&self.sync_us)),
            syncs: self.syncs.each_ref().map(load),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_is_counted_in_the_class_whose_bound_it_reaches() {
        let figures = Figures::default();
        for us in [0, 50, 51, 1_000_000, 1_000_001] {
            figures.synced(Duration::from_micros(us));
        }
        figures.wrote(3, 200);
        let read = figures.read();
        assert_eq!((read.syncs[0], read.syncs[1], read.syncs[13], read.syncs[14]), (2, 1, 1, 1));
        assert_eq!((read.records, read.bytes, read.sync_total.as_micros()), (3, 200, 2_000_102));
    }
}
