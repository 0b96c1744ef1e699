//! Bytes in, admitted or quarantined out: a pure function of the payload, the time it was received and the measure table
//! (semantics 1, 3, 6, 7; clinical catalogue G1, G2). One bad reading never stops its neighbours.
//!
//! Never: a memory of earlier readings, a clock, I/O; a guess at a unit or a zone; a reading that is counted in no class.

mod codes;
mod decode;
mod envelope;
mod explain;
mod foreign;
mod formats;
mod judge;
mod quarantine;
mod reading;
mod times;
mod values;

#[cfg(test)]
mod tests;

pub use decode::count_readings;
pub use envelope::{Envelope, Format, Kept, Limits, Protocol, Refused, Submission};
pub use explain::{Explained, Explanation, explain, fix, reason};
pub use foreign::{Beside, Entry, Foreign};
pub use judge::{judge_again, judge_batch, judge_bytes};
pub use painwatch_domain::order::{Fill, Order, OrderState};
