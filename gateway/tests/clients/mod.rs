//! The clients against endpoints on loopback that drop connections in the middle of a window.

mod grpc;
mod mqtt;

use painwatch_gateway::outgoing::Payload;
use painwatch_proto::ingest::v1::{Reading, ReadingBatch};

fn batch(number: usize) -> Payload {
    let reading =
        Reading { device: "d-1".into(), measure: "heart_rate".into(), value: Some(70.0), ..Reading::default() };
    Payload::Batch(ReadingBatch {
        gateway: "gw-1".into(),
        batch_id: format!("gw-1/{number}"),
        readings: vec![reading],
        ..ReadingBatch::default()
    })
}
