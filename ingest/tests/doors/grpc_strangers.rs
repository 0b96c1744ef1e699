//! What a peer may hold that has not shown who it is, or whose credential holds no longer.

use prost::Message as _;

use crate::grpc::batch;
use crate::support::http2;
use crate::support::secure::{gateway, register_token, revoke};
use crate::support::{House, eventually};

const SUBMIT: &str = "/painwatch.ingest.v1.Ingest/Submit";
const STREAM: &str = "/painwatch.ingest.v1.Ingest/Stream";
const CHECK: &str = "/grpc.health.v1.Health/Check";

#[tokio::test]
async fn a_message_of_a_call_without_a_token_has_4_kib_at_most() {
    let house = House::open().await;
    for (bytes, status) in [(4_096, "5"), (4_097, "11")] {
        // Field 1 of two bytes, its length of two.
        let question = tonic_health::pb::HealthCheckRequest { service: "x".repeat(bytes - 3) }.encode_to_vec();
        assert_eq!(question.len(), bytes);
        let (mut sending, answer) = http2::begin(house.handle.grpc_addr.unwrap(), CHECK, None, false).await;
        sending.send_data(http2::message(false, &question), true).unwrap();
        assert_eq!(http2::status(answer).await, status, "{bytes}");
    }
}

#[tokio::test]
async fn f29_a_call_that_began_before_its_credential_was_revoked_submits_nothing_after() {
    for path in [SUBMIT, STREAM] {
        let house = House::open().await;
        let (data, who) = (house.data.path(), gateway("main", "gw-1"));
        let token = register_token(data, &who);
        let (mut sending, answer) = http2::begin(house.handle.grpc_addr.unwrap(), path, Some(&token), false).await;
        let said = http2::message(false, &batch(1).encode_to_vec());
        sending.send_data(said.slice(..said.len() - 1), false).unwrap();
        eventually("the call holds a lease", || house.access.leases() == 1).await;
        revoke(data, &who);
        assert_eq!(house.access.expel(crate::support::NOW_MS, None), 1);
        // The stream may be at its end already.
        let _ = sending.send_data(said.slice(said.len() - 1..), true);
        assert_eq!(http2::status(answer).await, "16", "UNAUTHENTICATED {path}");
        assert!(house.batches().is_empty());
        eventually("the lease is given back", || house.access.leases() == 0).await;
    }
}
