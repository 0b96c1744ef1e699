//! What one gRPC connection, call and message may take. Each is a key below `ingest.grpc` of the configuration.

use std::num::NonZeroU32;
use std::time::Duration;

/// See the module's comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcLimits {
    /// Largest message after decompression. 1 MiB, the core's own limit for a payload.
    pub max_message_bytes: usize,
    /// How many times its compressed size a message may have, once it is larger than [`super::inflate::ANY_RATIO_BYTES`].
    /// 100: batches of readings compress to a tenth; what shrinks to a hundredth is made to expand.
    pub compression_ratio: usize,
    /// Calls at once on one connection.
    pub concurrent_streams: u32,
    /// Header bytes of one call. 16 KiB.
    pub header_list_bytes: u32,
    /// Calls that a peer may have reset before we looked at them; one more and its connection is closed
    /// (RUSTSEC-2024-0003).
    pub pending_resets: usize,
    /// Calls of one connection that we may have had to reset ourselves; one more and it is closed.
    pub error_resets: usize,
    /// How often a connection is asked whether it still lives …
    pub keepalive_interval: Duration,
    /// … and how long it may take to answer.
    pub keepalive_timeout: Duration,
    /// A connection on which no gateway has shown by then who it is is closed, whatever else is asked on it.
    pub first_call_deadline: Duration,
    /// A connection without a call of a gateway for this long is closed.
    pub idle_timeout: Duration,
    /// How long a call may take, from its head to its answer; a `Stream` to its beginning.
    pub call_deadline: Duration,
    /// Connections at once.
    pub connections: usize,
    /// Of them from one address; loopback and trusted proxies are not counted.
    pub connections_per_address: usize,
    /// Connections accepted a second, from everybody together; more wait.
    pub connects_per_s: NonZeroU32,
    /// Calls without a token (health and reflection) at once, from everybody together; an eighth of them from one address.
    pub open_calls: usize,
    /// Batches of one stream that may be unanswered. More are not read: flow control holds them back.
    pub stream_batches: usize,
    /// Their bytes.
    pub stream_bytes: usize,
}

impl Default for GrpcLimits {
    fn default() -> Self {
        Self {
            max_message_bytes: 1 << 20,
            compression_ratio: 100,
            concurrent_streams: 100,
            header_list_bytes: 16 << 10,
            pending_resets: 20,
            error_resets: 100,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
            first_call_deadline: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(900),
            call_deadline: Duration::from_secs(120),
            connections: 5_000,
            connections_per_address: 1_000,
            connects_per_s: const { NonZeroU32::new(2_000).expect("not zero") },
            open_calls: 256,
            stream_batches: 256,
            stream_bytes: 4 << 20,
        }
    }
}
