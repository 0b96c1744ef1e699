//! Figures of a load run.

use std::time::Duration;

use serde::Serialize;

use super::LoadOptions;
use crate::client::{Ack, Outcome};
use crate::ledger::Books;
use crate::outgoing::Protocol;

#[derive(Clone, Debug, Serialize)]
pub struct LoadReport {
    pub protocol: Protocol,
    pub gateways: u32,
    pub patients: u32,
    pub batch_size: u32,
    pub packed: bool,
    pub batches: u64,
    /// Readings in batches that were acknowledged as durable (quarantined ones too).
    pub acknowledged: u64,
    pub refused: u64,
    /// Batches that were sent more than once because a connection was lost.
    pub resent_batches: u64,
    pub elapsed_s: f64,
    pub acknowledged_per_s: f64,
    pub latency_ms: Latency,
    /// What the verdicts said (gRPC only).
    pub verdicts: Option<Books>,
    /// Verdicts that came before every reading was judged.
    pub verdicts_not_final: u64,
    /// What the books must say.
    pub expected: Books,
}

/// From the first sending of a batch to its answer, over batches; nearest rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

#[derive(Default)]
pub struct Tally {
    batches: u64,
    acknowledged: u64,
    refused: u64,
    resent: u64,
    verdicts: Option<Books>,
    not_final: u64,
    latencies_us: Vec<u64>,
}

impl Tally {
    pub fn add(&mut self, readings: u64, ack: &Ack) {
        self.batches += 1;
        self.resent += u64::from(ack.attempts > 1);
        self.latencies_us.push(ack.latency.as_micros() as u64);
        match &ack.outcome {
            Outcome::Refused(_) => self.refused += readings,
            Outcome::Durable | Outcome::Undecodable => self.acknowledged += readings,
            Outcome::Judged(verdict) => {
                self.acknowledged += readings;
                self.not_final += u64::from(!verdict.r#final);
                let sum = self.verdicts.get_or_insert_default();
                sum.submitted += readings;
                sum.stored += verdict.stored;
                sum.duplicate += verdict.duplicate;
                sum.conflict += verdict.conflict;
                sum.quarantined += verdict.quarantined;
            }
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.batches += other.batches;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.resent += other.resent;
        self.not_final += other.not_final;
        self.latencies_us.extend(other.latencies_us);
        if let Some(more) = other.verdicts {
            super::add_books(self.verdicts.get_or_insert_default(), &more);
        }
    }

    pub fn report(mut self, options: &LoadOptions, elapsed: Duration, expected: Books) -> LoadReport {
        let elapsed_s = elapsed.as_secs_f64();
        LoadReport {
            protocol: options.protocol,
            gateways: options.gateways,
            patients: options.patients,
            batch_size: options.batch_size,
            packed: options.packed,
            batches: self.batches,
            acknowledged: self.acknowledged,
            refused: self.refused,
            resent_batches: self.resent,
            elapsed_s,
            acknowledged_per_s: if elapsed_s > 0.0 { self.acknowledged as f64 / elapsed_s } else { 0.0 },
            latency_ms: latency(&mut self.latencies_us),
            verdicts: self.verdicts,
            verdicts_not_final: self.not_final,
            expected,
        }
    }
}

fn latency(samples_us: &mut [u64]) -> Latency {
    samples_us.sort_unstable();
    let rank = |share: f64| {
        let place = ((samples_us.len() as f64 * share).ceil() as usize).saturating_sub(1);
        samples_us.get(place).map_or(0.0, |&us| us as f64 / 1_000.0)
    };
    Latency { p50: rank(0.5), p90: rank(0.9), p99: rank(0.99), p999: rank(0.999), max: rank(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut samples: Vec<u64> = (1..=1_000).rev().map(|ms| ms * 1_000).collect();
        let expected = Latency { p50: 500.0, p90: 900.0, p99: 990.0, p999: 999.0, max: 1_000.0 };
        assert_eq!(latency(&mut samples), expected);
        assert_eq!(latency(&mut []), Latency::default());
    }
}
