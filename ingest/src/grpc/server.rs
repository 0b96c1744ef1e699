//! The gRPC listener: our service, reflection and health.

use std::time::Duration;

use painwatch_proto::ingest::v1::ingest_server::IngestServer;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::{Incoming, Service};
use crate::run::IngestLimits;

/// A peer that does not answer pings for this long is gone.
const PING_EVERY: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);
/// Calls at once on one connection.
const CALLS_PER_CONNECTION: u32 = 256;
/// Header bytes of one call.
const HEADER_BYTES: u32 = 16 << 10;

/// Serves until stopped, then lets calls finish within the limit: a half-open connection must not keep us alive.
pub async fn serve(incoming: Incoming, service: Service, limits: IngestLimits, stop: CancellationToken) {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<IngestServer<Service>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(painwatch_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .expect("the descriptors compiled into the program are whole");
    let ingest = IngestServer::new(service).max_decoding_message_size(limits.max_message_bytes);
    let serving = Server::builder()
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PONG_WITHIN))
        .max_concurrent_streams(CALLS_PER_CONNECTION)
        .http2_max_header_list_size(HEADER_BYTES)
        .add_service(health_service)
        .add_service(reflection)
        .add_service(ingest)
        .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
    let deadline = async {
        stop.cancelled().await;
        tokio::time::sleep(limits.stop_deadline).await;
    };
    tokio::select! {
        served = serving => if let Err(error) = served {
            tracing::error!(%error, "the gRPC listener failed");
        },
        () = deadline => tracing::warn!("gRPC connections were still open at the deadline"),
    }
}
