//! Readings that were judged, by the input they came through and the class they ended in: for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use painwatch_store::BatchRow;

/// Inputs as records name them; what a later version calls otherwise counts as the last.
pub const INPUTS: [&str; 4] = ["mqtt", "grpc", "http", "other"];
pub const CLASSES: [&str; 4] = ["stored", "duplicate", "conflict", "quarantined"];

/// Counted since this process started; what it reads again after a restart is not counted again.
#[derive(Debug, Default)]
pub struct Counts([[AtomicU64; CLASSES.len()]; INPUTS.len()]);

impl Counts {
    pub(crate) fn add(&self, batch: &BatchRow) {
        let input = INPUTS.iter().position(|input| *input == batch.protocol).unwrap_or(INPUTS.len() - 1);
        let counts = [batch.stored, batch.duplicate, batch.conflict, batch.quarantined];
        for (sum, count) in self.0[input].iter().zip(counts) {
            sum.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// (input, class, count) of every input and class.
    pub fn read(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        INPUTS.iter().zip(&self.0).flat_map(|(input, sums)| {
            CLASSES.iter().zip(sums).map(|(class, sum)| (*input, *class, sum.load(Ordering::Relaxed)))
        })
    }
}
