//! The client side of the pipeline: importers of recorded exports, simulated patients with their ground truth, the clients
//! that carry batches to the endpoints, and the plans by which the demo and the load test send them.
//!
//! Never: a decision about a reading (ingest decides), a look into the server's tables, the operating system's date.

pub mod client;
pub mod import;
pub mod ledger;
pub mod load;
pub mod outgoing;
pub mod replay;
pub mod roster;
pub mod simulate;
pub mod truth;
