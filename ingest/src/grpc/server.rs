//! The gRPC listener: our service, reflection and health, each behind the same guard.

use std::sync::Arc;

use painwatch_proto::ingest::v1::ingest_server::IngestServer;
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;

use super::connection::{Patience, Watched};
use super::guard::Guard;
use super::{Incoming, Service, strangers};
use crate::run::IngestLimits;

/// Everything that is served, as descriptors.
pub(super) const DESCRIBED: &[&[u8]] = &[
    painwatch_proto::DESCRIPTORS,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];
/// Bytes of one connection that are taken before anybody has read them. Four streams may be held back before a fifth
/// feels it.
const CONNECTION_WINDOW: u32 = 4 << 20;
const STREAM_WINDOW: u32 = 1 << 20;

/// Serves until stopped, then lets calls finish within the limit: a half-open connection must not keep us alive
/// (hyper issue 4170). What is still open then is cut.
pub async fn serve(incoming: Incoming, service: Service, limits: IngestLimits, stop: CancellationToken) {
    let cut = CancellationToken::new();
    let watched = cut.clone();
    let patience = Patience {
        first_call: limits.grpc.first_call_deadline,
        idle: limits.grpc.idle_timeout,
        call: limits.grpc.call_deadline,
    };
    let places = strangers::places(limits.grpc.open_calls, incoming.proxies());
    let incoming = incoming.map(move |io| io.map(|io| Watched::new(io, patience, watched.clone().cancelled_owned())));
    let guard = Guard {
        access: Arc::clone(&service.access),
        admission: Arc::clone(&service.admission),
        limits: limits.grpc.clone(),
        places,
        services: routes(service, limits.grpc.max_message_bytes).await,
    };
    let serving = Server::builder()
        .http2_keepalive_interval(Some(limits.grpc.keepalive_interval))
        .http2_keepalive_timeout(Some(limits.grpc.keepalive_timeout))
        .max_concurrent_streams(limits.grpc.concurrent_streams)
        // The library takes what is below the limit, not what is at it.
        .http2_max_header_list_size(limits.grpc.header_list_bytes.saturating_add(1))
        .http2_max_pending_accept_reset_streams(Some(limits.grpc.pending_resets))
        .http2_max_local_error_reset_streams(Some(limits.grpc.error_resets))
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(STREAM_WINDOW)
        .serve_with_incoming_shutdown(guard, incoming, stop.clone().cancelled_owned());
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
    cut.cancel();
}

async fn routes(service: Service, max_message_bytes: usize) -> Routes {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<IngestServer<Service>>().await;
    let described = || {
        let builder = tonic_reflection::server::Builder::configure().include_reflection_service(false);
        DESCRIBED.iter().fold(builder, |builder, set| builder.register_encoded_file_descriptor_set(set))
    };
    let whole = "the descriptors compiled into the program are whole";
    Routes::new(IngestServer::new(service).max_decoding_message_size(max_message_bytes))
        .add_service(health_service)
        .add_service(described().build_v1().expect(whole))
        // What most clients of other languages still ask.
        .add_service(described().build_v1alpha().expect(whole))
}
