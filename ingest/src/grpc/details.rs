//! `google.rpc.Status` with its details, as gRPC's `grpc-status-details-bin` carries it: what a program can act on without
//! reading the message.

use std::collections::HashMap;

use prost::Message;
use prost_types::{Any, Duration};
use tonic::{Code, Status};

use super::RETRY_AFTER;

/// Whose reasons the `ErrorInfo`s name.
pub const DOMAIN: &str = "painwatch";

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

/// `google.rpc.ErrorInfo`.
#[derive(Clone, PartialEq, Message)]
pub struct ErrorInfo {
    #[prost(string, tag = "1")]
    pub reason: String,
    #[prost(string, tag = "2")]
    pub domain: String,
    #[prost(map = "string, string", tag = "3")]
    pub metadata: HashMap<String, String>,
}

/// `google.rpc.BadRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    pub field_violations: Vec<FieldViolation>,
}

/// `google.rpc.BadRequest.FieldViolation`.
#[derive(Clone, PartialEq, Message)]
pub struct FieldViolation {
    #[prost(string, tag = "1")]
    pub field: String,
    #[prost(string, tag = "2")]
    pub description: String,
}

/// Keep it, come again later.
pub fn held_back(why: &str) -> Status {
    with_retry(Code::ResourceExhausted, why)
}

/// Keep it, come again.
pub fn unavailable(why: &str) -> Status {
    with_retry(Code::Unavailable, why)
}

/// Not theirs to do, for good; `reason` is one of the contract's words.
pub fn denied(reason: &str, why: &str) -> Status {
    with_reason(Code::PermissionDenied, reason, why)
}

/// Nobody we know.
pub fn unauthenticated(why: &str) -> Status {
    with_reason(Code::Unauthenticated, "token_required", why)
}

/// The deadline of the call came first, theirs or ours.
pub fn late() -> Status {
    Status::deadline_exceeded("not known to be durable by the call's deadline: send it again")
}

/// The request itself is wrong; sending it again changes nothing.
pub fn invalid(field: &str, why: &str) -> Status {
    let violation = FieldViolation { field: field.to_owned(), description: why.to_owned() };
    let request = BadRequest { field_violations: vec![violation] };
    rich(Code::InvalidArgument, &format!("{field}: {why}"), "BadRequest", &request)
}

fn with_retry(code: Code, why: &str) -> Status {
    let seconds = i64::try_from(RETRY_AFTER.as_secs()).unwrap_or(i64::MAX);
    rich(code, why, "RetryInfo", &RetryInfo { retry_delay: Some(Duration { seconds, nanos: 0 }) })
}

fn with_reason(code: Code, reason: &str, why: &str) -> Status {
    let info = ErrorInfo { reason: reason.to_owned(), domain: DOMAIN.to_owned(), metadata: HashMap::new() };
    rich(code, why, "ErrorInfo", &info)
}

fn rich(code: Code, why: &str, name: &str, detail: &impl Message) -> Status {
    let detail = Any { type_url: format!("type.googleapis.com/google.rpc.{name}"), value: detail.encode_to_vec() };
    let rich = RichStatus { code: code as i32, message: why.to_owned(), details: vec![detail] };
    Status::with_details(code, why, rich.encode_to_vec().into())
}
