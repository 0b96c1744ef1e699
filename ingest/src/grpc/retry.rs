//! `google.rpc.Status` with `RetryInfo`, as gRPC's `grpc-status-details-bin` carries it.

use prost::Message;
use prost_types::{Any, Duration};
use tonic::{Code, Status};

use super::RETRY_AFTER;

const RETRY_INFO_URL: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub struct RichStatus {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
pub struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub retry_delay: Option<Duration>,
}

/// Keep it, come again later.
pub fn held_back(why: &str) -> Status {
    with_retry(Code::ResourceExhausted, why)
}

/// Keep it, come again.
pub fn unavailable(why: &str) -> Status {
    with_retry(Code::Unavailable, why)
}

fn with_retry(code: Code, why: &str) -> Status {
    let seconds = i64::try_from(RETRY_AFTER.as_secs()).unwrap_or(i64::MAX);
    let info = RetryInfo { retry_delay: Some(Duration { seconds, nanos: 0 }) };
    let detail = Any { type_url: RETRY_INFO_URL.to_owned(), value: info.encode_to_vec() };
    let rich = RichStatus { code: code as i32, message: why.to_owned(), details: vec![detail] };
    Status::with_details(code, why, rich.encode_to_vec().into())
}
