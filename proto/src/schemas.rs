//! What gateways speak, written for programs: handed out under `/api/v1/schemas/`, and held to the code by tests.

/// One document.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Last part of its address.
    pub name: &'static str,
    pub media_type: &'static str,
    pub text: &'static str,
}

pub const ALL: [Schema; 3] = [
    Schema {
        name: "batch.schema.json",
        media_type: "application/schema+json",
        text: include_str!("../schemas/batch.schema.json"),
    },
    Schema { name: "asyncapi.json", media_type: "application/json", text: include_str!("../schemas/asyncapi.json") },
    Schema {
        name: "ingest.proto",
        media_type: "text/plain; charset=utf-8",
        text: include_str!("../painwatch/ingest/v1/ingest.proto"),
    },
];
