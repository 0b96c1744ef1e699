//! All the chance there is.

use std::sync::{Arc, Mutex, PoisonError};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Handles are cheap clones of one sequence. Within one world all draws happen in one order.
#[derive(Clone, Debug)]
pub struct Dice(Arc<Mutex<ChaCha8Rng>>);

impl Dice {
    /// A sequence of its own for each purpose: more draws for one leave the others as they were.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mixed = painwatch_domain::Hash128::of(&[&seed.to_le_bytes(), purpose.as_bytes()]).0;
        let mut key = [0; 32];
        key[..16].copy_from_slice(&mixed);
        Self(Arc::new(Mutex::new(ChaCha8Rng::from_seed(key))))
    }

    /// A whole number in `[low, high)`; `low` where that is empty.
    pub fn between(&self, low: i64, high: i64) -> i64 {
        if low >= high { low } else { self.draw(|rng| rng.random_range(low..high)) }
    }

    /// A whole number below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        self.between(0, i64::try_from(bound).unwrap_or(i64::MAX)).unsigned_abs()
    }

    pub fn real(&self, low: f64, high: f64) -> f64 {
        self.draw(|rng| rng.random_range(low..high))
    }

    pub fn chance(&self, probability: f64) -> bool {
        self.draw(|rng| rng.random_bool(probability))
    }

    pub fn pick<'a, T>(&self, from: &'a [T]) -> Option<&'a T> {
        from.get(usize::try_from(self.below(from.len() as u64)).unwrap_or(0))
    }

    /// Small numbers often, large ones seldom, up to `most`: as interesting at the start of a thing as late in it.
    pub fn seldom(&self, most: u64) -> u64 {
        let bits = self.real(0.0, (most.max(1) as f64).log2());
        bits.exp2() as u64
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut ChaCha8Rng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
