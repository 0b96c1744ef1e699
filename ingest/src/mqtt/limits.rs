//! What one gateway, one address or one device can take from us. Each is a key below `ingest.limits`.

use std::num::{NonZeroU16, NonZeroU32};

use serde::{Deserialize, Serialize};

/// Limits of the MQTT endpoint. `src/config.default.toml` gives the reason for each default.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct MqttLimits {
    /// Bytes of the first packet, before anybody is authenticated.
    pub first_packet_bytes: usize,
    /// Longest keep-alive, in seconds; half as much again is tolerated.
    pub keep_alive_s: NonZeroU16,
    /// Publishes of one connection without an answer.
    pub receive_maximum: NonZeroU16,
    /// Aliases a client may use for its topics.
    pub topic_aliases: u16,
    pub topic_levels: usize,
    pub topic_bytes: usize,
    /// User properties of one packet.
    pub user_properties: usize,
    /// Connections from one address; loopback and trusted proxies are not counted.
    pub connections_per_address: usize,
    /// Connections accepted a second, from everybody together; more wait.
    pub connects_per_s: NonZeroU32,
    /// Sessions, with and without a connection.
    pub sessions: usize,
    /// Of them with one gateway's client ids.
    pub sessions_per_gateway: usize,
    /// How long a session outlives its connection at most, in seconds.
    pub session_expiry_s: u32,
    /// Unfinished QoS 2 exchanges of one session.
    pub qos2_ids: usize,
    /// Messages a second with readings of one device; more are acknowledged later.
    pub device_messages_per_s: NonZeroU32,
    /// Messages of one device that may come at once before that rate holds.
    pub device_messages_burst: NonZeroU32,
}

const fn nonzero16(value: u16) -> NonZeroU16 {
    NonZeroU16::new(value).expect("not zero")
}

const fn nonzero32(value: u32) -> NonZeroU32 {
    NonZeroU32::new(value).expect("not zero")
}

impl Default for MqttLimits {
    fn default() -> Self {
        Self {
            first_packet_bytes: 4 << 10,
            keep_alive_s: const { nonzero16(300) },
            receive_maximum: const { nonzero16(1_000) },
            topic_aliases: 16,
            topic_levels: 8,
            topic_bytes: 256,
            user_properties: 16,
            connections_per_address: 1_000,
            connects_per_s: const { nonzero32(2_000) },
            sessions: 20_000,
            sessions_per_gateway: 64,
            session_expiry_s: 7 * 24 * 3600,
            qos2_ids: 1_000,
            device_messages_per_s: const { nonzero32(2_000) },
            device_messages_burst: const { nonzero32(20_000) },
        }
    }
}

impl MqttLimits {
    /// Whether a topic or a filter is of a size that anybody needs.
    pub fn allows_topic(&self, topic: &str) -> bool {
        topic.len() <= self.topic_bytes && topic.split('/').count() <= self.topic_levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_eight_levels_and_256_bytes_at_most() {
        let limits = MqttLimits::default();
        assert!(limits.allows_topic("1/2/3/4/5/6/7/8"));
        assert!(!limits.allows_topic("1/2/3/4/5/6/7/8/9"));
        assert!(limits.allows_topic(&"x".repeat(256)));
        assert!(!limits.allows_topic(&"x".repeat(257)));
    }
}
