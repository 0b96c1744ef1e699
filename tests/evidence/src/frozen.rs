//! Thresholds are frozen before the seeds are drawn: the seed is a hash of every default rule, so that whoever changes a
//! limit meets other people, and nobody can choose the limits after having seen them.

use painwatch_domain::Hash128;
use painwatch_processor_core::rules::default_packs;

/// What all default rules say, as one number in hexadecimal.
pub fn packs() -> String {
    hash().to_string()
}

/// The seed that the packs draw; `stream` tells one use from another.
pub fn seed(stream: u8) -> u64 {
    let bytes = Hash128::of(&[&hash().0, &[stream]]).0;
    u64::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]])
}

fn hash() -> Hash128 {
    let rules: Vec<String> = default_packs().iter().map(|rule| format!("{} {}", rule.pack, rule.version())).collect();
    Hash128::of(&rules.iter().map(|rule| rule.as_bytes()).collect::<Vec<_>>())
}
