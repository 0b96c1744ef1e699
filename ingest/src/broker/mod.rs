//! An existing broker of which we are a client: what it delivers is acknowledged to it once it is durable here.
//!
//! The broker keeps one persistent session for us, under a client id that never changes. Each connection is a fresh event
//! loop of the library: what an earlier one left unacknowledged the broker sends again, and no acknowledgement of the
//! earlier one can go out on the later one and confirm another message. Which gateway speaks is what the topic says: the
//! broker has checked that, by its own access list.
//!
//! Never: an acknowledgement before durability; a message of the broker's that holds its place in the window for ever.

mod connection;

use std::fmt;
use std::time::Duration;

use painwatch_access::Secret;
use painwatch_domain::TenantId;
use rumqttc::{MqttOptions, TlsConfiguration, Transport};
use tokio_util::sync::CancellationToken;

use crate::answer::Answers;
use crate::run::IngestLimits;
use connection::{Connection, End};

const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// First and longest pause before the next connection.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// Where the broker is, and who we are there.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    pub host: String,
    pub port: u16,
    /// The broker keeps our session under this name: two installations on one broker need two.
    pub client_id: String,
    pub login: Option<(String, Secret)>,
    /// Certificates (PEM) that the broker's must lead to; plain TCP without.
    pub ca_pem: Option<Vec<u8>>,
    /// Whose readings these are: a topic names a gateway, never a tenant.
    pub tenant: TenantId,
    /// Largest packet that is read at all. MQTT 3.1.1 cannot ask a broker for smaller ones, so that what is larger than we take is read
    /// first and then refused; what is larger than this holds up everything behind it.
    pub packet_bytes: usize,
}

impl fmt::Display for BrokerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl BrokerConfig {
    fn options(&self) -> MqttOptions {
        let mut options = self.client(&self.client_id);
        options.set_clean_session(false).set_manual_acks(true).set_keep_alive(KEEP_ALIVE);
        options.set_max_packet_size(self.packet_bytes, self.packet_bytes);
        options
    }

    /// Another client of the broker as the same user, without a session.
    pub fn beside(&self, suffix: &str) -> MqttOptions {
        self.client(&format!("{}-{suffix}", self.client_id))
    }

    fn client(&self, client_id: &str) -> MqttOptions {
        let mut options = MqttOptions::new(client_id, self.host.clone(), self.port);
        if let Some((user, password)) = &self.login {
            options.set_credentials(user, password.reveal());
        }
        if let Some(ca) = self.ca_pem.clone() {
            let tls = TlsConfiguration::Simple { ca, alpn: None, client_auth: None };
            options.set_transport(Transport::tls_with_config(tls));
        }
        options
    }
}

/// Stays connected until stopped. A broker that cannot be reached is tried again, ever more rarely.
pub async fn run(broker: BrokerConfig, answers: Answers, limits: IngestLimits, stop: CancellationToken) {
    let mut pause = RETRY.0;
    loop {
        let (end, was_subscribed) = Connection::open(&broker, &answers, &limits).live(&stop).await;
        match end {
            End::Stopping => return,
            End::Closed => {
                return tracing::error!(%broker, "the journal is closed: nothing more is taken from the broker");
            }
            End::Lost(ref why) => tracing::warn!(%broker, why, "no connection to the broker"),
            End::HeldBack => tracing::warn!(%broker, "readings are left with the broker until there is room for them"),
        }
        if was_subscribed {
            pause = RETRY.0;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(RETRY.1);
    }
}
