//! The processor's shell: tails the journal, applies each record to the pure cores, appends findings and verdicts, hands
//! rows to the store, and remembers where it was.
//!
//! Never: a clinical decision; a row or a finding for a record that is not durable; a second finding for one cause.

mod assumed;
mod canary;
mod clocks;
mod counts;
mod engine;
mod explain;
mod history;
mod intake;
mod orders;
mod paths;
mod performed;
mod pressures;
mod redriven;
pub mod rerun;
mod rows;
mod run;
mod sequences;
mod state;
mod technical;
mod weights;

pub use assumed::Assumed;
pub use counts::{CLASSES, Counts, INPUTS};
pub use engine::{Engine, OF_PATIENTS, Output, ParseRoster};
pub use run::{Config, Deps, ProcessorHandle, run};
