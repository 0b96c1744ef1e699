//! A text nobody may see by accident.

use std::fmt;

use rand::TryRngCore as _;
use rand::rngs::OsRng;
use sha2::{Digest as _, Sha256};

/// Printed only by whoever calls [`Secret::reveal`], compared only by [`Secret::matches`].
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// `bytes` from the operating system's generator, as hexadecimal digits.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing secret can be made then.
    pub fn random(bytes: usize) -> Self {
        let mut noise = vec![0; bytes];
        fill(&mut noise);
        Self(hex::encode(noise))
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Compares digests to the end, so that the duration tells neither the length nor the first wrong character.
    pub fn matches(&self, offered: &str) -> bool {
        let difference = digest(&self.0).into_iter().zip(digest(offered)).fold(0, |sum, (a, b)| sum | (a ^ b));
        std::hint::black_box(difference) == 0 && !self.0.is_empty()
    }
}

/// From the operating system's generator; without one nothing secret can be made.
fn fill(noise: &mut [u8]) {
    OsRng.try_fill_bytes(noise).expect("the operating system's random generator answers");
}

/// As many bytes from the operating system's generator.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut noise = [0; N];
    fill(&mut noise);
    noise
}

/// What is kept instead of a token where it need not be shown again.
pub fn digest(text: &str) -> [u8; 32] {
    digest_of(text.as_bytes())
}

pub fn digest_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
