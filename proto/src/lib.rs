//! The wire: generated messages, and the only conversions between them and the words of the domain.
//!
//! Never: a decision about a reading. What is admissible is judged in `ingest/core`.

/// What gateways speak.
pub mod ingest {
    #[allow(clippy::all, missing_docs)]
    pub mod v1 {
        tonic::include_proto!("painwatch.ingest.v1");
    }
}

/// What journal records hold.
pub mod journal {
    #[allow(clippy::all, missing_docs)]
    pub mod v1 {
        tonic::include_proto!("painwatch.journal.v1");
    }
}

pub mod json;
pub mod record;
pub mod schemas;

/// The compiled descriptors, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
