//! Opens the doors, and closes them within a deadline.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use painwatch_access::Access;
use painwatch_access::tls::{Door, Security};
use painwatch_domain::{Clock, KnownClocks, Offset, Rosters};
use painwatch_journal::Journal;
use painwatch_store::Store;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admission::{Admission, MayOrder};
use crate::answer::Answers;
use crate::broker::{self, BrokerConfig};
use crate::grpc::GrpcLimits;
use crate::kept::Kept;
use crate::ledger::Ledger;
use crate::mqtt::rates::{DeviceRates, Rate};
use crate::pace::Pace;
use crate::verdicts::{self, VerdictBoard};
use crate::{grpc, http, mqtt};

/// How often refusals are journalled: a crash loses the counts of at most so long.
const REFUSALS_EVERY: Duration = Duration::from_secs(60);

/// Where to listen; port 0 is any free one, `None` closes that door.
#[derive(Clone, Debug, Default)]
pub struct IngestConfig {
    pub mqtt_listen: Option<SocketAddr>,
    pub grpc_listen: Option<SocketAddr>,
    /// An existing broker to take readings from as well.
    pub broker: Option<BrokerConfig>,
    pub limits: IngestLimits,
    /// TLS of both doors, and the proxies that end it for us.
    pub security: Security,
}

/// What bounds the memory and the patience of the doors.
#[derive(Clone, Debug)]
pub struct IngestLimits {
    /// Largest MQTT packet. 256 KiB: a day of minute values on several streams.
    pub max_packet_bytes: u32,
    /// Largest HTTP body. 1 MiB, the core's own limit for a payload.
    pub max_message_bytes: usize,
    /// Payload bytes of one MQTT session on their way into the journal. 4 MiB.
    pub session_bytes: usize,
    /// Payload bytes of all submissions together on their way into the journal, and as many of HTTP bodies on their way in. 64 MiB.
    pub budget_bytes: usize,
    /// MQTT connections at once. 10,000 idle ones hold some 200 MB.
    pub connections: usize,
    /// A connection that has not said who it is by then is closed.
    pub connect_deadline: Duration,
    /// How long `Submit` and `Stream` wait for intake before they answer `final: false` (semantics 3).
    pub verdict_timeout: Duration,
    /// What is durable and not in the tables may take about so long to apply; then doors slow down. An alert may be late by it (P12).
    pub patience: Duration,
    /// How long connections may take to finish once we stop.
    pub stop_deadline: Duration,
    /// What one payload may hold, whatever it came through.
    pub payload: painwatch_ingest_core::Limits,
    pub mqtt: mqtt::MqttLimits,
    pub grpc: GrpcLimits,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            max_packet_bytes: 256 << 10,
            max_message_bytes: 1 << 20,
            session_bytes: 4 << 20,
            budget_bytes: 64 << 20,
            connections: 10_000,
            connect_deadline: Duration::from_secs(10),
            verdict_timeout: Duration::from_secs(2),
            patience: Duration::from_secs(4),
            stop_deadline: Duration::from_secs(5),
            payload: painwatch_ingest_core::Limits::default(),
            mqtt: mqtt::MqttLimits::default(),
            grpc: GrpcLimits::default(),
        }
    }
}

/// What ingest stands on.
pub struct Deps {
    pub journal: Arc<dyn Journal>,
    pub access: Arc<Access>,
    pub clock: Arc<dyn Clock>,
    /// The rosters in force; the sender follows the journal.
    pub rosters: watch::Receiver<Arc<Rosters>>,
    /// The clocks known to be wrong; the sender follows the journal.
    pub clocks: watch::Receiver<Arc<KnownClocks>>,
    /// Where answers to earlier submissions are kept …
    pub store: Arc<dyn Store>,
    /// … and up to where it has them.
    pub applied: watch::Receiver<Offset>,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").field("journal", &self.journal).finish_non_exhaustive()
    }
}

/// Why a door does not open.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for {door} on {address}: {source}")]
pub struct ServeError {
    pub door: &'static str,
    pub address: SocketAddr,
    pub source: std::io::Error,
}

/// Open doors.
#[derive(Debug)]
pub struct IngestHandle {
    pub mqtt_addr: Option<SocketAddr>,
    pub grpc_addr: Option<SocketAddr>,
    /// `POST /api/v1/readings` and MQTT over WebSocket at `/mqtt`, to be merged into the HTTP listener and served with connect info.
    pub http_router: axum::Router,
    pub ledger: Arc<Ledger>,
    admission: Arc<Admission>,
    endpoint: Arc<mqtt::Endpoint>,
    doors: JoinSet<()>,
    tail: JoinSet<()>,
}

impl IngestHandle {
    /// Who is here over MQTT, on any transport.
    pub const fn mqtt(&self) -> &Arc<mqtt::Endpoint> {
        &self.endpoint
    }

    /// The path behind every door, also for those who submit without one.
    pub const fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// Returns when every door is closed. True when that was asked for, false when the journal closed under us.
    pub async fn stopped(mut self) -> bool {
        while self.doors.join_next().await.is_some() {}
        self.tail.shutdown().await;
        self.admission.record_refusals().await;
        !self.admission.closed().is_cancelled()
    }
}

/// The register is asked with each payload that holds an order: what it says may change at any time.
pub fn who_may_order(access: &Arc<Access>) -> MayOrder {
    let access = Arc::clone(access);
    Arc::new(move |from| access.may_order(from))
}

/// Opens the doors that `config` names. Cancelling `shutdown` closes them: what is being appended is acknowledged,
/// nothing more is read, and after [`IngestLimits::stop_deadline`] connections are cut.
///
/// # Errors
/// [`ServeError`] when an address cannot be bound.
pub async fn serve(config: IngestConfig, deps: Deps, shutdown: CancellationToken) -> Result<IngestHandle, ServeError> {
    let limits = config.limits;
    let mqtt_listener = bind("mqtt", config.mqtt_listen)?;
    let grpc_listener = bind("grpc", config.grpc_listen)?;
    let ledger = Arc::new(Ledger::default());
    let Deps { journal, access, clock, rosters, clocks, store, applied } = deps;
    let stop = shutdown.child_token();
    let pace = Arc::new(Pace::new(limits.patience));
    let mut tail = JoinSet::new();
    tail.spawn(Arc::clone(&pace).follow(applied.clone(), stop.clone()));
    let kept = Kept { store, journal: Arc::clone(&journal), applied };
    let board = Arc::new(VerdictBoard::default());
    let from = journal.next_offset();
    tail.spawn(verdicts::tail(Arc::clone(&journal), Arc::clone(&board), from));
    let admission = Admission::new(Arc::clone(&journal), clock, rosters, Arc::clone(&ledger), limits.budget_bytes);
    let admission = admission.with_clocks(clocks).with_limits(limits.payload).with_orders_of(who_may_order(&access));
    let rate = Rate::new(limits.mqtt.device_messages_per_s, limits.mqtt.device_messages_burst);
    let admission = Arc::new(admission.with_pace(pace).with_rates(DeviceRates::new(rate, stop.clone())));
    let answers = Answers { admission: Arc::clone(&admission), board };
    let mut doors = JoinSet::new();
    doors.spawn(record_refusals(Arc::clone(&admission), stop.clone()));
    doors.spawn(stop_with_the_journal(Arc::clone(&admission), stop.clone()));

    let mqtt_addr = local_addr(mqtt_listener.as_ref());
    let proxies = Arc::clone(&config.security.trusted_proxies);
    let (their_answers, their_access) = (answers.clone(), Arc::clone(&access));
    let opened =
        mqtt::Endpoint::open(&*journal, their_answers, their_access, limits.clone(), proxies, stop.clone()).await;
    let endpoint = Arc::new(opened);
    if let Some(listener) = mqtt_listener {
        doors.spawn(Arc::clone(&endpoint).listen(listener, config.security.gate(Door::Mqtt)));
    }
    if let Some(existing) = config.broker {
        doors.spawn(broker::run(existing, answers.clone(), limits.clone(), stop.clone()));
    }
    doors.spawn(Arc::clone(&endpoint).survey_regularly(journal));
    doors.spawn(Arc::clone(&endpoint).drain());
    let grpc_addr = local_addr(grpc_listener.as_ref());
    if let Some(listener) = grpc_listener {
        let service = grpc::Service {
            admission: Arc::clone(&admission),
            access: Arc::clone(&access),
            answers: answers.clone(),
            kept: kept.clone(),
            verdict_timeout: limits.verdict_timeout,
            window: grpc::Window { batches: limits.grpc.stream_batches, bytes: limits.grpc.stream_bytes },
        };
        let door = config.security.gate(Door::Grpc);
        let incoming = grpc::Incoming::new(listener, door, &limits.grpc, Arc::clone(&admission));
        doors.spawn(grpc::serve(incoming, service, limits.clone(), stop));
    }
    let http_router = http::router(http::Readings {
        admission: Arc::clone(&admission),
        access,
        answers,
        kept,
        verdict_timeout: limits.verdict_timeout,
        max_message_bytes: limits.max_message_bytes,
        arriving: Arc::new(Semaphore::new(limits.budget_bytes.max(limits.max_message_bytes))),
    });
    let http_router = http_router.merge(endpoint.websocket());
    Ok(IngestHandle { mqtt_addr, grpc_addr, http_router, ledger, admission, endpoint, doors, tail })
}

/// Runs until stopped, and is not cut off while it writes.
async fn record_refusals(admission: Arc<Admission>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(REFUSALS_EVERY) => admission.record_refusals().await,
        }
    }
}

/// A closed journal takes nothing more: keeping the doors open would only keep senders waiting.
async fn stop_with_the_journal(admission: Arc<Admission>, stop: CancellationToken) {
    tokio::select! {
        () = admission.closed().cancelled() => {
            tracing::error!("the journal is closed: nothing more is accepted");
            stop.cancel();
        }
        () = stop.cancelled() => {}
    }
}

/// Connections that may wait to be accepted: a clinic's gateways come back in the same second after an outage. Where fewer fit,
/// the system lets some believe that they are connected and answers them after half a minute.
const WAITING_MAX: u32 = 4_096;

/// A socket that takes connections, as many at once as may come after an outage.
///
/// # Errors
/// The address cannot be had.
pub fn listener(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    // A restart takes its address back while connections of before are still closing.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}

fn bind(door: &'static str, address: Option<SocketAddr>) -> Result<Option<TcpListener>, ServeError> {
    let Some(address) = address else { return Ok(None) };
    listener(address).map(Some).map_err(|source| ServeError { door, address, source })
}

fn local_addr(listener: Option<&TcpListener>) -> Option<SocketAddr> {
    listener.and_then(|listener| listener.local_addr().ok())
}
