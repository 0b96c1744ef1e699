//! What the rules find, what they miss and what they find wrongly: simulated people with ground truth, and the alarm burden
//! of the packs on recordings, both through the cores and the engine that production runs.
//!
//! Never: a clock, a threshold of its own, a second implementation of what is measured. See docs/evidence.md.

pub mod burden;
pub mod causes;
pub mod follow;
pub mod frozen;
pub mod journal;
pub mod tables;
pub mod trial;

// The program's own reader of the roster; the program is no library.
#[path = "../../../src/roster.rs"]
mod roster;
