//! What strangers' bytes meet at the doors before a payload is judged.

use futures::FutureExt as _;
use http_body_util::{BodyExt as _, Full};
use painwatch_domain::GatewayId;
use painwatch_ingest::grpc::{Bounds, unpacked};
use painwatch_ingest::mqtt;
use tonic::body::Body;

/// As shipped.
const BOUNDS: Bounds = Bounds { max_bytes: 1 << 20, ratio: 100 };
/// A frame's flag and length.
const HEAD: usize = 5;

/// A connection's bytes, of which the first says after how many the rest arrives.
pub fn mqtt(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    mqtt::anything::converse(bytes, (*cut).into());
}

/// A gateway's status or will: what is kept of it is bounded.
///
/// # Panics
/// When more is kept than may be.
pub fn status(payload: &[u8]) {
    let gateway = GatewayId::parse("gw-17").expect("an id");
    let Some(status) = mqtt::parse_status(payload, &gateway) else { return };
    assert!(status.firmware.chars().count() <= 64 && status.devices.len() <= 256);
}

/// The body of a call with compressed messages.
///
/// # Panics
/// When a message is larger than one may be.
pub fn inflate(body: &[u8]) {
    let body = Body::new(Full::new(prost::bytes::Bytes::copy_from_slice(body)));
    let mut frames = unpacked(body, BOUNDS);
    // Bytes in memory are never waited for.
    while let Some(Some(Ok(frame))) = frames.frame().now_or_never() {
        assert!(frame.data_ref().is_none_or(|data| data.len() <= HEAD + BOUNDS.max_bytes));
    }
}
