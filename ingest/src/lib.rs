//! The gateways' door: MQTT, gRPC and HTTP in, one judged record a submission into the journal, an acknowledgement out.
//!
//! Never: an acknowledgement before the record is durable; a decision about a reading (that is `ingest/core`); a tenant
//! taken from a topic or a payload; one connection's fault felt by another.

pub mod admission;
pub mod answer;
pub mod broker;
mod controls;
mod gate;
pub mod grpc;
pub mod http;
pub mod kept;
pub mod ledger;
pub mod mqtt;
pub mod pace;
pub mod redrive;
pub mod run;
pub mod verdicts;

pub use admission::{Accepted, Admission, Outcome};
pub use broker::BrokerConfig;
pub use grpc::GrpcLimits;
pub use ledger::{Ledger, Refusal, Tally};
pub use redrive::{Fate, Item, RedriveError};
pub use run::{Deps, IngestConfig, IngestHandle, IngestLimits, ServeError, serve, who_may_order};
pub use verdicts::VerdictBoard;
