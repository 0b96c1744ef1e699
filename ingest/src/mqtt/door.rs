//! Who may connect: the decision on a CONNECT, without any I/O.

use std::time::Duration;

use painwatch_access::{Access, GatewayCredential, GatewayPrincipal, Peer};
use painwatch_domain::GatewayId;
use painwatch_proto::journal::v1::GatewayStatus;

use super::limits::MqttLimits;
use super::status;
use super::topic::{self, Topic};

/// What a CONNECT of either protocol version says.
pub struct Hello {
    pub client_id: String,
    pub user: Option<String>,
    pub password: Option<Vec<u8>>,
    pub keep_alive_s: u16,
    pub clean_start: bool,
    /// How long the session is to outlive its connection, in seconds.
    pub session_expiry_s: u32,
    pub will: Option<Will>,
    /// Asks for an extended authentication exchange (MQTT 5).
    pub wants_auth_exchange: bool,
    /// Wants to be told reasons in words (MQTT 5).
    pub wants_reasons: bool,
    /// How many, those of the will included.
    pub user_properties: usize,
}

pub struct Will {
    pub topic: String,
    pub payload: Vec<u8>,
    /// How long after the connection's end it is spoken, in seconds (MQTT 5).
    pub delay_s: u32,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    BadCredentials,
    /// The client id is not the gateway's own.
    NotYourClientId,
    /// The will speaks elsewhere than on the gateway's own status topic.
    NotYourTopic,
    AuthExchange,
    WillMalformed,
    /// More of something than anybody needs.
    Oversized,
    /// As many sessions as may be, all connected.
    TooManySessions,
    /// What the answer says of the session could not be made durable: come again.
    NotDurable,
}

/// Somebody we know.
#[derive(Debug)]
pub struct Guest {
    pub principal: GatewayPrincipal,
    /// What let it in, and has to hold for as long as it stays.
    pub credential: GatewayCredential,
    pub will: Option<LastWord>,
}

/// What is to be said for a gateway that vanished, and how long after it did.
#[derive(Debug)]
pub struct LastWord {
    pub status: GatewayStatus,
    pub delay: Duration,
}

/// User = gateway id, password = token, or a client certificate instead of either; client id = gateway id or
/// `{gateway}/suffix`: bound to the credential, or a takeover would read another gateway's verdicts.
pub fn admit(hello: &Hello, access: &Access, limits: &MqttLimits, peer: &Peer, now_ms: i64) -> Result<Guest, Denied> {
    if hello.user_properties > limits.user_properties {
        return Err(Denied::Oversized);
    }
    if hello.wants_auth_exchange {
        return Err(Denied::AuthExchange);
    }
    let token = hello.password.as_deref().map(std::str::from_utf8).transpose().map_err(|_| Denied::BadCredentials)?;
    let credential = access.gateway(peer, token, now_ms).ok_or(Denied::BadCredentials)?;
    let principal = principal(hello, &credential, peer)?;
    if !is_own_client_id(&hello.client_id, principal.gateway.as_str()) {
        return Err(Denied::NotYourClientId);
    }
    let will = hello.will.as_ref().map(|will| admit_will(will, &principal)).transpose()?;
    Ok(Guest { principal, credential, will })
}

/// Whoever names nobody is the one its credential names.
fn principal(hello: &Hello, credential: &GatewayCredential, peer: &Peer) -> Result<GatewayPrincipal, Denied> {
    let own = credential.gateway.as_ref().map(GatewayId::as_str);
    let claimed = hello.user.as_deref().or(own.filter(|_| peer.certificate.is_some()));
    let denied = if peer.certificate.is_some() { Denied::NotYourClientId } else { Denied::BadCredentials };
    claimed.and_then(|claimed| credential.speaking_for(claimed)).ok_or(denied)
}

fn is_own_client_id(client_id: &str, gateway: &str) -> bool {
    match client_id.strip_prefix(gateway) {
        Some("") => true,
        Some(rest) => rest.len() > 1 && rest.starts_with('/'),
        None => false,
    }
}

fn admit_will(will: &Will, principal: &GatewayPrincipal) -> Result<LastWord, Denied> {
    if topic::parse(&will.topic, &principal.gateway) != Some(Topic::Status) {
        return Err(Denied::NotYourTopic);
    }
    let status = status::parse(&will.payload, &principal.gateway).ok_or(Denied::WillMalformed)?;
    Ok(LastWord { status, delay: Duration::from_secs(u64::from(will.delay_s)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_is_the_gateway_or_begins_with_it_and_a_slash() {
        for own in ["gw-1", "gw-1/a", "gw-1/a/b"] {
            assert!(is_own_client_id(own, "gw-1"), "{own}");
        }
        for foreign in ["", "gw-1/", "gw-10", "gw-1.", "GW-1", "gw-1\0", " gw-1", "gw-2/gw-1", "gw-1 /a", "gw"] {
            assert!(!is_own_client_id(foreign, "gw-1"), "{foreign:?}");
        }
    }
}
