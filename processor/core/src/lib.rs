//! What the processor decides, as pure functions of what it has read: which readings count, whose they are, what the
//! numbers mean and which rules hold.
//!
//! Never: a clock, randomness, I/O, an async runtime. Time and history are arguments.

pub mod intake;
pub mod metrics;
pub mod patient;
pub mod rules;
